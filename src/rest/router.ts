import { ErrorReason } from '../../gen/llmgateway/v1/error_pb.js';
import { GatewayError, toGatewayError } from '../errors/gateway-error.ts';
import { correlationHeader } from '../rpc/correlation.ts';
import { principalOf, type Request, type Response } from '../server/types.ts';
import { errorReply } from './error-form.ts';
import { type Exchange, header, type RestHandler, sendJson } from './exchange.ts';

/** The routes of the REST facade: path → method → handler. A path that ends in `/*` takes everything below it. */
export type RouteTable = Readonly<Record<string, Readonly<Record<string, RestHandler>>>>;

/** Serves a REST request; never rejects. */
export type RestRouter = (req: Request, res: Response, requestId: string) => Promise<void>;

/**
 * Routes by exact path, then by the longest `/*`. Paths under `/v1` are also served without it, where no other route claims
 * the path.
 * @param onError told of every error that became a reply
 * @param moreHeaders that every reply has
 */
export function restRouter(
  table: RouteTable,
  onError: (error: GatewayError, exchange: Exchange) => void,
  moreHeaders?: () => Readonly<Record<string, string>>,
): RestRouter {
  const exact = new Map<string, Readonly<Record<string, RestHandler>>>();
  const below: [string, Readonly<Record<string, RestHandler>>][] = [];
  const paths = new Set(Object.keys(table));
  for (const [path, methods] of Object.entries(table)) {
    const names = path.startsWith('/v1/') && !paths.has(path.slice(3)) ? [path, path.slice(3)] : [path];
    for (const name of names) {
      if (name.endsWith('/*')) below.push([name.slice(0, -1), methods]);
      else exact.set(name, methods);
    }
  }
  below.sort(([a], [b]) => b.length - a.length);

  const find = (path: string): Readonly<Record<string, RestHandler>> | undefined => {
    const trimmed = path.length > 1 && path.endsWith('/') ? path.slice(0, -1) : path;
    return exact.get(trimmed) ?? below.find(([prefix]) => path.startsWith(prefix) && path !== prefix)?.[1];
  };

  return async (req, res, requestId) => {
    const url = req.url ?? '/';
    const cut = url.indexOf('?');
    const path = cut < 0 ? url : url.slice(0, cut);
    const exchange: Exchange = {
      req,
      res,
      path,
      query: cut < 0 ? '' : url.slice(cut + 1),
      requestId,
      principal: principalOf(req),
      moreHeaders,
    };
    try {
      const methods = find(path);
      if (methods === undefined)
        throw new GatewayError(ErrorReason.NOT_FOUND, `there is no route ${path.slice(0, 200)}`);
      await handlerOf(methods, exchange)(exchange);
    } catch (cause) {
      const error = toGatewayError(cause);
      onError(error, exchange);
      const given = exchange.correlation ?? header(exchange, correlationHeader);
      const { status, headers, body } =
        exchange.errorForm?.(error) ?? errorReply(error, path, requestId, given);
      sendJson(exchange, status, body, headers);
    }
  };
}

function handlerOf(methods: Readonly<Record<string, RestHandler>>, exchange: Exchange): RestHandler {
  const method = exchange.req.method ?? 'GET';
  const handler = methods[method] ?? (method === 'HEAD' ? methods['GET'] : undefined);
  if (handler !== undefined) return handler;
  const allowed = Object.keys(methods).join(', ');
  exchange.res.setHeader('allow', allowed);
  throw new GatewayError(ErrorReason.METHOD_NOT_ALLOWED, `${method} is not served here; ${allowed} is`);
}
