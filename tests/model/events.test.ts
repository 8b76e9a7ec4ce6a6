import { expect, test } from 'vitest';
import { type EventStream, eventsOf, tapEvents } from '../../src/model/events.ts';

test('those further in are told first that nobody wants the rest, also where another stream is between', async () => {
  const told: string[] = [];
  const inner = tapEvents(eventsOf([]), { abandoned: () => void told.push('inner') });
  const between: EventStream = { next: () => inner.next(), return: () => inner.return() };
  const outer = tapEvents(between, { abandoned: () => void told.push('outer') });
  await outer.return();
  await outer.return();
  expect(told).toEqual(['inner', 'outer']);
});
