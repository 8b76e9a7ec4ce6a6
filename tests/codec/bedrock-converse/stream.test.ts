import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { FinishReason } from '../../../gen/llmgateway/v1/completion_pb.js';
import { ErrorReason } from '../../../gen/llmgateway/v1/error_pb.js';
import { ConverseStreamDecoder } from '../../../src/codec/bedrock-converse/decode-stream.ts';
import { GatewayError } from '../../../src/errors/gateway-error.ts';
import {
  type AwsEventStreamMessage,
  AwsEventStreamReader,
} from '../../../src/http/aws-event-stream-reader.ts';
import * as build from '../../../src/model/build.ts';
import * as buildEvent from '../../../src/model/build-events.ts';
import type { StreamEvent } from '../../../src/model/events.ts';
import { everyCut } from '../../http/support/cuts.ts';
import { eventFrame, exceptionFrame, frame } from '../../support/aws-event-stream.ts';
import { recordedBedrock } from '../../support/bedrock-recordings.ts';

const claude = 'anthropic.claude-sonnet-4-5-20250929-v1:0';

/** What comes of a stream: its events, and its failure if it has one. */
function play(
  pieces: Iterable<Buffer>,
  model = claude,
): { events: StreamEvent[]; failure: GatewayError | null } {
  const reader = new AwsEventStreamReader();
  const decoder = new ConverseStreamDecoder({ provider: 'bedrock', model });
  const messages: AwsEventStreamMessage[] = [];
  const events: StreamEvent[] = [];
  try {
    for (const piece of pieces) {
      reader.push(piece, messages);
      for (const message of messages.splice(0)) decoder.push(message, events);
    }
    reader.end(messages);
    decoder.end(events);
  } catch (error) {
    if (error instanceof GatewayError) return { events, failure: error };
    throw error;
  }
  return { events, failure: null };
}

/** The events without the id that is made for each stream. */
const told = (events: readonly StreamEvent[]) =>
  events.map(({ event }) =>
    event.case === 'started'
      ? { case: 'started', model: event.value.model }
      : { case: event.case, ...event.value },
  );

const start = eventFrame('messageStart', { role: 'assistant', p: 'abc' });
const block = (index: number, delta: unknown) =>
  eventFrame('contentBlockDelta', { contentBlockIndex: index, delta, p: 'a' });
const begin = (index: number, begun: unknown) =>
  eventFrame('contentBlockStart', { contentBlockIndex: index, start: begun, p: 'a' });
const over = (index: number) => eventFrame('contentBlockStop', { contentBlockIndex: index, p: 'ab' });
const stop = (stopReason = 'end_turn') => eventFrame('messageStop', { stopReason, p: 'abcd' });
const metadata = eventFrame('metadata', {
  usage: {
    inputTokens: 5,
    outputTokens: 7,
    totalTokens: 112,
    cacheReadInputTokens: 100,
    cacheWriteInputTokens: 0,
  },
  metrics: { latencyMs: 12 },
  p: 'abcdef',
});

test.each([
  ['before it stops', [start, metadata], true],
  ['once it has stopped', [start, stop(), metadata], false],
])('what was used is known %s', (_when, frames, estimated) => {
  const messages: AwsEventStreamMessage[] = [];
  new AwsEventStreamReader().push(Buffer.concat(frames), messages);
  const decoder = new ConverseStreamDecoder({ provider: 'bedrock', model: claude });
  expect(decoder.usageSoFar()).toBeUndefined();
  for (const message of messages) decoder.push(message, []);
  expect(decoder.usageSoFar()).toMatchObject({
    promptTokens: 105,
    completionTokens: 7,
    cachedTokens: 100,
    estimated,
  });
});

const recorded = recordedBedrock().filter(({ endpoint, stream }) => endpoint === 'converse' && stream);

