import type { GatewayError } from '../../errors/gateway-error.ts';
import { isObject, type Json } from '../json.ts';
import { type ErrorReply, excerpt, retryAfter, upstreamFailure } from '../upstream-error.ts';

/** A reply with an error status as the error that the client is told of. */
export function decodeGeminiError({ status, headers, body, provider }: ErrorReply): GatewayError {
  return upstreamError(provider, errorObject(body), status, retryAfter(headers));
}

/** What a body says of the error: an object, or a list of one as streams without SSE have it. */
function errorObject(body: string): Json {
  let json: unknown;
  try {
    json = JSON.parse(body);
  } catch {
    return { message: excerpt(body) };
  }
  const error = errorIn(json);
  if (isObject(error)) return error;
  return { message: typeof error === 'string' ? error : excerpt(body) };
}

/** The error in a body or a chunk, if it is one; undefined when it is none. */
export function errorIn(json: unknown): unknown {
  if (Array.isArray(json)) return json.length > 0 ? errorIn(json[0]) : undefined;
  if (!isObject(json)) return undefined;
  return json['error'] ?? undefined;
}

/**
 * An error object (google.rpc.Status) as the error that the client is told of.
 * @param status HTTP status of the reply; 200 when the error came inside a good one, then its own code decides
 */
export function upstreamError(
  provider: string,
  error: unknown,
  status: number,
  retryAfterMs?: number,
): GatewayError {
  const json: Json = isObject(error) ? error : { message: typeof error === 'string' ? error : '' };
  const { message, code, status: word, details } = json;
  const name = typeof word === 'string' ? word : '';
  const text = typeof message === 'string' ? message : '';
  const facts = detailsOf(details);
  const known = status === 200 ? statusOf(code, name) : status;
  const wait = retryAfterMs ?? facts.retryAfterMs;
  return upstreamFailure(provider, {
    status: isKeyFault(known, facts.reason, text) ? 401 : known,
    message: text,
    code: facts.reason === '' ? name : facts.reason,
    type: name,
    field: facts.field,
    retryAfterMs: wait,
    ...(facts.exhausted ? { retryable: false } : {}),
  });
}

/** A wrong key comes as a bad request; but the key is the gateway's, not the client's. */
const isKeyFault = (status: number, reason: string, message: string): boolean =>
  status === 400 &&
  (reason === 'API_KEY_INVALID' || /\bAPI key (?:not valid|expired|not found)/i.test(message));

interface Details {
  /** google.rpc.ErrorInfo.reason. */
  reason: string;
  field: string;
  retryAfterMs: number | undefined;
  /** A quota of the day is used up: waiting for moments does not help. */
  exhausted: boolean;
}

/** More details than this are not looked at. */
const maxDetails = 64;

function detailsOf(list: unknown): Details {
  const facts: Details = { reason: '', field: '', retryAfterMs: undefined, exhausted: false };
  if (!Array.isArray(list)) return facts;
  for (const detail of list.slice(0, maxDetails)) {
    if (!isObject(detail) || typeof detail['@type'] !== 'string') continue;
    const type = detail['@type'].slice(detail['@type'].lastIndexOf('.') + 1);
    if (type === 'ErrorInfo' && typeof detail['reason'] === 'string') facts.reason = detail['reason'];
    if (type === 'RetryInfo') facts.retryAfterMs = milliseconds(detail['retryDelay']);
    if (type === 'BadRequest') facts.field = violations(detail['fieldViolations'], 'field')[0] ?? '';
    if (type === 'QuotaFailure') {
      facts.exhausted = violations(detail['violations'], 'quotaId').some((id) => id.includes('PerDay'));
    }
  }
  return facts;
}

function violations(list: unknown, key: string): string[] {
  if (!Array.isArray(list)) return [];
  return list
    .slice(0, maxDetails)
    .map((violation) => (isObject(violation) ? violation[key] : undefined))
    .filter((value) => typeof value === 'string');
}

/** A day, as for the headers. */
const maxRetryAfterMs = 86_400_000;

/** A google.protobuf.Duration: "17s", "3.5s". */
function milliseconds(duration: unknown): number | undefined {
  const seconds = typeof duration === 'string' ? /^(\d{1,9}(?:\.\d{1,9})?)s$/.exec(duration)?.[1] : undefined;
  return seconds === undefined ? undefined : Math.min(Math.ceil(Number(seconds) * 1000), maxRetryAfterMs);
}

/** HTTP statuses of the names of google.rpc.Code. */
const statusByName: ReadonlyMap<string, number> = new Map([
  ['INVALID_ARGUMENT', 400],
  ['FAILED_PRECONDITION', 400],
  ['OUT_OF_RANGE', 400],
  ['UNAUTHENTICATED', 401],
  ['PERMISSION_DENIED', 403],
  ['NOT_FOUND', 404],
  ['ABORTED', 409],
  ['ALREADY_EXISTS', 409],
  ['RESOURCE_EXHAUSTED', 429],
  ['UNAVAILABLE', 503],
  ['DEADLINE_EXCEEDED', 504],
]);

/** The status that an error inside a good reply stands for. */
function statusOf(code: unknown, name: string): number {
  if (typeof code === 'number' && code >= 400 && code < 600) return code;
  return statusByName.get(name) ?? 500;
}
