import type { CacheBreakpoint, Extras } from '../../../gen/llmgateway/v1/message_pb.js';
import * as build from '../../model/build.ts';
import { invalid } from '../fields.ts';
import { isObject, quote } from '../json.ts';
import type { OpenAIChatDialect } from './dialect.ts';

/** Counts the cache breakpoints of a request: at most 4 are allowed. */
export class CacheMarkers {
  #count = 0;

  /** @throws GatewayError INVALID_REQUEST */
  add(field: string): void {
    if (++this.#count > 4)
      throw invalid(field, 'at most 4 cache breakpoints in a request', undefined, 'a fifth');
  }
}

interface Marked {
  cacheBreakpoint?: CacheBreakpoint | undefined;
  extras?: Extras | undefined;
}

/**
 * Takes a member of a part or tool if it is a cache marker: OpenAI's `prompt_cache_breakpoint` or Anthropic's
 * `cache_control`, which OpenRouter and others take too.
 * @returns false when it is none, or of a form that the model does not know
 */
export function decodeCacheMarker(
  into: Marked,
  key: string,
  value: unknown,
  at: string,
  markers: CacheMarkers,
): boolean {
  if (key !== 'cache_control' && key !== 'prompt_cache_breakpoint') return false;
  if (value === null) return true;
  if (!isObject(value)) throw invalid(`${at}.${key}`, 'an object', value);
  const known = key === 'cache_control' ? value['type'] === 'ephemeral' : value['mode'] === 'explicit';
  const ttl = value['ttl'] ?? '';
  if (!known || typeof ttl !== 'string') return false;
  for (const member in value) {
    if (member !== 'ttl' && member !== 'type' && member !== 'mode') return false;
  }
  if (into.cacheBreakpoint === undefined) markers.add(`${at}.${key}`);
  into.cacheBreakpoint = build.cacheBreakpoint(ttl);
  return true;
}

/** What each form of marker takes as lifetime; others are left to the provider's default. */
const lifetimes: Readonly<Record<OpenAIChatDialect['cacheMarker'], readonly string[]>> = {
  prompt_cache_breakpoint: ['30m', '12h'],
  cache_control: ['5m', '1h'],
  none: [],
};

/** The marker as a member, or '' where the dialect has none. */
export function encodeCacheMarker(
  breakpoint: CacheBreakpoint,
  form: OpenAIChatDialect['cacheMarker'],
): string {
  if (form === 'none') return '';
  const ttl = lifetimes[form].includes(breakpoint.ttl) ? `,"ttl":${quote(breakpoint.ttl)}` : '';
  return form === 'cache_control'
    ? `"cache_control":{"type":"ephemeral"${ttl}}`
    : `"prompt_cache_breakpoint":{"mode":"explicit"${ttl}}`;
}
