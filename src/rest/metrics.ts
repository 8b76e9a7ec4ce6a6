import { timingSafeEqual } from 'node:crypto';
import { ErrorReason } from '../../gen/llmgateway/v1/error_pb.js';
import { GatewayError } from '../errors/gateway-error.ts';
import { type Counted, expose } from '../observability/families.ts';
import { header, type RestHandler } from './exchange.ts';

/**
 * GET /metrics: OpenMetrics for those who ask for it, else Prometheus's text.
 * @param counted by each process of the gateway
 * @param token what the scraper has to show; null for nothing
 */
export const scrape =
  (counted: () => Promise<readonly Counted[]>, token: () => string | null): RestHandler =>
  async (exchange) => {
    const wanted = token();
    if (wanted !== null && !matches(header(exchange, 'authorization'), wanted)) {
      throw new GatewayError(
        ErrorReason.UNAUTHENTICATED,
        'the metrics need the token of LLM_GATEWAY_METRICS_TOKEN',
      );
    }
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

function matches(given: string | undefined, token: string): boolean {
  const shown = Buffer.from(/^Bearer +(\S+)$/i.exec(given ?? '')?.[1] ?? '');
  const wanted = Buffer.from(token);
  return shown.length === wanted.length && timingSafeEqual(shown, wanted);
}
