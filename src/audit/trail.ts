import fs from 'node:fs';
import path from 'node:path';
import { makeFolder } from '../base/make-folder.ts';
import type { Logger } from '../observability/log.ts';
import { type Link, nextLine } from './chain.ts';
import type { AuditEntry } from './entry.ts';
import { findEnd, nextFull } from './files.ts';

/** The functions of node:fs by which a trail is written. */
export type TrailFiles = Pick<typeof fs.promises, 'open' | 'rename' | 'stat'>;

export interface TrailOptions {
  readonly file: string;
  /** Bytes at which the file gets a number and a new one begins. */
  readonly maxFileBytes: number;
  /** Bytes of lines that wait at most; further ones are lost. */
  readonly maxHeldBytes: number;
  readonly log: Logger;
  /** Told of lines. @param outcome `written` or `lost` */
  readonly onLines?: (outcome: 'written' | 'lost', lines: number) => void;
  readonly onFailure?: () => void;
  /** Told of every line, which has its newline. */
  readonly onLine?: (line: string) => void;
  /** Default: node:fs. */
  readonly files?: TrailFiles;
  /** Pause after a failure, in milliseconds. Default 1,000. */
  readonly pauseMs?: number;
}

/** Bytes that are written at once, about. */
const batchBytes = 256 * 1024;

const isMissing = (error: unknown): boolean => (error as NodeJS.ErrnoException).code === 'ENOENT';

interface Line {
  readonly text: string;
  readonly bytes: number;
}

/**
 * A file that only grows, with a line for each call. Each line has the hash of the one before it, also over a change of files and a restart. Writing is
 * never waited for, and never fails a call: while the disk takes nothing lines wait in memory, up to a bound, and are then lost; the next one says how many.
 * Where somebody removes the file or puts it away, a new one goes on with the chain, and the log tells.
 */
export class AuditTrail {
  readonly #options: TrailOptions;
  readonly #files: TrailFiles;
  #link: Link;
  #size: number;
  #lines: Line[] = [];
  #held = 0;
  #lost = 0;
  /** What of the batch at hand is still to be written. */
  #rest: Buffer | null = null;
  #batchLines = 0;
  #handle: fs.promises.FileHandle | null = null;
  #working: Promise<void> | null = null;
  #failing = false;
  #closed = false;
  #wake: (() => void) | null = null;

  /** Goes on with the trail that is there. @throws when it cannot be read or written */
  constructor(options: TrailOptions) {
    this.#options = options;
    this.#files = options.files ?? fs.promises;
    const { file, log } = options;
    makeFolder(path.dirname(file));
    const { link, size, torn } = findEnd(file);
    fs.closeSync(fs.openSync(file, 'a', 0o600));
    if (torn > 0) {
      // The process ended in the middle of it: the call was over, the line was not.
      fs.truncateSync(file, size);
      log.warn('an unfinished line of the audit trail was cut off', { file, bytes: torn });
    }
    this.#link = link;
    this.#size = size;
  }

