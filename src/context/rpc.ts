import { createContextValues } from '@connectrpc/connect';
import { compressionGzip, connectNodeAdapter } from '@connectrpc/connect-node';
import { Health } from '../../gen/grpc/health/v1/health_pb.js';
import { AdminService } from '../../gen/llmgateway/v1/admin_service_pb.js';
import { ChatService } from '../../gen/llmgateway/v1/chat_service_pb.js';
import { EmbeddingsService } from '../../gen/llmgateway/v1/embeddings_service_pb.js';
import { ErrorReason } from '../../gen/llmgateway/v1/error_pb.js';
import { IntegrationService } from '../../gen/llmgateway/v1/integration_service_pb.js';
import { ModelsService } from '../../gen/llmgateway/v1/models_service_pb.js';
import { QueryService } from '../../gen/llmgateway/v1/query_service_pb.js';
import { ResponsesService } from '../../gen/llmgateway/v1/responses_service_pb.js';
import { SessionService } from '../../gen/llmgateway/v1/session_service_pb.js';
import { ToolService } from '../../gen/llmgateway/v1/tool_service_pb.js';
import { UsageService } from '../../gen/llmgateway/v1/usage_service_pb.js';
import type { Config } from '../config/load.ts';
import { GatewayError } from '../errors/gateway-error.ts';
import type { Conversations } from '../responses/conversations.ts';
import { adminCacheMethods } from '../rpc/admin-cache.ts';
import { adminCliSessionMethods } from '../rpc/admin-cli-sessions.ts';
import { adminHealthMethods } from '../rpc/admin-health.ts';
import { adminKeyMethods } from '../rpc/admin-keys.ts';
import type { AdminKeysApi } from '../rpc/admin-keys-api.ts';
import { adminLimitMethods } from '../rpc/admin-limits.ts';
import { adminPerformanceMethods } from '../rpc/admin-performance.ts';
import type { CacheApi } from '../rpc/cache-api.ts';
import { arrivalKey, namesOf, type OnFailure, principalKey } from '../rpc/call-context.ts';
import type { ChatApi } from '../rpc/chat-api.ts';
import { chatService } from '../rpc/chat-service.ts';
import type { CliSessionsApi } from '../rpc/cli-sessions-api.ts';
import type { ComposedQueries } from '../rpc/composed-queries.ts';
import { conversationMethods } from '../rpc/conversations-service.ts';
import { correlationHeader } from '../rpc/correlation.ts';
import type { EmbeddingsApi } from '../rpc/embeddings-api.ts';
import { embeddingsService } from '../rpc/embeddings-service.ts';
import type { HealthApi } from '../rpc/health-api.ts';
import { healthService, type Serving } from '../rpc/health-service.ts';
import type { IntegrationsApi } from '../rpc/integrations-api.ts';
import { integrationsService } from '../rpc/integrations-service.ts';
import type { LimitsApi } from '../rpc/limits-api.ts';
import type { ModelsApi } from '../rpc/models-api.ts';
import { modelsService } from '../rpc/models-service.ts';
import type { PerformanceApi } from '../rpc/performance-api.ts';
import type { QueryApi } from '../rpc/query-api.ts';
import { queryService } from '../rpc/query-service.ts';
import { registerReflection } from '../rpc/reflection.ts';
import type { ResponsesApi } from '../rpc/responses-api.ts';
import { responseMethods } from '../rpc/responses-service.ts';
import type { SessionApi } from '../rpc/session-api.ts';
import { sessionService } from '../rpc/session-service.ts';
import type { ToolApi } from '../rpc/tool-api.ts';
import { toolService } from '../rpc/tool-service.ts';
import type { UsageApi } from '../rpc/usage-api.ts';
import { usageService } from '../rpc/usage-service.ts';
import { isCall } from '../server/admit.ts';
import { principalOf } from '../server/types.ts';

