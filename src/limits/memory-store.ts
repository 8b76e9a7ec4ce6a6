import { steadyMs } from '../base/steady-clock.ts';
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
  type Refusal,
  type Settlement,
  type Standing,
  spanMs,
  tokenWindow,
  type WindowForm,
  windowForms,
  windowNames,
} from './store.ts';

const forms: readonly WindowForm[] = windowNames.map((name) => windowForms[name]);
const longestMs = Math.max(...forms.map(spanMs));
const maxNames = 10_000;
/** How often accounts are looked for that count nothing any more, in milliseconds. */
const sweepMs = 60_000;

/** Limits of one process, in its memory. */
export class MemoryLimits implements LimitStore {
  readonly leaseMs = null;
  readonly #now: () => number;
  readonly #accounts = new Map<string, Book>();
  #latest = 0;
  #sweepAt = 0;

  /** @param now in milliseconds; a clock that goes back is taken to stand still, so that one should be taken that nobody sets */
  constructor(now: () => number = steadyMs) {
    this.#now = now;
  }

  take({ accounts, tokens }: Claim): Decision {
    const now = this.#time();
    const numbers = new Array<number>(accounts.length * numbersOfAccount).fill(0);
    let refusal: Refusal | null = null;
    for (let i = 0; i < accounts.length; i++) {
      const found = this.#refusal(accounts[i] as Account, i, tokens, now);
      if (found !== null) refusal = longer(refusal, found);
    }
    for (let i = 0; i < accounts.length; i++) {
      const { name, rule } = accounts[i] as Account;
      const book = this.#bookOf(name);
      book.lastMs = now;
      book.rule = rule;
      if (refusal === null) book.inFlight++;
      for (let w = 0; w < forms.length; w++) {
        if (limitAt(rule, w) === 0) continue;
        const window = book.window(w);
        const at = i * numbersOfAccount + w * 3;
        if (refusal === null) numbers[at + 2] = window.add(now, w === tokenWindow ? tokens : 1);
        numbers[at] = window.used;
        numbers[at + 1] = window.emptyMs(now);
      }
    }
    return { refusal, numbers };
  }

  #refusal({ name, rule }: Account, account: number, tokens: number, now: number): Refusal | null {
    const book = this.#bookOf(name);
    let found: Refusal | null = null;
    if (rule.cooldownMs > 0 && book.coolUntil > now) {
      found = { account, limit: 'cooldown', waitMs: book.coolUntil - now };
    }
    for (let w = 0; w < forms.length; w++) {
      const limit = limitAt(rule, w);
      if (limit === 0) continue;
      const window = book.window(w);
      window.expire(now);
      const amount = w === tokenWindow ? tokens : 1;
      if (window.used + amount <= limit) continue;
      const name = windowNames[w] as (typeof windowNames)[number];
      if (w > 0 || rule.cooldownMs === 0) {
        found = longer(found, { account, limit: name, waitMs: window.waitMs(now, amount, limit) });
      } else if (book.coolUntil <= now) {
        // One that lasts does not begin again.
        book.coolUntil = now + rule.cooldownMs;
        found = longer(found, { account, limit: 'cooldown', waitMs: rule.cooldownMs });
      }
    }
    if (rule.concurrent > 0 && book.inFlight >= rule.concurrent) {
      found = longer(found, { account, limit: 'concurrent', waitMs: null });
    }
    return found;
  }

  settle({ accounts, numbers, over, uncounted, tokens }: Settlement): void {
    const now = this.#time();
    for (let i = 0; i < accounts.length; i++) {
      const { name, rule } = accounts[i] as Account;
      const book = this.#accounts.get(name);
      if (book === undefined) continue;
      if (over) book.inFlight = Math.max(0, book.inFlight - 1);
      for (let w = 0; w < forms.length; w++) {
        if (limitAt(rule, w) === 0) continue;
        const change = w === tokenWindow ? tokens : uncounted ? -1 : 0;
        if (change === 0) continue;
        const window = book.window(w);
        window.expire(now);
        if (change > 0) window.add(now, change);
        else window.takeBack(numbers[i * numbersOfAccount + w * 3 + 2] as number, -change);
      }
    }
  }

  renew(): void {}

  read(accounts: readonly Pick<Account, 'name'>[]): Standing[] {
    const now = this.#time();
    return accounts.map(({ name }) => {
      const book = this.#accounts.get(name);
      if (book === undefined)
        return { rule: null, used: forms.map(() => 0), inFlight: 0, cooldownMs: 0, waitMs: 0 };
      const rule = book.rule ?? noRule;
      const cooldownMs = rule.cooldownMs > 0 ? Math.max(0, book.coolUntil - now) : 0;
      let waitMs = cooldownMs;
      const used = forms.map((_, w) => {
        const window = book.window(w);
        window.expire(now);
        const limit = limitAt(rule, w);
        if (limit > 0 && w !== tokenWindow) waitMs = Math.max(waitMs, window.waitMs(now, 1, limit) ?? 0);
        return window.used;
      });
      return { rule: book.rule, used, inFlight: book.inFlight, cooldownMs, waitMs };
    });
  }

  names(): string[] {
    const now = this.#time();
    return [...this.#accounts]
      .filter(([, { lastMs, coolUntil }]) => lastMs > now - longestMs || coolUntil > now)
      .sort(([, one], [, other]) => other.lastMs - one.lastMs)
      .slice(0, maxNames)
      .map(([name]) => name);
  }

  reset(names: readonly string[] | null): void {
    for (const name of names ?? [...this.#accounts.keys()]) {
      const { inFlight } = this.#accounts.get(name) ?? { inFlight: 0 };
      this.#accounts.delete(name);
      if (inFlight > 0) this.#bookOf(name).inFlight = inFlight;
    }
  }

  #time(): number {
    const now = Math.max(this.#latest, Math.floor(this.#now()));
    this.#latest = now;
    if (now >= this.#sweepAt) this.#sweep(now);
    return now;
  }

  #sweep(now: number): void {
    this.#sweepAt = now + sweepMs;
    for (const [name, { lastMs, inFlight, coolUntil }] of this.#accounts) {
      if (inFlight === 0 && lastMs <= now - longestMs && coolUntil <= now) this.#accounts.delete(name);
    }
  }

  #bookOf(name: string): Book {
    let book = this.#accounts.get(name);
    if (book === undefined) {
      book = new Book();
      this.#accounts.set(name, book);
    }
    return book;
  }
}

