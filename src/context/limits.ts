import type { Config } from '../config/load.ts';
import type { LimitTerms } from '../limits/classes.ts';
import { Limits } from '../limits/limits.ts';
import type { LimitStore } from '../limits/store.ts';
import type { Logger } from '../observability/log.ts';
import type { Metrics } from '../observability/metrics.ts';

/** What a configuration says of limits. */
export const limitTerms = (config: Config): LimitTerms => ({
  classes: new Map(Object.entries(config.limits.classes)),
  users: new Map(Object.entries(config.limitUsers)),
  eachKey: config.limits.eachKey,
  providers: new Map(Object.entries(config.limits.providers)),
  global: config.limits.global,
  usualOutput: config.budgetOutputTokens,
  outageShare: config.limitOutageShare,
});

/**
 * Whether calls are limited: a first try with neither keys nor limits is not throttled.
 * @param ownAuth whoever embeds the gateway tells clients apart
 */
export function areLimited(
  { limitsMode, limits, authRequired, keys, tokenIssuers }: Config,
  ownAuth: boolean,
): boolean {
  if (limitsMode !== 'auto') return limitsMode === 'on';
  return limits.given || ownAuth || authRequired === true || keys.length > 0 || tokenIssuers.length > 0;
}

export const createLimits = (
  store: LimitStore,
  terms: () => LimitTerms,
  metrics: Metrics | null,
  log: Logger,
): Limits =>
  new Limits({
    store,
    terms,
    log: log.module('limits'),
    onRefused: (limit, { name }) => metrics?.limited(limit, name.split(':', 1)[0] as string),
  });
