import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { FinishReason } from '../../../gen/llmgateway/v1/completion_pb.js';
import { ErrorReason } from '../../../gen/llmgateway/v1/error_pb.js';
import type { Part } from '../../../gen/llmgateway/v1/message_pb.js';
import { ChatStreamDecoder } from '../../../src/codec/openai-chat/decode-stream.ts';
import { ChatStreamEncoder } from '../../../src/codec/openai-chat/encode-stream.ts';
import { GatewayError } from '../../../src/errors/gateway-error.ts';
import { Assembler } from '../../../src/model/assemble.ts';
import * as build from '../../../src/model/build.ts';
import * as buildEvent from '../../../src/model/build-events.ts';
import type { StreamEvent } from '../../../src/model/events.ts';
import { recordedChats } from '../../support/chat-recordings.ts';

type Json = Record<string, unknown>;
const chunk = (delta: Json, finish: string | null = null, more: Json = {}): string =>
  JSON.stringify({
    id: 'c1',
    object: 'chat.completion.chunk',
    created: 1,
    model: 'm',
    choices: [{ index: 0, delta, finish_reason: finish }],
    ...more,
  });
const tool = (fragment: Json): string => chunk({ tool_calls: [fragment] });

function decode(chunks: readonly string[], end = true): StreamEvent[] {
  const decoder = new ChatStreamDecoder({ provider: 'p' });
  const out: StreamEvent[] = [];
  for (const data of chunks) decoder.push(data, out);
  if (end) decoder.end(out);
  return out;
}

/** What the events of choice 0 add up to, with the life cycle checked on the way. */
function collect(events: readonly StreamEvent[], choice = 0) {
  const parts: {
    kind: string;
    text: string;
    name: string;
    id: string;
    final: Part | undefined;
    open: boolean;
  }[] = [];
  let finish: FinishReason | null = null;
  expect(events[0]?.event.case).toBe('started');
  expect(events.filter(({ event }) => event.case === 'started')).toHaveLength(1);
  for (const { event } of events) {
    if (event.case === 'partStarted' && event.value.choice === choice) {
      expect(event.value.part).toBe(parts.length);
      expect(finish).toBeNull();
      const content = event.value.content?.content;
      const call = content?.case === 'toolCall' ? content.value : { name: '', id: '' };
      parts.push({
        kind: content?.case ?? '',
        text: '',
        name: call.name,
        id: call.id,
        final: undefined,
        open: true,
      });
    } else if (event.case === 'delta' && event.value.choice === choice) {
      const part = parts[event.value.part];
      expect(part?.open).toBe(true);
      if (part) part.text += event.value.text;
    } else if (event.case === 'partEnded' && event.value.choice === choice) {
      const part = parts[event.value.part];
      expect(part?.open).toBe(true);
      if (part) Object.assign(part, { open: false, final: event.value.final });
    } else if (event.case === 'choiceFinished' && event.value.choice === choice) {
      expect(finish).toBeNull();
      expect(parts.every(({ open }) => !open)).toBe(true);
      finish = event.value.finishReason;
    }
  }
  expect(events.at(-1)?.event.case).toBe('finished');
  return { parts, finish, calls: parts.filter(({ kind }) => kind === 'toolCall') };
}

const fails = (chunks: readonly string[]): GatewayError => {
  try {
    decode(chunks);
  } catch (error) {
    if (error instanceof GatewayError) return error;
    throw error;
  }
  throw new Error('did not fail');
};

