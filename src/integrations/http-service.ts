import { type UpstreamBody, type UpstreamClient, UpstreamError } from '../http/client.ts';
import type { Logger } from '../observability/log.ts';
import { Breaker, type BreakerRules, type BreakerState, type Verdict } from './breaker.ts';
import { badStatus, circuitOpen, isTrouble, serviceFailure, tooLate } from './failure.ts';
import { type Service, type ServiceAnswer, ServiceError, type ServiceRequest } from './service.ts';

/** What a service is made of. */
export interface HttpServiceOptions {
  readonly name: string;
  /** Address to which paths are added, without a slash at its end. */
  readonly baseUrl: string;
  /** Longest call unless the request says otherwise, in milliseconds. */
  readonly timeoutMs: number;
  /** Largest answer, in bytes. */
  readonly maxAnswerBytes: number;
  readonly breaker: BreakerRules;
  /** Sent as `user-agent`. */
  readonly userAgent: string;
  /** The clock of breakers in milliseconds, one that nobody sets. */
  readonly now?: () => number;
}

/** An error's body is kept as far as this. */
const maxErrorBytes = 8 * 1024;
/** The call's own limit is over all of them. */
const noTimeouts = { connectMs: Infinity, firstByteMs: Infinity, idleMs: Infinity };

/** A service over HTTP. */
export class HttpService implements Service {
  readonly name: string;
  readonly timeoutMs: number;
  readonly #options: HttpServiceOptions;
  readonly #client: UpstreamClient;
  readonly #log: Logger;
  readonly #origin: string;
  readonly #root: string;
  /** By name. The names are the code's own, so there is a handful. */
  readonly #breakers = new Map<string, Breaker>();

  constructor(options: HttpServiceOptions, client: UpstreamClient, log: Logger) {
    const { origin, pathname } = new URL(options.baseUrl);
    this.name = options.name;
    this.timeoutMs = options.timeoutMs;
    this.#options = options;
    this.#client = client;
    this.#log = log;
    this.#origin = origin;
    this.#root = pathname.replace(/\/+$/, '');
  }

  async call(request: ServiceRequest): Promise<ServiceAnswer> {
    const { breaker = this.name, signal } = request;
    signal.throwIfAborted();
    // Beside the error: it says what the error's text must not.
    let cause: unknown;
    const attempt = (): Promise<ServiceAnswer> =>
      this.#timed(request, (error) => {
        cause = error;
      });
    if (breaker === null) return attempt();
    const verdictOf = (error: unknown): Verdict => {
      if (!(error instanceof ServiceError)) return 'left';
      return isTrouble(error, cause) ? 'trouble' : 'alive';
    };
    return this.#breaker(breaker).run(attempt, verdictOf, () => circuitOpen(this.name));
  }

  #breaker(name: string): Breaker {
    const known = this.#breakers.get(name);
    if (known !== undefined) return known;
    const onChange = (state: BreakerState): void => {
      const fields = { upstream: this.name, breaker: name, state };
      if (state === 'open') this.#log.warn('circuit breaker opens', fields);
      else this.#log.info(state === 'closed' ? 'circuit breaker closes' : 'circuit breaker probes', fields);
    };
    const made = new Breaker(this.#options.breaker, onChange, this.#options.now);
    this.#breakers.set(name, made);
    return made;
  }

  /** One try within the time limit. Rejects with a ServiceError, or what the client's signal aborts with. */
  async #timed(request: ServiceRequest, onCause: (error: unknown) => void): Promise<ServiceAnswer> {
    const { signal, timeoutMs = this.timeoutMs } = request;
    const stop = new AbortController();
    const leave = (): void => stop.abort(signal.reason);
    signal.addEventListener('abort', leave, { once: true });
    const timer = setTimeout(() => stop.abort(tooLate(this.name, timeoutMs)), timeoutMs);
    try {
      return await this.#exchange(request, stop.signal);
    } catch (error) {
      if (!(error instanceof UpstreamError)) throw error;
      onCause(error);
      throw serviceFailure(this.name, error, timeoutMs, this.#options.maxAnswerBytes);
    } finally {
      clearTimeout(timer);
      signal.removeEventListener('abort', leave);
    }
  }

  async #exchange(request: ServiceRequest, signal: AbortSignal): Promise<ServiceAnswer> {
    const { status, body } = await this.#client.send({
      origin: this.#origin,
      path: `${this.#root}${request.path}`,
      method: request.method,
      headers: this.#headers(request),
      body: request.json ?? null,
      signal,
      timeouts: noTimeouts,
    });
    if (status >= 200 && status < 300) return { status, text: await body.text(this.#options.maxAnswerBytes) };
    if (status >= 400) throw badStatus(this.name, status, await beginningOf(body));
    // What a redirect says is where it leads: an inner address.
    body.cancel();
    throw badStatus(this.name, status, '');
  }

  #headers({ json, headers, requestId, traceparent, tracestate }: ServiceRequest): Record<string, string> {
    return {
      accept: 'application/json',
      ...headers,
      ...(json === undefined ? {} : { 'content-type': 'application/json' }),
      'user-agent': this.#options.userAgent,
      'x-request-id': requestId,
      ...(traceparent === undefined ? {} : { traceparent }),
      // It has no meaning without the other.
      ...(traceparent === undefined || tracestate === undefined ? {} : { tracestate }),
    };
  }
}

/** The beginning of an error's body. One that breaks off, or stalls, is as good as it came: the status is known. */
async function beginningOf(body: UpstreamBody): Promise<string> {
  const chunks: Buffer[] = [];
  let size = 0;
  while (size < maxErrorBytes) {
    let chunk: Buffer | null;
    try {
      chunk = await body.read();
    } catch (error) {
      if (error instanceof UpstreamError || error instanceof ServiceError) break;
      throw error;
    }
    if (chunk === null) break;
    chunks.push(chunk);
    size += chunk.length;
  }
  body.cancel();
  return Buffer.concat(chunks).subarray(0, maxErrorBytes).toString('utf8');
}
