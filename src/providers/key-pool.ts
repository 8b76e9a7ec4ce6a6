import { hash } from 'node:crypto';
import { ErrorReason } from '../../gen/llmgateway/v1/error_pb.js';
import type { WeightedKey } from '../config/providers.ts';
import { type ErrorFacts, GatewayError } from '../errors/gateway-error.ts';

export interface KeyPoolOptions {
  readonly provider: string;
  /** Its address. */
  readonly baseUrl: string;
  readonly keys: readonly WeightedKey[];
  /** The header that has a key, and what stands before it there. */
  readonly header: string;
  readonly scheme: string;
  /** How long a refused key is set aside, in milliseconds. */
  readonly restMs: number;
  /** Told once of a key that is set aside, and once when it is accepted again. @param key its number and last characters */
  readonly onChange: (provider: string, key: string, why: string | null) => void;
  /** Milliseconds on any clock that only goes forward. */
  readonly now?: () => number;
  /** From 0 to below 1. */
  readonly random?: () => number;
}

/** One key, and what is known of it. */
export interface PooledKey {
  /** Its place in the list. */
  readonly index: number;
  readonly headers: Readonly<Record<string, string>>;
}

interface State extends PooledKey {
  readonly weight: number;
  readonly label: string;
  /** Refused until then. */
  deadUntil: number;
  /** When it was last set aside. */
  deadSince: number;
  /** Why; null when it is accepted. */
  why: string | null;
  /** The provider wants no calls with it until then. */
  tiredUntil: number;
  /** Models for which it is refused, and until when. */
  readonly models: Map<string, number>;
}

/** Which key a call is to have, and which it got. */
export interface KeyChoice {
  /** The key that made the state in the call's conversation; null for any. */
  readonly preferred: number | null;
  /** Others cannot read that state: then it is this one or none. */
  readonly pinned: boolean;
  /** The key of the answer. */
  used: number | null;
}

/** Models that are remembered for one key. */
const maxModels = 256;
/** A key rests no longer than this because of one 429, in milliseconds. */
const maxTiredMs = 60_000;

/**
 * The keys of a provider that has several. A key that is refused as such (401) is set aside at once. What may as well be the request's fault (402, 403, a quota
 * that is used up) sets a key aside only when another one is accepted with the same request, and 403 only for that model; else one bad request would set
 * all of them aside.
 */
export class KeyPool {
  /** What tells each key from all others, those of other providers as well, in whatever place it stands. */
  readonly prints: readonly string[];
  readonly #options: KeyPoolOptions;
  readonly #states: readonly State[];
  readonly #now: () => number;
  readonly #byPrint = new Map<string, number>();