/** What is counted of an account. */
class Book {
  readonly #windows: (Window | undefined)[] = [];
  inFlight = 0;
  coolUntil = 0;
  lastMs = 0;
  /** What it was last counted by. */
  rule: LimitRule | null = null;

  window(w: number): Window {
    return (this.#windows[w] ??= new Window(forms[w] as WindowForm));
  }
}

/** Marks of entries; those of windows that were forgotten are found nowhere. */
let nextMark = 1;

/** Amounts by steps of time, oldest first. */
class Window {
  readonly #form: WindowForm;
  readonly #steps: number[] = [];
  readonly #amounts: number[] = [];
  /** Index of the oldest entry, and its mark; the others' follow. */
  #head = 0;
  #headMark = nextMark;
  used = 0;

  constructor(form: WindowForm) {
    this.#form = form;
  }

  expire(now: number): void {
    const oldest = Math.floor(now / this.#form.stepMs) - this.#form.steps;
    const steps = this.#steps;
    while (this.#head < steps.length && (steps[this.#head] as number) < oldest) {
      this.used -= this.#amounts[this.#head] as number;
      this.#head++;
      this.#headMark++;
    }
    if (this.#head > 64 && this.#head * 2 > steps.length) {
      steps.splice(0, this.#head);
      this.#amounts.splice(0, this.#head);
      this.#head = 0;
    }
  }

  /** @returns the entry's mark */
  add(now: number, amount: number): number {
    const step = Math.floor(now / this.#form.stepMs);
    this.used += amount;
    const last = this.#steps.length - 1;
    if (last >= this.#head && this.#steps[last] === step) (this.#amounts[last] as number) += amount;
    else {
      if (this.#head > last) this.#headMark = nextMark;
      this.#steps.push(step);
      this.#amounts.push(amount);
    }
    const mark = this.#headMark + this.#steps.length - 1 - this.#head;
    nextMark = Math.max(nextMark, mark + 1);
    return mark;
  }

  takeBack(mark: number, amount: number): void {
    const at = this.#head + mark - this.#headMark;
    if (at < this.#head || at >= this.#amounts.length) return;
    const less = Math.min(amount, this.#amounts[at] as number);
    (this.#amounts[at] as number) -= less;
    this.used -= less;
  }

  /** Until an amount fits in; null for never. */
  waitMs(now: number, amount: number, limit: number): number | null {
    if (amount > limit) return null;
    let used = this.used;
    for (let at = this.#head; at < this.#steps.length && used + amount > limit; at++) {
      used -= this.#amounts[at] as number;
      if (used + amount <= limit) return this.#leavesAt(at) - now;
    }
    return 0;
  }

  emptyMs(now: number): number {
    const last = this.#steps.length - 1;
    return last < this.#head ? 0 : this.#leavesAt(last) - now;
  }

  #leavesAt(at: number): number {
    const { stepMs, steps } = this.#form;
    return ((this.#steps[at] as number) + steps + 1) * stepMs;
  }
}
