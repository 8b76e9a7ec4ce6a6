import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { FinishReason } from '../../gen/llmgateway/v1/completion_pb.js';
import { ErrorReason } from '../../gen/llmgateway/v1/error_pb.js';
import type { Part } from '../../gen/llmgateway/v1/message_pb.js';
import type { ResponseEvent } from '../../gen/llmgateway/v1/responses_service_pb.js';
import { encodeEvent } from '../../src/codec/openai-responses/encode-event.ts';
import { GatewayError } from '../../src/errors/gateway-error.ts';
import * as build from '../../src/model/build.ts';
import * as buildEvent from '../../src/model/build-events.ts';
import { responseParameters } from '../../src/model/build-responses.ts';
import type { StreamEvent } from '../../src/model/events.ts';
import { LifeCycle } from '../../src/responses/life-cycle.ts';
import { newResponse } from '../../src/responses/new-response.ts';
import { checkEvents, type Json } from '../support/response-machine.ts';

// Every mix of what an answer may be made of, on its way to the events of a response.

/** A part of an answer: how it begins, and the pieces that it grows by. */
interface Piece {
  readonly kind: keyof typeof starts;
  readonly texts: readonly string[];
  /** Citations that come after the texts. */
  readonly cited?: number;
  /** Whether its end comes. */
  readonly cut?: boolean;
  /** Item of the provider's own. */
  readonly item?: string;
}

const starts = {
  text: (_: string, itemId: string) => build.part({ case: 'text', value: build.text('') }, { itemId }),
  refusal: (_: string, itemId: string) =>
    build.part({ case: 'refusal', value: build.refusal('') }, { itemId }),
  thought: (_: string, id: string) => build.part({ case: 'reasoning', value: build.reasoning('', { id }) }),
  summary: (_: string, id: string) =>
    build.part({ case: 'reasoning', value: build.reasoning('', { id, summary: true }) }),
  call: (name: string, itemId: string) =>
    build.part({ case: 'toolCall', value: build.toolCall(`call_${name}`, `f${name}`, '') }, { itemId }),
  custom: (name: string, itemId: string) =>
    build.part(
      { case: 'toolCall', value: build.toolCall(`call_${name}`, `f${name}`, '', { custom: true }) },
      { itemId },
    ),
  audio: () => build.part({ case: 'audio', value: build.audio({ case: 'base64', value: '' }) }),
  image: () =>
    build.part({ case: 'image', value: build.image({ case: 'url', value: 'https://example.com/a.png' }) }),
} as const satisfies Readonly<Record<string, (name: string, item: string) => Part>>;

type Ending = 'stop' | 'length' | 'filter' | 'fail' | 'cancel';
const finishes = {
  stop: FinishReason.STOP,
  length: FinishReason.LENGTH,
  filter: FinishReason.CONTENT_FILTER,
} as const;
const statuses: Readonly<Record<Ending, string>> = {
  stop: 'completed',
  length: 'incomplete',
  filter: 'incomplete',
  fail: 'failed',
  cancel: 'cancelled',
};

/** The events of a part, in their order. */
function stepsOf({ kind, texts, cited = 0, cut = false, item = '' }: Piece, at: number): StreamEvent[] {
  const steps = [buildEvent.partStarted(0, at, starts[kind](String(at), item))];
  for (const text of texts) steps.push(buildEvent.delta(0, at, text));
  for (let i = 0; i < cited; i++) {
    const value = build.urlCitation({ url: `https://example.com/${i}` });
    const annotations = [build.annotation({ case: 'urlCitation', value })];
    steps.push(buildEvent.delta(0, at, '', { annotations }));
  }
  if (!cut) steps.push(buildEvent.partEnded(0, at));
  return steps;
}

/** The pieces' events mixed: each number says whose event is next, of those that have begun and one more. */
function mixed(pieces: readonly Piece[], order: readonly number[]): StreamEvent[] {
  const waiting = pieces.map(stepsOf);
  const events: StreamEvent[] = [];
  let begun = 0;
  for (let i = 0; waiting.some((steps) => steps.length > 0); i++) {
    const open = waiting.slice(0, begun + 1).flatMap((steps, at) => (steps.length > 0 ? [at] : []));
    const at = open[(order[i % Math.max(order.length, 1)] ?? 0) % open.length] as number;
    events.push(waiting[at]?.shift() as StreamEvent);
    begun = Math.max(begun, at + 1);
  }
  return events;
}

interface Told {
  readonly events: Json[];
  readonly response: Json;
}

