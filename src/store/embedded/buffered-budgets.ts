import { type Keyed, KeyedSlots } from '../../base/keyed-slots.ts';
import { GatewayError, toGatewayError } from '../../errors/gateway-error.ts';
import type { Logger } from '../../observability/log.ts';
import type { Balance, BudgetStore, Claim, Refusal, Settlement, Spent } from '../../usage/store.ts';
import type { EmbeddedBudgets } from './budgets.ts';

interface Account {
  readonly name: string;
  /** In the file, when it was last looked at. */
  stored: number;
  /** Spent, and not in the file yet. */
  unsaved: number;
  reserved: number;
  expiresMs: number | null;
}

/** Money set aside. */
interface Hold extends Keyed<Hold> {
  readonly accounts: readonly Account[];
  readonly amount: number;
  readonly expiresMs: number;
}

/** For how long what was spent is only in memory, in milliseconds: what a process that is killed forgets. */
const saveMs = 250;
const maxAccounts = 10_000;

/**
 * Budgets of one process: decided on in memory, and written to the file in batches, since a transaction for each call would cost more than the call. As long as
 * the file cannot be written, nothing more is set aside.
 */
export class BufferedBudgets implements BudgetStore {
  readonly #file: EmbeddedBudgets;
  readonly #log: Logger;
  readonly #now: () => number;
  readonly #accounts = new Map<string, Account>();
  readonly #holds = new KeyedSlots<Hold>();
  /** Not in the file yet. */
  readonly #dirty = new Set<Account>();
  /** No hold ends before. */
  #soonestMs = Infinity;
  #timer: NodeJS.Timeout | null = null;
  #failure: GatewayError | null = null;

  constructor(file: EmbeddedBudgets, log: Logger, now: () => number = Date.now) {
    this.#now = now;
    this.#file = file;
    this.#log = log;
  }

  reserve(hold: string, claims: readonly Claim[], amount: number, leaseMs: number): Refusal | null {
    // Each call has an error of its own.
    if (this.#failure !== null) throw new GatewayError(this.#failure.reason, this.#failure.rawMessage);
    const now = this.#now();
    this.#freeExpired(now);
    const accounts = claims.map((claim) => this.#of(claim));
    for (let index = 0; index < accounts.length; index++) {
      const { limit } = claims[index] as Claim;
      const { stored, unsaved, reserved } = accounts[index] as Account;
      const spent = stored + unsaved;
      if (spent + reserved + amount > limit || spent >= limit) return { index, spent, reserved };
    }
    for (const account of accounts) account.reserved += amount;
    this.#soonestMs = Math.min(this.#soonestMs, now + leaseMs);
    this.#holds.add({ key: hold, chain: 0, next: null, accounts, amount, expiresMs: now + leaseMs });
    return null;
  }

  settle({ hold, claims, amount }: Settlement): Spent | null {
    const held = this.#holds.get(hold);
    if (held === undefined && amount === 0) return null;
    // Not those of the hold: what it had set aside nothing of may have been forgotten, and be known anew.
    const accounts = claims.map((claim) => this.#of(claim));
    if (held !== undefined) this.#free(held);
    return accounts.map((account) => {
      const before = account.stored + account.unsaved;
      if (amount > 0) {
        account.unsaved += amount;
        this.#dirty.add(account);
        this.#timer ??= setTimeout(() => this.#saveLater(), saveMs).unref();
      }
      return { before, after: before + amount };
    });
  }

  async read(accounts: readonly string[]): Promise<Balance[]> {
    this.#freeExpired(this.#now());
    const stored = await this.#file.read(accounts);
    return accounts.map((name, i) => {
      const { unsaved = 0, reserved = 0 } = this.#accounts.get(name) ?? {};
      return { spent: (stored[i] as Balance).spent + unsaved, reserved };
    });
  }

  /** Writes what is not in the file yet. @throws GatewayError DEPENDENCY_UNAVAILABLE */
  save(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    if (this.#dirty.size === 0) return;
    const changed = [...this.#dirty];
    const balances = this.#file.spend(
      changed.map(({ name, unsaved, expiresMs }) => ({ account: name, amount: unsaved, expiresMs })),
    );
    for (const [i, account] of changed.entries()) {
      account.stored = balances[i] as number;
      account.unsaved = 0;
    }
    this.#dirty.clear();
    if (this.#accounts.size > maxAccounts) this.#forgetIdle();
  }

  #freeExpired(now: number): void {
    if (now < this.#soonestMs) return;
    this.#soonestMs = Infinity;
    for (const hold of this.#holds.entries()) {
      if (hold.expiresMs <= now) this.#free(hold);
      else this.#soonestMs = Math.min(this.#soonestMs, hold.expiresMs);
    }
  }

  #free(hold: Hold): void {
    this.#holds.delete(hold);
    for (const account of hold.accounts) account.reserved -= hold.amount;
  }

  #saveLater(): void {
    try {
      this.save();
      if (this.#failure !== null) this.#log.info('what is spent of budgets is written again');
      this.#failure = null;
    } catch (error) {
      if (this.#failure === null) this.#log.error('what is spent of budgets cannot be written', { error });
      this.#failure = toGatewayError(error);
      this.#timer = setTimeout(() => this.#saveLater(), saveMs).unref();
    }
  }

  #of({ account: name, expiresMs }: Claim): Account {
    let account = this.#accounts.get(name);
    if (account === undefined) {
      account = { name, stored: this.#file.spent(name), unsaved: 0, reserved: 0, expiresMs };
      this.#accounts.set(name, account);
    }
    return account;
  }

  #forgetIdle(): void {
    for (const [name, { unsaved, reserved }] of this.#accounts) {
      if (unsaved === 0 && reserved === 0) this.#accounts.delete(name);
    }
  }
}
