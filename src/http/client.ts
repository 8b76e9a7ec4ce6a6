import type { LookupFunction } from 'node:net';
import { Client, type Dispatcher, Pool } from 'undici';
import type { UpstreamBody } from './body.ts';
import { Deadlines } from './deadlines.ts';
import { decodeBody } from './decode-body.ts';
import { UpstreamError } from './errors.ts';
import { Exchange, type ExchangeContext, type UpstreamTimeouts } from './exchange.ts';

export type { UpstreamBody } from './body.ts';
export { UpstreamError, type UpstreamErrorKind, type UpstreamPhase } from './errors.ts';
export type { UpstreamTimeouts } from './exchange.ts';

export interface UpstreamClientOptions {
  /** Connections to one origin at most; further requests wait for one. Default 256. */
  connections?: number;
  /**
   * Requests that may wait for a connection to one origin; more fail with kind `overloaded`. Default 1024.
   */
  maxWaiting?: number;
  /** Origins at most; beyond it the longest known one without requests is forgotten. Default 256. */
  maxOrigins?: number;
  /** Bytes of one response that may lie unread before its upstream is paused. Default 64 KiB. */
  highWaterBytes?: number;
  /** The longest a single attempt to connect may take, in ms, whatever a request allows. Default 30 000. */
  connectTimeoutMs?: number;
  /**
   * How long an idle connection is kept where the server names no time of its own (if it does, 1 s less than
   * that). It must be shorter than the server's own time, or requests run into connections that are just
   * being closed. Default: 4 000 ms for `http:`, since local model servers close after 5 s; 30 000 ms for
   * `https:`, where the load balancers of providers wait for a minute or longer and a new connection is dear.
   */
  keepAliveMs?: number;
  /** Whether HTTP/2 may be agreed upon with an `https:` origin. Default false. */
  allowH2?: boolean;
  /** Certificate authorities (PEM) to trust instead of the system's. */
  ca?: string | Buffer | (string | Buffer)[];
  /**
   * Finds the addresses of host names instead of the system; connections are made to no others. What it fails with is the cause of the
   * UpstreamError. Not asked for origins that name an address.
   */
  lookup?: LookupFunction;
}

export interface UpstreamRequest {
  /** Scheme, host and port: `https://api.example.com`, without a path. */
  origin: string;
  /** Path and query, starting with `/`. */
  path: string;
  method: string;
  /** Sent as they are. No `accept-encoding` is added, so that upstreams don't compress. */
  headers: Record<string, string>;
  body: string | Buffer | null;
  /**
   * Aborting it closes the upstream connection at once and rejects whatever is pending with the signal's
   * reason.
   */
  signal: AbortSignal | null;
  timeouts: UpstreamTimeouts;
}

export interface UpstreamResponse {
  status: number;
  /** Names in lower case; repeated headers joined with `, `. */
  headers: Record<string, string>;
  body: UpstreamBody;
}

export interface OriginStats {
  /** Open connections. */
  connected: number;
  /** Requests that have a connection. */
  running: number;
  /** Requests without one yet. */
  waiting: number;
}

export interface UpstreamClient {
  /**
   * Sends a request; resolves when the head of a response is there, whatever its status. The body must then
   * be read to its end or cancelled. Redirects aren't followed. Nothing is sent twice, but for a request that
   * provably never left in full, because the upstream had closed the kept-alive connection meanwhile.
   * @throws UpstreamError; the signal's reason when it is aborted
   */
  send(request: UpstreamRequest): Promise<UpstreamResponse>;
  /** The connections by origin. */
  stats(): Record<string, OriginStats>;
  /** Refuses new requests (kind `aborted`), resolves when the running ones have ended. */
  close(): Promise<void>;
  /** Fails all requests with kind `aborted` and closes all connections. */
  destroy(): Promise<void>;
}

/**
 * A client for any number of upstreams, each with a pool of connections of its own. One per process is
 * enough.
 */
export function createUpstreamClient(options: UpstreamClientOptions = {}): UpstreamClient {
  return new PooledClient(options);
}

interface Origin extends ExchangeContext {
  readonly pool: Pool;
  /** Requests the pool has not let go of. */
  pending: number;
}

/**
 * A pool takes `false` for "busy until I say otherwise", but a client also returns it for a request that it
 * found invalid, and has nothing to say afterwards: every such request would cost the pool one connection for
 * good.
 */
class PoolMember extends Client {
  override dispatch(options: Dispatcher.DispatchOptions, handler: Dispatcher.DispatchHandler): boolean {
    return super.dispatch(options, handler) || (handler as Exchange).refused;
  }
}