describe('tool calls', () => {
  test.each<[string, Json[], [string, string, string][]]>([
    [
      'fragments',
      [
        { index: 0, id: 'a', type: 'function', function: { name: 'f', arguments: '' } },
        { index: 0, function: { arguments: '{"x":' } },
        { index: 0, function: { arguments: '1}' } },
      ],
      [['a', 'f', '{"x":1}']],
    ],
    [
      'interleaved',
      [
        { index: 0, id: 'a', function: { name: 'f', arguments: '{' } },
        { index: 1, id: 'b', function: { name: 'g', arguments: '[' } },
        { index: 0, function: { arguments: '}' } },
        { index: 1, function: { arguments: ']' } },
      ],
      [
        ['a', 'f', '{}'],
        ['b', 'g', '[]'],
      ],
    ],
    [
      'whole, without index',
      [
        { id: 'a', function: { name: 'f', arguments: '{}' } },
        { id: 'b', function: { name: 'g', arguments: '{"y":2}' } },
      ],
      [
        ['a', 'f', '{}'],
        ['b', 'g', '{"y":2}'],
      ],
    ],
    [
      'always index 0',
      [
        { index: 0, id: 'a', function: { name: 'f', arguments: '{}' } },
        { index: 0, id: 'b', function: { name: 'g', arguments: '{}' } },
      ],
      [
        ['a', 'f', '{}'],
        ['b', 'g', '{}'],
      ],
    ],
    [
      'id and name repeated',
      [
        { index: 0, id: 'a', function: { name: 'f', arguments: '{' } },
        { index: 0, id: 'a', function: { name: 'f', arguments: '}' } },
      ],
      [['a', 'f', '{}']],
    ],
    [
      'indices that begin at 1',
      [{ index: 1, id: 'a', function: { name: 'f', arguments: '{}' } }],
      [['a', 'f', '{}']],
    ],
    ['no arguments', [{ index: 0, id: 'a', function: { name: 'f', arguments: '' } }], [['a', 'f', '{}']]],
    ['null arguments', [{ index: 0, id: 'a', function: { name: 'f', arguments: null } }], [['a', 'f', '{}']]],
    [
      'arguments as an object',
      [{ index: 0, id: 'a', function: { name: 'f', arguments: { z: 1 } } }],
      [['a', 'f', '{"z":1}']],
    ],
    [
      'null index',
      [
        { index: null, id: 'a', function: { name: 'f', arguments: '{' } },
        { index: null, function: { arguments: '}' } },
      ],
      [['a', 'f', '{}']],
    ],
    [
      'no id',
      [{ index: 0, function: { name: 'f', arguments: '{}' } }],
      [['call_b508ea7e7f585764365f73b2', 'f', '{}']],
    ],
    [
      'an id made anew for each chunk',
      [
        { index: 0, id: 'a', function: { name: 'f', arguments: '{' } },
        { index: 0, id: 'b', function: { name: '', arguments: '}' } },
      ],
      [['a', 'f', '{}']],
    ],
    [
      'no id, and always index 0',
      [
        { index: 0, function: { name: 'f', arguments: '{}' } },
        { index: 0, function: { name: 'f', arguments: '{"y":2}' } },
      ],
      [
        ['call_b508ea7e7f585764365f73b2', 'f', '{}'],
        ['call_3300ee6df606dea80b9b0bc9', 'f', '{"y":2}'],
      ],
    ],
    [
      'no id, the name repeated',
      [{ function: { name: 'f', arguments: '{"y"' } }, { function: { name: 'f', arguments: ':2}' } }],
      [['call_b508ea7e7f585764365f73b2', 'f', '{"y":2}']],
    ],
    [
      'the name after the arguments have begun',
      [
        { index: 0, id: 'a', function: { arguments: '{"y"' } },
        { index: 0, function: { name: 'f', arguments: ':2}' } },
      ],
      [['a', 'f', '{"y":2}']],
    ],
  ])('%s', (_what, fragments, expected) => {
    const { calls, finish } = collect(decode([...fragments.map(tool), chunk({}, 'tool_calls'), '[DONE]']));
    expect(calls.map(({ id, name, text }) => [id, name, text])).toEqual(expected);
    expect(finish).toBe(FinishReason.TOOL_CALLS);
  });

  test('any interleaving of any calls keeps each together, on both sides', () => {
    const call = fc.record({
      name: fc.string({ minLength: 1 }),
      pieces: fc.array(fc.string({ minLength: 1 }), { minLength: 1, maxLength: 5 }),
    });
    fc.assert(
      fc.property(
        fc.array(call, { minLength: 1, maxLength: 5 }),
        fc.infiniteStream(fc.nat()),
        (calls, choices) => {
          const queues = calls.map(({ name, pieces }, index) => [
            { index, id: `id${index}`, type: 'function', function: { name, arguments: '' } },
            ...pieces.map((text) => ({ index, function: { arguments: text } })),
          ]);
          // The first fragments come in order; what follows may come in any.
          const fragments = queues.map((queue) => queue.shift() as Json);
          for (
            let left = queues.filter((q) => q.length > 0);
            left.length > 0;
            left = left.filter((q) => q.length > 0)
          ) {
            fragments.push(left[choices.next().value % left.length]?.shift() as Json);
          }
          const events = decode([...fragments.map(tool), chunk({}, 'stop'), '[DONE]']);
          expect(collect(events).calls.map(({ text }) => text)).toEqual(
            calls.map(({ pieces }) => pieces.join('')),
          );
          const seen = new Map<number, string>();
          for (const frame of new ChatStreamEncoder({ includeUsage: false }).encode(events).split('\n\n')) {
            if (!frame.startsWith('data: {')) continue;
            for (const { index, function: f } of JSON.parse(frame.slice(6)).choices[0].delta.tool_calls ??
              []) {
              seen.set(index, (seen.get(index) ?? '') + f.arguments);
            }
          }
          expect([...seen.entries()]).toEqual(calls.map(({ pieces }, index) => [index, pieces.join('')]));
        },
      ),
    );
  });
});

