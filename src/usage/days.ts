export const dayMs = 86_400_000;

let lastNumber = Number.NaN;
let lastDay = '';

/** The day of a time, in UTC: 2026-05-31. */
export function dayOf(ms: number): string {
  const number = Math.floor(ms / dayMs);
  if (number === lastNumber) return lastDay;
  lastDay = new Date(ms).toISOString().slice(0, 10);
  lastNumber = number;
  return lastDay;
}

/** Milliseconds since 1970 of a day's beginning; null for what is not a day. */
export function beginOf(day: string): number | null {
  if (!/^\d{4}-\d\d-\d\d$/.test(day)) return null;
  const ms = Date.parse(`${day}T00:00:00Z`);
  return Number.isNaN(ms) || dayOf(ms) !== day ? null : ms;
}

/** When a budget's time began and ends. */
export interface Period {
  /** Tells it from the others of a budget: 2026-05-31, 2026-05, total. */
  readonly name: string;
  /** When the next one begins, in milliseconds since 1970; null for never. */
  readonly endsMs: number | null;
}

const allTime: Period = { name: 'total', endsMs: null };
let lastPeriods: { readonly number: number; readonly day: Period; readonly month: Period } | null = null;

/** The day, month or all time that a time belongs to. */
export function periodOf(per: 'day' | 'month' | 'total', ms: number): Period {
  if (per === 'total') return allTime;
  const number = Math.floor(ms / dayMs);
  if (lastPeriods?.number !== number) {
    const day = dayOf(ms);
    const date = new Date(ms);
    lastPeriods = {
      number,
      day: { name: day, endsMs: (number + 1) * dayMs },
      month: { name: day.slice(0, 7), endsMs: Date.UTC(date.getUTCFullYear(), date.getUTCMonth() + 1) },
    };
  }
  return lastPeriods[per];
}
