// The cheapest call of the upstream that still parses what comes back: shared by all that the gateway is compared with.

import { type Dispatcher, Pool } from 'undici';

export interface UpstreamTarget {
  pool: Pool;
  path: string;
}

/** `baseUrl` in the meaning of OpenAI's SDK: it ends in `/v1`. */
export function upstreamTarget(baseUrl: string): UpstreamTarget {
  const url = new URL(baseUrl);
  return { pool: new Pool(url.origin), path: `${url.pathname}/chat/completions` };
}

export interface UpstreamEvents {
  /** Events of a stream that arrived in one read, parsed. `[DONE]` is not among them. */
  onEvents: (events: unknown[]) => void;
  onEnd: () => void;
  onError: (error: Error) => void;
}

/** Calls back with the parsed reply. */
export function callUnary(
  target: UpstreamTarget,
  body: string,
  callback: (error: Error | null, reply: unknown) => void,
): void {
  const parts: Buffer[] = [];
  target.pool.dispatch(requestOf(target, body), {
    onRequestStart() {},
    onResponseStart() {},
    onResponseData(_controller, data) {
      parts.push(data);
    },
    onResponseEnd() {
      let reply: unknown;
      try {
        reply = JSON.parse((parts.length === 1 ? parts[0]! : Buffer.concat(parts)).toString());
      } catch (error) {
        callback(error as Error, undefined);
        return;
      }
      callback(null, reply);
    },
    onResponseError(_controller, error) {
      callback(error, undefined);
    },
  });
}

/** Gives a function that ends the call. */
export function callStream(target: UpstreamTarget, body: string, events: UpstreamEvents): () => void {
  let controller: Dispatcher.DispatchController | undefined;
  let aborted = false;
  const splitter = new EventSplitter();
  let batch: unknown[] = [];
  const flush = (): void => {
    if (batch.length === 0 || aborted) return;
    const full = batch;
    batch = [];
    events.onEvents(full);
  };
  target.pool.dispatch(requestOf(target, body), {
    onRequestStart(started) {
      controller = started;
      if (aborted) started.abort(new Error('aborted'));
    },
    onResponseStart() {},
    onResponseData(_controller, data) {
      // Every HTTP chunk comes here on its own; those of one read leave together.
      if (batch.length === 0) process.nextTick(flush);
      splitter.push(data, batch);
    },
    onResponseEnd() {
      flush();
      events.onEnd();
    },
    onResponseError(_controller, error) {
      if (!aborted) events.onError(error);
    },
  });
  return () => {
    aborted = true;
    controller?.abort(new Error('aborted'));
  };
}

function requestOf(target: UpstreamTarget, body: string): Dispatcher.DispatchOptions {
  return {
    path: target.path,
    method: 'POST',
    headers: { 'content-type': 'application/json', authorization: 'Bearer bench' },
    body,
  };
}

const EVENT_END = Buffer.from('\n\n');

/** Splits `data:` events. Knows only the form that the benchmark's upstream sends. */
class EventSplitter {
  #rest: Buffer | undefined;

  push(data: Buffer, into: unknown[]): void {
    const buffer = this.#rest ? Buffer.concat([this.#rest, data]) : data;
    let start = 0;
    for (let end = buffer.indexOf(EVENT_END); end !== -1; end = buffer.indexOf(EVENT_END, start)) {
      const text = buffer.toString('utf8', start + 6, end);
      if (text !== '[DONE]') into.push(JSON.parse(text));
      start = end + 2;
    }
    this.#rest = start < buffer.length ? buffer.subarray(start) : undefined;
  }
}