/** What the services are made of. */
export interface RpcParts {
  readonly initial: Config;
  readonly adminKeys: AdminKeysApi;
  readonly chat: ChatApi;
  readonly vectors: EmbeddingsApi;
  readonly models: ModelsApi;
  readonly queries: QueryApi;
  readonly composed: ComposedQueries;
  readonly integrations: IntegrationsApi;
  readonly performance: PerformanceApi;
  readonly responses: ResponsesApi;
  readonly conversations: Conversations;
  readonly sessions: SessionApi;
  readonly tools: ToolApi;
  readonly usage: UsageApi;
  readonly rateLimits: LimitsApi;
  readonly cache: CacheApi;
  readonly cliSessions: CliSessionsApi;
  readonly serving: Serving;
  readonly health: HealthApi;
  readonly refused: OnFailure;
  /** Requests that do not come as far as their methods are told of as well. */
  readonly watched: boolean;
}

const services = [
  ChatService,
  ResponsesService,
  EmbeddingsService,
  ModelsService,
  SessionService,
  ToolService,
  UsageService,
  QueryService,
  IntegrationService,
  AdminService,
  Health,
];

/** Paths of all RPCs. */
export const rpcPaths: readonly string[] = services.flatMap(({ typeName, methods }) =>
  methods.map(({ name }) => `/${typeName}/${name}`),
);

/** The RPC services, for Connect, gRPC and gRPC-Web. */
export function rpcHandler(parts: RpcParts): ReturnType<typeof connectNodeAdapter> {
  const { initial, chat, vectors, models, sessions, tools, serving, refused } = parts;
  const { responses, conversations } = parts;
  const adapter = connectNodeAdapter({
    routes(router) {
      router.service(ChatService, chatService(chat, refused));
      router.service(EmbeddingsService, embeddingsService(vectors, refused));
      router.service(ModelsService, modelsService(models));
      router.service(ResponsesService, {
        ...responseMethods(responses, refused),
        ...conversationMethods(conversations, refused),
      });
      router.service(SessionService, sessionService(sessions));
      router.service(ToolService, toolService(tools, refused));
      router.service(UsageService, usageService(parts.usage));
      router.service(QueryService, queryService(parts.queries, parts.composed, refused));
      router.service(IntegrationService, integrationsService(parts.integrations, refused));
      router.service(AdminService, {
        ...adminKeyMethods(parts.adminKeys, refused),
        ...adminLimitMethods(parts.rateLimits, refused),
        ...adminCacheMethods(parts.cache, refused),
        ...adminHealthMethods(parts.health, refused),
        ...adminCliSessionMethods(parts.cliSessions, refused),
        ...adminPerformanceMethods(parts.performance, refused),
      });
      router.service(
        Health,
        healthService(
          serving,
          services.map(({ typeName }) => typeName),
          async () => (await parts.health.readiness()).status !== 'not_ready',
        ),
      );
      registerReflection(router, services);
    },
    // What clients compress is taken; compressing tokens costs more than sending them.
    acceptCompression: [compressionGzip],
    compressMinBytes: Number.MAX_SAFE_INTEGER,
    // A misspelt field must not be ignored.
    jsonOptions: { ignoreUnknownFields: false },
    readMaxBytes: initial.maxBodyBytes,
    maxTimeoutMs: 2 ** 31 - 1,
    contextValues(req) {
      const values = createContextValues().set(principalKey, principalOf(req));
      const arrival = arrivals.get(req);
      return arrival === undefined ? values : values.set(arrivalKey, arrival);
    },
  });
  if (!parts.watched) return adapter;
  // What cannot be read ends before its method is asked, and is told to nobody else.
  return (req, res) => {
    const path = (req.url ?? '/').replace(/\?.*/s, '');
    if (!isCall(req.method, path)) return adapter(req, res);
    const arrival = { begun: false };
    arrivals.set(req, arrival);
    res.once('close', () => {
      if (arrival.begun) return;
      const error = res.writableEnded
        ? new GatewayError(ErrorReason.INVALID_REQUEST, 'the request cannot be read')
        : new GatewayError(ErrorReason.CANCELLED, 'the client left before it had asked for anything');
      const { 'x-request-id': id, [correlationHeader]: correlation } = req.headers;
      const given = typeof correlation === 'string' ? namesOf(correlation)?.correlationId : undefined;
      const requestId = typeof id === 'string' ? id : '';
      const principal = principalOf(req);
      refused(error, { requestId, method: 'POST', path, principal, correlation: given });
    });
    return adapter(req, res);
  };
}

/** How far requests came, where somebody wants to know. */
const arrivals = new WeakMap<object, { begun: boolean }>();
