import type { GatewayError } from '../../errors/gateway-error.ts';
import { reasonForms } from '../../errors/reasons.ts';
import { quote } from '../json.ts';

/** A failure that is not one of the response: the last frame of a stream. Flat, unlike the body of a failed request. */
export function encodeStreamFailure(error: GatewayError, sequenceNumber: number): string {
  const { reason, facts, rawMessage: message } = error;
  const code = reasonForms[reason].openaiCode ?? reasonForms[reason].type;
  const param = facts.field === undefined || facts.field === '' ? 'null' : quote(facts.field);
  return (
    `event: error\ndata: {"type":"error","code":${quote(code)},"message":${quote(message)},` +
    `"param":${param},"sequence_number":${sequenceNumber}}\n\n`
  );
}
