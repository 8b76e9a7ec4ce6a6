import type { GatewayError } from '../../errors/gateway-error.ts';
import { isObject, type Json } from '../json.ts';
import { type ErrorReply, excerpt, retryAfter, upstreamFailure } from '../upstream-error.ts';

/** A reply with an error status as the error that the client is told of. */
export function decodeConverseError({ status, headers, body, provider }: ErrorReply): GatewayError {
  const json = parse(body);
  return converseFailure(provider, {
    type: errorType(headers['x-amzn-errortype'] ?? json['__type'] ?? json['code']),
    json,
    status,
    retryAfterMs: retryAfter(headers),
    date: headers['date'],
  });
}

function parse(body: string): Json {
  try {
    const json: unknown = JSON.parse(body);
    if (isObject(json)) return json;
  } catch {
    // Told as it is.
  }
  return { message: excerpt(body) };
}

/** `ValidationException:http://…` and `com.amazon.coral.service#ValidationException` are both of type ValidationException. */
export const errorType = (given: unknown): string => {
  const name = typeof given === 'string' ? given.split(':')[0] : '';
  return name?.slice(name.lastIndexOf('#') + 1).trim() ?? '';
};

/**
 * Statuses by type, in lower case: of exceptions inside streams, which have none, and of replies whose status would blame the client for what
 * the model or the account did. Source: the errors of the API reference of Converse.
 */
const statuses: ReadonlyMap<string, number> = new Map([
  ['throttlingexception', 429],
  ['servicequotaexceededexception', 429],
  ['validationexception', 400],
  ['accessdeniedexception', 403],
  ['resourcenotfoundexception', 404],
  ['modelnotreadyexception', 429],
  ['modeltimeoutexception', 408],
  ['modelerrorexception', 500],
  ['modelstreamerrorexception', 500],
  ['internalserverexception', 500],
  ['serviceunavailableexception', 503],
]);

/** An error as Bedrock tells of it. */
export interface ConverseFailure {
  /** Name of the exception, in whatever case. */
  readonly type: string;
  readonly json: Json;
  /** HTTP status of the reply; 0 when it came inside a good one. */
  readonly status: number;
  readonly retryAfterMs?: number | undefined;
  /** The provider's clock. */
  readonly date?: string | undefined;
}

/** An exception as the error that the client is told of. */
export function converseFailure(provider: string, failure: ConverseFailure): GatewayError {
  const { type, json, status, retryAfterMs, date } = failure;
  const said = [json['message'] ?? json['Message'], json['originalMessage']].filter(
    (text): text is string => typeof text === 'string' && text !== '',
  );
  const message = [...new Set(said)].join(': ');
  const known = statuses.get(type.toLowerCase());
  return upstreamFailure(provider, {
    status: known ?? (status === 0 || status === 200 ? 500 : status),
    type,
    message: `${message}${explanation(type, message, date)}`,
    retryAfterMs,
  });
}

/** What can be done about a refused signature. */
function explanation(type: string, message: string, date: string | undefined): string {
  if (/token.{0,40}expired/i.test(message) || type === 'ExpiredTokenException') {
    return '; the session token is no longer valid: set AWS_SESSION_TOKEN and its keys anew';
  }
  if (!/signature (?:expired|not yet current)/i.test(message) && type !== 'RequestTimeTooSkewed') return '';
  const theirs = date === undefined ? Number.NaN : Date.parse(date);
  const seconds = Math.round((Date.now() - theirs) / 1000);
  if (Number.isNaN(seconds) || Math.abs(seconds) < 60) return "; the gateway's clock may be wrong";
  return `; the gateway's clock is ${Math.abs(seconds)} s ${seconds > 0 ? 'ahead of' : 'behind'} the provider's: set it right`;
}