function tell(answer: readonly StreamEvent[], ending: Ending, background = false): Told {
  const parameters = { ...responseParameters('m', []), background };
  let ids = 0;
  const lifeCycle = new LifeCycle({
    response: newResponse('resp_1', 1, parameters),
    newId: (prefix) => `${prefix}_new${ids++}`,
    now: () => 2,
  });
  const events: Json[] = [];
  const say = (make: (out: ResponseEvent[]) => void): void => {
    const out: ResponseEvent[] = [];
    make(out);
    // At once: what grows on must not show in what has been told.
    for (const event of out) events.push(JSON.parse(encodeEvent(event, []).data) as Json);
  };
  say((out) => lifeCycle.announce(out));
  if (background) say((out) => lifeCycle.announce(out));
  say((out) => lifeCycle.begin(out));
  for (const event of [buildEvent.started('c', 'm', 1), ...answer]) say((out) => lifeCycle.add([event], out));
  if (ending === 'fail') {
    const error = new GatewayError(ErrorReason.UPSTREAM_UNREACHABLE, 'it broke');
    say((out) => lifeCycle.fail(error.detail('req'), error.rawMessage, out));
  } else if (ending === 'cancel') say((out) => lifeCycle.cancel(out));
  else {
    say((out) =>
      lifeCycle.add(
        [buildEvent.choiceFinished(0, finishes[ending]), buildEvent.finished(build.usage(3, 4))],
        out,
      ),
    );
  }
  // Whatever comes late changes nothing.
  say((out) => lifeCycle.add([buildEvent.delta(0, 0, 'late'), ...answer, buildEvent.finished()], out));
  return { events, response: events.at(-1)?.['response'] as Json };
}

const outputOf = ({ response }: Told): Json[] => response['output'] as Json[];

/** What the items say: their types with their texts. */
const gist = (told: Told): string[] =>
  outputOf(told).map((item) => {
    const parts = [...((item['summary'] ?? []) as Json[]), ...((item['content'] ?? []) as Json[])];
    const texts = parts.map((part) => part['text'] ?? part['refusal'] ?? part['type']);
    const own = item['arguments'] ?? item['input'];
    const status = item['status'] === 'completed' || item['status'] === undefined ? '' : ` ${item['status']}`;
    return `${item['type']} ${own ?? texts.join('|')}${status}`;
  });

const t = (kind: Piece['kind'], ...texts: string[]): Piece => ({ kind, texts });

