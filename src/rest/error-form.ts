import { encodeMessagesError, messagesStatus } from '../codec/anthropic-messages/encode-error.ts';
import { errorHeaders } from '../codec/error-headers.ts';
import { encodeChatError } from '../codec/openai-chat/encode-error.ts';
import { type GatewayError, loadMembers } from '../errors/gateway-error.ts';
import { tellLimitsAnthropic } from '../model/limit-headers.ts';
import { correlationId } from '../rpc/correlation.ts';
import { encodeMcpError } from './mcp-error.ts';
import { isPlatformPath, platformErrorReply } from './platform-error.ts';

/** An error as a route's clients expect it. */
export interface ErrorReply {
  readonly status: number;
  /** Without `x-request-id`, which every reply has. */
  readonly headers: Record<string, string>;
  readonly body: string;
}

const mcpPath = /^\/mcp\/?$/;
const messagesPath = /^(?:\/v1)?\/messages(?:\/|$)/;

/** Header by which Anthropic's clients learn the request's id. */
export const messagesIdHeader = (requestId: string): Record<string, string> => ({ 'request-id': requestId });

/**
 * Anthropic's form on Anthropic's routes, JSON-RPC's for MCP, the documentation platform's on its own, OpenAI's on all others.
 * @param path without query
 * @param correlation the client's own id of the call
 */
export function errorReply(
  error: GatewayError,
  path: string,
  requestId: string,
  correlation?: string,
): ErrorReply {
  if (isPlatformPath(path)) return platformErrorReply(error, correlationId(correlation));
  const reply = plainReply(error, path, requestId);
  const { load, retryAfterMs = 0 } = error.facts;
  if (load === undefined || mcpPath.test(path)) return reply;
  // Beside the form's own members, where clients of other gateways look for them.
  const members = { ...loadMembers(load), retry_after_seconds: Math.ceil(retryAfterMs / 1_000) };
  return { ...reply, body: `${reply.body.slice(0, -1)},${JSON.stringify(members).slice(1)}` };
}

function plainReply(error: GatewayError, path: string, requestId: string): ErrorReply {
  const headers = errorHeaders(error);
  if (mcpPath.test(path)) return { status: error.status, headers, body: encodeMcpError(error) };
  if (!messagesPath.test(path)) return { status: error.status, headers, body: encodeChatError(error) };
  tellLimitsAnthropic(error.rateLimits, (name, value) => {
    headers[name] = value;
  });
  return {
    status: messagesStatus(error),
    headers: { ...headers, ...messagesIdHeader(requestId) },
    body: encodeMessagesError(error, requestId),
  };
}
