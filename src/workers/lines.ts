import type { Readable } from 'node:stream';

/** Characters of a line at most; a longer one is cut. */
const maxHeld = 2 ** 20;

/**
 * Hands on what a stream says in whole lines, so that those of several processes do not get mixed. What is left at its end, cut by the death
 * of the process, is dropped.
 */
export function forwardLines(from: Readable, write: (lines: string) => void): void {
  let held = '';
  from.setEncoding('utf8');
  from.on('data', (text: string) => {
    const end = text.lastIndexOf('\n') + 1;
    if (end === 0 && held.length + text.length <= maxHeld) {
      held += text;
      return;
    }
    if (end === 0) {
      write(`${held}${text}\n`);
      held = '';
      return;
    }
    write(held + text.slice(0, end));
    held = text.slice(end);
  });
  from.on('error', () => {});
}
