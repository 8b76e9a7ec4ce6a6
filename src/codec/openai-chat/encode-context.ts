import type { Warning } from '../../../gen/llmgateway/v1/completion_pb.js';
import type { Extras } from '../../../gen/llmgateway/v1/message_pb.js';
import * as build from '../../model/build.ts';
import { dialectName, type OpenAIChatDialect } from './dialect.ts';
import { ownMembers } from './json.ts';

/** What an encoder of requests knows, and where it says what it left out. One warning of a kind, however often it applies. */
export class EncodeContext {
  readonly dialect: OpenAIChatDialect;
  readonly #warnings = new Map<string, { message: string; field: string; more: number }>();

  constructor(dialect: OpenAIChatDialect) {
    this.dialect = dialect;
  }

  warn(code: string, field: string, message: string): void {
    const known = this.#warnings.get(code);
    if (known === undefined) this.#warnings.set(code, { message, field, more: 0 });
    else known.more++;
  }

  /** Members to write again; other dialects' are reported. */
  members(extras: Extras | undefined, field: string): string {
    if (extras === undefined) return '';
    if (extras.dialect === dialectName) return ownMembers(extras);
    this.warn('dropped_extras', field, `keys of ${extras.dialect} have no place in ${dialectName}`);
    return '';
  }

  get warnings(): Warning[] {
    const list: Warning[] = [];
    for (const [code, { message, field, more }] of this.#warnings) {
      list.push(build.warning(code, more === 0 ? message : `${message} (and ${more} more)`, field));
    }
    return list;
  }
}
