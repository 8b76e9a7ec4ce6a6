import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { ConnectError } from '@connectrpc/connect';
import OpenAI from 'openai';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { FinishReason } from '../../gen/llmgateway/v1/completion_pb.js';
import type { StreamEvent } from '../../src/model/events.ts';
import { decodeGeminiRequest } from '../codec/gemini/support/decode-request.ts';
import { assemble, callsOf, textOf, thinkingOf } from '../codec/gemini/support/events.ts';
import { type GeminiExchange, recordedGemini } from '../codec/gemini/support/recordings.ts';
import { type ScriptedUpstream, startUpstream } from '../http/support/upstream.ts';
import { chatClient, openaiClient, type RunningGateway, startGateway } from '../support/gateway.ts';

// Gemini's form through the whole gateway: what the client asks in its form, what the provider is asked in Gemini's.

let upstream: ScriptedUpstream;
let gateway: RunningGateway;
let folder: string;
/** What the upstream answers, in order; the last one again and again. */
let answers: { status: number; type: string; text: string }[];
/** What it was asked. */
let asked: { path: string; head: string; json: Record<string, unknown> }[];

beforeAll(async () => {
  upstream = await startUpstream();
  upstream.answerAll(async ({ socket, head, body }) => {
    asked.push({ path: head.split(' ')[1] ?? '', head: head.toLowerCase(), json: JSON.parse(body) });
    const { status, type, text } = (answers.length > 1 ? answers.shift() : answers[0]) as (typeof answers)[0];
    socket.write(
      `HTTP/1.1 ${status} Replayed\r\ncontent-type: ${type}\r\ncontent-length: ${Buffer.byteLength(text)}\r\n\r\n`,
    );
    const bytes = Buffer.from(text);
    for (let at = 0; at < bytes.length; at += 97) {
      socket.write(bytes.subarray(at, at + 97));
      await new Promise((resolve) => setImmediate(resolve));
    }
  });
  folder = mkdtempSync(path.join(tmpdir(), 'gemini-'));
  const file = path.join(folder, 'gateway.yaml');
  writeFileSync(
    file,
    [
      'providers:',
      '  google:',
      `    base_url: ${upstream.origin}/v1beta`,
      '  mine:',
      '    form: google',
      `    base_url: ${upstream.origin}/v1/projects/p/locations/l/publishers/google`,
      '    headers: { authorization: Bearer t }',
    ].join('\n'),
  );
  gateway = await startGateway({ LLM_GATEWAY_CONFIG: file, GOOGLE_API_KEY: 'the-key' });
});
afterAll(async () => {
  await gateway?.stop();
  upstream?.close();
  rmSync(folder, { recursive: true, force: true });
});
beforeEach(() => {
  asked = [];
});

const json = (value: unknown, status = 200) => ({
  status,
  type: 'application/json; charset=UTF-8',
  text: JSON.stringify(value),
});
const sse = (...chunks: unknown[]) => ({
  status: 200,
  type: 'text/event-stream',
  text: chunks.map((chunk) => `data: ${JSON.stringify(chunk)}\r\n\r\n`).join(''),
});
const said = (parts: unknown[], rest: object = {}) => ({
  candidates: [{ content: { role: 'model', parts }, finishReason: 'STOP', index: 0, ...rest }],
  usageMetadata: { promptTokenCount: 3, candidatesTokenCount: 2, totalTokenCount: 5 },
  modelVersion: 'gemini-x',
  responseId: 'resp-1',
});
const user = [{ role: 'user' as const, content: 'hi' }];

