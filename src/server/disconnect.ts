import { onceOver } from './exchanges.ts';
import type { Request, Response } from './types.ts';
import { isHttp2 } from './types.ts';

/** The reason that {@link clientGone} gives. */
export class ClientGoneError extends Error {
  override readonly name = 'ClientGoneError';
  constructor() {
    super('The client closed the request before its response ended');
  }
}

// One for all: an Error made on the spot costs a stack trace.
const CLIENT_GONE = new ClientGoneError();

/**
 * Calls `listener`, with the shared {@link ClientGoneError}, when the client leaves before it was sent the whole response:
 * connection closed, HTTP/2 stream reset; at once if that has happened. Never after a response that ended well. A client that
 * half-closes its HTTP/1 connection has left.
 * @returns what takes the listener back
 */
export function clientGone(
  req: Request,
  res: Response,
  listener: (reason: ClientGoneError) => void,
): () => void {
  let wanted = true;
  const check = () => {
    if (!wanted || endedWell(req, res)) return;
    wanted = false;
    listener(CLIENT_GONE);
  };
  if (isOver(req, res)) check();
  else onceOver(req, res, check);
  return () => {
    wanted = false;
  };
}

function isOver(req: Request, res: Response): boolean {
  if (isHttp2(req)) return req.stream.destroyed;
  return (res as { destroyed?: boolean }).destroyed === true || req.socket.destroyed;
}

function endedWell(req: Request, res: Response): boolean {
  // Node ends the writable side of a reset stream itself, so that `writableFinished` alone says nothing there.
  if (isHttp2(req) && (req.stream.aborted || !res.writableEnded)) return false;
  return res.writableFinished;
}
