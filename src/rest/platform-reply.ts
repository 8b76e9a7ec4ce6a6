import { namesOf } from '../rpc/call-context.ts';
import { correlationHeader, correlationId } from '../rpc/correlation.ts';
import { booleanHeader, type Exchange, header, type RestHandler, sendJson } from './exchange.ts';
import { platformErrorReply } from './platform-error.ts';

/** The id of a request; the same each time. @param kind see correlationId */
export function correlationOf(exchange: Exchange, kind?: string): string {
  exchange.correlation ??= correlationId(header(exchange, correlationHeader), kind);
  return exchange.correlation;
}

/** The id of a request, where it has one: the client's, or the one that it was given. */
export const givenCorrelation = (exchange: Exchange): string | undefined =>
  exchange.correlation ?? namesOf(header(exchange, correlationHeader))?.correlationId;

/** Its route, as the audit trail names it. */
export const routeOf = ({ path }: Exchange): string => (path.length > 1 ? path.replace(/\/$/, '') : path);

/** A handler whose errors have the platform's form, on a route that another API has as well: on all others the path says it. */
export const platformRoute =
  (handler: RestHandler): RestHandler =>
  async (exchange) => {
    exchange.errorForm = (error) => platformErrorReply(error, correlationOf(exchange));
    return handler(exchange);
  };

/**
 * Sends a reply in the platform's form: flat, and with `X-Response-Envelope: true` once more as `data` beside `success`.
 * @param body JSON object text
 */
export function sendFlat(exchange: Exchange, body: string, headers: Record<string, string> = {}): void {
  const wrapped = booleanHeader(exchange, 'X-Response-Envelope') === true;
  const json = wrapped ? `${body.slice(0, -1)},"success":true,"data":${body}}` : body;
  sendJson(exchange, 200, json, { ...headers, [correlationHeader]: correlationOf(exchange) });
}

/** Sends what another service says, which is always in an envelope: it may be anything. @param data JSON text */
export function sendEnvelope(
  exchange: Exchange,
  message: string,
  data: string,
  headers: Record<string, string> = {},
): void {
  const facts = {
    success: true,
    message,
    timestamp: new Date().toISOString(),
    request_id: exchange.requestId,
  };
  const json = `${JSON.stringify(facts).slice(0, -1)},"data":${data}}`;
  sendJson(exchange, 200, json, { ...headers, [correlationHeader]: correlationOf(exchange) });
}
