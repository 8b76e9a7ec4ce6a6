import type OpenAI from 'openai';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { FinishReason } from '../../gen/llmgateway/v1/completion_pb.js';
import { Role } from '../../gen/llmgateway/v1/message_pb.js';
import { decodeChatRequest } from '../../src/codec/openai-chat/decode-request.ts';
import type { Answer } from '../golden/answers.ts';
import { chatClient, openaiClient } from '../support/gateway.ts';
import {
  type Played,
  type PlayedGateway,
  playedModels,
  startPlayedGateway,
} from '../support/played-gateway.ts';

// OpenAI's older form of tools, which its API still takes, over providers of every form.

let gateway: PlayedGateway;
let client: OpenAI;
beforeAll(async () => {
  gateway = await startPlayedGateway();
  client = openaiClient(gateway.url);
});
afterAll(() => gateway.stop());
beforeEach(() => gateway.play(null));

type Json = Record<string, unknown>;
const question = { role: 'user' as const, content: 'Is it raining in Ghent?' };
const parameters = { type: 'object', properties: { city: { type: 'string' } } };
const functions = [{ name: 'get_weather', description: 'Weather', parameters }];
const tools = [{ type: 'function' as const, function: functions[0] }];
const call = { name: 'get_weather', arguments: '{"city":"Ghent"}' };
const called = { role: 'assistant' as const, content: null, function_call: call };
const result = { role: 'function' as const, name: 'get_weather', content: 'It pours.' };

const post = (body: object, headers: Record<string, string> = {}) =>
  fetch(`${gateway.url}/v1/chat/completions`, { method: 'POST', headers, body: JSON.stringify(body) });
const asked = (): Json => JSON.parse(gateway.asked()) as Json;
const models = Object.entries(playedModels) as [Played, string][];
const foreign = models.filter(([name]) => name !== 'openai');

/** OpenAI's own answer to such a request. */
const older = (finish = 'function_call'): Answer => {
  const head = { id: 'c', created: 1, model: 'm' };
  const choice = {
    index: 0,
    message: { role: 'assistant', content: null, function_call: call },
    finish_reason: finish,
  };
  const chunk = (delta: object, reason: string | null = null) =>
    `data: ${JSON.stringify({ ...head, object: 'chat.completion.chunk', choices: [{ index: 0, delta, finish_reason: reason }] })}\n\n`;
  return {
    type: 'application/json',
    whole: JSON.stringify({ ...head, object: 'chat.completion', choices: [choice] }),
    streamType: 'text/event-stream',
    stream: Buffer.from(
      chunk({ role: 'assistant', content: null, function_call: { name: 'get_weather', arguments: '' } }) +
        chunk({ function_call: { arguments: '{"city":' } }) +
        chunk({ function_call: { arguments: '"Ghent"}' } }) +
        chunk({}, finish) +
        'data: [DONE]\n\n',
    ),
  };
};

describe.each(models)('%s', (name, model) => {
  test('answers in the older form', async () => {
    if (name === 'openai') gateway.play(older());
    const response = await post({ model, messages: [question], functions });
    const { choices } = (await response.json()) as { choices: Json[] };
    expect(choices).toMatchObject([{ message: { function_call: call }, finish_reason: 'function_call' }]);
    expect(choices[0]?.['message']).not.toHaveProperty('tool_calls');
    expect(response.headers.get('x-warnings')).toBeNull();
  });

  test('streams in the older form', async () => {
    if (name === 'openai') gateway.play(older());
    const stream = client.chat.completions.stream({ model, messages: [question], functions });
    const deltas: unknown[] = [];
    stream.on('chunk', ({ choices }) => {
      const [choice] = choices;
      expect(choice?.delta.tool_calls).toBeUndefined();
      if (choice?.delta.function_call !== undefined) deltas.push({ ...choice.delta.function_call });
    });
    const { choices } = await stream.finalChatCompletion();
    expect(choices).toMatchObject([{ message: { function_call: call }, finish_reason: 'function_call' }]);
    expect(deltas[0]).toEqual({ name: 'get_weather', arguments: '' });
    expect(deltas.length).toBeGreaterThan(1);
  });

  test('is a call like any other on RPC', async () => {
    if (name === 'openai') gateway.play(older());
    const { $typeName: _, ...request } = decodeChatRequest({
      model,
      messages: [question],
      functions,
    }).request;
    const { choices } = await chatClient('gRPC', gateway.url).createChatCompletion(request);
    const [choice] = choices;
    const part = choice?.message?.parts.find(({ content }) => content.case === 'toolCall')?.content;
    expect(part).toMatchObject({ value: { ...call, legacy: true, id: expect.stringMatching(/./) } });
    expect(choice?.finishReason).toBe(FinishReason.FUNCTION_CALL);
  });
});