  /** Takes a line. Returns at once and never throws. */
  write(entry: AuditEntry): void {
    const { maxHeldBytes, onLines, onLine } = this.#options;
    if (this.#closed || this.#held >= maxHeldBytes) {
      this.#lost++;
      onLines?.('lost', 1);
      return;
    }
    const { line, link } = nextLine(this.#link, entry, this.#lost);
    this.#lost = 0;
    this.#link = link;
    const bytes = Buffer.byteLength(line);
    this.#lines.push({ text: line, bytes });
    this.#held += bytes;
    onLine?.(line);
    if (this.#working === null) this.#begin();
  }

  /** Writes what is left, within a time. Further lines are lost. */
  async close(graceMs: number): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    const late = Promise.withResolvers<void>();
    const timer = setTimeout(late.resolve, graceMs);
    this.#wake?.();
    await Promise.race([this.#working ?? Promise.resolve(), late.promise]);
    const left = this.#lines.length + (this.#rest === null ? 0 : this.#batchLines);
    if (left > 0) {
      this.#options.log.error('lines of the audit trail are lost', { file: this.#options.file, lines: left });
      this.#options.onLines?.('lost', left);
    }
    this.#lines = [];
    // It waits for what is being written, which may be for ever.
    const closing = this.#handle?.close().catch(() => {});
    this.#handle = null;
    await Promise.race([closing, late.promise]);
    clearTimeout(timer);
  }

  #begin(): void {
    // Lines of one turn of the event loop leave together.
    this.#working = new Promise<void>((resolve) => setImmediate(resolve))
      .then(() => this.#work())
      .finally(() => {
        this.#working = null;
        if (this.#lines.length > 0 && !this.#closed) this.#begin();
      });
  }

  /** Writes until there is nothing left. Never rejects. */
  async #work(): Promise<void> {
    while (this.#rest !== null || this.#lines.length > 0) {
      try {
        await this.#writeBatch();
        this.#recovered();
      } catch (error) {
        this.#failed(error);
        if (this.#closed) return;
        await this.#pause();
      }
    }
  }

  async #writeBatch(): Promise<void> {
    const { maxFileBytes, onLines } = this.#options;
    if (this.#rest === null) {
      await this.#checkFile();
      if (this.#size > 0 && this.#size + (this.#lines[0] as Line).bytes > maxFileBytes) await this.#rotate();
      this.#rest = this.#takeBatch();
    }
    this.#handle ??= await this.#open();
    while (this.#rest !== null) {
      const rest: Buffer = this.#rest;
      const { bytesWritten } = await this.#handle.write(rest, 0, rest.length);
      this.#size += bytesWritten;
      this.#rest = bytesWritten < rest.length ? rest.subarray(bytesWritten) : null;
    }
    onLines?.('written', this.#batchLines);
    this.#batchLines = 0;
  }

  /** At least one line. */
  #takeBatch(): Buffer {
    const most = Math.min(batchBytes, this.#options.maxFileBytes - this.#size);
    let bytes = 0;
    let count = 0;
    for (const line of this.#lines) {
      if (count > 0 && bytes + line.bytes > most) break;
      bytes += line.bytes;
      count++;
    }
    const taken = this.#lines.splice(0, count);
    this.#held -= bytes;
    this.#batchLines = count;
    return Buffer.from(taken.map(({ text }) => text).join(''));
  }

  async #rotate(): Promise<void> {
    const { file } = this.#options;
    const handle = this.#handle;
    // Whatever its closing says, it is closed: kept, it would answer nothing but errors for ever.
    this.#handle = null;
    await handle?.close();
    try {
      await this.#files.rename(file, nextFull(file));
      this.#size = 0;
    } catch (error) {
      if (!isMissing(error)) throw error;
      this.#gone();
    }
  }

  /** Before lines go into a file: whether it is still the one at the path. */
  async #checkFile(): Promise<void> {
    const handle = this.#handle;
    if (handle === null) return;
    const [own, found] = await Promise.all([
      // On a network's disk one may be no good any more, and gets no better.
      handle.stat().catch(() => null),
      this.#files.stat(this.#options.file).catch((error: unknown) => {
        if (isMissing(error)) return null;
        throw error;
      }),
    ]);
    if (own !== null && found?.ino === own.ino && found.dev === own.dev) {
      // Somebody may have emptied it.
      this.#size = own.size;
      return;
    }
    this.#handle = null;
    this.#gone();
    await handle.close().catch(() => {});
  }

  async #open(): Promise<fs.promises.FileHandle> {
    const { file } = this.#options;
    try {
      return await this.#files.open(file, 'a', 0o600);
    } catch (error) {
      if (!isMissing(error)) throw error;
      // Its folder was removed with it.
      makeFolder(path.dirname(file));
      return this.#files.open(file, 'a', 0o600);
    }
  }

  /** Goes on in another file. */
  #gone(): void {
    const { log, file, onFailure } = this.#options;
    this.#size = 0;
    onFailure?.();
    log.error('the file of the audit trail was removed or put away by somebody else; a new one is begun', {
      file,
    });
  }

  #failed(error: unknown): void {
    const { log, file, onFailure } = this.#options;
    onFailure?.();
    if (this.#failing) return;
    this.#failing = true;
    // Once, or a full disk would get a line for every line that it has no room for.
    log.error('the audit trail cannot be written; lines wait in memory', { file, error });
  }

  #recovered(): void {
    if (!this.#failing) return;
    this.#failing = false;
    this.#options.log.info('the audit trail is written again', { file: this.#options.file });
  }

  #pause(): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, this.#options.pauseMs ?? 1_000);
      timer.unref();
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }
}
