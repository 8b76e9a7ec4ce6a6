import type { ServerHttp2Session } from 'node:http2';
import { Slots, type Slotted } from '../base/slots.ts';
import type { Request, Response } from './types.ts';
import { isHttp2 } from './types.ts';

/** One request being served, from its headers until its response is finished or its connection is closed. */
export interface Exchange extends Slotted {
  readonly req: Request;
  readonly res: Response;
  /** The HTTP/2 session it came on. */
  readonly session: ServerHttp2Session | undefined;
  /** performance.now() at arrival. */
  readonly startedAt: number;
  /** Whether a drain waits for its end. */
  holdsDrain: boolean;
  /** Of a response that its client does not take: how much it had taken, and since when nothing more. See cutOffStalled. */
  stalled: { readonly taken: number; readonly since: number } | null;
}

/** The requests in flight on a port. */
export class Exchanges {
  readonly open = new Slots<Exchange>();
  /** How many of the open ones a drain waits for. */
  holding = 0;

  /** Counts an exchange until it ends, then calls `ended` once. */
  start(req: Request, res: Response, holdsDrain: boolean, ended: (exchange: Exchange) => void): Exchange {
    const session = isHttp2(req) ? (req.stream.session as ServerHttp2Session | undefined) : undefined;
    const startedAt = performance.now();
    const exchange: Exchange = { slot: -1, req, res, session, startedAt, holdsDrain, stalled: null };
    this.open.add(exchange);
    if (holdsDrain) this.holding++;
    const end = () => {
      if (!this.open.delete(exchange)) return;
      if (exchange.holdsDrain) this.holding--;
      ended(exchange);
    };
    onceOver(req, res, end);
    return exchange;
  }

  /** From now on a drain doesn't wait for this exchange. */
  release(exchange: Exchange): void {
    if (!exchange.holdsDrain) return;
    exchange.holdsDrain = false;
    this.holding--;
  }
}

/**
 * Calls `over` when the response is finished or its connection is closed, whichever comes first; possibly twice.
 * Leaves no listener on a connection that outlives the response.
 */
export function onceOver(req: Request, res: Response, over: () => void): void {
  res.once('close', over);
  // A pipelined response that waits for its turn isn't told when its connection closes.
  if (!isHttp2(req) && res.socket === null) {
    const { socket } = req;
    // A client may pipeline more requests than Node expects listeners.
    socket.setMaxListeners(0);
    socket.once('close', over);
    res.once('close', () => socket.off('close', over));
  }
}
