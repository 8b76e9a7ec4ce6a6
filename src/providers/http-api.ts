import { parseJson } from '../codec/json.ts';
import type { ErrorReply } from '../codec/upstream-error.ts';
import { notUnderstood } from '../codec/upstream-error.ts';
import type { GatewayError } from '../errors/gateway-error.ts';
import type { UpstreamClient, UpstreamResponse } from '../http/client.ts';
import type { TraceContext } from '../observability/trace.ts';
import type { KeyChoice, KeyPool } from './key-pool.ts';
import type { Timeouts } from './provider.ts';
import { upstreamFault } from './upstream-fault.ts';

/** Where a provider's API is, and what its requests need. */
export interface HttpApiOptions {
  readonly name: string;
  /** Address to which paths are added. */
  readonly baseUrl: string;
  /** Sent with every request: authorization and what else the provider wants. Names in lower case. */
  readonly headers: Readonly<Record<string, string>>;
  /** Where there are several keys: each request has one of them, and another one when that is refused. */
  readonly keys?: KeyPool | undefined;
  /** Headers that hang on the very request, such as its signature; they win. */
  readonly sign?: (request: SignedRequest) => Readonly<Record<string, string>>;
  /** A reply that did not succeed, as the error that the client is told of. */
  readonly decodeError: (reply: ErrorReply) => GatewayError;
}

/** What a signature covers. */
export interface SignedRequest {
  readonly method: string;
  /** Scheme, host and port. */
  readonly origin: string;
  /** Path and query, as sent. */
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

/** One request to a provider. */
export interface ApiRequest {
  /** What comes after the provider's address, starting with `/`, query included. */
  readonly path: string;
  /** JSON text of a POST; null for a GET. */
  readonly body: string | null;
  /** Media type of the wanted answer. Default `application/json`. */
  readonly accept?: string;
  /** Model that it is about, if any. */
  readonly model?: string;
  /** See ProviderCall.keys. */
  readonly keys?: KeyChoice | undefined;
  /** More headers for this request; names in lower case. */
  readonly headers?: Readonly<Record<string, string>>;
  readonly signal: AbortSignal;
  readonly timeouts: Timeouts;
  /** Sent as W3C has it. */
  readonly trace?: TraceContext | undefined;
}

/** An error body is read as far as this. */
const maxErrorBytes = 256 * 1024;
/** Limits of calls that nobody waits for in person: model lists, say. In milliseconds. */
export const backgroundTimeouts: Timeouts = { connectMs: 5_000, firstByteMs: 10_000, idleMs: 10_000 };

/** A provider's HTTP API. Every failure is a GatewayError that names the provider. */
export class HttpApi {
  readonly name: string;
  readonly #options: HttpApiOptions;
  readonly #client: UpstreamClient;
  readonly #origin: string;
  readonly #root: string;

  constructor(options: HttpApiOptions, client: UpstreamClient) {
    const { origin, pathname } = new URL(options.baseUrl);
    this.name = options.name;
    this.#options = options;
    this.#client = client;
    this.#origin = origin;
    this.#root = pathname.replace(/\/+$/, '');
  }

  /** Resolves when the head of a reply that succeeded is there. The body has to be read to its end or cancelled. */
  async send(request: ApiRequest): Promise<UpstreamResponse> {
    const { body, accept = 'application/json', signal, timeouts } = request;
    const { decodeError, sign, keys } = this.#options;
    const tries = keys === undefined ? null : keys.begin(request.model ?? '', request.keys ?? null);
    const method = body === null ? 'GET' : 'POST';
    const path = `${this.#root}${request.path}`;
    const headers: Record<string, string> = { accept, ...this.#options.headers, ...request.headers };
    if (body !== null) headers['content-type'] = 'application/json';
    if (request.trace !== undefined) Object.assign(headers, request.trace);
    if (sign !== undefined) {
      Object.assign(headers, sign({ method, origin: this.#origin, path, headers, body: body ?? '' }));
    }
    const { name: provider } = this;
    try {
      for (;;) {
        if (tries !== null) Object.assign(headers, tries.headers);
        const response = await this.#client.send({
          origin: this.#origin,
          path,
          method,
          headers,
          body,
          signal,
          timeouts,
        });
        const { status } = response;
        if (status >= 200 && status < 300) {
          tries?.accepted();
          return response;
        }
        const text = await response.body.text(maxErrorBytes);
        const error = decodeError({ status, headers: response.headers, body: text, provider });
        if (tries === null || !tries.next(error)) throw error;
      }
    } catch (error) {
      throw upstreamFault(this.name, error);
    }
  }

  /** The body of a reply as JSON. @param maxBytes its bound; default 64 MiB */
  async readJson(response: UpstreamResponse, maxBytes?: number): Promise<unknown> {
    let text: string;
    try {
      text = await response.body.text(maxBytes);
    } catch (error) {
      throw upstreamFault(this.name, error);
    }
    try {
      return parseJson(text);
    } catch {
      throw notUnderstood(this.name, 'it is not valid JSON');
    }
  }

  /** Sends, and reads the reply as JSON. */
  async json(request: ApiRequest, maxBytes?: number): Promise<unknown> {
    return this.readJson(await this.send(request), maxBytes);
  }
}
