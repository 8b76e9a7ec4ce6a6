import { once } from 'node:events';
import type { Exchanges } from './exchanges.ts';
import type { Listener } from './listener.ts';

/** How long connections have to close by themselves once everything was said. */
const FAREWELL_MS = 1_000;

/** What a drain came to. */
export interface DrainReport {
  /** Requests that were still being served when the grace ran out, and were cut off. */
  destroyed: number;
}

/** Resolves to true once no exchange holds the drain, to false after `graceMs`. */
export function untilIdle(
  exchanges: Exchanges,
  graceMs: number,
  onEnded: (listener: () => void) => void,
): Promise<boolean> {
  if (exchanges.holding === 0) return Promise.resolve(true);
  return new Promise((resolve) => {
    const timer = setTimeout(() => resolve(false), graceMs);
    onEnded(() => {
      if (exchanges.holding > 0) return;
      clearTimeout(timer);
      resolve(true);
    });
  });
}

/**
 * Stops listening and closes every connection: idle ones at once; busy ones, HTTP/2 after a GOAWAY, have `farewellMs`
 * to come to their end.
 */
export async function closeListener(listener: Listener, farewellMs = FAREWELL_MS): Promise<void> {
  const { server, sessions, sockets, undecided } = listener;
  const destroyAll = () => {
    for (const socket of sockets) socket.destroy();
  };
  const closed = new Promise<void>((resolve) => server.close(() => resolve()));
  sessions.close();
  for (const socket of undecided) socket.destroy();
  if (farewellMs === 0) destroyAll();
  const timer = setTimeout(destroyAll, farewellMs);
  await closed;
  clearTimeout(timer);
  // The server counts a connection as closed a little before the connection says so.
  for (const socket of sockets) await once(socket, 'close');
}
