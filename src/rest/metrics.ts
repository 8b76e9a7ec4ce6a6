import { timingSafeEqual } from 'node:crypto';
import { ErrorReason } from '../../gen/llmgateway/v1/error_pb.js';
import { GatewayError } from '../errors/gateway-error.ts';
import { type Counted, expose } from '../observability/families.ts';
import { header, type RestHandler, sendJson } from './exchange.ts';

/**
 * GET /metrics: OpenMetrics for those who ask for it, a summary as JSON for those who prefer that, else Prometheus's text.
 * @param counted by each process of the gateway
 * @param summary JSON text
 * @param token what the scraper has to show; null for nothing
 */
export const scrape =
  (
    counted: () => Promise<readonly Counted[]>,
    token: () => string | null,
    summary: () => Promise<string>,
  ): RestHandler =>
  async (exchange) => {
    const wanted = token();
    if (wanted !== null && !matches(header(exchange, 'authorization'), wanted)) {
      throw new GatewayError(
        ErrorReason.UNAUTHENTICATED,
        'the metrics need the token of LLM_GATEWAY_METRICS_TOKEN',
      );
    }
    if (prefersJson(header(exchange, 'accept') ?? '')) return sendJson(exchange, 200, await summary());
    const openMetrics = /\bapplication\/openmetrics-text\b/.test(header(exchange, 'accept') ?? '');
    const { contentType, body } = await expose(await counted(), openMetrics);
    const { res, requestId } = exchange;
    if (res.headersSent || res.destroyed) return;
    const bytes = Buffer.from(body);
    res.writeHead(200, {
      'x-request-id': requestId,
      'content-type': contentType,
      'content-length': bytes.length,
    });
    res.end(bytes);
  };

/** Whether JSON comes before what a scraper wants (RFC 9110, 12.5.1); `*` is no wish. */
export function prefersJson(accept: string): boolean {
  let json = 0;
  let text = 0;
  for (const range of accept.split(',')) {
    const [type = '', ...parameters] = range.split(';').map((part) => part.trim().toLowerCase());
    const weight = parameters.find((one) => one.startsWith('q='));
    const value = weight === undefined ? 1 : Number(weight.slice(2)) || 0;
    if (type === 'application/json') json = Math.max(json, value);
    if (type === 'text/plain' || type === 'application/openmetrics-text') text = Math.max(text, value);
  }
  return json > text;
}

function matches(given: string | undefined, token: string): boolean {
  const shown = Buffer.from(/^Bearer +(\S+)$/i.exec(given ?? '')?.[1] ?? '');
  const wanted = Buffer.from(token);
  return shown.length === wanted.length && timingSafeEqual(shown, wanted);
}
