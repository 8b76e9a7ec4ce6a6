import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { PoolMachine } from '../../src/cli-pool/machine.ts';
import { type PoolRules, usualRules } from '../../src/cli-pool/rules.ts';
import type { PoolCommand, PoolEvent } from '../../src/cli-pool/states.ts';

const rules: PoolRules = {
  ...usualRules,
  size: 2,
  maxOverflow: 1,
  maxWaiting: 3,
  maxTurns: 1,
  keepAliveMs: 60_000,
  maxIdleMs: 60_000,
  spawnTimeoutMs: 30_000,
  pings: true,
  switchesModel: true,
  model: 'm',
};

/** A machine with a clock, and what it wanted. */
function started(changes: Partial<PoolRules> = {}) {
  const machine = new PoolMachine({ ...rules, ...changes });
  let now = 1_000;
  const tell = (event: PoolEvent): PoolCommand[] => machine.handle(event, now);
  return {
    machine,
    tell,
    /** Lets time pass, and does what is due on the way. */
    pass(ms: number): PoolCommand[] {
      const until = now + ms;
      const out: PoolCommand[] = [];
      for (let at = machine.wakeAt; at !== null && at <= until; at = machine.wakeAt) {
        expect(at).toBeGreaterThan(now - 1);
        now = Math.max(now, at);
        const done = tell({ type: 'tick' });
        out.push(...done);
        expect(machine.wakeAt === null || machine.wakeAt > now, 'nothing stays due').toBe(true);
      }
      now = until;
      return out;
    },
    request: (ticket: string, model = 'm', waitMs = 10_000, key = '') =>
      tell({ type: 'request', ticket, model, key, deadline: now + waitMs }),
    statuses: () => machine.sessions.map(({ status }) => status),
    now: () => now,
  };
}

const warm = (changes: Partial<PoolRules> = {}) => {
  const pool = started(changes);
  for (const command of pool.tell({ type: 'open' })) {
    if (command.do === 'spawn') pool.tell({ type: 'ready', id: command.id });
  }
  return pool;
};

