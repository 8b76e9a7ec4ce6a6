import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { ErrorReason } from '../../../gen/llmgateway/v1/error_pb.js';
import { ChatStreamDecoder } from '../../../src/codec/ollama-chat/decode-stream.ts';
import { GatewayError } from '../../../src/errors/gateway-error.ts';
import type { StreamEvent } from '../../../src/model/events.ts';
import { NdjsonFraming } from '../../../src/providers/ndjson-framing.ts';
import { everyCut } from '../../http/support/cuts.ts';
import { collect } from './support/collect.ts';
import { recorded } from './support/recordings.ts';

type Json = Record<string, unknown>;
const line = (message: Json, more: Json = {}): string =>
  JSON.stringify({
    model: 'm',
    created_at: '2026-08-07T06:08:14Z',
    message: { role: 'assistant', content: '', ...message },
    done: false,
    ...more,
  });
const done = (more: Json = {}, message: Json = {}): string =>
  line(message, { done: true, done_reason: 'stop', prompt_eval_count: 3, eval_count: 2, ...more });

function decode(lines: readonly string[]): StreamEvent[] {
  const decoder = new ChatStreamDecoder({ provider: 'ollama' });
  const out: StreamEvent[] = [];
  for (const data of lines) decoder.push(data, out);
  decoder.end(out);
  return out;
}

/** The events of a body that comes in these pieces. */
function decodeBody(pieces: readonly Buffer[]): StreamEvent[] {
  const framing = new NdjsonFraming();
  const decoder = new ChatStreamDecoder({ provider: 'ollama' });
  const out: StreamEvent[] = [];
  const lines: string[] = [];
  for (const piece of pieces) framing.push(piece, lines);
  framing.end(lines);
  for (const data of lines) decoder.push(data, out);
  decoder.end(out);
  return out;
}

const failure = (lines: readonly string[]): GatewayError => {
  try {
    decode(lines);
  } catch (error) {
    if (error instanceof GatewayError) return error;
    throw error;
  }
  throw new Error('expected an error');
};

const chats = recorded('api_chat').filter(({ stream }) => stream);

describe.skipIf(chats.length === 0)('recorded streams, cut at every byte', () => {
  test.each(chats.map((exchange) => [exchange.title, exchange] as const))('%s', (_title, exchange) => {
    const { derived, response } = exchange;
    const whole = decodeBody([Buffer.from(response.text)]);
    const { text, thinking, finish, native, calls, usage, opaque } = collect(whole);
    expect({ text, thinking, finish, native, calls, opaque }).toEqual({
      text: derived.text ?? '',
      thinking: derived.thinking ?? '',
      finish: derived.finish,
      native: '',
      calls: [],
      opaque: [],
    });
    expect(usage).toMatchObject({
      promptTokens: derived.usage?.prompt_eval_count,
      completionTokens: derived.usage?.eval_count,
    });
    expect(JSON.parse(usage?.extras?.json ?? '')).toHaveProperty('total_duration');
    const eventsOf = (events: readonly StreamEvent[]) =>
      JSON.stringify(events).replaceAll(/chatcmpl-[\da-f]+/g, 'id');
    const expected = eventsOf(whole);
    for (const pieces of everyCut(Buffer.from(response.text))) {
      expect(eventsOf(decodeBody(pieces)) === expected).toBe(true);
    }
  });

  test.each(chats.map((exchange) => [exchange.title, exchange] as const))(
    'a beginning is never a whole answer: %s',
    (_title, exchange) => {
      const bytes = Buffer.from(exchange.response.text.trimEnd());
      const step = Math.max(1, Math.floor(bytes.length / 500));
      for (let end = 0; end < bytes.length; end += step) {
        expect(() => decodeBody([bytes.subarray(0, end)])).toThrow(GatewayError);
      }
    },
  );
});

