import { constants } from 'node:http2';
import type { AddressInfo, ListenOptions } from 'node:net';
import { answerClientError } from './client-error.ts';
import { discardBody } from './discard.ts';
import { closeListener, type DrainReport, untilIdle } from './drain.ts';
import { errorBody } from './error-body.ts';
import { type Exchange, Exchanges } from './exchanges.ts';
import { type PortLimits, resolveLimits } from './limits.ts';
import { type Certificate, checkInterval, createListener, type Listener } from './listener.ts';
import { newRequestId, requestIdHeader } from './request-id.ts';
import { endSlowRequests } from './slow-requests.ts';
import { cutOffStalled } from './stalled.ts';
import type { Request, RequestHandler, Response } from './types.ts';
import { isHttp2 } from './types.ts';

export type { DrainReport } from './drain.ts';
export type { PortLimits } from './limits.ts';
export type { Certificate } from './listener.ts';
export type { Request, RequestHandler, Response } from './types.ts';

export interface PortOptions {
  /** Serves the requests of both protocols. */
  handler: RequestHandler;
  /** Serves them instead once a drain has begun. Default: 503 with a JSON body. */
  onDraining?: RequestHandler;
  /**
   * Which requests `handler` goes on to serve during a drain, such as health checks. A drain doesn't wait for these, nor
   * counts them: a health check may be a stream without end. Default: none.
   */
  servedWhileDraining?: (req: Request) => boolean;
  /** Listens with TLS, ALPN h2 and http/1.1. Default: cleartext HTTP/1.1, and HTTP/2 with prior knowledge. */
  tls?: Certificate;
  limits?: Partial<PortLimits>;
  /** Told of every request, refused ones included. */
  observer?: RequestObserver;
  /**
   * Told what no client can be: errors that a handler let escape, failures to accept connections. Without it they are
   * thrown where nothing catches them.
   */
  onError?: (error: unknown) => void;
  /** Told of a client that is cut off because it does not take its answer. */
  onStalled?: (req: Request) => void;
}

/** Watches the requests of a port. Neither may throw. */
export interface RequestObserver {
  /** A request has come; nothing has been decided of it yet. */
  began(req: Request): void;
  /** Its response is finished, or its connection closed. @param ms since it came */
  ended(req: Request, res: Response, ms: number): void;
}

/** One listening port for HTTP/1.1 and HTTP/2. Knows requests and connections, not what they are about. */
export interface Port {
  /** Starts listening; `{port: 0}` picks a free port. Rejects when the address can't be had. */
  listen(options: ListenOptions): Promise<AddressInfo>;
  /** Requests whose response isn't finished and whose connection is open, refused ones included. */
  readonly inFlight: number;
  /** Open connections, and how many of them speak HTTP/2. */
  readonly connections: { total: number; http2: number };
  /** Bytes that went over connections of clients, those that are closed included. */
  readonly traffic: { received: number; sent: number };
  /** Whether a drain has begun; it never ends but with the port. */
  readonly draining: boolean;
  /**
   * Lets the requests in flight end, for `graceMs` at most, refuses new ones meanwhile (`onDraining`), then closes
   * everything. Connections are accepted until then, so that clients get an answer. HTTP/1 answers carry
   * `connection: close`; HTTP/2 sessions get GOAWAY at once and keep their open streams. A second call returns the first
   * one's promise.
   */
  drain(graceMs: number, onGraceOver?: () => void): Promise<DrainReport>;
  /** Cuts every connection and stops listening. */
  close(): Promise<void>;
  /** New TLS connections see this certificate; open ones go on. @throws, keeping the old, if it is wrong or TLS is off */
  reloadTls(certificate: Certificate): void;
}

/** @throws RangeError for a limit out of bounds, and what node:tls throws for a wrong certificate */
export function createPort(options: PortOptions): Port {
  const limits = resolveLimits(options.limits);
  return new ListeningPort(options, limits);
}

/** How long those that are told to end when the grace is over have to say so. */
const LAST_WORDS_MS = 1_000;

class ListeningPort implements Port {
  readonly #options: PortOptions;
  readonly #listener: Listener;
  readonly #exchanges = new Exchanges();
  readonly #maxHeaderBytes: number;
  readonly #sweep: NodeJS.Timeout;
  readonly #stallSweep: NodeJS.Timeout;
  #drained: Promise<DrainReport> | undefined;
  #onEnded: () => void = () => {};

  constructor(options: PortOptions, limits: PortLimits) {
    this.#options = options;
    this.#listener = createListener(this.#serve, limits, options.tls);
    const { server } = this.#listener;
    server.on('clientError', (error, socket) => {
      let responding = false;
      for (const { req, res } of this.#exchanges.open.entries()) {
        responding ||= !isHttp2(req) && req.socket === socket && res.headersSent;
      }
      answerClientError(error, socket, responding);
    });
    this.#maxHeaderBytes = limits.maxHeaderBytes;
    const timeout = limits.requestTimeoutMs;
    this.#sweep = setInterval(
      () => endSlowRequests(this.#exchanges, timeout),
      checkInterval(timeout),
    ).unref();
    const { writeTimeoutMs } = limits;
    this.#stallSweep = setInterval(
      () => cutOffStalled(this.#exchanges, writeTimeoutMs, (req) => options.onStalled?.(req)),
      checkInterval(writeTimeoutMs),
    ).unref();
  }

  get inFlight(): number {
    return this.#exchanges.open.size;
  }

