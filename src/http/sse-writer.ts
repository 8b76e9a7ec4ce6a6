import { type Deadline, Deadlines } from './deadlines.ts';

/** What is needed of a response: `http.ServerResponse` and `http2.Http2ServerResponse` both have it. */
export interface SseSink {
  writeHead(status: number, headers: Record<string, string | string[]>): unknown;
  /** HTTP/2's has it, but its type doesn't say so; there `writeHead` sends by itself. */
  flushHeaders?(): void;
  write(chunk: string): boolean;
  end(): unknown;
  end(chunk: string): unknown;
  on(event: 'close' | 'drain' | 'error', listener: () => void): unknown;
  removeListener(event: 'close' | 'drain', listener: () => void): unknown;
  readonly writableNeedDrain: boolean;
  readonly writableEnded: boolean;
  readonly destroyed?: boolean;
  readonly stream?: { readonly destroyed: boolean };
}

export interface SseWriterOptions {
  /** Default 200. */
  status?: number;
  /** More headers, names in lower case; they win over the writer's own. */
  headers?: Record<string, string | string[]>;
  /** After how much silence, in ms, a keep-alive is written; `Infinity` for never. Default 15 000. */
  keepAliveMs?: number;
  /** What is written then, a whole frame. Default a comment. */
  keepAliveFrame?: string;
}

/** Thrown to whoever writes to a client that has left. */
export class ClientGoneError extends Error {
  override readonly name = 'ClientGoneError';

  constructor() {
    super('the client has gone');
  }
}

const HEADERS = {
  'content-type': 'text/event-stream; charset=utf-8',
  // no-transform and x-accel-buffering keep proxies from compressing or collecting the stream.
  'cache-control': 'no-cache, no-transform',
  'x-accel-buffering': 'no',
};

const keepAlives = new Deadlines();

/**
 * Begins an event stream on `sink`. The head leaves with the first frames, or by itself if none are written
 * in this turn of the event loop; from then on keep-alives are written when nothing else is.
 */
export function openSse(sink: SseSink, options: SseWriterOptions = {}): SseWriter {
  return new SseWriter(sink, options);
}

/** Writes an event stream. It stops by itself when the client leaves; otherwise `end` must be called. */
export class SseWriter implements Deadline {
  deadline: number;
  slot = -1;
  readonly #sink: SseSink;
  readonly #keepAliveMs: number;
  readonly #keepAliveFrame: string;
  #headPending: NodeJS.Immediate | null;
  #gone: boolean;
  #ended = false;
  #drained: Promise<void> | null = null;
  #settle: ((gone: boolean) => void) | null = null;

  constructor(sink: SseSink, options: SseWriterOptions) {
    this.#sink = sink;
    this.#keepAliveMs = options.keepAliveMs ?? 15_000;
    this.#keepAliveFrame = options.keepAliveFrame ?? ': keep-alive\n\n';
    this.deadline = performance.now() + this.#keepAliveMs;
    this.#headPending = null;
    this.#gone = sink.destroyed === true || sink.stream?.destroyed === true;
    this.#ended = this.#gone;
    // A write can fail before `close` tells why; unheard, that would end the process.
    sink.on('error', this.#onClose);
    if (this.#gone) return;
    sink.on('close', this.#onClose);
    sink.on('drain', this.#onDrain);
    sink.writeHead(options.status ?? 200, { ...HEADERS, ...options.headers });
    this.#headPending = setImmediate(this.#flushHead);
    if (this.#keepAliveMs < Infinity) keepAlives.add(this);
  }

  /** Whether the client has left. */
  get gone(): boolean {
    return this.#gone;
  }

  /**
   * Writes frames, whole ones, in one write.
   * @returns nothing if more can be written at once; else a promise to wait for before the next write, which
   * resolves when the client has taken what it was sent, and rejects with ClientGoneError when it leaves
   * instead (unless node takes the reset for a drain; then the next write throws). Not waiting for it harms
   * nothing but the memory.
   * @throws ClientGoneError when the client has left already
   */
  write(frames: string): Promise<void> | undefined {
    if (this.#ended) throw this.#gone ? new ClientGoneError() : new Error('the event stream has ended');
    this.deadline = performance.now() + this.#keepAliveMs;
    this.#headSent();
    if (this.#sink.write(frames)) return undefined;
    return this.#whenDrained();
  }

  /**
   * Writes the last frames, if any, and ends the response. Without effect when it has ended or the client has
   * left.
   */
  end(frames?: string): void {
    if (this.#ended) return;
    this.#stop();
    if (frames === undefined) this.#sink.end();
    else this.#sink.end(frames);
    this.#settle?.(false);
  }

  /** Writes a keep-alive; the timer calls it. */
  expire(): void {
    // A client that doesn't even take what is there needs no sign of life.
    if (!this.#sink.writableNeedDrain) {
      this.#headSent();
      this.#sink.write(this.#keepAliveFrame);
    }
    this.deadline = performance.now() + this.#keepAliveMs;
    keepAlives.add(this);
  }

  #whenDrained(): Promise<void> {
    if (this.#drained === null) {
      this.#drained = new Promise((resolve, reject) => {
        this.#settle = (gone) => {
          this.#drained = null;
          this.#settle = null;
          if (gone) reject(new ClientGoneError());
          else resolve();
        };
      });
      this.#drained.catch(() => {});
    }
    return this.#drained;
  }

  #headSent(): void {
    if (this.#headPending === null) return;
    clearImmediate(this.#headPending);
    this.#headPending = null;
  }

  readonly #flushHead = (): void => {
    this.#headPending = null;
    this.#sink.flushHeaders?.();
  };

  readonly #onDrain = (): void => {
    this.#settle?.(false);
  };

  readonly #onClose = (): void => {
    if (this.#ended) return;
    this.#gone = true;
    this.#stop();
    this.#settle?.(true);
  };

  #stop(): void {
    this.#ended = true;
    this.#headSent();
    keepAlives.delete(this);
    this.#sink.removeListener('close', this.#onClose);
    this.#sink.removeListener('drain', this.#onDrain);
  }
}
