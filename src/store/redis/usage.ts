import {
  type CounterName,
  type Counters,
  counterNames,
  type Dimension,
  dimensions,
  maxNames,
  noCounters,
  otherName,
  type Scope,
  type UsageBatch,
  type UsageStore,
} from '../../usage/store.ts';
import type { RedisConnection } from './connection.ts';
import * as scripts from './usage-scripts.ts';

/** How long a batch is remembered that was added, in seconds: for as long as it may be written again. */
const markSeconds = 600;

/** Totals in Redis. Those of one scope and day are in one slot of a Cluster: a hash for each dimension. */
export class RedisUsage implements UsageStore {
  readonly #redis: RedisConnection;
  readonly #keepSeconds: number;
  readonly #maxNames: number;

  /** @param keepMs how long totals are kept after the last time that something was added */
  constructor(redis: RedisConnection, keepMs: number, most = maxNames) {
    this.#redis = redis;
    this.#keepSeconds = Math.ceil(keepMs / 1000);
    this.#maxNames = most;
  }

  async add({ id, scope, day, entries }: UsageBatch): Promise<void> {
    const base = baseOf(scope, day);
    const keys = [`${base}:batch:${id}`, ...dimensions.map((dimension) => `${base}:${dimension}`)];
    const args: (string | number)[] = [
      markSeconds,
      this.#keepSeconds,
      this.#maxNames,
      otherName,
      counterNames.length,
    ];
    args.push(...counterNames);
    for (const { dimension, name, counters } of entries) {
      args.push(dimensions.indexOf(dimension) + 1, name);
      for (const counter of counterNames) args.push(counters[counter].toString());
    }
    await this.#redis.run(scripts.add, keys, args);
  }

  async read(scope: Scope, day: string, dimension: Dimension): Promise<Map<string, Counters>> {
    const fields = (await this.#redis.command('HGETALL', `${baseOf(scope, day)}:${dimension}`)) as Buffer[];
    const found = new Map<string, Counters>();
    for (let i = 0; i + 1 < fields.length; i += 2) {
      const field = String(fields[i]);
      const at = field.indexOf(':');
      if (at < 0) continue;
      const counter = field.slice(0, at) as CounterName;
      if (!counterNames.includes(counter)) continue;
      const name = field.slice(at + 1);
      let counters = found.get(name);
      if (counters === undefined) found.set(name, (counters = noCounters()));
      counters[counter] = BigInt(String(fields[i + 1]));
    }
    return found;
  }
}

/** In a tag, nothing of the tenant's may end it. */
const baseOf = (scope: Scope, day: string): string =>
  `llmgateway:usage:{${scope === null ? 'all' : `of/${encodeURIComponent(scope)}`}/${day}}`;
