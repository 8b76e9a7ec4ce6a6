import { execFile } from 'node:child_process';
import path from 'node:path';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';

const watchdog = path.resolve(import.meta.dirname, '../../src/base/watchdog.ts');

/** Has a watchdog begin while the process can open nothing more, and tells how many shells it has once it can again. */
const script = `
  import fs from 'node:fs';
  import { Watchdog } from '${watchdog}';
  const dog = new Watchdog({ marks: 'test', graceSeconds: 0, folder: '' });
  const taken = [];
  try {
    for (;;) taken.push(fs.openSync('/dev/null'));
  } catch {}
  dog.watch(1 << 22, 'test/1');
  for (const file of taken) fs.closeSync(file);
  const children = () => fs.readFileSync('/proc/self/task/' + process.pid + '/children', 'utf8').trim();
  for (let waited = 0; children() === '' && waited < 100; waited++) await new Promise((resolve) => setTimeout(resolve, 100));
  console.log(children().split(' ').filter(Boolean).length);
  dog.close();
`;

test.skipIf(process.platform !== 'linux')('is started again when there was no room for it', async () => {
  const run = 'ulimit -n 64; exec "$0" --input-type=module -e "$1"';
  const { stdout } = await promisify(execFile)('/bin/sh', ['-c', run, process.execPath, script]);
  expect(stdout.trim()).toBe('1');
});
