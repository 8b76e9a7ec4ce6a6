import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { FinishReason } from '../../../gen/llmgateway/v1/completion_pb.js';
import { ErrorReason } from '../../../gen/llmgateway/v1/error_pb.js';
import type { Annotation, Part } from '../../../gen/llmgateway/v1/message_pb.js';
import { MessagesStreamDecoder } from '../../../src/codec/anthropic-messages/decode-stream.ts';
import { GatewayError } from '../../../src/errors/gateway-error.ts';
import type { StreamEvent } from '../../../src/model/events.ts';
import { SseFraming } from '../../../src/providers/framed-event-stream.ts';
import { recordedMessages } from '../../support/messages-recordings.ts';
import { expectedOf, seenOf } from './support/seen.ts';

type Json = Record<string, unknown>;

const start = (more: Json = {}): Json => ({
  type: 'message_start',
  message: {
    id: 'msg_1',
    type: 'message',
    role: 'assistant',
    model: 'claude-opus-4-6',
    content: [],
    stop_reason: null,
    stop_sequence: null,
    usage: { input_tokens: 10, cache_read_input_tokens: 3, output_tokens: 1, service_tier: 'standard' },
    ...more,
  },
});
const begin = (index: number, block: Json): Json => ({
  type: 'content_block_start',
  index,
  content_block: block,
});
const delta = (index: number, more: Json): Json => ({ type: 'content_block_delta', index, delta: more });
const stop = (index: number): Json => ({ type: 'content_block_stop', index });
const over = (
  reason: string | null = 'end_turn',
  usage: Json = { output_tokens: 7 },
  more: Json = {},
): Json => ({
  type: 'message_delta',
  delta: { stop_reason: reason, stop_sequence: null, ...more },
  usage,
});
const done: Json = { type: 'message_stop' };
const text = (index: number, ...pieces: string[]): Json[] => [
  begin(index, { type: 'text', text: '' }),
  ...pieces.map((piece) => delta(index, { type: 'text_delta', text: piece })),
  stop(index),
];
const answer = (...blocks: Json[]): Json[] => [start(), ...blocks, over(), done];

function decode(frames: readonly (Json | string)[], end = true): StreamEvent[] {
  const decoder = new MessagesStreamDecoder({ provider: 'p' });
  const out: StreamEvent[] = [];
  for (const frame of frames) decoder.push(typeof frame === 'string' ? frame : JSON.stringify(frame), out);
  if (end) decoder.end(out);
  return out;
}

/** What the events add up to, with the life cycle checked on the way. */
function collect(events: readonly StreamEvent[]) {
  const parts: { part: Part; open: boolean; annotations: Annotation[] }[] = [];
  const opaque: string[] = [];
  let finish: { reason: FinishReason; native: string } | undefined;
  expect(events[0]?.event.case).toBe('started');
  expect(events.filter(({ event }) => event.case === 'started')).toHaveLength(1);
  for (const { event } of events) {
    switch (event.case) {
      case 'partStarted':
        expect(event.value.part).toBe(parts.length);
        expect(finish).toBeUndefined();
        parts.push({ part: structuredClone(event.value.content as Part), open: true, annotations: [] });
        break;
      case 'delta': {
        const open = parts[event.value.part];
        expect(open?.open).toBe(true);
        const content = open?.part.content;
        if (content?.case === 'toolCall') content.value.arguments += event.value.text;
        else if (content?.case === 'text' || content?.case === 'reasoning')
          content.value.text += event.value.text;
        open?.annotations.push(...event.value.annotations);
        break;
      }
      case 'partEnded': {
        const open = parts[event.value.part];
        expect(open?.open).toBe(true);
        if (open === undefined) break;
        open.open = false;
        const final = event.value.final?.content;
        if (open.part.content.case === 'reasoning' && final?.case === 'reasoning') {
          const { signature, encrypted, format } = final.value;
          Object.assign(open.part.content.value, { signature, encrypted, format });
        }
        break;
      }
      case 'choiceFinished':
        expect(finish).toBeUndefined();
        expect(parts.every(({ open }) => !open)).toBe(true);
        finish = { reason: event.value.finishReason, native: event.value.nativeFinishReason };
        break;
      case 'opaque':
        opaque.push(event.value.json);
        break;
      default:
    }
  }
  const last = events.at(-1)?.event;
  expect(last?.case).toBe('finished');
  return {
    parts: parts.map(({ part }) => part),
    values: parts.map(({ part }) => part.content.value),
    annotations: parts.flatMap(({ annotations }) => annotations),
    opaque,
    finish,
    usage: last?.case === 'finished' ? last.value.usage : undefined,
  };
}

