import { ErrorReason } from '../../gen/llmgateway/v1/error_pb.js';
import { type ErrorFacts, GatewayError } from '../errors/gateway-error.ts';

// What the error decoders of all dialects share: a provider's failure as the error that the client is told of.

/** Who answered, for errors. */
export interface Upstream {
  readonly provider: string;
}

/** An answer that cannot be understood. */
export const notUnderstood = (provider: string, what: string): GatewayError =>
  new GatewayError(
    ErrorReason.UPSTREAM_INVALID,
    `provider ${provider} sent an answer that cannot be understood: ${what}`,
    { provider },
  );

/** A stream that is over without its proper end. */
export const interrupted = (provider: string, how: string, cause?: unknown): GatewayError =>
  new GatewayError(ErrorReason.UPSTREAM_INTERRUPTED, `the stream of provider ${provider} ${how}`, {
    provider,
    ...(cause === undefined ? {} : { cause }),
  });

/** An upstream's reply that is an error. */
export interface ErrorReply {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
  readonly provider: string;
}

/** Bounds in characters of what is passed on. */
const maxMessage = 500;
const maxExcerpt = 200;
const maxWord = 100;
/** As much of a body or message is looked at: the patterns below take time by the square of it. */
const maxLooked = 4_096;

/** Keys that providers quote, in part or whole, when they refuse them; JSON web tokens and the keys of clouds too. */
const secret =
  /\b(?:sk|pk|rk|xai|gsk|hf|nvapi|pplx|key)[-_][\w*.-]{6,}|\bAIza[\w*-]{10,}|\bA[KS]IA[A-Z0-9*]{8,}|\beyJ[\w-]{8,}\.[\w.-]+|\bBearer\s+\S+|(?<=key[^\w\s]{0,3}\s{0,2}(?:provided)?[:=]?\s{0,2})[\w*-]{20,}/gi;

const masked = (text: string, max: number): string =>
  text.slice(0, maxLooked).replace(secret, '[redacted]').slice(0, max).toWellFormed();

/** A provider's failure, as its dialect's decoder read it. Texts are masked and cut here. */
export interface UpstreamFailure {
  /** HTTP status that it stands for, also when it came inside a good reply. */
  readonly status: number;
  readonly message: string;
  /** The provider's own code and type; '' where it gives none. */
  readonly code?: string;
  readonly type?: string;
  /** Field of the request that is at fault, in the provider's words. */
  readonly field?: string;
  readonly retryAfterMs?: number | undefined;
  /** Whether another try can help, where that is known better than by the status. */
  readonly retryable?: boolean;
  /** The provider refused the prompt for its content. */
  readonly filtered?: boolean;
}

/** The failure as the error that the client is told of. */
export function upstreamFailure(provider: string, failure: UpstreamFailure): GatewayError {
  const { status, code = '', type = '', field = '', retryAfterMs, retryable, filtered = false } = failure;
  const facts: ErrorFacts = {
    provider,
    upstreamStatus: status,
    upstreamCode: masked(code, maxWord),
    upstreamType: masked(type, maxWord),
    ...(field === '' ? {} : { field: masked(field, maxWord) }),
    ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
    ...(retryable === undefined ? {} : { retryable }),
  };
  const message = masked(failure.message, maxMessage);
  return new GatewayError(
    reasonOf(status, filtered),
    `provider ${provider} answered with an error${message === '' ? ` (status ${status})` : `: ${message}`}`,
    facts,
  );
}

/** The beginning of a text that is no JSON, without its markup. */
export const excerpt = (body: string): string => {
  const text = body
    .slice(0, maxLooked)
    .replace(/<(script|style)[\s\S]*?<\/\1>|<[^>]*>/gi, ' ')
    .replace(/\s+/g, ' ')
    .trim();
  return text.length > maxExcerpt ? `${text.slice(0, maxExcerpt)}…` : text;
};

function reasonOf(status: number, filtered: boolean): ErrorReason {
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
      return filtered ? ErrorReason.CONTENT_FILTERED : ErrorReason.UPSTREAM_REJECTED;
  }
}

/** Longest wait that is passed on, in milliseconds: a day. */
const maxRetryAfterMs = 86_400_000;

/** `retry-after-ms`, or `retry-after` in seconds or as a date; undefined when neither says anything. */
export function retryAfter(headers: Readonly<Record<string, string>>): number | undefined {
  const ms = Number(headers['retry-after-ms'] ?? Number.NaN);
  const given = headers['retry-after'] ?? '';
  const seconds = given === '' ? Number.NaN : Number(given);
  const wait = [ms, seconds * 1000, Date.parse(given) - Date.now()].find((value) => Number.isFinite(value));
  return wait === undefined ? undefined : Math.min(Math.max(Math.ceil(wait), 0), maxRetryAfterMs);
}

const verdicts: ReadonlyMap<string | undefined, boolean> = new Map([
  ['true', true],
  ['false', false],
]);

/** `x-should-retry`, by which OpenAI and Anthropic say themselves whether another try makes sense; nothing when they do not. */
export function shouldRetry(headers: Readonly<Record<string, string>>): { readonly retryable?: boolean } {
  const retryable = verdicts.get(headers['x-should-retry']);
  return retryable === undefined ? {} : { retryable };
}
