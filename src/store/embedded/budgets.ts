import type { Balance, BudgetStore, Claim, Refusal, Settlement, Spent } from '../../usage/store.ts';
import type { Database } from './database.ts';

/** What is spent of an account. */
export interface Spending {
  readonly account: string;
  readonly amount: number;
  readonly expiresMs: number | null;
}

const swept = 1_000;

/** Budgets in the embedded store. */
export class EmbeddedBudgets implements BudgetStore {
  readonly #database: Database;
  readonly #now: () => number;

  constructor(database: Database, now: () => number = Date.now) {
    this.#database = database;
    this.#now = now;
  }

  reserve(hold: string, claims: readonly Claim[], amount: number, leaseMs: number): Refusal | null {
    return this.#database.transaction(() => {
      const now = this.#now();
      this.#database.run('DELETE FROM budget_holds WHERE expires <= ?', now);
      for (const [index, { account, limit }] of claims.entries()) {
        const balance = this.#balance(account);
        const { spent, reserved } = balance;
        if (spent + reserved + amount > limit || spent >= limit) return { index, ...balance };
      }
      for (const { account } of claims) {
        this.#database.run(
          'INSERT INTO budget_holds (hold, account, amount, expires) VALUES (?, ?, ?, ?)',
          hold,
          account,
          amount,
          now + leaseMs,
        );
      }
      return null;
    });
  }

  settle({ hold, claims, amount }: Settlement): Spent | null {
    return this.#database.transaction(() => {
      this.#database.run('DELETE FROM budget_holds WHERE hold = ?', hold);
      return claims.map((claim) => {
        const before = this.spent(claim.account);
        if (amount > 0) this.#add({ ...claim, amount });
        return { before, after: before + amount };
      });
    });
  }

  /** Counts what was spent without being set aside here. @returns what is spent of each now */
  spend(spending: readonly Spending[]): number[] {
    return this.#database.transaction(() =>
      spending.map((one) => {
        this.#add(one);
        return this.spent(one.account);
      }),
    );
  }

  /** What is spent of one. */
  spent(account: string): number {
    const row = this.#database.get('SELECT spent FROM budgets WHERE account = ?', account);
    return Number(row?.['spent'] ?? 0);
  }

  async read(accounts: readonly string[]): Promise<Balance[]> {
    this.#database.run('DELETE FROM budget_holds WHERE expires <= ?', this.#now());
    return accounts.map((account) => this.#balance(account));
  }

  /** Deletes those whose time is long over. @returns whether there is more */
  sweep(): boolean {
    const deleted = this.#database.run(
      'DELETE FROM budgets WHERE rowid IN (SELECT rowid FROM budgets WHERE expires < ? LIMIT ?)',
      this.#now(),
      swept,
    );
    return deleted === swept;
  }

  #add({ account, amount, expiresMs }: Spending): void {
    this.#database.run(
      `INSERT INTO budgets (account, spent, expires) VALUES (?, ?, ?)
       ON CONFLICT (account) DO UPDATE SET spent = spent + excluded.spent, expires = excluded.expires`,
      account,
      amount,
      expiresMs,
    );
  }

  #balance(account: string): Balance {
    const held = this.#database.get(
      'SELECT coalesce(sum(amount), 0) AS reserved FROM budget_holds WHERE account = ?',
      account,
    );
    return { spent: this.spent(account), reserved: Number(held?.['reserved'] ?? 0) };
  }
}
