import { encodeChatError, errorHeaders } from '../codec/openai-chat/encode-error.ts';
import type { GatewayError } from '../errors/gateway-error.ts';
import type { Response } from '../server/types.ts';

/** Answers a REST request with an error without reading it: what is left to do when the gateway drains. */
export function refuseRest(res: Response, error: GatewayError): void {
  res.writeHead(error.status, { ...errorHeaders(error), 'content-type': 'application/json' });
  res.end(encodeChatError(error));
}
