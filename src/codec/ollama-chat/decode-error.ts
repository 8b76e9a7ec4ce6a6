import type { GatewayError } from '../../errors/gateway-error.ts';
import { isObject, type Json } from '../json.ts';
import { type ErrorReply, excerpt, retryAfter, upstreamFailure } from '../upstream-error.ts';

/** A reply with an error status as the error that the client is told of: `{"error": "…"}`. */
export function decodeChatError({ status, headers, body, provider }: ErrorReply): GatewayError {
  return upstreamError(provider, errorObject(body), status, retryAfter(headers));
}

function errorObject(body: string): Json {
  let json: unknown;
  try {
    json = JSON.parse(body);
  } catch {
    json = null;
  }
  return isObject(json) && json['error'] ? json : { error: excerpt(body) };
}

/**
 * An object with `error` as the error that the client is told of. Servers in front of Ollama put an object there.
 * @param status HTTP status of the reply; 200 when the error came inside a good one, then its own `status` decides, if any
 */
export function upstreamError(
  provider: string,
  json: Json,
  status: number,
  retryAfterMs?: number,
): GatewayError {
  const { error } = json;
  const detail: Json = isObject(error) ? error : {};
  const { message, code, type } = detail;
  return upstreamFailure(provider, {
    status: status === 200 ? statusOf(json) : status,
    message: wordOf(message) || wordOf(error) || (isObject(error) ? JSON.stringify(error) : ''),
    code: wordOf(code),
    type: wordOf(type),
    retryAfterMs,
  });
}

const wordOf = (value: unknown): string =>
  typeof value === 'string' || typeof value === 'number' ? String(value) : '';

function statusOf({ status, status_code: code }: Json): number {
  const given = [status, code].find(
    (value) => typeof value === 'number' && Number.isInteger(value) && value >= 400 && value < 600,
  );
  return typeof given === 'number' ? given : 500;
}

/** Whether an object is an error, although it came in a good reply. */
export const isError = ({ error }: Json): boolean => error !== undefined && error !== null && error !== '';
