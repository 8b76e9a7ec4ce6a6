import { STATUS_CODES } from 'node:http';
import type { Duplex } from 'node:stream';
import { errorBody } from './error-body.ts';
import { newRequestId } from './request-id.ts';

/** How long a client that sent nonsense has to take its answer. */
const LINGER_MS = 1_000;

/**
 * Answers what Node's HTTP/1 parser refused (the server's `clientError` event): 408 when the request came too slowly,
 * 431 when its headers are too big, 413 for oversized chunk extensions, else 400; JSON body, connection closed.
 * Answers nothing where an answer would corrupt the connection: during a TLS handshake, once the socket is closed, or
 * when `responding` says that bytes of a response are already out.
 */
export function answerClientError(error: NodeJS.ErrnoException, socket: Duplex, responding: boolean): void {
  // Set once our answer was written: the rest of the nonsense keeps coming.
  if (socket.writableEnded) return;
  const answer = answerFor(error.code);
  if (answer === undefined || responding || !socket.writable) {
    socket.destroy();
    return;
  }
  const [status, message] = answer;
  const body = errorBody(message);
  socket.end(
    `HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\nconnection: close\r\ncontent-type: application/json\r\n` +
      `x-request-id: ${newRequestId()}\r\n` +
      `content-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
  );
  // Closing with unread bytes would make the kernel send RST, which can take the answer from the client.
  const timer = setTimeout(() => socket.destroy(), LINGER_MS).unref();
  socket.once('close', () => clearTimeout(timer));
}

function answerFor(code: string | undefined): [status: number, message: string] | undefined {
  if (code === 'ERR_HTTP_REQUEST_TIMEOUT') return [408, 'The request did not arrive in time'];
  if (code === 'HPE_HEADER_OVERFLOW') return [431, 'The request headers are too large'];
  if (code === 'HPE_CHUNK_EXTENSIONS_OVERFLOW')
    return [413, 'The chunk extensions of the request are too large'];
  if (code?.startsWith('HPE_')) return [400, 'The request is not valid HTTP'];
  return undefined;
}
