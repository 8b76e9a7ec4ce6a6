import { afterEach, expect, test } from 'vitest';
import { createLogger } from '../../src/observability/log.ts';
import { boundedByContainer, MemoryWatch } from '../../src/overload/memory.ts';

const mib = 2 ** 20;
let watch: MemoryWatch | undefined;
afterEach(() => watch?.close());

function start() {
  const log: Record<string, unknown>[] = [];
  const state = { rss: 100 * mib, heapUsed: 10 * mib, heapLimit: 4_096 * mib };
  const clock = { now: 0 };
  let collections = 0;
  watch = new MemoryWatch({
    bounds: () => ({ hardBytes: 1_000 * mib, softShare: 0.8 }),
    log: createLogger({
      service: 'test',
      sink: (line: string) => void log.push(JSON.parse(line)),
      level: 'INFO',
    }),
    read: () => ({ ...state }),
    collect: async () => void collections++,
    now: () => clock.now,
  });
  const made = watch;
  const look = (rssMib: number) => {
    state.rss = rssMib * mib;
    made.sample();
    return made.pressure;
  };
  return { watch: made, look, state, clock, log, collections: () => collections };
}

test('pressure follows the resident memory, and does not flutter at a bound', () => {
  const { look, log, watch } = start();
  expect(look(799)).toBe('normal');
  expect(look(800)).toBe('elevated');
  expect(look(790)).toBe('elevated');
  expect(look(1_000)).toBe('critical');
  expect(look(980)).toBe('critical');
  expect(look(960)).toBe('elevated');
  expect(look(700)).toBe('normal');
  expect(watch.peak).toBe(1_000 * mib);
  expect(log.map(({ from, pressure }) => `${from} → ${pressure}`)).toEqual([
    'normal → elevated',
    'elevated → critical',
    'critical → elevated',
    'elevated → normal',
  ]);
});

test('a heap that is about to be full is pressure, too', () => {
  const { look, state } = start();
  state.heapUsed = 0.9 * state.heapLimit;
  expect(look(100)).toBe('elevated');
  state.heapUsed = 0.96 * state.heapLimit;
  expect(look(100)).toBe('critical');
});

test('what is remembered shrinks now and then as long as the pressure lasts', () => {
  const { look, watch, clock } = start();
  let shrunk = 0;
  watch.onPressure(() => shrunk++);
  look(700);
  expect(shrunk).toBe(0);
  look(850);
  look(850);
  expect(shrunk).toBe(1);
  clock.now = 5_000;
  look(850);
  expect(shrunk).toBe(2);
});

test('garbage is collected while memory is short, seldom when that does not help', async () => {
  const { look, clock, collections } = start();
  look(900);
  expect(collections()).toBe(0);
  look(1_100);
  look(1_100);
  await new Promise(setImmediate);
  expect(collections()).toBe(1);
  clock.now = 20_000;
  look(1_100);
  expect(collections()).toBe(1);
  clock.now = 61_000;
  look(1_100);
  expect(collections()).toBe(2);
});

test('a container that has less than the bound lowers it', () => {
  expect(boundedByContainer(1_000, 500)).toBe(450);
  expect(boundedByContainer(1_000, 5_000)).toBe(1_000);
  expect(boundedByContainer(1_000, 0)).toBe(1_000);
});
