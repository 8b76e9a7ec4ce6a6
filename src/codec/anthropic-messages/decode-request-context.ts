import type { CacheBreakpoint } from '../../../gen/llmgateway/v1/message_pb.js';
import { invalidRequest } from '../../errors/gateway-error.ts';
import * as build from '../../model/build.ts';
import { keepMember } from '../fields.ts';
import { isObject, type Json } from '../json.ts';

/** Most cache breakpoints in a request. */
const maxBreakpoints = 4;

/** What the parts of a request have to know of each other. */
export class RequestContext {
  #breakpoints = 0;
  readonly #toolNames = new Map<string, string>();

  /** A call of a tool, which a later result may name only by its id. */
  called(id: string, name: string): void {
    this.#toolNames.set(id, name);
  }

  /** Name of the tool of a call; '' where the conversation has no such call. */
  nameOf(id: string): string {
    return this.#toolNames.get(id) ?? '';
  }

  /** Counts the cache breakpoint that an object may have. @throws GatewayError INVALID_REQUEST when it is one too many */
  count(json: Json, at: string): void {
    if ((json['cache_control'] ?? null) === null) return;
    if (++this.#breakpoints > maxBreakpoints) {
      throw invalidRequest(
        `${at}.cache_control`,
        `Invalid '${at}.cache_control': a maximum of ${maxBreakpoints} blocks with cache_control may be provided.`,
      );
    }
  }
}

/** What a block or tool can be marked with, besides its unknown members. */
export interface Marked {
  cacheBreakpoint?: CacheBreakpoint | undefined;
}

/**
 * Takes `cache_control` of a block or tool. Null is unset; a form that the model has no field for is an unknown member.
 * @returns the unknown members
 */
export function takeCacheControl(into: Marked, value: unknown, unknown: string, at: string): string {
  if (value === null) return unknown;
  if (isObject(value) && value['type'] === 'ephemeral') {
    const { type: _type, ttl = '', ...more } = value;
    if (typeof ttl === 'string' && Object.keys(more).length === 0) {
      into.cacheBreakpoint = build.cacheBreakpoint(ttl);
      return unknown;
    }
  }
  return keepMember(unknown, 'cache_control', value, `${at}.cache_control`);
}
