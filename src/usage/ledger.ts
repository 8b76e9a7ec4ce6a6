import { randomUUID } from 'node:crypto';
import type { Logger } from '../observability/log.ts';
import { dayMs, dayOf } from './days.ts';
import type { Pico } from './money.ts';
import {
  addCounters,
  type Counters,
  type Dimension,
  noCounters,
  type Scope,
  type UsageBatch,
  type UsageEntry,
  type UsageStore,
} from './store.ts';

/** One answer, for the totals. */
export interface UsageRecord {
  readonly tenant: string;
  readonly owner: string;
  readonly key: string;
  readonly provider: string;
  readonly model: string;
  readonly prompt: number;
  readonly completion: number;
  readonly cached: number;
  readonly cacheWrite: number;
  readonly reasoning: number;
  /** Null when it is not known. */
  readonly pico: Pico | null;
  readonly estimated: boolean;
  readonly aborted: boolean;
}

export interface LedgerOptions {
  readonly store: UsageStore;
  readonly log: Logger;
  /** In milliseconds since 1970. */
  readonly now?: () => number;
  /** Longest time until answers are written, in milliseconds. */
  readonly flushMs?: number;
  /** Sums that are kept at most while the store is out of reach: one for each day, key, provider and model. */
  readonly maxSums?: number;
}

/** Sums of what was not written yet. */
interface Sum {
  readonly day: string;
  readonly of: UsageRecord;
  requests: number;
  prompt: number;
  completion: number;
  cached: number;
  cacheWrite: number;
  reasoning: number;
  pico: Pico;
  unpriced: number;
  estimated: number;
  aborted: number;
}

/** Entries of one batch at most: a script of Redis holds everybody else up. */
const maxEntries = 500;
/** Batches that are written at once. */
const width = 16;
/** Names are clients' words, too. */
const maxName = 256;

/** Adds answers up, and writes the totals of their days after a moment. Nothing that it does delays or fails a call. */
export class Ledger {
  readonly #options: LedgerOptions;
  readonly #now: () => number;
  #sums = new Map<string, Sum>();
  /** What is being written; while some is left nothing further is begun. */
  #batches: UsageBatch[] = [];
  #timer: NodeJS.Timeout | null = null;
  #flushing: Promise<void> | null = null;
  #day = { number: -1, text: '' };
  #failing = false;
  #lost = 0;

  constructor(options: LedgerOptions) {
    this.#options = options;
    this.#now = options.now ?? Date.now;
  }

  record(record: UsageRecord): void {
    const day = this.#today();
    const { tenant, owner, key, provider, model } = record;
    const name = `${day}\0${tenant}\0${owner}\0${key}\0${provider}\0${model}`;
    let sum = this.#sums.get(name);
    if (sum === undefined) {
      if (this.#sums.size >= (this.#options.maxSums ?? 10_000)) {
        this.#lose();
        return;
      }
      sum = newSum(day, record);
      this.#sums.set(name, sum);
    }
    sum.requests++;
    sum.prompt += record.prompt;
    sum.completion += record.completion;
    sum.cached += record.cached;
    sum.cacheWrite += record.cacheWrite;
    sum.reasoning += record.reasoning;
    if (record.pico === null) sum.unpriced++;
    else sum.pico += record.pico;
    if (record.estimated) sum.estimated++;
    if (record.aborted) sum.aborted++;
    this.#timer ??= setTimeout(() => void this.flush(), this.#options.flushMs ?? 1_000).unref();
  }

  /** Writes everything. Resolves when that is done, or has failed and will be tried again. */
  async flush(): Promise<void> {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    if (this.#flushing !== null) await this.#flushing;
    this.#flushing ??= this.#write().finally(() => {
      this.#flushing = null;
      if (this.#batches.length === 0 && this.#sums.size === 0) return;
      this.#timer ??= setTimeout(() => void this.flush(), this.#options.flushMs ?? 1_000).unref();
    });
    await this.#flushing;
  }

  close(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    let requests = this.#lost;
    for (const sum of this.#sums.values()) requests += sum.requests;
    if (requests > 0 || this.#batches.length > 0) {
      this.#options.log.error('totals of usage are lost that the store did not take', { requests });
    }
  }

  #today(): string {
    const now = this.#now();
    const number = Math.floor(now / dayMs);
    if (number !== this.#day.number) this.#day = { number, text: dayOf(now) };
    return this.#day.text;
  }

  #lose(): void {
    if (this.#lost++ === 0) {
      this.#options.log.error('usage is not counted any more: too much waits for the store');
    }
  }

  async #write(): Promise<void> {
    if (this.#batches.length === 0) {
      this.#batches = batchesOf(this.#sums.values());
      this.#sums = new Map();
    }
    while (this.#batches.length > 0) {
      const some = this.#batches.splice(0, width);
      const results = await Promise.allSettled(some.map((batch) => this.#options.store.add(batch)));
      this.#batches.unshift(...some.filter((_, i) => results[i]?.status === 'rejected'));
      const failure = results.find((result) => result.status === 'rejected');
      if (failure !== undefined) {
        if (!this.#failing)
          this.#options.log.warn('totals of usage wait for the store', { error: failure.reason });
        this.#failing = true;
        return;
      }
    }
    if (this.#failing)
      this.#options.log.info('totals of usage are written again', { lost_requests: this.#lost });
    this.#failing = false;
    this.#lost = 0;
  }
}

const newSum = (day: string, of: UsageRecord): Sum => ({
  day,
  of,
  requests: 0,
  prompt: 0,
  completion: 0,
  cached: 0,
  cacheWrite: 0,
  reasoning: 0,
  pico: 0n,
  unpriced: 0,
  estimated: 0,
  aborted: 0,
});

/** What is to be added for everybody, and for each tenant, by everything that totals are told apart by. */
function batchesOf(sums: Iterable<Sum>): UsageBatch[] {
  const scopes = new Map<string, { scope: Scope; day: string; entries: Map<string, UsageEntry> }>();
  for (const sum of sums) {
    const { tenant, model, key, owner, provider } = sum.of;
    const counters = countersOf(sum);
    for (const scope of [null, tenant]) {
      const place = `${sum.day}${scope === null ? '' : `/${scope}`}`;
      let batch = scopes.get(place);
      if (batch === undefined) scopes.set(place, (batch = { scope, day: sum.day, entries: new Map() }));
      const names: [Dimension, string][] = [
        ['total', ''],
        ['model', model],
        ['key', key],
        ['owner', owner],
        ['provider', provider],
      ];
      if (scope === null) names.push(['tenant', tenant]);
      for (const [dimension, long] of names) {
        const name = long.slice(0, maxName);
        const at = `${dimension}/${name}`;
        const entry = batch.entries.get(at);
        if (entry !== undefined) addCounters(entry.counters, counters);
        else batch.entries.set(at, { dimension, name, counters: { ...counters } });
      }
    }
  }
  return [...scopes.values()].flatMap(({ scope, day, entries }) => {
    const all = [...entries.values()];
    const batches: UsageBatch[] = [];
    for (let at = 0; at < all.length; at += maxEntries) {
      batches.push({ id: randomUUID(), scope, day, entries: all.slice(at, at + maxEntries) });
    }
    return batches;
  });
}

function countersOf(sum: Sum): Counters {
  const counters = noCounters();
  counters.pico = sum.pico;
  for (const name of ['requests', 'prompt', 'completion', 'cached', 'cacheWrite', 'reasoning'] as const)
    counters[name] = BigInt(sum[name]);
  for (const name of ['unpriced', 'estimated', 'aborted'] as const) counters[name] = BigInt(sum[name]);
  return counters;
}
