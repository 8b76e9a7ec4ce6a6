import { ProtocolError, SdkError, SdkErrorCode, SdkHttpError } from '@modelcontextprotocol/client';
import { brokenStreamCode } from './http.ts';

/** Why a call came to nothing. */
export interface Failure {
  /** What the model or the client is told. */
  readonly message: string;
  /** Whether the connection is in doubt. */
  readonly doubtful: boolean;
}

export const notAvailable = (server: string): string => `MCP server ${server} is not available`;

/** What a failed call means. The server's own words are told; what the system says, which may name addresses, is not. */
export function failureOf(server: string, timeoutMs: number, error: unknown): Failure {
  if (error instanceof SdkHttpError && [401, 403].includes(error.status ?? 0))
    return { message: `MCP server ${server} refused the call (HTTP ${error.status})`, doubtful: false };
  if (error instanceof ProtocolError && error.code !== brokenStreamCode)
    return { message: error.message.slice(0, 8_192), doubtful: false };
  if (error instanceof SdkError) {
    switch (error.code) {
      case SdkErrorCode.RequestTimeout:
        return { message: `MCP server ${server} did not answer within ${timeoutMs} ms`, doubtful: true };
      case SdkErrorCode.InvalidResult:
      case SdkErrorCode.UnsupportedResultType:
        return { message: `MCP server ${server} gave an answer that is no tool result`, doubtful: false };
    }
  }
  return { message: notAvailable(server), doubtful: true };
}

/** What is logged of it: the kind, never an address. */
export function kindOf(error: unknown): string {
  if (error instanceof SdkHttpError) return `HTTP ${error.status}`;
  if (error instanceof SdkError) return error.code.toLowerCase();
  if (error instanceof ProtocolError) return `${error.message.slice(0, 500)} (${error.code})`;
  const codes = [error, (error as { cause?: unknown } | null)?.cause].map(
    (one) => (one as NodeJS.ErrnoException | null | undefined)?.code,
  );
  const code = codes.find((one) => typeof one === 'string');
  if (code !== undefined) return code;
  return error instanceof Error ? error.message.slice(0, 500) : 'unknown';
}
