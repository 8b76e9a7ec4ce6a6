import { randomUUID } from 'node:crypto';
import type { Response, ResponseEvent } from '../../gen/llmgateway/v1/responses_service_pb.js';
import type { GatewayError } from '../errors/gateway-error.ts';
import { responseNotFound, takenOver, tooLarge } from './errors.ts';
import { encodeBody, encodeEvents } from './items.ts';
import { isOutage, patienceMs, persist } from './persist.ts';
import type { ResponseStore, StepResult } from './store.ts';

/** What the store is used under. Read anew for each response. */
export interface KeepTerms {
  /** After how long without a sign of life a response is taken for abandoned, in milliseconds. */
  readonly leaseMs: number;
  /** Bound of a response with its events, in bytes. */
  readonly maxBytes: number;
}

/** Name of a worker at responses: unique among all gateways. */
export const newHolder = (): string => randomUUID();

/** Within how long one that a client may cancel learns of it, in milliseconds. */
const heedMs = 500;

export interface KeeperParts {
  readonly store: ResponseStore;
  readonly tenant: string;
  readonly id: string;
  readonly holder: string;
  /** How many events the log has. */
  readonly logged: number;
  readonly terms: KeepTerms;
  /** Whether clients may cancel it, through any gateway. */
  readonly cancellable: boolean;
  /** Called once, when a client has asked for an end (null), or the response is not this worker's any more. */
  readonly onStop: (error: GatewayError | null) => void;
  /** Told when something was added to the log. */
  readonly onEvents: () => void;
}

/**
 * Keeps a response that is being made: its events in the store's log, in their order, and the lease alive. What the store does not
 * acknowledge is said again for a while: its steps may be repeated.
 */
export class Keeper {
  readonly #parts: KeeperParts;
  readonly #renewal: NodeJS.Timeout;
  readonly #patienceMs: number;
  /** How many events the store has acknowledged. */
  #logged: number;
  /** Those that it has not. They may be there. */
  #unlogged: Uint8Array[] = [];
  /** The steps so far: each waits for those before it. */
  #steps: Promise<void> = Promise.resolve();
  #failure: { readonly error: unknown } | null = null;
  /** Set once the response is not this worker's any more. */
  #gone: GatewayError | null = null;
  #stopped = false;
  /** Whether nothing is done any more. */
  #over = false;
  /** Whether the response is stored as it is in the end. */
  #ended = false;

  constructor(parts: KeeperParts) {
    this.#parts = parts;
    this.#logged = parts.logged;
    const { leaseMs } = parts.terms;
    this.#patienceMs = Math.min(leaseMs, patienceMs);
    const everyMs = parts.cancellable ? Math.min(leaseMs / 3, heedMs) : leaseMs / 3;
    this.#renewal = setInterval(() => this.#renew(), everyMs).unref();
  }

  /**
   * Adds events to the log. Once one has failed, nothing but the end may follow.
   * @returns when they are in it: from then on any gateway can tell them
   * @throws GatewayError DEPENDENCY_UNAVAILABLE, NOT_FOUND, REQUEST_TOO_LARGE
   */
  add(events: readonly ResponseEvent[]): Promise<void> {
    const added = encodeEvents(events);
    return this.#enqueue(async () => {
      if (this.#over) throw this.#gone ?? takenOver(this.#parts.id);
      if (this.#failure !== null) throw this.#failure.error;
      if (added.length === 0) return;
      this.#unlogged.push(...added);
      try {
        await this.#append();
      } catch (error) {
        this.#failure = { error };
        throw error;
      }
    });
  }

  /**
   * Adds the last events, and with them what is not in the log yet, and the response as it is in the end. Afterwards every gateway finds
   * it so. When it throws, the last event has not come true, and another end may be tried.
   * @param bounded whether it may be refused for its size: one that says why there is no more must not be
   * @throws GatewayError DEPENDENCY_UNAVAILABLE, NOT_FOUND, REQUEST_TOO_LARGE
   */
  end(events: readonly ResponseEvent[], response: Response, bounded: boolean): Promise<void> {
    const last = encodeEvents(events);
    const body = encodeBody(response);
    return this.#enqueue(async () => {
      if (this.#ended) return;
      if (this.#over) throw this.#gone ?? takenOver(this.#parts.id);
      this.#unlogged.push(...last);
      const failed = this.#failure?.error;
      if (isOutage(failed)) {
        // Its client has waited long enough; the response shall not wait until its lease has run out.
        this.#end(body, false, this.#parts.terms.leaseMs)
          .catch(() => {})
          .finally(() => this.release());
        throw failed;
      }
      try {
        await this.#end(body, bounded, this.#patienceMs);
      } catch (error) {
        this.#unlogged.pop();
        this.#failure = { error };
        throw error;
      }
      this.#ended = true;
      this.release();
    });
  }

  /** Leaves the response to others, who begin it anew at once. */
  giveBack(): Promise<void> {
    return this.#enqueue(async () => {
      if (this.#over) return;
      this.release();
      const { store, tenant, id, holder } = this.#parts;
      await store.extend(tenant, id, holder, 0).catch(() => {});
    });
  }

  /** Leaves the response as it is: its lease runs out. */
  release(): void {
    this.#over = true;
    clearInterval(this.#renewal);
  }

  #enqueue(step: () => Promise<void>): Promise<void> {
    const done = this.#steps.then(step);
    this.#steps = done.catch(() => {});
    return done;
  }

  async #append(): Promise<void> {
    const { store, tenant, id, holder, terms, onEvents } = this.#parts;
    const events = this.#unlogged;
    const what = { holder, after: this.#logged, events, maxBytes: terms.maxBytes };
    const append = (): Promise<StepResult> => store.append(tenant, id, what, terms.leaseMs);
    const result = await persist(append, this.#patienceMs);
    this.#check(result);
    this.#logged += events.length;
    this.#unlogged = [];
    onEvents();
    if (result === 'cancelled') this.#stop(null);
  }

  async #end(body: Uint8Array, bounded: boolean, forMs: number): Promise<void> {
    const { store, tenant, id, holder, terms, onEvents } = this.#parts;
    const maxBytes = bounded ? terms.maxBytes : Number.MAX_SAFE_INTEGER;
    const what = { holder, after: this.#logged, events: [...this.#unlogged], body, maxBytes };
    this.#check(await persist(() => store.end(tenant, id, what), forMs));
    onEvents();
  }

  #renew(): void {
    const { store, tenant, id, holder, terms } = this.#parts;
    // A renewal that fails is no news: whether the response is still ours shows with the next event.
    store
      .extend(tenant, id, holder, terms.leaseMs)
      .then((result) => {
        if (this.#over) return;
        if (result === 'cancelled') this.#stop(null);
        else if (result !== 'done') this.#stop(this.#problem(result));
      })
      .catch(() => {});
  }

  #stop(error: GatewayError | null): void {
    if (this.#stopped) return;
    this.#stopped = true;
    this.#parts.onStop(error);
  }

  #check(result: StepResult): void {
    if (result !== 'done' && result !== 'cancelled') throw this.#problem(result);
  }

  #problem(result: 'gone' | 'lost' | 'full'): GatewayError {
    const { id, terms } = this.#parts;
    if (result === 'full') return tooLarge(`the response ${id}`, terms.maxBytes);
    this.release();
    this.#gone = result === 'gone' ? responseNotFound(id, 'response_id') : takenOver(id);
    return this.#gone;
  }
}