describe('a pool', () => {
  test('starts its sessions at once, and nothing before it is opened', () => {
    const pool = started();
    expect(pool.machine.wakeAt).toBeNull();
    expect(pool.tell({ type: 'open' })).toEqual([
      { do: 'spawn', id: 'cli_1', kind: 'pool', model: 'm' },
      { do: 'spawn', id: 'cli_2', kind: 'pool', model: 'm' },
    ]);
    expect(pool.statuses()).toEqual(['starting', 'starting']);
  });

  test('gives a request the session that is idle for the longest time, and replaces it afterwards', () => {
    const pool = warm();
    expect(pool.request('a')).toEqual([{ do: 'serve', ticket: 'a', id: 'cli_1', cold: false }]);
    expect(pool.tell({ type: 'released', id: 'cli_1', outcome: 'done', error: null })).toEqual([
      { do: 'stop', id: 'cli_1' },
      { do: 'spawn', id: 'cli_3', kind: 'pool', model: 'm' },
    ]);
    expect(pool.statuses()).toEqual(['recycling', 'idle', 'starting']);
    pool.tell({ type: 'gone', id: 'cli_1', error: 'it ended' });
    expect(pool.statuses()).toEqual(['idle', 'starting']);
    expect(pool.machine.restarts.get('turns')).toBe(1);
  });

  test('keeps a session for as many requests as it may serve', () => {
    const pool = warm({ size: 1, maxTurns: 3 });
    for (const turn of [1, 2, 3]) {
      expect(pool.request(`${turn}`)).toEqual([{ do: 'serve', ticket: `${turn}`, id: 'cli_1', cold: false }]);
      const done = pool.tell({ type: 'released', id: 'cli_1', outcome: 'done', error: null });
      expect(done.length).toBe(turn < 3 ? 0 : 2);
    }
  });

  test('starts a cold session for a request that waits, and does not keep it', () => {
    const pool = warm({ size: 1 });
    pool.request('a');
    expect(pool.request('b')).toEqual([]);
    expect(pool.pass(249)).toEqual([]);
    expect(pool.pass(1)).toEqual([{ do: 'spawn', id: 'cli_2', kind: 'overflow', model: 'm' }]);
    expect(pool.tell({ type: 'ready', id: 'cli_2' })).toEqual([
      { do: 'serve', ticket: 'b', id: 'cli_2', cold: true },
    ]);
    expect(pool.tell({ type: 'released', id: 'cli_2', outcome: 'done', error: null })).toEqual([
      { do: 'stop', id: 'cli_2' },
    ]);
    expect(pool.machine.overflows).toBe(1);
  });

  test('has no use for a cold session whose request was served meanwhile', () => {
    const pool = warm({ size: 1, maxTurns: 9 });
    pool.request('a');
    pool.request('b');
    pool.pass(250);
    expect(pool.tell({ type: 'released', id: 'cli_1', outcome: 'done', error: null })).toEqual([
      { do: 'serve', ticket: 'b', id: 'cli_1', cold: false },
    ]);
    expect(pool.tell({ type: 'ready', id: 'cli_2' })).toEqual([{ do: 'stop', id: 'cli_2' }]);
  });

  test('lets a bounded number wait, in order, and no longer than they may', () => {
    const pool = warm({ size: 1, maxOverflow: 0, maxTurns: 9 });
    for (const ticket of ['a', 'b', 'c', 'd']) pool.request(ticket);
    expect(pool.request('e')).toEqual([{ do: 'refuse', ticket: 'e', why: 'queue_full' }]);
    pool.tell({ type: 'withdrawn', ticket: 'b' });
    expect(pool.tell({ type: 'released', id: 'cli_1', outcome: 'done', error: null })).toEqual([
      { do: 'serve', ticket: 'c', id: 'cli_1', cold: false },
    ]);
    expect(pool.pass(10_000)).toEqual([{ do: 'refuse', ticket: 'd', why: 'timeout' }]);
  });

  test('asks idle sessions for a sign of life, gives them no request meanwhile, and replaces one that gives none', () => {
    const pool = warm({ size: 1, maxOverflow: 0 });
    expect(pool.pass(60_000)).toEqual([{ do: 'ping', id: 'cli_1' }]);
    expect(pool.request('a')).toEqual([]);
    expect(pool.tell({ type: 'pong', id: 'cli_1' })).toEqual([
      { do: 'serve', ticket: 'a', id: 'cli_1', cold: false },
    ]);
    const other = warm({ size: 1 });
    other.pass(60_000);
    expect(other.pass(10_000)).toEqual([{ do: 'stop', id: 'cli_1' }]);
    expect(other.pass(1_000)).toEqual([{ do: 'spawn', id: 'cli_2', kind: 'pool', model: 'm' }]);
    expect(other.machine.restarts.get('ping_failed')).toBe(1);
  });

  test('replaces a session after many signs of life, and without them after its time', () => {
    const pool = warm({ size: 1, maxPings: 2 });
    pool.pass(60_000);
    expect(pool.tell({ type: 'pong', id: 'cli_1' })).toEqual([]);
    pool.pass(60_000);
    expect(pool.tell({ type: 'pong', id: 'cli_1' })[0]).toEqual({ do: 'stop', id: 'cli_1' });
    const silent = warm({ size: 1, keepAliveMs: 0, maxIdleMs: 5_000 });
    expect(silent.pass(5_000)[0]).toEqual({ do: 'stop', id: 'cli_1' });
    expect(silent.machine.restarts.get('idle')).toBe(1);
  });

  test('waits longer after each failure in a row, tells that it is degraded, and begins anew with a success', () => {
    const pool = started({ size: 1 });
    let [spawned] = pool.tell({ type: 'open' });
    const waits: number[] = [];
    for (let n = 0; n < 7; n++) {
      if (spawned?.do !== 'spawn') throw new Error('nothing was started');
      pool.tell({ type: 'gone', id: spawned.id, error: 'no account' });
      expect(pool.statuses()).toEqual(['dead']);
      waits.push((pool.machine.wakeAt ?? 0) - pool.now());
      [spawned] = pool.pass(waits.at(-1) as number);
    }
    expect(waits).toEqual([1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000]);
    expect(pool.machine.degraded).toBe(true);
    expect(pool.machine.lastError).toBe('no account');
    expect(pool.request('a')).toEqual([{ do: 'refuse', ticket: 'a', why: 'broken' }]);
    if (spawned?.do === 'spawn') pool.tell({ type: 'ready', id: spawned.id });
    expect([pool.machine.degraded, pool.machine.broken]).toEqual([true, false]);
    pool.pass(5_000);
    expect(pool.machine.degraded).toBe(false);
  });

  test.each([
    ['nobody has asked it anything', 1],
    ['others are well', 2],
  ])('takes sessions that start well and end soon after for failures: %s', (_how, size) => {
    const pool = warm({ size, maxOverflow: 0 });
    pool.pass(10_000);
    let id = `cli_${size}`;
    const waits: number[] = [];
    for (let n = 0; n < 5; n++) {
      expect(pool.machine.degraded).toBe(false);
      pool.tell({ type: 'gone', id, error: 'it ended with code 1' });
      const from = pool.now();
      let spawned: PoolCommand | undefined;
      while (spawned?.do !== 'spawn') spawned = pool.pass(10).find((command) => command.do === 'spawn');
      waits.push(pool.now() - from);
      ({ id } = spawned);
      pool.tell({ type: 'ready', id });
      pool.pass(150);
    }
    expect(waits).toEqual([1_000, 2_000, 4_000, 8_000, 16_000]);
    expect(pool.machine.degraded).toBe(true);
    pool.request('good');
    const { id: at } = pool.machine.sessions.find(({ ticket }) => ticket === 'good') ?? { id: '' };
    pool.tell({ type: 'released', id: at, outcome: 'done', error: null });
    expect(pool.machine.degraded).toBe(false);
  });

  test('tells those whom it refuses of no failure that somebody else has a part in', () => {
    const pool = warm({ size: 1, maxOverflow: 0, maxTurns: 9 });
    pool.request('a');
    pool.tell({ type: 'gone', id: 'cli_1', error: 'of a request' });
    const [spawned] = pool.pass(1_000);
    expect([spawned?.do, pool.machine.lastError]).toEqual(['spawn', '']);
    pool.tell({ type: 'gone', id: 'cli_2', error: 'no account' });
    expect(pool.machine.lastError).toBe('no account');
  });

  test('lets those wait besides that cold sessions are started for', () => {
    const pool = warm({ size: 1, maxOverflow: 2, maxWaiting: 0 });
    expect(pool.request('a').map((command) => command.do)).toEqual(['serve']);
    expect([...pool.request('b'), ...pool.request('c')]).toEqual([]);
    expect(pool.request('d')).toEqual([{ do: 'refuse', ticket: 'd', why: 'queue_full' }]);
    expect(pool.pass(250).map((command) => command.do)).toEqual(['spawn', 'spawn']);
    expect(pool.request('e')).toEqual([{ do: 'refuse', ticket: 'e', why: 'queue_full' }]);
    pool.tell({ type: 'ready', id: 'cli_2' });
    // It is at work: there is none left but the one that comes for another.
    expect(pool.request('f')).toEqual([{ do: 'refuse', ticket: 'f', why: 'queue_full' }]);
    expect(pool.tell({ type: 'ready', id: 'cli_3' })).toMatchObject([{ do: 'serve', ticket: 'c' }]);
  });

  test('has a broken session for dead until another one takes its place', () => {
    const pool = warm({ size: 1, maxOverflow: 0 });
    pool.tell({ type: 'broken', id: 'cli_1', why: 'failed', error: 'nonsense' });
    expect(pool.statuses()).toEqual(['recycling']);
    pool.tell({ type: 'gone', id: 'cli_1', error: 'it was ended by SIGTERM' });
    expect(pool.machine.sessions).toMatchObject([{ status: 'dead', lastError: 'nonsense' }]);
    pool.pass(1_000);
    expect(pool.statuses()).toEqual(['starting']);
    // One that is gone only after its place was taken is not told of any more.
    pool.tell({ type: 'broken', id: 'cli_2', why: 'failed', error: 'nonsense' });
    pool.pass(4_000);
    pool.tell({ type: 'gone', id: 'cli_2', error: '' });
    expect(pool.statuses()).toEqual(['starting']);
  });

  test('has no more dead sessions than places that nobody has taken', () => {
    const pool = started({ size: 1, maxOverflow: 2 });
    pool.tell({ type: 'open' });
    for (const id of ['cli_1', 'cli_2', 'cli_3']) {
      pool.pass(5_000);
      pool.tell({ type: 'broken', id, why: 'spawn_failed', error: 'nonsense' });
    }
    for (const id of ['cli_1', 'cli_2', 'cli_3']) pool.tell({ type: 'gone', id, error: '' });
    expect(pool.statuses()).toEqual(['dead']);
    pool.pass(30_000);
    pool.tell({ type: 'ready', id: 'cli_4' });
    expect(pool.statuses()).toEqual(['idle']);
  });

  test('starts a cold session with the model of the pool where sessions take any: a wrong name is the fault of its request', () => {
    const pool = warm({ size: 1 });
    pool.request('a');
    pool.request('b', 'nope');
    expect(pool.pass(250)).toEqual([{ do: 'spawn', id: 'cli_2', kind: 'overflow', model: 'm' }]);
    expect(pool.tell({ type: 'ready', id: 'cli_2' })).toMatchObject([{ do: 'serve', ticket: 'b' }]);
  });

  test('has processes killed that are slow to end and that others would have to wait for', () => {
    const pool = warm({ size: 1, maxOverflow: 0 });
    const use = (id: string): PoolCommand[] => {
      pool.tell({ type: 'ready', id });
      pool.request(id);
      return pool.tell({ type: 'released', id, outcome: 'done', error: null });
    };
    expect(use('cli_1').map((command) => command.do)).toEqual(['stop', 'spawn']);
    expect(use('cli_2')).toEqual([
      { do: 'stop', id: 'cli_2' },
      { do: 'kill', id: 'cli_1' },
    ]);
    expect(pool.request('next')).toEqual([]);
    expect(pool.tell({ type: 'gone', id: 'cli_1', error: '' })).toMatchObject([{ do: 'spawn', id: 'cli_3' }]);
  });

  test('takes turns that fail in a row for failures as well, although each session starts well', () => {
    const pool = warm({ size: 1, maxOverflow: 0 });
    let id = 'cli_1';
    const waits: number[] = [];
    for (let n = 0; n < 5; n++) {
      expect(pool.machine.degraded).toBe(false);
      pool.request(`${n}`);
      pool.tell({ type: 'released', id, outcome: 'failed', error: 'it crashed' });
      pool.tell({ type: 'gone', id, error: 'it crashed' });
      waits.push((pool.machine.wakeAt ?? 0) - pool.now());
      const [spawned] = pool.pass(waits.at(-1) as number);
      if (spawned?.do !== 'spawn') throw new Error('nothing was started');
      ({ id } = spawned);
      pool.tell({ type: 'ready', id });
    }
    expect(waits).toEqual([1_000, 2_000, 4_000, 8_000, 16_000]);
    // It starts, so requests are not refused.
    expect([pool.machine.degraded, pool.machine.broken]).toEqual([true, false]);
    pool.request('good');
    pool.tell({ type: 'released', id, outcome: 'done', error: null });
    expect(pool.machine.degraded).toBe(false);
  });

  test('gives a session that was spoken with to those with the same key only, and another one to others', () => {
    const pool = warm({ size: 1, maxTurns: 9, maxOverflow: 0 });
    pool.request('a', 'm', 10_000, 'one');
    pool.tell({ type: 'released', id: 'cli_1', outcome: 'done', error: null });
    expect(pool.request('b', 'm', 10_000, 'one')).toEqual([
      { do: 'serve', ticket: 'b', id: 'cli_1', cold: false },
    ]);
    pool.tell({ type: 'released', id: 'cli_1', outcome: 'done', error: null });
    expect(pool.request('c', 'm', 10_000, 'two')).toEqual([
      { do: 'stop', id: 'cli_1' },
      { do: 'spawn', id: 'cli_2', kind: 'pool', model: 'm' },
    ]);
    expect(pool.request('d', 'm', 10_000, 'one')).toEqual([]);
    expect(pool.tell({ type: 'ready', id: 'cli_2' })).toEqual([
      { do: 'serve', ticket: 'c', id: 'cli_2', cold: false },
    ]);
    expect(pool.machine.restarts.get('taken')).toBe(1);
  });

  test('gives up a start that takes too long', () => {
    const pool = started({ size: 1 });
    pool.tell({ type: 'open' });
    expect(pool.pass(30_000)).toEqual([{ do: 'stop', id: 'cli_1' }]);
    expect(pool.machine.restarts.get('spawn_failed')).toBe(1);
  });

  test('starts a session of its own for another model where sessions have one model, at once', () => {
    const pool = warm({ switchesModel: false });
    expect(pool.request('a', 'other')).toEqual([
      { do: 'spawn', id: 'cli_3', kind: 'overflow', model: 'other' },
    ]);
    expect(pool.tell({ type: 'ready', id: 'cli_3' })).toEqual([
      { do: 'serve', ticket: 'a', id: 'cli_3', cold: true },
    ]);
  });

  test('replaces a session whose request was cut off', () => {
    for (const outcome of ['timeout', 'cancelled', 'failed'] as const) {
      const pool = warm({ size: 1, maxTurns: 9 });
      pool.request('a');
      expect(pool.tell({ type: 'released', id: 'cli_1', outcome, error: null })[0]).toEqual({
        do: 'stop',
        id: 'cli_1',
      });
      expect(pool.machine.restarts.get(outcome)).toBe(1);
    }
  });

  test('stops all and refuses everybody when it is closed', () => {
    const pool = warm({ size: 1, maxOverflow: 0 });
    pool.request('a');
    pool.request('b');
    expect(pool.tell({ type: 'close' })).toEqual([
      { do: 'refuse', ticket: 'b', why: 'closed' },
      { do: 'stop', id: 'cli_1' },
    ]);
    expect(pool.request('c')).toEqual([{ do: 'refuse', ticket: 'c', why: 'closed' }]);
    expect(pool.machine.wakeAt).toBeNull();
  });
});

