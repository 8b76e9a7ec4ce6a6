import type { ServerResponse } from 'node:http';
import type { connectNodeAdapter } from '@connectrpc/connect-node';
import { ErrorReason } from '../../gen/llmgateway/v1/error_pb.js';
import type { Authenticate } from '../auth/authenticator.ts';
import { anonymous, type Principal } from '../auth/principal.ts';
import { GatewayError, toGatewayError } from '../errors/gateway-error.ts';
import type { Admission } from '../overload/admission.ts';
import { refuseRest } from '../rest/refuse.ts';
import type { RestRouter } from '../rest/router.ts';
import type { OnFailure } from '../rpc/call-context.ts';
import { refuseRpc } from '../rpc/refuse.ts';
import { admit } from './admit.ts';
import type { Cors } from './cors.ts';
import { closeIfUnread, discardBody } from './discard.ts';
import { newRequestId, requestIdHeader } from './request-id.ts';
import {
  isHttp2,
  principalOf,
  type Request,
  type RequestHandler,
  type Response,
  setPrincipal,
} from './types.ts';

/** Which handler serves which request: the faces of one port. */
export interface FacesOptions {
  /** Connect's handler for all RPC services. */
  readonly rpc: ReturnType<typeof connectNodeAdapter>;
  readonly rest: RestRouter;
  readonly cors: Cors;
  /** See originPolicy. */
  readonly fromAllowedOrigin: (req: Request) => boolean;
  readonly authenticate: Authenticate;
  /** Which calls may go on. */
  readonly admission: Admission;
  /** Told of every request that is refused here. */
  readonly onRefused: OnFailure;
}

export interface Faces {
  readonly handler: RequestHandler;
  /** Serves instead once a drain has begun: refuses in each face's form. */
  readonly onDraining: RequestHandler;
  /** What is served as ever during a drain: health, so that load balancers learn of it. */
  readonly servedWhileDraining: (req: Request) => boolean;
}

/** Packages whose services are on the port; everything else is REST. */
const rpcPrefixes = ['/llmgateway.v1.', '/grpc.'];
const healthPaths = ['/health', '/live', '/ready', '/metrics', '/grpc.health.v1.Health/'];

/** What a client may send as `x-request-id`; anything else is replaced. */
const plainRequestId = /^[\w.:/+=@-]{1,128}$/;

const foreignOrigin = (origin: string): GatewayError =>
  new GatewayError(
    ErrorReason.PERMISSION_DENIED,
    `pages of ${origin.slice(0, 200)} may not call; LLM_GATEWAY_CORS_ORIGINS says which may`,
  );

const pathOf = ({ url = '/' }: Request): string => url.replace(/\?.*/s, '');
const isRpc = (path: string): boolean => rpcPrefixes.some((prefix) => path.startsWith(prefix));

