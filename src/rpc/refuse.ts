import { codeToString } from '@connectrpc/connect/protocol-connect';
import type { GatewayError } from '../errors/gateway-error.ts';
import type { Request, Response } from '../server/types.ts';

/**
 * Answers an RPC with an error without reading it, in the protocol that its content type names: what is left to do when
 * the gateway drains.
 */
export function refuseRpc(req: Request, res: Response, error: GatewayError): void {
  const type = req.headers['content-type'] ?? '';
  if (type.startsWith('application/grpc')) {
    res.writeHead(200, {
      'content-type': type,
      'grpc-status': String(error.code),
      'grpc-message': encodeURIComponent(error.rawMessage),
    });
    res.end();
    return;
  }
  const json = { code: codeToString(error.code), message: error.rawMessage };
  if (type.startsWith('application/connect+')) {
    res.writeHead(200, { 'content-type': type });
    res.end(endOfStream(Buffer.from(JSON.stringify({ error: json }))));
    return;
  }
  res.writeHead(error.status, { 'content-type': 'application/json' });
  res.end(JSON.stringify(json));
}

/** A frame of the Connect protocol's streams that carries the end: flag 2, length, JSON. */
function endOfStream(payload: Buffer): Buffer {
  const head = Buffer.alloc(5);
  head[0] = 2;
  head.writeUInt32BE(payload.length, 1);
  return Buffer.concat([head, payload]);
}
