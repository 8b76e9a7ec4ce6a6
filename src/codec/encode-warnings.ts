import type { Warning } from '../../gen/llmgateway/v1/completion_pb.js';
import type { Extras, Part } from '../../gen/llmgateway/v1/message_pb.js';
import { type GatewayError, invalidRequest, unsupportedParameter } from '../errors/gateway-error.ts';
import * as build from '../model/build.ts';
import { isObject, membersOf } from './json.ts';

/** Where an encoder of requests says what it left out: one warning of a kind, however often it applies. */
export class EncodeWarnings {
  readonly #dialectName: string;
  readonly #dropParams: boolean;
  readonly #warnings = new Map<string, { message: string; field: string; more: number }>();

  /**
   * @param dialectName the dialect that is written
   * @param dropParams the client wants left out what the provider cannot take, rather than be refused
   */
  constructor(dialectName: string, dropParams = false) {
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
    if (!this.#dropParams) throw unsupportedParameter(field, `Unsupported '${field}': ${why}`);
    this.warn(`dropped_${name}`, field, why);
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