describe.skipIf(recorded.length === 0)('recorded streams', () => {
  test.each(recorded.map((exchange) => [exchange.title, exchange] as const))(
    '%s, cut at every byte',
    (_title, { body, model, derived }) => {
      const { events, failure } = play([body], model);
      expect(failure).toBeNull();
      const texts = new Map<number, string>();
      const calls = new Map<number, { id: string; name: string }>();
      for (const { event } of events) {
        if (event.case === 'partStarted' && event.value.content?.content.case === 'toolCall') {
          const { id, name } = event.value.content.content.value;
          calls.set(event.value.part, { id, name });
        }
        if (event.case === 'delta')
          texts.set(event.value.part, (texts.get(event.value.part) ?? '') + event.value.text);
      }
      const text = [...texts].filter(([part]) => !calls.has(part)).map(([, said]) => said);
      expect(text.join('')).toBe(derived.text ?? '');
      const toolCalls = [...calls].map(([part, call]) => ({
        ...call,
        args: JSON.parse(texts.get(part) ?? ''),
      }));
      expect(toolCalls).toEqual(derived.tool_calls ?? []);
      const finish = events.find(({ event }) => event.case === 'choiceFinished')?.event;
      expect(finish?.value).toMatchObject({ nativeFinishReason: derived.finish });
      const end = events.at(-1)?.event;
      expect(end?.case === 'finished' && end.value.usage).toMatchObject({
        promptTokens: derived.usage?.inputTokens,
        completionTokens: derived.usage?.outputTokens,
        totalTokens: derived.usage?.totalTokens,
      });
      const expected = JSON.stringify(told(events));
      for (const pieces of everyCut(body)) {
        expect(JSON.stringify(told(play(pieces, model).events))).toBe(expected);
      }
    },
  );

  test.each(recorded.map((exchange) => [exchange.title, exchange] as const))(
    '%s, ended too early, is interrupted wherever that is',
    (_title, { body, model }) => {
      const complete = body.indexOf('messageStop');
      for (let end = 0; end < complete; end += 7) {
        const { events, failure } = play([body.subarray(0, end)], model);
        expect(failure?.reason).toBe(ErrorReason.UPSTREAM_INTERRUPTED);
        expect(events.some(({ event }) => event.case === 'finished' || event.case === 'choiceFinished')).toBe(
          false,
        );
      }
    },
  );
});

test('reasoning, text and parallel calls, each with what is only known at its end', () => {
  const { events } = play([
    start,
    block(0, { reasoningContent: { text: 'Let ' } }),
    block(0, { reasoningContent: { text: 'me.' } }),
    block(0, { reasoningContent: { signature: 'c2ln' } }),
    over(0),
    block(1, { reasoningContent: { redactedContent: 'AQI=' } }),
    block(1, { reasoningContent: { redactedContent: 'Aw==' } }),
    over(1),
    block(2, { text: 'Look:' }),
    over(2),
    begin(3, { toolUse: { toolUseId: 'a', name: 'f' } }),
    block(3, { toolUse: { input: '{"x"' } }),
    begin(4, { toolUse: { toolUseId: 'b', name: 'g' } }),
    block(3, { toolUse: { input: ':1}' } }),
    over(3),
    over(4),
    stop('tool_use'),
    metadata,
  ]);
  const state = { format: 'anthropic-claude-v1' };
  expect(events.slice(1)).toEqual([
    buildEvent.partStarted(0, 0, build.part({ case: 'reasoning', value: build.reasoning('') })),
    buildEvent.delta(0, 0, 'Let '),
    buildEvent.delta(0, 0, 'me.'),
    buildEvent.partEnded(
      0,
      0,
      build.part({ case: 'reasoning', value: build.reasoning('', { signature: 'c2ln', ...state }) }),
    ),
    buildEvent.partStarted(0, 1, build.part({ case: 'reasoning', value: build.reasoning('') })),
    buildEvent.partEnded(
      0,
      1,
      build.part({ case: 'reasoning', value: build.reasoning('', { encrypted: 'AQID', ...state }) }),
    ),
    buildEvent.partStarted(0, 2, build.textPart('')),
    buildEvent.delta(0, 2, 'Look:'),
    buildEvent.partEnded(0, 2),
    buildEvent.partStarted(0, 3, build.part({ case: 'toolCall', value: build.toolCall('a', 'f', '') })),
    buildEvent.delta(0, 3, '{"x"'),
    buildEvent.partStarted(0, 4, build.part({ case: 'toolCall', value: build.toolCall('b', 'g', '') })),
    buildEvent.delta(0, 3, ':1}'),
    buildEvent.partEnded(0, 3),
    buildEvent.delta(0, 4, '{}'),
    buildEvent.partEnded(0, 4),
    buildEvent.choiceFinished(0, FinishReason.TOOL_CALLS, 'tool_use'),
    buildEvent.opaqueEvent('aws.converse', '{"metadata":{"metrics":{"latencyMs":12}}}'),
    buildEvent.finished(build.usage(105, 7, { cachedTokens: 100, cacheWriteTokens: 0 })),
  ]);
  expect(events[0]?.event).toMatchObject({ case: 'started', value: { model: claude } });
});

