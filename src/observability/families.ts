import { AggregatorRegistry, Registry } from 'prom-client';

export type FamilyType = 'counter' | 'gauge' | 'histogram';

/** What a family of time series is. */
export interface FamilyFacts {
  readonly name: string;
  readonly help: string;
  readonly type: FamilyType;
  readonly labels: readonly string[];
  /** Upper bounds of a histogram's buckets, ascending, without infinity. */
  readonly buckets?: readonly number[];
  /** It is left out of a scrape as long as it has nothing to tell. */
  readonly optional?: boolean;
}

/** A number that goes on. Adding to it costs as much as adding to a variable. */
export interface Cell {
  value: number;
}

/** One time series of a histogram. */
export class Distribution {
  readonly counts: Float64Array;
  sum = 0;
  readonly #bounds: readonly number[];

  constructor(bounds: readonly number[]) {
    this.#bounds = bounds;
    this.counts = new Float64Array(bounds.length + 1);
  }

  observe(value: number): void {
    const bounds = this.#bounds;
    let low = 0;
    let high = bounds.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (value <= (bounds[middle] as number)) high = middle;
      else low = middle + 1;
    }
    this.counts[low]!++;
    this.sum += value;
  }
}

/** One line of a scrape. */
interface Sample {
  readonly metricName?: string;
  readonly labels: Readonly<Record<string, string | number>>;
  readonly value: number;
}

/** How numbers of the same series in several processes become one. */
type Join = 'sum' | 'max' | 'min';

/** A family as prom-client's registry takes it. */
interface Scraped extends FamilyFacts {
  readonly values: Sample[];
  readonly aggregator: Join;
}

/** A family as a registry asks for it. */
interface Readable {
  readonly name: string;
  readonly type: FamilyType;
  get(): Promise<Scraped>;
}

/** What a gauge that is read at a scrape tells: values of its labels, and a number. */
export type Reading = readonly [labels: readonly string[], value: number];

const joins: Readonly<Record<Join, (one: number, other: number) => number>> = {
  sum: (one, other) => one + other,
  max: Math.max,
  min: Math.min,
};

/** Values that a label tells apart; further ones are `other`. Clients name models, so there may be many. */
export const maxLabelValues = 200;
/** Series of one family; labels multiply. Further ones are `other` in every label. */
const maxSeries = 2_000;
const other = 'other';
const maxLabelLength = 128;

/**
 * Families of time series. Their series are resolved once and then are plain objects, because finding them by their labels costs more than
 * counting; prom-client's registry only writes them down.
 */
export class Families {
  readonly #families: { readonly facts: FamilyFacts; readonly readable: Readable }[] = [];
  readonly #values = new Map<string, Set<string>>();

  /** @returns finds a series by the values of its labels; to be kept rather than called again */
  counter(name: string, help: string, labels: readonly string[] = []): (...values: string[]) => Cell {
    return this.#cells({ name, help, type: 'counter', labels });
  }

  gauge(name: string, help: string, labels: readonly string[] = []): (...values: string[]) => Cell {
    return this.#cells({ name, help, type: 'gauge', labels });
  }

  /** A number that is asked for at each scrape. What has the same labels becomes one, here and of several processes. */
  read(
    facts: Omit<FamilyFacts, 'type' | 'buckets'> & { readonly type?: 'gauge' | 'counter' },
    readings: () => Iterable<Reading>,
    join: Join = 'sum',
  ): void {
    const full: FamilyFacts = { type: 'gauge', ...facts };
    const samples = (): Sample[] => {
      const joined = new Map<string, { labels: readonly string[]; value: number }>();
      for (const [given, value] of readings()) {
        const labels = this.#bounded(full, given);
        const key = labels.join('\n');
        const before = joined.get(key);
        if (before === undefined) joined.set(key, { labels, value });
        else before.value = joins[join](before.value, value);
      }
      return [...joined.values()].map(({ labels, value }) => ({ labels: named(full.labels, labels), value }));
    };
    this.#add(full, samples, join);
  }

  histogram(
    name: string,
    help: string,
    buckets: readonly number[],
    labels: readonly string[] = [],
  ): (...values: string[]) => Distribution {
    const facts: FamilyFacts = { name, help, type: 'histogram', labels, buckets };
    const series = new Map<string, { readonly labels: readonly string[]; readonly of: Distribution }>();
    this.#add(facts, () => [...series.values()].flatMap(({ labels: given, of }) => lines(facts, given, of)));
    return this.#finder(facts, series, () => new Distribution(buckets));
  }

  /** All of them, for documents and checks. */
  facts(): readonly FamilyFacts[] {
    return this.#families.map(({ facts }) => facts);
  }

  readables(): readonly Readable[] {
    return this.#families.map(({ readable }) => readable);
  }

