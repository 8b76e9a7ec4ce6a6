import { randomUUID } from 'node:crypto';
import type { ServerResponse } from 'node:http';
import type { connectNodeAdapter } from '@connectrpc/connect-node';
import { ErrorReason } from '../../gen/llmgateway/v1/error_pb.js';
import { GatewayError } from '../errors/gateway-error.ts';
import { refuseRest } from '../rest/refuse.ts';
import type { RestRouter } from '../rest/router.ts';
import { refuseRpc } from '../rpc/refuse.ts';
import type { Cors } from './cors.ts';
import { closeIfUnread } from './discard.ts';
import { isHttp2, type Request, type RequestHandler } from './types.ts';

/** Which handler serves which request: the faces of one port. */
export interface FacesOptions {
  /** Connect's handler for all RPC services. */
  readonly rpc: ReturnType<typeof connectNodeAdapter>;
  readonly rest: RestRouter;
  readonly cors: Cors;
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
const healthPaths = ['/health', '/metrics', '/grpc.health.v1.Health/'];

/** What a client may send as `x-request-id`; anything else is replaced. */
const plainRequestId = /^[\w.:/+=@-]{1,128}$/;

const isRpc = (path: string): boolean => rpcPrefixes.some((prefix) => path.startsWith(prefix));

export function createFaces({ rpc, rest, cors }: FacesOptions): Faces {
  return {
    handler(req, res) {
      const id = identify(req);
      if (cors(req, res)) return;
      if (!isRpc(req.url ?? '/')) return rest(req, res, id);
      // Connect makes the head of its replies, so this is how the id gets into them. REST writes it with the others, which is cheaper.
      res.setHeader(requestIdHeader, id);
      if (!isHttp2(req)) closeIfUnread(req, res as ServerResponse);
      return rpc(req, res);
    },
    onDraining(req, res) {
      const id = identify(req);
      if (cors(req, res)) return;
      res.setHeader(requestIdHeader, id);
      const error = new GatewayError(ErrorReason.DRAINING, 'the gateway is shutting down', {
        retryAfterMs: 1_000,
      });
      if (isRpc(req.url ?? '/')) refuseRpc(req, res, error);
      else refuseRest(req, res, error, id);
    },
    servedWhileDraining: (req) => healthPaths.some((path) => req.url?.startsWith(path)),
  };
}

const requestIdHeader = 'x-request-id';

/** Gives the request its id: the client's, or a new one. Handlers find it as a request header. */
function identify(req: Request): string {
  const given = req.headers[requestIdHeader];
  if (typeof given === 'string' && plainRequestId.test(given)) return given;
  const id = `req_${randomUUID()}`;
  req.headers[requestIdHeader] = id;
  return id;
}
