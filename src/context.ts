import { ErrorReason } from '../gen/llmgateway/v1/error_pb.js';
import { ToolSource } from '../gen/llmgateway/v1/tool_service_pb.js';
import type { Config } from './config/load.ts';
import { createApis } from './context/apis.ts';
import { createAudit } from './context/audit.ts';
import { createAuth } from './context/auth.ts';
import { createCache } from './context/cache.ts';
import { createCalls } from './context/calls.ts';
import { readCertificate } from './context/certificate.ts';
import { createCli, watchCli } from './context/cli.ts';
import { exposedHeaders } from './context/exposed-headers.ts';
import type { Gateway, OwnParts } from './context/gateway.ts';
import { createHealth } from './context/health.ts';
import { areLimited, createLimits } from './context/limits.ts';
import { createMetrics, watch } from './context/metrics.ts';
import { observedToolbox } from './context/observed-toolbox.ts';
import { requestObserver } from './context/observer.ts';
import { createOverload } from './context/overload.ts';
import { createPerformance } from './context/performance.ts';
import { createTargets } from './context/resilience.ts';
import { routeTable } from './context/routes.ts';
import { rpcHandler, rpcPaths } from './context/rpc.ts';
import { settle } from './context/settled.ts';
import { createToolClient, createTools } from './context/tools.ts';
import { createTracing } from './context/tracing.ts';
import { createUsage } from './context/usage.ts';
import { GatewayError } from './errors/gateway-error.ts';
import { createUpstreamClient } from './http/client.ts';
import type { Counted } from './observability/families.ts';
import type { Logger } from './observability/log.ts';
import { isLogged, loggedOf } from './pipeline/log.ts';
import { OpenCalls } from './pipeline/open-calls.ts';
import { KeyAffinity } from './providers/key-affinity.ts';
import { givenCorrelation } from './rest/platform-reply.ts';
import { restRouter } from './rest/router.ts';
import type { OnFailure } from './rpc/call-context.ts';
import { Serving } from './rpc/health-service.ts';
import type { OnServiceCall } from './rpc/service-calls.ts';
import { createCors, originPolicy } from './server/cors.ts';
import { createFaces } from './server/faces.ts';
import { createPort } from './server/port.ts';
import { Leases } from './sessions/leases.ts';
import { openStores } from './store/open.ts';
import type { Tool } from './tools/tool.ts';
import { counts, crewOfOne } from './workers/crew.ts';

/** How long what outlasts the drain may take to end, in milliseconds. */
const lastWordsMs = 1_000;
/** How long a gateway that ends waits for the locks of its last calls to be freed, in milliseconds. */
const unlockGraceMs = 1_000;

/**
 * Constructs everything. The one place that does.
 * @throws ConfigError when the catalogue, a tool of the file or the data folder is wrong
 */
