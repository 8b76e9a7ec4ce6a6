import type { GatewayError } from '../errors/gateway-error.ts';
import { correlationHeader } from '../rpc/correlation.ts';
import type { Request, Response } from '../server/types.ts';
import { errorReply } from './error-form.ts';

/** Answers a REST request with an error without reading it: what is left to do when the gateway drains. */
export function refuseRest(req: Request, res: Response, error: GatewayError, requestId: string): void {
  const path = (req.url ?? '/').replace(/\?.*/s, '');
  const correlation = req.headers[correlationHeader];
  const given = typeof correlation === 'string' ? correlation : undefined;
  const { status, headers, body } = errorReply(error, path, requestId, given);
  res.writeHead(status, { ...headers, 'content-type': 'application/json' });
  res.end(body);
}
