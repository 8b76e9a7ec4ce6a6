import { expect, test } from 'vitest';
import { Turn, type TurnSession } from '../../src/cli-pool/answer.ts';
import type { TurnListener } from '../../src/cli-pool/session.ts';

/** A session as far as turns know it: who is told of frames, and whether its process is read. */
function session(): TurnSession & { readonly turns: TurnListener[]; isRead: boolean } {
  const made = {
    turns: [] as TurnListener[],
    isRead: true,
    begin: (_text: string, turn: TurnListener) => void made.turns.push(turn),
    end: () => {},
    interrupt: () => {},
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
  for (let n = 1; n <= count; n++) turn?.frame({ n }, true, last && n === count);
};

test.each([
  ['has ended', (turn: Turn) => turn],
  ['was left', (turn: Turn) => turn.cancel()],
])('a turn that %s does not have the process read that a later one has paused', async (how, leave) => {
  const one = session();
  const options = { cold: false, leftMs: 10_000, signal: new AbortController().signal };
  const first = new Turn(one, 'first', options, () => {});
  // More than it holds, its end among them, in one read.
  frames(one.turns[0], 300, false);
  expect(one.isRead).toBe(false);
  leave(first);
  frames(one.turns[0], 1, true);
  expect(one.isRead, how).toBe(true);
  const second = new Turn(one, 'second', options, () => {});
  frames(one.turns[1], 300, false);
  expect(one.isRead).toBe(false);
  await first.next();
  expect(one.isRead).toBe(false);
  expect(await second.next()).toHaveLength(300);
  expect(one.isRead).toBe(true);
  frames(one.turns[1], 1, true);
});
