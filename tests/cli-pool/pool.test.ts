import { existsSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import path from 'node:path';
import { afterEach, expect, test } from 'vitest';
import { CliPool, type CliRequest, type PoolOptions } from '../../src/cli-pool/pool.ts';
import { type PoolRules, usualRules } from '../../src/cli-pool/rules.ts';
import { encodeTurn } from '../../src/codec/cli-claude/encode-turn.ts';
import { createLogger } from '../../src/observability/log.ts';
import { claude } from '../../src/providers/cli/claude.ts';
import { codex } from '../../src/providers/cli/codex.ts';
import { isThere, type ScriptedCli, script, scriptedCli } from '../support/cli-pool.ts';
import { until } from '../support/redis.ts';

const cleanups: (() => unknown)[] = [];

afterEach(async () => {
  for (const clean of cleanups.splice(0).reverse()) await clean();
});

function open(
  settings: Record<string, unknown> = {},
  changes: Partial<PoolRules> = {},
  more: Partial<PoolOptions> = {},
): [CliPool, ScriptedCli] {
  const cli = scriptedCli(settings);
  const pool = new CliPool({
    rules: {
      ...usualRules,
      size: 1,
      maxOverflow: 0,
      maxWaiting: 8,
      maxTurns: 1,
      keepAliveMs: 50,
      maxIdleMs: 60_000,
      spawnTimeoutMs: 10_000,
      backoffMs: 50,
      pings: true,
      switchesModel: true,
      model: 'sonnet',
      ...changes,
    },
    dialect: claude.dialect,
    command: {
      command: process.execPath,
      args: [script],
      env: { PATH: process.env['PATH'] ?? '', ...cli.variables },
      limits: { memoryBytes: 0, openFiles: 1_024, fileBytes: 2 ** 20 },
    },
    requestTimeoutMs: 10_000,
    log: createLogger({ service: 'test', level: 'DEBUG', sink: () => {} }),
    prefix: '',
    ...more,
  });
  pool.open();
  cleanups.push(cli.remove, () => pool.close());
  return [pool, cli];
}

const request = (prompt: string, system?: string): CliRequest => ({
  requestId: 'r',
  model: 'sonnet',
  text: encodeTurn({ system, messages: [{ role: 'user', content: prompt }] }, { mark: () => 'm' }),
  signal: new AbortController().signal,
  key: () => '',
});

const ask = async (
  pool: CliPool,
  prompt: string,
  { system, ...changes }: Partial<CliRequest> & { system?: string } = {},
): Promise<string> => {
  const answer = await pool.ask({ ...request(prompt, system), ...changes });
  for (let frames = await answer.next(); frames !== null; frames = await answer.next()) {
    const end = frames.find(({ type }) => type === 'result');
    if (end !== undefined) return String(end['result']);
  }
  throw new Error('it had no end');
};

const isIdle = (pool: CliPool): boolean =>
  pool.view.sessions.length > 0 && pool.view.sessions.every(({ status }) => status === 'idle');

test('a session that gives no sign of life in time is killed and replaced', async () => {
  const [pool, cli] = open({ pingDeaf: 2, stubborn: true }, { pingTimeoutMs: 200 });
  await until(() => pool.view.restarts.ping_failed !== undefined);
  const [{ pid } = {}] = cli.notes('start');
  await until(() => cli.notes('start').length >= 2);
  await until(() => !isThere(Number(pid)));
}, 15_000);

test('a session that asks nobody anything is replaced after as many signs of life as it may give', async () => {
  const [pool] = open({}, { maxPings: 3 });
  await until(() => (pool.view.restarts.pings ?? 0) >= 1);
});

test('sessions start again when somebody has removed their folder', async () => {
  const [pool, cli] = open({}, { keepAliveMs: 0 });
  await until(() => isIdle(pool));
  rmSync(path.dirname(String(cli.notes('start')[0]?.['cwd'])), { recursive: true });
  expect(await ask(pool, 'one')).toBe('one');
  await until(() => isIdle(pool));
  expect(await ask(pool, 'two')).toBe('two');
});

test('a process that cannot be made at all is a failure like others', async () => {
  // More than the system takes as arguments.
  const [pool] = open({ greets: 'x'.repeat(3 * 2 ** 20) });
  await until(() => pool.view.degraded);
  await expect(ask(pool, 'hello')).rejects.toMatchObject({
    fault: 'broken',
    message: expect.stringContaining('could not be started'),
  });
});

test('a watchdog that somebody has killed is there again, and knows what it has to see to', async () => {
  const [pool, cli] = open({}, { keepAliveMs: 0 });
  await until(() => isIdle(pool));
  const folder = path.dirname(String(cli.notes('start')[0]?.['cwd']));
  const before = watchdogOf(folder);
  expect(before).not.toBeNull();
  process.kill(Number(before), 'SIGKILL');
  await until(() => watchdogOf(folder) !== null && watchdogOf(folder) !== before);
  expect(await ask(pool, 'still here')).toBe('still here');
  await pool.close();
  await until(() => watchdogOf(folder) === null);
  expect(existsSync(folder)).toBe(false);
});

test('a last line that has no end is read when the process is gone', async () => {
  const [pool] = open({}, { keepAliveMs: 0 });
  expect(await ask(pool, 'unended=yes')).toBe('unended=yes');
});

test('a pool that is closed while it retires ends at once', async () => {
  const [pool] = open({}, { keepAliveMs: 0 });
  const answer = await pool.ask(request('hang-at=3 deaf=yes'));
  // It has begun, so that nobody is asked again.
  await answer.next();
  const rest = async (): Promise<void> => {
    while ((await answer.next()) !== null);
  };
  const asked = rest().catch((error: unknown) => error);
  const retired = pool.retire();
  const began = performance.now();
  await pool.close();
  await retired;
  expect(performance.now() - began).toBeLessThan(5_000);
  expect(await asked).toMatchObject({ fault: 'gone' });
});

test('those who wait for a session of a pool that retires get one', async () => {
  const [pool, cli] = open({ startMs: 300 }, { keepAliveMs: 0 });
  const asked = ask(pool, 'I was here before');
  const retired = pool.retire();
  expect(await asked).toBe('I was here before');
  await retired;
  expect(cli.alive()).toEqual([]);
  await expect(ask(pool, 'too late')).rejects.toMatchObject({ fault: 'closed' });
});

test('what a session complains of in a turn is told to nobody but who asked', async () => {
  const lines: string[] = [];
  const log = createLogger({ service: 'test', level: 'DEBUG', sink: (line) => void lines.push(line) });
  const [pool] = open({}, { keepAliveMs: 0, degradedAfter: 1 }, { log });
  await until(() => isIdle(pool));
  await expect(ask(pool, 'crash-at=9')).rejects.toMatchObject({
    message: expect.stringContaining('it was frame 9'),
  });
  expect(pool.view.sessions).toMatchObject([{ status: 'dead', lastError: 'it ended with code 9' }]);
  await until(() => isIdle(pool));
  expect(lines.join('\n')).toContain('it ended with code 9');
  expect(lines.join('\n')).not.toContain('it was frame');
});

test('a prompt is not put to another model than the one that was asked for', async () => {
  const [pool, cli] = open({ models: ['sonnet', 'opus'] }, { keepAliveMs: 0, maxTurns: 9 });
  for (let n = 0; n < 6; n++) {
    await expect(ask(pool, 'hello', { model: 'nobody' })).rejects.toMatchObject({
      fault: 'model',
      message: expect.stringContaining('there is no nobody'),
    });
  }
  expect(cli.notes('turn')).toEqual([]);
  expect([pool.view.degraded, pool.view.restarts]).toEqual([false, { refused: 6 }]);
  expect(await ask(pool, 'hello', { model: 'opus' })).toBe('hello');
  expect(await ask(pool, 'hello', { model: 'sonnet' })).toBe('hello');
  expect(cli.notes('turn').map(({ model }) => model)).toEqual(['opus', 'sonnet']);
});

test('a request whose instructions are refused fails; a session that has them already keeps them', async () => {
  const [unwilling] = open({ uninstructed: true }, { keepAliveMs: 0 });
  await expect(ask(unwilling, 'delay=20 hello', { system: 'Be brief.' })).rejects.toMatchObject({
    fault: 'refused',
  });
  const [pool, cli] = open({}, { keepAliveMs: 0, maxTurns: 9 });
  for (let n = 0; n < 2; n++) expect(await ask(pool, 'hello', { system: 'Be brief.' })).toBe('hello');
  expect(new Set(cli.notes('turn').map(({ pid }) => pid)).size).toBe(1);
});

test('a client that leaves while the model is being set has its session replaced at once', async () => {
  const [pool, cli] = open({}, { keepAliveMs: 0 });
  await until(() => isIdle(pool));
  const leaving = new AbortController();
  const asked = pool.ask({ ...request('hello'), model: 'opus', signal: leaving.signal });
  await Promise.resolve();
  leaving.abort(new Error('left'));
  await expect(asked).rejects.toThrow('left');
  await until(() => cli.notes('start').length === 2 && isIdle(pool));
  expect(pool.view.restarts).toEqual({ cancelled: 1 });
  expect(cli.notes('turn')).toEqual([]);
});

const slowCodex: Partial<PoolOptions> = {
  dialect: { ...codex.dialect, settlesMs: 10 },
  command: {
    command: '/bin/sh',
    args: ['-c', 'cat > /dev/null; sleep 60'],
    env: { PATH: process.env['PATH'] ?? '' },
    limits: { memoryBytes: 0, openFiles: 1_024, fileBytes: 2 ** 20 },
  },
};

test.each([
  ['cannot be interrupted', {}, slowCodex],
  ['ends when it is interrupted', { interruptExit: true }, {}],
])(
  'clients that leave are no failures of a program that %s',
  async (_how, settings, more) => {
    const [pool] = open(settings, { keepAliveMs: 0, pings: more !== slowCodex }, more);
    for (let n = 1; n <= 5; n++) {
      await until(() => isIdle(pool));
      const leaving = new AbortController();
      const asked = pool.ask({ ...request('hang-at=0'), signal: leaving.signal });
      await until(() => pool.view.sessions.some(({ status }) => status === 'busy'));
      leaving.abort(new Error('left'));
      await expect(asked).rejects.toThrow('left');
      await until(() => pool.view.restarts.cancelled === n);
    }
    expect([pool.view.degraded, pool.view.restarts]).toEqual([false, { cancelled: 5 }]);
  },
  20_000,
);

test('an answer comes after any number of notes', async () => {
  const [pool] = open({}, { keepAliveMs: 0 });
  expect(await ask(pool, 'notes=6000')).toBe('notes=6000');
});

test('bounds that the system refuses are not what a program is said to complain of', async () => {
  const [pool] = open(
    {},
    { degradedAfter: 1 },
    {
      command: {
        command: '/nowhere/claude',
        args: [],
        env: { PATH: process.env['PATH'] ?? '' },
        limits: { memoryBytes: 0, openFiles: 2 ** 40, fileBytes: 2 ** 20 },
      },
    },
  );
  await until(() => pool.view.degraded);
  const error = await ask(pool, 'hello').catch((caught: Error) => caught);
  expect(String(error)).toContain('not found');
  expect(String(error)).not.toContain('ulimit');
});

test('programs that take no hint to end keep nobody waiting for long', async () => {
  const [pool, cli] = open({ stubborn: true }, { keepAliveMs: 0 });
  const began = performance.now();
  for (let n = 0; n < 6; n++) expect(await ask(pool, `number ${n}`)).toBe(`number ${n}`);
  // Twice as many as are to be warm may be there; with nothing but patience each further one has to wait for 5 s.
  expect(performance.now() - began).toBeLessThan(10_000);
  expect(cli.alive().length).toBeLessThanOrEqual(3);
}, 40_000);

function argumentsOf(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8');
  } catch {
    return '';
  }
}

/** The shell that was given this folder. */
function watchdogOf(folder: string): string | null {
  for (const pid of readdirSync('/proc').filter((name) => /^\d+$/.test(name))) {
    if (argumentsOf(pid).includes(`\0sh\0${folder}\0`) && isThere(Number(pid))) return pid;
  }
  return null;
}
