import { describe, expect, test } from 'vitest';
import { FinishReason } from '../../../gen/llmgateway/v1/completion_pb.js';
import type { Part } from '../../../gen/llmgateway/v1/message_pb.js';
import { MessagesStreamEncoder } from '../../../src/codec/anthropic-messages/encode-stream.ts';
import * as build from '../../../src/model/build.ts';
import * as buildEvent from '../../../src/model/build-events.ts';
import type { StreamEvent } from '../../../src/model/events.ts';

const dialect = 'anthropic.messages';

interface Frame {
  readonly event: string;
  readonly data: { readonly type: string; readonly [key: string]: unknown };
}

function framesOf(text: string): Frame[] {
  expect(text).toMatch(/^$|\n\n$/);
  return text
    .split('\n\n')
    .filter((frame) => frame !== '')
    .map((frame) => {
      const [, event = '', data = ''] = /^event: (\w+)\ndata: (.*)$/.exec(frame) ?? [];
      return { event, data: JSON.parse(data) };
    });
}

/** The events of a stream in batches of any size say the same; checked for batches of one, and for all at once. */
function encode(events: StreamEvent[]): Frame['data'][] {
  const frames = framesOf(new MessagesStreamEncoder().encode(events));
  const encoder = new MessagesStreamEncoder();
  expect(framesOf(events.map((event) => encoder.encode([event])).join(''))).toEqual(frames);
  for (const { event, data } of frames) expect(data.type).toBe(event);
  return frames.map(({ data }) => data);
}

/** A stream around these events. */
const stream = (...events: StreamEvent[]): StreamEvent[] => [
  buildEvent.started('chatcmpl-1', 'm', 1),
  ...events,
  buildEvent.choiceFinished(0, FinishReason.STOP),
  buildEvent.finished(build.usage(3, 2, { cachedTokens: 1 })),
];

/** The frames between the first and the last two. */
const blocks = (...events: StreamEvent[]) => encode(stream(...events)).slice(1, -2);

const start = (part: number, content: Part) => buildEvent.partStarted(0, part, content);
const delta = (part: number, text: string) => buildEvent.delta(0, part, text);
const end = (part: number, final?: Part) => buildEvent.partEnded(0, part, final);
const call = (id: string, name: string) =>
  build.part({ case: 'toolCall', value: build.toolCall(id, name, '') });
const thought = (more = {}) => build.part({ case: 'reasoning', value: build.reasoning('', more) });

const blockStart = (index: number, block: object) => ({
  type: 'content_block_start',
  index,
  content_block: block,
});
const blockDelta = (index: number, d: object) => ({ type: 'content_block_delta', index, delta: d });
const blockStop = (index: number) => ({ type: 'content_block_stop', index });
const json = (index: number, piece: string) =>
  blockDelta(index, { type: 'input_json_delta', partial_json: piece });

test('a stream from beginning to end', () => {
  expect(encode(stream(start(0, build.textPart('')), delta(0, 'He'), delta(0, 'y'), end(0)))).toEqual([
    {
      type: 'message_start',
      message: {
        id: 'msg_1',
        type: 'message',
        role: 'assistant',
        model: 'm',
        content: [],
        stop_reason: null,
        stop_sequence: null,
        usage: { input_tokens: 0, output_tokens: 0 },
      },
    },
    blockStart(0, { type: 'text', text: '' }),
    blockDelta(0, { type: 'text_delta', text: 'He' }),
    blockDelta(0, { type: 'text_delta', text: 'y' }),
    blockStop(0),
    {
      type: 'message_delta',
      delta: { stop_reason: 'end_turn', stop_sequence: null, stop_details: null },
      usage: {
        input_tokens: 2,
        cache_creation_input_tokens: null,
        cache_read_input_tokens: 1,
        output_tokens: 2,
      },
    },
    { type: 'message_stop' },
  ]);
});

test('the first frame leaves with the first event', () => {
  expect(
    framesOf(new MessagesStreamEncoder().encode([buildEvent.started('1', 'm', 1)])).map(({ event }) => event),
  ).toEqual(['message_start']);
});

