import { readdir, readFile } from 'node:fs/promises';

/** Programs may be started by others, which then wait for them; more than this many are not looked at. */
const maxProcesses = 64;
const pageBytes = 4_096;

/** Resident memory of a process and of all that it has started, in bytes; 0 where the system does not tell. What has left its family is not counted. */
export async function memoryOf(pid: number): Promise<number> {
  let bytes = 0;
  const found = [pid];
  for (let at = 0; at < found.length && at < maxProcesses; at++) {
    const folder = `/proc/${found[at]}`;
    try {
      bytes += Number((await readFile(`${folder}/statm`, 'utf8')).split(' ')[1]) * pageBytes;
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