const fails = (frames: readonly (Json | string)[]): GatewayError => {
  try {
    decode(frames);
  } catch (error) {
    if (error instanceof GatewayError) return error;
    throw error;
  }
  throw new Error('understood');
};

const recorded = recordedMessages().filter(({ frames }) => frames !== null);

describe.skipIf(recorded.length === 0)('recorded streams', () => {
  test.each(recorded.map((exchange) => [exchange.title, exchange] as const))('%s', (_title, exchange) => {
    const { parts, finish, usage } = collect(decode(exchange.frames ?? []));
    expect(seenOf(parts, finish?.native ?? '', usage)).toEqual(expectedOf(exchange));
  });

  test('a stream that is cut anywhere says the same', () => {
    const frames = recorded.find(({ title }) => title.includes('tool-call-stream'))?.frames ?? [];
    const bytes = Buffer.from(frames.map((frame) => `event: x\r\ndata: ${frame}\r\n\r\n`).join(''));
    const whole = decode(frames);
    expect(bytes.length).toBeGreaterThan(1_000);
    for (let cut = 0; cut <= bytes.length; cut++) {
      const framing = new SseFraming();
      const found: string[] = [];
      framing.push(bytes.subarray(0, cut), found);
      framing.push(bytes.subarray(cut), found);
      expect(found).toHaveLength(frames.length);
      if (cut % 97 === 0) expect(decode(found)).toEqual(whole);
    }
  });

  test.each(recorded.map((exchange) => [exchange.title, exchange] as const))(
    'one that breaks off after any frame is told of as broken: %s',
    (_title, { frames }) => {
      const all = frames ?? [];
      const last = all.findLastIndex((frame) => frame.includes('message_stop'));
      for (let count = 0; count < last; count += 1 + Math.floor(last / 40)) {
        expect(fails(all.slice(0, count)).reason).toBe(ErrorReason.UPSTREAM_INTERRUPTED);
      }
    },
  );
});

describe('text', () => {
  test('grows', () => {
    const { values, finish, usage } = collect(decode(answer(...text(0, 'Hel', '', 'lo'))));
    expect(values).toMatchObject([{ text: 'Hello' }]);
    expect(finish).toEqual({ reason: FinishReason.STOP, native: 'end_turn' });
    expect(usage).toMatchObject({ promptTokens: 13, completionTokens: 7, totalTokens: 20, cachedTokens: 3 });
  });

  test('that comes with its block, or without one, is not lost', () => {
    const blocks = [
      begin(0, { type: 'text', text: 'a', citations: [{ type: 'char_location' }] }),
      stop(0),
      delta(1, { type: 'text_delta', text: 'b' }),
      delta(2, { type: 'thinking_delta', thinking: 'c' }),
    ];
    const { values, annotations } = collect(decode(answer(...blocks)));
    expect(values).toMatchObject([{ text: 'a' }, { text: 'b' }, { text: 'c' }]);
    expect(annotations).toHaveLength(1);
  });

  test('cites its sources', () => {
    const citation = { type: 'web_search_result_location', url: 'https://a', title: 'A', cited_text: 'x' };
    const blocks = [
      begin(0, { type: 'text', text: '' }),
      delta(0, { type: 'text_delta', text: 'ab' }),
      delta(0, { type: 'citations_delta', citation }),
      delta(0, { type: 'text_delta', text: 'cd' }),
      stop(0),
    ];
    expect(collect(decode(answer(...blocks))).annotations).toMatchObject([
      {
        kind: { case: 'urlCitation', value: { url: 'https://a', title: 'A', startIndex: 0, endIndex: 4 } },
        extras: { json: '{"cited_text":"x"}' },
      },
    ]);
  });
});

