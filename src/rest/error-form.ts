import { encodeMessagesError, messagesStatus } from '../codec/anthropic-messages/encode-error.ts';
import { errorHeaders } from '../codec/error-headers.ts';
import { encodeChatError } from '../codec/openai-chat/encode-error.ts';
import type { GatewayError } from '../errors/gateway-error.ts';
import { tellLimitsAnthropic } from '../model/limit-headers.ts';
import { encodeMcpError } from './mcp-error.ts';

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

/** Anthropic's form on Anthropic's routes, JSON-RPC's for MCP, OpenAI's on all others. @param path without query */
export function errorReply(error: GatewayError, path: string, requestId: string): ErrorReply {
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