  #cells(facts: FamilyFacts): (...values: string[]) => Cell {
    const series = new Map<string, { readonly labels: readonly string[]; readonly of: Cell }>();
    this.#add(facts, () =>
      [...series.values()].map(({ labels, of }) => ({
        labels: named(facts.labels, labels),
        value: of.value,
      })),
    );
    const find = this.#finder<Cell>(facts, series, () => ({ value: 0 }));
    // What has no labels is there from the beginning, so that rates see its first step.
    if (facts.labels.length === 0) find();
    return find;
  }

  #finder<T>(
    facts: FamilyFacts,
    series: Map<string, { readonly labels: readonly string[]; readonly of: T }>,
    make: () => T,
  ): (...values: string[]) => T {
    return (...values) => {
      let labels = this.#bounded(facts, values);
      let key = labels.join('\n');
      let known = series.get(key);
      if (known === undefined && series.size >= maxSeries) {
        labels = labels.map(() => other);
        key = labels.join('\n');
        known = series.get(key);
      }
      if (known === undefined) {
        known = { labels, of: make() };
        series.set(key, known);
      }
      return known.of;
    };
  }

  #bounded({ labels }: FamilyFacts, values: readonly string[]): readonly string[] {
    return labels.map((label, i) => {
      const value = values[i] ?? '';
      if (value === '') return value;
      let known = this.#values.get(label);
      if (known === undefined) {
        known = new Set();
        this.#values.set(label, known);
      }
      if (known.has(value)) return value;
      if (known.size >= maxLabelValues || value.length > maxLabelLength) return other;
      known.add(value);
      return value;
    });
  }

  #add(facts: FamilyFacts, samples: () => Sample[], aggregator: Join = 'sum'): void {
    if (this.#families.some(({ facts: { name } }) => name === facts.name))
      throw new Error(`there is a metric ${facts.name} already`);
    const { name, type } = facts;
    const get = async (): Promise<Scraped> => ({ ...facts, values: samples(), aggregator });
    this.#families.push({ facts, readable: { name, type, get } });
  }
}

/** Labels without those that have no value: Prometheus takes them for the same. */
function named(labels: readonly string[], values: readonly string[]): Record<string, string> {
  const record: Record<string, string> = {};
  labels.forEach((label, i) => {
    const value = values[i];
    if (value !== undefined && value !== '') record[label] = value;
  });
  return record;
}

function lines(
  { name, labels, buckets = [] }: FamilyFacts,
  values: readonly string[],
  of: Distribution,
): Sample[] {
  const own = named(labels, values);
  const found: Sample[] = [];
  let sum = 0;
  [...buckets, '+Inf'].forEach((le, i) => {
    sum += of.counts[i] as number;
    found.push({ metricName: `${name}_bucket`, labels: { ...own, le }, value: sum });
  });
  found.push({ metricName: `${name}_sum`, labels: own, value: of.sum });
  found.push({ metricName: `${name}_count`, labels: own, value: sum });
  return found;
}

/** A scrape. */
export interface Exposition {
  readonly contentType: string;
  readonly body: string;
}

class OpenMetricsRegistry extends Registry<typeof Registry.OPENMETRICS_CONTENT_TYPE> {
  constructor() {
    super();
    this.setContentType(Registry.OPENMETRICS_CONTENT_TYPE);
  }
}

/** Everything that a process counts, at one moment. May be sent to another process. */
export type Counted = readonly Scraped[];

/** @param more further registries, such as the process's */
export async function countedBy(families: Families, more: readonly Registry[]): Promise<Counted> {
  const all = [
    ...families.readables(),
    ...more.flatMap((one) => one.getMetricsAsArray() as unknown as Readable[]),
  ];
  return Promise.all(all.map((metric) => metric.get()));
}

/** What processes count together, as text: Prometheus's own form, or OpenMetrics 1.0. */
export async function expose(processes: readonly Counted[], openMetrics: boolean): Promise<Exposition> {
  const [first = []] = processes;
  const all = processes.length > 1 ? await joined(processes) : first;
  const registry = openMetrics ? new OpenMetricsRegistry() : new Registry();
  for (const metric of all) {
    // Without means of nothing, which the registry would write in a form of its own.
    const values = metric.values.filter(({ value }) => !Number.isNaN(value));
    if (metric.optional === true && values.length === 0) continue;
    // The registry cuts `_total` off the names of what it is given for OpenMetrics.
    const copy: Readable = {
      name: metric.name,
      type: metric.type,
      get: async () => ({ ...metric, name: copy.name, values }),
    };
    registry.registerMetric(copy as never);
  }
  return { contentType: registry.contentType, body: await registry.metrics() };
}

async function joined(processes: readonly Counted[]): Promise<Counted> {
  const registry = AggregatorRegistry.aggregate(processes as unknown as object[]);
  return (await registry.getMetricsAsJSON()) as unknown as Counted;
}
