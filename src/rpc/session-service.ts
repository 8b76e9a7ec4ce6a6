import { create } from '@bufbuild/protobuf';
import type { HandlerContext, ServiceImpl } from '@connectrpc/connect';
import {
  CreateSessionRequestSchema,
  CreateSessionResponseSchema,
  DeleteSessionRequestSchema,
  DeleteSessionResponseSchema,
  GetSessionRequestSchema,
  GetSessionResponseSchema,
  ListSessionsRequestSchema,
  ListSessionsResponseSchema,
  type SessionService,
} from '../../gen/llmgateway/v1/session_service_pb.js';
import { toGatewayError } from '../errors/gateway-error.ts';
import { tenantOf } from './call-context.ts';
import type { SessionApi } from './session-api.ts';
import { validateMessage } from './validate.ts';

/** SessionService for Connect, gRPC and gRPC-Web. */
export function sessionService(api: SessionApi): ServiceImpl<typeof SessionService> {
  return {
    createSession: (request, context) =>
      answer(context, async () => {
        validateMessage(CreateSessionRequestSchema, request);
        const session = await api.createSession(tenantOf(context), {
          ttlSeconds: request.ttlSeconds ?? null,
          contextJson: request.contextJson,
          contextField: 'context_json',
        });
        return create(CreateSessionResponseSchema, { session });
      }),
    getSession: (request, context) =>
      answer(context, async () => {
        validateMessage(GetSessionRequestSchema, request);
        const session = await api.getSession(tenantOf(context), request.id);
        return create(GetSessionResponseSchema, { session });
      }),
    deleteSession: (request, context) =>
      answer(context, async () => {
        validateMessage(DeleteSessionRequestSchema, request);
        await api.deleteSession(tenantOf(context), request.id);
        return create(DeleteSessionResponseSchema);
      }),
    listSessions: (request, context) =>
      answer(context, async () => {
        validateMessage(ListSessionsRequestSchema, request);
        const { pageSize: limit, pageToken: token } = request;
        const page = { limit, token, tokenField: 'page_token' };
        return create(ListSessionsResponseSchema, await api.listSessions(tenantOf(context), page));
      }),
  };
}

async function answer<T>(context: HandlerContext, make: () => Promise<T>): Promise<T> {
  try {
    return await make();
  } catch (error) {
    throw toGatewayError(error).withDetails(context.requestHeader.get('x-request-id') ?? '');
  }
}
