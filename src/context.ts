import { readFileSync } from 'node:fs';
import { createSecureContext } from 'node:tls';
import { compressionGzip, connectNodeAdapter } from '@connectrpc/connect-node';
import { Health } from '../gen/grpc/health/v1/health_pb.js';
import { ChatService } from '../gen/llmgateway/v1/chat_service_pb.js';
import { EmbeddingsService } from '../gen/llmgateway/v1/embeddings_service_pb.js';
import { ErrorReason } from '../gen/llmgateway/v1/error_pb.js';
import type { Message } from '../gen/llmgateway/v1/message_pb.js';
import { ModelsService } from '../gen/llmgateway/v1/models_service_pb.js';
import { SessionService } from '../gen/llmgateway/v1/session_service_pb.js';
import { ToolService } from '../gen/llmgateway/v1/tool_service_pb.js';
import { type Catalogue, readCatalogue, securityLevel } from './catalogue/catalogue.ts';
import { Resolver } from './catalogue/resolve.ts';
import { createCms } from './cms/cms.ts';
import type { TierShares } from './cms/tier.ts';
import { unknownMembers } from './codec/unknown-members.ts';
import { foreignPrefixes, namePatterns } from './config/builtin-providers.ts';
import { parseYaml } from './config/file.ts';
import type { Config } from './config/load.ts';
import { ConfigError, Problems } from './config/problems.ts';
import { GatewayError, toGatewayError } from './errors/gateway-error.ts';
import { createUpstreamClient } from './http/client.ts';
import type { Service } from './integrations/service.ts';
import { createServices } from './integrations/services.ts';
import type { Logger } from './observability/log.ts';
import { pipeline } from './pipeline/call.ts';
import { type ContextPolicy, contextStage } from './pipeline/context.ts';
import { countTokens } from './pipeline/count-tokens.ts';
import { dispatch } from './pipeline/dispatch.ts';
import { enableToolsStage } from './pipeline/enable-tools.ts';
import { legacyFunctionsStage } from './pipeline/legacy-functions.ts';
import { isLogged, logStage } from './pipeline/log.ts';
import { OpenCalls } from './pipeline/open-calls.ts';
import { optionsStage } from './pipeline/options.ts';
import { paramsStage } from './pipeline/params.ts';
import { reasoningStateStage } from './pipeline/reasoning-state.ts';
import { Router, routingStage } from './pipeline/routing.ts';
import { sessionStage } from './pipeline/session.ts';
import { threadsStage } from './pipeline/threads.ts';
import { countedToolsStage, toolsStage } from './pipeline/tools.ts';
import { type Discovery, startDiscovery } from './providers/discovery.ts';
import { createProviders } from './providers/registry.ts';
import { StateMemory } from './reasoning/state-memory.ts';
import { chatCompletions } from './rest/chat.ts';
import { eitherEmbeddings, embeddings, openaiEmbeddings } from './rest/embeddings.ts';
import { type HealthFacts, health, ready, serviceInfo } from './rest/health.ts';
import { mcpEndpoint } from './rest/mcp.ts';
import { countMessageTokens, createMessage } from './rest/messages.ts';
import { getModel, listModels, listProviders } from './rest/models.ts';
import { restRouter } from './rest/router.ts';
import {
  createSession,
  deleteSession,
  getSession,
  listSessions,
  type SessionRoutes,
} from './rest/sessions.ts';
import { deleteTool, executeTool, listTools, registerTool, type ToolRoutes } from './rest/tools.ts';
import { chatApi } from './rpc/chat-api.ts';
import { chatService } from './rpc/chat-service.ts';
import { embeddingsApi } from './rpc/embeddings-api.ts';
import { embeddingsService } from './rpc/embeddings-service.ts';
import { healthService, Serving } from './rpc/health-service.ts';
import { KnownModels } from './rpc/known-models.ts';
import { modelsApi } from './rpc/models-api.ts';
import { modelsService } from './rpc/models-service.ts';
import { registerReflection } from './rpc/reflection.ts';
import { sessionApi } from './rpc/session-api.ts';
import { sessionService } from './rpc/session-service.ts';
import { toolApi } from './rpc/tool-api.ts';
import { toolService } from './rpc/tool-service.ts';
import { createCors, originPolicy } from './server/cors.ts';
import { createFaces } from './server/faces.ts';
import { createPort, type Port } from './server/port.ts';
import { Leases } from './sessions/leases.ts';
import { Sessions } from './sessions/sessions.ts';
import { openStores } from './store/open.ts';
import { countTokens as countByTokenizer } from './tokens/count-tokens.ts';
import { guardedLookup } from './tools/addresses.ts';
import { AllTools } from './tools/all-tools.ts';
import { builtinTools } from './tools/builtin/builtin-tools.ts';
import { configuredTools } from './tools/configured-tools.ts';
import { FixedTools } from './tools/fixed-tools.ts';
import { McpTools } from './tools/mcp/provider.ts';
import { RegisteredTools } from './tools/registered-tools.ts';
import { namedTaxonomy, withDefaults } from './tools/taxonomy.ts';
import type { Tool } from './tools/tool.ts';
import type { Toolbox } from './tools/toolbox.ts';
import { TurnMemory } from './tools/turn-memory.ts';

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
  readonly router: Router;
  readonly discovery: Discovery;
  readonly models: KnownModels;
  /** Part of the gateway. */
  readonly builtIn: readonly Tool[];
  /** Of the configuration file. */
  readonly tools: readonly Tool[];
  readonly context: ContextPolicy;
}

