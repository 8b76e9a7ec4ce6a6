import type { ErrorType } from '@anthropic-ai/sdk/resources/shared';
import type { GatewayError } from '../../errors/gateway-error.ts';
import { isObject, type Json } from '../json.ts';
import { type ErrorReply, excerpt, retryAfter, shouldRetry, upstreamFailure } from '../upstream-error.ts';

/** A reply with an error status as the error that the client is told of. */
export function decodeMessagesError({ status, headers, body, provider }: ErrorReply): GatewayError {
  return upstreamError(provider, errorObject(body), status, {
    retryAfterMs: retryAfter(headers),
    ...shouldRetry(headers),
  });
}

/** What a body says of the error: Anthropic's form, those of the clouds that host its models, or none. */
function errorObject(body: string): Json {
  let json: unknown;
  try {
    json = JSON.parse(body);
  } catch {
    return { message: excerpt(body) };
  }
  // Vertex puts its errors into a list when a stream was asked for.
  if (Array.isArray(json)) [json] = json;
  if (!isObject(json)) return { message: excerpt(body) };
  const error = json['error'] ?? json['detail'] ?? json;
  if (isObject(error)) return error;
  return { message: typeof error === 'string' ? error : excerpt(body) };
}

/** The error in a good reply or a stream, if it is one: `error`, or an object that has nothing of an answer but a message. */
export function errorIn(json: Json): unknown {
  const error = json['error'];
  if (error !== undefined && error !== null) return error;
  if (json['type'] === 'error') return json;
  return json['type'] === undefined && typeof json['message'] === 'string' ? json : undefined;
}

/** What is known of a failure besides its object. */
interface Circumstances {
  readonly retryAfterMs?: number | undefined;
  readonly retryable?: boolean;
}

/** Types as Anthropic's documentation of errors has them. */
const statuses: Readonly<Partial<Record<ErrorType | 'request_too_large', number>>> = {
  invalid_request_error: 400,
  authentication_error: 401,
  billing_error: 402,
  permission_error: 403,
  not_found_error: 404,
  conflict_error: 409,
  request_too_large: 413,
  rate_limit_error: 429,
  api_error: 500,
  timeout_error: 504,
  overloaded_error: 529,
};

/** A map, because the words are the provider's: an object knows "constructor", too. */
const statusByType: ReadonlyMap<string, number> = new Map(Object.entries(statuses));

/**
 * An error object of a provider as the error that the client is told of.
 * @param status HTTP status of the reply; 200 when the error came inside a good one, then its own type decides
 */
export function upstreamError(
  provider: string,
  error: unknown,
  status: number,
  circumstances: Circumstances = {},
): GatewayError {
  const json: Json = isObject(error) ? error : { message: typeof error === 'string' ? error : '' };
  const { details, code: plainCode } = json;
  const message = textOf(json['message']) || textOf(json['Message']);
  const type = textOf(json['type']) || textOf(json['status']);
  const detailed = isObject(details) ? textOf(details['error_code']) : '';
  const code = detailed || (typeof plainCode === 'number' ? String(plainCode) : textOf(plainCode));
  const found = status === 200 ? statusOf(type, plainCode) : status;
  return upstreamFailure(provider, {
    status: isUnpaid(found, message) ? 402 : found,
    code,
    type,
    field: found === 400 ? fieldOf(message) : '',
    message,
    ...circumstances,
    filtered: found === 400 && /content filter/i.test(message),
  });
}

const textOf = (value: unknown): string => (typeof value === 'string' ? value : '');

/** An account without credit is told of as a bad request, which is not the client's to mend. */
const isUnpaid = (status: number, message: string): boolean =>
  status === 400 && /credit balance is too low/i.test(message);

/** The status that an error inside a good reply stands for. */
function statusOf(type: string, code: unknown): number {
  const named = statusByType.get(type);
  if (named !== undefined) return named;
  const number = Number(code);
  return Number.isInteger(number) && number >= 400 && number < 600 ? number : 500;
}

/** Anthropic begins what it says of a bad request with the place: `messages.0.content.1.text: Field required`. */
function fieldOf(message: string): string {
  return /^([a-z]\w*(?:\.\w+)*): /.exec(message)?.[1] ?? '';
}
