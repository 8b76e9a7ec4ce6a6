import { ErrorReason } from '../../../gen/llmgateway/v1/error_pb.js';
import type { GatewayError } from '../../errors/gateway-error.ts';
import { reasonForms } from '../../errors/reasons.ts';

/** An error as OpenAI's body; all four members are always there. */
export function encodeChatError(error: GatewayError): string {
  const { reason, facts, rawMessage: message } = error;
  const form = reasonForms[reason];
  // What the provider says of a request that it rejected is more exact than anything of ours.
  const rejected = reason === ErrorReason.UPSTREAM_REJECTED;
  const type = (rejected && facts.upstreamType) || form.type;
  const code = (rejected && facts.upstreamCode) || form.openaiCode;
  return JSON.stringify({ error: { message, type, param: facts.field || null, code } });
}

/** An error inside a stream that has begun: the last frame, without `[DONE]`. */
export const encodeStreamError = (error: GatewayError): string => `data: ${encodeChatError(error)}\n\n`;
