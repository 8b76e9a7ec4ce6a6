import { getHeapStatistics, setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import type { Logger } from '../observability/log.ts';

/** From `elevated` on what can be done without is given up, at `critical` new calls are refused. */
export type Pressure = 'normal' | 'elevated' | 'critical';

export interface MemoryBounds {
  /** Resident bytes that are too much. */
  readonly hardBytes: number;
  /** Share of them from which on the pressure is elevated. */
  readonly softShare: number;
}

/** What the process has, in bytes. */
export interface MemoryState {
  readonly rss: number;
  /** JavaScript's heap, garbage included, and what it may grow to. */
  readonly heapUsed: number;
  readonly heapLimit: number;
}

export interface MemoryWatchOptions {
  readonly bounds: () => MemoryBounds;
  readonly log: Logger;
  /** Default: this process's. */
  readonly read?: () => MemoryState;
  /** Gives back what can be; resolves when it has. Default: a collection of all garbage. */
  readonly collect?: () => Promise<unknown>;
  /** Milliseconds on any clock that only goes forward. */
  readonly now?: () => number;
}

const sampleMs = 250;
/** How often what is remembered shrinks as long as the pressure lasts, and garbage is collected. */
const shrinkMs = 5_000;
const collectMs = 10_000;
/** Where a collection has brought nothing. */
const longCollectMs = 60_000;
/** A level is left when memory is below this share of its bound, so that it does not change to and fro. */
const leaveShare = 0.97;
/** Shares of the heap's limit: beyond it the process ends. */
const heapShares = { elevated: 0.85, critical: 0.95 } as const;
/** Of a container's limit the process may not use all: beyond it it is killed. */
const containerShare = 0.9;

/** The hard bound: what is configured, or less where the container has less. */
export function boundedByContainer(hardBytes: number, container = process.constrainedMemory()): number {
  return container > 0 ? Math.min(hardBytes, Math.floor(container * containerShare)) : hardBytes;
}

/** Watches the process's memory, four times a second, and says how much pressure there is. */
export class MemoryWatch {
  readonly #options: MemoryWatchOptions;
  readonly #timer: NodeJS.Timeout;
  readonly #shrinks: (() => void)[] = [];
  readonly #now: () => number;
  #state: MemoryState;
  #pressure: Pressure = 'normal';
  #peak = 0;
  #shrunkAt = -Infinity;
  #collectAfter = -Infinity;
  #collecting = false;

  constructor(options: MemoryWatchOptions) {
    this.#options = options;
    this.#now = options.now ?? (() => performance.now());
    this.#state = (options.read ?? readMemory)();
    this.sample();
    this.#timer = setInterval(() => this.sample(), sampleMs).unref();
  }

  get pressure(): Pressure {
    return this.#pressure;
  }

  /** At the last look. */
  get state(): MemoryState {
    return this.#state;
  }

  /** Most resident bytes that were seen. */
  get peak(): number {
    return this.#peak;
  }

  get bounds(): MemoryBounds {
    return this.#options.bounds();
  }

  /** @param shrink gives up some of what is remembered; called now and then while there is pressure */
  onPressure(shrink: () => void): void {
    this.#shrinks.push(shrink);
  }

  /** Looks at once. */
  sample(): void {
    this.#state = (this.#options.read ?? readMemory)();
    this.#peak = Math.max(this.#peak, this.#state.rss);
    const before = this.#pressure;
    this.#pressure = this.#judged();
    if (before !== this.#pressure) this.#tell(before);
    if (this.#pressure !== 'normal') this.#relieve();
  }

  close(): void {
    clearInterval(this.#timer);
  }

  #judged(): Pressure {
    const { rss, heapUsed, heapLimit } = this.#state;
    const { hardBytes, softShare } = this.bounds;
    const isOver = (level: Pressure, bytes: number, heapShare: number): boolean => {
      const share = rank[this.#pressure] >= rank[level] ? leaveShare : 1;
      return rss >= bytes * share || heapUsed >= heapLimit * heapShare * share;
    };
    if (isOver('critical', hardBytes, heapShares.critical)) return 'critical';
    return isOver('elevated', hardBytes * softShare, heapShares.elevated) ? 'elevated' : 'normal';
  }

  #tell(before: Pressure): void {
    const { rss, heapUsed } = this.#state;
    const fields = {
      from: before,
      pressure: this.#pressure,
      rss_mb: mebibytes(rss),
      heap_used_mb: mebibytes(heapUsed),
      threshold_mb: mebibytes(this.bounds.hardBytes),
    };
    if (this.#pressure === 'normal') this.#options.log.info('memory pressure is over', fields);
    else this.#options.log.warn('memory pressure', fields);
  }

  /** Without this a process that refuses everything, and so makes no garbage, would keep what it has. */
  #relieve(): void {
    const now = this.#now();
    if (now - this.#shrunkAt >= shrinkMs) {
      this.#shrunkAt = now;
      for (const shrink of this.#shrinks) shrink();
    }
    if (this.#pressure === 'critical' && now >= this.#collectAfter && !this.#collecting) void this.#collect();
  }

  async #collect(): Promise<void> {
    this.#collecting = true;
    const before = this.#state.rss;
    try {
      await (this.#options.collect ?? collectGarbage)();
    } finally {
      this.#collecting = false;
      const helped = (this.#options.read ?? readMemory)().rss < before * leaveShare;
      this.#collectAfter = this.#now() + (helped ? collectMs : longCollectMs);
    }
  }
}

const rank: Readonly<Record<Pressure, number>> = { normal: 0, elevated: 1, critical: 2 };

/** Bytes as MiB with one decimal. */
export const mebibytes = (size: number): number => Math.round((size / 2 ** 20) * 10) / 10;

function readMemory(): MemoryState {
  const { used_heap_size: heapUsed, heap_size_limit: heapLimit } = getHeapStatistics();
  return { rss: process.memoryUsage.rss(), heapUsed, heapLimit };
}

let collector: ((options: object) => Promise<unknown>) | null = null;

/** A collection that also gives memory back to the system, in steps between which other things run. */
async function collectGarbage(): Promise<unknown> {
  if (collector === null) {
    setFlagsFromString('--expose-gc');
    collector = runInNewContext('gc') as (options: object) => Promise<unknown>;
  }
  return collector({ type: 'major', execution: 'async', flavor: 'last-resort' });
}
