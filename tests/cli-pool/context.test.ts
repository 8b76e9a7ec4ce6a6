import { afterEach, expect, test } from 'vitest';
import { ErrorReason } from '../../gen/llmgateway/v1/error_pb.js';
import { Role } from '../../gen/llmgateway/v1/message_pb.js';
import type { Config } from '../../src/config/load.ts';
import { type Cli, createCli } from '../../src/context/cli.ts';
import * as build from '../../src/model/build.ts';
import { createLogger } from '../../src/observability/log.ts';
import type { Provider } from '../../src/providers/provider.ts';
import { load, provider } from '../config/support/load.ts';
import { type ScriptedCli, script, scriptedCli } from '../support/cli-pool.ts';
import { until } from '../support/redis.ts';

const cleanups: (() => unknown)[] = [];

afterEach(async () => {
  for (const clean of cleanups.splice(0).reverse()) await clean();
});

function start(): { readonly cli: Cli; readonly scripted: ScriptedCli } {
  const scripted = scriptedCli();
  const cli = createCli(createLogger({ service: 'test', level: 'DEBUG', sink: () => {} }), 1);
  cleanups.push(scripted.remove, () => cli.close());
  return { cli, scripted };
}

const configured = ({ variables }: ScriptedCli, env: Record<string, string> = {}): Config =>
  load(`cli:\n  args: [${JSON.stringify(script)}]\n  env: ${JSON.stringify(variables)}\n`, {
    PATH: process.env['PATH'] ?? '',
    LLM_BACKEND: 'cli',
    LLM_CLI_PATH: process.execPath,
    LLM_POOL_SIZE: '1',
    ...env,
  });

const providerOf = (cli: Cli, config: Config): Provider =>
  cli.provider(config, provider(config, 'cli') as NonNullable<ReturnType<typeof provider>>);

const ask = (asked: Provider, prompt: string) =>
  asked.createChat?.({
    request: build.chatRequest('cli/x', [build.message(Role.USER, [build.textPart(prompt)])]),
    upstreamModel: 'claude-sonnet',
    requestId: 'req_1',
    signal: new AbortController().signal,
    timeouts: { connectMs: 1_000, firstByteMs: 1_000, idleMs: 1_000 },
    warn: () => {},
  });

test('a call that was settled before a reload is not put to another program', async () => {
  const { cli, scripted } = start();
  const before = configured(scripted);
  cli.prepare(before).take();
  const settled = providerOf(cli, before);
  expect((await ask(settled, 'hello'))?.choices[0]?.message?.parts.at(-1)?.content.value).toMatchObject({
    text: 'hello',
  });
  cli.prepare(configured(scripted, { LLM_CLI_PRESET: 'codex' })).take();
  const turns = scripted.notes('turn').length;
  await expect(ask(settled, 'and now?')).rejects.toMatchObject({ reason: ErrorReason.DRAINING });
  expect(scripted.notes('turn')).toHaveLength(turns);
});

test('a reload that says the same of sessions leaves them alone', async () => {
  const { cli, scripted } = start();
  cli.prepare(configured(scripted)).take();
  cli.prepare(configured(scripted, { LLM_GATEWAY_LOG_LEVEL: 'DEBUG' })).take();
  await until(() => cli.view?.sessions[0]?.status === 'idle');
  expect(scripted.notes('start')).toHaveLength(1);
});

test('a configuration whose sessions have no place is refused, and those that are there go on', async () => {
  const { cli, scripted } = start();
  const before = configured(scripted);
  cli.prepare(before).take();
  const { TMPDIR } = process.env;
  process.env['TMPDIR'] = '/nowhere/at/all';
  try {
    expect(() => cli.prepare(configured(scripted, { LLM_POOL_SIZE: '2' }))).toThrow(
      /in \/nowhere\/at\/all, .*ENOENT.*TMPDIR/,
    );
  } finally {
    if (TMPDIR === undefined) delete process.env['TMPDIR'];
    else process.env['TMPDIR'] = TMPDIR;
  }
  expect(cli.view?.size).toBe(1);
  await expect(ask(providerOf(cli, before), 'hello')).resolves.toBeDefined();
});

test('a configuration that is not taken leaves the sessions alone, and those of one that is have new names', async () => {
  const { cli, scripted } = start();
  cli.prepare(configured(scripted)).take();
  cli.prepare(configured(scripted, { LLM_POOL_SIZE: '2' })).drop();
  await until(() => cli.view?.sessions[0]?.status === 'idle');
  expect([cli.view?.size, scripted.notes('start').length]).toEqual([1, 1]);
  cli.prepare(configured(scripted, { LLM_POOL_SIZE: '2' })).take();
  expect(cli.view?.sessions.map(({ id }) => id)).toEqual(['cli_2', 'cli_3']);
});

test('sessions with other variables than before take the place of those', async () => {
  const { cli, scripted } = start();
  cli.prepare(configured(scripted)).take();
  await until(() => cli.view?.sessions[0]?.status === 'idle');
  const { SCRIPTED_CLI = '' } = scripted.variables;
  const other = JSON.stringify({ ...JSON.parse(SCRIPTED_CLI), startMs: 1 });
  cli.prepare(configured({ ...scripted, variables: { SCRIPTED_CLI: other } })).take();
  await until(() => scripted.notes('start').length === 2);
});

test('the end of the gateway does not wait for turns of sessions that a reload has replaced', async () => {
  const { cli, scripted } = start();
  const before = configured(scripted);
  cli.prepare(before).take();
  const hanging = Promise.resolve(ask(providerOf(cli, before), 'hang-at=3 deaf=yes')).catch((error) => error);
  await until(() => scripted.notes('turn').length === 1);
  cli.prepare(configured(scripted, { LLM_CLI_PRESET: 'codex' })).take();
  const began = performance.now();
  await cli.close();
  expect(performance.now() - began).toBeLessThan(10_000);
  expect(scripted.alive()).toEqual([]);
  expect(await hanging).toMatchObject({ reason: ErrorReason.UPSTREAM_INTERRUPTED });
}, 90_000);
