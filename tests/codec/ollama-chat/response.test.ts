import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { FinishReason } from '../../../gen/llmgateway/v1/completion_pb.js';
import { ErrorReason } from '../../../gen/llmgateway/v1/error_pb.js';
import { decodeChatError } from '../../../src/codec/ollama-chat/decode-error.ts';
import { decodeChatResponse } from '../../../src/codec/ollama-chat/decode-response.ts';
import { GatewayError } from '../../../src/errors/gateway-error.ts';
import { collectMessage } from './support/collect.ts';
import { recorded } from './support/recordings.ts';

const upstream = { provider: 'ollama' };
const decode = (json: unknown) => decodeChatResponse(json, upstream);
const answer = (message: object, more: object = {}) => ({
  model: 'm',
  created_at: '2026-08-07T06:08:14.73237Z',
  message: { role: 'assistant', content: '', ...message },
  done: true,
  done_reason: 'stop',
  ...more,
});

const failure = (run: () => unknown): GatewayError => {
  try {
    run();
  } catch (error) {
    if (error instanceof GatewayError) return error;
    throw error;
  }
  throw new Error('expected an error');
};

const chats = recorded('api_chat').filter(({ stream }) => !stream);

describe.skipIf(chats.length === 0)('recorded answers', () => {
  const good = chats.filter(({ derived }) => derived.error === undefined);
  const bad = chats.filter(({ derived }) => derived.error !== undefined);

  test.each(good.map((exchange) => [exchange.title, exchange] as const))('%s', (_title, exchange) => {
    const { derived, response } = exchange;
    const json = JSON.parse(response.text);
    const { id, model, createdAt, choices, usage, extras } = decode(json);
    const calls = derived.tool_calls ?? [];
    expect(collectMessage(choices[0]!.message!)).toEqual({
      text: derived.text ?? '',
      thinking: derived.thinking ?? '',
      calls: calls.map(({ id: call, name, args }) => ({ id: call, name, args: JSON.stringify(args) })),
    });
    expect(choices[0]).toMatchObject(
      calls.length > 0
        ? { finishReason: FinishReason.TOOL_CALLS, nativeFinishReason: 'stop' }
        : { finishReason: FinishReason.STOP, nativeFinishReason: '' },
    );
    expect(usage).toMatchObject({
      promptTokens: derived.usage?.prompt_eval_count,
      completionTokens: derived.usage?.eval_count,
      extras: { dialect: 'ollama.chat' },
    });
    expect(JSON.parse(usage?.extras?.json ?? '')).toEqual({
      total_duration: json.total_duration,
      load_duration: json.load_duration,
      prompt_eval_duration: json.prompt_eval_duration,
      eval_duration: json.eval_duration,
    });
    expect(id).toMatch(/^chatcmpl-/);
    expect([model, createdAt]).toEqual([json.model, Math.floor(Date.parse(json.created_at) / 1000)]);
    expect(extras).toBeUndefined();
  });

  test.each(bad.map((exchange) => [exchange.title, exchange] as const))('error: %s', (_title, exchange) => {
    const { status, text } = exchange.response;
    const error = decodeChatError({ status, headers: {}, body: text, provider: 'ollama' });
    expect(error).toMatchObject({ reason: ErrorReason.UPSTREAM_REJECTED, status: 404 });
    expect(error.rawMessage).toContain(exchange.derived.error?.message);
  });
});

describe('an answer', () => {
  test('with calls without ids gets ids that stay, unlike each other and those of other answers', () => {
    const calls = [{ function: { name: 'a', arguments: {} } }, { function: { name: 'a' } }];
    const ids = [decode(answer({ tool_calls: calls })), decode(answer({ tool_calls: calls }))].flatMap(
      ({ choices }) => collectMessage(choices[0]!.message!).calls.map(({ id }) => id),
    );
    expect(new Set(ids).size).toBe(4);
    for (const id of ids) expect(id).toMatch(/^call_[\da-f]{24}$/);
  });

  test('has arguments as text, an empty object where there are none', () => {
    const calls = [
      { id: 'x', function: { name: 'a', arguments: { q: 'é', n: [1] } } },
      { id: 'y', function: { name: 'b', arguments: null } },
      { id: 'z', function: { name: 'c', arguments: '{"as": "text"}' } },
    ];
    expect(collectMessage(decode(answer({ tool_calls: calls })).choices[0]!.message!).calls).toEqual([
      { id: 'x', name: 'a', args: '{"q":"é","n":[1]}' },
      { id: 'y', name: 'b', args: '{}' },
      { id: 'z', name: 'c', args: '{"as": "text"}' },
    ]);
  });

  test('keeps what has no field, where it was', () => {
    const { choices, extras } = decode(
      answer(
        { mood: 'fine', tool_calls: [{ id: 'x', kind: 1, function: { name: 'a', index: 3, extra: true } }] },
        { remote_model: 'big', remote_host: 'https://ollama.com' },
      ),
    );
    const { message } = choices[0]!;
    expect(extras?.json).toBe('{"remote_model":"big","remote_host":"https://ollama.com"}');
    expect(message?.extras?.json).toBe('{"mood":"fine"}');
    expect(message?.parts[0]?.extras?.json).toBe('{"kind":1,"function":{"index":3,"extra":true}}');
  });

  test.each([
    ['stop', FinishReason.STOP, ''],
    ['length', FinishReason.LENGTH, ''],
    ['load', FinishReason.STOP, 'load'],
    ['unload', FinishReason.STOP, 'unload'],
    [undefined, FinishReason.STOP, ''],
    ['something new', FinishReason.STOP, 'something new'],
  ])('that is done for %s', (word, reason, native) => {
    expect(decode(answer({ content: 'x' }, { done_reason: word })).choices[0]).toMatchObject({
      finishReason: reason,
      nativeFinishReason: native,
    });
  });

  test('that was cut off is that, calls or not', () => {
    const calls = [{ function: { name: 'a', arguments: {} } }];
    const [choice] = decode(answer({ tool_calls: calls }, { done_reason: 'length' })).choices;
    expect(choice?.finishReason).toBe(FinishReason.LENGTH);
  });

  test('has cached tokens as a part of the prompt, and zero where a count is left out', () => {
    const counts = { prompt_eval_count: 40, prompt_eval_cached_count: 32, eval_count: 5 };
    expect(decode(answer({}, counts)).usage).toMatchObject({
      promptTokens: 40,
      cachedTokens: 32,
      completionTokens: 5,
      totalTokens: 45,
    });
    expect(decode(answer({}, { eval_count: 5 })).usage).toMatchObject({ promptTokens: 0, totalTokens: 5 });
    expect(decode(answer({})).usage).toBeUndefined();
  });

  test('has log probabilities', () => {
    const logprobs = [
      { token: 'H', logprob: -0.5, bytes: [72], top_logprobs: [{ token: 'J', logprob: -2, bytes: null }] },
    ];
    expect(decode(answer({ content: 'H' }, { logprobs })).choices[0]?.logprobs).toMatchObject({
      content: [
        { token: 'H', logprob: -0.5, bytes: Uint8Array.of(72), topLogprobs: [{ token: 'J', logprob: -2 }] },
      ],
    });
  });
});

