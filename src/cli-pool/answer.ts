import type { CliFrame } from './dialect.ts';
import type { CliProcess } from './process.ts';
import type { CliSession, FrameTraits, TurnListener } from './session.ts';
import type { Outcome } from './states.ts';

/** Why a request got no answer of a session, or not the whole of it. */
export type CliFault =
  | 'exhausted'
  | 'broken'
  | 'closed'
  | 'timeout'
  | 'gone'
  | 'malformed'
  /** The program does not answer as the model that was asked for. */
  | 'model'
  /** The program does not take something else that comes with the request, or cannot tell whether it has the model. */
  | 'refused';

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
/** The same in characters. */
const maxHeldSize = 4 * 2 ** 20;
/** Frames without any output. There is no reader before that who could be waited for. */
const maxUnsaid = 4_096;
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
  /** Of the lines that they came in, in characters. */
  #heldSize = 0;
  #hasOutput = false;
  #paused = false;
  #state: 'open' | 'leaving' | 'over' = 'open';
  #failure: unknown = null;
  #reader: Reader | null = null;
  #leaves: NodeJS.Timeout | undefined;
  #outcome: Outcome = 'done';
  /** What was wrong with the session; null for nothing. Has no words of its answers. */
  #error: string | null = null;
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
    asked: { readonly text: string; readonly model: string },
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
    session.begin(asked, this);
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

  get isLeaving(): boolean {
    return this.#state === 'leaving';
  }

  frame(frame: CliFrame, { output, last, size }: FrameTraits): void {
    if (this.#state === 'open') {
      this.#held.push(frame);
      this.#heldSize += size;
      if (output && !this.#hasOutput) {
        this.#hasOutput = true;
        this.#onOutput?.();
      }
      const reader = this.#reader;
      this.#reader = null;
      reader?.resolve(this.#takeHeld());
      if (!last) this.#bound();
    }
    if (last) this.#over(frame);
  }

  refused(kind: 'model' | 'refused', error: string): void {
    if (this.#state !== 'open') return;
    this.#fail(new CliError(kind, error));
    this.#leave('refused');
  }

  lost(kind: 'gone' | 'malformed', how: string, error: string): void {
    this.#fail(new CliError(kind, error));
    // One that was told to stop may do so in this way.
    if (this.#state === 'open') {
      this.#outcome = 'failed';
      this.#error = how;
    }
    this.#over();
  }

  /** Has the program wait for its reader. Before its first output there is none to wait for, and it says too much. */
  #bound(): void {
    const { length } = this.#held;
    if (this.#hasOutput) {
      if (this.#paused || (length <= maxHeld && this.#heldSize <= maxHeldSize)) return;
      this.#paused = true;
      this.#session.process.pause();
    } else if (length > maxUnsaid || this.#heldSize > maxHeldSize) {
      const error = 'it wrote too much without an answer';
      this.#fail(new CliError('malformed', error));
      this.#error = error;
      this.#leave('failed');
    }
  }

  readonly #onAbort = (): void => {
    if (this.#state !== 'open') return;
    this.#fail(this.#signal.reason);
    this.#leave('cancelled');
  };

  #takeHeld(): readonly CliFrame[] {
    const frames = this.#held;
    this.#drop();
    return frames;
  }

  #drop(): void {
    this.#held = [];
    this.#heldSize = 0;
    this.#resume();
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
    this.#drop();
    this.#quiet();
    const reader = this.#reader;
    this.#reader = null;
    reader?.resolve(null);
    // One that cannot be told, or has not been asked yet, has nothing more to say.
    if (this.#session.interrupt()) this.#leaves = setTimeout(() => this.#over(), interruptMs);
    else this.#over();
  }

  #quiet(): void {
    clearTimeout(this.#expires);
    this.#signal.removeEventListener('abort', this.#onAbort);
  }

  #over(last: CliFrame | null = null): void {
    if (this.#state === 'over') return;
    this.#state = 'over';
    this.#quiet();
    clearTimeout(this.#leaves);
    this.#session.end();
    this.#resume();
    this.#release(this.#outcome, this.#error, last);
  }
}
