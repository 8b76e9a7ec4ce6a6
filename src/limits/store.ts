/** How much there may be of something. 0: no limit. */
export interface LimitRule {
  readonly requestsPerMinute: number;
  readonly requestsPerHour: number;
  readonly tokensPerMinute: number;
  /** Requests within one second. What goes beyond starts the cooldown. */
  readonly burst: number;
  /** How long everything is refused after a burst, in milliseconds. */
  readonly cooldownMs: number;
  /** Calls at the same time. */
  readonly concurrent: number;
}

/** What limits nothing. */
export const noRule: LimitRule = {
  requestsPerMinute: 0,
  requestsPerHour: 0,
  tokensPerMinute: 0,
  burst: 0,
  cooldownMs: 0,
  concurrent: 0,
};

/** A rule's numbers, in the order in which stores keep them. */
export const numbersOfRule = (rule: LimitRule): readonly number[] => [
  rule.burst,
  rule.requestsPerMinute,
  rule.requestsPerHour,
  rule.tokensPerMinute,
  rule.cooldownMs,
  rule.concurrent,
];

/** The rule of such numbers; null where one is missing. */
export function ruleOfNumbers(numbers: readonly number[]): LimitRule | null {
  const [burst, requestsPerMinute, requestsPerHour, tokensPerMinute, cooldownMs, concurrent] =
    numbers as readonly [number, number, number, number, number, number];
  if (numbers.length < 6 || !numbers.every((number) => number >= 0)) return null;
  return { requestsPerMinute, requestsPerHour, tokensPerMinute, burst, cooldownMs, concurrent };
}

/** Whose calls are counted together, and what holds for them. */
export interface Account {
  readonly name: string;
  readonly rule: LimitRule;
}

/** What of an account is counted in windows, in this order. */
export const windowNames = ['burst', 'minute', 'hour', 'tokens'] as const;
export type WindowName = (typeof windowNames)[number];

/**
 * A window slides in steps: what was counted within one step leaves it at the same time, so that an account has a bounded number of entries.
 * It leaves when the whole step is older than the window, so that no time of the window's length ever has more than the limit.
 */
export interface WindowForm {
  readonly stepMs: number;
  /** Steps after its own for which an entry counts. */
  readonly steps: number;
}

export const windowForms: Readonly<Record<WindowName, WindowForm>> = {
  burst: { stepMs: 10, steps: 100 },
  minute: { stepMs: 50, steps: 1_200 },
  hour: { stepMs: 1_000, steps: 3_600 },
  tokens: { stepMs: 50, steps: 1_200 },
};

/** How long something counts at most, in milliseconds. */
export const spanMs = ({ stepMs, steps }: WindowForm): number => stepMs * (steps + 1);

/** Limit of a window, by its place in `windowNames`. */
export function limitAt(rule: LimitRule, window: number): number {
  switch (window) {
    case 0:
      return rule.burst;
    case 1:
      return rule.requestsPerMinute;
    case 2:
      return rule.requestsPerHour;
    default:
      return rule.tokensPerMinute;
  }
}

export const tokenWindow = windowNames.indexOf('tokens');

/** A call that asks to be let through. */
export interface Claim {
  /** Unique. */
  readonly id: string;
  readonly accounts: readonly Account[];
  /** How many it is going to use at most, as far as that can be told. */
  readonly tokens: number;
}

/** What a call is refused by. */
export type LimitName = WindowName | 'cooldown' | 'concurrent';

/** Place of an account's numbers in a decision: of each window how much is used, when it is empty, and where the call's own entry is. */
export const numbersOfAccount = 3 * windowNames.length;

export interface Decision {
  /** Null: it is let through, and counted everywhere. Else it is counted nowhere. */
  readonly refusal: Refusal | null;
  /**
   * For each account and each of its windows: what is used of it, this call included when it was let through; until it is empty, in
   * milliseconds; and a mark by which the store finds the call's entry again. Zeros for a window without a limit.
   */
  readonly numbers: readonly number[];
}

/** Of all limits that refuse a call: the one that does so for longest. */
export interface Refusal {
  /** Index of the account. */
  readonly account: number;
  readonly limit: LimitName;
  /** Until a call like this one would be let through, in milliseconds; null: never, it is larger than the limit; or nobody knows. */
  readonly waitMs: number | null;
}

/** What has become of a call. */
export interface Settlement {
  readonly id: string;
  readonly accounts: readonly Account[];
  /** Of the decision. */
  readonly numbers: readonly number[];
  /** It is over, and its places are free. */
  readonly over: boolean;
  /** It is not to count as a request. */
  readonly uncounted: boolean;
  /** Tokens used beyond those claimed; negative for those that were not used. */
  readonly tokens: number;
}

/** The one that refuses for longer: never is longest, and a place that may become free at any time shortest. */
export const longer = (one: Refusal | null, other: Refusal): Refusal =>
  one === null || weight(other) > weight(one) ? other : one;

const weight = ({ limit, waitMs }: Refusal): number =>
  waitMs ?? (limit === 'concurrent' ? 0 : Number.POSITIVE_INFINITY);

/** How an account stands. */
export interface Standing {
  /** What it was last counted by; null where that is not known. */
  readonly rule: LimitRule | null;
  /** Used of each window, in the order of `windowNames`. */
  readonly used: readonly number[];
  readonly inFlight: number;
  readonly cooldownMs: number;
  /** Until one more request is let through as far as requests are concerned, in milliseconds. */
  readonly waitMs: number;
}

/**
 * Counts calls. Each method is one decision for all accounts of a call, by the store's clock. What is at hand is returned at once, so that
 * nothing has to wait for it. Stores that are out of reach reject with a GatewayError DEPENDENCY_UNAVAILABLE; it is not known then whether it
 * happened.
 */
export interface LimitStore {
  /** After how long without a renewal the place of a call is free, in milliseconds; null: the place is its process's, and goes with it. */
  readonly leaseMs: number | null;
  /** Counts a call everywhere or nowhere. A burst that is too large starts its cooldown all the same. */
  take(claim: Claim): Decision | Promise<Decision>;
  /** Frees the call's places, and puts right what was counted. What is used beyond the claim counts from now on. */
  settle(settlement: Settlement): void | Promise<void>;
  /** Keeps the places of calls that go on. */
  renew(claims: readonly Pick<Claim, 'id' | 'accounts'>[]): void | Promise<void>;
  /** By the rules that they were last counted by. */
  read(accounts: readonly Pick<Account, 'name'>[]): Standing[] | Promise<Standing[]>;
  /** Names of the accounts that counted something within the last hour, or have a pause; at most 10,000, the latest ones. */
  names(): string[] | Promise<string[]>;
  /** Forgets what was counted. Places of calls under way stay. @param names null for all */
  reset(names: readonly string[] | null): void | Promise<void>;
}
