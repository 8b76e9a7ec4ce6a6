import type { Config } from '../config/load.ts';
import type { Counted } from '../observability/families.ts';
import type { Logger } from '../observability/log.ts';
import type { Conversations } from '../responses/conversations.ts';
import { createKey, getKey, type KeyRoutes, listKeys, revokeKey, updateKey } from '../rest/admin-keys.ts';
import { type CacheRoutes, cacheStatus, clearCache } from '../rest/cache.ts';
import { chatCompletions } from '../rest/chat.ts';
import { listCliSessions } from '../rest/cli-sessions.ts';
import { type ConversationRoutes, createConversation, oneConversation } from '../rest/conversations.ts';
import { eitherEmbeddings, embeddings, openaiEmbeddings } from '../rest/embeddings.ts';
import { detailed, health, live, ready, serviceInfo } from '../rest/health.ts';
import { callIntegration, type IntegrationRoutes, servicesStatus } from '../rest/integrations.ts';
import { getRateLimits, resetRateLimits } from '../rest/limits.ts';
import { mcpEndpoint } from '../rest/mcp.ts';
import { countMessageTokens, createMessage } from '../rest/messages.ts';
import { scrape } from '../rest/metrics.ts';
import { getModel, listModels, listProviders, platformProviders } from '../rest/models.ts';
import { getPerformance, summaryJson } from '../rest/performance.ts';
import {
  answerQuery,
  contextualQuery,
  embedText,
  enhancedQuery,
  type QueryRoutes,
  streamQuery,
  workflowQuery,
} from '../rest/query.ts';
import {
  compactResponse,
  countInputTokens,
  createResponse,
  oneResponse,
  type ResponseRoutes,
} from '../rest/responses.ts';
import type { RouteTable } from '../rest/router.ts';
import {
  createSession,
  deleteSession,
  getSession,
  listSessions,
  type SessionRoutes,
} from '../rest/sessions.ts';
import { deleteTool, executeTool, listTools, registerTool, type ToolRoutes } from '../rest/tools.ts';
import { getUsage } from '../rest/usage.ts';
import type { AdminKeysApi } from '../rpc/admin-keys-api.ts';
import type { CacheApi } from '../rpc/cache-api.ts';
import type { CallLimits } from '../rpc/call-context.ts';
import type { ChatApi } from '../rpc/chat-api.ts';
import type { CliSessionsApi } from '../rpc/cli-sessions-api.ts';
import type { ComposedQueries } from '../rpc/composed-queries.ts';
import type { EmbeddingsApi } from '../rpc/embeddings-api.ts';
import type { HealthApi } from '../rpc/health-api.ts';
import type { IntegrationsApi } from '../rpc/integrations-api.ts';
import type { LimitsApi } from '../rpc/limits-api.ts';
import type { ModelsApi } from '../rpc/models-api.ts';
import type { PerformanceApi } from '../rpc/performance-api.ts';
import type { QueryApi } from '../rpc/query-api.ts';
import type { ResponsesApi } from '../rpc/responses-api.ts';
import type { OnServiceCall } from '../rpc/service-calls.ts';
import type { SessionApi } from '../rpc/session-api.ts';
import type { ToolApi } from '../rpc/tool-api.ts';
import type { UsageApi } from '../rpc/usage-api.ts';
import type { Toolbox } from '../tools/toolbox.ts';
import type { Settled } from './settled.ts';

/** What the routes are made of. */
export interface RouteParts {
  readonly initial: Config;
  readonly settled: () => Settled;
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
  readonly toolbox: Toolbox;
  readonly limits: CallLimits;
  /** What each process of the gateway counts; null: nothing is counted. */
  readonly counted: (() => Promise<readonly Counted[]>) | null;
  readonly health: HealthApi;
  /** Told of each tool that a client of MCP runs. */
  readonly onToolCall: OnServiceCall;
  readonly log: Logger;
}

