import { expect, test } from 'vitest';
import { Role } from '../../gen/llmgateway/v1/message_pb.js';
import * as build from '../../src/model/build.ts';
import { TurnMemory } from '../../src/tools/turn-memory.ts';

const call = (id: string, args = '{}') => build.toolCall(id, 'f', args);
const turn = (size = 1) => ({
  before: [],
  message: build.message(Role.ASSISTANT, [build.textPart('x'.repeat(size))]),
  given: '',
  results: [],
});

test('a turn is found by its tenant, its prompt and all of its calls', () => {
  const memory = new TurnMemory({ maxSize: 100_000, ttlMs: 1_000 });
  const calls = [call('1', '{"a": 1}'), call('2')];
  memory.remember('t', 'p', calls, turn());
  const found = (tenant: string, prompt: string, given = calls) =>
    memory.recall(tenant, prompt, given) !== null;
  expect(found('t', 'p')).toBe(true);
  expect(found('t', 'p', [call('2'), call('1', '{"a":1}')])).toBe(true);
  expect(found('u', 'p')).toBe(false);
  expect(found('t', 'q')).toBe(false);
  expect(found('t', 'p', [call('1', '{"a": 1}')])).toBe(false);
  expect(found('t', 'p', [call('1', '{"a":2}'), call('2')])).toBe(false);
  expect(found('t', 'p', [call('1', '{"a":1}'), build.toolCall('2', 'g', '{}')])).toBe(false);
  expect(found('t', 'p', [])).toBe(false);
});

test('texts that are no arguments are the same only when they are the same text', () => {
  const memory = new TurnMemory({ maxSize: 100_000, ttlMs: 1_000 });
  memory.remember('t', 'p', [call('1', 'no json')], turn());
  expect(memory.recall('t', 'p', [call('1', 'no json')])).not.toBeNull();
  expect(memory.recall('t', 'p', [call('1', 'other')])).toBeNull();
});

test('the longest unused are forgotten when the memory is full, and what is too large is not kept', () => {
  const memory = new TurnMemory({ maxSize: 40_000, ttlMs: 1_000 });
  for (let i = 0; i < 100; i++) {
    memory.remember('t', 'p', [call(`${i}`)], turn(1_000));
    memory.recall('t', 'p', [call('0')]);
  }
  const left = Array.from({ length: 100 }, (_, i) => memory.recall('t', 'p', [call(`${i}`)]) !== null);
  expect([left[0], left[1], left[99]]).toEqual([true, false, true]);
  expect(left.filter(Boolean).length).toBeLessThan(30);
  memory.remember('t', 'p', [call('large')], turn(3_000));
  expect(memory.recall('t', 'p', [call('large')])).toBeNull();
});

test('a turn is kept for a while after its last use', () => {
  let now = 1;
  const memory = new TurnMemory({ maxSize: 100_000, ttlMs: 100, now: () => now });
  memory.remember('t', 'p', [call('1')], turn());
  now += 90;
  expect(memory.recall('t', 'p', [call('1')])).not.toBeNull();
  now += 90;
  expect(memory.recall('t', 'p', [call('1')])).not.toBeNull();
  now += 101;
  expect(memory.recall('t', 'p', [call('1')])).toBeNull();
});
