import type { Readable } from 'node:stream';

/** Hands on what a stream says in whole lines, so that those of several processes do not get mixed. What is left at its end is made one. */
export function forwardLines(from: Readable, write: (lines: string) => void): void {
  let held = '';
  from.setEncoding('utf8');
  from.on('data', (text: string) => {
    const end = text.lastIndexOf('\n') + 1;
    if (end === 0) {
      held += text;
      return;
    }
    write(held + text.slice(0, end));
    held = text.slice(end);
  });
  from.on('end', () => {
    // Cut by the death of the process: no line that somebody can read.
    held = '';
  });
  from.on('error', () => {});
}