describe('the end', () => {
  test('is metadata after messageStop, and nothing is told after it', () => {
    const { events, failure } = play([
      start,
      block(0, { text: 'a' }),
      stop(),
      metadata,
      block(0, { text: 'straggler' }),
      stop(),
    ]);
    expect(failure).toBeNull();
    expect(events.at(-1)?.event.case).toBe('finished');
    expect(JSON.stringify(events)).not.toContain('straggler');
  });

  test('may come without metadata, then without usage', () => {
    const { events, failure } = play([start, block(0, { text: 'a' }), over(0), stop()]);
    expect(failure).toBeNull();
    expect(events.at(-1)).toEqual(buildEvent.finished());
  });

  test('needs messageStop, whatever else came', () => {
    expect(play([start, block(0, { text: 'a' }), over(0), metadata]).failure?.reason).toBe(
      ErrorReason.UPSTREAM_INTERRUPTED,
    );
    expect(play([]).failure?.reason).toBe(ErrorReason.UPSTREAM_INTERRUPTED);
  });

  test('metadata may come first', () => {
    const { events } = play([start, metadata, block(0, { text: 'a' }), stop('max_tokens')]);
    expect(events.slice(-2)).toEqual([
      buildEvent.choiceFinished(0, FinishReason.LENGTH, 'max_tokens'),
      buildEvent.finished(build.usage(105, 7, { cachedTokens: 100, cacheWriteTokens: 0 })),
    ]);
  });

  test('a stop without a reason is not understood', () => {
    expect(play([start, eventFrame('messageStop', {})]).failure?.reason).toBe(ErrorReason.UPSTREAM_INVALID);
  });
});

describe('errors', () => {
  test.each([
    ['throttlingException', ErrorReason.UPSTREAM_RATE_LIMITED, 429],
    ['validationException', ErrorReason.UPSTREAM_REJECTED, 400],
    ['modelStreamErrorException', ErrorReason.UPSTREAM_FAILED, 502],
    ['internalServerException', ErrorReason.UPSTREAM_FAILED, 502],
    ['modelTimeoutException', ErrorReason.UPSTREAM_TIMEOUT, 504],
    ['serviceUnavailableException', ErrorReason.UPSTREAM_OVERLOADED, 503],
    ['somethingNewException', ErrorReason.UPSTREAM_FAILED, 502],
  ])('%s has its own status', (type, reason, status) => {
    const { events, failure } = play([start, exceptionFrame(type, { message: 'Because' })]);
    expect(failure).toMatchObject({ reason, status, facts: { upstreamType: type } });
    expect(failure?.message).toContain('Because');
    expect(events).toHaveLength(1);
  });

  test('an exception that calls itself an event is one nevertheless', () => {
    const { failure } = play([eventFrame('throttlingException', { message: 'Slow down' })]);
    expect(failure?.reason).toBe(ErrorReason.UPSTREAM_RATE_LIMITED);
  });

  test("a model's own error is told with its words", () => {
    const { failure } = play([
      exceptionFrame('modelStreamErrorException', {
        message: 'Model error',
        originalMessage: 'out of memory',
      }),
    ]);
    expect(failure?.message).toContain('Model error: out of memory');
  });

  test('an error without payload is told by its headers', () => {
    const headers = { ':message-type': 'error', ':error-code': 'InternalError', ':error-message': 'Broken' };
    const { failure } = play([start, frame(headers, '')]);
    expect(failure).toMatchObject({
      reason: ErrorReason.UPSTREAM_FAILED,
      facts: { upstreamType: 'InternalError' },
    });
    expect(failure?.message).toContain('Broken');
  });

  test('an event that is no JSON object is not understood', () => {
    for (const payload of ['{"role"', '[]', '5']) {
      const { failure } = play([frame({ ':message-type': 'event', ':event-type': 'messageStart' }, payload)]);
      expect(failure?.reason).toBe(ErrorReason.UPSTREAM_INVALID);
    }
  });
});

