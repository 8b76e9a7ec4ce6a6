/** Bounds on what a client may make one listening port wait for or hold. Milliseconds and bytes; all at least 1. */
export interface PortLimits {
  /** Time for the headers of an HTTP/1 request to arrive; then 408. At most `requestTimeoutMs`. Default 30 s. */
  headersTimeoutMs: number;
  /**
   * Time for a whole request, body included, to arrive; then 408. On HTTP/2 it binds only until response headers are
   * sent, so that bidirectional streams may stay open. Default 300 s.
   */
  requestTimeoutMs: number;
  /**
   * A client that takes nothing of its answer for so long is cut off; for each MiB that it has to take at once as much time. Default 60 s.
   */
  writeTimeoutMs: number;
  /** How long an idle HTTP/1 connection is kept for a next request. Default 75 s. */
  keepAliveTimeoutMs: number;
  /** Time for a new connection to say which protocol it speaks, or to finish its TLS handshake. Default 30 s. */
  sniffTimeoutMs: number;
  /** How long an HTTP/2 session without open streams is kept. Default 5 min. */
  http2IdleTimeoutMs: number;
  /** How often an HTTP/2 client with open streams is asked for a sign of life (PING). Default 60 s. */
  http2PingIntervalMs: number;
  /** How long after a PING with nothing received at all the client counts as gone. Default 20 s. */
  http2PingTimeoutMs: number;
  /** Silence after which TCP keep-alive probes start, on any connection; the kernel decides the rest. Default 60 s. */
  tcpKeepAliveDelayMs: number;
  /** Size of a request's headers, request line included; more is 431 (HTTP/1) or a reset stream (HTTP/2). 64 KiB. */
  maxHeaderBytes: number;
  /** Streams that one HTTP/2 session may have open at once. Default 1000. */
  maxConcurrentStreams: number;
  /** Connections open at once; further ones are closed on arrival. Default: no bound but the file descriptors. */
  maxConnections: number;
  /** Flow-control window of one HTTP/2 stream: what an unread upload may hold in memory. Default 1 MiB. */
  http2StreamWindowBytes: number;
  /**
   * Flow-control window of a whole HTTP/2 session. Several stream windows, so that one unread upload doesn't stop the
   * others. Default 8 MiB.
   */
  http2SessionWindowBytes: number;
}

export const DEFAULT_LIMITS: Readonly<PortLimits> = {
  headersTimeoutMs: 30_000,
  requestTimeoutMs: 300_000,
  writeTimeoutMs: 60_000,
  keepAliveTimeoutMs: 75_000,
  sniffTimeoutMs: 30_000,
  http2IdleTimeoutMs: 300_000,
  http2PingIntervalMs: 60_000,
  http2PingTimeoutMs: 20_000,
  tcpKeepAliveDelayMs: 60_000,
  maxHeaderBytes: 64 * 1024,
  maxConcurrentStreams: 1000,
  maxConnections: Number.POSITIVE_INFINITY,
  http2StreamWindowBytes: 1024 * 1024,
  http2SessionWindowBytes: 8 * 1024 * 1024,
};

/** Node's timers fire at once beyond this, and HTTP/2 windows end here. */
const MAX = 2 ** 31 - 1;

/**
 * The given limits over the defaults.
 * @throws RangeError naming the first limit that isn't a whole number from 1 to 2^31-1 (`maxConnections` may be Infinity).
 */
export function resolveLimits(given: Partial<PortLimits> = {}): PortLimits {
  const limits = { ...DEFAULT_LIMITS };
  for (const name of Object.keys(limits) as (keyof PortLimits)[]) {
    const value = given[name];
    if (value === undefined) continue;
    const unbounded = name === 'maxConnections' && value === Number.POSITIVE_INFINITY;
    if (!unbounded && !(Number.isInteger(value) && value >= 1 && value <= MAX)) {
      throw new RangeError(`${name} must be a whole number from 1 to ${MAX}, got ${value}`);
    }
    limits[name] = value;
  }
  limits.headersTimeoutMs = Math.min(limits.headersTimeoutMs, limits.requestTimeoutMs);
  return limits;
}
