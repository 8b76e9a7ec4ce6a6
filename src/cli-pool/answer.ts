import type { CliFrame } from './dialect.ts';
import type { CliProcess } from './process.ts';
import type { CliSession, TurnListener } from './session.ts';
import type { Outcome } from './states.ts';

/** Why a request got no answer of a session, or not the whole of it. */
export type CliFault = 'exhausted' | 'broken' | 'closed' | 'timeout' | 'gone' | 'malformed';

export class CliError extends Error {
  readonly fault: CliFault;

  constructor(fault: CliFault, message: string) {
    super(message);
    this.fault = fault;
  }
}

/** What a session says to one request. */
export interface CliAnswer {
  /** The session was started for it. */
  readonly cold: boolean;
  /** @returns the frames that have come, at least one; null after the last. Rejects with CliError, or the signal's reason */
  next(): Promise<readonly CliFrame[] | null>;
  /** Nobody wants the rest. Nothing happens after the last frame. */
  cancel(): void;
}

/** Frames that wait for their reader; with more the program is not read any more. */
const maxHeld = 256;
/** How long an interrupted session may take to end its turn before its process is ended, in milliseconds. */
const interruptMs = 1_000;

interface Reader {
  resolve(frames: readonly CliFrame[] | null): void;
  reject(error: unknown): void;
}

/** What of a session a turn needs. */
export type TurnSession = Pick<CliSession, 'begin' | 'end' | 'interrupt'> & {
  readonly process: Pick<CliProcess, 'pause' | 'resume'>;
};

/** A request's turn with a session, to its very end: also where its reader has left before. */
export class Turn implements CliAnswer, TurnListener {
  readonly cold: boolean;
  readonly #session: TurnSession;
  readonly #release: (outcome: Outcome, error: string | null, last: CliFrame | null) => void;
  readonly #signal: AbortSignal;
  readonly #expires: NodeJS.Timeout;
  #held: CliFrame[] = [];
  #hasOutput = false;
  #paused = false;
  #state: 'open' | 'leaving' | 'over' = 'open';
  #failure: unknown = null;
  #reader: Reader | null = null;
  #leaves: NodeJS.Timeout | undefined;
  #outcome: Outcome = 'done';
  /** Resolves at the first output; rejects with what comes before it. */
  readonly begun: Promise<void>;
  #onOutput: (() => void) | null = null;
  #onFailure: ((error: unknown) => void) | null = null;

  /**
   * @param leftMs how long it may take
   * @param release told once when the session is free again, or of no use, with the frame that ended the turn where one did
   */
  constructor(
    session: TurnSession,
    text: string,
    options: { readonly cold: boolean; readonly leftMs: number; readonly signal: AbortSignal },
    release: (outcome: Outcome, error: string | null, last: CliFrame | null) => void,
  ) {
    this.#session = session;
    this.cold = options.cold;
    this.#signal = options.signal;
    this.#release = release;
    this.begun = new Promise((resolve, reject) => {
      this.#onOutput = resolve;
      this.#onFailure = reject;
    });
    this.begun.catch(() => {});
    this.#expires = setTimeout(() => {
      this.#fail(new CliError('timeout', 'it did not answer in time'));
      this.#leave('timeout');
    }, options.leftMs);
    this.#signal.addEventListener('abort', this.#onAbort, { once: true });
    session.begin(text, this);
    if (this.#signal.aborted) this.#onAbort();
  }

  next(): Promise<readonly CliFrame[] | null> {
    if (this.#held.length > 0) return Promise.resolve(this.#takeHeld());
    if (this.#failure !== null) return Promise.reject(this.#failure);
    if (this.#state !== 'open') return Promise.resolve(null);
    return new Promise((resolve, reject) => {
      this.#reader = { resolve, reject };
    });
  }

  cancel(): void {
    if (this.#state === 'open') this.#leave('cancelled');
  }

  frame(frame: CliFrame, output: boolean, last: boolean): void {
    if (this.#state === 'open') {
      this.#held.push(frame);
      if (output && !this.#hasOutput) {
        this.#hasOutput = true;
        this.#onOutput?.();
      }
      const reader = this.#reader;
      this.#reader = null;
      reader?.resolve(this.#takeHeld());
      if (this.#held.length > maxHeld && !last && !this.#paused) {
        this.#paused = true;
        this.#session.process.pause();
      }
    }
    if (last) this.#over(null, frame);
  }

  lost(kind: 'gone' | 'malformed', error: string): void {
    this.#fail(new CliError(kind, error));
    this.#outcome = 'failed';
    this.#over(error);
  }

  readonly #onAbort = (): void => {
    if (this.#state !== 'open') return;
    this.#fail(this.#signal.reason);
    this.#leave('cancelled');
  };

  #takeHeld(): readonly CliFrame[] {
    const frames = this.#held;
    this.#held = [];
    this.#resume();
    return frames;
  }

  /** The process may be another turn's by now, which has paused it itself: only what this one has paused is resumed, once. */
  #resume(): void {
    if (!this.#paused) return;
    this.#paused = false;
    this.#session.process.resume();
  }

  #fail(error: unknown): void {
    if (this.#state !== 'open' || this.#failure !== null) return;
    this.#failure = error;
    this.#onFailure?.(error);
    const reader = this.#reader;
    this.#reader = null;
    reader?.reject(error);
  }

  /** Has the session stop, and waits a little for it to say so: then it has told its provider, too. */
  #leave(outcome: Outcome): void {
    if (this.#state !== 'open') return;
    this.#state = 'leaving';
    this.#outcome = outcome;
    this.#held = [];
    this.#resume();
    this.#quiet();
    const reader = this.#reader;
    this.#reader = null;
    reader?.resolve(null);
    this.#leaves = setTimeout(() => this.#over(null), interruptMs);
    this.#session.interrupt();
  }

  #quiet(): void {
    clearTimeout(this.#expires);
    this.#signal.removeEventListener('abort', this.#onAbort);
  }

  #over(error: string | null, last: CliFrame | null = null): void {
    if (this.#state === 'over') return;
    this.#state = 'over';
    this.#quiet();
    clearTimeout(this.#leaves);
    this.#session.end();
    this.#resume();
    this.#release(this.#outcome, error, last);
  }
}