describe('reasoning', () => {
  test('has its proof at its end, without text, too', () => {
    const blocks = [
      begin(0, { type: 'thinking', thinking: '', signature: '' }),
      delta(0, { type: 'thinking_delta', thinking: 'Hm.' }),
      delta(0, { type: 'signature_delta', signature: 'a+/=' }),
      stop(0),
      begin(1, { type: 'thinking', thinking: '', signature: '' }),
      delta(1, { type: 'signature_delta', signature: 'b' }),
      stop(1),
      begin(2, { type: 'redacted_thinking', data: 'c' }),
      stop(2),
      begin(3, { type: 'thinking', thinking: 'unsigned', signature: '' }),
      stop(3),
    ];
    const format = 'anthropic-claude-v1';
    expect(collect(decode(answer(...blocks))).values).toMatchObject([
      { text: 'Hm.', signature: 'a+/=', format },
      { text: '', signature: 'b', format },
      { text: '', encrypted: 'c', signature: '', format },
      { text: 'unsigned', signature: '', format: '' },
    ]);
  });
});

describe('calls of tools', () => {
  const call = (index: number, id: string, name: string, input: unknown, ...pieces: string[]): Json[] => [
    begin(index, { type: 'tool_use', id, name, input, caller: { type: 'direct' } }),
    ...pieces.map((piece) => delta(index, { type: 'input_json_delta', partial_json: piece })),
    stop(index),
  ];

  test('have whole arguments, whether they come in pieces, at once, or not at all', () => {
    const blocks = [
      ...text(0, 'Looking.'),
      ...call(1, 't1', 'f', {}, '', '{"a":', '1}'),
      ...call(2, 't2', 'g', { b: 2 }),
      ...call(3, 't3', 'h', {}),
    ];
    const { parts, finish } = collect(decode([start(), ...blocks, over('tool_use'), done]));
    expect(parts.slice(1)).toMatchObject([
      { content: { value: { id: 't1', name: 'f', arguments: '{"a":1}' } } },
      { content: { value: { id: 't2', name: 'g', arguments: '{"b":2}' } } },
      {
        content: { value: { id: 't3', name: 'h', arguments: '{}' } },
        extras: { json: '{"caller":{"type":"direct"}}' },
      },
    ]);
    expect(finish).toEqual({ reason: FinishReason.TOOL_CALLS, native: 'tool_use' });
  });

  test('keep their own pieces when they are mixed', () => {
    const piece = (index: number, json: string) =>
      delta(index, { type: 'input_json_delta', partial_json: json });
    const blocks = [
      begin(0, { type: 'tool_use', id: 't1', name: 'f', input: {} }),
      begin(1, { type: 'tool_use', id: 't2', name: 'g', input: {} }),
      piece(0, '{"a"'),
      piece(1, '{"b"'),
      piece(0, ':1}'),
      piece(1, ':2}'),
    ];
    const { values } = collect(decode(answer(...blocks)));
    expect(values).toMatchObject([{ arguments: '{"a":1}' }, { arguments: '{"b":2}' }]);
  });

  test('make the answer end for them, and have an id', () => {
    const { values, finish } = collect(decode(answer(begin(0, { type: 'tool_use', name: 'f' }), stop(0))));
    expect(values).toMatchObject([{ id: expect.stringMatching(/^call_\w+$/), arguments: '{}' }]);
    expect(finish).toEqual({ reason: FinishReason.TOOL_CALLS, native: 'end_turn' });
  });
});