describe('an answer of', () => {
  test.each<[string, Piece[], Ending, string[]]>([
    ['nothing', [], 'stop', []],
    ['an empty text', [t('text')], 'stop', ['message ']],
    ['empty texts', [t('text'), t('text')], 'stop', ['message |']],
    ['several texts', [t('text', 'a', 'b'), t('text', 'c')], 'stop', ['message ab|c']],
    [
      'texts that are items',
      [
        { ...t('text', 'a'), item: 'x' },
        { ...t('text', 'b'), item: 'y' },
      ],
      'stop',
      ['message a', 'message b'],
    ],
    ['text and refusal', [t('text', 'a'), t('refusal', 'no')], 'stop', ['message a|no']],
    [
      'reasoning, text, call',
      [t('thought', 'h'), t('text', 'a'), t('call', '{', '}')],
      'stop',
      ['reasoning h', 'message a', 'function_call {}'],
    ],
    [
      'call, text, reasoning',
      [t('call', '{}'), t('text', 'a'), t('thought', 'h')],
      'stop',
      ['function_call {}', 'message a', 'reasoning h'],
    ],
    [
      'reasoning between calls',
      [t('call', '{}'), t('thought', 'h'), t('call', '{}')],
      'stop',
      ['function_call {}', 'reasoning h', 'function_call {}'],
    ],
    ['reasoning without text', [t('thought'), t('text', 'a')], 'stop', ['reasoning ', 'message a']],
    [
      'a summary in pieces',
      ['a', 'b'].map((text) => ({ ...t('summary', text), item: 'rs_1' })),
      'stop',
      ['reasoning a|b'],
    ],
    [
      'a summary with an empty piece',
      ['', 'b'].map((text) => ({ ...t('summary', ...[text].filter(Boolean)), item: 'rs_1' })),
      'stop',
      ['reasoning b'],
    ],
    ['a custom call', [t('custom', 'x', 'y')], 'stop', ['custom_tool_call xy']],
    ['calls without arguments', [t('call'), t('call')], 'stop', ['function_call ', 'function_call ']],
    ['text and a picture', [t('text', 'a'), t('image')], 'stop', ['message a', 'image_generation_call ']],
    [
      'a text that was cut',
      [t('thought', 'h'), t('text', 'a')],
      'length',
      ['reasoning h', 'message a incomplete'],
    ],
    [
      'a call that was cut',
      [t('text', 'a'), t('call', '{"a')],
      'length',
      ['message a', 'function_call {"a incomplete'],
    ],
    [
      'two calls of which one was cut',
      [t('call', '{}'), t('call', '{"a')],
      'length',
      ['function_call {}', 'function_call {"a incomplete'],
    ],
    ['reasoning that was cut', [t('thought', 'h')], 'length', ['reasoning h incomplete']],
    ['a text that was filtered', [t('text', 'a')], 'filter', ['message a incomplete']],
    ['nothing, filtered', [], 'filter', []],
    ['a text that broke off', [{ ...t('text', 'a'), cut: true }], 'fail', ['message a incomplete']],
    [
      'a call that broke off',
      [t('text', 'a'), { ...t('call', '{'), cut: true }],
      'fail',
      ['message a', 'function_call { incomplete'],
    ],
    ['nothing, failed', [], 'fail', []],
    ['a text that was cancelled', [{ ...t('text', 'a'), cut: true }], 'cancel', ['message a incomplete']],
  ])('%s', (_name, pieces, ending, wanted) => {
    const told = tell(mixed(pieces, []), ending);
    checkEvents(told.events);
    expect(gist(told)).toEqual(wanted);
    expect(told.response['status']).toBe(statuses[ending]);
  });

  test('calls whose arguments interleave keeps each with its own, in the order in which they began', () => {
    const pieces = [t('call', '{"a":', '1}'), t('call', '{"b":', '2}'), t('custom', 'c', 'd')];
    const told = tell(mixed(pieces, [0, 1, 2, 2, 1, 0]), 'stop');
    checkEvents(told.events);
    expect(gist(told)).toEqual(['function_call {"a":1}', 'function_call {"b":2}', 'custom_tool_call cd']);
  });

  test('calls of which the first ends last, and fails: the items stay in their order', () => {
    const start = (at: number) => buildEvent.partStarted(0, at, starts.call(String(at), ''));
    const answer = [
      start(0),
      start(1),
      buildEvent.delta(0, 1, '{}'),
      buildEvent.partEnded(0, 1),
      buildEvent.delta(0, 0, '{'),
    ];
    const told = tell(answer, 'fail');
    checkEvents(told.events);
    expect(gist(told)).toEqual(
      ['function_call { incomplete', 'function_call {} '].map((line) => line.trimEnd()),
    );
  });

  test('texts of one message that end in another order keeps them in their places', () => {
    const start = (at: number) => buildEvent.partStarted(0, at, starts.text('', ''));
    const [first, second] = [0, 1].map((at) => [
      buildEvent.delta(0, at, `t${at}`),
      buildEvent.partEnded(0, at),
    ]);
    const told = tell([start(0), start(1), ...(second ?? []), ...(first ?? [])], 'stop');
    checkEvents(told.events);
    expect(gist(told)).toEqual(['message t0|t1']);
  });

  test('sound tells data and transcript apart', () => {
    const sound = [
      buildEvent.partStarted(0, 0, starts.audio()),
      buildEvent.delta(0, 0, 'AAAA'),
      buildEvent.delta(0, 0, '', { transcript: 'hi' }),
      buildEvent.partEnded(0, 0),
    ];
    const told = tell(sound, 'stop');
    checkEvents(told.events);
    expect(told.events.map(({ type }) => type)).toEqual([
      'response.created',
      'response.in_progress',
      'response.output_item.added',
      'response.content_part.added',
      'response.audio.delta',
      'response.audio.transcript.delta',
      'response.audio.done',
      'response.content_part.done',
      'response.output_item.done',
      'response.completed',
    ]);
    expect(outputOf(told)[0]?.['content']).toEqual([
      { type: 'output_audio', data: 'AAAA', transcript: 'hi' },
    ]);
  });

  test('a text with sources numbers them', () => {
    const told = tell(mixed([{ ...t('text', 'a'), cited: 3 }], []), 'stop');
    checkEvents(told.events);
    const added = told.events.filter(({ type }) => type === 'response.output_text.annotation.added');
    expect(added.map((event) => event['annotation_index'])).toEqual([0, 1, 2]);
  });

  test('several choices is that of the first', () => {
    const second = [
      buildEvent.partStarted(1, 0, starts.text('', '')),
      buildEvent.delta(1, 0, 'no'),
      buildEvent.partEnded(1, 0),
      buildEvent.choiceFinished(1, FinishReason.LENGTH),
    ];
    const told = tell([...second, ...mixed([t('text', 'yes')], [])], 'stop');
    checkEvents(told.events);
    expect(gist(told)).toEqual(['message yes']);
  });
});

