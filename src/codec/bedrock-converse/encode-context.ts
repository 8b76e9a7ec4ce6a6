import { hash } from 'node:crypto';
import type { CreateChatCompletionRequest } from '../../../gen/llmgateway/v1/chat_service_pb.js';
import type { CacheBreakpoint, Extras, Part } from '../../../gen/llmgateway/v1/message_pb.js';
import { invalidRequest } from '../../errors/gateway-error.ts';
import { EncodeWarnings } from '../encode-warnings.ts';
import { isObject } from '../json.ts';
import { dialectName } from './dialect.ts';
import { type ModelTraits, modelTraits } from './models.ts';

/** A request may have so many cache points. */
const maxCachePoints = 4;

/** Tools stand before all else in a prompt. */
type CachePlace = 'content' | 'tools';

/** What an encoder of requests knows, and where it says what it left out. */
export class EncodeContext extends EncodeWarnings {
  readonly traits: ModelTraits;
  readonly #documentNames = new Set<string>();
  /** Cache points that are too many, by place: the first ones of the prompt, which begins with the tools, because the last cover most. */
  readonly #tooMany = { tools: 0, content: 0 };

  constructor(request: CreateChatCompletionRequest, model: string) {
    super(dialectName, request.options?.dropParams);
    this.traits = modelTraits(model);
    const tools = this.#takesPoints('tools') ? request.tools.filter(isMarked).length : 0;
    let content = 0;
    if (this.#takesPoints('content')) {
      for (const { parts } of request.messages) content += countMarked(parts);
    }
    const tooMany = Math.max(0, tools + content - maxCachePoints);
    this.#tooMany.tools = Math.min(tooMany, tools);
    this.#tooMany.content = tooMany - this.#tooMany.tools;
  }

  /** Claude and Nova cache; Nova not its tools. Source: "Prompt caching" in the Bedrock user guide. */
  #takesPoints(place: CachePlace): boolean {
    const { vendor } = this.traits;
    return vendor === 'anthropic' || vendor === 'unknown' || (vendor === 'nova' && place === 'content');
  }

  /**
   * Members to write again, none of which has a field of its own.
   * @throws GatewayError INVALID_REQUEST for one that has: it would be there twice
   */
  extraMembers(extras: Extras | undefined, field: string, reserved: readonly string[]): string {
    const members = this.members(extras, field);
    this.checkReserved(members, field, reserved);
    return members;
  }

  /** @throws GatewayError INVALID_REQUEST when one of the members has a field of its own */
  checkReserved(members: string, field: string, reserved: readonly string[]): void {
    if (members === '' || !reserved.some((key) => members.includes(`"${key}"`))) return;
    const json: unknown = JSON.parse(`{${members}}`);
    const taken = isObject(json) ? reserved.find((key) => Object.hasOwn(json, key)) : undefined;
    if (taken === undefined) return;
    throw invalidRequest(`${field}.extras`, `Invalid '${field}.extras': '${taken}' has a field of its own.`);
  }

  /** A cache point as a block, or '' where the model or the request can have none. To be asked once for each, in the order of its place. */
  cachePoint(breakpoint: CacheBreakpoint | undefined, field: string, place: CachePlace = 'content'): string {
    if (breakpoint === undefined) return '';
    const drop = (why: string): string => {
      this.warn('dropped_cache_breakpoint', field, why);
      return '';
    };
    if (!this.#takesPoints(place)) return drop('the model takes no cache breakpoints here');
    if (this.#tooMany[place] > 0) {
      this.#tooMany[place]--;
      return drop(`the provider takes ${maxCachePoints} cache breakpoints, the last ones are sent`);
    }
    const { ttl } = breakpoint;
    const { vendor } = this.traits;
    const lifetime = vendor !== 'nova' && (ttl === '5m' || ttl === '1h') ? `,"ttl":"${ttl}"` : '';
    return `{"cachePoint":{"type":"default"${lifetime}}}`;
  }

  /** A document's name within this request: only characters that Converse takes, and none twice. Same request, same names. */
  documentName(filename: string): string {
    const base = filename.replace(/\.[A-Za-z\d]{1,5}$/, '');
    const name = base
      .replace(/[^A-Za-z\d\s()[\]-]+/g, '-')
      .replace(/\s+/g, ' ')
      .trim()
      .slice(0, 180);
    const wanted = /[A-Za-z\d]/.test(name) ? name : 'document';
    let unique = wanted;
    for (let n = 2; this.#documentNames.has(unique); n++) unique = `${wanted} (${n})`;
    this.#documentNames.add(unique);
    return unique;
  }
}

/**
 * A tool call's id as Converse takes it: 1 to 64 letters, digits, "_" and "-". Ids of other providers that are none become one, always the same
 * for the same id, so that results still find their calls.
 */
export const toolUseId = (id: string): string =>
  /^[\w-]{1,64}$/.test(id) ? id : `call_${hash('sha1', id).slice(0, 24)}`;

const isMarked = ({ cacheBreakpoint }: { readonly cacheBreakpoint?: unknown }): boolean =>
  cacheBreakpoint !== undefined;

function countMarked(parts: readonly Part[]): number {
  let count = 0;
  for (const part of parts) {
    if (isMarked(part)) count++;
    if (part.content.case === 'toolResult') count += countMarked(part.content.value.parts);
  }
  return count;
}
