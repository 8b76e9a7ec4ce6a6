import { isUtf8 } from 'node:buffer';
import { ErrorReason } from '../../gen/llmgateway/v1/error_pb.js';
import type { Principal } from '../auth/principal.ts';
import { isObject, type Json, parseJson } from '../codec/json.ts';
import { GatewayError, invalidRequest } from '../errors/gateway-error.ts';
import { readTrace } from '../observability/trace.ts';
import { type CallContext, namesOf } from '../rpc/call-context.ts';
import { correlationHeader } from '../rpc/correlation.ts';
import { BodyError, readBody } from '../server/body.ts';
import { clientGone } from '../server/disconnect.ts';
import type { Request, Response } from '../server/types.ts';
import type { ErrorReply } from './error-form.ts';

/** One REST request and its response. */
export interface Exchange {
  readonly req: Request;
  readonly res: Response;
  /** Path without query, still percent-encoded. */
  readonly path: string;
  /** What follows `?`, without it. */
  readonly query: string;
  readonly requestId: string;
  /** Who asks. */
  readonly principal: Principal;
  /** Headers of every reply. */
  readonly moreHeaders?: (() => Readonly<Record<string, string>>) | undefined;
  /** How errors are told, where the path alone does not say it. */
  errorForm?: (error: GatewayError) => ErrorReply;
  /** The client's own id of the call, on routes that have one. */
  correlation?: string;
}

/** Serves one route. What it throws is written as the route's error body. */
export type RestHandler = (exchange: Exchange) => Promise<void> | void;

/** Longest time limit that a client may name, in milliseconds: what a timer can hold. */
const maxTimeoutMs = 2 ** 31 - 1;

export const header = (exchange: Exchange, name: string): string | undefined => {
  const value = exchange.req.headers[name];
  return Array.isArray(value) ? value[0] : value;
};

/** A part of a path as its client meant it. What is not percent-encoding stands for itself. */
export function unescaped(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}

/** What a call needs to know of the client. */
export function clientOf(
  exchange: Exchange,
): Pick<CallContext, 'client' | 'principal' | 'timeoutMs' | 'trace' | 'named'> {
  const { req, res, principal } = exchange;
  return {
    principal,
    client: (listener) => clientGone(req, res, listener),
    timeoutMs: timeoutOf(exchange),
    named: namesOf(exchange.correlation ?? header(exchange, correlationHeader)),
    trace: readTrace(header(exchange, 'traceparent'), header(exchange, 'tracestate')),
  };
}

/** `X-Request-Timeout-Ms`: the client's limit for the whole call. @throws GatewayError when it is not one */
function timeoutOf(exchange: Exchange): number | null {
  const given = header(exchange, 'x-request-timeout-ms');
  if (given === undefined) return null;
  const value = /^\d{1,10}$/.test(given) ? Number(given) : 0;
  if (value < 1 || value > maxTimeoutMs) {
    throw invalidRequest(
      'X-Request-Timeout-Ms',
      `X-Request-Timeout-Ms has to be a whole number of milliseconds from 1 to ${maxTimeoutMs}`,
    );
  }
  return value;
}

/** A header that is `true` or `false`; undefined when it is not there. @throws GatewayError when it is neither */
export function booleanHeader(exchange: Exchange, name: string): boolean | undefined {
  const value = header(exchange, name.toLowerCase())?.toLowerCase();
  if (value === undefined) return undefined;
  if (value !== 'true' && value !== 'false')
    throw invalidRequest(name, `${name} has to be "true" or "false"`);
  return value === 'true';
}

const bodyReasons = {
  too_large: ErrorReason.REQUEST_TOO_LARGE,
  unsupported_encoding: ErrorReason.UNSUPPORTED_MEDIA_TYPE,
  bad_encoding: ErrorReason.INVALID_REQUEST,
  client_gone: ErrorReason.CANCELLED,
} as const;

/**
 * The request's body as JSON.
 * @param whenEmpty what stands for an empty body, where it may be
 * @throws GatewayError when it is too large, cut off or not JSON
 */
export async function readJson(exchange: Exchange, maxBytes: number, whenEmpty?: unknown): Promise<unknown> {
  let body: Buffer;
  try {
    body = await readBody(exchange.req, maxBytes);
  } catch (error) {
    if (!(error instanceof BodyError)) throw error;
    throw new GatewayError(bodyReasons[error.problem], error.message, { cause: error });
  }
  if (body.length === 0 && whenEmpty !== undefined) return whenEmpty;
  if (!isUtf8(body)) throw invalidRequest('body', 'the body is not valid UTF-8');
  try {
    return parseJson(body.toString('utf8'));
  } catch {
    // The parser's own message quotes the body; it must not reach a log.
    throw invalidRequest('body', body.length === 0 ? 'the body is empty' : 'the body is not valid JSON');
  }
}

/**
 * The request's body as a JSON object of known members.
 * @param whenEmpty what stands for an empty body, where it may be
 * @throws GatewayError when it is none, or has others
 */
export async function readMembers(
  exchange: Exchange,
  maxBytes: number,
  known: readonly string[],
  whenEmpty?: Json,
): Promise<Json> {
  const body = await readJson(exchange, maxBytes, whenEmpty);
  if (!isObject(body)) throw invalidRequest('body', 'the body has to be a JSON object');
  refuseOthers(Object.keys(body), known);
  return body;
}

/**
 * What is misspelt must not be taken for what is not there.
 * @param above what stands before the names in a message, such as `handler.`
 * @throws GatewayError that names the first one that is not known
 */
export function refuseOthers(given: Iterable<string>, known: readonly string[], above = ''): void {
  for (const name of given) {
    if (known.includes(name)) continue;
    const field = `${above}${name}`.slice(0, 200);
    throw invalidRequest(field, `Unknown field '${field}': there are ${known.join(', ')}.`);
  }
}

/** Writes a JSON reply. */
export function sendJson(
  exchange: Exchange,
  status: number,
  body: string,
  headers?: Record<string, string>,
): void {
  const { res, requestId, moreHeaders } = exchange;
  if (res.headersSent || res.destroyed) return;
  // As bytes: Node would join a string with the head and encode the whole of it once more.
  const bytes = Buffer.from(body);
  res.writeHead(status, {
    ...moreHeaders?.(),
    ...headers,
    'x-request-id': requestId,
    'content-type': 'application/json',
    'content-length': bytes.length,
  });
  res.end(bytes);
}
