import { isObject, type Json } from '../json.ts';

/** The end of a turn, as far as it is understood. */
export interface ClaudeResult {
  /** What went wrong; null when nothing did. */
  readonly error: { readonly status: number; readonly type: string; readonly message: string } | null;
  /** All that was said, as text. */
  readonly text: string;
  /** Why the last message ended; null when that is not told. */
  readonly stopReason: string | null;
  /** Tokens of the whole turn, in Anthropic's words. */
  readonly usage: Json;
}

/** Statuses of what the program itself calls errors, where it tells of none. */
const statuses: ReadonlyMap<string, number> = new Map([
  ['authentication_failed', 401],
  ['oauth_org_not_allowed', 403],
  ['billing_error', 402],
  ['rate_limit', 429],
  ['invalid_request', 400],
  ['model_not_found', 404],
  ['server_error', 500],
]);

/**
 * Reads a frame `result`. Whether it is an error does not hang on its subtype alone: `success` with `is_error` is one.
 * @param kind what a message before it called its error; '' for nothing
 */
export function decodeResult(json: Json, kind = ''): ClaudeResult {
  const { subtype, is_error: isError, result, stop_reason: word, usage, errors } = json;
  const text = typeof result === 'string' ? result : '';
  const failed = isError === true || (typeof subtype === 'string' && subtype.startsWith('error'));
  const said = Array.isArray(errors) ? errors.filter((one) => typeof one === 'string').join('; ') : '';
  const status = json['api_error_status'];
  return {
    error: failed
      ? {
          status:
            typeof status === 'number' && status >= 400 && status < 600
              ? status
              : (statuses.get(kind) ?? 500),
          type:
            typeof json['api_error_type'] === 'string'
              ? json['api_error_type']
              : kind || String(subtype ?? ''),
          message: text || said || String(subtype ?? ''),
        }
      : null,
    text,
    stopReason: typeof word === 'string' && word !== '' ? word : null,
    usage: isObject(usage) ? countsOf(usage) : {},
  };
}

/** What the program counts besides is its own affair. */
const countsOf = (usage: Json): Json =>
  Object.fromEntries(
    [
      'input_tokens',
      'output_tokens',
      'cache_read_input_tokens',
      'cache_creation_input_tokens',
      'output_tokens_details',
    ]
      .filter((key) => usage[key] !== undefined)
      .map((key) => [key, usage[key]]),
  );

const count = (value: unknown): number =>
  typeof value === 'number' && Number.isInteger(value) && value >= 0 ? value : 0;

/** A frame `result` in few numbers. */
export function endOfTurn(json: Json): {
  readonly failed: boolean;
  readonly promptTokens: number;
  readonly completionTokens: number;
} {
  const { error, usage } = decodeResult(json);
  const read = count(usage['cache_read_input_tokens']) + count(usage['cache_creation_input_tokens']);
  return {
    failed: error !== null,
    promptTokens: count(usage['input_tokens']) + read,
    completionTokens: count(usage['output_tokens']),
  };
}
