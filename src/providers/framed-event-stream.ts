import type { Usage } from '../../gen/llmgateway/v1/completion_pb.js';
import { interrupted } from '../codec/upstream-error.ts';
import { GatewayError } from '../errors/gateway-error.ts';
import { type SseEvent, SseReader } from '../http/sse-reader.ts';
import { type EventStream, endOfEvents, type StreamEvent } from '../model/events.ts';
import { upstreamFault } from './upstream-fault.ts';

/** What an answer comes from, piece by piece: the body of a response, or a program. */
export interface FrameSource<P = Buffer> {
  /** Null at its end. */
  read(): Promise<P | null>;
  /** Nobody wants the rest. */
  cancel(): void;
}

/** Finds the frames in an answer, whatever the cuts between its pieces. */
export interface Framing<F, P = Buffer> {
  /** Takes the next piece and appends the frames that it completes. */
  push(piece: P, out: F[]): void;
  /** Takes the end; appends what is left. @returns whether the end came inside a frame, so that the last may be cut off */
  end(out: F[]): boolean;
}

/** Turns frames into events of the model. */
export interface FrameDecoder<F> {
  /** @throws GatewayError when the upstream reports an error or nonsense */
  push(frame: F, out: StreamEvent[]): void;
  /** Takes the end. @throws GatewayError when the answer was not complete */
  end(out: StreamEvent[]): void;
  /** See EventStream. */
  usageSoFar?(): Usage | undefined;
}

/** The data of server-sent events, and an error that is put as bare JSON where an event should be. */
export class SseFraming implements Framing<string> {
  readonly #reader = new SseReader();
  readonly #events: SseEvent[] = [];

  push(bytes: Buffer, out: string[]): void {
    this.#reader.push(bytes, this.#events);
    this.#take(out);
  }

  end(out: string[]): boolean {
    const truncated = this.#reader.end(this.#events);
    this.#take(out);
    const leftover = this.#reader.leftover().trim();
    if (leftover.startsWith('{') || leftover.startsWith('[')) out.push(leftover);
    return truncated;
  }

  #take(out: string[]): void {
    const events = this.#events;
    for (let i = 0; i < events.length; i++) out.push((events[i] as SseEvent).data);
    events.length = 0;
  }
}

/** Whether the upstream itself says what failed: it came through whole, although the body ends without an end of line. */
const isTold = (error: unknown): boolean =>
  error instanceof GatewayError && error.facts.upstreamStatus !== undefined;

/** How long a connection may linger after the last event before it is closed instead of used again. */
const lingerMs = 1_000;

/** The events of an upstream's framed answer: one batch a read. */
export class FramedEventStream<F, P = Buffer> implements EventStream {
  readonly #body: FrameSource<P>;
  readonly #framing: Framing<F, P>;
  readonly #decoder: FrameDecoder<F>;
  readonly #provider: string;
  readonly #faultOf: typeof upstreamFault;
  readonly #frames: F[] = [];
  /** Found after events of the same read; thrown once those are delivered. */
  #failure: unknown = null;
  #over = false;

  /** @param faultOf what the client is told of a failure */
  constructor(
    body: FrameSource<P>,
    framing: Framing<F, P>,
    decoder: FrameDecoder<F>,
    provider: string,
    faultOf: typeof upstreamFault = upstreamFault,
  ) {
    this.#body = body;
    this.#framing = framing;
    this.#decoder = decoder;
    this.#provider = provider;
    this.#faultOf = faultOf;
  }

  async next(): Promise<IteratorResult<readonly StreamEvent[], undefined>> {
    if (this.#failure !== null) throw this.#fail(this.#failure);
    if (this.#over) return endOfEvents();
    const out: StreamEvent[] = [];
    try {
      while (out.length === 0) {
        const piece = await this.#body.read();
        if (piece === null) {
          this.#end(out);
          break;
        }
        this.#decode(piece, out);
      }
    } catch (error) {
      if (out.length === 0) throw this.#fail(error);
      this.#failure = error;
    }
    if (out.length === 0) return endOfEvents();
    if (out[out.length - 1]?.event.case === 'finished') this.#finish();
    return { done: false, value: out };
  }

  return(): Promise<IteratorResult<readonly StreamEvent[], undefined>> {
    if (!this.#over) {
      this.#over = true;
      this.#body.cancel();
    }
    return endOfEvents();
  }

  usageSoFar(): Usage | undefined {
    return this.#decoder.usageSoFar?.();
  }

  #decode(piece: P, out: StreamEvent[]): void {
    const frames = this.#frames;
    try {
      this.#framing.push(piece, frames);
    } finally {
      // Frames before broken ones count, and so does what is wrong with them.
      try {
        for (let i = 0; i < frames.length; i++) this.#decoder.push(frames[i] as F, out);
      } finally {
        frames.length = 0;
      }
    }
  }

  #end(out: StreamEvent[]): void {
    this.#over = true;
    const truncated = this.#framing.end(this.#frames);
    // A frame that the end of the stream cut off may still be whole; if it is not, it does not decode.
    try {
      for (const frame of this.#frames) this.#decoder.push(frame, out);
    } catch (error) {
      throw truncated && !isTold(error) ? interrupted(this.#provider, 'broke off', error) : error;
    }
    this.#decoder.end(out);
  }

  #fail(error: unknown): unknown {
    this.#over = true;
    this.#failure = null;
    this.#body.cancel();
    return this.#faultOf(this.#provider, error);
  }

  /** The answer is complete: lets the body end by itself, so that the connection can be used again. */
  #finish(): void {
    if (this.#over) return;
    this.#over = true;
    const body = this.#body;
    const timer = setTimeout(() => body.cancel(), lingerMs).unref();
    const drain = (piece: P | null): Promise<void> | void => {
      if (piece === null) clearTimeout(timer);
      else return body.read().then(drain);
    };
    body
      .read()
      .then(drain)
      .catch(() => clearTimeout(timer));
  }
}
