import type { GatewayOptions } from '../../gen/llmgateway/v1/generation_pb.js';
import { fallbackBounds, type HeaderOptions, toolNameBounds } from '../codec/gateway-options.ts';
import { invalidRequest } from '../errors/gateway-error.ts';
import * as build from '../model/build.ts';
import { cacheControl } from '../rpc/cache-control.ts';
import { booleanHeader, type Exchange, header } from './exchange.ts';

/**
 * The headers on which it depends what a body may say.
 * @throws GatewayError INVALID_REQUEST
 */
export const headerOptions = (exchange: Exchange): HeaderOptions => ({
  gatewayTools: gatewayTools(exchange),
  sessionId: header(exchange, 'x-session-id') ?? '',
});

/** `X-Gateway-Tools`: names with commas between them; null when there are none. */
function gatewayTools(exchange: Exchange): string[] | null {
  const given = header(exchange, 'x-gateway-tools');
  if (given === undefined) return null;
  const names = namesIn(given);
  const { count, length } = toolNameBounds;
  if (names.length > count || names.some((name) => name.length > length)) {
    throw invalidRequest(
      'X-Gateway-Tools',
      `X-Gateway-Tools has to be at most ${count} names of at most ${length} characters`,
    );
  }
  return names.length === 0 ? null : names;
}

const namesIn = (list: string): string[] =>
  list
    .split(',')
    .map((name) => name.trim())
    .filter((name) => name !== '');

/** `X-Fallback-Models`: names with commas between them. */
function fallbacks(exchange: Exchange): string[] {
  const names = namesIn(header(exchange, 'x-fallback-models') ?? '');
  const { count, length } = fallbackBounds;
  if (names.length > count || names.some((name) => name.length > length)) {
    throw invalidRequest(
      'X-Fallback-Models',
      `X-Fallback-Models has to be at most ${count} names of at most ${length} characters`,
    );
  }
  return names;
}

/**
 * Takes the request headers that stand for fields of GatewayOptions; they win over the body.
 * @throws GatewayError INVALID_REQUEST
 */
export function applyHeaders(
  exchange: Exchange,
  request: { options?: GatewayOptions | undefined },
  { gatewayTools: names, sessionId }: HeaderOptions,
): void {
  const dropParams = booleanHeader(exchange, 'X-Drop-Params');
  const cmsMode = header(exchange, 'x-cms-mode') ?? '';
  const standIns = fallbacks(exchange);
  const { forceRefresh, noStore } = cacheControl(header(exchange, 'cache-control'));
  const isNone =
    !forceRefresh &&
    !noStore &&
    dropParams === undefined &&
    sessionId === '' &&
    cmsMode === '' &&
    names === null;
  if (isNone && standIns.length === 0) return;
  const options = build.gatewayOptions({ ...request.options });
  if (names !== null) options.gatewayTools = [...names];
  if (forceRefresh) options.forceRefresh = true;
  if (noStore) options.noStore = true;
  if (dropParams !== undefined) options.dropParams = dropParams;
  if (cmsMode !== '') options.cmsMode = cmsMode;
  if (standIns.length > 0) options.fallbacks = standIns;
  if (sessionId !== '') {
    options.sessionId = sameSession(sessionId, options.sessionId);
  }
  request.options = options;
}

/** The session that `X-Session-Id` or the body names; '' for none. @throws GatewayError when they name two */
export function sameSession(ofHeader: string, ofBody: string): string {
  if (ofHeader !== '' && ofBody !== '' && ofHeader !== ofBody)
    throw invalidRequest('X-Session-Id', 'X-Session-Id and session_id name different sessions');
  return ofHeader === '' ? ofBody : ofHeader;
}
