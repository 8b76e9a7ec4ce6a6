import type { IncomingMessage, OutgoingHttpHeaders, ServerResponse } from 'node:http';
import type { Http2ServerRequest, Http2ServerResponse } from 'node:http2';
import { anonymous, type Principal } from '../auth/principal.ts';

/** A request of either protocol, as Node's HTTP/1 server or HTTP/2 compatibility API gives it. */
export type Request = IncomingMessage | Http2ServerRequest;

/** The response that belongs to a {@link Request}. */
export type Response = (ServerResponse | Http2ServerResponse) & Common;

/** What both protocols have, but declare in ways of which TypeScript finds none to call on either. */
interface Common {
  writeHead(status: number, headers?: OutgoingHttpHeaders): unknown;
  /** Sends the headers without waiting for the body. */
  flushHeaders(): void;
  /** False asks the caller to wait for `drain`. */
  write(chunk: string | Uint8Array): boolean;
}

/**
 * Serves one request of either protocol. What it throws, or what its promise rejects with, becomes a plain 500 when no
 * headers were sent yet and otherwise cuts the response off.
 */
export type RequestHandler = (req: Request, res: Response) => void | Promise<void>;

/** Whether the request came over HTTP/2; `req.stream` and `res.stream` exist then. */
export function isHttp2(req: Request): req is Http2ServerRequest {
  // Not by the version: a request line of HTTP/1 may say anything.
  return 'stream' in req;
}

/** On the request itself: a map beside it costs more, and the collector again. */
const principalKey = Symbol('principal');

interface Asked {
  [principalKey]?: Principal;
}

/** Who makes the request, as the port has found out. */
export const principalOf = (req: object): Principal => (req as Asked)[principalKey] ?? anonymous;

export const setPrincipal = (req: Request, principal: Principal): void => {
  (req as Asked)[principalKey] = principal;
};
