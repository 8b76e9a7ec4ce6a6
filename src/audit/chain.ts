import { createHash } from 'node:crypto';
import type { AuditEntry } from './entry.ts';

/** Before the first line. */
export const noHash = '0'.repeat(64);

const beforeHash = ',"hash":"';
const afterHash = '"}';
/** Characters from `,"hash":"` to the end of a line. */
const tail = beforeHash.length + noHash.length + afterHash.length;

const hashOf = (text: string): string => createHash('sha256').update(text).digest('hex');

/** Where a chain of lines stands. */
export interface Link {
  /** Number of the latest line; 0 before the first. */
  readonly seq: number;
  readonly hash: string;
}

export const firstLink: Link = { seq: 0, hash: noHash };

/**
 * The next line of a chain, with its newline: JSON with its number, the hash of the line before (`prev`), and its own, which is that of all that
 * stands before it.
 * @param lost lines before it that could not be kept
 */
export function nextLine(
  { seq, hash: prev }: Link,
  entry: AuditEntry,
  lost = 0,
): { line: string; link: Link } {
  const all = { seq: seq + 1, ...entry, ...(lost > 0 ? { lost_before: lost } : {}), prev };
  const text = JSON.stringify(all).slice(0, -1);
  const hash = hashOf(text);
  return { line: `${text}${beforeHash}${hash}${afterHash}\n`, link: { seq: seq + 1, hash } };
}

/** What a line says of the chain; null when it is none, or was changed. @param line without its newline */
export function readLink(line: string): (Link & { readonly prev: string }) | null {
  const text = line.slice(0, -tail);
  const end = line.slice(-tail);
  if (!end.startsWith(beforeHash) || !end.endsWith(afterHash)) return null;
  const hash = end.slice(beforeHash.length, -afterHash.length);
  if (hashOf(text) !== hash) return null;
  try {
    const { seq, prev } = JSON.parse(line) as { seq?: unknown; prev?: unknown };
    return typeof seq === 'number' && typeof prev === 'string' ? { seq, prev, hash } : null;
  } catch {
    return null;
  }
}
