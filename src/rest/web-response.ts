import { once } from 'node:events';
import type { Exchange } from './exchange.ts';

/** Headers that belong to a connection of HTTP/1 and are not the answer's own; HTTP/2 has none of them. */
const connectionHeaders = ['connection', 'keep-alive', 'transfer-encoding'];

/**
 * Writes a web-standard response, as fast as the client takes it. Ends early, without an error, when the client leaves or the signal aborts:
 * the status is out by then.
 */
export async function sendResponse(
  { res, requestId }: Exchange,
  response: Response,
  signal: AbortSignal,
): Promise<void> {
  if (res.headersSent || res.destroyed) return;
  const headers = Object.fromEntries(response.headers);
  for (const name of connectionHeaders) delete headers[name];
  res.writeHead(response.status, { ...headers, 'x-request-id': requestId });
  if (response.body === null) return void res.end();
  res.flushHeaders();
  const reader = response.body.getReader();
  const stop = (): void => void reader.cancel().catch(() => {});
  signal.addEventListener('abort', stop, { once: true });
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done || res.destroyed) break;
      if (!res.write(value)) await once(res, 'drain', { signal });
    }
  } catch {
    // The client has left, or the time is up: a stream that ends without its answer says so.
  } finally {
    signal.removeEventListener('abort', stop);
    stop();
    res.end();
  }
}
