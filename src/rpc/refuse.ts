import { errorToJson } from '@connectrpc/connect/protocol-connect';
import { setTrailerStatus } from '@connectrpc/connect/protocol-grpc';
import { errorHeaders } from '../codec/error-headers.ts';
import type { GatewayError } from '../errors/gateway-error.ts';
import type { Request, Response } from '../server/types.ts';

/**
 * Answers an RPC with an error without reading it, in the protocol that its content type names: what is left to do when
 * the gateway drains or has too much to do.
 */
export function refuseRpc(req: Request, res: Response, error: GatewayError, requestId: string): void {
  const type = req.headers['content-type'] ?? '';
  const detailed = error.withDetails(requestId);
  if (type.startsWith('application/grpc')) {
    const status = new Headers();
    setTrailerStatus(status, detailed);
    res.writeHead(200, { 'content-type': type, ...Object.fromEntries(status) });
    res.end();
    return;
  }
  const json = errorToJson(detailed, undefined);
  if (type.startsWith('application/connect+')) {
    res.writeHead(200, { 'content-type': type });
    res.end(endOfStream(Buffer.from(JSON.stringify({ error: json }))));
    return;
  }
  res.writeHead(error.status, { ...errorHeaders(error), 'content-type': 'application/json' });
  res.end(JSON.stringify(json));
}

/** A frame of the Connect protocol's streams that carries the end: flag 2, length, JSON. */
function endOfStream(payload: Buffer): Buffer {
  const head = Buffer.alloc(5);
  head[0] = 2;
  head.writeUInt32BE(payload.length, 1);
  return Buffer.concat([head, payload]);
}
