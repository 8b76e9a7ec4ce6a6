import {
  type Account,
  type Claim,
  type Decision,
  type LimitRule,
  type LimitStore,
  limitAt,
  longer,
  noRule,
  numbersOfAccount,
  numbersOfRule,
  type Refusal,
  ruleOfNumbers,
  type Settlement,
  type Standing,
  spanMs,
  tokenWindow,
  type WindowForm,
  windowForms,
  windowNames,
} from '../../limits/store.ts';
import type { Database } from './database.ts';

const forms: readonly WindowForm[] = windowNames.map((name) => windowForms[name]);
const longestMs = Math.max(...forms.map(spanMs));
const maxNames = 10_000;
const swept = 1_000;

/** Limits in the embedded store, for several processes of one machine. The mark of an entry is its step. */
export class EmbeddedLimits implements LimitStore {
  readonly leaseMs: number;
  readonly #database: Database;
  readonly #now: () => number;

  constructor(database: Database, leaseMs: number, now: () => number = Date.now) {
    this.#database = database;
    this.leaseMs = leaseMs;
    this.#now = now;
  }

  take({ id, accounts, tokens }: Claim): Decision {
    return this.#database.transaction(() => {
      const now = Math.floor(this.#now());
      const numbers = new Array<number>(accounts.length * numbersOfAccount).fill(0);
      let refusal: Refusal | null = null;
      for (const [i, account] of accounts.entries()) {
        const found = this.#refusal(account, i, tokens, now);
        if (found !== null) refusal = longer(refusal, found);
      }
      for (const [i, { name, rule }] of accounts.entries()) {
        for (let w = 0; w < forms.length; w++) {
          if (limitAt(rule, w) === 0) continue;
          const at = i * numbersOfAccount + w * 3;
          if (refusal === null) numbers[at + 2] = this.#add(name, w, now, w === tokenWindow ? tokens : 1);
          numbers[at] = this.#used(name, w);
          numbers[at + 1] = this.#emptyMs(name, w, now);
        }
        if (refusal === null && rule.concurrent > 0) this.#lease(name, id, now);
        this.#database.run(
          `INSERT INTO limit_accounts (account, last, cool, rule) VALUES (?, ?, 0, ?)
           ON CONFLICT (account) DO UPDATE SET last = excluded.last, rule = excluded.rule`,
          name,
          now,
          numbersOfRule(rule).join(' '),
        );
      }
      return { refusal, numbers };
    });
  }

  settle({ id, accounts, numbers, over, uncounted, tokens }: Settlement): void {
    this.#database.transaction(() => {
      const now = Math.floor(this.#now());
      for (const [i, { name, rule }] of accounts.entries()) {
        if (over) this.#database.run('DELETE FROM limit_leases WHERE account = ? AND lease = ?', name, id);
        for (let w = 0; w < forms.length; w++) {
          const change = w === tokenWindow ? tokens : uncounted ? -1 : 0;
          if (change === 0 || limitAt(rule, w) === 0) continue;
          if (change > 0) this.#add(name, w, now, change);
          else {
            this.#database.run(
              'UPDATE limit_entries SET amount = max(0, amount + ?) WHERE account = ? AND window = ? AND step = ?',
              change,
              name,
              w,
              numbers[i * numbersOfAccount + w * 3 + 2] ?? 0,
            );
          }
        }
      }
    });
  }

  renew(claims: readonly Pick<Claim, 'id' | 'accounts'>[]): void {
    this.#database.transaction(() => {
      const now = Math.floor(this.#now());
      for (const { id, accounts } of claims) {
        for (const { name, rule } of accounts) if (rule.concurrent > 0) this.#lease(name, id, now);
      }
    });
  }

  read(accounts: readonly Pick<Account, 'name'>[]): Standing[] {
    return this.#database.transaction(() => {
      const now = Math.floor(this.#now());
      return accounts.map(({ name }) => {
        const known = this.#ruleOf(name);
        const rule = known ?? noRule;
        const cooldownMs = rule.cooldownMs > 0 ? Math.max(0, this.#coolUntil(name) - now) : 0;
        let waitMs = cooldownMs;
        const used = forms.map((_, w) => {
          this.#expire(name, w, now);
          const limit = limitAt(rule, w);
          if (limit > 0 && w !== tokenWindow)
            waitMs = Math.max(waitMs, this.#waitMs(name, w, now, 1, limit) ?? 0);
          return this.#used(name, w);
        });
        return { rule: known, used, inFlight: this.#inFlight(name, now), cooldownMs, waitMs };
      });
    });
  }

  names(): string[] {
    const now = Math.floor(this.#now());
    const rows = this.#database.all(
      'SELECT account FROM limit_accounts WHERE last > ? OR cool > ? ORDER BY last DESC LIMIT ?',
      now - longestMs,
      now,
      maxNames,
    );
    return rows.map(({ account }) => String(account));
  }

  reset(names: readonly string[] | null): void {
    this.#database.transaction(() => {
      if (names === null) {
        this.#database.run('DELETE FROM limit_entries');
        this.#database.run('DELETE FROM limit_accounts');
        return;
      }
      for (const name of names) {
        this.#database.run('DELETE FROM limit_entries WHERE account = ?', name);
        this.#database.run('DELETE FROM limit_accounts WHERE account = ?', name);
      }
    });
  }

  /** Deletes what counts no more. @returns whether there is more */
  sweep(): boolean {
    const now = Math.floor(this.#now());
    const accounts = this.#database.run(
      'DELETE FROM limit_accounts WHERE account IN (SELECT account FROM limit_accounts WHERE last < ? AND cool < ? LIMIT ?)',
      now - longestMs,
      now,
      swept,
    );
    const entries = forms.map(({ stepMs, steps }, w) =>
      this.#database.run(
        'DELETE FROM limit_entries WHERE rowid IN (SELECT rowid FROM limit_entries WHERE window = ? AND step < ? LIMIT ?)',
        w,
        Math.floor(now / stepMs) - steps,
        swept,
      ),
    );
    this.#database.run('DELETE FROM limit_leases WHERE expires <= ?', now);
    return [accounts, ...entries].includes(swept);
  }

  #refusal({ name, rule }: Account, account: number, tokens: number, now: number): Refusal | null {
    let found: Refusal | null = null;
    const coolUntil = rule.cooldownMs > 0 ? this.#coolUntil(name) : 0;
    if (coolUntil > now) found = { account, limit: 'cooldown', waitMs: coolUntil - now };
    for (let w = 0; w < forms.length; w++) {
      const limit = limitAt(rule, w);
      if (limit === 0) continue;
      this.#expire(name, w, now);
      const amount = w === tokenWindow ? tokens : 1;
      if (this.#used(name, w) + amount <= limit) continue;
      const window = windowNames[w] as (typeof windowNames)[number];
      if (w > 0 || rule.cooldownMs === 0) {
        const waitMs = this.#waitMs(name, w, now, amount, limit);
        found = longer(found, { account, limit: window, waitMs });
      } else if (coolUntil <= now) {
        this.#cool(name, now, now + rule.cooldownMs);
        found = longer(found, { account, limit: 'cooldown', waitMs: rule.cooldownMs });
      }
    }
    if (rule.concurrent > 0 && this.#inFlight(name, now) >= rule.concurrent) {
      found = longer(found, { account, limit: 'concurrent', waitMs: null });
    }
    return found;
  }

  #expire(name: string, w: number, now: number): void {
    const { stepMs, steps } = forms[w] as WindowForm;
    this.#database.run(
      'DELETE FROM limit_entries WHERE account = ? AND window = ? AND step < ?',
      name,
      w,
      Math.floor(now / stepMs) - steps,
    );
  }

  #used(name: string, w: number): number {
    const row = this.#database.get(
      'SELECT coalesce(sum(amount), 0) AS used FROM limit_entries WHERE account = ? AND window = ?',
      name,
      w,
    );
    return Number(row?.['used'] ?? 0);
  }

  /** @returns the entry's mark */
  #add(name: string, w: number, now: number, amount: number): number {
    const step = Math.floor(now / (forms[w] as WindowForm).stepMs);
    this.#database.run(
      `INSERT INTO limit_entries (account, window, step, amount) VALUES (?, ?, ?, ?)
       ON CONFLICT (account, window, step) DO UPDATE SET amount = amount + excluded.amount`,
      name,
      w,
      step,
      amount,
    );
    return step;
  }

  #waitMs(name: string, w: number, now: number, amount: number, limit: number): number | null {
    if (amount > limit) return null;
    let used = this.#used(name, w);
    if (used + amount <= limit) return 0;
    const { stepMs, steps } = forms[w] as WindowForm;
    const rows = this.#database.all(
      'SELECT step, amount FROM limit_entries WHERE account = ? AND window = ? ORDER BY step',
      name,
      w,
    );
    for (const row of rows) {
      used -= Number(row['amount']);
      if (used + amount <= limit) return (Number(row['step']) + steps + 1) * stepMs - now;
    }
    return 0;
  }

  #emptyMs(name: string, w: number, now: number): number {
    const { stepMs, steps } = forms[w] as WindowForm;
    const row = this.#database.get(
      'SELECT max(step) AS step FROM limit_entries WHERE account = ? AND window = ?',
      name,
      w,
    );
    const step = row?.['step'] ?? null;
    return step === null ? 0 : (Number(step) + steps + 1) * stepMs - now;
  }

  #ruleOf(name: string): LimitRule | null {
    const row = this.#database.get('SELECT rule FROM limit_accounts WHERE account = ?', name);
    return ruleOfNumbers(
      String(row?.['rule'] ?? '')
        .split(' ')
        .map(Number),
    );
  }

  #coolUntil(name: string): number {
    const row = this.#database.get('SELECT cool FROM limit_accounts WHERE account = ?', name);
    return Number(row?.['cool'] ?? 0);
  }

  #cool(name: string, now: number, until: number): void {
    this.#database.run(
      `INSERT INTO limit_accounts (account, last, cool) VALUES (?, ?, ?)
       ON CONFLICT (account) DO UPDATE SET cool = excluded.cool`,
      name,
      now,
      until,
    );
  }

  #lease(name: string, id: string, now: number): void {
    this.#database.run(
      `INSERT INTO limit_leases (account, lease, expires) VALUES (?, ?, ?)
       ON CONFLICT (account, lease) DO UPDATE SET expires = excluded.expires`,
      name,
      id,
      now + this.leaseMs,
    );
  }

  #inFlight(name: string, now: number): number {
    const row = this.#database.get(
      'SELECT count(*) AS calls FROM limit_leases WHERE account = ? AND expires > ?',
      name,
      now,
    );
    return Number(row?.['calls'] ?? 0);
  }
}