describe('the provider of that form', () => {
  test('gets them as they came', async () => {
    gateway.play(older());
    const body = { messages: [question, called, result], functions, function_call: { name: 'get_weather' } };
    const response = await post({ model: playedModels.openai, ...body, seed: 7 });
    expect(response.headers.get('x-warnings')).toBeNull();
    expect(gateway.asked()).toBe(
      `{"model":"gpt-5.2","messages":${JSON.stringify(body.messages)},"seed":7,"functions":${JSON.stringify(functions)},"function_call":{"name":"get_weather"}}`,
    );
  });

  test('may say that it stopped, where the call was forced', async () => {
    gateway.play(older('stop'));
    const response = await post({ model: playedModels.openai, messages: [question], functions });
    const { choices } = (await response.json()) as { choices: Json[] };
    expect(choices).toMatchObject([{ finish_reason: 'function_call', native_finish_reason: 'stop' }]);
  });

  test('is passed on what is no call, and what is one already', async () => {
    const head = { id: 'c', object: 'chat.completion', created: 1, model: 'm' };
    const toolCall = { id: 'i', type: 'function', function: call };
    const answerWith = async (message: Json) => {
      const whole = JSON.stringify({ ...head, choices: [{ index: 0, message, finish_reason: 'stop' }] });
      gateway.play({ ...older(), whole });
      const response = await post({ model: playedModels.openai, messages: [question] });
      const { choices } = (await response.json()) as { choices: { message: Json }[] };
      return choices[0]?.message;
    };
    const odd = { role: 'assistant', content: 'Hi', function_call: { name: '', arguments: '' } };
    expect(await answerWith(odd)).toMatchObject(odd);
    const both = { role: 'assistant', content: null, tool_calls: [toolCall], function_call: call };
    expect(await answerWith(both)).toMatchObject(both);
  });
});

describe.each(foreign)('for %s', (name, model) => {
  test('they are tools, and the history is of calls and results', async () => {
    const response = await post({
      model,
      messages: [question, called, result],
      functions,
      function_call: 'auto',
    });
    expect(response.status).toBe(200);
    expect(response.headers.get('x-warnings') ?? '').not.toContain('dropped');
    const text = gateway.asked();
    const counts = ['It pours.', '"Weather"', 'Ghent"}'].map((piece) => text.split(piece).length - 1);
    expect(counts).toEqual([1, 1, 1]);
    const ids = [...text.matchAll(/call_[0-9a-f]{24}/g)].map(([id]) => id);
    // Some match results by name.
    if (name !== 'google') expect(ids).toHaveLength(2);
    expect(new Set(ids).size).toBeLessThan(2);
  });

  if (name !== 'ollama')
    test('a function that has to be called is a choice of tool', async () => {
      await post({ model, messages: [question], functions, function_call: { name: 'get_weather' } });
      const choice = {
        anthropic: { tool_choice: { type: 'tool', name: 'get_weather', disable_parallel_tool_use: true } },
        google: {
          toolConfig: { functionCallingConfig: { mode: 'ANY', allowedFunctionNames: ['get_weather'] } },
        },
        'bedrock-claude': { toolConfig: { toolChoice: { tool: { name: 'get_weather' } } } },
      };
      expect(asked()).toMatchObject(choice[name as keyof typeof choice]);
    });
});

describe('several calls at once', () => {
  const two = [...functions, { name: 'get_time', parameters }];

  test.each(['whole', 'streamed'])('of a %s answer are told of by the first', async (how) => {
    const request = { model: 'fake/tools?calls=3', messages: [question], functions: two };
    if (how === 'streamed') {
      const { choices } = await client.chat.completions.stream(request).finalChatCompletion();
      expect(choices).toMatchObject([
        { message: { function_call: { name: 'get_weather', arguments: expect.stringMatching(/^\{.*\}$/) } } },
      ]);
      return;
    }
    const response = await post(request);
    expect(response.headers.get('x-warnings')).toBe('dropped_tool_call');
    expect(await response.json()).toMatchObject({
      choices: [{ message: { function_call: { name: 'get_weather' } }, finish_reason: 'function_call' }],
    });
  });

  test('leave a session without a call that nobody answers', async () => {
    const made = (await (
      await fetch(`${gateway.url}/v1/sessions`, { method: 'POST', body: '{}' })
    ).json()) as { id: string };
    const headers = { 'x-session-id': made.id };
    await post({ model: 'fake/tools?calls=3', messages: [question], functions: two }, headers);
    // Its call is in the session only, and has the id of whoever made it.
    await post({ model: playedModels.anthropic, messages: [result], functions: two }, headers);
    const { messages } = asked() as { messages: { content: Json[] }[] };
    const calls = messages[1]?.content.filter(({ type }) => type === 'tool_use') ?? [];
    expect(calls).toMatchObject([{ name: 'get_weather' }]);
    expect(messages[2]?.content).toEqual([
      { type: 'tool_result', tool_use_id: calls[0]?.['id'], content: 'It pours.' },
    ]);
    gateway.play(older());
    await post({ model: playedModels.openai, messages: [result], functions: two }, headers);
    expect((asked() as { messages: Json[] }).messages).toMatchObject([
      question,
      { role: 'assistant', function_call: { name: 'get_weather' } },
      result,
      { role: 'assistant', function_call: call },
      result,
    ]);
  });
});