describe("Anthropic's own", () => {
  test('blocks are put together and told of whole', () => {
    const result = { type: 'web_search_tool_result', tool_use_id: 's', content: [{ url: 'https://a' }] };
    const blocks = [
      begin(0, { type: 'server_tool_use', id: 's', name: 'web_search', input: {} }),
      delta(0, { type: 'input_json_delta', partial_json: '{"query":' }),
      delta(0, { type: 'input_json_delta', partial_json: '"x"}' }),
      stop(0),
      begin(1, result),
      stop(1),
      begin(2, { type: 'compaction', content: null }),
      delta(2, { type: 'compaction_delta', content: 'short', encrypted_content: 'e' }),
      stop(2),
      begin(3, { type: 'tomorrow' }),
      delta(3, { type: 'text_delta', text: 'a' }),
      delta(3, { type: 'text_delta', text: 'b' }),
      delta(3, { type: 'thinking_delta', thinking: 'c' }),
      delta(3, { type: 'citations_delta', citation: { x: 1 } }),
      stop(3),
      begin(4, { type: 'server_tool_use', id: 's', name: 'cut', input: {} }),
      delta(4, { type: 'input_json_delta', partial_json: '{"que' }),
      stop(4),
    ];
    const { values } = collect(decode(answer(...blocks)));
    expect(values.map((value) => JSON.parse((value as { json: string }).json))).toEqual([
      { type: 'server_tool_use', id: 's', name: 'web_search', input: { query: 'x' } },
      result,
      { type: 'compaction', content: 'short', encrypted_content: 'e' },
      { type: 'tomorrow', text: 'ab', thinking: 'c', citations: [{ x: 1 }] },
      { type: 'server_tool_use', id: 's', name: 'cut', input: '{"que' },
    ]);
    expect(values[0]).toMatchObject({ dialect: 'anthropic.messages', type: 'server_tool_use' });
  });

  test('members and frames that have no event are kept', () => {
    const frames = [
      start({ container: { id: 'c' } }),
      begin(0, { type: 'thinking', thinking: '', signature: '' }),
      delta(0, { type: 'thinking_delta', thinking: 'Hm.', estimated_tokens: 50 }),
      delta(0, { type: 'tomorrow_delta', x: 1 }),
      stop(0),
      { type: 'news', y: 2 },
      {
        ...over('stop_sequence', { output_tokens: 1 }, { stop_sequence: '###' }),
        context_management: { z: 3 },
      },
      { type: 'message_stop', 'amazon-bedrock-invocationMetrics': { latency: 1 }, more: 4 },
    ];
    const { opaque, values } = collect(decode(frames));
    expect(values).toMatchObject([{ text: 'Hm.' }]);
    expect(opaque.map((json) => JSON.parse(json))).toEqual([
      {
        type: 'message_start',
        message: {
          container: { id: 'c' },
          usage: { input_tokens: 10, cache_read_input_tokens: 3, output_tokens: 1, service_tier: 'standard' },
        },
      },
      delta(0, { type: 'thinking_delta', thinking: '', estimated_tokens: 50 }),
      delta(0, { type: 'tomorrow_delta', x: 1 }),
      { type: 'news', y: 2 },
      { type: 'message_delta', delta: { stop_sequence: '###' }, context_management: { z: 3 }, more: 4 },
    ]);
  });

  test('counts are of the whole answer: the last ones hold, and are not added', () => {
    const frames = [
      start(),
      over(null, { input_tokens: 11, output_tokens: 4, cache_read_input_tokens: null }),
      over('end_turn', { output_tokens: 9, server_tool_use: { web_search_requests: 1 } }),
      done,
    ];
    expect(collect(decode(frames)).usage).toMatchObject({
      promptTokens: 14,
      completionTokens: 9,
      cachedTokens: 3,
      extras: { json: '{"service_tier":"standard","server_tool_use":{"web_search_requests":1}}' },
    });
  });
});

describe('errors', () => {
  const error = { type: 'error', error: { type: 'overloaded_error', message: 'Overloaded' } };

  test('have the status of their type', () => {
    expect(fails([start(), error])).toMatchObject({
      reason: ErrorReason.UPSTREAM_OVERLOADED,
      facts: { upstreamStatus: 529, upstreamType: 'overloaded_error' },
    });
    expect(fails([{ error: { message: 'no' } }]).reason).toBe(ErrorReason.UPSTREAM_FAILED);
  });

  test('before the first content come before any event', () => {
    const decoder = new MessagesStreamDecoder({ provider: 'p' });
    const out: StreamEvent[] = [];
    decoder.push(JSON.stringify(start()), out);
    decoder.push('{"type":"ping"}', out);
    expect(() => decoder.push(JSON.stringify(error), out)).toThrow(GatewayError);
    expect(out).toEqual([]);
  });

  test.each([
    ['no JSON', 'nonsense'],
    ['no object', '[]'],
  ])('%s is not understood', (_what, frame) => {
    expect(fails([start(), frame]).reason).toBe(ErrorReason.UPSTREAM_INVALID);
  });

  test('a block larger than any answer is refused', () => {
    const piece = delta(0, { type: 'text_delta', text: 'x'.repeat(33 * 1024 * 1024) });
    const frames = [start(), begin(0, { type: 'tomorrow' }), piece];
    expect(fails(frames).reason).toBe(ErrorReason.UPSTREAM_INTERRUPTED);
    expect(fails([...frames, piece]).reason).toBe(ErrorReason.UPSTREAM_INVALID);
  });

  test('more blocks than any answer has are refused', () => {
    const frames = Array.from({ length: 10_001 }, (_, i) => begin(i, { type: 'text', text: '' }));
    expect(fails([start(), ...frames]).reason).toBe(ErrorReason.UPSTREAM_INVALID);
  });
});