export function createGateway(initial: Config, log: Logger, own: OwnParts = {}): Gateway {
  const { upstreamConnections: connections } = initial;
  const client = createUpstreamClient({ connections, maxWaiting: connections });
  const toolClient = createToolClient();
  const { crew = crewOfOne() } = own;
  const cli = createCli(log.module('cli'), crew.number);
  const settleParts = {
    client,
    toolClient,
    ownTools: own.tools ?? [],
    keyAffinity: new KeyAffinity(),
    log,
    cli: cli.provider,
  };
  let current = settle(initial, { ...settleParts, readFile: own.readFile });
  const settled = () => current;
  const metrics = createMetrics(initial, settled);
  const tracing = createTracing(initial, () => current.config, metrics, log);
  const onCommand = (answered: boolean, ms: number | null): void =>
    metrics?.storeAsked('redis', answered ? 'ok' : 'failed', ms === null ? null : ms / 1_000);
  // One of the processes that share the embedded store is enough to clear it up.
  const storeOptions = { ...initial, shared: crew.size > 1, sweeps: crew.number === 1 };
  const stores = openStores(
    metrics === null ? storeOptions : { ...storeOptions, onCommand },
    log.module('store'),
  );
  const { toolbox: tools, ...toolParts } = createTools(initial, settled, stores.tools, log, own.toolbox);
  const isOwn = ({ name, source }: Tool): boolean =>
    source !== ToolSource.HTTP || current.tools.some((tool) => tool.name === name);
  const toolbox = observedToolbox(tools, metrics, tracing, isOwn);
  const usage = createUsage(initial, settled, stores, log);
  const auth = createAuth(initial, stores.keys, crew, log.module('auth'));
  const rateLimits = createLimits(stores.limits, () => current.limits, metrics, log);
  const cache = createCache(initial, settled, stores, log);
  const audit = createAudit(initial, crew.number, metrics, log.module('audit'));
  const leases = new Leases(stores.sessions, () => {
    const { sessionLeaseMs: leaseMs, sessionWaitMs: waitMs, sessionMaxBytes: maxBytes } = current.config;
    return { leaseMs, waitMs, maxBytes };
  });
  // A gateway of one process on its own file has nobody to share with.
  const memos = initial.redisUrl !== null || crew.size > 1 ? stores.memos : null;
  const targets = createTargets(() => current.resilience, log.module('resilience'));
  const { memory, admission, loadHeaders } = createOverload(
    initial,
    settled,
    crew.size,
    log.module('overload'),
  );
  const onPressure = (shrink: () => void): void => memory.onPressure(shrink);
  const calledWell = createPerformance(crew);
  const calls = createCalls({
    initial,
    settled,
    leases,
    memos,
    toolbox,
    usage,
    cache,
    limits: rateLimits,
    isLimited: () => areLimited(current.config, own.authenticate !== undefined),
    targets,
    audit,
    metrics,
    onOver: calledWell.onOver,
    onSpent: calledWell.onSpent,
    tracing,
    onPressure,
    log,
  });

  const serving = new Serving();
  const open = new OpenCalls();
  const limits = { totalMs: () => current.config.totalTimeoutMs, open };
  const audited: OnServiceCall = (call, error) => audit?.serviceCall(call, error);
  const apis = createApis({
    initial,
    settled,
    calls,
    limits,
    stores,
    auth,
    cache,
    memory,
    toolbox,
    registered: toolParts.registered,
    performance: calledWell.api,
    audited,
    crew,
    log,
  });

  const health = createHealth({
    initial,
    settled,
    stores,
    memory,
    admission,
    crew,
    targets,
    models: apis.models,
    cache: apis.cache,
    rateLimits: apis.rateLimits,
    serving,
    cli: { api: apis.cliSessions, view: () => cli.view },
    log: log.module('health'),
  });

  const refusals = log.module('refusals');
  /** What fails before it is a call has no line of its own yet. */
  const refused: OnFailure = (error, request) => {
    if (isLogged(error)) return;
    audit?.refused(error, request);
    const { requestId, path } = request;
    const fields = { request_id: requestId, path, status: error.reasonName };
    // There may be very many, and what makes them is told of once.
    if (error.facts.load !== undefined) refusals.debug('refused', { ...fields, ...loggedOf(error) });
    else if (error.reason === ErrorReason.INTERNAL) refusals.error('internal error', { ...fields, error });
    else refusals.info('refused', { ...fields, ...loggedOf(error) });
  };
  const origins = corsOrigins(initial);
  if (metrics !== null) crew.answer(counts, () => metrics.counted());
  const counted = metrics === null ? null : async () => (await crew.askAll(counts)) as Counted[];
  const routes = routeTable({
    initial,
    settled,
    ...apis,
    toolbox,
    limits,
    health,
    counted,
    onToolCall: audited,
    log,
  });
  const faces = createFaces({
    rest: restRouter(
      routes,
      (error, exchange) => {
        const { requestId, path, principal, req } = exchange;
        const correlation = givenCorrelation(exchange);
        refused(error, { requestId, method: req.method ?? '', path, principal, correlation });
      },
      loadHeaders,
    ),
    rpc: rpcHandler({ initial, ...apis, serving, health, refused, watched: audit !== null }),
    cors: createCors({ origins, exposedHeaders }),
    fromAllowedOrigin: originPolicy({ origins }),
    authenticate: own.authenticate ?? auth.authenticate,
    admission,
    onRefused: refused,
  });
  const observer = requestObserver(metrics, tracing, Object.keys(routes), rpcPaths);
  const port = createPort({
    ...faces,
    ...(observer === null ? {} : { observer }),
    limits: {
      headersTimeoutMs: initial.headersTimeoutMs,
      requestTimeoutMs: initial.requestTimeoutMs,
      keepAliveTimeoutMs: initial.keepAliveTimeoutMs,
      writeTimeoutMs: initial.writeTimeoutMs,
      ...(initial.maxConnections > 0 ? { maxConnections: initial.maxConnections } : {}),
    },
    ...(initial.tlsCert === '' ? {} : { tls: readCertificate(initial, own.readFile) }),
    onStalled: ({ url = '' }) =>
      log.module('server').info('a client that takes nothing is cut off', { path: url.replace(/\?.*/s, '') }),
    onError: (error) => log.module('server').error('request failed', { error }),
  });

  if (metrics !== null) {
    const clients = { providers: client, tools: toolClient };
    watchCli(metrics, () => cli.view);
    watch(metrics, { targets, cache, clients, port, storeWell: stores.well });
  }

  const release = async (): Promise<void> => {
    memory.close();
    current.discovery.stop();
    apis.responses.retire();
    await Promise.all([cli.close(), client.destroy(), toolClient.destroy(), toolParts.close()]);
    await Promise.all([
      leases.settled(unlockGraceMs),
      usage?.close(),
      auth.close(),
      rateLimits.close(unlockGraceMs),
    ]);
    await audit?.close();
    stores.close();
    await tracing?.shutdown();
  };
  crew.answer('usage.flush', async () => usage?.ledger.flush());
  crew.answer('in_flight', () => port.inFlight);
  crew.answer('cli.pool', () => (cli.view === null ? null : { worker: crew.number, view: cli.view }));
  // Last, so that nothing is started by a gateway that could not be made.
  cli.prepare(initial).take();
  const gateway: Gateway = {
    port,
    metrics,
    get config() {
      return current.config;
    },
    prepare(config, readFile) {
      // What may fail comes first: a wrong configuration changes nothing.
      const takesCertificate = initial.tlsCert !== '' && config.tlsCert !== '';
      const certificate = takesCertificate ? readCertificate(config, readFile) : null;
      const next = settle(config, { ...settleParts, readFile }, current.discovery);
      const sessions = orElse(
        () => cli.prepare(config),
        () => next.discovery.stop(),
      );
      return {
        take() {
          current.discovery.stop();
          current = next;
          auth.reload(config);
          sessions.take();
          toolParts.mcp.reconfigure(config.mcpServers);
          if (certificate !== null) port.reloadTls(certificate);
        },
        drop() {
          next.discovery.stop();
          sessions.drop();
        },
      };
    },
    reload: (config) => gateway.prepare(config).take(),
    async drain() {
      serving.stop();
      admission.close(draining());
      apis.responses.retire();
      const { drainTimeoutMs } = current.config;
      const until = performance.now() + drainTimeoutMs;
      const report = await port.drain(drainTimeoutMs, () => open.abortAll(draining()));
      // Those that nobody waits for have the same time, and then as long to say why they end.
      if (!(await apis.responses.idle(until - performance.now()))) {
        open.abortAll(draining());
        await apis.responses.idle(lastWordsMs);
      }
      await release();
      return report;
    },
    async close() {
      serving.stop();
      admission.close(draining());
      await port.close();
      await release();
    },
  };
  return gateway;
}

/** What calls end with that outlast the drain. */
const draining = (): GatewayError =>
  new GatewayError(ErrorReason.DRAINING, 'the gateway is shutting down', { retryAfterMs: 1_000 });

function corsOrigins(config: Config): '*' | readonly string[] {
  if (config.corsOrigins === null) return config.environment === 'development' ? '*' : [];
  return config.corsOrigins.includes('*') ? '*' : config.corsOrigins;
}

/** Undoes what was done before when the next step fails. */
function orElse<T>(step: () => T, undo: () => void): T {
  try {
    return step();
  } catch (error) {
    undo();
    throw error;
  }
}
