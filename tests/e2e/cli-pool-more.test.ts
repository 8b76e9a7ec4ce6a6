import path from 'node:path';
import { afterEach, expect, test } from 'vitest';
import { scriptedCli } from '../support/cli-pool.ts';
import { findCodex, setUpCodex } from '../support/codex.ts';
import { openaiClient, startGateway } from '../support/gateway.ts';
import { until } from '../support/redis.ts';
import { startWorkers } from '../support/workers.ts';

const cleanups: (() => unknown)[] = [];

afterEach(async () => {
  for (const clean of cleanups.splice(0).reverse()) await clean();
});

interface Sessions {
  readonly pool_size: number;
  readonly sessions: readonly { readonly id: string; readonly status: string; readonly kind: string }[];
}

const sessionsOf = async (url: string): Promise<Sessions> =>
  (await (await fetch(`${url}/sessions`)).json()) as Sessions;

test('workers have their shares of the pool, and each of them tells of the whole', async () => {
  const cli = scriptedCli();
  cleanups.push(cli.remove);
  const gateway = await startWorkers({ ...cli.env, LLM_POOL_SIZE: '3', LLM_GATEWAY_DATA_DIR: cli.folder });
  cleanups.push(() => gateway.stop());
  const idle = async (): Promise<readonly string[]> => {
    const { sessions } = await sessionsOf(gateway.url);
    return sessions.flatMap(({ id, status }) => (status === 'idle' ? [id] : [])).sort();
  };
  await until(async () => (await idle()).length === 3);
  expect(await idle()).toEqual(['1.cli_1', '1.cli_2', '2.cli_1']);
  expect((await sessionsOf(gateway.url)).pool_size).toBe(3);
  const metrics = await (await fetch(`${gateway.url}/metrics`)).text();
  expect(metrics).toMatch(/^llm_sessions_total\{status="idle"\} 3$/m);
  expect(await (await fetch(`${gateway.url}/health`)).json()).toMatchObject({ pool: { size: 3, idle: 3 } });
  await gateway.stop();
  await until(() => cli.alive().length === 0);
}, 60_000);

test('a process that uses too much memory is ended, and another one takes its place', async () => {
  const cli = scriptedCli();
  // The runtime alone needs more.
  const gateway = await startGateway({ ...cli.env, LLM_CLI_MAX_MEMORY: '8MiB', LLM_POOL_SIZE: '1' });
  cleanups.push(cli.remove, () => gateway.stop());
  await until(() => cli.notes('start').length >= 2);
  expect(gateway.log.some(({ message }) => message === 'a session has used too much memory')).toBe(true);
  const ended = gateway.log.find(({ message }) => message === 'a session has ended');
  expect(ended?.['error']).toBe('it was ended because it has used too much memory');
}, 30_000);

const codex = findCodex();

test.skipIf(codex === null)(
  'the pool holds sessions with another program by configuration alone: the real Codex',
  async () => {
    const upstream = await startGateway();
    const home = setUpCodex(codex as string, upstream.url, 'fake/echo', '');
    const account = path.dirname(home.folder);
    const cli = scriptedCli();
    const gateway = await startGateway({
      ...cli.env,
      LLM_GATEWAY_CONFIG: '',
      LLM_CLI_PRESET: 'codex',
      LLM_CLI_PATH: codex as string,
      LLM_POOL_SIZE: '2',
      PATH: process.env['PATH'] ?? '',
      HOME: account,
      CODEX_HOME: account,
    });
    cleanups.push(
      cli.remove,
      home.remove,
      () => upstream.stop(),
      () => gateway.stop(),
    );
    await until(async () =>
      (await sessionsOf(gateway.url)).sessions.every(({ status }) => status === 'idle'),
    );
    const client = openaiClient(gateway.url);
    const messages = [{ role: 'user' as const, content: 'a word to repeat' }];
    const answer = await client.chat.completions.create({ model: 'cli/default', messages });
    expect(answer.choices[0]?.message.content).toBe('a word to repeat');
    expect(answer.usage?.total_tokens).toBeGreaterThan(0);
    // A model of its own is a session of its own.
    const other = await client.chat.completions.create({ model: 'cli/fake/echo', messages });
    expect(other.choices[0]?.message.content).toBe('a word to repeat');
    const kinds = gateway.log.flatMap((line) => (line['message'] === 'cli turn' ? [line['cold_start']] : []));
    expect(kinds).toEqual([false, true]);
  },
  90_000,
);