describe('odd frames', () => {
  test('after the end nothing is told', () => {
    const events = decode([...answer(...text(0, 'a')), 'nonsense', ...answer(...text(0, 'b'))]);
    expect(events.at(-1)?.event.case).toBe('finished');
    expect(collect(events).values).toHaveLength(1);
  });

  test.each<[string, Json[]]>([
    ['without a word', []],
    ['with a word that is null', [over(null)]],
    ['with an empty word', [over('')]],
  ])('an end %s on why it stopped is none', (_what, frames) => {
    const error = fails([start(), ...text(0, 'a'), ...frames, done]);
    expect(error.reason).toBe(ErrorReason.UPSTREAM_INTERRUPTED);
  });

  test('an end like that of others is none', () => {
    expect(fails([start(), ...text(0, 'a'), over(), '[DONE]']).reason).toBe(ErrorReason.UPSTREAM_INTERRUPTED);
  });

  test('what is repeated or missing does no harm', () => {
    const frames = [
      stop(7),
      start(),
      start({ id: 'msg_2' }),
      begin(0, { type: 'text', text: '' }),
      begin(0, { type: 'text', text: 'again' }),
      { type: 'content_block_start', index: 1 },
      { type: 'content_block_delta', index: 1 },
      delta(2, { type: 'signature_delta', signature: 'x' }),
      { type: 7 },
      {},
      { type: 'message_delta' },
      over(),
      done,
    ];
    const events = decode(frames);
    expect(events[0]?.event.value).toMatchObject({ id: 'msg_1' });
    const { values, finish } = collect(events);
    expect(values).toMatchObject([{ text: '' }, { text: 'again' }]);
    expect(finish).toEqual({ reason: FinishReason.STOP, native: 'end_turn' });
  });

  test('a stream without a beginning has an id all the same', () => {
    const [first] = decode([...text(0, 'a'), over(), done]);
    expect(first?.event.value).toMatchObject({ id: expect.stringMatching(/^chatcmpl-/), model: '' });
  });

  test('any JSON is understood or refused, and keeps the life cycle', () => {
    const value = fc.letrec((tie) => ({
      any: fc.oneof(
        { depthSize: 'small' },
        fc.constantFrom(null, 0, 1, '', 'x', 'text', 'tool_use', 'thinking', 'redacted_thinking', 'end_turn'),
        fc.array(tie('any'), { maxLength: 2 }),
        fc.dictionary(
          fc.constantFrom(
            'type',
            'text',
            'thinking',
            'signature',
            'data',
            'name',
            'input',
            'citations',
            'partial_json',
            'stop_reason',
            'output_tokens',
            '__proto__',
          ),
          tie('any'),
          { maxKeys: 4 },
        ),
      ),
    })).any;
    const frame = fc.record(
      {
        type: fc.constantFrom(
          'message_start',
          'content_block_start',
          'content_block_delta',
          'content_block_stop',
          'message_delta',
          'ping',
          'news',
        ),
        index: fc.constantFrom<unknown>(0, 1, -1, 'x'),
        message: value,
        content_block: value,
        delta: fc.oneof(
          value,
          fc.record({
            type: fc.constantFrom(
              'text_delta',
              'thinking_delta',
              'signature_delta',
              'input_json_delta',
              'citations_delta',
              'x',
            ),
            text: fc.string(),
            thinking: fc.string(),
            partial_json: fc.constantFrom('{', '}', ''),
            citation: value,
          }),
        ),
        usage: value,
      },
      { requiredKeys: ['type'] },
    );
    fc.assert(
      fc.property(fc.array(frame, { maxLength: 12 }), (frames) => {
        try {
          collect(decode([...frames, done]));
        } catch (error) {
          expect(error).toBeInstanceOf(GatewayError);
        }
      }),
      { numRuns: 2_000 },
    );
  });
});
