import type { GatewayError } from '../errors/gateway-error.ts';
import { isObject, type Json } from './json.ts';
import {
  type ErrorReply,
  excerpt,
  retryAfter,
  shouldRetry,
  type UpstreamFailure,
  upstreamFailure,
} from './upstream-error.ts';

// OpenAI's form of errors, which all its APIs share.

/** A reply with an error status as the error that the client is told of. */
export function decodeOpenAIError({ status, headers, body, provider }: ErrorReply): GatewayError {
  const wait = { retryAfterMs: retryAfter(headers), ...shouldRetry(headers) };
  return openAIUpstreamError(provider, errorObject(body), status, wait);
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

/**
 * An error object of a provider as the error that the client is told of.
 * @param status HTTP status of the reply; 200 when the error came inside a good one, then its own code decides
 */
export function openAIUpstreamError(
  provider: string,
  error: unknown,
  status: number,
  circumstances: Pick<UpstreamFailure, 'retryAfterMs' | 'retryable'> = {},
): GatewayError {
  const json: Json = isObject(error) ? error : { message: typeof error === 'string' ? error : '' };
  const { code, type, param } = json;
  const said = typeof json['message'] === 'string' ? json['message'] : '';
  const text = [said, rawDetail(json)].filter((part) => part !== '').join(': ');
  const upstreamCode = typeof code === 'string' || typeof code === 'number' ? String(code) : '';
  return upstreamFailure(provider, {
    status: status === 200 ? statusOf(code, json) : status,
    code: upstreamCode,
    type: typeof type === 'string' ? type : '',
    field: typeof param === 'string' ? param : '',
    message: text,
    ...(code === 'insufficient_quota' || type === 'insufficient_quota' ? { retryable: false } : {}),
    ...circumstances,
    filtered: filterCodes.has(upstreamCode),
  });
}

/**
 * The error in a good reply or a chunk, if it is one in whatever form: `error`, or an object that is itself one and has nothing of
 * an answer (`{"object": "error", …}`, `{"detail": …}`). Undefined when it is none.
 * @param answerKeys members of which an answer has at least one, and an error none
 */
export function openAIErrorIn(json: Json, answerKeys: readonly string[]): unknown {
  const error = json['error'];
  if (error !== undefined && error !== null) return error;
  for (const key of answerKeys) if (json[key] !== undefined) return undefined;
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
