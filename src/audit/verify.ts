import fs from 'node:fs';
import path from 'node:path';
import { type Link, noHash, readLink } from './chain.ts';
import { fullFiles, pathOfWorker } from './files.ts';

/** The first thing that is wrong with a trail. */
export interface AuditFault {
  readonly file: string;
  /** From 1. */
  readonly line: number;
  readonly what: string;
}

/** What became of a chain of files. */
export interface Verified {
  readonly files: readonly string[];
  readonly lines: number;
  /** Null: it is whole. */
  readonly fault: AuditFault | null;
  /** Number of its first line: above 1 where its oldest files are not here. */
  readonly from: number;
  /** The last line is not finished: somebody is writing it, or ended doing so. */
  readonly torn: boolean;
  readonly end: Link | null;
}

/**
 * The trails at a path: that itself, and those of other workers up to the last of which there is a file. Those in between are named whether they have
 * files or not.
 * @param workers how many there are, where that is known
 */
export function trailsAt(file: string, workers = 1): string[] {
  const { dir, name, ext } = path.parse(path.resolve(file));
  const form = new RegExp(`^${RegExp.escape(name)}\\.w(\\d{1,6})${RegExp.escape(ext)}(?:\\.\\d{6,})?$`);
  const names = fs.existsSync(dir) ? fs.readdirSync(dir) : [];
  const last = names.reduce((most, other) => Math.max(most, Number(form.exec(other)?.[1] ?? 1)), workers);
  return Array.from({ length: last }, (_, i) => pathOfWorker(path.resolve(file), i + 1));
}

/** Reads a trail from its oldest file to its latest line. @throws when there is none, or the file of its latest lines is not there */
export async function verifyTrail(file: string): Promise<Verified> {
  const full = fullFiles(file);
  const isOpen = fs.existsSync(file);
  // A gateway that starts makes it, and no gateway that ends removes it.
  if (!isOpen && full.length > 0) throw new Error(`${file} is missing: the latest lines are not here`);
  const files = [...full, ...(isOpen ? [path.resolve(file)] : [])];
  if (files.length === 0) throw new Error(`there is no audit trail at ${file}`);
  let end: Link | null = null;
  let lines = 0;
  let from = 1;
  let torn = false;
  for (const one of files) {
    const unfinished = !endsWithNewline(one);
    let number = 0;
    let waiting: string | null = null;
    const check = (line: string): string | null => {
      const link = readLink(line);
      if (link === null) return 'was changed';
      if (end === null) {
        from = link.seq;
        if (link.seq === 1 && link.prev !== noHash) return 'is said to be the first, and follows another one';
      } else if (link.prev !== end.hash || link.seq !== end.seq + 1) {
        return `does not follow the line before it (number ${link.seq} after ${end.seq}): one of the two was changed, or lines between them were removed or added`;
      }
      end = link;
      lines++;
      return null;
    };
    for await (const line of linesOf(one)) {
      if (waiting !== null) {
        number++;
        const what = check(waiting);
        if (what !== null) return { files, lines, fault: { file: one, line: number, what }, from, torn, end };
      }
      waiting = line;
    }
    if (waiting === null) continue;
    number++;
    // Of the latest file the last line may not be there as a whole.
    if (unfinished && one === files.at(-1)) torn = true;
    else {
      const what = unfinished ? 'is not finished' : check(waiting);
      if (what !== null) return { files, lines, fault: { file: one, line: number, what }, from, torn, end };
    }
  }
  return { files, lines, fault: null, from, torn, end };
}

/** The lines of a file. Only `\n` ends one: JSON leaves U+2028 and U+2029 as they are, and what clients name may have them. */
async function* linesOf(file: string): AsyncGenerator<string, void, void> {
  let rest = '';
  for await (const chunk of fs.createReadStream(file, 'utf8') as AsyncIterable<string>) {
    const lines = chunk.split('\n');
    lines[0] = rest + lines[0];
    rest = lines.pop() as string;
    yield* lines;
  }
  if (rest !== '') yield rest;
}

function endsWithNewline(file: string): boolean {
  const fd = fs.openSync(file, 'r');
  try {
    const { size } = fs.fstatSync(fd);
    const last = Buffer.alloc(1);
    return size === 0 || (fs.readSync(fd, last, 0, 1, size - 1) === 1 && last[0] === 0x0a);
  } finally {
    fs.closeSync(fd);
  }
}
