/** A call that is over, as far as its performance goes. */
export interface Performed {
  /** '' when it got to none. */
  readonly provider: string;
  readonly failed: boolean;
  /** Its client left: it neither succeeded nor failed. */
  readonly left: boolean;
  readonly seconds: number;
  readonly tokens: number;
  /** See CallReport.cache. */
  readonly cache: string;
  readonly owner: string;
  readonly requestId: string;
}

export interface ProviderPerformance {
  requests: number;
  tokens: number;
  cost: number;
}

export interface SlowCall {
  readonly provider: string;
  readonly seconds: number;
  /** In milliseconds since 1970. */
  readonly at: number;
  readonly owner: string;
  readonly requestId: string;
}

/** Numbers of some time. They may be sent to another process. */
export interface PerformanceSums {
  requests: number;
  failed: number;
  left: number;
  seconds: number;
  tokens: number;
  cost: number;
  /** Calls answered from the cache, and all that asked it. */
  hits: number;
  asked: number;
  providers: Record<string, ProviderPerformance>;
  /** How many took how long: each bound is 10 % above the one before. */
  times: number[];
}

export interface PerformanceView {
  readonly sums: PerformanceSums;
  /** Latest first. */
  readonly slow: readonly SlowCall[];
}

/** Longest time that is told of, in hours. */
export const maxHours = 168;
const periodMs = 15 * 60_000;
const periods = (maxHours * 3_600_000) / periodMs + 1;
/** The limit of the gateway before this one. */
const slowSeconds = 30;
const maxSlow = 50;
const leastSeconds = 0.001;
const growth = Math.log(1.1);
/** Enough for an hour and a half. */
const buckets = 164;
/** Providers are of the configuration. */
const maxProviders = 200;

const emptySums = (): PerformanceSums => ({
  requests: 0,
  failed: 0,
  left: 0,
  seconds: 0,
  tokens: 0,
  cost: 0,
  hits: 0,
  asked: 0,
  providers: {},
  times: new Array<number>(buckets).fill(0),
});

/** How calls of models went in each quarter of an hour of the last week. Counting one takes less than a microsecond. */
export class Performance {
  readonly #now: () => number;
  /** By number of the period, the oldest first. */
  readonly #periods = new Map<number, PerformanceSums>();
  #slow: SlowCall[] = [];

  /** @param now in milliseconds since 1970 */
  constructor(now: () => number = Date.now) {
    this.#now = now;
  }

  count(call: Performed): void {
    const now = this.#now();
    addCall(this.#periodOf(now), call);
    if (call.seconds <= slowSeconds) return;
    const { provider, seconds, owner, requestId } = call;
    this.#slow.unshift({ provider, seconds, at: now, owner, requestId });
    if (this.#slow.length > maxSlow) this.#slow = this.#slow.slice(0, maxSlow);
  }

  /** An answer of a provider's has cost something: also one whose call is over. @param usd US dollars */
  spent(provider: string, usd: number): void {
    const period = this.#periodOf(this.#now());
    period.cost += usd;
    const own = providerIn(period, provider);
    if (own !== undefined) own.cost += usd;
  }

  #periodOf(now: number): PerformanceSums {
    const number = Math.floor(now / periodMs);
    let period = this.#periods.get(number);
    if (period === undefined) {
      period = emptySums();
      this.#periods.set(number, period);
      for (const old of this.#periods.keys()) {
        if (old > number - periods) break;
        this.#periods.delete(old);
      }
    }
    return period;
  }

  /** Of the last hours, to a quarter of an hour. */
  last(hours: number): PerformanceView {
    const now = this.#now();
    const first = Math.floor((now - hours * 3_600_000) / periodMs) + 1;
    const within = [...this.#periods].filter(([number]) => number >= first).map(([, sums]) => sums);
    return { sums: joined(within), slow: this.#slow.filter(({ at }) => at >= first * periodMs) };
  }
}

function addCall(sums: PerformanceSums, call: Performed): void {
  const { provider, failed, left, seconds, tokens, cache } = call;
  sums.requests++;
  if (failed) sums.failed++;
  if (left) sums.left++;
  sums.seconds += seconds;
  sums.tokens += tokens;
  if (cache !== '') sums.asked++;
  if (cache === 'hit' || cache === 'shared') sums.hits++;
  const bucket = seconds <= leastSeconds ? 0 : Math.ceil(Math.log(seconds / leastSeconds) / growth);
  const at = Math.min(bucket, buckets - 1);
  sums.times[at] = (sums.times[at] as number) + 1;
  if (provider === '') return;
  const own = providerIn(sums, provider);
  if (own === undefined) return;
  own.requests++;
  own.tokens += tokens;
}

/** Undefined where there are too many of them. */
function providerIn(sums: PerformanceSums, provider: string): ProviderPerformance | undefined {
  if (Object.hasOwn(sums.providers, provider)) return sums.providers[provider];
  if (Object.keys(sums.providers).length >= maxProviders) return undefined;
  const own: ProviderPerformance = { requests: 0, tokens: 0, cost: 0 };
  sums.providers[provider] = own;
  return own;
}

/** Several times, or processes, as one. */
function joined(all: readonly PerformanceSums[]): PerformanceSums {
  const sum = emptySums();
  for (const one of all) {
    for (const name of ['requests', 'failed', 'left', 'seconds', 'tokens', 'cost', 'hits', 'asked'] as const)
      sum[name] += one[name];
    for (let i = 0; i < buckets; i++) sum.times[i] = (sum.times[i] as number) + (one.times[i] ?? 0);
    for (const [name, own] of Object.entries(one.providers)) {
      const known = sum.providers[name];
      if (known === undefined) sum.providers[name] = { ...own };
      else {
        known.requests += own.requests;
        known.tokens += own.tokens;
        known.cost += own.cost;
      }
    }
  }
  return sum;
}

/** Views of several processes as one. */
export const joinedViews = (views: readonly PerformanceView[]): PerformanceView => ({
  sums: joined(views.map(({ sums }) => sums)),
  slow: views
    .flatMap(({ slow }) => slow)
    .sort((a, b) => b.at - a.at)
    .slice(0, maxSlow),
});

/** The time that a share of the calls did not exceed, in seconds; 0 without calls. */
export function percentile({ times, requests }: PerformanceSums, share: number): number {
  let left = Math.ceil(requests * share);
  if (left === 0) return 0;
  for (let i = 0; i < times.length; i++) {
    left -= times[i] as number;
    if (left <= 0) return leastSeconds * 1.1 ** i;
  }
  return leastSeconds * 1.1 ** (times.length - 1);
}
