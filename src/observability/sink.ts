import fs from 'node:fs';

/** Where log lines go. */
export interface LogSink {
  /** Takes a line with its newline. Returns at once and never throws. */
  write(line: string): void;
  /** Writes what is held, waiting for it; for the end of the process. */
  flushSync(): void;
}

export interface FileSinkOptions {
  /** File descriptor; 1 is standard output. */
  readonly fd: number;
  /** Characters held at most while the reader is slow; further lines are lost. Default 8 Mi. */
  readonly maxHeld?: number;
  /** A line that tells how many were lost, written once there is room again. */
  readonly lostLine: (lost: number) => string;
  /** Default: node:fs. */
  readonly files?: Pick<typeof fs, 'write' | 'writeSync'>;
}

/** Pause before a reader that takes nothing is tried again, in milliseconds. */
const pauseMs = 20;
/** How long the end of the process waits for such a reader, in milliseconds. */
const maxFlushMs = 1_000;

/**
 * Writes to a file descriptor without ever blocking the event loop. process.stdout does block it when standard output is a
 * pipe: a reader that stalls would stall every call. Lines that come while a write is under way leave with the next one.
 */
export function fileSink(options: FileSinkOptions): LogSink {
  return new FileSink(options);
}

class FileSink implements LogSink {
  readonly #fd: number;
  readonly #maxHeld: number;
  readonly #lostLine: (lost: number) => string;
  readonly #files: Pick<typeof fs, 'write' | 'writeSync'>;
  #lines: string[] = [];
  #held = 0;
  #lost = 0;
  /** What is written at present, or waits for another try. */
  #current: Buffer | null = null;
  /** Whether the system has `#current`. */
  #underWay = false;
  /** Nobody reads any more. */
  #closed = false;

  constructor({ fd, maxHeld = 8 * 1024 * 1024, lostLine, files = fs }: FileSinkOptions) {
    this.#fd = fd;
    this.#maxHeld = maxHeld;
    this.#lostLine = lostLine;
    this.#files = files;
  }

  write(line: string): void {
    if (this.#closed) return;
    if (this.#held + line.length > this.#maxHeld) {
      this.#lost++;
      return;
    }
    this.#lines.push(line);
    this.#held += line.length;
    // Lines of one turn of the event loop leave together.
    if (this.#current === null && this.#lines.length === 1) setImmediate(this.#next);
  }

  flushSync(): void {
    // What the system has already is not written twice.
    let chunk = this.#underWay ? null : this.#current;
    if (!this.#underWay) this.#current = null;
    const until = Date.now() + maxFlushMs;
    while ((chunk ??= this.#take()) !== null && !this.#closed && Date.now() < until) {
      try {
        chunk = rest(chunk, this.#files.writeSync(this.#fd, chunk));
      } catch (error) {
        if (isBusy(error)) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, pauseMs);
        else this.#close();
      }
    }
  }

  readonly #next = (): void => {
    if (this.#current !== null || this.#closed) return;
    this.#current = this.#take();
    if (this.#current !== null) this.#send(this.#current);
  };

  #take(): Buffer | null {
    if (this.#lines.length === 0 && this.#lost === 0) return null;
    if (this.#lost > 0) this.#lines.push(this.#lostLine(this.#lost));
    const chunk = Buffer.from(this.#lines.join(''));
    this.#lines = [];
    this.#held = 0;
    this.#lost = 0;
    return chunk;
  }

  #send(chunk: Buffer): void {
    this.#underWay = true;
    this.#files.write(this.#fd, chunk, (error, bytes) => {
      this.#underWay = false;
      if (this.#closed) return;
      if (error === null) this.#current = rest(chunk, bytes);
      else if (!isBusy(error)) return this.#close();
      else return void setTimeout(() => this.#current === chunk && this.#send(chunk), pauseMs).unref();
      if (this.#current === null) this.#next();
      else this.#send(this.#current);
    });
  }

  /** The reader has left, or the disk is full for good: the gateway goes on without a log. */
  #close(): void {
    this.#closed = true;
    this.#lines = [];
    this.#current = null;
  }
}

const rest = (chunk: Buffer, written: number): Buffer | null =>
  written < chunk.length ? chunk.subarray(written) : null;

const isBusy = (error: unknown): boolean =>
  ['EAGAIN', 'EINTR', 'ENOSPC'].includes((error as NodeJS.ErrnoException).code ?? '');
