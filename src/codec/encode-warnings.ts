import type { Warning } from '../../gen/llmgateway/v1/completion_pb.js';
import { ErrorReason } from '../../gen/llmgateway/v1/error_pb.js';
import type { AudioPart, Extras, Part } from '../../gen/llmgateway/v1/message_pb.js';
import { GatewayError, invalidRequest, unsupportedParameter } from '../errors/gateway-error.ts';
import * as build from '../model/build.ts';
import { isObject, membersOf } from './json.ts';

/** Where an encoder of requests says what it left out: one warning of a kind, however often it applies. */
export class EncodeWarnings {
  readonly #dialectName: string;
  readonly #dropParams: boolean | undefined;
  readonly #warnings = new Map<string, { message: string; field: string; more: number }>();

  /**
   * @param dialectName the dialect that is written
   * @param dropParams what the client wants of parameters that the provider cannot take: that they are left out, or that the call is
   * refused; by default hints are left out, and what the answer hangs on is refused
   */
  constructor(dialectName: string, dropParams?: boolean) {
    this.#dialectName = dialectName;
    this.#dropParams = dropParams;
  }

  /** @param field place in the request, such as `messages[0]` */
  warn(code: string, field: string, message: string): void {
    const known = this.#warnings.get(code);
    if (known === undefined) this.#warnings.set(code, { message, field, more: 0 });
    else known.more++;
  }

  /**
   * A parameter on which the answer hangs and that cannot be written: refused as those are that the provider takes from nobody
   * (see pipeline/params.ts), or, where the client wants that, reported, for the encoder to leave it out.
   * @param name what is left out, as in the warning `dropped_<name>`
   * @param field place in the request
   * @param why as a sentence without its end
   * @throws GatewayError UNSUPPORTED_PARAMETER
   */
  refuse(name: string, field: string, why: string): void {
    if (this.#dropParams !== true) throw unsupportedParameter(field, `Unsupported '${field}': ${why}`);
    this.warn(`dropped_${name}`, field, why);
  }

  /**
   * A parameter that is a hint, or a value of it, and cannot be written as it is: left out or changed, which is reported, or refused where
   * the client wants that.
   * @param field place in the request
   * @param why as a sentence without its end
   * @throws GatewayError UNSUPPORTED_PARAMETER
   */
  hint(code: string, field: string, why: string): void {
    if (this.#dropParams === false) {
      const name = field.replace(/^parameters\./, '');
      throw unsupportedParameter(name, `Unsupported '${name}': ${why}`);
    }
    this.warn(code, field, why);
  }

  /** Members to write again; other dialects' are reported. */
  members(extras: Extras | undefined, field: string): string {
    if (extras === undefined) return '';
    if (extras.dialect === this.#dialectName) return membersOf(this.#dialectName, extras);
    if (saysNothingNew(extras)) return '';
    this.warn('dropped_extras', field, `keys of ${extras.dialect} have no place in ${this.#dialectName}`);
    return '';
  }

  /**
   * A part as this dialect can say it: one of a kind of another dialect that says something in plain text is that text here, which is
   * reported, and so are pictures in it, which have no text. All others stay as they are.
   */
  simplified(part: Part, field: string): Part {
    const { content, cacheBreakpoint } = part;
    if (content.case !== 'opaque' || content.value.text === '') return part;
    const { dialect, type, text, json } = content.value;
    if (dialect === this.#dialectName) return part;
    this.warn('simplified_part', field, `of a part ${type} of ${dialect} only the plain text is sent`);
    if (json.includes('"image"') && hasPicture(JSON.parse(json), 0)) {
      this.warn('dropped_part', field, `pictures in a part ${type} of ${dialect} are left out`);
    }
    return build.textPart(text, {}, cacheBreakpoint === undefined ? undefined : { cacheBreakpoint });
  }

  /**
   * The text in place of sound that has no place here: its transcript.
   * @param answered it is of an earlier answer: what cannot be said again of those is left out. What a user or a tool says is not
   * @param why as a sentence without its end
   * @returns '' where an answer's has none
   * @throws GatewayError INVALID_REQUEST for sound without a transcript that the model has to hear
   */
  transcribed({ transcript }: AudioPart, field: string, answered: boolean, why: string): string {
    if (transcript === '' && !answered) throw invalidRequest(field, `Invalid '${field}': ${why}.`);
    this.warn('dropped_part', field, transcript === '' ? why : `${why}; its transcript is sent`);
    return transcript;
  }

  /**
   * What may not have a place here: of an earlier answer it is left out then, which is reported; of a user or a tool it is refused.
   * @param write writes it
   * @returns undefined for what is left out
   * @throws GatewayError INVALID_REQUEST
   */
  spared<T>(answered: boolean, field: string, write: () => T): T | undefined {
    if (!answered) return write();
    try {
      return write();
    } catch (error) {
      if (!(error instanceof GatewayError) || error.reason !== ErrorReason.INVALID_REQUEST) throw error;
      this.warn('dropped_part', field, error.rawMessage);
      return undefined;
    }
  }

  /** Something was said, and nothing of it is left to be sent: the answer would be to something else. */
  emptied(field: string): GatewayError {
    return invalidRequest(field, `Invalid '${field}': nothing of it has a place in ${this.#dialectName}.`);
  }

  get warnings(): Warning[] {
    const list: Warning[] = [];
    for (const [code, { message, field, more }] of this.#warnings) {
      list.push(build.warning(code, more === 0 ? message : `${message} (and ${more} more)`, field));
    }
    return list;
  }
}

/** Deeper than any part of a known kind goes: a part could go on for as long as its sender likes. */
const maxDepth = 8;

function hasPicture(value: unknown, depth: number): boolean {
  if (depth > maxDepth || typeof value !== 'object' || value === null) return false;
  if (isObject(value) && value['type'] === 'image') return true;
  return Object.values(value).some((inner) => hasPicture(inner, depth + 1));
}

/** Whether typed fields say all that the keys do. */
function saysNothingNew({ json, repeatedKeys }: Extras): boolean {
  if (repeatedKeys.length === 0) return false;
  return Object.keys(JSON.parse(json) as object).every((key) => repeatedKeys.includes(key));
}
