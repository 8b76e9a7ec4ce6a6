import { execFile } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { withTable as withSettings } from '../scripts/config-table.ts';
import { errorTable, withTable as withErrorTable } from '../scripts/error-table.ts';
import { withMetrics } from '../scripts/metrics-table.ts';
import { withTables } from '../scripts/provider-matrix.ts';
import { markVariable } from '../src/base/watchdog.ts';
import { describeSettings } from '../src/config/describe.ts';
import { dialectFields } from '../src/config/provider-fields.ts';
import { createUpstreamClient } from '../src/http/client.ts';
import { configuredTools } from '../src/tools/configured-tools.ts';
import { load } from './config/support/load.ts';
import { type RunningGateway, startGateway } from './support/gateway.ts';

const root = path.resolve(import.meta.dirname, '..');
const run = promisify(execFile);
const read = (name: string) => readFileSync(path.join(root, name), 'utf8');

/** The fenced blocks of a page, by language. */
const blocks = (page: string, language: string): string[] =>
  [...read(page).matchAll(new RegExp(`\`\`\`${language}\\n([\\s\\S]*?)\`\`\``, 'g'))].map(
    ([, code]) => code as string,
  );

let gateway: RunningGateway;
let folder: string;
beforeAll(async () => {
  gateway = await startGateway();
  folder = mkdtempSync(path.join(tmpdir(), 'docs-'));
  for (const name of ['node_modules', 'gen']) symlinkSync(path.join(root, name), path.join(folder, name));
  writeFileSync(path.join(folder, 'package.json'), '{"type": "module"}');
});
afterAll(async () => {
  await gateway.stop();
  rmSync(folder, { recursive: true });
});

const here = (code: string): string => code.replaceAll('localhost:8080', `127.0.0.1:${gateway.port}`);

describe('examples', () => {
  const shell = ['README.md', 'docs/api.md'].flatMap((page) =>
    blocks(page, 'sh')
      .filter((code) => /^(?:curl|\w+=\$\(curl) /.test(code))
      .map((code) => [page, code] as const),
  );

  test.each(shell)('of %s: %s', async (_page, code) => {
    const { stdout } = await run('bash', ['-c', here(code)]);
    expect(stdout).toMatch(/Hello!|" tock"|"object":"list"|"embeddings":\[|x-sensitivity: 1\.00;sensitive/);
    expect(stdout).not.toMatch(/"error":(?!null)/);
  });

  test.each(blocks('README.md', 'ts').map((code) => [code]))('%s', async (code) => {
    const file = path.join(folder, 'example.ts');
    writeFileSync(file, here(code));
    const { stdout } = await run(path.join(root, 'node_modules/.bin/node'), [file], { cwd: folder });
    expect(stdout).toMatch(/^Hello (?:from the SDK|over gRPC)!$/);
  });
});

test('the tables are those of the code', async () => {
  expect(withSettings(read('README.md'))).toBe(read('README.md'));
  expect(withErrorTable(read('docs/api.md'))).toBe(read('docs/api.md'));
  expect(await withTables(read('docs/providers.md'))).toBe(read('docs/providers.md'));
  expect(await withMetrics(read('docs/operations.md'))).toBe(read('docs/operations.md'));
  expect(errorTable().split('\n').length).toBeGreaterThan(25);
});

test.each(
  ['README.md', 'docs/providers.md', 'docs/operations.md'].flatMap((page) =>
    blocks(page, 'yaml').map((yaml) => [page, yaml] as const),
  ),
)('the configuration in %s loads: %s', (_page, yaml) => {
  const env = { FOUNDRY_KEY: 'k', VERTEX_TOKEN: 't', GROQ_API_KEY: 'k' };
  const { providers, mcpServers } = load(yaml, env);
  const names = [...providers, ...mcpServers].map(({ name }) => name);
  if (/^providers:$/m.test(yaml)) {
    for (const [, name] of yaml.matchAll(/^ {2}([\w-]+):$/gm)) expect(names).toContain(name);
  }
});

test.each([
  ...blocks('docs/api.md', 'yaml'),
  readFileSync(path.join(root, 'config/gateway.example.yaml'), 'utf8'),
])('the tools of %s are fine', (yaml) => {
  const options = { client: createUpstreamClient(), maxResultBytes: () => 1_000 };
  const tools = configuredTools(load(yaml, {}).tools, new Set(), options);
  expect(tools.map(({ name }) => name)).toEqual(['stock']);
});

test.each([
  'README.md',
  'CONTRIBUTING.md',
  'Dockerfile',
  ...['docs', 'deploy', 'config'].flatMap((folder) =>
    readdirSync(path.join(root, folder), { recursive: true, encoding: 'utf8', withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map(({ parentPath, name }) => path.relative(root, path.join(parentPath, name))),
  ),
])('%s names variables that there are', (page) => {
  const known = new Set([...describeSettings().flatMap(({ env }) => env), markVariable]);
  const named = read(page).match(/\bLLM_GATEWAY_\w+/g) ?? [];
  expect(named.filter((name) => !known.has(name))).toEqual([]);
});

test.each([
  'README.md',
  'CONTRIBUTING.md',
  ...readdirSync(path.join(root, 'docs')).map((name) => `docs/${name}`),
])("%s has commands for the project's own Node", (page) => {
  expect(read(page).match(/^.*(?<!npx )\bnode (?:--\S+ )*(?:src|scripts|bench)\/.*$/gm)).toBeNull();
});

test('every dialect option is explained', () => {
  for (const option of Object.keys(dialectFields))
    expect(read('docs/providers.md')).toContain(`| \`${option}\` |`);
});