/** The routes of the REST facade. */
export function routeTable(parts: RouteParts): RouteTable {
  const { initial, settled, chat, models, toolbox, limits, counted } = parts;
  const vectors = openaiEmbeddings(parts.vectors);
  const options = () => settled().config;
  const maxBodyBytes = () => settled().config.maxBodyBytes;
  const sessionRoutes: SessionRoutes = { api: parts.sessions, maxBodyBytes };
  const toolRoutes: ToolRoutes = { api: parts.tools, maxBodyBytes };
  const responseRoutes: ResponseRoutes = { api: parts.responses, options };
  const keyRoutes: KeyRoutes = { api: parts.adminKeys, maxBodyBytes };
  const cacheRoutes: CacheRoutes = { api: parts.cache, maxBodyBytes };
  const { queries, composed, conversations } = parts;
  const queryRoutes: QueryRoutes = { queries, composed, options };
  const integrationRoutes: IntegrationRoutes = { api: parts.integrations, maxBodyBytes };
  const conversationRoutes: ConversationRoutes = { conversations, maxBodyBytes };
  const mcpLog = parts.log.module('mcp');
  return {
    '/': { GET: serviceInfo(parts.health) },
    '/health': { GET: health(parts.health) },
    '/health/live': { GET: live },
    '/live': { GET: live },
    '/health/ready': { GET: ready(parts.health) },
    '/ready': { GET: ready(parts.health) },
    '/health/detailed': { GET: detailed(parts.health) },
    ...(counted === null
      ? {}
      : {
          '/metrics': {
            GET: scrape(
              counted,
              () => settled().config.metricsToken?.reveal() ?? null,
              async () => summaryJson(await parts.performance.summary()),
            ),
          },
          '/metrics/performance': { GET: getPerformance(parts.performance) },
        }),
    '/v1/chat/completions': { POST: chatCompletions(chat, options) },
    '/v1/embeddings': { POST: embeddings(vectors, options) },
    '/embeddings': { POST: eitherEmbeddings(vectors, embedText(queryRoutes), options) },
    '/v1/messages': { POST: createMessage(chat, options) },
    '/v1/messages/count_tokens': { POST: countMessageTokens(chat, options) },
    '/v1/models': { GET: listModels(models) },
    '/v1/models/*': { GET: getModel(models) },
    '/v1/providers': { GET: listProviders(models) },
    '/providers': { GET: platformProviders(models) },
    '/query': { POST: answerQuery(queryRoutes) },
    '/chat': { POST: answerQuery(queryRoutes) },
    '/stream': { POST: streamQuery(queryRoutes) },
    '/enhanced-query': { POST: enhancedQuery(queryRoutes) },
    '/workflow-query': { POST: workflowQuery(queryRoutes) },
    '/contextual-query': { POST: contextualQuery(queryRoutes) },
    '/integrations/*': { POST: callIntegration(integrationRoutes) },
    '/services/status': { GET: servicesStatus(integrationRoutes) },
    '/rate-limit/status': { GET: getRateLimits(parts.rateLimits) },
    '/admin/reset-limits': { POST: resetRateLimits(parts.rateLimits) },
    '/v1/cache/clear': { POST: clearCache(cacheRoutes) },
    '/v1/cache/status': { GET: cacheStatus(cacheRoutes) },
    '/v1/usage': { GET: getUsage(parts.usage) },
    '/mcp': {
      POST: mcpEndpoint({
        toolbox,
        limits,
        expose: () => settled().config.mcpExpose,
        maxBodyBytes,
        service: initial.serviceName,
        version: initial.version,
        onOver: parts.onToolCall,
        onFault: (error, requestId) => mcpLog.error('tool failed', { request_id: requestId, error }),
        onRefused: (error, requestId) =>
          mcpLog.debug('refused', { request_id: requestId, error: error.message }),
      }),
    },
    '/v1/responses': { POST: createResponse(responseRoutes) },
    '/v1/responses/input_tokens': { POST: countInputTokens(responseRoutes) },
    '/v1/responses/compact': { POST: compactResponse(responseRoutes) },
    '/v1/responses/*': oneResponse(responseRoutes),
    '/v1/conversations': { POST: createConversation(conversationRoutes) },
    '/v1/conversations/*': oneConversation(conversationRoutes),
    '/v1/sessions': { GET: listSessions(sessionRoutes), POST: createSession(sessionRoutes) },
    // Those of models are under /v1 alone for reading, elsewhere as everything is.
    '/sessions': { GET: listCliSessions(parts.cliSessions), POST: createSession(sessionRoutes) },
    '/v1/sessions/*': { GET: getSession(sessionRoutes), DELETE: deleteSession(sessionRoutes) },
    '/v1/tools': { GET: listTools(toolRoutes), POST: registerTool(toolRoutes) },
    // A tool may have this name, too.
    '/v1/tools/execute': { POST: executeTool(toolRoutes), DELETE: deleteTool(toolRoutes) },
    '/v1/tools/*': { DELETE: deleteTool(toolRoutes) },
    '/admin/keys': { GET: listKeys(keyRoutes), POST: createKey(keyRoutes) },
    '/admin/keys/*': { GET: getKey(keyRoutes), PATCH: updateKey(keyRoutes), DELETE: revokeKey(keyRoutes) },
  };
}