describe('no answer', () => {
  test.each([
    ['is not an object', []],
    ['has no message', { done: true }],
    ['is not done', { ...answer({ content: 'Hel' }), done: false }],
    ['has a call without a name', answer({ tool_calls: [{ function: { arguments: {} } }] })],
    ['has a call that is none', answer({ tool_calls: [7] })],
  ])('when it %s', (_what, json) => {
    expect(failure(() => decode(json)).reason).toBe(ErrorReason.UPSTREAM_INVALID);
  });

  test.each([
    [
      'as text',
      { error: 'model runner has unexpectedly stopped' },
      ErrorReason.UPSTREAM_FAILED,
      'unexpectedly',
    ],
    ['with a status', { error: 'busy', status: 503 }, ErrorReason.UPSTREAM_OVERLOADED, 'busy'],
    ['as an object', { error: { message: 'nope', code: 1 } }, ErrorReason.UPSTREAM_FAILED, 'nope'],
  ])('when it is an error %s, although the status is good', (_how, json, reason, text) => {
    const error = failure(() => decode(json));
    expect(error.reason).toBe(reason);
    expect(error.rawMessage).toContain(text);
  });
});

describe('an error', () => {
  const error = (status: number, body: string, headers = {}) =>
    decodeChatError({ status, headers, body, provider: 'ollama' });

  test.each([
    [400, '{"error":"\\"llama3\\" does not support tools"}', ErrorReason.UPSTREAM_REJECTED, 'support tools'],
    [401, '{"error":"unauthorized","signin_url":"https://x"}', ErrorReason.UPSTREAM_AUTH, 'unauthorized'],
    [500, '{"error":"oom"}', ErrorReason.UPSTREAM_FAILED, 'oom'],
    [503, '{"error":"server busy, please try again."}', ErrorReason.UPSTREAM_OVERLOADED, 'busy'],
    [502, '<html><body>Bad gateway</body></html>', ErrorReason.UPSTREAM_FAILED, 'Bad gateway'],
    [404, '404 page not found', ErrorReason.UPSTREAM_REJECTED, 'page not found'],
    [400, '{"error":{"message":"from a proxy","type":"t"}}', ErrorReason.UPSTREAM_REJECTED, 'from a proxy'],
  ])('of status %s: %s', (status, body, reason, text) => {
    expect(error(status, body).reason).toBe(reason);
    expect(error(status, body).rawMessage).toContain(text);
  });

  test('says when to come again', () => {
    expect(error(429, '{"error":"too many"}', { 'retry-after': '7' }).facts.retryAfterMs).toBe(7_000);
  });
});

test('any JSON is understood, or refused as what cannot be understood', () => {
  const messages = fc.record(
    {
      role: fc.jsonValue(),
      content: fc.jsonValue(),
      thinking: fc.jsonValue(),
      images: fc.jsonValue(),
      tool_calls: fc.oneof(
        fc.jsonValue(),
        fc.array(fc.record({ id: fc.jsonValue(), function: fc.jsonValue() })),
      ),
    },
    { requiredKeys: [] },
  );
  const bodies = fc.record(
    {
      model: fc.jsonValue(),
      created_at: fc.jsonValue(),
      message: fc.oneof(messages, fc.jsonValue()),
      done: fc.oneof(fc.constant(true), fc.jsonValue()),
      done_reason: fc.jsonValue(),
      logprobs: fc.jsonValue(),
      eval_count: fc.jsonValue(),
      error: fc.jsonValue(),
    },
    { requiredKeys: [] },
  );
  fc.assert(
    fc.property(fc.oneof(bodies, fc.jsonValue()), (json) => {
      try {
        decode(json);
      } catch (error) {
        expect(error).toBeInstanceOf(GatewayError);
      }
    }),
    { numRuns: 1_000 },
  );
});
