import { ErrorReason } from '../../../gen/llmgateway/v1/error_pb.js';
import { type ErrorFacts, GatewayError } from '../../errors/gateway-error.ts';
import { isObject, type Json } from './json.ts';

/** An upstream's reply that is an error. */
export interface ErrorReply {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
  readonly provider: string;
}

const maxMessage = 500;
const maxExcerpt = 200;
const maxWord = 100;
/** As much of a body or message is looked at: the patterns below take time by the square of it. */
const maxLooked = 4_096;

/** Keys that providers quote, in part or whole, when they refuse them; JSON web tokens and the keys of clouds too. */
const secret =
  /\b(?:sk|pk|rk|xai|gsk|hf|nvapi|pplx|key)[-_][\w*.-]{6,}|\bAIza[\w*-]{10,}|\bA[KS]IA[A-Z0-9*]{8,}|\beyJ[\w-]{8,}\.[\w.-]+|\bBearer\s+\S+|(?<=key[^\w\s]{0,3}\s{0,2}(?:provided)?[:=]?\s{0,2})[\w*-]{20,}/gi;

const masked = (text: string, max: number): string =>
  text.slice(0, maxLooked).replace(secret, '[redacted]').slice(0, max);

/** A reply with an error status as the error that the client is told of. */
export function decodeChatError({ status, headers, body, provider }: ErrorReply): GatewayError {
  const retryAfterMs = retryAfter(headers);
  return upstreamError(provider, errorObject(body), status, retryAfterMs);
}

/** What a body says of the error, in whatever form. */
function errorObject(body: string): Json {
  let json: unknown;
  try {
    json = JSON.parse(body);
  } catch {
    return { message: excerpt(body) };
  }
  if (Array.isArray(json)) [json] = json;
  if (!isObject(json)) return { message: excerpt(body) };
  const error = json['error'] ?? json['detail'] ?? json;
  if (isObject(error)) return error;
  return { message: typeof error === 'string' ? error : excerpt(body), code: json['code'] };
}

/** The beginning of a text that is no JSON, without its markup. */
const excerpt = (body: string): string => {
  const text = body
    .slice(0, maxLooked)
    .replace(/<(script|style)[\s\S]*?<\/\1>|<[^>]*>/gi, ' ')
    .replace(/\s+/g, ' ')
    .trim();
  return text.length > maxExcerpt ? `${text.slice(0, maxExcerpt)}…` : text;
};

/**
 * An error object of a provider as the error that the client is told of.
 * @param status HTTP status of the reply; 200 when the error came inside a good one, then its own code decides
 */
export function upstreamError(
  provider: string,
  error: unknown,
  status: number,
  retryAfterMs?: number,
): GatewayError {
  const json: Json = isObject(error) ? error : { message: typeof error === 'string' ? error : '' };
  const code = json['code'];
  const effective = status === 200 ? statusOf(code, json) : status;
  const quota = code === 'insufficient_quota' || json['type'] === 'insufficient_quota';
  const facts: ErrorFacts = {
    provider,
    upstreamStatus: effective,
    upstreamCode: typeof code === 'string' || typeof code === 'number' ? masked(String(code), maxWord) : '',
    upstreamType: typeof json['type'] === 'string' ? masked(json['type'], maxWord) : '',
    ...(typeof json['param'] === 'string' ? { field: masked(json['param'], maxWord) } : {}),
    ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
    ...(quota ? { retryable: false } : {}),
  };
  const said = typeof json['message'] === 'string' ? json['message'] : '';
  const detail = rawDetail(json);
  const message = masked([said, detail].filter((text) => text !== '').join(': '), maxMessage);
  return new GatewayError(
    reasonOf(effective, facts),
    `provider ${provider} answered with an error${message === '' ? ` (status ${effective})` : `: ${message}`}`,
    facts,
  );
}

/**
 * The error in a good reply or a chunk, if it is one in whatever form: `error`, or an object that is itself one and has nothing of
 * an answer (`{"object": "error", …}`, `{"detail": …}`). Undefined when it is none.
 */
export function errorIn(json: Json): unknown {
  const error = json['error'];
  if (error !== undefined && error !== null) return error;
  if (json['choices'] !== undefined || json['usage'] !== undefined) return undefined;
  if (json['object'] === 'error' || json['type'] === 'error') return json;
  const { message, detail } = json;
  if (typeof message === 'string') return json;
  return typeof detail === 'string' ? { ...json, message: detail } : undefined;
}

/** OpenRouter's own provider's words. */
function rawDetail(json: Json): string {
  const raw = isObject(json['metadata']) ? json['metadata']['raw'] : undefined;
  return typeof raw === 'string' ? raw : '';
}

/** A map, because the words are the provider's: an object knows "constructor", too. */
const statusByWord: ReadonlyMap<unknown, number> = new Map([
  ['rate_limit_exceeded', 429],
  ['rate_limit_error', 429],
  ['insufficient_quota', 429],
  ['invalid_api_key', 401],
  ['authentication_error', 401],
  ['permission_error', 403],
  ['invalid_request_error', 400],
  ['context_length_exceeded', 400],
  ['content_filter', 400],
  ['model_not_found', 404],
  ['not_found_error', 404],
  ['insufficient_system_resource', 503],
  ['overloaded_error', 529],
  ['timeout', 504],
  ['timeout_error', 504],
]);

/** The status that an error inside a good reply stands for. */
function statusOf(code: unknown, json: Json): number {
  const number = typeof code === 'string' && /^\d{3}$/.test(code) ? Number(code) : code;
  if (typeof number === 'number' && number >= 400 && number < 600) return number;
  const named = statusByWord.get(code) ?? statusByWord.get(json['type']);
  if (named !== undefined) return named;
  const own = json['status'];
  return typeof own === 'number' && own >= 400 && own < 600 ? own : 500;
}

const filterCodes: ReadonlySet<string> = new Set([
  'content_filter',
  'content_policy_violation',
  'responsible_ai_policy_violation',
  'invalid_prompt',
]);

function reasonOf(status: number, { upstreamCode = '' }: ErrorFacts): ErrorReason {
  switch (status) {
    case 401:
    case 402:
    case 403:
    case 407:
      return ErrorReason.UPSTREAM_AUTH;
    case 408:
    case 504:
      return ErrorReason.UPSTREAM_TIMEOUT;
    case 429:
      return ErrorReason.UPSTREAM_RATE_LIMITED;
    case 503:
    case 529:
      return ErrorReason.UPSTREAM_OVERLOADED;
    default:
      if (status >= 500) return ErrorReason.UPSTREAM_FAILED;
      if (status < 400) return ErrorReason.UPSTREAM_INVALID;
      return filterCodes.has(upstreamCode) ? ErrorReason.CONTENT_FILTERED : ErrorReason.UPSTREAM_REJECTED;
  }
}

/** Longest wait that is passed on, in milliseconds: a day. */
const maxRetryAfterMs = 86_400_000;

/** `retry-after-ms`, or `retry-after` in seconds or as a date; undefined when neither says anything. */
function retryAfter(headers: Readonly<Record<string, string>>): number | undefined {
  const ms = Number(headers['retry-after-ms'] ?? Number.NaN);
  const given = headers['retry-after'] ?? '';
  const seconds = given === '' ? Number.NaN : Number(given);
  const wait = [ms, seconds * 1000, Date.parse(given) - Date.now()].find((value) => Number.isFinite(value));
  return wait === undefined ? undefined : Math.min(Math.max(Math.ceil(wait), 0), maxRetryAfterMs);
}
