// What the load generator is asked for and what it gives back.

/** One call, ready to be sent as often as needed. */
export interface Call {
  port: number;
  /** A whole HTTP/1.1 request; over HTTP/2 only its body. */
  request: Uint8Array;
  /** Where in it ten digits begin that every call of HTTP/1.1 gets anew, so that no two calls ask for the same. */
  varies?: number;
  /** Makes it a call over HTTP/2. */
  h2?: { path: string; headers: Record<string, string> };
  /** Text that the end of every good HTTP/1.1 reply holds. */
  mustEndWith?: string;
  /** Text that the end of a good HTTP/1.1 reply never holds. */
  mustNotEndWith?: string;
}

export interface LoopParams {
  call: Call;
  /** Calls in flight at any time. */
  concurrency: number;
  /** No call starts after this time; those in flight are waited for. */
  durationMs: number;
  /** Calls per second that start, evenly spread; 0: as many as can be. */
  rate: number;
}

export interface LoopResult {
  /** Calls that were answered well. */
  done: number;
  /** Calls that were not: wrong status, wrong end, broken connection. */
  failed: number;
  /** Bytes of all replies. */
  bytes: number;
  elapsedMs: number;
}

export interface HoldParams {
  call: Call;
  /** Streams to open. */
  streams: number;
}

export interface LatencyParams {
  /** Called in turn, one at a time, each over one connection of its own. HTTP/1.1 only. */
  calls: Call[];
  /** First bytes to wait for: the reply's first byte when empty. */
  firstBytes: string;
  samples: number;
  /** Pause after each reply, in milliseconds. */
  gapMs: number;
}

export interface OnceResult {
  status: number;
  /** The whole reply as received; over HTTP/2 the body and a last line with the gRPC status. */
  body: Uint8Array;
}

export type LoadContract = {
  once: { params: Call; result: OnceResult };
  loop: { params: LoopParams; result: LoopResult };
  /** Opens streams and resolves when every one has delivered a chunk; gives how many did within the time. */
  hold: { params: HoldParams; result: number };
  /** Marked chunks delivered to the held streams so far. */
  delivered: { params: null; result: number };
  /** Closes the held streams without reading them to the end. */
  release: { params: null; result: null };
  /** Milliseconds to the first bytes, per call and sample. */
  latency: { params: LatencyParams; result: number[][] };
};
