import type { Logger } from '../observability/log.ts';

/** Something that the gateway needs, or can do without. */
export interface Check {
  readonly name: string;
  /** Without it the gateway is not ready. */
  readonly critical: boolean;
  /** Rejects when it is not well. */
  run(signal: AbortSignal): Promise<void> | void;
}

export interface CheckResult {
  readonly name: string;
  readonly critical: boolean;
  readonly healthy: boolean;
  readonly latencyMs: number;
  /** Milliseconds since 1970. */
  readonly checkedAt: number;
}

export interface ChecksOptions {
  /** Read anew each time, since a reload replaces them. */
  readonly checks: () => readonly Check[];
  /** Longest wait for one check, in milliseconds. */
  readonly timeoutMs: () => number;
  readonly log: Logger;
  /** Milliseconds on any clock that only goes forward. */
  readonly now?: () => number;
}

/** How long results stand, so that probes do not multiply. */
const freshMs = 1_000;

/** Runs checks, all at the same time, each within a bound. However many ask, each is run once. */
export class Checks {
  readonly #options: ChecksOptions;
  readonly #now: () => number;
  #known: { readonly results: readonly CheckResult[]; readonly until: number } | null = null;
  #running: Promise<readonly CheckResult[]> | null = null;
  /** What the log has said of each. */
  #told = new Map<string, boolean>();
  /** Why each failed that failed last; clients are not told of it, since it has addresses in it. */
  readonly #causes = new Map<string, unknown>();

  constructor(options: ChecksOptions) {
    this.#options = options;
    this.#now = options.now ?? (() => performance.now());
  }

  /** Never rejects; takes no longer than a check may take. */
  results(): Promise<readonly CheckResult[]> {
    if (this.#running !== null) return this.#running;
    if (this.#known !== null && this.#now() < this.#known.until) return Promise.resolve(this.#known.results);
    this.#running = this.#run();
    return this.#running;
  }

  async #run(): Promise<readonly CheckResult[]> {
    const results = await Promise.all(this.#options.checks().map((check) => this.#one(check)));
    this.#known = { results, until: this.#now() + freshMs };
    this.#running = null;
    this.#tell(results);
    return results;
  }

  async #one(check: Check): Promise<CheckResult> {
    const { name, critical } = check;
    const begun = this.#now();
    const stop = new AbortController();
    const late = Promise.withResolvers<never>();
    const timer = setTimeout(() => {
      const error = new Error('no answer in time');
      stop.abort(error);
      late.reject(error);
    }, this.#options.timeoutMs());
    let healthy = true;
    try {
      await Promise.race([check.run(stop.signal), late.promise]);
    } catch (cause) {
      healthy = false;
      this.#causes.set(name, cause);
    } finally {
      clearTimeout(timer);
    }
    return { name, critical, healthy, latencyMs: this.#now() - begun, checkedAt: Date.now() };
  }

  #tell(results: readonly CheckResult[]): void {
    const before = this.#told;
    this.#told = new Map(results.map(({ name, healthy }) => [name, healthy]));
    for (const { name, critical, healthy } of results) {
      if ((before.get(name) ?? true) === healthy) continue;
      const fields = { check: name, critical };
      if (healthy) this.#options.log.info('health check succeeds again', fields);
      else this.#options.log.warn('health check fails', { ...fields, error: this.#causes.get(name) });
    }
  }
}

export type ReadyStatus = 'ready' | 'degraded' | 'not_ready';

/** What the checks come to. */
export function verdict(results: readonly CheckResult[]): ReadyStatus {
  if (results.some(({ healthy, critical }) => critical && !healthy)) return 'not_ready';
  return results.every(({ healthy }) => healthy) ? 'ready' : 'degraded';
}
