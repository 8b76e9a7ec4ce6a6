import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { connected, server, stdio, until } from './support/tools.ts';

test('a process of the newest revision only is understood: lists, changes, calls, cancelling', async () => {
  const folder = mkdtempSync(path.join(tmpdir(), 'mcp-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  const notes = path.join(folder, 'notes');
  const fixture = path.join(import.meta.dirname, 'fixtures/modern.mjs');
  const running = await connected([server('m', stdio([fixture, notes]))]);
  expect(await running.names()).toEqual(['m__plain', 'm__grow', 'm__hang']);
  expect(await running.call('m__plain')).toMatchObject({ kind: 'result' });
  await running.call('m__grow');
  await until(async () => (await running.names()).includes('m__grown'));
  const leaving = new AbortController();
  const call = running.call('m__hang', {}, leaving.signal);
  await until(() => readFileSync(notes, 'utf8').includes('running'));
  leaving.abort(new Error('left'));
  await expect(call).rejects.toThrow('left');
  await until(() => readFileSync(notes, 'utf8').includes('stopped'));
});