class PooledClient implements UpstreamClient {
  readonly #options: UpstreamClientOptions;
  readonly #connections: number;
  readonly #maxPending: number;
  readonly #maxOrigins: number;
  readonly #highWaterBytes: number;
  readonly #deadlines = new Deadlines();
  readonly #origins = new Map<string, Origin>();
  #closed = false;

  constructor(options: UpstreamClientOptions) {
    this.#options = options;
    this.#connections = options.connections ?? 256;
    this.#maxPending = this.#connections + (options.maxWaiting ?? 1024);
    this.#maxOrigins = options.maxOrigins ?? 256;
    this.#highWaterBytes = options.highWaterBytes ?? 64 * 1024;
  }

  send(request: UpstreamRequest): Promise<UpstreamResponse> {
    const { signal } = request;
    if (signal?.aborted) return Promise.reject(signal.reason);
    let origin: Origin;
    try {
      origin = this.#originOf(request.origin);
    } catch (error) {
      return Promise.reject(error);
    }
    return new Promise((resolve, reject) => {
      const { path, method, headers, body, timeouts } = request;
      const exchange = new Exchange(
        origin,
        { path, method, headers, body },
        timeouts,
        signal,
        (head) => {
          const coding = head.headers['content-encoding'];
          const decoded = coding === undefined ? exchange : decodeBody(exchange, coding);
          if (decoded !== null) {
            resolve({ status: head.status, headers: head.headers, body: decoded });
          } else {
            exchange.cancel();
            reject(new UpstreamError('protocol', 'body', `unknown content coding from ${origin.origin}`));
          }
        },
        reject,
      );
      origin.pending++;
      exchange.start();
    });
  }

  stats(): Record<string, OriginStats> {
    const all: Record<string, OriginStats> = {};
    for (const { origin, pool } of this.#origins.values()) {
      const { connected, running, pending } = pool.stats;
      all[origin] = { connected, running, waiting: pending };
    }
    return all;
  }

  async close(): Promise<void> {
    this.#closed = true;
    await Promise.all([...this.#origins.values()].map(({ pool }) => pool.close()));
  }

  async destroy(): Promise<void> {
    this.#closed = true;
    await Promise.all([...this.#origins.values()].map(({ pool }) => pool.destroy()));
  }

  #originOf(url: string): Origin {
    const known = this.#origins.get(url);
    if (this.#closed) throw new UpstreamError('aborted', 'connect', 'the upstream client is closed');
    if (known === undefined) return this.#addOrigin(url);
    if (known.pending >= this.#maxPending) {
      throw new UpstreamError('overloaded', 'connect', `too many requests wait for a connection to ${url}`);
    }
    return known;
  }

  #addOrigin(url: string): Origin {
    if (this.#origins.size >= this.#maxOrigins) this.#forgetOne();
    const origin: Origin = {
      origin: url,
      pool: this.#createPool(url),
      deadlines: this.#deadlines,
      highWaterBytes: this.#highWaterBytes,
      pending: 0,
      released: () => {
        origin.pending--;
      },
      busy: () => origin.pool.stats.connected >= this.#connections,
    };
    this.#origins.set(url, origin);
    return origin;
  }

  #forgetOne(): void {
    for (const [url, { pool, pending }] of this.#origins) {
      if (pending > 0) continue;
      this.#origins.delete(url);
      void pool.close();
      return;
    }
    throw new UpstreamError(
      'overloaded',
      'connect',
      `more than ${this.#maxOrigins} upstream origins are in use`,
    );
  }

  #createPool(url: string): Pool {
    const options = this.#options;
    try {
      return new Pool(url, {
        connections: this.#connections,
        pipelining: 1,
        allowH2: options.allowH2 ?? false,
        connectTimeout: options.connectTimeoutMs ?? 30_000,
        // Exchanges keep their own time, per request and to the millisecond.
        headersTimeout: 0,
        bodyTimeout: 0,
        keepAliveTimeout: options.keepAliveMs ?? (url.startsWith('https:') ? 30_000 : 4_000),
        keepAliveTimeoutThreshold: 1_000,
        keepAliveMaxTimeout: 600_000,
        maxHeaderSize: 64 * 1024,
        factory: (origin, opts) => new PoolMember(origin, opts as Client.Options),
        connect: {
          ...(options.ca === undefined ? {} : { ca: options.ca }),
          ...(options.lookup === undefined ? {} : { lookup: options.lookup }),
        },
      });
    } catch (error) {
      throw new UpstreamError(
        'protocol',
        'connect',
        'an upstream origin must be a URL without a path',
        error,
      );
    }
  }
}