describe('ends', () => {
  test('a finish reason at the end of the body is enough', () => {
    expect(collect(decode([chunk({ content: 'x' }, 'stop')])).finish).toBe(FinishReason.STOP);
  });

  test.each([
    ['nothing at all', []],
    ['only [DONE]', ['[DONE]']],
    ['no finish reason', [chunk({ content: 'x' })]],
    ['no finish reason, but [DONE]', [chunk({ content: 'x' }), '[DONE]']],
    [
      'one of two choices',
      [
        JSON.stringify({
          id: 'c',
          choices: [
            { index: 0, delta: { content: 'a' }, finish_reason: 'stop' },
            { index: 1, delta: { content: 'b' } },
          ],
        }),
        '[DONE]',
      ],
    ],
  ])('%s is an interruption', (_what, chunks) => {
    expect(fails(chunks).reason).toBe(ErrorReason.UPSTREAM_INTERRUPTED);
  });

  test.each([
    ['an error object', '{"error":{"message":"m","code":429}}', ErrorReason.UPSTREAM_RATE_LIMITED],
    ['an error text', '{"error":"boom"}', ErrorReason.UPSTREAM_FAILED],
    ['a finish reason that says error', chunk({}, 'error'), ErrorReason.UPSTREAM_FAILED],
    ['no JSON', '{"a":', ErrorReason.UPSTREAM_INVALID],
    ['a number', '7', ErrorReason.UPSTREAM_INVALID],
    [
      'an object that is itself an error',
      '{"object":"error","message":"m","code":400}',
      ErrorReason.UPSTREAM_REJECTED,
    ],
    ['a detail', '{"detail":"m"}', ErrorReason.UPSTREAM_FAILED],
    ['no resources', chunk({}, 'insufficient_system_resource'), ErrorReason.UPSTREAM_OVERLOADED],
    ['a code that every object knows', '{"error":{"code":"constructor"}}', ErrorReason.UPSTREAM_FAILED],
  ])('%s', (_what, data, reason) => {
    expect(fails([chunk({ content: 'x' }), data]).reason).toBe(reason);
  });

  test.each([
    ['length', FinishReason.LENGTH, ''],
    ['content_filter', FinishReason.CONTENT_FILTER, ''],
    ['eos', FinishReason.STOP, 'eos'],
    ['max_tokens', FinishReason.LENGTH, 'max_tokens'],
  ])('finish reason %s', (word, reason, native) => {
    const events = decode([chunk({ content: 'x' }, word)]);
    const finished = events.find(({ event }) => event.case === 'choiceFinished')?.event.value;
    expect(finished).toMatchObject({ finishReason: reason, nativeFinishReason: native });
  });

  test('an empty finish reason is none, and content after one still counts', () => {
    const events = decode([
      chunk({ content: 'a' }, ''),
      chunk({ content: 'b' }, 'stop'),
      chunk({ content: 'c' }),
      '[DONE]',
    ]);
    expect(collect(events).parts).toMatchObject([{ kind: 'text', text: 'abc' }]);
  });

  test('a call without a name makes no sense', () => {
    expect(
      fails([tool({ index: 0, id: 'a', function: { arguments: '{}' } }), chunk({}, 'stop'), '[DONE]']).reason,
    ).toBe(ErrorReason.UPSTREAM_INVALID);
  });

  test('a call that is cut short keeps its reason', () => {
    const events = decode([
      tool({ index: 0, id: 'a', function: { name: 'f', arguments: '{"x' } }),
      chunk({}, 'length'),
    ]);
    expect(collect(events).finish).toBe(FinishReason.LENGTH);
  });
});

