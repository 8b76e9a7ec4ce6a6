import { type Account, type LimitName, limitAt, windowForms, windowNames } from '../../src/limits/store.ts';

interface Entry {
  readonly call: string;
  readonly ms: number;
  amount: number;
}

/** What limits mean, said without regard to cost: each call is remembered by itself. */
export class LimitModel {
  readonly #entries = new Map<string, Entry[]>();
  readonly #cool = new Map<string, number>();
  readonly #calls = new Map<string, Map<string, number>>();
  readonly #leaseMs: number | null;

  constructor(leaseMs: number | null) {
    this.#leaseMs = leaseMs;
  }

  /** By what a call is refused, sorted; empty when it is let through. */
  take(call: string, accounts: readonly Account[], tokens: number, now: number): LimitName[] {
    const refusals: LimitName[] = [];
    for (const { name, rule } of accounts) {
      const cooling = rule.cooldownMs > 0 && (this.#cool.get(name) ?? 0) > now;
      if (cooling) refusals.push('cooldown');
      windowNames.forEach((window, w) => {
        const limit = limitAt(rule, w);
        const amount = window === 'tokens' ? tokens : 1;
        if (limit === 0 || this.used(name, w, now) + amount <= limit) return;
        if (window !== 'burst' || rule.cooldownMs === 0) refusals.push(window);
        else if (!cooling) {
          this.#cool.set(name, now + rule.cooldownMs);
          refusals.push('cooldown');
        }
      });
      if (rule.concurrent > 0 && this.#alive(name, now) >= rule.concurrent) refusals.push('concurrent');
    }
    if (refusals.length > 0) return refusals;
    for (const { name, rule } of accounts) {
      windowNames.forEach((window, w) => {
        if (limitAt(rule, w) > 0)
          this.#of(name, w).push({ call, ms: now, amount: window === 'tokens' ? tokens : 1 });
      });
      const calls = this.#calls.get(name) ?? new Map<string, number>();
      this.#calls.set(name, calls);
      calls.set(call, now + (this.#leaseMs ?? Number.POSITIVE_INFINITY));
    }
    return refusals;
  }

  settle(call: string, accounts: readonly Account[], uncounted: boolean, tokens: number, now: number): void {
    for (const { name, rule } of accounts) {
      this.#calls.get(name)?.delete(call);
      windowNames.forEach((window, w) => {
        if (limitAt(rule, w) === 0) return;
        const isTokens = window === 'tokens';
        const change = isTokens ? tokens : uncounted ? -1 : 0;
        if (change > 0) this.#of(name, w).push({ call: '', ms: now, amount: change });
        const entry = this.#of(name, w).find((one) => one.call === call);
        if (entry !== undefined && change < 0) entry.amount = Math.max(0, entry.amount + change);
      });
    }
  }

  used(name: string, w: number, now: number): number {
    const { stepMs, steps } = windowForms[windowNames[w]!];
    const oldest = Math.floor(now / stepMs) - steps;
    return this.#of(name, w)
      .filter(({ ms }) => Math.floor(ms / stepMs) >= oldest)
      .reduce((sum, { amount }) => sum + amount, 0);
  }

  #alive(name: string, now: number): number {
    return [...(this.#calls.get(name)?.values() ?? [])].filter((expires) => expires > now).length;
  }

  #of(name: string, w: number): Entry[] {
    const key = `${w} ${name}`;
    const entries = this.#entries.get(key) ?? [];
    this.#entries.set(key, entries);
    return entries;
  }
}
