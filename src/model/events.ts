import type { StreamChatCompletionResponse } from '../../gen/llmgateway/v1/chat_service_pb.js';
import type { Usage } from '../../gen/llmgateway/v1/completion_pb.js';

/** One event of a streamed answer. Its life cycle is described at ChatService.StreamChatCompletion. */
export type StreamEvent = StreamChatCompletionResponse;

/**
 * The events of a streamed answer as they arrive: one batch for each read from upstream, never empty. Pulling the next
 * batch is what lets the upstream go on; `return()` stops it. A failure is thrown by `next()`; nothing follows it.
 *
 * Implemented by hand, not by async generators: a generator for each layer costs more than the work itself.
 */
export interface EventStream {
  next(): Promise<IteratorResult<readonly StreamEvent[], undefined>>;
  return(): Promise<IteratorResult<readonly StreamEvent[], undefined>>;
  /**
   * What the provider has said that it used, also before `finished` tells of it: for answers that are cut off. Marked `estimated` where more
   * output may have come since. Undefined where nothing was said; not there where a stream can't know.
   */
  usageSoFar?(): Usage | undefined;
}

const done: IteratorResult<readonly StreamEvent[], undefined> = { done: true, value: undefined };

/** The end of an EventStream. */
export const endOfEvents = (): Promise<IteratorResult<readonly StreamEvent[], undefined>> =>
  Promise.resolve(done);

/** What a stage wants to see of a stream that it does not change. Every member is optional. */
export interface StreamTap {
  /** A batch passes. It waits for what is returned, which must not reject. */
  events?(batch: readonly StreamEvent[]): unknown;
  /** The stream is over: with an error, or null after `finished`. Called once. */
  end?(error: unknown): void;
  /** Nobody wants the rest. Called once, instead of `end`. */
  abandoned?(): void;
}

/** The same stream, watched. Several taps of one stream cost little more than one: they share a wrapper. */
export function tapEvents(stream: EventStream, tap: StreamTap): EventStream {
  if (!(stream instanceof TappedStream)) return new TappedStream(stream, tap);
  stream.taps.push(tap);
  return stream;
}

class TappedStream implements EventStream {
  readonly taps: StreamTap[];
  readonly #stream: EventStream;
  #over = false;

  constructor(stream: EventStream, tap: StreamTap) {
    this.#stream = stream;
    this.taps = [tap];
  }

  next(): Promise<IteratorResult<readonly StreamEvent[], undefined>> {
    return this.#stream.next().then(this.#pass, this.#fail);
  }

  return(): Promise<IteratorResult<readonly StreamEvent[], undefined>> {
    const wasOver = this.#over;
    this.#over = true;
    // Those further in are told first: what they find out is told by those outside.
    const returned = this.#stream.return();
    if (!wasOver) for (const tap of this.taps) tap.abandoned?.();
    return returned;
  }

  usageSoFar(): Usage | undefined {
    return this.#stream.usageSoFar?.();
  }

  readonly #pass = (result: IteratorResult<readonly StreamEvent[], undefined>) => {
    if (result.done) {
      this.#end(null);
      return result;
    }
    let waits: Promise<unknown> | null = null;
    for (const tap of this.taps) {
      const held = tap.events?.(result.value);
      if (held instanceof Promise) waits = waits === null ? held : Promise.all([waits, held]);
    }
    return waits === null ? result : waits.then(() => result);
  };

  readonly #fail = (error: unknown): never => {
    this.#end(error);
    throw error;
  };

  #end(error: unknown): void {
    if (this.#over) return;
    this.#over = true;
    for (const tap of this.taps) tap.end?.(error);
  }
}

/** A stream of batches that are at hand already. */
export function eventsOf(batches: Iterable<readonly StreamEvent[]>): EventStream {
  const iterator = batches[Symbol.iterator]();
  return {
    next() {
      const result = iterator.next();
      return result.done ? endOfEvents() : Promise.resolve(result);
    },
    return() {
      iterator.return?.();
      return endOfEvents();
    },
  };
}

/**
 * The same stream, once its first output is there: rejects with what fails before it, when nothing has been told to the
 * client and another try is still allowed. What counts is content; that the answer has started, and what a provider says of it besides,
 * does not.
 */
export async function primed(stream: EventStream): Promise<EventStream> {
  let held: StreamEvent[] | readonly StreamEvent[] | null = null;
  for (;;) {
    const result = await stream.next();
    if (result.done) return held === null ? stream : eventsOf([held]);
    held = held === null ? result.value : [...held, ...result.value];
    if (held.some(({ event }) => event.case !== 'started' && event.case !== 'opaque')) break;
  }
  return new PrimedStream(stream, held);
}

class PrimedStream implements EventStream {
  readonly #stream: EventStream;
  #first: readonly StreamEvent[] | null;

  constructor(stream: EventStream, first: readonly StreamEvent[]) {
    this.#stream = stream;
    this.#first = first;
  }

  next(): Promise<IteratorResult<readonly StreamEvent[], undefined>> {
    if (this.#first === null) return this.#stream.next();
    const value = this.#first;
    this.#first = null;
    return Promise.resolve({ done: false, value });
  }

  return(): Promise<IteratorResult<readonly StreamEvent[], undefined>> {
    return this.#stream.return();
  }

  usageSoFar(): Usage | undefined {
    return this.#stream.usageSoFar?.();
  }
}