describe('what else comes', () => {
  test('usage that is cumulative replaces, and comes once, last', () => {
    const usage = (n: number) => ({ usage: { prompt_tokens: 5, completion_tokens: n, total_tokens: 5 + n } });
    const events = decode([
      chunk({ content: 'a' }, null, usage(1)),
      chunk({ content: 'b' }, 'stop', usage(2)),
      '[DONE]',
    ]);
    const last = events.at(-1)?.event;
    expect(last?.case === 'finished' && last.value.usage).toMatchObject({
      promptTokens: 5,
      completionTokens: 2,
      totalTokens: 7,
    });
  });

  test('the first chunk of Azure names nothing', () => {
    const first = JSON.stringify({
      id: '',
      model: '',
      created: 0,
      choices: [],
      prompt_filter_results: [{ prompt_index: 0 }],
    });
    const events = decode([first, chunk({ content: 'x' }, 'stop'), '[DONE]']);
    expect(events[0]?.event.value).toMatchObject({ id: 'c1', model: 'm' });
    const encoded = new ChatStreamEncoder({ includeUsage: false }).encode(events);
    expect(encoded).toContain('"prompt_filter_results":[{"prompt_index":0}]');
  });

  test('reasoning, text, refusal and calls in turn are parts in their order', () => {
    const events = decode([
      chunk({ role: 'assistant', reasoning_content: 'hm' }),
      chunk({ content: 'a' }),
      chunk({ reasoning_content: 'more' }),
      chunk({ refusal: 'no' }),
      tool({ index: 0, id: 'i', function: { name: 'f', arguments: '{}' } }),
      chunk({ content: 'b' }),
      chunk({}, 'stop'),
    ]);
    expect(collect(events).parts.map(({ kind, text }) => [kind, text])).toEqual([
      ['reasoning', 'hm'],
      ['text', 'a'],
      ['reasoning', 'more'],
      ['refusal', 'no'],
      ['toolCall', '{}'],
      ['text', 'b'],
    ]);
  });

  test('a signature comes with the whole of its reasoning', () => {
    const detail = (more: Json) =>
      chunk({ reasoning_details: [{ type: 'reasoning.text', index: 0, ...more }] });
    const events = decode([
      detail({ text: 'let me ' }),
      detail({ text: 'think' }),
      detail({ signature: 'sig==', format: 'anthropic-claude-v1' }),
      chunk({ content: 'ok' }, 'stop'),
    ]);
    expect(collect(events).parts[0]).toMatchObject({ kind: 'reasoning', text: 'let me think' });
    const frames = new ChatStreamEncoder({ includeUsage: false }).encode(events);
    expect(frames).toContain(
      '{"type":"reasoning.text","text":"let me think","signature":"sig==","format":"anthropic-claude-v1","index":0}',
    );
  });

  test('the places of citations count from the beginning of the answer', () => {
    const citation = build.urlCitation({ url: 'https://u', title: 'U', startIndex: 0, endIndex: 2 });
    const events = [
      buildEvent.started('c1', 'm', 1),
      buildEvent.partStarted(0, 0, build.textPart('')),
      buildEvent.delta(0, 0, 'one '),
      buildEvent.partEnded(0, 0),
      buildEvent.partStarted(0, 1, build.textPart('t')),
      buildEvent.delta(0, 1, 'wo', {
        annotations: [build.annotation({ case: 'urlCitation', value: citation })],
      }),
      buildEvent.partEnded(0, 1),
      buildEvent.choiceFinished(0, FinishReason.STOP, 'stop'),
      buildEvent.finished(undefined),
    ];
    const frames = new ChatStreamEncoder({ includeUsage: false }).encode(events);
    expect(frames).toContain('"end_index":6,"start_index":4');
  });

  test('reasoning that a gateway tells again with its state is told once', () => {
    const first = decode([
      chunk({ reasoning_content: 'let me' }),
      chunk({ reasoning_details: [{ type: 'reasoning.text', index: 0, text: ' think', signature: 's' }] }),
      chunk({ content: 'ok' }, 'stop'),
    ]);
    const chunks = new ChatStreamEncoder({ includeUsage: false })
      .encode(first)
      .split('\n\n')
      .filter((frame) => frame !== '');
    const second = collect(decode(chunks.map((frame) => frame.slice(6))));
    expect(second).toEqual(collect(first));
    expect(second.parts[0]).toMatchObject({ kind: 'reasoning', text: 'let me think' });
  });

  test('signed reasoning stays apart, and opaque reasoning in its place, from gateway to gateway too', () => {
    const text = (index: number, more: Json) => ({ type: 'reasoning.text', index, ...more });
    const hidden = (index: number) => ({ type: 'reasoning.encrypted', index, data: `r${index}` });
    const details = (...list: Json[]) => chunk({ reasoning_details: list });
    const first = decode([
      details(hidden(0)),
      chunk({ reasoning: 'one', reasoning_details: [text(1, { text: 'one' })] }),
      details(text(1, { signature: 's1' })),
      chunk({ reasoning: 'two', reasoning_details: [text(2, { text: 'two', signature: 's2' }), hidden(3)] }),
      chunk({ content: 'ok' }),
      details(hidden(4)),
      tool({ index: 0, id: 'i', function: { name: 'f', arguments: '{}' } }),
      chunk({}, 'stop'),
    ]);
    const said = (events: StreamEvent[]) => {
      const assembler = new Assembler();
      assembler.add(events);
      return assembler.message(0)?.parts.map(({ content }) => {
        if (content.case !== 'reasoning') return content.case;
        const { text: readable, signature, encrypted } = content.value;
        return [readable, signature, encrypted].join();
      });
    };
    const order = [',,r0', 'one,s1,', 'two,s2,', ',,r3', 'text', ',,r4', 'toolCall'];
    expect(said(first)).toEqual(order);
    const frames = new ChatStreamEncoder({ includeUsage: false }).encode(first).split('\n\n');
    const second = decode(frames.filter((frame) => frame !== '').map((frame) => frame.slice(6)));
    expect(said(second)).toEqual(order);
  });

  test('empty usage, and empty log probabilities, are none', () => {
    const events = decode([
      tool({ index: 0, id: 'a', function: { name: 'f', arguments: '' } }),
      JSON.stringify({
        id: 'c1',
        choices: [{ index: 0, delta: {}, logprobs: { content: [] }, finish_reason: 'stop' }],
        usage: {},
      }),
    ]);
    expect(collect(events).parts).toHaveLength(1);
    const last = events.at(-1)?.event;
    expect(last?.case === 'finished' && last.value.usage).toBeUndefined();
  });

  test('an unknown member that every chunk repeats is told once, a late service tier too', () => {
    const same = { provider: 'X' };
    const events = decode([
      chunk({ content: 'a' }, null, same),
      chunk({ content: 'b' }, null, same),
      chunk({}, 'stop', { ...same, service_tier: 'flex' }),
    ]);
    const opaque = events
      .map(({ event }) => (event.case === 'opaque' ? event.value.json : ''))
      .filter((json) => json !== '');
    expect(opaque).toEqual(['{"provider":"X"}', '{"service_tier":"flex"}']);
  });

  test('a completion without an id gets one', () => {
    const events = decode([
      JSON.stringify({ choices: [{ delta: { content: 'x' }, finish_reason: 'stop' }] }),
    ]);
    expect(events[0]?.event.value).toMatchObject({ id: expect.stringMatching(/^chatcmpl-[0-9a-f]{32}$/) });
  });

  test('several choices keep apart', () => {
    const both = (a: string, b: string, finish: string | null = null) =>
      JSON.stringify({
        id: 'c',
        model: 'm',
        created: 1,
        choices: [
          { index: 0, delta: { content: a }, finish_reason: finish },
          { index: 1, delta: { content: b }, finish_reason: finish },
        ],
      });
    const events = decode([both('a', 'x'), both('b', 'y', 'stop'), '[DONE]']);
    expect([collect(events, 0).parts[0]?.text, collect(events, 1).parts[0]?.text]).toEqual(['ab', 'xy']);
  });
});