describe('recorded exchanges', () => {
  const chats = recordedGemini().filter(({ endpoint, vertex }) => endpoint === 'generateContent' && !vertex);

  const expected = ({ derived }: GeminiExchange) => ({
    text: derived.text ?? '',
    thinking: derived.thinking ?? '',
    calls: (derived.tool_calls ?? []).map(({ name, args }) => ({ name, args })),
    finish: (derived.tool_calls ?? []).length > 0 ? 'TOOL_CALLS' : derived.finish,
    completion: (derived.usage?.['candidatesTokenCount'] ?? 0) + (derived.usage?.['thoughtsTokenCount'] ?? 0),
  });

  async function overGrpc({ request, model, sse: streamed }: GeminiExchange) {
    const { $typeName: _name, ...fields } = decodeGeminiRequest(`gemini/${model}`, structuredClone(request));
    const client = chatClient('gRPC', gateway.url);
    if (!streamed) {
      const { choices, usage } = await client.createChatCompletion(fields);
      return {
        parts: choices[0]?.message?.parts ?? [],
        finish: FinishReason[choices[0]?.finishReason ?? 0],
        usage,
      };
    }
    const events: StreamEvent[] = [];
    for await (const event of client.streamChatCompletion(fields)) events.push(event);
    return assemble(events);
  }

  test.skipIf(chats.length === 0).each(chats.map((exchange) => [exchange.title, exchange] as const))(
    'over gRPC: %s',
    async (_title, exchange) => {
      answers = [exchange.response];
      const { parts, finish, usage } = await overGrpc(exchange);
      expect({
        text: textOf(parts),
        thinking: thinkingOf(parts),
        calls: callsOf(parts).map(({ name, arguments: args }) => ({ name, args: JSON.parse(args) })),
        finish,
        completion: usage?.completionTokens,
      }).toEqual(expected(exchange));
      const { generationConfig, ...rest } = exchange.request as { generationConfig?: object };
      const config = Object.keys(generationConfig ?? {}).length > 0 ? { generationConfig } : {};
      expect(asked[0]?.json).toEqual({ ...rest, ...config });
      expect(asked[0]?.path.replace(/\?.*/, '')).toBe(exchange.path);
    },
  );

  test.skipIf(chats.length === 0).each(chats.map((exchange) => [exchange.title, exchange] as const))(
    'over REST: %s',
    async (_title, exchange) => {
      answers = [exchange.response];
      const client = openaiClient(gateway.url);
      const body = { model: `google/${exchange.model}`, messages: user };
      const { choices, usage } = exchange.sse
        ? await client.chat.completions
            .stream({ ...body, stream_options: { include_usage: true } })
            .finalChatCompletion()
        : await client.chat.completions.create(body);
      const { message, finish_reason: finish } = choices[0] as OpenAI.ChatCompletion.Choice;
      const { text, calls, finish: word, completion } = expected(exchange);
      expect(message.content ?? '').toBe(text);
      expect(
        (message.tool_calls ?? []).map((call) =>
          call.type === 'function'
            ? { name: call.function.name, args: JSON.parse(call.function.arguments) }
            : null,
        ),
      ).toEqual(calls);
      expect(finish.toUpperCase()).toBe(word);
      expect(usage?.completion_tokens).toBe(completion);
    },
  );
});

