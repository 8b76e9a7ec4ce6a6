import { EventEmitter, once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { LightSignal } from '../../src/base/light-signal.ts';

test('tells all listeners once, functions and objects, with the first reason', () => {
  const signal = new LightSignal();
  const told: string[] = [];
  const twice = (): void => void told.push('a');
  signal.addEventListener('abort', twice);
  signal.addEventListener('abort', twice);
  signal.addEventListener('abort', { handleEvent: () => void told.push('b') });
  signal.onabort = () => void told.push('on');
  signal.abort('first');
  signal.abort('second');
  expect([told, signal.aborted, signal.reason]).toEqual([['on', 'a', 'b'], true, 'first']);
  expect(() => signal.throwIfAborted()).toThrow('first');
});

test('one that was taken back is not told, not even by another listener', () => {
  const signal = new LightSignal();
  const told: string[] = [];
  const late = (): void => void told.push('late');
  const gone = (): void => void told.push('gone');
  signal.addEventListener('abort', () => signal.removeEventListener('abort', late));
  signal.addEventListener('abort', gone);
  signal.addEventListener('abort', late);
  signal.removeEventListener('abort', gone);
  signal.abort('x');
  expect(told).toEqual([]);
});

test('one that throws keeps nobody from being told', () => {
  const signal = new LightSignal();
  let told = false;
  signal.addEventListener('abort', () => {
    throw new Error('mine');
  });
  signal.addEventListener('abort', () => {
    told = true;
  });
  expect(() => signal.abort('x')).toThrow('mine');
  expect(told).toBe(true);
});

test('follows another signal until that is ended', () => {
  for (const other of [new AbortController(), new LightSignal()]) {
    const [following, ended] = [new LightSignal(), new LightSignal()];
    const parent = other instanceof AbortController ? other.signal : other;
    following.follow(parent);
    ended.follow(parent)();
    other.abort('why');
    expect([following.reason, ended.aborted]).toEqual(['why', false]);
    const late = new LightSignal();
    late.follow(parent);
    expect(late.reason).toBe('why');
  }
});

test('is a signal to what Node waits with', async () => {
  const signal = new LightSignal();
  const waits = [sleep(60_000, null, { signal }), once(new EventEmitter(), 'never', { signal })];
  const failures = waits.map((wait) => wait.catch((error: Error) => [error.name, error.cause]));
  signal.abort('gone');
  expect(await Promise.all(failures)).toEqual([
    ['AbortError', 'gone'],
    ['AbortError', 'gone'],
  ]);
});