/** What may happen to a pool, as choices of numbers. */
const happenings = fc.array(
  fc.record({
    what: fc.constantFrom('request', 'ready', 'pong', 'gone', 'broken', 'release', 'withdraw', 'pass'),
    which: fc.nat(7),
    ms: fc.nat(40_000),
  }),
  { maxLength: 200 },
);

test('whatever happens, each request is answered once, no session has two, and their number is bounded', () => {
  fc.assert(
    fc.property(happenings, fc.boolean(), (events, switchesModel) => {
      const pool = started({ switchesModel, maxTurns: 2 });
      const open = new Set<string>();
      const working = new Map<string, string>();
      const processes = new Set<string>();
      const take = (commands: readonly PoolCommand[]): void => {
        for (const command of commands) {
          if (command.do === 'spawn') processes.add(command.id);
          if (command.do === 'refuse') expect(open.delete(command.ticket)).toBe(true);
          if (command.do === 'serve') {
            expect(open.delete(command.ticket)).toBe(true);
            expect(working.has(command.id)).toBe(false);
            expect(processes.has(command.id)).toBe(true);
            working.set(command.id, command.ticket);
          }
        }
        expect(processes.size).toBeLessThanOrEqual(2 * rules.size + 2 * rules.maxOverflow);
        expect(pool.machine.waiting).toBe(open.size);
        const warm = pool.machine.sessions.filter(
          ({ kind, status }) => kind === 'pool' && status !== 'recycling',
        );
        expect(warm.length).toBeLessThanOrEqual(rules.size);
      };
      take(pool.tell({ type: 'open' }));
      const commandsOf = ({ what, which, ms }: (typeof events)[number], n: number): PoolCommand[] => {
        const ids = [...processes];
        const id = ids[which % Math.max(1, ids.length)] ?? '';
        const [first] = open;
        switch (what) {
          case 'pass':
            return pool.pass(ms);
          case 'request':
            open.add(`${n}`);
            return pool.request(`${n}`, which > 4 ? 'other' : 'm', 10_000, `${which % 2}`);
          case 'withdraw':
            if (first === undefined) return [];
            open.delete(first);
            return pool.tell({ type: 'withdrawn', ticket: first });
          case 'ready':
          case 'pong':
            return pool.tell({ type: what, id });
          case 'broken':
            working.delete(id);
            return pool.tell({ type: 'broken', id, why: 'failed', error: '' });
          case 'gone':
            processes.delete(id);
            working.delete(id);
            return pool.tell({ type: 'gone', id, error: '' });
          default: {
            if (!working.delete(id)) return [];
            const outcome = (['done', 'failed', 'timeout', 'cancelled'] as const)[which % 4] ?? 'done';
            return pool.tell({ type: 'released', id, outcome, error: null });
          }
        }
      };
      for (const [n, event] of events.entries()) take(commandsOf(event, n));
      // Nobody waits for ever.
      take(pool.pass(10_000));
      expect(open.size).toBe(0);
    }),
    { numRuns: 500 },
  );
});
