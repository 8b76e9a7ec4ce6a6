import type { GatewayOptions } from '../../gen/llmgateway/v1/generation_pb.js';
import { noTools } from '../model/gateway-tools.ts';
import { invalid, readBoolean, readOptionalString, readStrings } from './fields.ts';

/** What the headers of a request say of these options, as far as its body may lean on it. */
export interface HeaderOptions {
  /** They win over the body's; null when the headers name none. */
  readonly gatewayTools: readonly string[] | null;
  /** '' for none. */
  readonly sessionId: string;
}

export const noHeaders: HeaderOptions = { gatewayTools: null, sessionId: '' };

/** Most names of gateway tools in a request, and their length. */
export const toolNameBounds = { count: 128, length: 128 } as const;

/** Most fallbacks in a request, and the length of their names. */
export const fallbackBounds = { count: 16, length: 512 } as const;

/**
 * Takes one member of a client's body that asks something of the gateway itself; the same in every dialect. Null is unset.
 * @returns false when it is none of that
 * @throws GatewayError INVALID_REQUEST
 */
export function decodeOption(into: GatewayOptions, key: string, value: unknown): boolean {
  switch (key) {
    case 'session_id':
      into.sessionId = readOptionalString(value, key, 256);
      return true;
    case 'gateway_tools':
      if (value !== null) {
        const names = readStrings(value, key, toolNameBounds.count, toolNameBounds.length);
        // The contract has no list that is there and empty.
        into.gatewayTools = names.length === 0 ? [noTools] : names;
      }
      return true;
    case 'tool_approval':
      if (value !== null) into.toolApproval = readBoolean(value, key);
      return true;
    case 'approved_tool_calls':
      if (value !== null) into.approvedToolCalls = readStrings(value, key, 128, 512);
      return true;
    case 'fallbacks':
      if (value !== null)
        into.fallbacks = readStrings(value, key, fallbackBounds.count, fallbackBounds.length);
      return true;
    case 'drop_params':
      if (value !== null) into.dropParams = readBoolean(value, key);
      return true;
    case 'force_refresh':
      if (value !== null) into.forceRefresh = readBoolean(value, key);
      return true;
    case 'no_store':
      if (value !== null) into.noStore = readBoolean(value, key);
      return true;
    case 'finish_when_abandoned':
      if (value !== null) into.finishWhenAbandoned = readBoolean(value, key);
      return true;
    default:
      return false;
  }
}

/**
 * Makes sure that a request says something. It need not where a session says it and the call only lets tools run.
 * @param value the client's list of messages
 * @throws GatewayError INVALID_REQUEST
 */
export function checkMessages(
  value: unknown,
  options: GatewayOptions | undefined,
  { sessionId }: HeaderOptions,
): void {
  if (!Array.isArray(value) || value.length > 0) return;
  const inSession = sessionId !== '' || (options?.sessionId ?? '') !== '';
  if (inSession && (options?.approvedToolCalls.length ?? 0) > 0) return;
  throw invalid('messages', 'at least one message', value, 'an empty array');
}
