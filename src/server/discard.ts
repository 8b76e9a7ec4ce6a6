import type { IncomingMessage, ServerResponse } from 'node:http';
import { constants, type ServerHttp2Stream } from 'node:http2';
import type { Socket } from 'node:net';
import type { Readable } from 'node:stream';
import type { Request } from './types.ts';
import { isHttp2 } from './types.ts';

/** What a client may still send of a body that nobody wants, so that it gets to reading its answer. */
const DISCARD_BYTES = 64 * 1024 * 1024;
const DISCARD_MS = 30_000;
/** How long an HTTP/1 client may take to notice that its connection has ended. */
const FAREWELL_MS = 2_000;
/** How long an answered HTTP/2 client may take to stop by itself. Some, as curl 7, lose the answer when stopped. */
const HTTP2_LINGER_MS = 2_000;

/**
 * To be called before answering a request whose body won't be read (to its end): makes sure that a client which is
 * still sending receives the answer. What comes is thrown away, up to 64 MiB; then the client is kept waiting. On
 * HTTP/1 the connection is cut if the request hasn't ended after 30 s; `Connection: close` waits as long. On HTTP/2 the
 * stream is closed 2 s after the answer, without an error.
 */
export function discardBody(req: Request): void {
  if (isHttp2(req)) discardStream(req.stream);
  else discardMessage(req);
}

function discardStream(stream: ServerHttp2Stream): void {
  if (stream.readableEnded || stream.destroyed) return;
  const unbound = throwAway(stream);
  stream.once('finish', () => {
    if (stream.destroyed) return;
    let waitedMs = 0;
    const timer = setInterval(() => {
      waitedMs += HTTP2_LINGER_MS;
      // `finish` comes before the last frame is out, and closing before that would take the answer back.
      const unsent = stream.state.state === constants.NGHTTP2_STREAM_STATE_OPEN;
      if (unsent && waitedMs < DISCARD_MS) return;
      stream.close(constants.NGHTTP2_NO_ERROR);
      // A closed stream lives on until what has arrived is read.
      unbound();
    }, HTTP2_LINGER_MS).unref();
    stream.once('close', () => clearInterval(timer));
  });
}

function discardMessage(req: IncomingMessage): void {
  if (req.complete || req.destroyed) {
    req.resume();
    return;
  }
  const { socket } = req;
  const timer = setTimeout(() => socket.destroy(), DISCARD_MS).unref();
  const stopLingering = linger(req, socket);
  const stop = () => {
    clearTimeout(timer);
    req.off('end', stop).off('close', stop);
    stopLingering();
  };
  req.once('end', stop).once('close', stop);
  throwAway(req);
}

/** Returns what lifts the bound. */
function throwAway(source: Readable): () => void {
  let left = DISCARD_BYTES;
  source.on('data', (chunk: Buffer) => {
    left -= chunk.length;
    // Nothing more is taken from the connection then, which stops the client's sending.
    if (left < 0) source.pause();
  });
  source.resume();
  return () => {
    left = Number.POSITIVE_INFINITY;
    source.resume();
  };
}

/**
 * Node destroys the socket of a `Connection: close` exchange as soon as the answer is written (`destroySoon`). With
 * request bytes unread or still to come the kernel then sends RST, which can take the answer from the client: let it
 * only say that nothing more follows until the request is over.
 */
function linger(req: IncomingMessage, socket: Socket): () => void {
  const { destroySoon } = socket;
  let wanted = false;
  socket.destroySoon = () => {
    wanted = true;
    socket.end();
  };
  return () => {
    socket.destroySoon = destroySoon;
    if (wanted && req.complete) socket.destroySoon();
  };
}

/**
 * For a handler that may answer an HTTP/1 request without reading all of it, and destroy it, as Connect does with messages that
 * are too large: what is unread would hold up the next request on the connection for ever. Such an answer says
 * `Connection: close`, and the connection ends once the client has had time to read it.
 */
export function closeIfUnread(req: IncomingMessage, res: ServerResponse): void {
  const { socket } = req;
  const { writeHead } = res;
  res.writeHead = ((...head: Parameters<typeof writeHead>) => {
    if (!req.complete && !socket.destroyed) {
      res.shouldKeepAlive = false;
      linger(req, socket);
      res.once('finish', () => {
        socket.resume();
        const timer = setTimeout(() => socket.destroy(), FAREWELL_MS).unref();
        socket.once('close', () => clearTimeout(timer));
      });
    }
    return writeHead.apply(res, head);
  }) as typeof writeHead;
}
