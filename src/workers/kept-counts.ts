import type { Counted } from '../observability/families.ts';

type Metric = Counted[number];
type Sample = Metric['values'][number];

/** Series of one metric that are kept of the dead; further ones are `other` in every label. Each process bounds its own, but one after the other may have others. */
const mostSeries = 2_000;
const other = 'other';

/**
 * What workers have counted, as far as it was heard: a counter of the gateway must not go back when a worker dies or is too slow to say, or whoever reads it would
 * take that for a restart of all. What a worker had counted since it was last asked dies with it.
 */
export class KeptCounts<Worker> {
  readonly #last = new Map<Worker, Counted>();
  readonly #past = new Map<string, Past>();

  /** @param worker one that is not gone */
  heard(worker: Worker, counted: Counted): void {
    this.#last.set(worker, counted);
  }

  gone(worker: Worker): void {
    for (const metric of lasting(this.#last.get(worker) ?? [])) {
      const past = this.#past.get(metric.name) ?? new Past(metric);
      this.#past.set(metric.name, past);
      for (const sample of metric.values) past.add(sample);
    }
    this.#last.delete(worker);
  }

  /**
   * @param fresh those whose last counts are of now; of others only what goes on counts, since a gauge would be out of date
   * @returns of all workers, the dead included
   */
  all(fresh: ReadonlySet<Worker>): Counted[] {
    const living = [...this.#last].map(([worker, counted]) =>
      fresh.has(worker) ? counted : lasting(counted),
    );
    return this.#past.size === 0 ? living : [...living, [...this.#past.values()].map((past) => past.metric)];
  }
}

const lasting = (counted: Counted): Counted => counted.filter(({ type }) => type !== 'gauge');

/** A counter or histogram of those that are gone. */
class Past {
  readonly metric: Metric;
  /** The lines of a series, by the values of its labels: a histogram has several, which have to stay together. */
  readonly #series = new Map<string, Map<string, { -readonly [K in keyof Sample]: Sample[K] }>>();

  constructor(metric: Metric) {
    this.metric = { ...metric, values: [] };
  }

  add({ metricName, labels, value }: Sample): void {
    const { le, ...own } = labels;
    let key = JSON.stringify(Object.entries(own).sort());
    let series = this.#series.get(key);
    let named = own;
    if (series === undefined && this.#series.size >= mostSeries) {
      named = Object.fromEntries(Object.keys(own).map((name) => [name, other]));
      key = JSON.stringify(Object.entries(named).sort());
      series = this.#series.get(key);
    }
    if (series === undefined) {
      series = new Map();
      this.#series.set(key, series);
    }
    const line = `${metricName ?? ''} ${le ?? ''}`;
    const known = series.get(line);
    if (known !== undefined) {
      known.value += value;
      return;
    }
    const sample = {
      ...(metricName === undefined ? {} : { metricName }),
      labels: le === undefined ? named : { ...named, le },
      value,
    };
    series.set(line, sample);
    this.metric.values.push(sample);
  }
}
