import { constants } from 'node:http2';
import type { Exchange, Exchanges } from './exchanges.ts';
import { isHttp2, type Request } from './types.ts';

/** A write that is larger may take as many times longer: progress within it is not seen. */
const writeBytes = 2 ** 20;

/**
 * Ends the responses of which their clients have taken nothing for `timeoutMs`, so that what they hold is free. Silence of the gateway's
 * own does not count: then nothing waits to be taken. One sweep over the requests in flight, to be called now and then.
 */
export function cutOffStalled(
  exchanges: Exchanges,
  timeoutMs: number,
  onStalled: (req: Request) => void,
  now = performance.now(),
): void {
  for (const exchange of exchanges.open.entries()) {
    const { waiting, taken } = progressOf(exchange);
    if (waiting === 0) {
      exchange.stalled = null;
    } else if (exchange.stalled === null || exchange.stalled.taken !== taken) {
      exchange.stalled = { taken, since: now };
    } else if (now - exchange.stalled.since >= timeoutMs * Math.max(1, waiting / writeBytes)) {
      exchange.stalled = null;
      onStalled(exchange.req);
      cutOff(exchange, exchanges);
    }
  }
}

/** Bytes that wait to be taken, and a number that changes with what is taken. */
function progressOf({ req, res }: Exchange): { waiting: number; taken: number } {
  if (isHttp2(req)) {
    const waiting = req.stream.destroyed ? 0 : req.stream.writableLength;
    // More is written only once this was taken.
    return { waiting, taken: -waiting };
  }
  const { socket } = res;
  // A pipelined response waits for its turn.
  if (socket === null || socket === undefined || socket.destroyed) return { waiting: 0, taken: 0 };
  const waiting = socket.writableLength;
  return { waiting, taken: socket.bytesWritten - waiting };
}

function cutOff({ req, res, session }: Exchange, { open }: Exchanges): void {
  if (!isHttp2(req)) {
    // Whoever waits for a write is told that the client has gone, rather than of what becomes of the write.
    if (res.listenerCount('error') > 0) res.emit('error', clientGone());
    res.destroy();
    return;
  }
  req.stream.close(constants.NGHTTP2_CANCEL);
  // What was written stays until it is sent, which may be never.
  req.stream.destroy();
  for (const other of open.entries()) if (other.session === session && other.req !== req) return;
  session?.destroy();
}

const clientGone = (): Error =>
  Object.assign(new Error('the client takes nothing of its answer'), { code: 'ECONNRESET' });
