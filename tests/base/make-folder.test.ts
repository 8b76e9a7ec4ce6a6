import { chmodSync, mkdtempSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { makeFolder } from '../../src/base/make-folder.ts';

const folder = mkdtempSync(path.join(tmpdir(), 'make-folder-'));
afterAll(() => rmSync(folder, { recursive: true }));

const modeOf = (file: string): number => statSync(file).mode & 0o777;

test('makes what is missing, with its mode, and leaves what is there', () => {
  chmodSync(folder, 0o750);
  const deep = path.join(folder, 'a', 'b', 'c');
  makeFolder(deep, 0o700);
  expect([path.dirname(deep), deep].map(modeOf)).toEqual([0o700, 0o700]);
  makeFolder(deep);
  expect([folder, deep].map(modeOf)).toEqual([0o750, 0o700]);
});

test('takes a link to a folder for one', () => {
  const link = path.join(folder, 'link');
  symlinkSync(folder, link);
  makeFolder(path.join(link, 'below'));
  expect(statSync(path.join(folder, 'below')).isDirectory()).toBe(true);
});

test('says what the system says', () => {
  const file = path.join(folder, 'file');
  writeFileSync(file, '');
  for (const wrong of [file, path.join(file, 'x')]) expect(() => makeFolder(wrong)).toThrow(/^E[A-Z]+: /);
});

// Node's own `recursive` does not return from this.
test.skipIf(process.platform !== 'linux')('ends where the system makes none', () => {
  for (const wrong of ['/proc/x', '/proc/x/y/z']) expect(() => makeFolder(wrong)).toThrow(/^E[A-Z]+: /);
});
