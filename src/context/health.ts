import type { PoolView } from '../cli-pool/pool.ts';
import type { Config } from '../config/load.ts';
import { type Check, Checks } from '../health/checks.ts';
import type { Service } from '../integrations/service.ts';
import type { Services } from '../integrations/services.ts';
import type { Logger } from '../observability/log.ts';
import type { Admission } from '../overload/admission.ts';
import type { MemoryWatch } from '../overload/memory.ts';
import type { Targets } from '../resilience/targets.ts';
import type { CacheApi } from '../rpc/cache-api.ts';
import type { CliSessionsApi } from '../rpc/cli-sessions-api.ts';
import { type HealthApi, healthApi, type Load, loadOf, type ProviderState } from '../rpc/health-api.ts';
import type { Serving } from '../rpc/health-service.ts';
import type { LimitsApi } from '../rpc/limits-api.ts';
import type { ModelsApi } from '../rpc/models-api.ts';
import type { Stores } from '../store/open.ts';
import type { Crew } from '../workers/crew.ts';
import { healthNumbers } from './health-numbers.ts';
import type { Settled } from './settled.ts';

export interface HealthContext {
  readonly initial: Config;
  readonly settled: () => Settled;
  readonly stores: Pick<Stores, 'kind' | 'ping' | 'well'>;
  readonly memory: MemoryWatch;
  readonly admission: Admission;
  readonly crew: Crew;
  readonly targets: Targets;
  readonly models: ModelsApi;
  readonly cache: CacheApi;
  readonly rateLimits: LimitsApi;
  readonly serving: Serving;
  readonly cli: { readonly api: CliSessionsApi; readonly view: () => PoolView | null };
  readonly log: Logger;
}

/** What is checked, and what is told of it. */
export function createHealth(context: HealthContext): HealthApi {
  const { initial, settled, stores, memory, admission, crew, targets, models, serving, log } = context;
  crew.answer('load', () => loadOf(admission));
  return healthApi({
    service: initial.serviceName,
    version: initial.version,
    environment: initial.environment,
    serving,
    memory,
    numbers: healthNumbers(settled, () => context),
    keysNeeded: () => settled().config.authRequired === true,
    loads: async () => (await crew.askAll('load')) as Load[],
    checks: new Checks({
      checks: () => checksOf(context),
      timeoutMs: () => settled().config.healthTimeoutMs,
      log,
    }),
    modelsAvailable: () => models.countModels(),
    backend: context.cli.api.backend,
    cache() {
      if (!initial.cacheEnabled) return 'disabled';
      return stores.well() === false ? 'disconnected' : 'connected';
    },
    cliPool: async () => (context.cli.view() === null ? null : context.cli.api.health()),
    inferenceModels: () =>
      usesInference(settled().config) ? settled().discovery.modelsOf('inference').length : null,
    providers: () => providerStates(settled(), targets),
    breakers: () => openBreakers(targets),
  });
}

/** Services whose addresses are the defaults are most likely not there; only those are checked that somebody has set. */
const addresses = {
  semantic_search: ['semanticSearch', 'semanticSearchUrl'],
  ai_agents: ['aiAgents', 'aiAgentsUrl'],
  code_orchestrator: ['codeOrchestrator', 'codeOrchestratorUrl'],
  cms: ['cms', 'cmsUrl'],
} as const satisfies Record<string, readonly [keyof Services, keyof Config]>;

const usesInference = ({ providers }: Config): boolean =>
  providers.some(({ name, hasOwnAddress }) => name === 'inference' && hasOwnAddress);

function checksOf({ settled, stores, memory, cli }: HealthContext): Check[] {
  const { config, services } = settled();
  const found: Omit<Check, 'critical'>[] = [
    {
      name: 'memory',
      run() {
        if (memory.pressure === 'critical') throw new Error('memory is short');
      },
    },
    { name: stores.kind === 'redis' ? 'redis' : 'store', run: () => stores.ping() },
  ];
  const pool = cli.view();
  if (pool !== null) {
    found.push({
      name: 'cli_pool',
      run() {
        if (!pool.sessions.some(({ status }) => status === 'idle' || status === 'busy')) {
          throw new Error('no session is ready');
        }
      },
    });
  }
  const add = (name: string, service: Service | null): void => {
    if (service !== null) found.push({ name, run: (signal) => askHealth(service, signal) });
  };
  for (const [name, [service, setting]] of Object.entries(addresses)) {
    if (config.given.includes(setting)) add(name, services[service]);
  }
  if (usesInference(config)) add('inference_service', services.inference);
  return found.map((check) => ({ ...check, critical: config.healthCritical.includes(check.name) }));
}

/** Only 200 is healthy. Without the breaker: this is also how one learns that a service is back. */
async function askHealth(service: Service, signal: AbortSignal): Promise<void> {
  const { status } = await service.call({
    method: 'GET',
    path: '/health',
    breaker: null,
    requestId: 'health',
    signal,
  });
  if (status !== 200) throw new Error(`answers ${status}`);
}

/** The words are the gateway's own: those of errors have addresses in them. */
function providerStates({ discovery, models, providers }: Settled, targets: Targets): ProviderState[] {
  const open = new Map<string, number>();
  for (const { provider, breaker } of targets.list()) {
    if (breaker.state === 'open') open.set(provider, (open.get(provider) ?? 0) + 1);
  }
  return models.providers().map(({ name, available }) => {
    const broken = open.get(name) ?? 0;
    const missing = providers.get(name)?.missing ?? null;
    let error = '';
    if (missing !== null) error = missing;
    else if (discovery.reachable(name) === false) error = 'it does not answer';
    else if (!available) error = 'it is not known yet whether it answers';
    else if (broken > 0) error = `circuit breakers of ${broken} of its models are open`;
    return { name, available, checkedAt: discovery.checkedAt(name), error };
  });
}

const openBreakers = (targets: Targets): { name: string; state: string; failures: number }[] =>
  targets
    .list()
    .filter(({ breaker }) => breaker.state !== 'closed')
    .map(({ name, breaker: { state, failures } }) => ({ name, state, failures }));
