import { constants } from 'node:http2';
import { discardBody } from './discard.ts';
import { errorBody } from './error-body.ts';
import type { Exchange, Exchanges } from './exchanges.ts';
import { newRequestId, requestIdHeader } from './request-id.ts';
import { isHttp2 } from './types.ts';

/**
 * Ends the HTTP/2 requests that haven't wholly arrived within `timeoutMs`, which Node only checks on HTTP/1: with a 408
 * before they are answered, by closing their stream afterwards. Those being answered are left alone. One sweep over
 * the requests in flight, to be called now and then, costs less than a timer for each.
 */
export function endSlowRequests(exchanges: Exchanges, timeoutMs: number): void {
  const oldest = performance.now() - timeoutMs;
  for (const exchange of exchanges.open.entries()) {
    if (exchange.startedAt <= oldest) endIfSlow(exchange);
  }
}

function endIfSlow({ req, res }: Exchange): void {
  if (!isHttp2(req) || req.stream.destroyed) return;
  const { stream } = req;
  const { state } = stream.state;
  if (state === constants.NGHTTP2_STREAM_STATE_HALF_CLOSED_LOCAL) {
    stream.close(constants.NGHTTP2_NO_ERROR);
    stream.resume();
  } else if (state === constants.NGHTTP2_STREAM_STATE_OPEN && !res.headersSent) {
    discardBody(req);
    res.statusCode = 408;
    res.setHeader('content-type', 'application/json');
    res.setHeader(requestIdHeader, newRequestId());
    res.end(errorBody('The request did not arrive in time'));
  }
}
