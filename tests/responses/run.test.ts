import { expect, test } from 'vitest';
import { FinishReason } from '../../gen/llmgateway/v1/completion_pb.js';
import * as build from '../../src/model/build.ts';
import * as buildEvent from '../../src/model/build-events.ts';
import { responseParameters } from '../../src/model/build-responses.ts';
import type { EventStream, StreamEvent } from '../../src/model/events.ts';
import { LifeCycle } from '../../src/responses/life-cycle.ts';
import { newResponse } from '../../src/responses/new-response.ts';
import { ResponseRun } from '../../src/responses/run.ts';

test('the answer is read to its very end, on which places and locks hang', async () => {
  const batches: StreamEvent[][] = [
    [
      buildEvent.started('c', 'm', 1),
      buildEvent.partStarted(0, 0, build.textPart('')),
      buildEvent.delta(0, 0, 'a'),
    ],
    [
      buildEvent.partEnded(0, 0),
      buildEvent.choiceFinished(0, FinishReason.STOP, 'stop'),
      buildEvent.finished(),
    ],
  ];
  let ended = false;
  const answer: EventStream = {
    next() {
      const value = batches.shift();
      ended = value === undefined;
      return Promise.resolve(value === undefined ? { done: true, value: undefined } : { done: false, value });
    },
    return: () => Promise.resolve({ done: true, value: undefined }),
  };
  const response = newResponse('resp_1', 1, responseParameters('m', []));
  const lifeCycle = new LifeCycle({ response, newId: (prefix) => `${prefix}_1`, now: () => 2 });
  const begun: ConstructorParameters<typeof ResponseRun>[0]['begun'][number][] = [];
  lifeCycle.announce(begun);
  lifeCycle.begin(begun);
  const run = new ResponseRun({
    lifeCycle,
    answer,
    requestId: 'r',
    keeper: null,
    begun,
    beforeEnd: () => Promise.resolve(),
    onOver: () => {},
    survives: false,
    movesOn: false,
  });
  const types: (string | undefined)[] = [];
  for (;;) {
    const { done, value } = await run.next();
    if (done) break;
    types.push(...value.map(({ event }) => event.case));
  }
  expect(types.at(-1)).toBe('status');
  expect(ended).toBe(true);
});
