import type { ServerHttp2Session } from 'node:http2';
import type { Socket } from 'node:net';
import type { PortLimits } from './limits.ts';

interface Supervised {
  /** Requests being served. */
  open: number;
  idle: NodeJS.Timeout;
}

/**
 * Keeps watch over the HTTP/2 sessions of a port: ends idle ones, finds dead clients, says goodbye on a drain. Node
 * itself bounds none of this.
 */
export class Http2Sessions {
  readonly #sessions = new Map<ServerHttp2Session, Supervised>();
  readonly #limits: PortLimits;
  #draining = false;

  constructor(limits: PortLimits) {
    this.#limits = limits;
  }

  get count(): number {
    return this.#sessions.size;
  }

  /** Takes a new session into care. */
  add(session: ServerHttp2Session, socket: Socket): void {
    session.setLocalWindowSize(this.#limits.http2SessionWindowBytes);
    // Node's own session timeout counts silence, and a slow answer is silent; this one counts absence of streams.
    const idle = setTimeout(() => {
      if (supervised.open === 0) session.close();
    }, this.#limits.http2IdleTimeoutMs).unref();
    const supervised: Supervised = { open: 0, idle };
    const stopPinging = this.#pingWhileBusy(session, socket, supervised);
    this.#sessions.set(session, supervised);
    session.once('close', () => {
      clearTimeout(idle);
      stopPinging();
      this.#sessions.delete(session);
    });
  }

  /** A request arrived on the session. */
  requestStarted(session: ServerHttp2Session | undefined): void {
    const supervised = session && this.#sessions.get(session);
    if (supervised) supervised.open++;
  }

  /** A request of the session has ended. */
  requestEnded(session: ServerHttp2Session | undefined): void {
    const supervised = session && this.#sessions.get(session);
    if (!supervised || --supervised.open > 0) return;
    supervised.idle.refresh();
    if (this.#draining) session.close();
  }

  /**
   * Sends GOAWAY on every session: open streams go on, clients take new calls to a new connection, which may be
   * another replica's. Sessions opened later get theirs after their first requests are answered: a client that is
   * told to go away before it could ask would only try again.
   */
  drain(): void {
    this.#draining = true;
    for (const session of this.#sessions.keys()) session.close();
  }

  /** Sends GOAWAY on every session that hasn't got one. */
  close(): void {
    for (const session of this.#sessions.keys()) session.close();
  }

  #pingWhileBusy(session: ServerHttp2Session, socket: Socket, supervised: Supervised): () => void {
    let deadline: NodeJS.Timeout | undefined;
    const interval = setInterval(() => {
      if (supervised.open === 0 || session.destroyed || deadline !== undefined) return;
      const received = socket.bytesRead;
      deadline = setTimeout(() => {
        deadline = undefined;
        // A client behind a slow line may have the answer queued behind an upload; any byte shows that it lives.
        if (socket.bytesRead === received) socket.destroy();
      }, this.#limits.http2PingTimeoutMs).unref();
      session.ping(() => {
        clearTimeout(deadline);
        deadline = undefined;
      });
    }, this.#limits.http2PingIntervalMs).unref();
    return () => {
      clearInterval(interval);
      clearTimeout(deadline);
    };
  }
}
