import type { CacheBreakpoint, Part } from '../../../gen/llmgateway/v1/message_pb.js';
import * as build from '../../model/build.ts';
import { invalid } from '../fields.ts';
import { isObject, quote } from '../json.ts';

/** Key of the marker on a content part. */
export const markerKey = 'prompt_cache_breakpoint';

/** What the API takes as lifetime; others are left to the provider's default. */
const lifetimes: readonly string[] = ['30m', '12h'];

/**
 * Takes the marker of a content part.
 * @returns false when it is of a form that the model does not know
 * @throws GatewayError INVALID_REQUEST
 */
export function decodeCacheMarker(into: Part, value: unknown, at: string): boolean {
  if (value === null) return true;
  if (!isObject(value)) throw invalid(at, 'an object', value);
  const { mode, ttl = '', ...others } = value;
  if (mode !== 'explicit' || typeof ttl !== 'string' || Object.keys(others).length > 0) return false;
  into.cacheBreakpoint = build.cacheBreakpoint(ttl);
  return true;
}

/** The marker as a member. */
export function encodeCacheMarker({ ttl }: CacheBreakpoint): string {
  return `"${markerKey}":{"mode":"explicit"${lifetimes.includes(ttl) ? `,"ttl":${quote(ttl)}` : ''}}`;
}
