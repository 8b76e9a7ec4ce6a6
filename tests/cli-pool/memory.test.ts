import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { expect, test } from 'vitest';
import { memoryOf } from '../../src/cli-pool/memory.ts';

test('the memory of a program that another one has started counts', async () => {
  const [size, hold] = [80, `Buffer.alloc(80 * 2 ** 20, 1); console.log('held'); setInterval(() => {}, 1e6)`];
  const script = `"$1" -e "globalThis.held = $2" & wait`;
  const child = spawn('/bin/sh', ['-c', script, 'sh', process.execPath, hold], {
    detached: true,
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  try {
    await once(child.stdout, 'data');
    expect(await memoryOf(Number(child.pid))).toBeGreaterThan(size * 2 ** 20);
  } finally {
    process.kill(-Number(child.pid), 'SIGKILL');
  }
});

test('a process that is not there has none', async () => {
  expect(await memoryOf(2 ** 30)).toBe(0);
});