describe('a request', () => {
  test('goes to the model’s own address with the key in a header', async () => {
    answers = [json(said([{ text: 'a' }]))];
    const client = openaiClient(gateway.url);
    for (const model of [
      'google/gemini-2.5-flash',
      'gemini/models/gemini-2.5-flash',
      'google/tunedModels/my tune?x',
      'gemini-2.5-flash',
      'google/a/b:c',
    ])
      await client.chat.completions.create({ model, messages: user });
    expect(asked.map(({ path: at }) => at)).toEqual([
      '/v1beta/models/gemini-2.5-flash:generateContent',
      '/v1beta/models/gemini-2.5-flash:generateContent',
      '/v1beta/tunedModels/my%20tune%3Fx:generateContent',
      '/v1beta/models/gemini-2.5-flash:generateContent',
      '/v1beta/models/a%2Fb%3Ac:generateContent',
    ]);
    for (const { head } of asked) expect(head).toContain('x-goog-api-key: the-key');
  });

  test('goes to a provider of one’s own in the same form', async () => {
    answers = [sse(said([{ text: 'a' }]))];
    const stream = openaiClient(gateway.url).chat.completions.stream({
      model: 'mine/gemini-2.5-pro',
      messages: user,
    });
    expect((await stream.finalChatCompletion()).choices[0]?.message.content).toBe('a');
    expect(asked[0]?.path).toBe(
      '/v1/projects/p/locations/l/publishers/google/models/gemini-2.5-pro:streamGenerateContent?alt=sse',
    );
    expect(asked[0]?.head).toContain('authorization: bearer t');
    expect(asked[0]?.head).not.toContain('x-goog-api-key');
  });

  test.each(['google/..', 'google/models/../x', 'google/models/'])('for %s is refused', async (model) => {
    const error = await openaiClient(gateway.url)
      .chat.completions.create({ model, messages: user })
      .catch((e: unknown) => e);
    expect(error).toMatchObject({ status: 400, param: 'model' });
    expect(asked).toEqual([]);
  });

  test('with hints that Gemini cannot take is told so; what its meaning hangs on is refused', async () => {
    answers = [json(said([{ text: 'a' }]))];
    const client = openaiClient(gateway.url);
    const body = { model: 'google/gemini-2.0-flash', messages: user };
    const { response } = await client.chat.completions
      .create({ ...body, user: 'u', logit_bias: { 5: 1 }, reasoning_effort: 'low' })
      .withResponse();
    expect(response.headers.get('x-dropped-params')?.split(', ').sort()).toEqual([
      'logit_bias',
      'reasoning_effort',
      'user',
    ]);
    expect(asked[0]?.json).toEqual({ contents: [{ role: 'user', parts: [{ text: 'hi' }] }] });
    const refused = await client.chat.completions
      .create({ ...body, web_search_options: { search_context_size: 'low' } })
      .catch((e: unknown) => e);
    expect(refused).toMatchObject({ status: 400, param: 'web_search_options' });
  });

  test('with tools and an answer in JSON is refused by name where the model refuses it', async () => {
    const tools = [{ type: 'function' as const, function: { name: 'f', parameters: {} } }];
    const body = { messages: user, tools, response_format: { type: 'json_object' as const } };
    const client = openaiClient(gateway.url);
    const error = await client.chat.completions
      .create({ ...body, model: 'google/gemini-2.5-flash' })
      .catch((e: unknown) => e);
    expect(error).toMatchObject({ status: 400, param: 'response_format' });
    answers = [json(said([{ text: '{}' }]))];
    await client.chat.completions.create({ ...body, model: 'google/gemini-3-flash-preview' });
    expect(asked).toHaveLength(1);
  });

  test('with a picture that Gemini cannot fetch is refused by name', async () => {
    const content = [{ type: 'image_url' as const, image_url: { url: 'http://example.com/a.png' } }];
    const error = await openaiClient(gateway.url)
      .chat.completions.create({ model: 'google/gemini-2.5-flash', messages: [{ role: 'user', content }] })
      .catch((e: unknown) => e);
    expect(error).toMatchObject({ status: 400, param: 'messages[0]' });
    expect((error as Error).message).toContain('cannot fetch');
  });
});

/** The state of reasoning in a message or delta; the SDK's types do not know it. */
const detailsIn = (message: unknown): unknown[] =>
  (message as { reasoning_details?: unknown[] } | undefined)?.reasoning_details ?? [];