describe('the chunks that clients get', () => {
  const frames = (chunks: readonly string[], includeUsage: boolean): string[] =>
    new ChatStreamEncoder({ includeUsage })
      .encode(decode(chunks))
      .split('\n\n')
      .filter((frame) => frame !== '');
  const usage = { usage: { prompt_tokens: 1, completion_tokens: 1, total_tokens: 2 } };

  test('with usage asked for', () => {
    const all = frames([chunk({ content: 'x' }), chunk({}, 'stop', usage), '[DONE]'], true);
    expect(all.at(-1)).toBe('data: [DONE]');
    const parsed = all.slice(0, -1).map((frame) => JSON.parse(frame.slice(6)));
    expect(parsed.slice(0, -1).every((one) => one.usage === null)).toBe(true);
    expect(parsed.at(-1)).toMatchObject({ choices: [], usage: usage.usage });
    expect(
      new Set(parsed.map(({ id, created, model, object }) => [id, created, model, object].join())).size,
    ).toBe(1);
    expect(parsed[0].choices[0].delta.role).toBe('assistant');
    expect(parsed.filter((one) => one.choices[0]?.finish_reason)).toHaveLength(1);
  });

  test('without', () => {
    expect(frames([chunk({ content: 'x' }, 'stop', usage)], false).join()).not.toContain('usage');
  });

  test('the first chunk tells the role, also when it has only unknown members', () => {
    const [first] = frames([chunk({ role: 'assistant', odd: 1 }), chunk({ content: 'x' }, 'stop')], false);
    expect(JSON.parse(first?.slice(6) ?? '').choices).toEqual([
      { index: 0, delta: { role: 'assistant', content: '', odd: 1 }, logprobs: null, finish_reason: null },
    ]);
  });

  test('unknown members of tool calls pass under the index that clients see', () => {
    const all = frames(
      [tool({ index: 7, id: 'a', function: { name: 'f', arguments: '{}' }, odd: 1 }), chunk({}, 'stop')],
      false,
    );
    expect(all.join()).toContain('"tool_calls":[{"index":0,"odd":1}]');
  });

  test('unknown members of chunks, choices and deltas pass', () => {
    const odd = JSON.stringify({
      id: 'c',
      model: 'm',
      created: 1,
      top: 1,
      choices: [{ index: 0, mid: 2, delta: { content: 'x', low: 3 }, finish_reason: 'stop' }],
    });
    const parsed = frames([odd], false)
      .slice(0, -1)
      .map((frame) => JSON.parse(frame.slice(6)));
    expect(parsed).toContainEqual(expect.objectContaining({ top: 1 }));
    expect(parsed).toContainEqual(
      expect.objectContaining({
        choices: [expect.objectContaining({ mid: 2, delta: expect.objectContaining({ low: 3 }) })],
      }),
    );
  });
});

