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

/** Reads a frame `result`. Whether it is an error does not hang on its subtype alone: `success` with `is_error` is one. */
export function decodeResult(json: Json): ClaudeResult {
  const { subtype, is_error: isError, result, stop_reason: word, usage, errors } = json;
  const text = typeof result === 'string' ? result : '';
  const failed = isError === true || (typeof subtype === 'string' && subtype.startsWith('error'));
  const said = Array.isArray(errors) ? errors.filter((one) => typeof one === 'string').join('; ') : '';
  const status = json['api_error_status'];
  return {
    error: failed
      ? {
          status: typeof status === 'number' && status >= 400 && status < 600 ? status : 500,
          type: typeof json['api_error_type'] === 'string' ? json['api_error_type'] : String(subtype ?? ''),
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
