import { errors } from 'undici';

/**
 * What went wrong between the gateway and an upstream:
 * - `connect`: no connection (refused, DNS, TLS), or it broke before the first byte of the response;
 * - `connect_timeout`: no connection was ready to take the request in time;
 * - `first_byte_timeout`: the request was handed over, and no byte of a response body came in time;
 * - `idle_timeout`: the body paused for too long;
 * - `reset`: the response broke off: connection lost, content-length not met, last chunk missing;
 * - `aborted`: the gateway stopped it itself: `cancel()`, or the client was closed. (An aborted *signal*
 *   rejects with the signal's own reason instead);
 * - `too_large`: the response, or one event of it, exceeds its bound;
 * - `protocol`: bytes that are not HTTP, a broken content coding, or a request that can't be expressed in
 *   HTTP;
 * - `framing`: a body whose own framing is broken: a wrong checksum or length of a binary message;
 * - `overloaded`: too many requests already wait for a connection to this origin, or too many origins are in
 *   use.
 */
export type UpstreamErrorKind =
  | 'connect'
  | 'connect_timeout'
  | 'first_byte_timeout'
  | 'idle_timeout'
  | 'reset'
  | 'aborted'
  | 'too_large'
  | 'protocol'
  | 'framing'
  | 'overloaded';

/**
 * How far a request had come: `connect`, the upstream can't have acted on it (at most a part of it left), so
 * that sending it again is safe whatever its method; `headers`, it was sent; `body`, the response's head has
 * arrived.
 */
export type UpstreamPhase = 'connect' | 'headers' | 'body';

/**
 * A failed exchange with an upstream. The message names the origin at most: never a path, a header or a body.
 */
export class UpstreamError extends Error {
  override readonly name = 'UpstreamError';
  readonly kind: UpstreamErrorKind;
  readonly phase: UpstreamPhase;

  constructor(kind: UpstreamErrorKind, phase: UpstreamPhase, message: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.kind = kind;
    this.phase = phase;
  }
}

const codeOf = (error: Error): string => String((error as { code?: unknown }).code ?? '');

/**
 * Whether an error means that the upstream can't have the whole request, so that sending it again is safe:
 * the kept-alive connection broke while the request waited to be written (`started` false), or the system
 * refused to take all of it. Errors of the attempt to connect are not meant. A connection that closes after
 * the write tells nothing.
 */
export function neverSent(error: Error, started: boolean): boolean {
  const code = codeOf(error);
  const syscall = (error as { syscall?: unknown }).syscall;
  if (code !== 'ECONNRESET' && code !== 'EPIPE') return false;
  return syscall === 'write' || (!started && syscall === 'read');
}

/**
 * Turns an error of undici or of the system into ours.
 * @param responding whether any byte of the response had arrived
 */
export function classify(
  error: Error,
  phase: UpstreamPhase,
  responding: boolean,
  origin: string,
): UpstreamError {
  const code = codeOf(error);
  const make = (kind: UpstreamErrorKind, what: string) =>
    new UpstreamError(kind, phase, `${what} (${origin}): ${error.message}`, error);

  if (error instanceof errors.ConnectTimeoutError || (phase === 'connect' && code === 'ETIMEDOUT')) {
    return make('connect_timeout', 'connecting to the upstream took too long');
  }
  if (error instanceof errors.ClientDestroyedError || error instanceof errors.ClientClosedError) {
    return make('aborted', 'the upstream client is closed');
  }
  if (
    error instanceof errors.InvalidArgumentError ||
    error instanceof errors.NotSupportedError ||
    error instanceof errors.RequestContentLengthMismatchError
  ) {
    return make('protocol', 'the request is not valid HTTP');
  }
  if (phase === 'connect') return make('connect', 'could not connect to the upstream');
  if (error instanceof errors.HTTPParserError) {
    // It carries the bytes that didn't parse; errors get logged, and those bytes may be anybody's text.
    (error as { data?: unknown }).data = undefined;
    return error.message.endsWith('(Invalid EOF state)')
      ? make('reset', 'the upstream broke off its response')
      : make('protocol', 'the upstream did not answer in HTTP');
  }
  if (error instanceof errors.HeadersOverflowError)
    return make('protocol', 'the head of the response is too large');
  if (phase === 'headers' && !responding)
    return make('connect', 'the upstream closed the connection unanswered');
  return make('reset', 'the upstream broke off its response');
}
