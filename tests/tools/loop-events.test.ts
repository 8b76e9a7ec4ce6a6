import { expect, test } from 'vitest';
import { FinishReason } from '../../gen/llmgateway/v1/completion_pb.js';
import * as build from '../../src/model/build.ts';
import * as buildEvent from '../../src/model/build-events.ts';
import type { StreamEvent } from '../../src/model/events.ts';
import { RoundEvents } from '../../src/tools/loop-events.ts';

const call = (name: string) =>
  build.part({ case: 'toolCall', value: build.toolCall(`id-${name}`, name, '') });
const text = build.textPart('');
const round = (first: boolean, nextPart: number) =>
  new RoundEvents({ first, nextPart, withholds: ({ name }) => name === 'own', readOpaque: () => [] });
const shown = (events: readonly StreamEvent[]) =>
  events.map(({ event }) => {
    const value = event.value as { part?: number; text?: string };
    return [event.case, value.part, value.text].filter((one) => one !== undefined).join(' ');
  });

const batch = [
  buildEvent.started('c', 'm', 1),
  buildEvent.partStarted(0, 0, text),
  buildEvent.delta(0, 0, 'Hm'),
  buildEvent.opaqueEvent('d', '{"before":1}'),
  buildEvent.partStarted(0, 1, call('own')),
  buildEvent.partStarted(0, 2, call('theirs')),
  buildEvent.delta(0, 1, '{"o":'),
  buildEvent.delta(0, 2, '{"t":'),
  buildEvent.delta(0, 1, '1}'),
  buildEvent.delta(0, 2, '2}'),
  buildEvent.partEnded(0, 0),
  buildEvent.partEnded(0, 1),
  buildEvent.partEnded(0, 2),
  buildEvent.opaqueEvent('d', '{"end":1}'),
  buildEvent.choiceFinished(0, FinishReason.TOOL_CALLS),
  buildEvent.finished(),
];

test('own calls are left out, the others numbered on; the end waits', () => {
  const original = structuredClone(batch);
  const events = round(true, 0);
  expect(shown(events.take(batch))).toEqual([
    'started',
    'partStarted 0',
    'delta 0 Hm',
    'opaque',
    'partStarted 1',
    'delta 1 {"t":',
    'delta 1 2}',
    'partEnded 0',
    'partEnded 1',
  ]);
  expect(events.finished).not.toBeNull();
  expect(events.nextPart).toBe(2);
  expect(shown(events.held())).toEqual(['opaque', 'choiceFinished']);
  expect(events.held()).toEqual([]);
  // The answer is known as the model made it, and others' events are as they were.
  expect(events.message?.parts.map(({ content }) => content.case)).toEqual(['text', 'toolCall', 'toolCall']);
  expect(batch).toEqual(original);
});

test('a later round has no beginning, and its parts follow on', () => {
  const events = round(false, 5);
  const opening = [buildEvent.started('d', 'm', 1), buildEvent.opaqueEvent('d', '{"start":1}')];
  expect(shown(events.take([...opening, ...batch.slice(1, 3)]))).toEqual(['partStarted 5', 'delta 5 Hm']);
});

test('calls that are not run after all come whole and in order', () => {
  const events = round(true, 0);
  events.take(batch);
  expect(shown(events.withheld())).toEqual(['partStarted 2', 'delta 2 {"o":', 'delta 2 1}', 'partEnded 2']);
  expect(events.withheld()).toEqual([]);
});

test('without own calls everything passes at once, as the same events', () => {
  const plain = batch.filter(({ event }) => (event.value as { part?: number }).part !== 1);
  const events = round(true, 0);
  const out = events.take(plain.slice(0, 4));
  expect(out.every((event, i) => event === plain[i])).toBe(true);
  expect(shown(events.take([buildEvent.choiceFinished(0, FinishReason.STOP)]))).toEqual(['choiceFinished']);
});
