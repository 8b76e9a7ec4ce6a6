import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/** A request that a server of JSON got. */
export interface Got {
  readonly path: string;
  readonly headers: IncomingMessage['headers'];
  /** Parsed; undefined when there was none. */
  readonly body: Record<string, unknown> | undefined;
}

/** Answers a request: a value is sent as JSON, null is never answered; it may also answer by itself and return undefined. */
export type Answer = (got: Got, response: ServerResponse) => unknown;

export interface JsonServer {
  readonly origin: string;
  /** By path. Others are not found. */
  readonly routes: Record<string, Answer>;
  /** Everything that was asked so far. */
  readonly got: Got[];
  close(): void;
}

/** A server on loopback. */
export async function startJsonServer(routes: Record<string, Answer> = {}): Promise<JsonServer> {
  const got: Got[] = [];
  const server = createServer(async (request, response) => {
    let text = '';
    for await (const chunk of request) text += chunk;
    const path = request.url ?? '';
    const one: Got = { path, headers: request.headers, body: text === '' ? undefined : JSON.parse(text) };
    got.push(one);
    const route = routes[path];
    const answer =
      route === undefined ? send(response, 404, { error: 'no such route' }) : route(one, response);
    if (answer !== undefined && answer !== null) send(response, 200, answer);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    routes,
    got,
    close() {
      server.closeAllConnections();
      server.close();
    },
  };
}

/** Sends JSON, or text as it is. */
export function send(
  response: ServerResponse,
  status: number,
  body: unknown,
  type = 'application/json',
): void {
  response.writeHead(status, { 'content-type': type });
  response.end(typeof body === 'string' ? body : JSON.stringify(body));
}