test('nonsense in a stream is an error of the gateway, never another', () => {
  const junk = fc.jsonValue({ maxDepth: 3 });
  const fragment = fc.record(
    {
      index: fc.oneof(fc.nat(2), junk),
      id: fc.oneof(fc.constantFrom('a', 'b', ''), junk),
      type: fc.constantFrom('function', 'custom', 7),
      function: fc.oneof(
        fc.record({ name: fc.constantFrom('f', '', null), arguments: junk }, { requiredKeys: [] }),
        junk,
      ),
    },
    { requiredKeys: [] },
  );
  const delta = fc.record(
    {
      role: junk,
      content: fc.oneof(fc.string(), junk),
      reasoning: junk,
      reasoning_details: fc.oneof(
        fc.array(fc.record({ type: fc.constantFrom('reasoning.text', 'x'), text: junk })),
        junk,
      ),
      tool_calls: fc.oneof(fc.array(fragment, { maxLength: 3 }), junk),
      audio: junk,
      annotations: junk,
      refusal: junk,
    },
    { requiredKeys: [] },
  );
  const choice = fc.record(
    {
      index: fc.oneof(fc.nat(2), junk),
      delta: fc.oneof(delta, junk),
      finish_reason: fc.oneof(fc.constantFrom(null, 'stop', 'length', '', 'constructor'), junk),
      logprobs: fc.oneof(fc.record({ content: junk }), junk),
    },
    { requiredKeys: [] },
  );
  const any = fc.oneof(
    fc.record(
      {
        id: fc.oneof(fc.constant('c'), junk),
        choices: fc.oneof(fc.array(choice, { maxLength: 3 }), junk),
        usage: junk,
      },
      { requiredKeys: [] },
    ),
    junk,
  );
  fc.assert(
    fc.property(fc.array(any, { maxLength: 8 }), (chunks) => {
      const events: StreamEvent[] = [];
      try {
        const decoder = new ChatStreamDecoder({ provider: 'p' });
        for (const data of chunks) decoder.push(JSON.stringify(data), events);
        decoder.end(events);
        for (const number of [0, 1, 2]) collect(events, number);
      } catch (error) {
        if (!(error instanceof GatewayError)) throw error;
      }
      for (const frame of new ChatStreamEncoder({ includeUsage: true }).encode(events).split('\n\n')) {
        if (frame !== '' && frame !== 'data: [DONE]') JSON.parse(frame.slice(6));
      }
    }),
    { numRuns: 2_000 },
  );
});

