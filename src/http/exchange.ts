import type { Dispatcher } from 'undici';
import { collect, DEFAULT_MAX_BODY_BYTES, type UpstreamBody } from './body.ts';
import type { Deadline, Deadlines } from './deadlines.ts';
import { classify, neverSent, UpstreamError, type UpstreamPhase } from './errors.ts';

/** Milliseconds; `Infinity` for none. Each holds for its own part of the exchange, so they can't overlap. */
export interface UpstreamTimeouts {
  /** Until a connection takes the request: waiting for a free one, DNS, TCP and TLS. */
  connectMs: number;
  /** From there to the first byte of the response's *body* (or to its end, if it has none). */
  firstByteMs: number;
  /**
   * Between two bytes of the body, not counting the time in which bytes lie unread (a slow reader's time).
   */
  idleMs: number;
}

/** What an exchange needs to know of its client, the same for all of one origin. */
export interface ExchangeContext {
  readonly origin: string;
  readonly pool: Dispatcher;
  readonly deadlines: Deadlines;
  /** More unread bytes than this pause the upstream. */
  readonly highWaterBytes: number;
  /** Called once the pool has let go of the request. */
  readonly released: () => void;
  /** Whether all connections that may be open are taken. */
  readonly busy: () => boolean;
}

export interface ExchangeHead {
  status: number;
  headers: Record<string, string>;
}

/**
 * The reason given to undici when we stop: made once, because the stack of an error is dear and nobody sees
 * it.
 */
const STOPPED = new Error('stopped by the gateway');
const NO_BYTES: Promise<null> = Promise.resolve(null);
const MAX_RESENDS = 2;

/**
 * One request and its response. It is the pool's handler, the body, the deadline and the abort listener in
 * one object, since each of these as an object of its own would cost more than what it does.
 *
 * Life: `connect` (in the pool's hands) → `headers` (written) → `body` → done. Done is final: ended or failed
 * here, the signal and the deadline forgotten; whatever undici reports later only releases the slot.
 */
export class Exchange implements Dispatcher.DispatchHandler, UpstreamBody, Deadline {
  deadline = Infinity;
  slot = -1;
  /** Whether undici found the request invalid, and so never queued it. */
  refused = false;
  readonly #context: ExchangeContext;
  readonly #request: Dispatcher.DispatchOptions;
  readonly #timeouts: UpstreamTimeouts;
  readonly #signal: AbortSignal | null;
  readonly #onHead: (head: ExchangeHead) => void;
  readonly #onFailure: (reason: unknown) => void;
  #controller: Dispatcher.DispatchController | null = null;
  #phase: UpstreamPhase = 'connect';
  #responding = false;
  #firstByte = false;
  #paused = false;
  #done = false;
  #failed = false;
  #failure: unknown = null;
  #resends = 0;
  #queue: Buffer[] = [];
  #queued = 0;
  #wake: (() => void) | null = null;

  /** `onHead` is called once, with a response's head, or else `onFailure` once. */
  constructor(
    context: ExchangeContext,
    request: Dispatcher.DispatchOptions,
    timeouts: UpstreamTimeouts,
    signal: AbortSignal | null,
    onHead: (head: ExchangeHead) => void,
    onFailure: (reason: unknown) => void,
  ) {
    this.#context = context;
    this.#request = request;
    this.#timeouts = timeouts;
    this.#signal = signal;
    this.#onHead = onHead;
    this.#onFailure = onFailure;
  }

  /** Hands the request to the pool. Must be called once; the signal must not be aborted yet. */
  start(): void {
    this.deadline = performance.now() + this.#timeouts.connectMs;
    this.#context.deadlines.add(this);
    this.#signal?.addEventListener('abort', this);
    this.#context.pool.dispatch(this.#request, this);
  }

  // --- what undici calls -----------------------------------------------------------------------------------

