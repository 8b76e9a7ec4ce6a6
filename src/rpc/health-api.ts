import { readFileSync } from 'node:fs';
import { create } from '@bufbuild/protobuf';
import { timestampFromMs } from '@bufbuild/protobuf/wkt';
import { type GetHealthResponse, GetHealthResponseSchema } from '../../gen/llmgateway/v1/admin_service_pb.js';
import type { CliPoolHealth } from '../../gen/llmgateway/v1/cli_session_pb.js';
import { anonymous, type Principal } from '../auth/principal.ts';
import { type CheckResult, type Checks, type ReadyStatus, verdict } from '../health/checks.ts';
import type { Admission } from '../overload/admission.ts';
import { type MemoryWatch, mebibytes } from '../overload/memory.ts';

/** What is known of one provider. */
export interface ProviderState {
  readonly name: string;
  readonly available: boolean;
  /** In milliseconds since 1970. */
  readonly checkedAt: number | null;
  /** Without addresses and secrets; '' when nothing is wrong. */
  readonly error: string;
}

/** What the store tells, within a bound; null: it does not. */
export interface StoreNumbers {
  readonly cache: { readonly enabled: boolean; readonly entries: number; readonly bytes: number } | null;
  readonly limiter: { readonly activeOwners: number; readonly requestsLastMinute: number } | null;
  /** Services of the documentation platform whose addresses are configured. */
  readonly integrations: readonly {
    readonly name: string;
    readonly status: string;
    readonly error: string;
  }[];
}

/** Of the cache of answers, as far as that is known without asking. */
export type CacheState = 'connected' | 'disconnected' | 'disabled';

export interface HealthParts {
  /** Asked at most once a second, however many want to know. */
  readonly numbers: () => Promise<StoreNumbers>;
  readonly service: string;
  readonly version: string;
  readonly environment: string;
  readonly serving: { readonly serving: boolean };
  readonly checks: Checks;
  readonly memory: MemoryWatch;
  /** Calls need keys or tokens. */
  readonly keysNeeded: () => boolean;
  /** Of each process of the gateway. */
  readonly loads: () => Promise<readonly Load[]>;
  readonly modelsAvailable: () => number;
  /** Where names of Claude go. */
  readonly backend: () => string;
  readonly cache: () => CacheState;
  /** The sessions with a command-line program; null when there are none. */
  readonly cliPool: () => Promise<CliPoolHealth | null>;
  /** Models that the inference service reports; null when it is not configured. */
  readonly inferenceModels: () => number | null;
  readonly providers: () => readonly ProviderState[];
  readonly breakers: () => readonly {
    readonly name: string;
    readonly state: string;
    readonly failures: number;
  }[];
}

/** Whether calls may come. */
export interface Readiness {
  readonly status: ReadyStatus;
  readonly checks: Readonly<Record<string, boolean>>;
  readonly modelsAvailable: number;
}

/** Health as an object: RPC and REST call the same one. */
export interface HealthApi {
  /** Asks nobody. */
  facts(): {
    service: string;
    version: string;
    environment: string;
    uptimeSeconds: number;
    modelsAvailable: number;
    backend: string;
    cache: CacheState;
  };
  /** The sessions with a command-line program; null when there are none. */
  cliPool(): Promise<CliPoolHealth | null>;
  readiness(): Promise<Readiness>;
  /** Names of models are for administrators, once calls need keys. */
  detailed(principal: Principal): Promise<GetHealthResponse>;
}

const maxBreakers = 100;

