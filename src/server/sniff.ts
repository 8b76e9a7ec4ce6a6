import type { Socket } from 'node:net';

/** What every HTTP/2 client sends first (RFC 9113, 3.4). No HTTP/1 request can begin so. */
export const HTTP2_PREFACE = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 'latin1');

/**
 * Looks at the first bytes of a fresh connection and calls `decided` once, with every byte back in the socket's buffer
 * and the socket paused. Decides for HTTP/2 on the whole preface, for HTTP/1 on the first byte that differs from it.
 * A client that leaves or stays undecided for `timeoutMs` is disconnected, and `decided` isn't called.
 */
export function sniffHttp2(socket: Socket, timeoutMs: number, decided: (http2: boolean) => void): void {
  // A partial preface is held here: putting it back and waiting would wake the listener at once, for ever.
  let held: Buffer | null = null;

  const onReadable = () => {
    let bytes: Buffer | null = socket.read();
    if (bytes === null) return;
    if (held !== null) bytes = Buffer.concat([held, bytes]);
    const seen = Math.min(bytes.length, HTTP2_PREFACE.length);
    const matches = bytes.compare(HTTP2_PREFACE, 0, seen, 0, seen) === 0;
    if (matches && seen < HTTP2_PREFACE.length) {
      held = bytes;
      return;
    }
    stop();
    socket.unshift(bytes);
    decided(matches);
  };
  const giveUp = () => socket.destroy();
  const stop = () => {
    clearTimeout(timer);
    socket.off('readable', onReadable).off('end', giveUp).off('close', stop);
  };

  const timer = setTimeout(giveUp, timeoutMs).unref();
  socket.on('readable', onReadable).on('end', giveUp).on('close', stop);
}