  onRequestStart(controller: Dispatcher.DispatchController): void {
    // Given up while it waited for a connection. Throwing drops the request and keeps the connection, abort()
    // would close it.
    if (this.#done) throw STOPPED;
    this.#controller = controller;
    this.#phase = 'headers';
    this.#expect(this.#timeouts.firstByteMs);
  }

  onResponseStarted(): void {
    this.#responding = true;
  }

  onResponseStart(
    _controller: Dispatcher.DispatchController,
    status: number,
    headers: Record<string, string | string[] | undefined>,
  ): void {
    if (this.#done || status < 200) return;
    this.#phase = 'body';
    this.#onHead({ status, headers: joinRepeated(headers) });
  }

  onResponseData(controller: Dispatcher.DispatchController, chunk: Buffer): void {
    if (this.#done) return;
    this.#queue.push(chunk);
    this.#queued += chunk.length;
    this.#firstByte = true;
    // The upstream's time runs only while there's nothing of it to read: a look at the clock per read, none
    // per chunk.
    this.deadline = Infinity;
    if (this.#queued > this.#context.highWaterBytes) {
      this.#paused = true;
      controller.pause();
    }
    this.#notify();
  }

  onResponseEnd(): void {
    this.#context.released();
    if (!this.#done) this.#finish();
  }

  onResponseError(controller: Dispatcher.DispatchController | null, error: Error): void {
    this.refused = controller === null;
    if (!this.#done && this.#mayResend(error)) {
      // undici is in the middle of failing the queue of that connection: let it finish first.
      queueMicrotask(() => this.#resend());
      return;
    }
    this.#context.released();
    if (!this.#done) this.#fail(classify(error, this.#phase, this.#responding, this.#context.origin));
  }

  // --- what the timer and the signal call ------------------------------------------------------------------

  expire(): void {
    const { origin } = this.#context;
    if (this.#phase === 'connect') {
      const ms = this.#timeouts.connectMs;
      this.#stop(
        this.#context.busy()
          ? new UpstreamError(
              'overloaded',
              'connect',
              `no connection to ${origin} became free within ${ms} ms`,
            )
          : new UpstreamError('connect_timeout', 'connect', `no connection to ${origin} within ${ms} ms`),
      );
    } else if (!this.#firstByte) {
      const ms = this.#timeouts.firstByteMs;
      const message = `no byte of a response from ${origin} within ${ms} ms`;
      this.#stop(new UpstreamError('first_byte_timeout', this.#phase, message));
    } else {
      const message = `no byte from ${origin} for ${this.#timeouts.idleMs} ms in the middle of a response`;
      this.#stop(new UpstreamError('idle_timeout', 'body', message));
    }
  }

  handleEvent(): void {
    this.#drop();
    this.#stop(this.#signal?.reason);
  }

  // --- what the consumer calls -----------------------------------------------------------------------------

  read(): Promise<Buffer | null> {
    if (this.#queued > 0) return Promise.resolve(this.#take());
    if (this.#failed) return Promise.reject(this.#failure);
    if (this.#done) return NO_BYTES;
    if (this.#wake !== null)
      return Promise.reject(new Error('a body has one reader, and it is reading already'));
    return this.#wait();
  }

  bytes(maxBytes: number = DEFAULT_MAX_BODY_BYTES): Promise<Buffer> {
    return collect(this, maxBytes);
  }

  async text(maxBytes: number = DEFAULT_MAX_BODY_BYTES): Promise<string> {
    return (await collect(this, maxBytes)).toString('utf8');
  }

  cancel(): void {
    this.#drop();
    if (!this.#done) this.#stop(new UpstreamError('aborted', this.#phase, 'the response was cancelled'));
  }

  // --- inside ----------------------------------------------------------------------------------------------

  async #wait(): Promise<Buffer | null> {
    // The continuation runs after undici has parsed everything that came in one read of the socket: what
    // arrives together is taken together.
    await new Promise<void>((resolve) => {
      this.#wake = resolve;
    });
    if (this.#queued > 0) return this.#take();
    if (this.#failed) throw this.#failure;
    return null;
  }

  #take(): Buffer {
    const chunks = this.#queue;
    const bytes = chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks, this.#queued);
    this.#drop();
    // After the end the connection, and its parser, may already serve somebody else.
    if (!this.#done) {
      this.#expect(this.#timeouts.idleMs);
      if (this.#paused) {
        this.#paused = false;
        this.#controller?.resume();
      }
    }
    return bytes;
  }

  #drop(): void {
    this.#queue = [];
    this.#queued = 0;
  }

  #expect(ms: number): void {
    this.deadline = performance.now() + ms;
    this.#context.deadlines.soonest(this.deadline);
  }

  #notify(): void {
    if (this.#wake === null) return;
    const wake = this.#wake;
    this.#wake = null;
    wake();
  }

  #mayResend(error: Error): boolean {
    if (this.#responding || this.#resends >= MAX_RESENDS) return false;
    return neverSent(error, this.#phase !== 'connect');
  }

  #resend(): void {
    if (this.#done) {
      this.#context.released();
      return;
    }
    this.#resends++;
    this.#phase = 'connect';
    this.#controller = null;
    this.#expect(this.#timeouts.connectMs);
    this.#context.pool.dispatch(this.#request, this);
  }

  #finish(): void {
    this.#done = true;
    this.#context.deadlines.delete(this);
    this.#signal?.removeEventListener('abort', this);
    this.#notify();
  }

  #fail(reason: unknown): void {
    this.#failed = true;
    this.#failure = reason;
    this.#finish();
    if (this.#phase !== 'body') this.#onFailure(reason);
  }

  /**
   * Fails here and closes the connection, or, as long as there is none, drops the request when one is found.
   */
  #stop(reason: unknown): void {
    if (this.#done) return;
    this.#fail(reason);
    if (this.#controller === null) {
      // A request that waits in the pool's queue would hold its body until a connection is free.
      this.#request.body = null;
    } else {
      // Paused, undici's parser leaves the rest of what it has in hands alone.
      this.#controller.pause();
      this.#controller.abort(STOPPED);
    }
  }
}

/** Lists of values become one value, joined as RFC 9110 (5.3) says. In place: nobody else has the object. */
function joinRepeated(headers: Record<string, string | string[] | undefined>): Record<string, string> {
  for (const name in headers) {
    const value = headers[name];
    if (typeof value !== 'string') headers[name] = value === undefined ? '' : value.join(', ');
  }
  return headers as Record<string, string>;
}