describe('parts that overlap', () => {
  test('become blocks one after another, in order of appearance', () => {
    expect(
      blocks(
        start(0, call('a', 'f')),
        delta(0, '{"x"'),
        start(1, call('b', 'g')),
        delta(1, '{"y"'),
        start(2, call('c', 'h')),
        delta(0, ':1}'),
        delta(1, ':2}'),
        end(1),
        delta(2, '{}'),
        end(0),
        end(2),
      ),
    ).toEqual([
      blockStart(0, { type: 'tool_use', id: 'a', name: 'f', input: {} }),
      json(0, '{"x"'),
      json(0, ':1}'),
      blockStop(0),
      blockStart(1, { type: 'tool_use', id: 'b', name: 'g', input: {} }),
      json(1, '{"y"'),
      json(1, ':2}'),
      blockStop(1),
      blockStart(2, { type: 'tool_use', id: 'c', name: 'h', input: {} }),
      json(2, '{}'),
      blockStop(2),
    ]);
  });

  test('text after calls that are still open waits for them', () => {
    expect(
      blocks(start(0, call('a', 'f')), start(1, build.textPart('')), delta(1, 'T'), end(1), end(0)),
    ).toEqual([
      blockStart(0, { type: 'tool_use', id: 'a', name: 'f', input: {} }),
      json(0, '{}'),
      blockStop(0),
      blockStart(1, { type: 'text', text: '' }),
      blockDelta(1, { type: 'text_delta', text: 'T' }),
      blockStop(1),
    ]);
  });

  test('a part that comes to nothing takes no index', () => {
    const foreign = thought({ encrypted: 'e', format: 'openai-responses-v1' });
    const other = build.part({ case: 'opaque', value: build.opaque('google.gemini', 'x', '{}') });
    expect(
      blocks(
        ...[
          start(0, thought()),
          end(0, foreign),
          start(1, other),
          end(1),
          start(2, build.textPart('')),
          end(2),
        ],
        ...[start(3, build.textPart('')), delta(3, 'T'), end(3)],
      ),
    ).toEqual([
      blockStart(0, { type: 'text', text: '' }),
      blockDelta(0, { type: 'text_delta', text: 'T' }),
      blockStop(0),
    ]);
  });
});

describe('thoughts', () => {
  const begun = blockStart(0, { type: 'thinking', thinking: '', signature: '' });
  const claude = { format: 'anthropic-claude-v1' };

  test("Claude's signature comes at the end of the block", () => {
    const final = thought({ signature: 's+/', ...claude });
    expect(blocks(start(0, thought()), delta(0, 'Hm'), end(0, final))).toEqual([
      begun,
      blockDelta(0, { type: 'thinking_delta', thinking: 'Hm' }),
      blockDelta(0, { type: 'signature_delta', signature: 's+/' }),
      blockStop(0),
    ]);
  });

  test('a signature without text is a block, too', () => {
    expect(blocks(start(0, thought()), end(0, thought({ signature: 's', ...claude })))).toEqual([
      begun,
      blockDelta(0, { type: 'signature_delta', signature: 's' }),
      blockStop(0),
    ]);
  });

  test.each([
    ['at the beginning', [start(0, thought({ encrypted: 'e', ...claude })), end(0)]],
    ['at the end', [start(0, thought()), end(0, thought({ encrypted: 'e', ...claude }))]],
  ])('redacted, told %s', (_when, events) => {
    expect(blocks(...events)).toEqual([
      blockStart(0, { type: 'redacted_thinking', data: 'e' }),
      blockStop(0),
    ]);
  });

  test("another provider's signature is not told as Claude's", () => {
    const final = thought({ signature: 's', format: 'google-gemini-v1' });
    expect(blocks(start(0, thought()), delta(0, 'Hm'), end(0, final))).toEqual([
      begun,
      blockDelta(0, { type: 'thinking_delta', thinking: 'Hm' }),
      blockStop(0),
    ]);
  });
});

test('a custom tool: its text becomes a member, whatever the pieces', () => {
  const custom = (args: string) =>
    build.part({ case: 'toolCall', value: build.toolCall('a', 'f', args, { custom: true }) });
  const piecesOf = (...events: StreamEvent[]) =>
    blocks(...events)
      .map(({ delta: d }) => (d as { partial_json?: string } | undefined)?.partial_json ?? '')
      .join('');
  const said = 'say "hi"\n😀';
  const pieces = [...Array(said.length).keys()].map((i) => delta(0, said.charAt(i)));
  expect(JSON.parse(piecesOf(start(0, custom('')), ...pieces, end(0)))).toEqual({ input: said });
  expect(JSON.parse(piecesOf(start(0, custom('')), end(0)))).toEqual({ input: '' });
});

test.each([
  ['[1]', { invalid_arguments: '[1]' }],
  [' null', { invalid_arguments: ' null' }],
  ['"a\\n"', { invalid_arguments: '"a\\n"' }],
  ['free 😀', { invalid_arguments: 'free 😀' }],
  [' {"a": 1}', { a: 1 }],
  [' ', {}],
])('arguments that are no object become a member of one, whatever the pieces: %s', (args, input) => {
  const pieces = [...Array(args.length).keys()].map((i) => delta(0, args.charAt(i)));
  for (const events of [pieces, [delta(0, args)]]) {
    const text = blocks(start(0, call('a', 'f')), ...events, end(0))
      .map(({ delta: d }) => (d as { partial_json?: string } | undefined)?.partial_json ?? '')
      .join('');
    expect(JSON.parse(text)).toEqual(input);
  }
});

