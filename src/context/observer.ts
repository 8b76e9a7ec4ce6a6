import { SpanStatusCode } from '@opentelemetry/api';
import { isMetricsPath, isOpenPath } from '../auth/paths.ts';
import type { Metrics } from '../observability/metrics.ts';
import { readTrace } from '../observability/trace.ts';
import { type Attributes, failed, type Span, type Tracing, traceOf } from '../observability/tracing.ts';
import type { RequestObserver } from '../server/port.ts';
import { type RouteNames, routeNames } from '../server/route-names.ts';
import type { Request, Response } from '../server/types.ts';

/** Paths whose requests have no span: they come all the time and tell nothing. */
const isSilent = (path: string): boolean => isOpenPath(path) || isMetricsPath(path);
/** What a client that has left before the head of its response would have got. */
const clientLeft = 499;

/** Counts the requests of the port, and makes the span that each is in a trace. Null where there is nothing to do. */
export function requestObserver(
  metrics: Metrics | null,
  tracing: Tracing | null,
  routes: Iterable<string>,
  rpcPaths: Iterable<string>,
): RequestObserver | null {
  if (metrics === null && tracing === null) return null;
  const names = routeNames(routes, rpcPaths);
  const spans = new WeakMap<Request, Span>();
  return {
    began(req) {
      metrics?.requestBegan(req.method ?? '');
      if (tracing === null) return;
      const span = beginSpan(tracing, names, req);
      if (span !== null) spans.set(req, span);
    },
    ended(req, res, ms) {
      const status = res.headersSent ? res.statusCode : clientLeft;
      if (metrics !== null) {
        const announced = req.headers['content-length'];
        const body = announced === undefined ? null : Number(announced);
        const path = names.labelOf(pathOf(req));
        if (path === '/metrics') metrics.requestUncounted(req.method ?? '');
        else
          metrics.requestEnded(
            req.method ?? '',
            path,
            status,
            ms / 1_000,
            Number.isFinite(body) ? body : null,
          );
      }
      const span = spans.get(req);
      if (span === undefined || tracing === null) return;
      // Now the gateway's own, where the client gave none or an odd one.
      span.setAttribute('llm_gateway.request_id', String(req.headers['x-request-id'] ?? ''));
      endSpan(tracing, span, res, status);
    },
  };
}

function pathOf({ url = '/' }: Request): string {
  const cut = url.indexOf('?');
  return cut < 0 ? url : url.slice(0, cut);
}

/** What comes after it finds the span as the request's own trace. */
function beginSpan(tracing: Tracing, names: RouteNames, req: Request): Span | null {
  const path = pathOf(req);
  if (isSilent(path)) return null;
  const { headers } = req;
  const given = headers['traceparent'];
  const state = headers['tracestate'];
  const parent = readTrace(
    typeof given === 'string' ? given : undefined,
    Array.isArray(state) ? state.join(',') : state,
  );
  const route = names.labelOf(path);
  const method = req.method ?? '';
  const isRpc = names.isRpc(route);
  const span = tracing.request(isRpc ? route.slice(1) : `${method} ${route}`, parent, {
    'http.request.method': method,
    'http.route': route === 'other' ? undefined : route,
    'url.path': path,
    'url.scheme': 'encrypted' in req.socket ? 'https' : 'http',
    'network.protocol.name': 'http',
    'network.protocol.version': req.httpVersion === '2.0' ? '2' : req.httpVersion,
    'user_agent.original': headers['user-agent'],
    'client.address': req.socket.remoteAddress,
    ...(isRpc ? rpcAttributes(route, headers['content-type']) : {}),
  });
  const { traceparent, tracestate } = traceOf(span);
  headers['traceparent'] = traceparent;
  if (tracestate === undefined) delete headers['tracestate'];
  else headers['tracestate'] = tracestate;
  return span;
}

const rpcAttributes = (route: string, type: string | undefined): Attributes => ({
  'rpc.system.name': /^application\/grpc/.test(type ?? '') ? 'grpc' : 'connectrpc',
  'rpc.method': route.slice(1),
});

function endSpan(tracing: Tracing, span: Span, res: Response, status: number): void {
  span.setAttribute('http.response.status_code', status);
  const code = grpcStatus(res);
  if (code !== null) {
    span.setAttribute('rpc.response.status_code', code);
    // Those that are the server's fault, as OpenTelemetry has it for gRPC.
    if (serverFaults.has(code)) span.setStatus({ code: SpanStatusCode.ERROR });
  }
  if (status >= 500) failed(span, String(status));
  tracing.requestEnded(span);
}

const grpcCodes = [
  'OK',
  'CANCELLED',
  'UNKNOWN',
  'INVALID_ARGUMENT',
  'DEADLINE_EXCEEDED',
  'NOT_FOUND',
  'ALREADY_EXISTS',
  'PERMISSION_DENIED',
  'RESOURCE_EXHAUSTED',
  'FAILED_PRECONDITION',
  'ABORTED',
  'OUT_OF_RANGE',
  'UNIMPLEMENTED',
  'INTERNAL',
  'UNAVAILABLE',
  'DATA_LOSS',
  'UNAUTHENTICATED',
];
const serverFaults = new Set([
  'UNKNOWN',
  'DEADLINE_EXCEEDED',
  'UNIMPLEMENTED',
  'INTERNAL',
  'UNAVAILABLE',
  'DATA_LOSS',
]);

/** gRPC has its status in the trailers, or in the head where there is nothing else. */
function grpcStatus(res: Response): string | null {
  if (!('stream' in res)) return null;
  const { sentTrailers, sentHeaders } = res.stream ?? {};
  const code = sentTrailers?.['grpc-status'] ?? sentHeaders?.['grpc-status'];
  return code === undefined ? null : (grpcCodes[Number(code)] ?? 'UNKNOWN');
}
