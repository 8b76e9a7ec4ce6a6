import { Code, ConnectError } from '@connectrpc/connect';
import OpenAI from 'openai';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { FinishReason } from '../../gen/llmgateway/v1/completion_pb.js';
import { ErrorDetailSchema, ErrorReason } from '../../gen/llmgateway/v1/error_pb.js';
import { Role } from '../../gen/llmgateway/v1/message_pb.js';
import {
  chatClient,
  openaiClient,
  type RpcFace,
  type RunningGateway,
  rpcTransports,
  startGateway,
} from '../support/gateway.ts';

let gateway: RunningGateway;
beforeAll(async () => {
  gateway = await startGateway();
});
afterAll(() => gateway.stop());

const ask = (text: string) => ({
  messages: [{ role: Role.USER, parts: [{ content: { case: 'text' as const, value: { text } } }] }],
});
const weather = {
  type: 'function' as const,
  function: {
    name: 'weather',
    parameters: { type: 'object', properties: { city: { type: 'string' } }, required: ['city'] },
  },
};

describe('REST, by the official SDK', () => {
  test('answers', async () => {
    const { data, response } = await openaiClient(gateway.url)
      .chat.completions.create({ model: 'fake/echo', messages: [{ role: 'user', content: 'Hello there' }] })
      .withResponse();
    expect(data).toMatchObject({
      object: 'chat.completion',
      choices: [
        {
          index: 0,
          message: { role: 'assistant', content: 'Hello there', refusal: null },
          finish_reason: 'stop',
        },
      ],
      usage: { prompt_tokens: 2, completion_tokens: 2, total_tokens: 4 },
    });
    expect(response.headers.get('x-request-id')).toMatch(/^req_/);
    expect(response.headers.get('x-provider-used')).toBe('fake');
  });

  test('streams by the helper, with usage', async () => {
    const stream = openaiClient(gateway.url).chat.completions.stream({
      model: 'fake/echo?words=50',
      messages: [{ role: 'user', content: 'one two three' }],
      stream_options: { include_usage: true },
    });
    let text = '';
    for await (const chunk of stream) text += chunk.choices[0]?.delta.content ?? '';
    const final = await stream.finalChatCompletion();
    expect(text.split(' ')).toHaveLength(50);
    expect(final.choices[0]?.message.content).toBe(text);
    expect(final.usage?.completion_tokens).toBe(50);
  });

  test('streams parallel tool calls', async () => {
    const stream = openaiClient(gateway.url).chat.completions.stream({
      model: 'fake/tools?calls=3',
      messages: [{ role: 'user', content: 'weather?' }],
      tools: [weather],
    });
    const { choices } = await stream.finalChatCompletion();
    expect(choices[0]?.finish_reason).toBe('tool_calls');
    expect(
      choices[0]?.message.tool_calls?.map((call) =>
        JSON.parse((call as { function: { arguments: string } }).function.arguments),
      ),
    ).toEqual(Array.from({ length: 3 }, () => ({ city: 'sample' })));
  });

  test('tells errors as the SDK expects them', async () => {
    const error = await openaiClient(gateway.url)
      .chat.completions.create({
        model: 'fake/error?status=429&retry_after_ms=1500',
        messages: [{ role: 'user', content: 'x' }],
      })
      .catch((cause: unknown) => cause);
    expect(error).toBeInstanceOf(OpenAI.RateLimitError);
    const { headers, requestID } = error as InstanceType<typeof OpenAI.RateLimitError>;
    expect(headers.get('retry-after')).toBe('2');
    expect(headers.get('retry-after-ms')).toBe('1500');
    expect(requestID).toMatch(/^req_/);
  });

  test('retries of the SDK reach the gateway', async () => {
    const before = gateway.log.length;
    await openaiClient(gateway.url, { maxRetries: 2 })
      .chat.completions.create({
        model: 'fake/error?status=503&retry_after_ms=1',
        messages: [{ role: 'user', content: 'x' }],
      })
      .catch(() => null);
    expect(gateway.log.slice(before).filter((line) => line['message'] === 'call')).toHaveLength(3);
  });
});

describe.each(Object.keys(rpcTransports) as RpcFace[])('%s', (face) => {
  test('answers', async () => {
    const reply = await chatClient(face, gateway.url).createChatCompletion({
      model: 'fake/echo',
      ...ask('Hello there'),
    });
    expect(reply.choices[0]?.message?.parts[0]?.content.value).toMatchObject({ text: 'Hello there' });
    expect(reply.choices[0]?.finishReason).toBe(FinishReason.STOP);
    expect(reply.callReport?.provider).toBe('fake');
    expect(reply.usage?.totalTokens).toBe(4);
  });

  test('streams with an explicit life cycle', async () => {
    const cases: (string | undefined)[] = [];
    let text = '';
    for await (const { event } of chatClient(face, gateway.url).streamChatCompletion({
      model: 'fake/echo',
      ...ask('a b c'),
    })) {
      cases.push(event.case);
      if (event.case === 'delta') text += event.value.text;
    }
    expect(text).toBe('a b c');
    expect(cases).toEqual([
      'started',
      'partStarted',
      'delta',
      'delta',
      'delta',
      'partEnded',
      'choiceFinished',
      'finished',
    ]);
  });

  test('names the wrong field', async () => {
    const error = await chatClient(face, gateway.url)
      .createChatCompletion({ model: 'fake/echo', ...ask('x'), parameters: { temperature: 9 } })
      .catch((cause: unknown) => cause);
    expect(error).toBeInstanceOf(ConnectError);
    const { code } = error as ConnectError;
    const [detail] = (error as ConnectError).findDetails(ErrorDetailSchema);
    expect(code).toBe(Code.InvalidArgument);
    expect(detail).toMatchObject({ reason: ErrorReason.INVALID_REQUEST, field: 'parameters.temperature' });
    expect(detail?.requestId).toMatch(/^req_/);
  });

  test('a cut stream ends in an error', async () => {
    const stream = chatClient(face, gateway.url).streamChatCompletion({
      model: 'fake/echo?cut_after=2',
      ...ask('a b c d'),
    });
    let events = 0;
    const error = await (async () => {
      for await (const _event of stream) events++;
    })().catch((cause: unknown) => cause);
    expect(events).toBeGreaterThan(0);
    expect((error as ConnectError).code).toBe(Code.Unavailable);
  });

  test('a deadline ends the call', async () => {
    const error = await chatClient(face, gateway.url)
      .createChatCompletion({ model: 'fake/echo?first_ms=60000', ...ask('x') }, { timeoutMs: 100 })
      .catch((cause: unknown) => cause);
    expect((error as ConnectError).code).toBe(Code.DeadlineExceeded);
  });
});

test('a misspelt field of a Connect request in JSON is named, not ignored', async () => {
  const response = await fetch(`${gateway.url}/llmgateway.v1.ChatService/CreateChatCompletion`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({
      model: 'fake/echo',
      messages: [{ role: 'ROLE_USER', parts: [{ text: { text: 'Hello' } }] }],
      parameters: { temprature: 0 },
    }),
  });
  expect(response.status).toBe(400);
  expect(response.headers.get('x-request-id')).toMatch(/^req_/);
  expect(await response.json()).toMatchObject({
    code: 'invalid_argument',
    message: expect.stringContaining('temprature'),
  });
});
