import { ErrorReason } from '../../gen/llmgateway/v1/error_pb.js';
import { GatewayError } from '../errors/gateway-error.ts';
import type { FieldNames } from './history.ts';

/** What the chat API calls otherwise than the Responses API does, on REST; on RPC both have the same messages for it. */
const names: ReadonlyMap<string, string> = new Map([
  ['response_format', 'text.format'],
  ['verbosity', 'text.verbosity'],
  ['reasoning_effort', 'reasoning.effort'],
  ['max_tokens', 'max_output_tokens'],
  ['max_completion_tokens', 'max_output_tokens'],
]);

/**
 * A refusal of the request that is made for a response, in terms of the one that the client wrote: it knows no messages, only its input.
 * @param fields where the client wrote what
 */
export function inOwnWords(error: unknown, { input }: Pick<FieldNames, 'input'>): unknown {
  if (!(error instanceof GatewayError)) return error;
  const { reason, rawMessage, facts } = error;
  if (reason !== ErrorReason.INVALID_REQUEST && reason !== ErrorReason.UNSUPPORTED_PARAMETER) return error;
  const { field = '' } = facts;
  const own = /^messages\b/.test(field) ? input : onRest(input) ? names.get(field) : undefined;
  if (own === undefined) return error;
  return error.saying(rawMessage.replaceAll(`'${field}'`, `'${own}'`), { field: own });
}

const onRest = (input: string): boolean => input === 'input';
