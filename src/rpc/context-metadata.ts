import type { CreateChatCompletionRequest } from '../../gen/llmgateway/v1/chat_service_pb.js';
import type { CallReport } from '../../gen/llmgateway/v1/completion_pb.js';
import * as build from '../model/build.ts';
import { tellLimits } from '../model/limit-headers.ts';
import { tellSensitivity } from '../model/sensitivity-header.ts';
import { cacheControl } from './cache-control.ts';

/**
 * Tells how full the model's context is in reply headers, which on RPC are response metadata. Nothing for calls that have no such report.
 * @param set sets one header; its name is in lower case
 */
export function tellContext(
  report: CallReport | undefined,
  set: (name: string, value: string) => void,
): void {
  if (report?.context === undefined) return;
  const { routed, tier, tokenCount, tokenLimit, headroomPercent } = report.context;
  set('x-cms-routed', routed ? 'true' : 'false');
  set('x-cms-tier', String(tier));
  set('x-token-count', String(tokenCount));
  set('x-token-limit', String(tokenLimit));
  set('x-headroom-pct', String(headroomPercent));
}

/** Tells it, and how limits stand, in an RPC's response metadata, which go out with the first message. */
export function sendContext(report: CallReport | undefined, metadata: Headers): void {
  const set = (name: string, value: string): void => metadata.set(name, value);
  tellContext(report, set);
  tellLimits(report?.rateLimits, set);
  tellSensitivity(report?.sensitivity, set);
}

/** Takes the request metadata that stand for fields of GatewayOptions; they win over these. */
export function applyMetadata(request: CreateChatCompletionRequest, metadata: Headers): void {
  const cmsMode = metadata.get('x-cms-mode') ?? '';
  if (cmsMode !== '') request.options = build.gatewayOptions({ ...request.options, cmsMode });
  const fallbacks = (metadata.get('x-fallback-models') ?? '')
    .split(',')
    .map((name) => name.trim())
    .filter((name) => name !== '')
    .slice(0, 16);
  const { forceRefresh, noStore } = cacheControl(metadata.get('cache-control') ?? undefined);
  if (forceRefresh || noStore) {
    const options = build.gatewayOptions({ ...request.options });
    options.forceRefresh ||= forceRefresh;
    options.noStore ||= noStore;
    request.options = options;
  }
  if (fallbacks.length > 0) request.options = build.gatewayOptions({ ...request.options, fallbacks });
}