  get connections(): { total: number; http2: number } {
    return { total: this.#listener.sockets.size, http2: this.#listener.sessions.count };
  }

  get traffic(): { received: number; sent: number } {
    return this.#listener.traffic();
  }

  get draining(): boolean {
    return this.#drained !== undefined;
  }

  listen(options: ListenOptions): Promise<AddressInfo> {
    const { server } = this.#listener;
    return new Promise((resolve, reject) => {
      server.once('error', reject);
      server.listen(options, () => {
        server.off('error', reject);
        server.on('error', (error) => this.#report(error));
        resolve(server.address() as AddressInfo);
      });
    });
  }

  drain(graceMs: number, onGraceOver?: () => void): Promise<DrainReport> {
    this.#drained ??= this.#drain(graceMs, onGraceOver);
    return this.#drained;
  }

  async close(): Promise<void> {
    clearInterval(this.#sweep);
    clearInterval(this.#stallSweep);
    await closeListener(this.#listener, 0);
  }

  reloadTls(certificate: Certificate): void {
    this.#listener.reloadTls(certificate);
  }

  async #drain(graceMs: number, onGraceOver?: () => void): Promise<DrainReport> {
    for (const exchange of this.#exchanges.open.entries()) {
      closeAfter(exchange);
      if (this.#options.servedWhileDraining?.(exchange.req)) this.#exchanges.release(exchange);
    }
    this.#listener.sessions.drain();
    const listen = (listener: () => void) => {
      this.#onEnded = listener;
    };
    let idle = await untilIdle(this.#exchanges, graceMs, listen);
    const destroyed = this.#exchanges.holding;
    if (!idle && onGraceOver !== undefined) {
      onGraceOver();
      idle = await untilIdle(this.#exchanges, LAST_WORDS_MS, listen);
    }
    clearInterval(this.#sweep);
    clearInterval(this.#stallSweep);
    await closeListener(this.#listener, idle ? undefined : 0);
    return { destroyed };
  }

  readonly #serve = (req: Request, res: Response): void => {
    // Nothing that a request does may end the process.
    try {
      this.#begin(req, res);
    } catch (error) {
      res.destroy();
      this.#report(error);
    }
  };

  #begin(req: Request, res: Response): void {
    const { draining } = this;
    const exchange = this.#exchanges.start(req, res, !draining, this.#ended);
    if (exchange.session) this.#listener.sessions.requestStarted(exchange.session);
    this.#options.observer?.began(req);
    let { handler } = this.#options;
    if (draining) {
      closeAfter(exchange);
      if (!this.#options.servedWhileDraining?.(req)) {
        handler = this.#options.onDraining ?? refuseAsDraining;
        discardBody(req);
      }
    }
    if (!isHttp2(req) && req.httpVersionMajor !== 1) handler = refuseVersion;
    if (req.httpVersion === '1.1' && req.headers.host === undefined) handler = refuseWithoutHost;
    // Until the client has acknowledged the settings, Node doesn't hold it to them.
    if (exchange.session?.pendingSettingsAck && headerBytes(req) > this.#maxHeaderBytes) {
      handler = refuseLargeHeaders;
    }
    try {
      const served = handler(req, res);
      if (served) served.catch((error) => this.#failed(res, error));
    } catch (error) {
      this.#failed(res, error);
    }
  }

  readonly #ended = (exchange: Exchange): void => {
    if (exchange.session) this.#listener.sessions.requestEnded(exchange.session);
    const { req, res, startedAt } = exchange;
    this.#options.observer?.ended(req, res, performance.now() - startedAt);
    this.#onEnded();
  };

  #failed(res: Response, error: unknown): void {
    if (!res.headersSent)
      answer(res, 500, errorBody('The server failed to handle the request', 'server_error'));
    else if (!res.writableEnded) cutOff(res);
    this.#report(error);
  }

  #report(error: unknown): void {
    if (this.#options.onError) this.#options.onError(error);
    else
      queueMicrotask(() => {
        throw error;
      });
  }
}

/** Makes an HTTP/1 connection end with this exchange. HTTP/2 has GOAWAY instead. */
function closeAfter({ req, res }: Exchange): void {
  // Not a header: it holds whatever headers the handler writes.
  if (!isHttp2(req)) (res as Exclude<Response, { stream: unknown }>).shouldKeepAlive = false;
}

/** Ends a begun response so that the client can tell it from a complete one. */
function cutOff(res: Response): void {
  if ('stream' in res) res.stream.close(constants.NGHTTP2_INTERNAL_ERROR);
  else res.destroy();
}

function refuseAsDraining(_req: Request, res: Response): void {
  answer(res, 503, errorBody('The server is shutting down', 'server_error'));
}

function refuseVersion(req: Request, res: Response): void {
  discardBody(req);
  answer(res, 505, errorBody('HTTP/1.1 and HTTP/2 are served here'));
}

function refuseWithoutHost(req: Request, res: Response): void {
  discardBody(req);
  answer(res, 400, errorBody('The request has no Host header'));
}

function refuseLargeHeaders(req: Request, res: Response): void {
  discardBody(req);
  answer(res, 431, errorBody('The request headers are too large'));
}

/** Size of a request's headers as HTTP/2 counts it (RFC 9113, 6.5.2). */
function headerBytes(req: Request): number {
  let bytes = 0;
  for (const part of req.rawHeaders) bytes += part.length + 16;
  return bytes;
}

function answer(res: Response, status: number, body: string): void {
  res.statusCode = status;
  if (!res.hasHeader(requestIdHeader)) res.setHeader(requestIdHeader, newRequestId());
  // A handler may have announced another body before it failed.
  res.removeHeader('content-encoding');
  res.setHeader('content-length', Buffer.byteLength(body));
  res.setHeader('content-type', 'application/json');
  res.end(body);
}
