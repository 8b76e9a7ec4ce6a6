import { expect, test } from 'vitest';
import { Turn, type TurnSession } from '../../src/cli-pool/answer.ts';
import type { TurnListener } from '../../src/cli-pool/session.ts';

/** A session as far as turns know it: who is told of frames, and whether its process is read. */
function session(): TurnSession & { readonly turns: TurnListener[]; isRead: boolean } {
  const made = {
    turns: [] as TurnListener[],
    isRead: true,
    begin: (_asked: unknown, turn: TurnListener) => void made.turns.push(turn),
    end: () => {},
    interrupt: () => true,
    process: {
      pause: () => {
        made.isRead = false;
      },
      resume: () => {
        made.isRead = true;
      },
    },
  };
  return made;
}

const frames = (turn: TurnListener | undefined, count: number, last: boolean): void => {
  for (let n = 1; n <= count; n++) turn?.frame({ n }, { output: true, last: last && n === count, size: 1 });
};

test.each([
  ['has ended', (turn: Turn) => turn],
  ['was left', (turn: Turn) => turn.cancel()],
])('a turn that %s does not have the process read that a later one has paused', async (how, leave) => {
  const one = session();
  const options = { cold: false, leftMs: 10_000, signal: new AbortController().signal };
  const first = new Turn(one, { text: 'first', model: 'm' }, options, () => {});
  // More than it holds, its end among them, in one read.
  frames(one.turns[0], 300, false);
  expect(one.isRead).toBe(false);
  leave(first);
  frames(one.turns[0], 1, true);
  expect(one.isRead, how).toBe(true);
  const second = new Turn(one, { text: 'second', model: 'm' }, options, () => {});
  frames(one.turns[1], 300, false);
  expect(one.isRead).toBe(false);
  await first.next();
  expect(one.isRead).toBe(false);
  expect(await second.next()).toHaveLength(300);
  expect(one.isRead).toBe(true);
  frames(one.turns[1], 1, true);
});

const options = { cold: false, leftMs: 10_000, signal: new AbortController().signal };
const asked = { text: 'x', model: 'm' };

test('frames that say nothing do not keep a program from what comes after them', async () => {
  const one = session();
  const turn = new Turn(one, asked, options, () => {});
  for (let n = 0; n < 300; n++) one.turns[0]?.frame({ n }, { output: false, last: false, size: 1 });
  expect(one.isRead).toBe(true);
  frames(one.turns[0], 1, false);
  await turn.begun;
  expect(await turn.next()).toHaveLength(301);
});

test.each([
  ['lines', 5_000, 1],
  ['text', 10, 2 ** 20],
])('with very much %s that says nothing a turn fails', async (_what, count, size) => {
  const one = session();
  const ends: unknown[] = [];
  const turn = new Turn(one, asked, options, (outcome) => ends.push(outcome));
  for (let n = 0; n < count; n++) one.turns[0]?.frame({ n }, { output: false, last: false, size });
  await expect(turn.begun).rejects.toMatchObject({ fault: 'malformed' });
  frames(one.turns[0], 1, true);
  expect(ends).toEqual(['failed']);
});

test('a program whose few frames are large waits for their reader, too', async () => {
  const one = session();
  const turn = new Turn(one, asked, options, () => {});
  for (let n = 0; n < 5; n++) one.turns[0]?.frame({ n }, { output: true, last: false, size: 2 ** 20 });
  expect(one.isRead).toBe(false);
  await turn.next();
  expect(one.isRead).toBe(true);
});

test('a turn with a session that cannot be interrupted is over as soon as it is left', () => {
  const one = { ...session(), interrupt: () => false };
  const ends: unknown[] = [];
  new Turn(one, asked, options, (...end) => ends.push(end)).cancel();
  expect(ends).toEqual([['cancelled', null, null]]);
});

test('a session that ends because it is interrupted has not failed', () => {
  const one = session();
  const ends: unknown[] = [];
  new Turn(one, asked, options, (...end) => ends.push(end)).cancel();
  one.turns[0]?.lost('gone', 'it ended', 'it ended');
  expect(ends).toEqual([['cancelled', null, null]]);
});
