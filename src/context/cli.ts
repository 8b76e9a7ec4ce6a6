import type { CliAnswer } from '../cli-pool/answer.ts';
import { CliError } from '../cli-pool/answer.ts';
import type { CliDialect } from '../cli-pool/dialect.ts';
import { CliPool, type CliRequest, type PoolOptions, type PoolView } from '../cli-pool/pool.ts';
import { sessionNames } from '../cli-pool/roster.ts';
import { usualRules } from '../cli-pool/rules.ts';
import type { Config } from '../config/load.ts';
import { ConfigError } from '../config/problems.ts';
import type { ProviderConfig } from '../config/providers.ts';
import type { Logger } from '../observability/log.ts';
import type { Metrics } from '../observability/metrics.ts';
import { programs } from '../providers/cli/programs.ts';
import { cliProvider } from '../providers/cli/provider.ts';
import type { Provider } from '../providers/provider.ts';

/** Sessions with a command-line program, which outlive configurations as long as these say nothing else of them. */
export interface Cli {
  /** The provider that asks them. */
  provider(config: Config, provider: ProviderConfig): Provider;
  /** Does what may fail of starting, replacing or ending them, as a configuration has it. @throws ConfigError; nothing has changed then */
  prepare(config: Config): PreparedCli;
  /** Null when there are none. */
  readonly view: PoolView | null;
  close(): Promise<void>;
}

export interface PreparedCli {
  take(): void;
  drop(): void;
}

const nothing: PreparedCli = { take: () => {}, drop: () => {} };

/** Bounds of processes that nobody should reach, and that keep one that runs wild from harm. */
const openFiles = 4_096;
const fileBytes = 256 * 2 ** 20;

/** @param worker number of this process, which is part of the names of sessions */
export function createCli(log: Logger, worker: number): Cli {
  let current: { readonly pool: CliPool; readonly dialect: CliDialect; readonly terms: string } | null = null;
  /** They end with what is under way. */
  const retired = new Set<CliPool>();
  let closed = false;
  // A pool that takes another one's place lists its sessions beside those, in the log.
  const nextId = sessionNames();

  const retire = (): void => {
    const before = current;
    current = null;
    if (before === null) return;
    const { pool } = before;
    retired.add(pool);
    void pool.retire().finally(() => retired.delete(pool));
  };
  /** A call that was settled before a reload may be written for another program than the one that is there now. */
  const asking =
    (dialect: CliDialect) =>
    (request: CliRequest): Promise<CliAnswer> =>
      current?.dialect === dialect
        ? current.pool.ask(request)
        : Promise.reject(new CliError('closed', 'the pool is closed'));

  return {
    provider: (config, { name, unsupported }) =>
      cliProvider({
        name,
        program: programs[config.cliPreset],
        models: config.cli.models,
        unsupported,
        ask: asking(programs[config.cliPreset].dialect),
      }),
    prepare(config) {
      if (!config.providers.some(({ form }) => form === 'cli')) return { ...nothing, take: retire };
      const { dialect, ...options } = poolOptions(config);
      const terms = JSON.stringify([options, dialect.name]);
      if (current?.terms === terms) return nothing;
      const pool = poolOf({ ...options, dialect, log, prefix: `${worker}.`, nextId });
      const drop = (): void => void pool.close();
      return {
        drop,
        take() {
          if (closed) return drop();
          retire();
          current = { pool, dialect, terms };
          pool.open();
        },
      };
    },
    get view() {
      return current?.pool.view ?? null;
    },
    async close() {
      closed = true;
      const before = current;
      current = null;
      await Promise.all([before?.pool, ...retired].map((pool) => pool?.close()));
    },
  };
}

function poolOf(options: PoolOptions): CliPool {
  try {
    return new CliPool(options);
  } catch (error) {
    throw new ConfigError([error instanceof Error ? error.message : String(error)]);
  }
}

function poolOptions(config: Config): Omit<PoolOptions, 'log' | 'prefix' | 'nextId'> {
  const program = programs[config.cliPreset];
  const { dialect } = program;
  const asked = config.cliModel === '' ? program.model : config.cliModel;
  const models: Readonly<Record<string, string>> = { ...program.models, ...config.cli.models };
  return {
    dialect,
    rules: {
      ...usualRules,
      size: config.cliPoolSize,
      maxOverflow: config.cliMaxOverflow,
      maxWaiting: config.cliMaxWaiting,
      maxTurns: dialect.oneShot ? 1 : config.cliMaxTurns,
      keepAliveMs: config.cliKeepAliveMs,
      maxIdleMs: config.cliMaxIdleMs,
      spawnTimeoutMs: config.cliSpawnTimeoutMs,
      pings: !dialect.oneShot,
      switchesModel: dialect.switchesModel,
      model: models[asked] ?? asked,
    },
    command: {
      command: config.cliCommand === '' ? program.command : config.cliCommand,
      args: config.cli.args ?? program.args,
      env: { ...program.env, ...config.cli.env },
      limits: { memoryBytes: config.cliMaxMemory, openFiles, fileBytes },
    },
    requestTimeoutMs: config.cliRequestTimeoutMs,
  };
}

/** What is counted of sessions. */
export function watchCli({ families }: Metrics, view: () => PoolView | null): void {
  families.read(
    // Its name is older than the custom that only counters end so.
    {
      name: 'llm_sessions_total',
      help: 'Sessions with a command-line program.',
      labels: ['status'],
      optional: true,
    },
    () => (view()?.sessions ?? []).map(({ status }) => [[status], 1] as const),
  );
  families.read(
    {
      name: 'llm_session_restarts_total',
      help: 'Sessions with a command-line program that were replaced.',
      labels: ['reason'],
      type: 'counter',
      optional: true,
    },
    () => Object.entries(view()?.restarts ?? {}).map(([reason, count]) => [[reason], count] as const),
  );
  families.read(
    {
      name: 'llm_pool_overflow_total',
      help: 'Sessions with a command-line program that were started cold for a request.',
      labels: [],
      type: 'counter',
      optional: true,
    },
    () => {
      const found = view();
      return found === null ? [] : [[[], found.overflows] as const];
    },
  );
}