const streams = recordedChats().filter(({ sse }) => sse);
test.skipIf(streams.length === 0).each(streams.map((exchange) => [exchange.title, exchange] as const))(
  'recorded: %s has a whole life',
  (_title, { response, provider }) => {
    const decoder = new ChatStreamDecoder({ provider });
    const out: StreamEvent[] = [];
    for (const line of response.text.split(/\r?\n/))
      if (line.startsWith('data: ')) decoder.push(line.slice(6), out);
    decoder.end(out);
    expect(collect(out).finish).not.toBeNull();
  },
);

describe('what only some providers send', () => {
  const head = { id: 'c1', created: 1, model: 'm' };
  const encode = (chunks: readonly object[], includeUsage = false) => {
    const decoder = new ChatStreamDecoder({ provider: 'p' });
    const events: StreamEvent[] = [];
    for (const chunk of chunks) decoder.push(JSON.stringify({ ...head, ...chunk }), events);
    decoder.push('[DONE]', events);
    return new ChatStreamEncoder({ includeUsage })
      .encode(events)
      .split('\n\n')
      .filter((frame) => frame.startsWith('data: {'))
      .map((frame) => JSON.parse(frame.slice(6)));
  };

  test('a whole message instead of a delta is the answer', () => {
    const message = { role: 'assistant', content: 'Hello' };
    const chunks = encode([{ choices: [{ index: 0, message, finish_reason: 'stop' }] }]);
    expect(chunks.map(({ choices }) => choices[0].delta.content ?? '').join('')).toBe('Hello');
    expect(chunks.at(-1).choices[0].finish_reason).toBe('stop');
  });

  test('unknown members of chunks come with chunks that have a choice', () => {
    const chunks = encode([
      { choices: [{ index: 0, delta: { role: 'assistant', content: 'Hello' } }], host: 'a' },
      { choices: [{ index: 0, delta: { content: ' you' } }], host: 'a' },
      { choices: [{ index: 0, delta: {}, finish_reason: 'stop' }], host: 'b', cost: 3 },
    ]);
    for (const { choices } of chunks) expect(choices).toHaveLength(1);
    expect(Object.assign({}, ...chunks)).toMatchObject({ host: 'b', cost: 3 });
  });
});