describe('a tool loop', () => {
  const tools = [
    {
      type: 'function' as const,
      function: { name: 'f', parameters: { type: 'object', properties: { a: { type: 'integer' } } } },
    },
  ];
  const turn = said([
    { text: 'I should call f.', thought: true },
    { functionCall: { name: 'f', args: { a: 1 } }, thoughtSignature: 'c2ln+/==' },
    { functionCall: { name: 'f', args: { a: 2 } } },
  ]);
  const model = 'google/gemini-3-pro-preview';

  test.each([
    ['unary', false],
    ['streamed', true],
  ])('of a client of OpenAI’s form, %s, brings the signature back to its call', async (_way, stream) => {
    answers = [stream ? sse(turn) : json(turn), json(said([{ text: 'done' }]))];
    const client = openaiClient(gateway.url);
    // The SDK's stream helper does not put unknown members of deltas together.
    const details: unknown[] = [];
    const body = { model, messages: user, tools };
    let message: OpenAI.ChatCompletionMessage | undefined;
    if (stream) {
      const runner = client.chat.completions.stream(body);
      runner.on('chunk', ({ choices }) => {
        details.push(...detailsIn(choices[0]?.delta));
      });
      message = (await runner.finalChatCompletion()).choices[0]?.message;
    } else {
      message = (await client.chat.completions.create(body)).choices[0]?.message;
      details.push(...detailsIn(message));
    }
    const calls = message?.tool_calls ?? [];
    const history = {
      role: 'assistant' as const,
      content: message?.content ?? null,
      tool_calls: calls,
      reasoning_details: details,
    };
    const results = calls.map(({ id }, i) => ({
      role: 'tool' as const,
      tool_call_id: id,
      content: String(i),
    }));
    const { choices } = await client.chat.completions.create({
      model,
      tools,
      messages: [...user, history, ...results],
    });
    expect(choices[0]?.message.content).toBe('done');
    const [, spoken, answered] = (asked[1]?.json['contents'] ?? []) as {
      parts: { functionCall: { id: string } }[];
    }[];
    expect(spoken?.parts).toEqual([
      { functionCall: { id: calls[0]?.id, name: 'f', args: { a: 1 } }, thoughtSignature: 'c2ln+/==' },
      { functionCall: { id: calls[1]?.id, name: 'f', args: { a: 2 } } },
    ]);
    expect(answered?.parts).toEqual([
      { functionResponse: { id: calls[0]?.id, name: 'f', response: { result: '0' } } },
      { functionResponse: { id: calls[1]?.id, name: 'f', response: { result: '1' } } },
    ]);
  });

  test('of a typed client brings the parts back as they came', async () => {
    answers = [json(turn), json(said([{ text: 'done' }]))];
    const client = chatClient('Connect JSON over HTTP/1.1', gateway.url);
    const question = decodeGeminiRequest(model, { contents: [{ role: 'user', parts: [{ text: 'hi' }] }] });
    const { choices } = await client.createChatCompletion({ model, messages: question.messages });
    const message = choices[0]?.message;
    if (message === undefined) throw new Error('no answer');
    await client.createChatCompletion({ model, messages: [...question.messages, message] });
    const [, spoken] = (asked[1]?.json['contents'] ?? []) as { parts: { thoughtSignature?: string }[] }[];
    expect(spoken?.parts.map(({ thoughtSignature }) => thoughtSignature)).toEqual(['c2ln+/==', undefined]);
  });

  test('that another model began goes on with the documented value, and says so', async () => {
    answers = [json(said([{ text: 'done' }]))];
    const call = { id: 'call_1', type: 'function' as const, function: { name: 'f', arguments: '{"a":1}' } };
    const client = chatClient('gRPC', gateway.url);
    await openaiClient(gateway.url).chat.completions.create({
      model,
      tools,
      messages: [
        ...user,
        { role: 'assistant', tool_calls: [call] },
        { role: 'tool', tool_call_id: 'call_1', content: 'r' },
      ],
    });
    const [, spoken] = (asked[0]?.json['contents'] ?? []) as { parts: { thoughtSignature?: string }[] }[];
    expect(spoken?.parts[0]?.thoughtSignature).toBe('skip_thought_signature_validator');
    const { request } = {
      request: decodeGeminiRequest(model, {
        contents: [
          { role: 'user', parts: [{ text: 'hi' }] },
          { role: 'model', parts: [{ functionCall: { id: 'call_2', name: 'f', args: {} } }] },
        ],
      }),
    };
    const { callReport } = await client.createChatCompletion({ model, messages: request.messages });
    expect(callReport?.warnings.map(({ code }) => code)).toEqual(['missing_thought_signature']);
  });
});

