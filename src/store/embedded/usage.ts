import {
  type Counters,
  counterNames,
  type Dimension,
  maxNames,
  noCounters,
  otherName,
  type Scope,
  type UsageBatch,
  type UsageEntry,
  type UsageStore,
} from '../../usage/store.ts';
import type { Database } from './database.ts';

const columns: Readonly<Record<keyof Counters, string>> = {
  requests: 'requests',
  prompt: 'prompt',
  completion: 'completion',
  cached: 'cached',
  cacheWrite: 'cache_write',
  reasoning: 'reasoning',
  pico: 'pico',
  unpriced: 'unpriced',
  estimated: 'estimated',
  aborted: 'aborted',
};
const names = counterNames.map((counter) => columns[counter]);

const upsert = `INSERT INTO usage_totals (scope, day, dimension, name, ${names.join(', ')})
  VALUES (?, ?, ?, ?, ${names.map(() => '?').join(', ')})
  ON CONFLICT (scope, day, dimension, name) DO UPDATE SET ${names.map((name) => `${name} = ${name} + excluded.${name}`).join(', ')}`;
// As texts, because they may be larger than a number of JavaScript's.
const select = `SELECT name, ${names.map((name) => `CAST(${name} AS TEXT) AS ${name}`).join(', ')} FROM usage_totals
  WHERE scope = ? AND day = ? AND dimension = ?`;

/** Rows that one sweep deletes at most. */
const swept = 1_000;

/** Totals in the embedded store. */
export class EmbeddedUsage implements UsageStore {
  readonly #database: Database;
  readonly #keepMs: number;
  readonly #maxNames: number;
  readonly #now: () => number;

  constructor(database: Database, keepMs: number, most = maxNames, now: () => number = Date.now) {
    this.#database = database;
    this.#keepMs = keepMs;
    this.#maxNames = most;
    this.#now = now;
  }

  /** A batch is not remembered: a transaction has happened, or it has not. */
  async add({ scope, day, entries }: UsageBatch): Promise<void> {
    this.#database.transaction(() => {
      for (const entry of entries) {
        const { dimension, counters } = entry;
        const values = counterNames.map((counter) => counters[counter]);
        this.#database.run(
          upsert,
          scopeOf(scope),
          day,
          dimension,
          this.#nameOf(scope, day, entry),
          ...values,
        );
      }
    });
  }

  async read(scope: Scope, day: string, dimension: Dimension): Promise<Map<string, Counters>> {
    const found = new Map<string, Counters>();
    for (const row of this.#database.all(select, scopeOf(scope), day, dimension)) {
      const counters = noCounters();
      for (const counter of counterNames) counters[counter] = BigInt(row[columns[counter]] as string);
      found.set(row['name'] as string, counters);
    }
    return found;
  }

  /** Deletes what is older than it has to be kept. @returns whether there is more */
  sweep(): boolean {
    const until = new Date(this.#now() - this.#keepMs).toISOString().slice(0, 10);
    const deleted = this.#database.run(
      'DELETE FROM usage_totals WHERE rowid IN (SELECT rowid FROM usage_totals WHERE day < ? LIMIT ?)',
      until,
      swept,
    );
    return deleted === swept;
  }

  #nameOf(scope: Scope, day: string, { dimension, name }: UsageEntry): string {
    const key = [scopeOf(scope), day, dimension];
    const known = this.#database.get(
      'SELECT 1 FROM usage_totals WHERE scope = ? AND day = ? AND dimension = ? AND name = ?',
      ...key,
      name,
    );
    if (known !== null) return name;
    const row = this.#database.get(
      'SELECT count(*) AS count FROM usage_totals WHERE scope = ? AND day = ? AND dimension = ?',
      ...key,
    );
    return Number(row?.['count']) >= this.#maxNames ? otherName : name;
  }
}

const scopeOf = (scope: Scope): string => (scope === null ? 'all' : `of/${scope}`);
