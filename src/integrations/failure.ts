import { UpstreamError } from '../http/client.ts';
import { ServiceError } from './service.ts';

/** Why there is no connection, by the system's codes. What the system itself says has addresses in it. */
const reasons: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'connection refused',
  ENOTFOUND: 'its host name is unknown',
  EAI_AGAIN: 'its host name cannot be resolved now',
  EHOSTUNREACH: 'its host cannot be reached',
  ENETUNREACH: 'its network cannot be reached',
  ECONNRESET: 'the connection broke',
  EPIPE: 'the connection broke',
  UND_ERR_SOCKET: 'the connection broke',
};

/** The answer to a call that was given up at its time limit. */
export function tooLate(name: string, timeoutMs: number): ServiceError {
  const reason = `no answer within ${timeoutMs} ms`;
  return new ServiceError('timeout', `${name}: ${reason}`, { reason });
}

/** The answer to a call that was not made. */
export function circuitOpen(name: string): ServiceError {
  const reason = 'too many calls failed; it is not asked for a while';
  return new ServiceError('circuit_open', `${name}: ${reason}`, { reason, sent: false });
}

/** An answer with a status other than 2xx. */
export const badStatus = (name: string, status: number, body: string): ServiceError =>
  new ServiceError('status', `${name}: HTTP ${status}`, { status, body, reason: `HTTP ${status}` });

/** What went wrong between the gateway and a service, without its address. */
export function serviceFailure(
  name: string,
  error: UpstreamError,
  timeoutMs: number,
  maxBytes: number,
): ServiceError {
  if (error.kind.endsWith('_timeout')) return tooLate(name, timeoutMs);
  const kind = error.kind === 'too_large' ? 'too_large' : 'unavailable';
  const reason = kind === 'too_large' ? `the answer is larger than ${maxBytes} bytes` : reasonOf(error);
  return new ServiceError(kind, `${name}: ${reason}`, { reason, sent: error.phase !== 'connect' });
}

function reasonOf({ kind, cause }: UpstreamError): string {
  switch (kind) {
    case 'overloaded':
      return 'too many calls wait for a connection';
    case 'reset':
      return 'the connection broke';
    case 'aborted':
      return 'the gateway is shutting down';
    case 'protocol':
      return 'it does not answer in HTTP';
    default:
      return reasons[codeOf(cause)] ?? 'no connection';
  }
}

/** The code of an error, or of the first that has one among those it is made of (one for each address that was tried). */
function codeOf(cause: unknown): string {
  if (!(cause instanceof Error)) return '';
  const { code } = cause as { code?: unknown };
  if (typeof code === 'string' && Object.hasOwn(reasons, code)) return code;
  if (cause instanceof AggregateError) return cause.errors.map(codeOf).find((found) => found !== '') ?? '';
  return codeOf(cause.cause);
}

/** Whether a failure says that the service, not the request or the gateway, is in trouble. */
export function isTrouble(error: ServiceError, cause: unknown): boolean {
  switch (error.kind) {
    case 'status':
      return error.status >= 500 || error.status === 408 || error.status === 429;
    case 'timeout':
      return true;
    case 'unavailable':
      return !(cause instanceof UpstreamError && (cause.kind === 'overloaded' || cause.kind === 'aborted'));
    default:
      return false;
  }
}
