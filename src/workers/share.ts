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
] as const satisfies readonly (keyof Config)[];

/**
 * The configuration of one worker: what bounds the whole gateway is divided, so that the parts of all are the whole. No part is less than 1, or the worker could
 * do nothing of the kind; 0, which means no bound or nothing at all, stays.
 */
export function shareOf(config: Config, number: number, size: number): Config {
  if (size === 1) return config;
  const part = (whole: number): number =>
    whole === 0 ? 0 : Math.max(1, Math.floor(whole / size) + (number <= whole % size ? 1 : 0));
  return {
    ...config,
    ...Object.fromEntries(divided.map((name) => [name, part(config[name])])),
    providers: config.providers.map((provider) =>
      provider.maxConcurrent === undefined
        ? provider
        : { ...provider, maxConcurrent: part(provider.maxConcurrent) },
    ),
  };
}
