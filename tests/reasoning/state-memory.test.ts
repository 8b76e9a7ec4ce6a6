import { expect, test } from 'vitest';
import * as build from '../../src/model/build.ts';
import { orderOf } from '../../src/reasoning/answer-order.ts';
import { type CallState, StateMemory } from '../../src/reasoning/state-memory.ts';

const state = (text: string): CallState => ({
  reasoning: [build.part({ case: 'reasoning', value: build.reasoning(text) })],
  signature: '',
});

test('a state is found by its tenant, its provider and its call only', () => {
  const memory = new StateMemory({ maxSize: 100_000, ttlMs: 1_000 });
  memory.remember('t', 'one', 'call_1', state('a'));
  expect(memory.recall('t', 'one', 'call_1')).toEqual(state('a'));
  expect(memory.recall('t', 'two', 'call_1')).toBeUndefined();
  expect(memory.recall('u', 'one', 'call_1')).toBeUndefined();
  expect(memory.recall('', 'one', 'call_1')).toBeUndefined();
  expect(memory.recall('t', 'one', 'call_2')).toBeUndefined();
});

test('the longest unused are forgotten when the memory is full', () => {
  const memory = new StateMemory({ maxSize: 20_000, ttlMs: 1_000 });
  for (let i = 0; i < 100; i++) {
    memory.remember('t', 'p', `call_${i}`, state('x'.repeat(500)));
    memory.recall('t', 'p', 'call_0');
  }
  const left = Array.from({ length: 100 }, (_, i) => memory.recall('t', 'p', `call_${i}`) !== undefined);
  expect(left[0]).toBe(true);
  expect(left[1]).toBe(false);
  expect(left[99]).toBe(true);
  expect(left.filter(Boolean).length).toBeLessThan(20);
});

test('a state too large for its share is not kept', () => {
  const memory = new StateMemory({ maxSize: 16_000, ttlMs: 1_000 });
  memory.remember('t', 'p', 'call_1', state('x'.repeat(2_000)));
  expect(memory.recall('t', 'p', 'call_1')).toBeUndefined();
});

test('a state is forgotten when it has not been used for long', () => {
  let now = 1;
  const memory = new StateMemory({ maxSize: 100_000, ttlMs: 1_000, now: () => now });
  memory.remember('t', 'p', 'call_1', state('a'));
  now += 900;
  expect(memory.recall('t', 'p', 'call_1')).toBeDefined();
  now += 900;
  expect(memory.recall('t', 'p', 'call_1')).toBeDefined();
  now += 1_100;
  expect(memory.recall('t', 'p', 'call_1')).toBeUndefined();
});

test('a state whose order is too large for its share is kept without it', () => {
  const call = build.part({ case: 'toolCall', value: build.toolCall('call_1', 'f', '{}') });
  const memory = new StateMemory({ maxSize: 64_000, ttlMs: 1_000 });
  const ordered = (count: number): CallState => {
    const later = Array.from({ length: count }, () => [build.textPart('a'), ...state('b').reasoning]).flat();
    const order = orderOf([...later, call]);
    if (order === undefined) throw new Error('no order');
    return { ...state('a'), order };
  };
  memory.remember('t', 'p', 'call_1', ordered(2));
  expect(memory.recall('t', 'p', 'call_1')).toEqual(ordered(2));
  memory.remember('t', 'p', 'call_1', ordered(100));
  expect(memory.recall('t', 'p', 'call_1')).toEqual(state('a'));
});