export function createFaces(options: FacesOptions): Faces {
  const { rpc, rest, cors, fromAllowedOrigin, authenticate, admission, onRefused } = options;

  /** @param who where that is known */
  function refuse(req: Request, res: Response, cause: unknown, id: string, who?: Principal): void {
    const error = toGatewayError(cause);
    onRefused(error, { requestId: id, method: req.method ?? '', path: pathOf(req), principal: who });
    if (res.destroyed) return;
    res.setHeader(requestIdHeader, id);
    discardBody(req);
    if (error.facts.load !== undefined) res.setHeader('x-memory-pressure', admission.pressure);
    if (isRpc(req.url ?? '/')) refuseRpc(req, res, error, id);
    else refuseRest(req, res, error, id);
  }

  /** Serves the request once there is room for it. */
  function serve(req: Request, res: Response, id: string): void | Promise<void> {
    let ready: Promise<void> | null;
    try {
      ready = admit(admission, req, res, pathOf(req));
    } catch (error) {
      return refuse(req, res, error, id, principalOf(req));
    }
    if (ready === null) return serveNow(req, res, id);
    return ready.then(
      () => (res.destroyed ? undefined : serveNow(req, res, id)),
      (error: unknown) => refuse(req, res, error, id, principalOf(req)),
    );
  }

  function serveNow(req: Request, res: Response, id: string): void | Promise<void> {
    if (!isRpc(req.url ?? '/')) return rest(req, res, id);
    // Connect makes the head of its replies, so this is how the id gets into them. REST writes it with the others, which is cheaper.
    res.setHeader(requestIdHeader, id);
    boundTimeout(req);
    if (!isHttp2(req)) closeIfUnread(req, res as ServerResponse);
    return rpc(req, res);
  }

  /** Serves the request once it is known who makes it. */
  async function serveLater(req: Request, res: Response, id: string, who: Promise<Principal>): Promise<void> {
    try {
      setPrincipal(req, await who);
    } catch (error) {
      refuse(req, res, error, id);
      return;
    }
    if (!res.destroyed) await serve(req, res, id);
  }

  return {
    handler(req, res) {
      const id = identify(req);
      toOriginForm(req);
      if (req.method === 'OPTIONS') res.setHeader(requestIdHeader, id);
      if (cors(req, res)) return;
      if (req.headers.origin !== undefined && !fromAllowedOrigin(req)) {
        discardBody(req);
        res.setHeader(requestIdHeader, id);
        return refuseRest(req, res, foreignOrigin(req.headers.origin), id);
      }
      let who: Principal | Promise<Principal>;
      try {
        who = authenticate({ path: pathOf(req), headers: req.headers });
      } catch (error) {
        return refuse(req, res, error, id);
      }
      if (who instanceof Promise) return serveLater(req, res, id, who);
      if (who !== anonymous) setPrincipal(req, who);
      return serve(req, res, id);
    },
    onDraining(req, res) {
      const id = identify(req);
      toOriginForm(req);
      if (cors(req, res)) return;
      res.setHeader(requestIdHeader, id);
      const error = new GatewayError(ErrorReason.DRAINING, 'the gateway is shutting down', {
        retryAfterMs: 1_000,
      });
      if (isRpc(req.url ?? '/')) refuseRpc(req, res, error, id);
      else refuseRest(req, res, error, id);
    },
    servedWhileDraining: (req) => healthPaths.some((path) => req.url?.startsWith(path)),
  };
}

/** Longest time in milliseconds that a timer holds. */
const maxTimeoutMs = 2 ** 31 - 1;
const unitMs: Readonly<Record<string, number>> = {
  H: 3_600_000,
  M: 60_000,
  S: 1_000,
  m: 1,
  u: 1e-3,
  n: 1e-6,
};

/** Deadlines of clients may be further away than a timer reaches; to them, 24 days is as good. */
function boundTimeout({ headers }: Request): void {
  const connect = headers['connect-timeout-ms'];
  if (typeof connect === 'string' && /^\d{10}$/.test(connect) && Number(connect) > maxTimeoutMs) {
    headers['connect-timeout-ms'] = String(maxTimeoutMs);
  }
  const given = headers['grpc-timeout'];
  if (typeof given !== 'string') return;
  const grpc = /^(\d{1,8})([HMSmun])$/.exec(given);
  if (grpc !== null && Number(grpc[1]) * (unitMs[grpc[2] as string] as number) > maxTimeoutMs) {
    headers['grpc-timeout'] = `${Math.floor(maxTimeoutMs / 1_000)}S`;
  }
}

/** Clients of proxies put the whole address into the request line (RFC 9112, 3.2.2). */
function toOriginForm(req: Request): void {
  const { url } = req;
  if (url === undefined || url.startsWith('/') || !/^https?:\/\//i.test(url)) return;
  const slash = url.indexOf('/', 8);
  req.url = slash === -1 ? '/' : url.slice(slash);
}

/** Gives the request its id: the client's, or a new one. Handlers find it as a request header. */
function identify(req: Request): string {
  const given = req.headers[requestIdHeader];
  if (typeof given === 'string' && plainRequestId.test(given)) return given;
  const id = newRequestId();
  req.headers[requestIdHeader] = id;
  return id;
}
