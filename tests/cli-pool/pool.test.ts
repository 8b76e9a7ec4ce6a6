import { existsSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import path from 'node:path';
import { afterEach, expect, test } from 'vitest';
import { CliPool } from '../../src/cli-pool/pool.ts';
import { type PoolRules, usualRules } from '../../src/cli-pool/rules.ts';
import { createLogger } from '../../src/observability/log.ts';
import { claude } from '../../src/providers/cli/claude.ts';
import { isThere, type ScriptedCli, script, scriptedCli } from '../support/cli-pool.ts';
import { until } from '../support/redis.ts';

const cleanups: (() => unknown)[] = [];

afterEach(async () => {
  for (const clean of cleanups.splice(0).reverse()) await clean();
});

function open(
  settings: Record<string, unknown> = {},
  changes: Partial<PoolRules> = {},
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
  });
  pool.open();
  cleanups.push(cli.remove, () => pool.close());
  return [pool, cli];
}

const ask = async (pool: CliPool, prompt: string): Promise<string> => {
  const message = { role: 'user', content: [{ type: 'text', text: prompt }] };
  const answer = await pool.ask({
    requestId: 'r',
    model: 'sonnet',
    text: `${JSON.stringify({ type: 'user', message })}\n`,
    signal: new AbortController().signal,
    key: () => '',
  });
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
  const [pool, cli] = open({}, { keepAliveMs: 0 });
  const asked = ask(pool, 'hang-at=3 deaf=yes').catch((error: unknown) => error);
  await until(() => cli.notes('turn').length === 1);
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