test('a response that waits is created, queued, then in progress', () => {
  const { events } = tell(mixed([t('text', 'a')], []), 'stop', true);
  checkEvents(events);
  expect(events.slice(0, 3).map(({ type, response }) => [type, (response as Json)['status']])).toEqual([
    ['response.created', 'queued'],
    ['response.queued', 'queued'],
    ['response.in_progress', 'in_progress'],
  ]);
});

const said = fc.array(fc.string({ minLength: 1, maxLength: 4 }), { maxLength: 4 });
const piece: fc.Arbitrary<Piece> = fc.oneof(
  fc.record({
    kind: fc.constantFrom('text', 'refusal', 'thought', 'call', 'custom', 'audio', 'image'),
    texts: said,
    cut: fc.boolean(),
  }),
  fc.record({ kind: fc.constant('text'), texts: said, cited: fc.nat(3), cut: fc.boolean() }),
);
/** Pieces of a provider that numbers its items: each item's pieces stand together. */
const numbered: fc.Arbitrary<Piece[]> = fc
  .array(
    fc.tuple(
      fc.constantFrom('text', 'summary', 'call', 'custom'),
      fc.array(said, { minLength: 1, maxLength: 3 }),
    ),
    { maxLength: 5 },
  )
  .map((items) =>
    items.flatMap(([kind, pieces], i) =>
      (kind === 'text' || kind === 'summary' ? pieces : pieces.slice(0, 1)).map(
        (texts): Piece => ({ kind, texts, item: `it_${i}` }),
      ),
    ),
  );
const endings = fc.constantFrom<Ending>('stop', 'length', 'filter', 'fail', 'cancel');

/** All texts that were told, by what tells them. */
function grownIn(events: readonly Json[]): string {
  return events
    .filter(({ type }) => String(type).endsWith('.delta'))
    .map((event) => event['delta'])
    .join('');
}
const grownOf = (answer: readonly StreamEvent[]): string =>
  answer.map(({ event }) => (event.case === 'delta' ? event.value.text : '')).join('');

test('every mix of parts, in every order, makes events that a client can rely on', () => {
  fc.assert(
    fc.property(
      fc.array(piece, { maxLength: 6 }),
      fc.array(fc.nat(5), { minLength: 1, maxLength: 24 }),
      endings,
      fc.boolean(),
      (pieces, order, ending, background) => {
        const answer = mixed(
          // A picture does not grow.
          pieces.map((one) => (one.kind === 'image' ? { ...one, texts: [] } : one)),
          order,
        );
        const told = tell(answer, ending, background);
        checkEvents(told.events);
        expect(told.response['status']).toBe(statuses[ending]);
        expect(grownIn(told.events)).toBe(grownOf(answer));
        if (ending === 'stop' || ending === 'length') {
          expect(told.response['usage']).toMatchObject({
            input_tokens: 3,
            output_tokens: 4,
            total_tokens: 7,
          });
        }
      },
    ),
    { numRuns: 3_000 },
  );
});

test('items that the provider numbers keep their ids and pieces', () => {
  fc.assert(
    fc.property(numbered, endings, (pieces, ending) => {
      const told = tell(mixed(pieces, [9]), ending);
      checkEvents(told.events);
      const ids = outputOf(told).map(({ id }) => id);
      expect(ids).toEqual([...new Set(pieces.map(({ item }) => item))]);
    }),
    { numRuns: 1_000 },
  );
});

test('any sequence of events, also one that no codec makes, is answered with events in order', () => {
  const number = fc.nat(3);
  const anything: fc.Arbitrary<StreamEvent> = fc.oneof(
    fc
      .tuple(
        number,
        fc.constantFrom(...(Object.keys(starts) as Piece['kind'][])),
        fc.constantFrom('', 'x', 'y'),
      )
      .map(([at, kind, item]) =>
        buildEvent.partStarted(0, at, starts[kind](String(at), kind === 'call' ? '' : item)),
      ),
    fc.tuple(number, fc.string({ maxLength: 3 })).map(([at, text]) => buildEvent.delta(0, at, text)),
    number.map((at) => buildEvent.partEnded(0, at)),
  );
  fc.assert(
    fc.property(fc.array(anything, { maxLength: 12 }), endings, (answer, ending) => {
      const { events } = tell(answer, ending);
      expect(events.map((event) => event['sequence_number'])).toEqual(events.map((_, i) => i));
      expect(events.at(-1)?.['type']).toBe(`response.${statuses[ending]}`);
    }),
    { numRuns: 1_000 },
  );
});
