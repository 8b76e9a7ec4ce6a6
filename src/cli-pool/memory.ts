import { readdir, readFile } from 'node:fs/promises';

/** Programs may be started by others, which then wait for them; more than this many are not looked at. */
const maxProcesses = 64;

/** Resident memory of a process and of all that it has started, in bytes; 0 where the system does not tell. What has left its family is not counted. */
export async function memoryOf(pid: number): Promise<number> {
  let bytes = 0;
  const found = [pid];
  for (let at = 0; at < found.length && at < maxProcesses; at++) {
    const folder = `/proc/${found[at]}`;
    try {
      // Not /proc/…/statm, which counts pages, whose size is not told.
      const [, kibibytes] = /^VmRSS:\s+(\d+) kB$/m.exec(await readFile(`${folder}/status`, 'utf8')) ?? [];
      bytes += Number(kibibytes ?? 0) * 1_024;
      for (const thread of await readdir(`${folder}/task`)) {
        const children = await readFile(`${folder}/task/${thread}/children`, 'utf8');
        found.push(...children.split(' ').filter(Boolean).map(Number));
      }
    } catch {
      // It has ended, or this is another system.
    }
  }
  return bytes;
}