test('a picture is a whole block', () => {
  const image = build.part({
    case: 'image',
    value: build.image({ case: 'url', value: 'data:image/png;base64,AAAA' }),
  });
  expect(blocks(start(0, image), end(0))).toEqual([
    blockStart(0, { type: 'image', source: { type: 'base64', media_type: 'image/png', data: 'AAAA' } }),
    blockStop(0),
  ]);
});

test('a refusal is text that ends in refusal', () => {
  const refusal = build.part({ case: 'refusal', value: build.refusal('') });
  const frames = encode(stream(start(0, refusal), delta(0, 'No.'), end(0)));
  expect(frames[2]).toEqual(blockDelta(0, { type: 'text_delta', text: 'No.' }));
  expect(frames.at(-2)).toMatchObject({ delta: { stop_reason: 'refusal' } });
});

test('citations', () => {
  const value = build.urlCitation({ url: 'https://a', title: 'A' });
  const annotations = [build.annotation({ case: 'urlCitation', value })];
  const cited = { type: 'web_search_result_location', url: 'https://a', title: 'A' };
  expect(
    blocks(start(0, build.textPart('')), buildEvent.delta(0, 0, 'T', { annotations }), end(0))[2],
  ).toMatchObject(blockDelta(0, { type: 'citations_delta', citation: cited }));
});

describe('what only Anthropic says', () => {
  const opaque = (value: object) => buildEvent.opaqueEvent(dialect, JSON.stringify(value));

  test('a block of its own has its input in a delta, where clients look for it', () => {
    const block = { type: 'server_tool_use', id: 's', name: 'web_search', input: { query: 'x' } };
    const result = { type: 'web_search_tool_result', tool_use_id: 's', content: [] };
    const part = (value: { type: string }) =>
      build.part({ case: 'opaque', value: build.opaque(dialect, value.type, JSON.stringify(value)) });
    expect(blocks(start(0, part(block)), end(0), start(1, part(result)), end(1))).toEqual([
      blockStart(0, { ...block, input: {} }),
      json(0, '{"query":"x"}'),
      blockStop(0),
      blockStart(1, result),
      blockStop(1),
    ]);
  });

  test('members of the first and the last frame are in their place', () => {
    const frames = framesOf(
      new MessagesStreamEncoder().encode([
        buildEvent.started('msg_1', 'm', 1),
        opaque({ type: 'message_start', message: { usage: { input_tokens: 9 }, container: null } }),
        opaque({
          type: 'message_delta',
          delta: { stop_sequence: '```', container: { id: 'c' } },
          context_management: {},
        }),
        buildEvent.choiceFinished(0, FinishReason.STOP, 'stop_sequence'),
        buildEvent.finished(build.usage(9, 1)),
      ]),
    ).map(({ data }) => data);
    expect(frames[0]).toMatchObject({ message: { usage: { input_tokens: 9 }, container: null } });
    expect(frames[1]).toMatchObject({
      delta: { stop_reason: 'stop_sequence', stop_sequence: '```', container: { id: 'c' } },
      context_management: {},
    });
  });

  test('a frame of a kind that is not known passes, an odd delta under the index of the open block', () => {
    const odd = blockDelta(7, { type: 'odd_delta', odd: 1 });
    expect(
      blocks(
        opaque({ type: 'tomorrow', x: 1 }),
        opaque(odd),
        start(0, build.textPart('')),
        delta(0, 'T'),
        opaque(odd),
        end(0),
      ),
    ).toEqual([
      { type: 'tomorrow', x: 1 },
      blockStart(0, { type: 'text', text: '' }),
      blockDelta(0, { type: 'text_delta', text: 'T' }),
      { ...odd, index: 0 },
      blockStop(0),
    ]);
  });

  test("another dialect's events have no place", () => {
    expect(blocks(buildEvent.opaqueEvent('openai.chat', '{"x":1}'))).toEqual([]);
  });
});

test('an answer without usage ends with what clients add up', () => {
  const frames = encode([
    buildEvent.started('1', 'm', 1),
    buildEvent.choiceFinished(0, FinishReason.LENGTH),
    buildEvent.finished(),
  ]);
  expect(frames.at(-2)).toMatchObject({
    delta: { stop_reason: 'max_tokens' },
    usage: { input_tokens: 0, output_tokens: 0 },
  });
});

test('of several answers the first is told', () => {
  expect(
    blocks(
      buildEvent.partStarted(1, 0, build.textPart('')),
      buildEvent.delta(1, 0, 'x'),
      buildEvent.partEnded(1, 0),
    ),
  ).toEqual([]);
});
