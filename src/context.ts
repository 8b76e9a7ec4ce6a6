import { readFileSync } from 'node:fs';
import { create } from '@bufbuild/protobuf';
import { connectNodeAdapter } from '@connectrpc/connect-node';
import { Health } from '../gen/grpc/health/v1/health_pb.js';
import { ChatService } from '../gen/llmgateway/v1/chat_service_pb.js';
import { ErrorReason } from '../gen/llmgateway/v1/error_pb.js';
import { ModelsService, ProviderSchema } from '../gen/llmgateway/v1/models_service_pb.js';
import { SessionService } from '../gen/llmgateway/v1/session_service_pb.js';
import { type Catalogue, readCatalogue, securityLevel } from './catalogue/catalogue.ts';
import { Resolver } from './catalogue/resolve.ts';
import { unknownDeltas } from './codec/openai-chat/unknown-deltas.ts';
import { foreignPrefixes, namePatterns } from './config/builtin-providers.ts';
import { parseYaml } from './config/file.ts';
import type { Config } from './config/load.ts';
import { Problems } from './config/problems.ts';
import { toGatewayError } from './errors/gateway-error.ts';
import { createUpstreamClient } from './http/client.ts';
import type { Logger } from './observability/log.ts';
import { pipeline } from './pipeline/call.ts';
import { dispatch } from './pipeline/dispatch.ts';
import { logStage } from './pipeline/log.ts';
import { optionsStage } from './pipeline/options.ts';
import { paramsStage } from './pipeline/params.ts';
import { reasoningStateStage } from './pipeline/reasoning-state.ts';
import { Router, routingStage } from './pipeline/routing.ts';
import { sessionStage } from './pipeline/session.ts';
import { type Discovery, startDiscovery } from './providers/discovery.ts';
import type { Provider } from './providers/provider.ts';
import { createProviders } from './providers/registry.ts';
import { StateMemory } from './reasoning/state-memory.ts';
import { chatCompletions } from './rest/chat.ts';
import { type HealthFacts, health, ready, serviceInfo } from './rest/health.ts';
import { getModel, listModels, listProviders } from './rest/models.ts';
import { restRouter } from './rest/router.ts';
import {
  createSession,
  deleteSession,
  getSession,
  listSessions,
  type SessionRoutes,
} from './rest/sessions.ts';
import { chatApi } from './rpc/chat-api.ts';
import { chatService } from './rpc/chat-service.ts';
import { healthService, Serving } from './rpc/health-service.ts';
import { discoveredModel, modelsApi } from './rpc/models-api.ts';
import { modelsService } from './rpc/models-service.ts';
import { registerReflection } from './rpc/reflection.ts';
import { sessionApi } from './rpc/session-api.ts';
import { sessionService } from './rpc/session-service.ts';
import { createCors } from './server/cors.ts';
import { createFaces } from './server/faces.ts';
import { createPort, type Port } from './server/port.ts';
import { Leases } from './sessions/leases.ts';
import { Sessions } from './sessions/sessions.ts';
import { openStores } from './store/open.ts';

/** The gateway, ready to listen. */
export interface Gateway {
  readonly port: Port;
  readonly config: Config;
  /** Takes a new configuration for all calls from now on. What the port was made with stays. */
  reload(config: Config): void;
  /** Refuses new calls, lets the others end within the drain timeout, then closes everything. */
  drain(): Promise<{ destroyed: number }>;
  /** Cuts everything off. */
  close(): Promise<void>;
}

/** What a configuration determines and a reload replaces. */
interface Settled {
  readonly config: Config;
  readonly catalogue: Catalogue;
  readonly providers: ReadonlyMap<string, Provider>;
  readonly resolver: Resolver;
  readonly router: Router;
  readonly discovery: Discovery;
}

/** Headers that browsers may read, besides those of the RPC protocols. */
const exposedHeaders = [
  'x-request-id',
  'retry-after',
  'retry-after-ms',
  'x-should-retry',
  'x-provider-used',
  'x-dropped-params',
];

/** Nobody is told apart yet: all that is kept is one tenant's. */
const tenantOf = (): string => '';
/** How long a gateway that ends waits for the locks of its last calls to be freed, in milliseconds. */
const unlockGraceMs = 1_000;