/** What whoever embeds the gateway brings along. */
export interface OwnParts {
  /** Built-in tools besides the gateway's. */
  readonly tools?: readonly Tool[];
  /** All tools, instead of the gateway's. */
  readonly toolbox?: Toolbox;
}

/** Headers that browsers may read, besides those of the RPC protocols. */
const exposedHeaders = [
  'x-request-id',
  'request-id',
  'retry-after',
  'retry-after-ms',
  'x-should-retry',
  'x-provider-used',
  'x-dropped-params',
  'x-warnings',
  'x-cms-routed',
  'x-cms-tier',
  'x-token-count',
  'x-token-limit',
  'x-headroom-pct',
];

/** Nobody is told apart yet: all that is kept is one tenant's. */
const tenantOf = (): string => '';
/** How long a gateway that ends waits for the locks of its last calls to be freed, in milliseconds. */
const unlockGraceMs = 1_000;

/** Connections to one origin of tools, and as many calls that wait for one. */
const toolConnections = 256;

/**
 * Constructs everything. The one place that does.
 * @throws ConfigError when the catalogue, a tool of the file or the data folder is wrong
 */
export function createGateway(initial: Config, log: Logger, own: OwnParts = {}): Gateway {
  const { upstreamConnections: connections } = initial;
  const client = createUpstreamClient({ connections, maxWaiting: connections });
  // Calls of configured tools and of registered ones do not share connections: those of the latter are guarded.
  const toolClient = createUpstreamClient({ connections: toolConnections, maxWaiting: toolConnections });
  const guardedClient = createUpstreamClient({
    connections: toolConnections,
    maxWaiting: toolConnections,
    lookup: guardedLookup(() => settled.config.toolPrivateAddresses),
  });
  const maxResultBytes = () => settled.config.toolMaxResultBytes;
  let settled = settle(initial);
  const serving = new Serving();
  const stores = openStores(initial, log.module('store'));
  const leases = new Leases(stores.sessions, () => ({
    leaseMs: settled.config.sessionLeaseMs,
    waitMs: settled.config.sessionWaitMs,
    maxBytes: settled.config.sessionMaxBytes,
  }));
  const mcpTools = new McpTools(initial.mcpServers, { log: log.module('mcp'), version: initial.version });
  const allSessions = new Sessions(stores.sessions, () => settled.config.sessionTtlMs);
  const sessions = sessionApi(allSessions);
  const firstTools = [new FixedTools(() => settled.builtIn), new FixedTools(() => settled.tools)];
  const registered = new RegisteredTools({
    store: stores.tools,
    others: [...firstTools, mcpTools],
    client: guardedClient,
    rules: () => ({
      allowedHosts: settled.config.toolAllowedHosts,
      privateAddresses: settled.config.toolPrivateAddresses,
    }),
    maxResultBytes,
  });
  const toolbox: Toolbox =
    own.toolbox ??
    new AllTools(
      [...firstTools, registered, mcpTools],
      () => ({
        timeoutMs: settled.config.toolTimeoutMs,
        maxResultBytes: settled.config.toolMaxResultBytes,
        maxConcurrent: settled.config.toolMaxConcurrent,
      }),
      log.module('tools'),
    );

  function settle(config: Config, previous?: Discovery): Settled {
    const catalogue = loadCatalogue(config);
    const services = createServices(config, client, log.module('services'));
    const { toolPaths: paths, searchTaxonomyEnabled: taxonomyEnabled } = config;
    const builtIn = [...builtinTools(services, { paths, taxonomyEnabled }), ...(own.tools ?? [])];
    const names = new Set(builtIn.map(({ name }) => name));
    const tools = configuredTools(config.tools, names, { client: toolClient, maxResultBytes });
    const providers = createProviders(config.providers, client);
    const prefixes = new Map(Object.entries(foreignPrefixes));
    for (const { name, prefixes: own } of config.providers)
      for (const prefix of own) prefixes.set(prefix, name);
    const rules = { prefixes, patterns: namePatterns, defaultProvider: config.defaultProvider };
    const resolver = new Resolver(catalogue, rules);
    const { connectTimeoutMs, firstByteTimeoutMs, idleTimeoutMs } = config;
    const discoveryLog = log.module('discovery');
    const discovery = startDiscovery(providers.values(), {
      intervalMs: config.discoveryIntervalMs,
      previous,
      onChange: (provider, reachable, error) =>
        discoveryLog.info(reachable ? 'provider answers' : 'provider does not answer', {
          provider,
          ...(reachable ? {} : { error: toGatewayError(error).rawMessage }),
        }),
    });
    const models = new KnownModels({
      catalogue,
      resolver,
      discovery,
      providers: config.providers.map(({ name, prefixes, baseUrl, ...own }) => ({
        name,
        prefixes,
        baseUrl,
        securityLevel: securityLevel(own.securityLevel),
        missing: providers.get(name)?.missing ?? null,
        probed: own.discovery && own.keyNames.length === 0,
      })),
    });
    return {
      config,
      discovery,
      builtIn,
      tools,
      models,
      context: contextPolicy(config, models, services.cms),
      router: new Router({
        resolver,
        providers,
        timeouts: { connectMs: connectTimeoutMs, firstByteMs: firstByteTimeoutMs, idleMs: idleTimeoutMs },
        providerTimeouts: new Map(config.providers.map(({ name, timeouts }) => [name, timeouts])),
      }),
    };
  }

  const toolsLog = log.module('tools');
  const taxonomyNamed = (messages: readonly Message[]): string => namedTaxonomy(messages) ?? '';
  const toolOptions = {
    toolbox,
    tenantOf,
    maxRounds: () => settled.config.toolMaxRounds,
    memory: new TurnMemory({ maxSize: initial.toolStateBytes, ttlMs: initial.toolStateTtlMs }),
    readOpaque: unknownMembers,
    withDefaults,
    namedTaxonomy: taxonomyNamed,
    onFault: (tool: string, error: unknown) =>
      toolsLog.error('a tool failed in the gateway', { tool, error }),
  };
  const reasoningState = initial.reasoningStateBytes > 0 ? [reasoningStateStage(stateMemory(initial))] : [];
  const stages = [
    logStage(log.module('calls')),
    optionsStage,
    enableToolsStage({ toolbox, tenantOf }),
    routingStage(() => settled.router),
    threadsStage,
    paramsStage,
    sessionStage({ leases, tenantOf, readOpaque: unknownMembers, namedTaxonomy: taxonomyNamed }),
    legacyFunctionsStage,
  ];
  const handle = pipeline(
    [...stages, contextStage(() => settled.context), toolsStage(toolOptions), ...reasoningState],
    dispatch,
  );
  const counting = [...stages, countedToolsStage(toolOptions), ...reasoningState];
  const open = new OpenCalls();
  const limits = { totalMs: () => settled.config.totalTimeoutMs, open };
  const chat = chatApi(handle, pipeline(counting, countTokens(countByTokenizer)), limits);
  const vectors = embeddingsApi(handle, limits);
  const models = modelsApi(() => settled.models);
  const tools = toolApi({
    toolbox,
    registered,
    sessions: allSessions,
    withDefaults,
    limits,
  });

  const facts: HealthFacts = {
    service: initial.serviceName,
    version: initial.version,
    serving,
    modelsAvailable: () => models.countModels(),
  };
  const openaiVectors = openaiEmbeddings(vectors);
  const refusals = log.module('refusals');
  /** What fails before it is a call has no line of its own yet. */
  const refused = (error: GatewayError, requestId: string, path: string): void => {
    if (isLogged(error)) return;
    const fields = { request_id: requestId, path, status: error.reasonName };
    if (error.reason === ErrorReason.INTERNAL) refusals.error('internal error', { ...fields, error });
    else refusals.info('refused', { ...fields, error: error.rawMessage });
  };
  const sessionRoutes: SessionRoutes = {
    api: sessions,
    tenantOf,
    maxBodyBytes: () => settled.config.maxBodyBytes,
  };
  const toolRoutes: ToolRoutes = { api: tools, tenantOf, maxBodyBytes: () => settled.config.maxBodyBytes };
  const rest = restRouter(
    {
      '/': { GET: serviceInfo(facts) },
      '/health': { GET: health(facts) },
      '/health/live': { GET: health(facts) },
      '/health/ready': { GET: ready(facts) },
      '/v1/chat/completions': { POST: chatCompletions(chat, () => settled.config) },
      '/v1/embeddings': { POST: embeddings(openaiVectors, () => settled.config) },
      '/embeddings': { POST: eitherEmbeddings(openaiVectors, null, () => settled.config) },
      '/v1/messages': { POST: createMessage(chat, () => settled.config) },
      '/v1/messages/count_tokens': { POST: countMessageTokens(chat, () => settled.config) },
      '/v1/models': { GET: listModels(models) },
      '/v1/models/*': { GET: getModel(models) },
      '/v1/providers': { GET: listProviders(models) },
      '/mcp': {
        POST: mcpEndpoint({
          toolbox,
          tenantOf,
          limits,
          expose: () => settled.config.mcpExpose,
          maxBodyBytes: () => settled.config.maxBodyBytes,
          service: initial.serviceName,
          version: initial.version,
          onFault: (error, requestId) =>
            log.module('mcp').error('tool failed', { request_id: requestId, error }),
          onRefused: (error, requestId) =>
            log.module('mcp').debug('refused', { request_id: requestId, error: error.message }),
        }),
      },
      '/v1/sessions': { GET: listSessions(sessionRoutes), POST: createSession(sessionRoutes) },
      '/v1/sessions/*': { GET: getSession(sessionRoutes), DELETE: deleteSession(sessionRoutes) },
      '/v1/tools': { GET: listTools(toolRoutes), POST: registerTool(toolRoutes) },
      // A tool may have this name, too.
      '/v1/tools/execute': { POST: executeTool(toolRoutes), DELETE: deleteTool(toolRoutes) },
      '/v1/tools/*': { DELETE: deleteTool(toolRoutes) },
    },
    (error, { requestId, path }) => refused(error, requestId, path),
  );
  const services = [ChatService, EmbeddingsService, ModelsService, SessionService, ToolService, Health];
  const faces = createFaces({
    rest,
    rpc: connectNodeAdapter({
      routes(router) {
        router.service(ChatService, chatService(chat, refused));
        router.service(EmbeddingsService, embeddingsService(vectors, refused));
        router.service(ModelsService, modelsService(models));
        router.service(SessionService, sessionService(sessions, tenantOf));
        router.service(ToolService, toolService(tools, tenantOf, refused));
        router.service(
          Health,
          healthService(
            serving,
            services.map(({ typeName }) => typeName),
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
    }),
    cors: createCors({ origins: corsOrigins(initial), exposedHeaders }),
    fromAllowedOrigin: originPolicy({ origins: corsOrigins(initial) }),
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
    await Promise.all([client, toolClient, guardedClient].map((one) => one.destroy()));
    await mcpTools.close();
    await leases.settled(unlockGraceMs);
    stores.close();
  };
  return {
    port,
    get config() {
      return settled.config;
    },
    reload(config) {
      // What may fail comes first: a wrong configuration changes nothing.
      const certificate = config.tlsCert === '' ? null : readCertificate(config);
      const next = settle(config, settled.discovery);
      settled.discovery.stop();
      settled = next;
      mcpTools.reconfigure(config.mcpServers);
      if (certificate !== null) port.reloadTls(certificate);
    },
    async drain() {
      serving.stop();
      const report = await port.drain(settled.config.drainTimeoutMs, () => open.abortAll(draining()));
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

/** What calls end with that outlast the drain. */
const draining = (): GatewayError =>
  new GatewayError(ErrorReason.DRAINING, 'the gateway is shutting down', { retryAfterMs: 1_000 });

function contextPolicy(config: Config, models: KnownModels, cms: Service | null): ContextPolicy {
  const { cmsEnabled, cmsProcessEnabled, cmsTierShares } = config;
  return {
    // The configuration's reader has made sure that these are three, ascending.
    shares: cmsTierShares as unknown as TierShares,
    windowOf: (model) => models.contextWindow(model),
    required: cmsEnabled === true,
    process: cmsProcessEnabled,
    cms: cms === null ? null : createCms(cms),
    missing: 'LLM_GATEWAY_CMS_URL is not set',
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
  if (!Array.isArray(file['models']))
    problems.wrong(`${config.modelsFile}: models`, file['models'], 'a list');
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

/** @throws ConfigError when it is none, or the key is another's */
function readCertificate({ tlsCert, tlsKey }: Config): { cert: string; key: string } {
  const certificate = { cert: readFileSync(tlsCert, 'utf8'), key: readFileSync(tlsKey, 'utf8') };
  try {
    createSecureContext(certificate);
  } catch (error) {
    throw new ConfigError([
      `LLM_GATEWAY_TLS_CERT, LLM_GATEWAY_TLS_KEY: ${tlsCert} and ${tlsKey} are no certificate with its key in PEM (${(error as Error).message})`,
    ]);
  }
  return certificate;
}
