import type { Config } from '../config/load.ts';

/** Bounds of the whole gateway that each process counts for itself. */
const divided = [
  'maxConnections',
  'upstreamConnections',
  'upstreamMaxConcurrent',
  'upstreamQueue',
  'toolMaxConcurrent',
  'responseMaxBackground',
  'retryBudgetPerSecond',
  'reasoningStateBytes',
  'toolStateBytes',
  'maxConcurrentRequests',
  'queueSize',
  'queueWarningThreshold',
  'maxBodyBytesInFlight',
  'cliPoolSize',
  'cliMaxOverflow',
  'cliMaxWaiting',
] as const satisfies readonly (keyof Config)[];

/** Those that count only without a Redis: with it there is one of the kind for all. */
const dividedAlone = ['cacheMaxSize', 'cacheMaxBytes'] as const satisfies readonly (keyof Config)[];

/**
 * The configuration of one worker: what bounds the whole gateway is divided, so that the parts of all are the whole. No part is less than 1, or the worker could
 * do nothing of the kind; 0, which means no bound or nothing at all, stays.
 */
export function shareOf(config: Config, number: number, size: number): Config {
  if (size === 1) return config;
  const part = (whole: number): number =>
    whole === 0 ? 0 : Math.max(1, Math.floor(whole / size) + (number <= whole % size ? 1 : 0));
  const parted = config.redisUrl === null ? [...divided, ...dividedAlone] : divided;
  return {
    ...config,
    ...Object.fromEntries(parted.map((name) => [name, part(config[name])])),
    // Of the limits that each gateway keeps while Redis is down.
    limitOutageShare: config.limitOutageShare / size,
    providers: config.providers.map((provider) =>
      provider.maxConcurrent === undefined
        ? provider
        : { ...provider, maxConcurrent: part(provider.maxConcurrent) },
    ),
  };
}
