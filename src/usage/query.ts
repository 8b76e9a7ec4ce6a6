import { beginOf, dayMs, dayOf } from './days.ts';
import {
  addCounters,
  type Counters,
  type Dimension,
  noCounters,
  type Scope,
  type UsageStore,
} from './store.ts';

/** Days of one question at most. */
export const maxDays = 366;

/** By what totals can be told apart. */
export const groupNames = ['model', 'key', 'owner', 'provider', 'tenant', 'day'] as const;
export type GroupName = (typeof groupNames)[number];

export interface UsageAnswer {
  readonly total: Counters;
  /** In the order in which they were asked for; names in alphabetical order. */
  readonly groups: readonly {
    readonly group: GroupName;
    readonly entries: readonly (readonly [string, Counters])[];
  }[];
}

/** Days that are read at once. */
const width = 32;

/** Adds up the totals of days. */
export async function queryUsage(
  store: UsageStore,
  scope: Scope,
  days: readonly string[],
  groups: readonly GroupName[],
): Promise<UsageAnswer> {
  const total = noCounters();
  const sums = new Map(groups.map((group) => [group, new Map<string, Counters>()]));
  const add = (group: GroupName, name: string, counters: Counters): void => {
    const names = sums.get(group);
    const sum = names?.get(name);
    if (sum !== undefined) addCounters(sum, counters);
    else names?.set(name, { ...counters });
  };
  const dimensions = groups.filter((group): group is Exclude<GroupName, 'day'> => group !== 'day');
  for (let at = 0; at < days.length; at += width) {
    await Promise.all(
      days.slice(at, at + width).map(async (day) => {
        const read = (dimension: Dimension) => store.read(scope, day, dimension);
        const [ofDay, ...others] = await Promise.all([read('total'), ...dimensions.map(read)]);
        for (const counters of ofDay?.values() ?? []) {
          addCounters(total, counters);
          add('day', day, counters);
        }
        others.forEach((names, i) => {
          for (const [name, counters] of names) add(dimensions[i] as GroupName, name, counters);
        });
      }),
    );
  }
  return {
    total,
    groups: groups.map((group) => ({
      group,
      entries: [...(sums.get(group) ?? [])].sort(([a], [b]) => (a < b ? -1 : 1)),
    })),
  };
}

/** The days from one to another. Null where one is no day, they are in the wrong order or more than `maxDays`. */
export function daysFrom(from: string, to: string): string[] | null {
  const [first, last] = [beginOf(from), beginOf(to)];
  if (first === null || last === null || last < first || last - first >= maxDays * dayMs) return null;
  const days: string[] = [];
  for (let at = first; at <= last; at += dayMs) days.push(dayOf(at));
  return days;
}
