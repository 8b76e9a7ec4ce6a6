import type { GatewayOptions } from '../../gen/llmgateway/v1/generation_pb.js';
import { readBoolean, readOptionalString, readStrings } from './fields.ts';

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
      if (value !== null) into.gatewayTools = readStrings(value, key, 128, 128);
      return true;
    case 'tool_approval':
      if (value !== null) into.toolApproval = readBoolean(value, key);
      return true;
    case 'fallbacks':
      if (value !== null) into.fallbacks = readStrings(value, key, 16, 512);
      return true;
    case 'drop_params':
      if (value !== null) into.dropParams = readBoolean(value, key);
      return true;
    case 'force_refresh':
      if (value !== null) into.forceRefresh = readBoolean(value, key);
      return true;
    case 'finish_when_abandoned':
      if (value !== null) into.finishWhenAbandoned = readBoolean(value, key);
      return true;
    default:
      return false;
  }
}
