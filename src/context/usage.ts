import type { Config } from '../config/load.ts';
import type { Logger } from '../observability/log.ts';
import type { Stores } from '../store/open.ts';
import { Budgets } from '../usage/budgets.ts';
import { Ledger } from '../usage/ledger.ts';
import type { Settled } from './settled.ts';

/** What counts calls. */
export interface UsageParts {
  readonly budgets: Budgets;
  readonly ledger: Ledger;
  /** Writes what is left, within a bound. */
  close(): Promise<void>;
}

/** A call that ends at its very last moment settles a little later. */
const leaseGraceMs = 60_000;
/** How long a gateway that ends waits for the store to take the last numbers, in milliseconds. */
const closeGraceMs = 1_000;

/** Null when nothing is to be counted. */
export function createUsage(
  { usageEnabled }: Config,
  settled: () => Settled,
  stores: Pick<Stores, 'usage' | 'budgets'>,
  log: Logger,
): UsageParts | null {
  if (!usageEnabled) return null;
  const ledger = new Ledger({ store: stores.usage, log: log.module('usage') });
  const budgets = new Budgets({
    store: stores.budgets,
    terms: () => {
      const { budgets: rules, budgetAlertAt: alertAt, totalTimeoutMs } = settled().config;
      return { rules, alertAt, leaseMs: totalTimeoutMs + leaseGraceMs };
    },
    log: log.module('budgets'),
  });
  return {
    budgets,
    ledger,
    async close() {
      const late = Promise.withResolvers<void>();
      const timer = setTimeout(late.resolve, closeGraceMs);
      await Promise.race([Promise.all([ledger.flush(), budgets.flush()]), late.promise]);
      clearTimeout(timer);
      ledger.close();
      budgets.close();
    },
  };
}