describe('a stream', () => {
  test('is started once, grows part by part, and ends once', () => {
    const events = decode([
      line({ thinking: 'Hm' }),
      line({ content: 'Hel' }),
      line({ content: 'lo' }),
      done(),
    ]);
    expect(events.map(({ event }) => event.case)).toEqual([
      'started',
      'partStarted',
      'delta',
      'partEnded',
      'partStarted',
      'delta',
      'delta',
      'partEnded',
      'choiceFinished',
      'finished',
    ]);
    expect(collect(events)).toMatchObject({ thinking: 'Hm', text: 'Hello', finish: 'stop', native: '' });
  });

  test('may think again between texts', () => {
    const events = decode([
      line({ thinking: 'a', content: 'b' }),
      line({ thinking: 'c' }),
      line({ content: 'd' }),
      done(),
    ]);
    expect(events.filter(({ event }) => event.case === 'partStarted')).toHaveLength(4);
    expect(collect(events)).toMatchObject({ thinking: 'ac', text: 'bd' });
  });

  test('has calls whole, each with an id, in their order', () => {
    const { calls, finish, native } = collect(
      decode([
        line({ content: 'Let me see.' }),
        line({ tool_calls: [{ id: 'call_1', function: { index: 0, name: 'a', arguments: { x: 1 } } }] }),
        line({
          tool_calls: [{ function: { index: 1, name: 'b', arguments: {} } }, { function: { name: 'b' } }],
        }),
        done(),
      ]),
    );
    expect(calls.map(({ name, args }) => [name, args])).toEqual([
      ['a', '{"x":1}'],
      ['b', '{}'],
      ['b', '{}'],
    ]);
    expect(calls[0]?.id).toBe('call_1');
    expect(new Set(calls.map(({ id }) => id)).size).toBe(3);
    expect([finish, native]).toEqual(['tool_calls', 'stop']);
  });

  test('that says a call again with the same id means the same call', () => {
    const call = { id: 'call_1', function: { index: 0, name: 'a', arguments: {} } };
    const events = decode([line({ tool_calls: [call] }), done({}, { tool_calls: [call] })]);
    expect(collect(events).calls).toHaveLength(1);
  });

  test('may say something with its last line', () => {
    expect(collect(decode([done({}, { content: 'All of it.' })]))).toMatchObject({ text: 'All of it.' });
  });

  test('may end without a reason, a message or counts', () => {
    const end = JSON.stringify({ model: 'm', done: true });
    expect(collect(decode([line({ content: 'x' }), end]))).toMatchObject({
      finish: 'stop',
      usage: undefined,
    });
  });

  test('says nothing after its end', () => {
    const events = decode([line({ content: 'x' }), done(), line({ content: 'late' }), 'not even JSON']);
    expect(collect(events).text).toBe('x');
  });

  test('tells unknown members once as long as they stay the same, objects each time', () => {
    const more = { remote_model: 'big' };
    const { opaque } = collect(
      decode([
        line({ content: 'a' }, more),
        line({ content: 'b', mood: 1 }, more),
        done({ ...more, odd: {} }),
      ]),
    );
    expect(opaque).toEqual(['{"remote_model":"big"}', '{"message":{"mood":1}}', '{"odd":{}}']);
  });

  test('has log probabilities with the text, also with text that comes late or never', () => {
    const logprobs = (token: string) => [{ token, logprob: -1 }];
    const events = decode([
      line({ content: 'a' }, { logprobs: logprobs('a') }),
      line({}, { logprobs: logprobs('b') }),
      line({ content: 'bc' }, { logprobs: logprobs('c') }),
      line({}, { logprobs: logprobs('d') }),
      done(),
    ]);
    const { tokens, text } = collect(events);
    expect([tokens.map(({ token }) => token).join(''), text]).toEqual(['abcd', 'abc']);
  });
});

describe('a stream fails', () => {
  test('when it ends without its last line', () => {
    expect(failure([line({ content: 'Hel' })]).reason).toBe(ErrorReason.UPSTREAM_INTERRUPTED);
    expect(failure([]).reason).toBe(ErrorReason.UPSTREAM_INTERRUPTED);
  });

  test('when a line is an error, first or later', () => {
    const error = JSON.stringify({ error: 'an error was encountered while running the model: EOF' });
    expect(failure([error]).reason).toBe(ErrorReason.UPSTREAM_FAILED);
    expect(failure([line({ content: 'a' }), error]).rawMessage).toContain('running the model: EOF');
  });

  test.each(['{"model":', '[]', '7', '{}', '{"status":"pulling"}'])('when a line is %s', (nonsense) => {
    expect(failure([line({ content: 'a' }), nonsense]).reason).toBe(ErrorReason.UPSTREAM_INVALID);
  });

  test('when a call has no name', () => {
    expect(failure([line({ tool_calls: [{ function: { arguments: {} } }] })]).reason).toBe(
      ErrorReason.UPSTREAM_INVALID,
    );
  });
});

test('any lines are a proper stream, or refused', () => {
  const odd = fc.jsonValue({ maxDepth: 2 });
  const messages = fc.record(
    {
      content: fc.oneof(fc.string(), odd),
      thinking: fc.oneof(fc.string(), odd),
      tool_calls: fc.oneof(
        odd,
        fc.array(
          fc.record(
            {
              id: fc.oneof(fc.constant('x'), odd),
              function: fc.record({ name: fc.string(), arguments: odd }),
            },
            { requiredKeys: ['function'] },
          ),
        ),
      ),
      mood: odd,
    },
    { requiredKeys: [] },
  );
  const lines = fc.record(
    {
      message: fc.oneof({ weight: 5, arbitrary: messages }, odd),
      done: fc.boolean(),
      done_reason: odd,
      logprobs: fc.oneof(odd, fc.array(fc.record({ token: fc.string(), logprob: fc.double(), bytes: odd }))),
      error: fc.constantFrom(null, ''),
      eval_count: odd,
    },
    { requiredKeys: ['message'] },
  );
  let complete = 0;
  fc.assert(
    fc.property(fc.array(lines, { maxLength: 6 }), (all) => {
      let events: StreamEvent[];
      try {
        events = decode(all.map((json) => JSON.stringify(json)));
      } catch (error) {
        expect(error).toBeInstanceOf(GatewayError);
        return;
      }
      complete++;
      collect(events);
    }),
    { numRuns: 1_000 },
  );
  expect(complete).toBeGreaterThan(20);
});