describe('histories that mix the forms', () => {
  test('a result by name answers a call that has an id', async () => {
    const { createChatCompletion } = chatClient('gRPC', gateway.url);
    await createChatCompletion({
      model: playedModels.openai,
      messages: [
        { role: Role.USER, parts: [{ content: { case: 'text', value: { text: 'q' } } }] },
        { role: Role.ASSISTANT, parts: [{ content: { case: 'toolCall', value: { id: 'i', ...call } } }] },
        {
          role: Role.FUNCTION,
          name: 'get_weather',
          parts: [
            {
              content: {
                case: 'toolResult',
                value: { parts: [{ content: { case: 'text', value: { text: 'It pours.' } } }] },
              },
            },
          ],
        },
      ],
    });
    const { messages } = asked() as { messages: Json[] };
    expect(messages[2]).toEqual({ role: 'tool', tool_call_id: 'i', content: 'It pours.' });
  });

  test("Gemini's signature of a call in the older form comes back on it", async () => {
    const signed = {
      ...called,
      reasoning_details: [
        { type: 'reasoning.encrypted', data: 'U0lH', format: 'google-gemini-v1', id: 'call_7', index: 0 },
      ],
    };
    await post({ model: playedModels.google, messages: [question, signed, result], functions });
    expect(gateway.asked()).toContain('"thoughtSignature":"U0lH"');
  });

  test('a result without a call is refused where it means nothing', async () => {
    const response = await post({ model: playedModels.anthropic, messages: [question, result], functions });
    expect(response.status).toBe(400);
    expect(await response.json()).toMatchObject({ error: { param: 'messages[1].role' } });
  });
});

test.each<[string, string, object]>([
  ['tools besides', 'functions', { functions, tools }],
  ['a tool choice', 'functions', { functions, tool_choice: 'auto' }],
  ['tools of the gateway', 'functions', { functions, gateway_tools: ['t'] }],
  ['a function without a name', 'functions[0].name', { functions: [{}] }],
  ['two of one name', 'functions[1].name', { functions: [...functions, ...functions] }],
  ['no list', 'functions', { functions: {} }],
  ['a call of another function', 'function_call.name', { functions, function_call: { name: 'x' } }],
  ['another word', 'function_call', { functions, function_call: 'required' }],
  ['a call without functions', 'function_call', { function_call: { name: 'get_weather' } }],
  ['a call of tools', 'function_call', { tools, function_call: { name: 'get_weather' } }],
  ['another word without functions', 'function_call', { function_call: 'required' }],
  ['no choice without functions', 'function_call', { function_call: 1 }],
])('%s: refused by name', async (_what, param, more) => {
  for (const model of Object.values(playedModels)) {
    const response = await post({ model, messages: [question], ...more });
    expect(response.status).toBe(400);
    expect(await response.json()).toMatchObject({ error: { param, type: 'invalid_request_error' } });
  }
});

test.each(['none', 'auto', null])('a choice %s without functions asks for nothing', async (choice) => {
  for (const model of Object.values(playedModels)) {
    const response = await post({ model, messages: [question], function_call: choice });
    expect([response.status, response.headers.get('x-warnings')]).toEqual([200, null]);
  }
});

test('what a provider cannot take has its name in the older form', async () => {
  const forced = { functions, function_call: { name: 'get_weather' } };
  const refused = async (model: string, more: object) => {
    const response = await post({ model, messages: [question], ...more });
    expect(response.status).toBe(400);
    return ((await response.json()) as { error: { param: string; message: string } }).error;
  };
  const error = await refused(playedModels.ollama, forced);
  expect(error.param).toBe('function_call');
  expect(error.message).toMatch(/'function_call'/);
  expect(error.message).not.toMatch(/tool_choice/);
});