/** Constructs everything. The one place that does. @throws ConfigError when the catalogue or the data folder is wrong */
export function createGateway(initial: Config, log: Logger): Gateway {
  const { upstreamConnections: connections } = initial;
  const client = createUpstreamClient({ connections, maxWaiting: connections });
  let settled = settle(initial);
  const serving = new Serving();
  const stores = openStores(initial, log.module('store'));
  const leases = new Leases(stores.sessions, () => ({
    leaseMs: settled.config.sessionLeaseMs,
    waitMs: settled.config.sessionWaitMs,
    maxBytes: settled.config.sessionMaxBytes,
  }));
  const sessions = sessionApi(new Sessions(stores.sessions, () => settled.config.sessionTtlMs));

  function settle(config: Config): Settled {
    const catalogue = loadCatalogue(config);
    const providers = createProviders(config.providers, client);
    const prefixes = new Map(Object.entries(foreignPrefixes));
    for (const { name, prefixes: own } of config.providers)
      for (const prefix of own) prefixes.set(prefix, name);
    const rules = { prefixes, patterns: namePatterns, defaultProvider: config.defaultProvider };
    const resolver = new Resolver(catalogue, rules);
    const { connectTimeoutMs, firstByteTimeoutMs, idleTimeoutMs } = config;
    const discoveryLog = log.module('discovery');
    return {
      config,
      catalogue,
      providers,
      resolver,
      router: new Router({
        resolver,
        providers,
        timeouts: { connectMs: connectTimeoutMs, firstByteMs: firstByteTimeoutMs, idleMs: idleTimeoutMs },
        providerTimeouts: new Map(config.providers.map(({ name, timeouts }) => [name, timeouts])),
      }),
      discovery: startDiscovery(providers.values(), {
        intervalMs: config.discoveryIntervalMs,
        onChange: (provider, reachable, error) =>
          discoveryLog.info(reachable ? 'provider answers' : 'provider does not answer', {
            provider,
            ...(reachable ? {} : { error: toGatewayError(error).rawMessage }),
          }),
      }),
    };
  }

  const handle = pipeline(
    [
      logStage(log.module('calls')),
      optionsStage,
      routingStage(() => settled.router),
      paramsStage,
      sessionStage({ leases, tenantOf, readOpaque: unknownDeltas }),
      ...(initial.reasoningStateBytes > 0 ? [reasoningStateStage(stateMemory(initial))] : []),
    ],
    dispatch,
  );
  const chat = chatApi(handle, () => settled.config.totalTimeoutMs);
  const models = modelsApi({
    catalogue: () => settled.catalogue.entries.map(({ model }) => model),
    providers: () =>
      settled.config.providers.map((config) => {
        const missing = settled.providers.get(config.name)?.missing ?? null;
        const away = config.discovery && settled.discovery.reachable(config.name) !== true;
        return create(ProviderSchema, {
          name: config.name,
          prefixes: [...config.prefixes],
          available: missing === null && !away,
          unavailableReason:
            missing ?? (away ? `provider ${config.name} does not answer at ${config.baseUrl}` : ''),
          securityLevel: securityLevel(config.securityLevel),
        });
      }),
    discovered(provider) {
      const known = settled.catalogue.entries.filter(({ model }) => model.provider === provider);
      const names = new Set(known.map(({ model }) => model.upstreamId));
      const level = settled.config.providers.find(({ name }) => name === provider)?.securityLevel ?? '';
      return settled.discovery
        .modelsOf(provider)
        .filter(({ id }) => !names.has(id))
        .map((facts) =>
          discoveredModel(provider, facts.id, { ...facts, securityLevel: securityLevel(level) }),
        );
    },
    resolve(name) {
      const { provider, upstreamModel, entry, exact } = settled.resolver.resolve(name);
      if (exact && entry !== null) return entry.model;
      const found = settled.discovery.modelsOf(provider).find(({ id }) => id === upstreamModel);
      return found === undefined ? null : discoveredModel(provider, found.id, found);
    },
  });

  const facts: HealthFacts = {
    service: initial.serviceName,
    version: initial.version,
    serving,
    modelsAvailable: () => models.listModels({ provider: '', includeUnavailable: false }).length,
  };
  const sessionRoutes: SessionRoutes = {
    api: sessions,
    tenantOf,
    maxBodyBytes: () => settled.config.maxBodyBytes,
  };
  const rest = restRouter(
    {
      '/': { GET: serviceInfo(facts) },
      '/health': { GET: health(facts) },
      '/health/live': { GET: health(facts) },
      '/health/ready': { GET: ready(facts) },
      '/v1/chat/completions': { POST: chatCompletions(chat, () => settled.config) },
      '/v1/models': { GET: listModels(models) },
      '/v1/models/*': { GET: getModel(models) },
      '/v1/providers': { GET: listProviders(models) },
      '/v1/sessions': { GET: listSessions(sessionRoutes), POST: createSession(sessionRoutes) },
      '/v1/sessions/*': { GET: getSession(sessionRoutes), DELETE: deleteSession(sessionRoutes) },
    },
    (error, { requestId, path }) => {
      if (error.reason === ErrorReason.INTERNAL) {
        log.module('rest').error('internal error', { request_id: requestId, path, error });
      }
    },
  );
  const services = [ChatService, ModelsService, SessionService, Health];
  const faces = createFaces({
    rest,
    rpc: connectNodeAdapter({
      routes(router) {
        router.service(ChatService, chatService(chat));
        router.service(ModelsService, modelsService(models));
        router.service(SessionService, sessionService(sessions, tenantOf));
        router.service(
          Health,
          healthService(
            serving,
            services.map(({ typeName }) => typeName),
          ),
        );
        registerReflection(router, services);
      },
      // Compressing tokens costs more than sending them.
      acceptCompression: [],
      // A misspelt field must not be ignored.
      jsonOptions: { ignoreUnknownFields: false },
      readMaxBytes: initial.maxBodyBytes,
      maxTimeoutMs: 2 ** 31 - 1,
    }),
    cors: createCors({ origins: corsOrigins(initial), exposedHeaders }),
  });
  const port = createPort({
    ...faces,
    limits: {
      headersTimeoutMs: initial.headersTimeoutMs,
      requestTimeoutMs: initial.requestTimeoutMs,
      keepAliveTimeoutMs: initial.keepAliveTimeoutMs,
      ...(initial.maxConnections > 0 ? { maxConnections: initial.maxConnections } : {}),
    },
    ...(initial.tlsCert === '' ? {} : { tls: readCertificate(initial) }),
    onError: (error) => log.module('server').error('request failed', { error }),
  });

  const release = async (): Promise<void> => {
    settled.discovery.stop();
    await client.destroy();
    await leases.settled(unlockGraceMs);
    stores.close();
  };
  return {
    port,
    get config() {
      return settled.config;
    },
    reload(config) {
      const next = settle(config);
      settled.discovery.stop();
      settled = next;
      if (config.tlsCert !== '') port.reloadTls(readCertificate(config));
    },
    async drain() {
      serving.stop();
      const report = await port.drain(settled.config.drainTimeoutMs);
      await release();
      return report;
    },
    async close() {
      serving.stop();
      await port.close();
      await release();
    },
  };
}

const stateMemory = ({ reasoningStateBytes, reasoningStateTtlMs }: Config): StateMemory =>
  new StateMemory({ maxSize: reasoningStateBytes, ttlMs: reasoningStateTtlMs });

function loadCatalogue(config: Config): Catalogue {
  const problems = new Problems();
  const levels = new Map(
    config.providers.map(({ name, securityLevel: level }) => [name, securityLevel(level)]),
  );
  const file = parseYaml(readFileSync(config.modelsFile, 'utf8'), config.modelsFile, {});
  const lists = [
    { name: config.modelsFile, models: file['models'] },
    { name: config.file ?? '', models: config.models },
  ];
  const catalogue = readCatalogue(lists, levels, problems);
  problems.throwIfAny();
  return catalogue;
}

function corsOrigins(config: Config): '*' | readonly string[] {
  if (config.corsOrigins === null) return config.environment === 'development' ? '*' : [];
  return config.corsOrigins.includes('*') ? '*' : config.corsOrigins;
}

const readCertificate = (config: Config): { cert: string; key: string } => ({
  cert: readFileSync(config.tlsCert, 'utf8'),
  key: readFileSync(config.tlsKey, 'utf8'),
});