export function healthApi(parts: HealthParts): HealthApi {
  const { service, version, environment, serving, checks, memory } = parts;
  const uptime = (): number => Math.round(process.uptime() * 1_000) / 1_000;
  const statusOf = (results: readonly CheckResult[]): ReadyStatus =>
    serving.serving ? verdict(results) : 'not_ready';
  return {
    facts: () => ({
      service,
      version,
      environment,
      uptimeSeconds: uptime(),
      modelsAvailable: parts.modelsAvailable(),
      backend: parts.backend(),
      cache: parts.cache(),
    }),
    cliPool: parts.cliPool,
    async readiness() {
      // One that drains is not ready, whatever the others say.
      const results = serving.serving ? await checks.results() : [];
      return {
        status: statusOf(results),
        checks: Object.fromEntries(results.map(({ name, healthy }) => [name, healthy])),
        modelsAvailable: parts.modelsAvailable(),
      };
    },
    async detailed(principal) {
      const seesModels = principal.admin || (principal === anonymous && !parts.keysNeeded());
      const [results, cliPool, loads, numbers] = await Promise.all([
        checks.results(),
        parts.cliPool(),
        parts.loads(),
        parts.numbers(),
      ]);
      const modelsAvailable = parts.modelsAvailable();
      const isWell = results.every(({ healthy }) => healthy) && memory.pressure !== 'critical';
      return create(GetHealthResponseSchema, {
        status: isWell && modelsAvailable > 0 ? 'healthy' : 'degraded',
        readiness: statusOf(results),
        service,
        version,
        environment,
        time: timestampFromMs(Date.now()),
        uptimeSeconds: uptime(),
        modelsAvailable,
        inferenceService: inferenceStatus(results, parts.inferenceModels()),
        checks: results.map(({ checkedAt, ...result }) => ({
          ...result,
          checkedAt: timestampFromMs(checkedAt),
        })),
        memory: memoryHealth(memory),
        load: loadHealth(loads),
        providers: parts.providers().map(({ name, available, checkedAt, error }) => ({
          name,
          available,
          status: error === '' ? 'healthy' : 'unhealthy',
          error,
          ...(checkedAt === null ? {} : { lastChecked: timestampFromMs(checkedAt) }),
        })),
        breakers: seesModels ? parts.breakers().slice(0, maxBreakers) : [],
        ...(cliPool === null ? {} : { cliPool }),
        ...numbersOf(numbers),
      });
    },
  };
}

function numbersOf({ cache, limiter, integrations }: StoreNumbers) {
  return {
    ...(cache === null
      ? {}
      : {
          cache: {
            status: cache.enabled ? 'healthy' : 'disabled',
            totalEntries: BigInt(cache.entries),
            totalSizeBytes: BigInt(cache.bytes),
          },
        }),
    ...(limiter === null
      ? {}
      : {
          limiter: {
            activeOwners: BigInt(limiter.activeOwners),
            requestsLastMinute: BigInt(limiter.requestsLastMinute),
          },
        }),
    integrations: [...integrations],
  };
}

function inferenceStatus(results: readonly CheckResult[], models: number | null): string {
  const check = results.find(({ name }) => name === 'inference_service');
  if (check === undefined || models === null) return 'not_configured';
  if (!check.healthy) return 'down';
  return models > 0 ? 'up' : 'up_no_models';
}

function memoryHealth(memory: MemoryWatch) {
  const { rss, heapUsed, heapLimit } = memory.state;
  const { hardBytes, softShare } = memory.bounds;
  return {
    rssMb: mebibytes(rss),
    vmsMb: mebibytes(addressSpace()),
    peakMb: mebibytes(Math.max(memory.peak, process.resourceUsage().maxRSS * 1_024)),
    thresholdMb: mebibytes(hardBytes),
    softLimitMb: mebibytes(hardBytes * softShare),
    usagePercent: Math.round((rss / hardBytes) * 1_000) / 10,
    pressure: memory.pressure,
    heapUsedMb: mebibytes(heapUsed),
    heapLimitMb: mebibytes(heapLimit),
  };
}

/** What one process has to do. */
export interface Load {
  readonly active: number;
  readonly waiting: number;
  readonly maxConcurrent: number;
  readonly maxWaiting: number;
  readonly accepting: boolean;
  readonly bodyBytes: number;
}

export function loadOf({ active, waiting, limits, accepting, bodyBytes }: Admission): Load {
  const { maxConcurrent, maxWaiting } = limits;
  return { active, waiting, maxConcurrent, maxWaiting, accepting, bodyBytes };
}

function loadHealth(loads: readonly Load[]) {
  const total = (count: (load: Load) => number): number => loads.reduce((sum, load) => sum + count(load), 0);
  const places = total(({ maxWaiting }) => maxWaiting);
  const waiting = total((load) => load.waiting);
  return {
    activeRequests: total(({ active }) => active),
    maxConcurrent: total(({ maxConcurrent }) => maxConcurrent),
    waitingRequests: waiting,
    queueUtilizationPercent: places === 0 ? 0 : Math.round((waiting / places) * 1_000) / 10,
    acceptingRequests: loads.some(({ accepting }) => accepting),
    bodyBytesInFlight: BigInt(total(({ bodyBytes }) => bodyBytes)),
  };
}

/** Bytes of the process's address space, where Linux tells; else 0. */
function addressSpace(): number {
  try {
    const [, kibibytes] = /^VmSize:\s+(\d+) kB$/m.exec(readFileSync('/proc/self/status', 'utf8')) ?? [];
    return Number(kibibytes ?? 0) * 1_024;
  } catch {
    return 0;
  }
}
