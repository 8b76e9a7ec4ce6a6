import { hash } from 'node:crypto';
import type { CacheBreakpoint, Extras } from '../../../gen/llmgateway/v1/message_pb.js';
import { invalidRequest } from '../../errors/gateway-error.ts';
import { EncodeWarnings } from '../encode-warnings.ts';
import { isObject } from '../json.ts';
import { dialectName } from './dialect.ts';
import { type ModelTraits, modelTraits } from './models.ts';

/** A request may have so many cache points. */
const maxCachePoints = 4;

/** What an encoder of requests knows, and where it says what it left out. */
export class EncodeContext extends EncodeWarnings {
  readonly traits: ModelTraits;
  readonly #documentNames = new Set<string>();
  #cachePoints = 0;

  constructor(model: string) {
    super(dialectName);
    this.traits = modelTraits(model);
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

  /** A cache point as a block, or '' where the model or the request can have none. */
  cachePoint(
    breakpoint: CacheBreakpoint | undefined,
    field: string,
    place: 'content' | 'tools' = 'content',
  ): string {
    if (breakpoint === undefined) return '';
    const { vendor } = this.traits;
    // Claude and Nova cache; Nova not its tools. Source: "Prompt caching" in the Bedrock user guide.
    const takes =
      vendor === 'anthropic' || vendor === 'unknown' || (vendor === 'nova' && place === 'content');
    if (!takes || this.#cachePoints >= maxCachePoints) {
      const why = takes ? `a request has at most ${maxCachePoints}` : 'the model takes none here';
      this.warn('dropped_cache_breakpoint', field, `cache breakpoints: ${why}`);
      return '';
    }
    this.#cachePoints++;
    const { ttl } = breakpoint;
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