  constructor(options: KeyPoolOptions) {
    this.#options = options;
    this.#now = options.now ?? (() => performance.now());
    this.#states = options.keys.map(({ key, weight }, index) => ({
      index,
      weight,
      headers: { [options.header]: `${options.scheme}${key.reveal()}` },
      label: labelOf(index, key.reveal()),
      deadUntil: Number.NEGATIVE_INFINITY,
      deadSince: Number.NEGATIVE_INFINITY,
      why: null,
      tiredUntil: Number.NEGATIVE_INFINITY,
      models: new Map(),
    }));
    // Whoever has a key's print does not have the key.
    this.prints = options.keys.map(({ key }) =>
      hash('sha256', JSON.stringify([options.provider, options.baseUrl, key.reveal()]), 'base64'),
    );
    this.prints.forEach((print, index) => void this.#byPrint.set(print, index));
  }

  /** The key with this print; undefined when it is not among these. */
  indexOf(print: string): number | undefined {
    return this.#byPrint.get(print);
  }

  /** Milliseconds on the pool's clock. */
  now(): number {
    return this.#now();
  }

  /** A session of one request with the keys. @param model '' for none */
  begin(model: string, choice: KeyChoice | null): KeyTries {
    return new KeyTries(this, model, choice);
  }

  /**
   * A key by weight that was not tried yet.
   * @throws GatewayError UPSTREAM_AUTH when none is left, or the one that has to be used is set aside
   */
  pick(model: string, choice: KeyChoice | null, tried: ReadonlySet<number>): PooledKey | null {
    const now = this.#now();
    const preferred =
      choice?.preferred === undefined || choice.preferred === null
        ? undefined
        : this.#states[choice.preferred];
    if (preferred !== undefined && !tried.has(preferred.index) && this.#accepted(preferred, model, now)) {
      if (choice?.pinned || preferred.tiredUntil <= now) return preferred;
    }
    if (preferred !== undefined && choice?.pinned) throw this.#pinnedAway(preferred, { unasked: true });
    const left = this.#states.filter((state) => !tried.has(state.index) && this.#accepted(state, model, now));
    const awake = left.filter(({ tiredUntil }) => tiredUntil <= now);
    if (awake.length > 0) return this.#byWeight(awake);
    // Whoever is back first: the provider itself may say how long that takes. Not a second one for the same request.
    if (left.length > 0)
      return tried.size > 0 ? null : left.reduce((a, b) => (b.tiredUntil < a.tiredUntil ? b : a));
    if (tried.size > 0) return null;
    throw this.#allDead();
  }

  setAside({ index }: PooledKey, why: string): void {
    const state = this.#states[index] as State;
    state.deadSince = this.#now();
    state.deadUntil = state.deadSince + this.#options.restMs;
    if (state.why === null) this.#options.onChange(this.#options.provider, state.label, why);
    state.why = why;
  }

  setAsideFor({ index }: PooledKey, model: string, why: string): void {
    const { models, label } = this.#states[index] as State;
    const now = this.#now();
    if (!(models.has(model) && (models.get(model) as number) > now - this.#options.restMs)) {
      this.#options.onChange(this.#options.provider, label, `${why} for model ${model.slice(0, 200)}`);
    }
    if (models.size >= maxModels) models.clear();
    models.set(model, now + this.#options.restMs);
  }

  tire({ index }: PooledKey, ms: number): void {
    (this.#states[index] as State).tiredUntil = this.#now() + Math.min(ms, maxTiredMs);
  }

  /** It is accepted. @param since when that was asked, on the pool's clock: an answer to what was asked before it was refused says nothing new */
  wake({ index }: PooledKey, since: number): void {
    const state = this.#states[index] as State;
    if (state.why === null || since <= state.deadSince) return;
    state.why = null;
    state.deadUntil = Number.NEGATIVE_INFINITY;
    this.#options.onChange(this.#options.provider, state.label, null);
  }

  /** What a request ends with that only one key could have made. */
  pinnedError(key: PooledKey): GatewayError {
    return this.#pinnedAway(this.#states[key.index] as State);
  }

  #accepted({ deadUntil, models }: State, model: string, now: number): boolean {
    return deadUntil <= now && (models.get(model) ?? Number.NEGATIVE_INFINITY) <= now;
  }

  #byWeight(states: readonly State[]): State {
    let total = 0;
    for (const { weight } of states) total += weight;
    let at = (this.#options.random ?? Math.random)() * total;
    for (const state of states) {
      at -= state.weight;
      if (at < 0) return state;
    }
    return states.at(-1) as State;
  }

  #allDead(): GatewayError {
    const { provider } = this.#options;
    return new GatewayError(
      ErrorReason.UPSTREAM_AUTH,
      `provider ${provider} refuses all ${this.#states.length} keys that are configured for it`,
      { provider, unasked: true },
    );
  }

  #pinnedAway({ index }: State, more: ErrorFacts = {}): GatewayError {
    const { provider } = this.#options;
    return new GatewayError(
      ErrorReason.UPSTREAM_AUTH,
      `provider ${provider} refuses key ${index + 1}, with which the encrypted reasoning of this conversation was made; no other key can read it`,
      { provider, retryable: false, ...more },
    );
  }
}

/** One request on its way through the keys. */
export class KeyTries {
  readonly #pool: KeyPool;
  readonly #model: string;
  readonly #choice: KeyChoice | null;
  readonly #tried = new Set<number>();
  /** Keys with which the request failed for what may be its own fault. */
  readonly #suspects: { readonly key: PooledKey; readonly status: number }[] = [];
  #key: PooledKey;
  /** When it was taken. */
  #since: number;

  constructor(pool: KeyPool, model: string, choice: KeyChoice | null) {
    this.#pool = pool;
    this.#model = model;
    this.#choice = choice;
    this.#key = pool.pick(model, choice, this.#tried) as PooledKey;
    this.#since = pool.now();
    this.#tried.add(this.#key.index);
  }

  /** Header of the key to send. */
  get headers(): Readonly<Record<string, string>> {
    return this.#key.headers;
  }

  /** The provider has accepted the key, whatever else it says. */
  accepted(): void {
    if (this.#choice !== null) this.#choice.used = this.#key.index;
    this.#pool.wake(this.#key, this.#since);
    for (const { key, status } of this.#suspects) {
      const why = `the provider answers ${status}`;
      if (status === 403) this.#pool.setAsideFor(key, this.#model, why);
      else this.#pool.setAside(key, why);
    }
  }

  /** Whether to send again, with another key. @throws GatewayError when no other key could serve the request */
  next(error: GatewayError): boolean {
    const { upstreamStatus: status = 0, upstreamCode, upstreamType, retryAfterMs } = error.facts;
    const poor = status === 429 && [upstreamCode, upstreamType].includes('insufficient_quota');
    const key = this.#key;
    if (status === 401) this.#pool.setAside(key, 'the provider answers 401');
    else if (status === 402 || status === 403 || poor) this.#suspects.push({ key, status });
    else if (status === 429) this.#pool.tire(key, retryAfterMs ?? 1_000);
    else {
      // A provider in trouble has not said what it thinks of the key.
      if (status < 500) this.accepted();
      return false;
    }
    if (this.#choice?.pinned && this.#choice.preferred === key.index) {
      if (status === 429 && !poor) return false;
      throw this.#pool.pinnedError(key);
    }
    const other = this.#pool.pick(this.#model, this.#choice, this.#tried);
    if (other === null) return false;
    this.#key = other;
    this.#since = this.#pool.now();
    this.#tried.add(other.index);
    return true;
  }
}

/** A key as people know it: by its number, and its last characters where enough others stay hidden. */
const labelOf = (index: number, key: string): string =>
  key.length >= 20 ? `${index + 1} (…${key.slice(-4)})` : String(index + 1);
