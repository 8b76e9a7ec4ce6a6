import type { AnswerCache } from '../cache/answer-cache.ts';
import type { Config } from '../config/load.ts';
import type { Logger } from '../observability/log.ts';
import type { MemoryWatch } from '../overload/memory.ts';
import { screened } from '../pipeline/security.ts';
import { Conversations } from '../responses/conversations.ts';
import { adminKeysApi } from '../rpc/admin-keys-api.ts';
import { cacheApi } from '../rpc/cache-api.ts';
import type { CallLimits } from '../rpc/call-context.ts';
import { chatApi } from '../rpc/chat-api.ts';
import { cliSessionsApi, type WorkerPool } from '../rpc/cli-sessions-api.ts';
import { composedQueries } from '../rpc/composed-queries.ts';
import { embeddingsApi } from '../rpc/embeddings-api.ts';
import { integrationsApi } from '../rpc/integrations-api.ts';
import { limitsApi } from '../rpc/limits-api.ts';
import { modelsApi } from '../rpc/models-api.ts';
import type { PerformanceApi } from '../rpc/performance-api.ts';
import { queryApi, querySecurity, type ScreenTexts } from '../rpc/query-api.ts';
import { responsesApi } from '../rpc/responses-api.ts';
import { screenArguments } from '../rpc/screen-arguments.ts';
import type { OnServiceCall } from '../rpc/service-calls.ts';
import { sessionApi } from '../rpc/session-api.ts';
import { toolApi } from '../rpc/tool-api.ts';
import { usageApi } from '../rpc/usage-api.ts';
import { Sessions } from '../sessions/sessions.ts';
import type { Stores } from '../store/open.ts';
import { withDefaults } from '../tools/taxonomy.ts';
import type { Toolbox } from '../tools/toolbox.ts';
import type { Crew } from '../workers/crew.ts';
import type { Auth } from './auth.ts';
import { BroadcastWatchers } from './broadcast-watchers.ts';
import { wholeCache } from './cache.ts';
import type { CallHandlers } from './calls.ts';
import { queryProviders, remembering } from './query.ts';
import type { Settled } from './settled.ts';
import type { ToolParts } from './tools.ts';

export interface ApiParts {
  readonly initial: Config;
  readonly settled: () => Settled;
  readonly calls: CallHandlers;
  readonly limits: CallLimits;
  readonly stores: Stores;
  readonly auth: Auth;
  /** Null: no answers are kept. */
  readonly cache: AnswerCache | null;
  readonly memory: MemoryWatch;
  readonly toolbox: Toolbox;
  readonly registered: ToolParts['registered'];
  readonly performance: PerformanceApi;
  /** Told of each call of a tool or a service that is over. */
  readonly audited: OnServiceCall;
  readonly crew: Crew;
  readonly log: Logger;
}

/** What both faces call, a service each. */
export function createApis({
  initial,
  settled,
  calls: { handle, count },
  limits,
  stores,
  auth,
  cache,
  memory,
  toolbox,
  registered,
  performance,
  audited,
  crew,
  log,
}: ApiParts) {
  const config = (): Config => settled().config;
  const allSessions = new Sessions(stores.sessions, () => config().sessionTtlMs);
  const adminLog = log.module('admin');
  const providersKnown = queryProviders(settled);
  const chat = chatApi(handle, count, limits);
  const vectors = embeddingsApi(handle, limits);
  const screenTexts: ScreenTexts = (texts, { tenant }) =>
    screened(settled().security, { tenant, face: querySecurity }, texts);
  const queries = queryApi({
    chat,
    vectors,
    providers: providersKnown,
    remember: remembering(settled, log.module('integrations')),
    screen: screenTexts,
    terms: () => ({
      conversationTtlMs: config().conversationTtlMs,
      embeddingModels: {
        openai: config().queryEmbeddingModel,
        ollama: config().queryOllamaEmbeddingModel,
      },
    }),
  });
  const integrations = () => settled().integrations;
  return {
    adminKeys: adminKeysApi(
      auth.keys,
      (what, id) => adminLog.info(`key ${what}`, { key_id: id }),
      () => [...settled().limits.classes.keys()],
    ),
    chat,
    vectors,
    queries,
    composed: composedQueries({
      queries,
      integrations,
      optionalMs: () => config().integrationOptionalTimeoutMs,
      limits,
      screen: screenTexts,
      onOver: audited,
    }),
    integrations: integrationsApi(
      integrations,
      limits,
      audited,
      screenArguments(screenTexts, providersKnown),
    ),
    performance,
    models: modelsApi(
      () => settled().models,
      (name) => {
        const found = providersKnown.find(name);
        return {
          local: found?.free === true,
          defaultModel: found?.upstreamModel ?? '',
          costPerToken: found?.costPerToken ?? null,
        };
      },
    ),
    responses: responsesApi({
      watchers: new BroadcastWatchers(crew),
      store: stores.responses,
      handle,
      count,
      limits,
      log: log.module('responses'),
      terms: () => ({
        leaseMs: config().responseLeaseMs,
        maxBytes: config().responseMaxBytes,
        ttlMs: config().responseTtlMs,
        // They wait until there is memory again.
        maxBackground: memory.pressure === 'normal' ? config().responseMaxBackground : 0,
        resume: config().responseResume,
      }),
    }),
    conversations: new Conversations(stores.responses, () => ({
      ttlMs: config().responseTtlMs,
      maxBytes: config().responseMaxBytes,
    })),
    sessions: sessionApi(allSessions),
    rateLimits: limitsApi({
      store: stores.limits,
      terms: () => settled().limits,
      keys: () => config().keys,
    }),
    cache: cacheApi(
      cache === null ? null : wholeCache(cache, crew, stores.kind === 'redis'),
      initial.cacheMaxSize * (stores.kind === 'redis' ? 1 : crew.size),
    ),
    cliSessions: cliSessionsApi(
      () => config().backend,
      async () => (await crew.askAll('cli.pool')).filter((pool) => pool !== null) as WorkerPool[],
    ),
    usage: usageApi({ store: stores.usage, flush: async () => void (await crew.askAll('usage.flush')) }),
    tools: toolApi({ toolbox, registered, sessions: allSessions, withDefaults, limits, onOver: audited }),
  };
}

/** See createApis. */
export type Apis = ReturnType<typeof createApis>;
