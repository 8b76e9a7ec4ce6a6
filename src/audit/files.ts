import fs from 'node:fs';
import path from 'node:path';
import { firstLink, type Link, readLink } from './chain.ts';

/** Digits of the numbers of full files. */
const digits = 6;
/** No line is longer; the last one is looked for so far from the end. */
const maxLine = 256 * 1024;

/** The trail's file of one worker: each has its own, since a chain has one writer. The first one's is the path itself. */
export function pathOfWorker(file: string, number: number): string {
  if (number === 1) return file;
  const { dir, name, ext } = path.parse(file);
  return path.join(dir, `${name}.w${number}${ext}`);
}

/** Full files of a trail, the oldest first. They are called as the file is, with a number. */
export function fullFiles(file: string): string[] {
  const { dir, base } = path.parse(path.resolve(file));
  const names = fs.existsSync(dir) ? fs.readdirSync(dir) : [];
  return names
    .filter(
      (name) =>
        name.startsWith(`${base}.`) && new RegExp(`^\\d{${digits},}$`).test(name.slice(base.length + 1)),
    )
    .sort((a, b) => numberOf(a) - numberOf(b))
    .map((name) => path.join(dir, name));
}

const numberOf = (name: string): number => Number(name.slice(name.lastIndexOf('.') + 1));

/** What the next full file is to be called. */
export function nextFull(file: string): string {
  const last = fullFiles(file).at(-1);
  const number = last === undefined ? 1 : numberOf(last) + 1;
  return `${file}.${String(number).padStart(digits, '0')}`;
}

/** Where a trail stands that is gone on with. */
export interface Found {
  readonly link: Link;
  /** Bytes of the file that are whole lines. */
  readonly size: number;
  /** Bytes of a line that was not finished, which follow. */
  readonly torn: number;
}

/** Finds the end of a trail. @throws when a file cannot be read, or its last line is not one of a trail */
export function findEnd(file: string): Found {
  const own = lastLine(file);
  if (own.line !== '') return { link: linkOf(own.line, file), size: own.size, torn: own.torn };
  const last = fullFiles(file).at(-1);
  if (last === undefined) return { link: firstLink, size: own.size, torn: own.torn };
  return { link: linkOf(lastLine(last).line, last), size: own.size, torn: own.torn };
}

function linkOf(line: string, file: string): Link {
  const link = readLink(line);
  if (link === null) throw new Error(`the last line of ${file} was changed, or is not one of an audit trail`);
  return link;
}

function lastLine(file: string): { readonly line: string; readonly size: number; readonly torn: number } {
  if (!fs.existsSync(file)) return { line: '', size: 0, torn: 0 };
  const fd = fs.openSync(file, 'r');
  try {
    const { size } = fs.fstatSync(fd);
    const from = Math.max(0, size - 2 * maxLine);
    const end = Buffer.alloc(size - from);
    fs.readSync(fd, end, 0, end.length, from);
    const newline = end.lastIndexOf(0x0a);
    const torn = end.length - newline - 1;
    if (newline < 0) return { line: '', size: size - torn, torn };
    const begin = newline === 0 ? 0 : end.lastIndexOf(0x0a, newline - 1) + 1;
    return { line: end.toString('utf8', begin, newline), size: size - torn, torn };
  } finally {
    fs.closeSync(fd);
  }
}
