import { ErrorReason } from '../../gen/llmgateway/v1/error_pb.js';
import { type GatewayError, loadMembers } from '../errors/gateway-error.ts';

/** Codes of JSON-RPC. */
const parseError = -32_700;
const invalidRequest = -32_600;
const internalError = -32_603;
/** The first of those that JSON-RPC leaves to servers. */
const serverError = -32_000;

/** An error on the way to an MCP request, as a JSON-RPC answer: to no request, since none was read. */
export function encodeMcpError(error: GatewayError): string {
  const { reason, reasonName, rawMessage, facts } = error;
  const data = {
    ...(facts.load === undefined ? {} : loadMembers(facts.load)),
    reason: reasonName,
    ...(facts.field === undefined ? {} : { field: facts.field }),
  };
  return JSON.stringify({
    jsonrpc: '2.0',
    id: null,
    error: { code: codeOf(error), message: rawMessage, data },
  });

  function codeOf({ status }: GatewayError): number {
    if (reason === ErrorReason.INVALID_REQUEST && facts.field === 'body') return parseError;
    if (reason === ErrorReason.INVALID_REQUEST) return invalidRequest;
    return status === 500 ? internalError : serverError;
  }
}