describe('a failure', () => {
  const error = (code: number, status: string, more: object = {}) => ({
    error: { code, message: 'the words', status, ...more },
  });
  const keyDetails = [{ '@type': 'type.googleapis.com/google.rpc.ErrorInfo', reason: 'API_KEY_INVALID' }];
  const waits = [{ '@type': 'type.googleapis.com/google.rpc.RetryInfo', retryDelay: '7s' }];

  const attempt = async (stream: boolean): Promise<InstanceType<typeof OpenAI.APIError>> => {
    const body = { model: 'google/gemini-2.5-flash', messages: user };
    const client = openaiClient(gateway.url);
    const done = stream
      ? client.chat.completions.stream(body).finalChatCompletion()
      : client.chat.completions.create(body);
    return (await done.then(
      () => null,
      (e: unknown) => e,
    )) as InstanceType<typeof OpenAI.APIError>;
  };

  describe.each([
    ['unary', false],
    ['streamed', true],
  ])('%s', (_way, stream) => {
    test.each([
      [400, error(400, 'INVALID_ARGUMENT'), 400, null],
      [400, error(400, 'INVALID_ARGUMENT', { details: keyDetails }), 502, 'upstream_auth'],
      [403, error(403, 'PERMISSION_DENIED'), 502, 'upstream_auth'],
      [404, error(404, 'NOT_FOUND'), 404, null],
      [429, [error(429, 'RESOURCE_EXHAUSTED', { details: waits })], 429, 'upstream_rate_limited'],
      [500, error(500, 'INTERNAL'), 502, 'upstream_failed'],
      [503, error(503, 'UNAVAILABLE'), 503, 'upstream_overloaded'],
      [504, error(504, 'DEADLINE_EXCEEDED'), 504, 'upstream_timeout'],
    ])('of status %i is told as it is: %j', async (status, body, told, code) => {
      answers = [json(body, status)];
      const failure = await attempt(stream);
      expect(failure.status).toBe(told);
      if (code !== null) expect(failure.code).toBe(code);
      if (told === 429) expect(failure.headers?.get('retry-after')).toBe('7');
    });

    test('in a good reply is found', async () => {
      for (const answer of [json(error(503, 'UNAVAILABLE')), sse(error(503, 'UNAVAILABLE'))]) {
        answers = [stream ? answer : json(error(503, 'UNAVAILABLE'))];
        expect((await attempt(stream)).status).toBe(503);
      }
    });

    test('of a blocked prompt says why', async () => {
      const blocked = { promptFeedback: { blockReason: 'PROHIBITED_CONTENT' } };
      answers = [stream ? sse(blocked) : json(blocked)];
      const failure = await attempt(stream);
      expect([failure.status, failure.code]).toEqual([400, 'content_filter']);
      expect(failure.message).toContain('PROHIBITED_CONTENT');
    });
  });

  test('after the first output ends the stream as a failure', async () => {
    const open = { candidates: [{ content: { parts: [{ text: 'a' }] } }] };
    for (const last of [error(503, 'UNAVAILABLE'), {}]) {
      answers = [sse(open, last)];
      const failure = await attempt(true);
      expect(failure).toBeInstanceOf(OpenAI.APIError);
      expect(failure.status).toBeUndefined();
    }
    const bare = error(429, 'RESOURCE_EXHAUSTED');
    for (const body of [JSON.stringify(bare), `${JSON.stringify([bare], null, 2)}\n`]) {
      answers = [{ ...sse(open), text: sse(open).text + body }];
      const failure = await attempt(true);
      expect([failure.code, failure.message]).toEqual([
        'upstream_rate_limited',
        expect.stringContaining('the words'),
      ]);
    }
    const unbound = { error: { ...bare.error, message: 'm'.repeat(100_000) } };
    for (const body of [JSON.stringify(unbound), JSON.stringify(bare).slice(0, -2)]) {
      answers = [{ ...sse(open), text: sse(open).text + body }];
      expect((await attempt(true)).code).toBe('upstream_interrupted');
    }
    answers = [sse(open)];
    const seen: string[] = [];
    const attemptRpc = async () => {
      const { messages } = decodeGeminiRequest('', { contents: [{ role: 'user', parts: [{ text: 'hi' }] }] });
      for await (const { event } of chatClient('gRPC', gateway.url).streamChatCompletion({
        model: 'gemini/gemini-2.5-flash',
        messages,
      })) {
        seen.push(event.case ?? '');
      }
    };
    await expect(attemptRpc()).rejects.toThrow(ConnectError);
    expect(seen).toEqual(['started', 'partStarted', 'delta']);
  });
});
