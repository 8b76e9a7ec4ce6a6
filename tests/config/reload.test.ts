import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { afterEach, beforeEach, expect, test } from 'vitest';

type Line = Record<string, unknown>;

const main = path.resolve(import.meta.dirname, '../../src/main.ts');
let folder: string;
let file: string;
let child: ChildProcess | undefined;
let lines: Line[];

beforeEach(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'reload-'));
  file = path.join(folder, 'gateway.yaml');
  lines = [];
});
afterEach(async () => {
  if (child?.exitCode === null) {
    const closed = new Promise((resolve) => child?.once('close', resolve));
    child.kill('SIGKILL');
    await closed;
  }
  rmSync(folder, { recursive: true });
});

/** The whole gateway as a process, with the file as its configuration. */
async function start(yaml: string, env: Record<string, string> = {}): Promise<string> {
  writeFileSync(file, yaml);
  const quiet = {
    LLM_GATEWAY_INFERENCE_BASE_URL: 'http://127.0.0.1:9',
    LLM_GATEWAY_LLAMACPP_BASE_URL: 'http://127.0.0.1:9/v1',
    LLM_GATEWAY_OLLAMA_BASE_URL: 'http://127.0.0.1:9',
  };
  const own = { LLM_GATEWAY_CONFIG: file, LLM_GATEWAY_HOST: '127.0.0.1', LLM_GATEWAY_PORT: '0' };
  child = spawn(process.execPath, [main], { cwd: folder, env: { ...quiet, ...own, ...env } });
  createInterface({ input: child.stdout! }).on('line', (line) => lines.push(JSON.parse(line)));
  const { port } = await said('listening');
  return `http://127.0.0.1:${port}`;
}

/** The first line with this message; it is taken out. */
async function said(message: string): Promise<Line> {
  await expect.poll(() => lines.some((line) => line['message'] === message), { timeout: 10_000 }).toBe(true);
  return lines.splice(
    lines.findIndex((line) => line['message'] === message),
    1,
  )[0]!;
}

async function models(url: string): Promise<string[]> {
  const { data } = (await (await fetch(`${url}/v1/models`)).json()) as { data: { id: string }[] };
  return data.map(({ id }) => id);
}

const model = (id: string): string => `models: [{ id: ${id}, provider: fake }]\n`;

test('a changed file holds from now on; a bad one keeps the old one, and the log says why', async () => {
  const url = await start(model('one'));
  expect(await models(url)).toContain('one');

  writeFileSync(file, model('two'));
  await said('configuration reloaded');
  expect(await models(url)).toContain('two');

  writeFileSync(
    file,
    `${model('three')}log: { level: planted-value }\nproviders: { xai: { api_key: [planted-value] } }`,
  );
  const { level, mistakes } = await said('the new configuration is wrong; the old one stays');
  expect(level).toBe('ERROR');
  expect(mistakes).toEqual([
    expect.stringMatching(/^log\.level: is "\[secret\]", has to be one of DEBUG/),
    expect.stringMatching(/^providers\.xai\.api_key: is \["\[secret\]"\], has to be text/),
  ]);
  expect(await models(url)).toContain('two');

  // Mistakes in the models are found later, and keep the old one as well.
  writeFileSync(file, 'models: [{ id: four, provider: nobody }]');
  expect((await said('the new configuration is wrong; the old one stays'))['mistakes']).toEqual([
    expect.stringMatching(/models\[0\]\.provider: is "nobody", has to be one of/),
  ]);
  expect(await models(url)).toContain('two');

  writeFileSync(file, model('five'));
  await said('configuration reloaded');
  expect(await models(url)).toEqual(expect.arrayContaining(['five']));
  expect(await models(url)).not.toContain('two');
});

test('SIGHUP reads it again', async () => {
  await start(model('one'));
  child?.kill('SIGHUP');
  await said('configuration reloaded');
});

test('the log says which settings take a restart, by their places in the file', async () => {
  await start(model('one'));
  writeFileSync(file, `server: { max_body_bytes: 1MiB }\nupstream: { idle_timeout: 7s }\n${model('two')}`);
  expect((await said('some settings need a restart'))['settings']).toEqual(['server.max_body_bytes']);
  await said('configuration reloaded');
});

// Whoever asks the system to make these waits for ever, or is told that there is no such folder.
test.skipIf(process.platform !== 'linux').each([
  [
    'LLM_GATEWAY_DATA_DIR',
    '/proc/x',
    /^llm-gateway: LLM_GATEWAY_DATA_DIR: is "\/proc\/x", has to be a folder/,
  ],
  ['LLM_GATEWAY_AUDIT_LOG_PATH', '/proc/x/y', /^llm-gateway: AUDIT_LOG_PATH or audit.path: \/proc\/x\/y: E/],
])('a folder that cannot be made stops the start: %s', async (variable, value, line) => {
  child = spawn(process.execPath, [main], { cwd: folder, env: { LLM_GATEWAY_PORT: '0', [variable]: value } });
  let errors = '';
  child.stderr?.on('data', (chunk) => (errors += chunk));
  expect(await new Promise((resolve) => child?.once('close', resolve))).toBe(1);
  expect(errors).toMatch(line);
  expect(errors.trim().split('\n')).toHaveLength(1);
});

test('a bad configuration stops the start: one line each on standard error, exit code 1', async () => {
  writeFileSync(file, 'server: { prot: 1 }');
  child = spawn(process.execPath, [main], {
    env: { LLM_GATEWAY_CONFIG: file, LLM_GATEWAY_PORT: 'x', XAI_API_KEY: 'two words' },
  });
  let errors = '';
  child.stderr?.on('data', (chunk) => (errors += chunk));
  expect(await new Promise((resolve) => child?.once('close', resolve))).toBe(1);
  expect(errors.trim().split('\n')).toEqual([
    'llm-gateway: server.prot: is not a setting; did you mean server.port?',
    'llm-gateway: LLM_GATEWAY_PORT: is "x", has to be a whole number from 0 to 65535',
    'llm-gateway: XAI_API_KEY: is [secret], has to be a key of printable ASCII without spaces',
  ]);
});
