import type { ToolCall } from '../../gen/llmgateway/v1/message_pb.js';
import type { EncodeWarnings } from './encode-warnings.ts';
import { isObject, quote } from './json.ts';

// In some dialects the arguments of a call are an object, in others a text, which a model may have written amiss: cut off, say.

/** Where an object has a text of arguments that is none. */
const wrapped = 'invalid_arguments';

/** The arguments of a call where they have to be an object. */
export interface ObjectArguments {
  /** JSON text. */
  readonly json: string;
  /** They were no object, and are in one now. */
  readonly changed: boolean;
}

/**
 * Arguments byte for byte where they are an object. A custom tool's free text becomes the member `input`, and what is no object
 * the member `invalid_arguments`.
 */
export function objectArguments({ arguments: text, custom }: ToolCall): ObjectArguments {
  if (custom) return { json: `{"input":${quote(text)}}`, changed: true };
  if (text.trim() === '') return { json: '{}', changed: false };
  if (isObjectText(text)) return { json: text, changed: false };
  return { json: `{"${wrapped}":${quote(text)}}`, changed: true };
}

/** The same within a request: that they were changed is reported. */
export function encodeArguments(call: ToolCall, warnings: EncodeWarnings, at: string): string {
  const { json, changed } = objectArguments(call);
  if (changed) {
    const member = call.custom ? 'input' : wrapped;
    warnings.warn('wrapped_arguments', at, `arguments that are no JSON object are sent as {"${member}": …}`);
  }
  return json;
}

/** Frames in which arguments in pieces become one member of an object. */
const frames = { object: null, input: '{"input":"', wrapped: `{"${wrapped}":"` } as const;

/**
 * The same for arguments that come in pieces: which kind they are is known with the first that is not blank. What begins as an object is
 * passed on as it is, though it may be cut off.
 */
export class ArgumentPieces {
  readonly #custom: boolean;
  #frame: string | null | undefined;
  #held = '';

  constructor({ custom }: Pick<ToolCall, 'custom'>) {
    this.#custom = custom;
  }

  /** @returns JSON text that goes on with what was given before; '' while nothing is certain */
  add(piece: string): string {
    if (this.#frame !== undefined) return this.#frame === null ? piece : quote(piece).slice(1, -1);
    this.#held += piece;
    const text = this.#held;
    if (text === '' || (!this.#custom && text.trim() === '')) return '';
    this.#frame = this.#custom
      ? frames.input
      : text.trimStart().startsWith('{')
        ? frames.object
        : frames.wrapped;
    return this.#frame === null ? text : this.#frame + quote(text).slice(1, -1);
  }

  /** @returns the rest of the JSON text */
  end(): string {
    if (this.#frame === undefined) return this.#custom ? `${frames.input}"}` : '{}';
    return this.#frame === null ? '' : '"}';
  }
}

/** The text that was put into an object by `objectArguments`; null for an object of another origin. */
export function unwrapArguments(json: Readonly<Record<string, unknown>>): string | null {
  const text = json[wrapped];
  if (typeof text !== 'string' || Object.keys(json).length > 1) return null;
  return isObjectText(text) || text.trim() === '' ? null : text;
}

/** Whether a text is a JSON object. */
export function isObjectText(text: string): boolean {
  try {
    return isObject(JSON.parse(text));
  } catch {
    return false;
  }
}