describe('odd streams', () => {
  const parts = (events: readonly StreamEvent[]) =>
    events.flatMap(({ event }) => (event.case === 'partStarted' ? [event.value.content?.content] : []));

  test('what the provider did by itself is told whole, and is no call', () => {
    const { events } = play([
      start,
      begin(0, { toolUse: { toolUseId: 's', name: 'nova_grounding', type: 'server_tool_use' } }),
      block(0, { toolUse: { input: '{"q":' } }),
      block(0, { toolUse: { input: '1}' } }),
      over(0),
      begin(1, { toolResult: { toolUseId: 's', type: 'nova_grounding_result' } }),
      block(1, { toolResult: [{ json: { hits: 2 } }] }),
      over(1),
      block(2, { text: 'Two.' }),
      over(2),
      stop('end_turn'),
    ]);
    const use = {
      toolUse: { toolUseId: 's', name: 'nova_grounding', type: 'server_tool_use', input: { q: 1 } },
    };
    const result = {
      toolResult: { toolUseId: 's', type: 'nova_grounding_result', content: [{ json: { hits: 2 } }] },
    };
    expect(parts(events).slice(0, 2)).toEqual([
      { case: 'opaque', value: build.opaque('aws.converse', 'toolUse', JSON.stringify(use)) },
      { case: 'opaque', value: build.opaque('aws.converse', 'toolResult', JSON.stringify(result)) },
    ]);
    expect(
      events.some(
        ({ event }) => event.case === 'choiceFinished' && event.value.finishReason === FinishReason.STOP,
      ),
    ).toBe(true);
  });

  test('a picture is put together', () => {
    const { events } = play([
      start,
      begin(0, { image: { format: 'png' } }),
      block(0, { image: { source: { bytes: 'AQ==' } } }),
      block(0, { image: { source: { bytes: 'AgM=' } } }),
      over(0),
      stop(),
    ]);
    expect(parts(events)).toEqual([
      {
        case: 'image',
        value: build.image({ case: 'data', value: new Uint8Array([1, 2, 3]) }, { mediaType: 'image/png' }),
      },
    ]);
  });

  test('a cited source belongs to the text so far', () => {
    const citation = { title: 'Doc', location: { documentPage: { documentIndex: 0, start: 1, end: 2 } } };
    const { events } = play([start, block(0, { text: 'So.' }), block(0, { citation }), over(0), stop()]);
    expect(events[3]).toEqual(
      buildEvent.delta(0, 0, '', {
        annotations: [
          build.annotation({
            case: 'opaque',
            value: build.opaque('aws.converse', 'documentPage', JSON.stringify(citation)),
          }),
        ],
      }),
    );
  });

  test('blocks without a start, of mixed kinds, and never stopped are parts all the same', () => {
    const { events, failure } = play([
      block(0, { text: 'a' }),
      block(0, { reasoningContent: { text: 'b' } }),
      block(0, { text: 'c' }),
      block(7, { toolUse: { input: '{}' } }),
      over(9),
      stop(),
    ]);
    expect(failure).toBeNull();
    expect(parts(events).map((content) => content?.case)).toEqual(['text', 'reasoning', 'text']);
    const ended = events.filter(({ event }) => event.case === 'partEnded');
    expect(ended).toHaveLength(3);
    expect(JSON.stringify(events)).toContain('\\"contentBlockIndex\\":7');
  });

  test('unknown events and members are handed on in their place', () => {
    const { events } = play([
      start,
      eventFrame('weather', { rain: true, p: 'a' }),
      block(0, { text: 'a', mood: 'calm' }),
      eventFrame('messageStop', {
        stopReason: 'end_turn',
        additionalModelResponseFields: { stop_sequence: 'X' },
        p: 'a',
      }),
    ]);
    const opaque = events.flatMap(({ event }) =>
      event.case === 'opaque' ? [JSON.parse(event.value.json)] : [],
    );
    expect(opaque).toEqual([
      { weather: { rain: true } },
      { contentBlockDelta: { contentBlockIndex: 0, delta: { mood: 'calm' } } },
      { messageStop: { additionalModelResponseFields: { stop_sequence: 'X' } } },
    ]);
  });
});

test('any row of events is understood or refused, and every part that begins ends', () => {
  const delta = fc.oneof(
    fc.record({ text: fc.string() }),
    fc.record({ toolUse: fc.record({ input: fc.string() }) }),
    fc.record({
      reasoningContent: fc.oneof(fc.record({ text: fc.string() }), fc.record({ signature: fc.string() })),
    }),
    fc.jsonValue(),
  );
  const begun = fc.oneof(
    fc.record({ toolUse: fc.record({ toolUseId: fc.string(), name: fc.string() }) }),
    fc.record({ image: fc.record({ format: fc.constant('png') }) }),
    fc.jsonValue(),
  );
  const index = fc.integer({ min: 0, max: 3 });
  const event = fc.oneof(
    fc.tuple(index, delta).map(([at, value]) => block(at, value)),
    fc.tuple(index, begun).map(([at, value]) => begin(at, value)),
    index.map(over),
    fc
      .tuple(
        fc.constantFrom('messageStart', 'metadata', 'messageStop', 'contentBlockDelta', 'odd'),
        fc.jsonValue(),
      )
      .map(([type, value]) => eventFrame(type, value)),
  );
  fc.assert(
    fc.property(fc.array(event, { maxLength: 20 }), (frames) => {
      const { events, failure } = play([start, ...frames, stop(), metadata]);
      const open = new Set<number>();
      for (const { event: it } of events) {
        if (it.case === 'partStarted') {
          expect(open.has(it.value.part)).toBe(false);
          open.add(it.value.part);
        }
        if (it.case === 'delta') expect(open.has(it.value.part)).toBe(true);
        if (it.case === 'partEnded') expect(open.delete(it.value.part)).toBe(true);
      }
      if (failure === null) {
        expect([...open]).toEqual([]);
        expect(events.at(-1)?.event.case).toBe('finished');
      }
    }),
    { numRuns: 1_000 },
  );
});
