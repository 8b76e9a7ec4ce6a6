import { ErrorReason } from '../../../gen/llmgateway/v1/error_pb.js';
import { GatewayError } from '../../errors/gateway-error.ts';
import type { UpstreamBody } from '../../http/client.ts';
import { type SseEvent, SseReader } from '../../http/sse-reader.ts';
import { type EventStream, endOfEvents, type StreamEvent } from '../../model/events.ts';
import { upstreamFault } from '../upstream-fault.ts';

/** What turns the data of SSE events into events of the model. */
export interface DataDecoder {
  /** Takes one event's data. @throws GatewayError when the upstream reports an error or nonsense */
  push(data: string, out: StreamEvent[]): void;
  /** Takes the end. @throws GatewayError when the answer was not complete */
  end(out: StreamEvent[]): void;
}

/** How long a connection may linger after the last event before it is closed instead of used again. */
const lingerMs = 1_000;

/** The events of an upstream's SSE body: one batch a read. */
export class SseEventStream implements EventStream {
  readonly #body: UpstreamBody;
  readonly #decoder: DataDecoder;
  readonly #provider: string;
  readonly #reader = new SseReader();
  readonly #frames: SseEvent[] = [];
  /** Found after events of the same read; thrown once those are delivered. */
  #failure: unknown = null;
  #over = false;

  constructor(body: UpstreamBody, decoder: DataDecoder, provider: string) {
    this.#body = body;
    this.#decoder = decoder;
    this.#provider = provider;
  }

  async next(): Promise<IteratorResult<readonly StreamEvent[], undefined>> {
    if (this.#failure !== null) throw this.#fail(this.#failure);
    if (this.#over) return endOfEvents();
    const out: StreamEvent[] = [];
    try {
      while (out.length === 0) {
        const bytes = await this.#body.read();
        if (bytes === null) {
          this.#end(out);
          break;
        }
        this.#decode(bytes, out);
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

  #decode(bytes: Buffer, out: StreamEvent[]): void {
    const frames = this.#frames;
    this.#reader.push(bytes, frames);
    try {
      for (const frame of frames) this.#decoder.push(frame.data, out);
    } finally {
      frames.length = 0;
    }
  }

  #end(out: StreamEvent[]): void {
    this.#over = true;
    const truncated = this.#reader.end(this.#frames);
    // A frame that the end of the stream cut off may still be whole; if it is not, it does not decode.
    try {
      for (const frame of this.#frames) this.#decoder.push(frame.data, out);
    } catch (error) {
      throw truncated ? this.#interrupted(error) : error;
    }
    const leftover = this.#reader.leftover().trim();
    if (leftover.startsWith('{') || leftover.startsWith('[')) this.#decoder.push(leftover, out);
    this.#decoder.end(out);
  }

  #interrupted(cause: unknown): GatewayError {
    const provider = this.#provider;
    return new GatewayError(
      ErrorReason.UPSTREAM_INTERRUPTED,
      `the stream of provider ${provider} broke off`,
      { provider, cause },
    );
  }

  #fail(error: unknown): unknown {
    this.#over = true;
    this.#failure = null;
    this.#body.cancel();
    return upstreamFault(this.#provider, error);
  }

  /** The answer is complete: lets the body end by itself, so that the connection can be used again. */
  #finish(): void {
    if (this.#over) return;
    this.#over = true;
    const body = this.#body;
    const timer = setTimeout(() => body.cancel(), lingerMs).unref();
    const drain = (bytes: Buffer | null): Promise<void> | void => {
      if (bytes === null) clearTimeout(timer);
      else return body.read().then(drain);
    };
    body
      .read()
      .then(drain)
      .catch(() => clearTimeout(timer));
  }
}
