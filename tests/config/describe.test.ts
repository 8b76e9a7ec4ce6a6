import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { expect, test } from 'vitest';
import { describeSettings } from '../../src/config/describe.ts';
import { load } from './support/load.ts';

const rows = describeSettings();

test('a table for the documentation can be made of it', () => {
  const table = rows.map(
    ({ env, yaml, fallback, allowed, doc }) =>
      `| ${[env.join(', '), yaml ?? '', allowed, fallback, doc].join(' | ')} |`,
  );
  expect(table.length).toBeGreaterThan(50);
  for (const line of table) {
    expect(line.split('|').length, line).toBe(7);
    expect(line).not.toMatch(/\n|undefined|null|\[object/);
  }
});

test('every row says what it means, what is allowed, and where it is read', () => {
  for (const { env, yaml, allowed, doc } of rows) {
    expect(doc).not.toBe('');
    expect(allowed).not.toBe('');
    expect(env.length > 0 || yaml !== null).toBe(true);
  }
});

test('no row is there twice', () => {
  const names = rows.flatMap(({ env, yaml }) => [...env, ...(yaml === null ? [] : [yaml])]);
  expect(new Set(names).size).toBe(names.length);
});

test('every variable is one that is read', () => {
  const env = Object.fromEntries(
    rows
      .flatMap(({ env: names }) => names.filter((name) => name.startsWith('LLM_GATEWAY_')))
      .map((name) => [name, '']),
  );
  expect(load(null, env).warnings).toEqual([]);
});

test('keys are marked as secrets', () => {
  for (const { env, secret } of rows) {
    if (env.some((name) => name.endsWith('API_KEY'))) expect(secret).toBe(true);
  }
});

test('only the start of the process reads the environment', () => {
  const src = path.resolve(import.meta.dirname, '../../src');
  const files = readdirSync(src, { recursive: true, encoding: 'utf8' }).filter((file) =>
    file.endsWith('.ts'),
  );
  const readers = files.filter((file) =>
    /process\.env|process\['env/.test(readFileSync(path.join(src, file), 'utf8')),
  );
  expect(readers).toEqual(['main.ts', 'workers/worker.ts']);
});
