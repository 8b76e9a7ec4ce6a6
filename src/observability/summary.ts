import type { Counted } from './families.ts';

/** What is counted of calls since the start, in few numbers. */
export interface Summary {
  readonly requests: number;
  readonly failed: number;
  /** Their clients left: they neither succeeded nor failed. */
  readonly left: number;
  readonly providers: Readonly<Record<string, number>>;
  readonly tokens: number;
  /** US dollars, as far as prices are known. */
  readonly cost: number;
  /** Of the calls that are over, and how many these are. */
  readonly seconds: number;
  readonly timed: number;
  /** Calls answered from the cache, and all that asked it. */
  readonly hits: number;
  readonly asked: number;
}

/** What the cache was asked, by what it said; its own failures are counted beside that. */
const answers: ReadonlySet<string> = new Set(['hit', 'shared', 'miss', 'refreshed']);

/** @param processes what each process of the gateway counts, the dead included */
export function summaryOf(processes: readonly Counted[]): Summary {
  const samples = (name: string) =>
    processes
      .flatMap((counted) => counted.filter((family) => family.name === name))
      .flatMap(({ values }) => values);
  const sum = (
    name: string,
    isMeant: (labels: Readonly<Record<string, string | number>>) => boolean = () => true,
    part?: 'sum' | 'count',
  ): number => {
    const wanted = part === undefined ? name : `${name}_${part}`;
    return samples(name).reduce(
      (all, { metricName = name, labels, value }) =>
        metricName === wanted && isMeant(labels) ? all + value : all,
      0,
    );
  };
  const calls = 'llm_gateway_calls_total';
  const cache = 'llm_gateway_cache_operations_total';
  const providers: Record<string, number> = {};
  for (const { labels, value } of samples('llm_requests_total')) {
    const { backend = '' } = labels;
    if (backend !== '') providers[backend] = (providers[backend] ?? 0) + value;
  }
  return {
    requests: sum(calls),
    failed: sum(calls, ({ status }) => status !== 'success' && status !== 'cancelled'),
    left: sum(calls, ({ status }) => status === 'cancelled'),
    providers,
    tokens: sum('llm_gateway_tokens_total'),
    cost: sum('llm_gateway_request_cost_dollars', undefined, 'sum'),
    seconds: sum('llm_request_duration_seconds', undefined, 'sum'),
    timed: sum('llm_request_duration_seconds', undefined, 'count'),
    hits: sum(cache, ({ result }) => result === 'hit' || result === 'shared'),
    asked: sum(cache, ({ result }) => answers.has(String(result))),
  };
}
