import { randomUUID } from 'node:crypto';
import type { Response, ResponseEvent } from '../../gen/llmgateway/v1/responses_service_pb.js';
import { responseNotFound, tooLarge } from './errors.ts';
import { encodeBody, encodeEvents } from './items.ts';
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

/** Events that wait for the store at most; then whoever makes them waits, too. */
const mostWaiting = 4_096;

export interface KeeperParts {
  readonly store: ResponseStore;
  readonly tenant: string;
  readonly id: string;
  readonly holder: string;
  /** How many events the log has. */
  readonly logged: number;
  readonly terms: KeepTerms;
  /** Called once, when a client has asked for an end or the response is gone. */
  readonly onStop: (why: 'cancelled' | 'gone' | 'lost') => void;
  /** Told when something was added to the log. */
  readonly onEvents: () => void;
}

/** Keeps a response that is being made: its events in the store's log, in their order, and the lease alive. */
export class Keeper {
  readonly #parts: KeeperParts;
  readonly #renewal: NodeJS.Timeout;
  #logged: number;
  #waiting: Uint8Array[] = [];
  /** The write that is under way. */
  #writing: Promise<void> | null = null;
  #failure: unknown = null;
  #stopped = false;
  #over = false;

  constructor(parts: KeeperParts) {
    this.#parts = parts;
    this.#logged = parts.logged;
    this.#renewal = setInterval(() => this.#renew(), parts.terms.leaseMs / 3).unref();
  }

  /** Takes events for the log. Waits only when the store does not keep up. @throws what the store failed with before */
  async add(events: readonly ResponseEvent[]): Promise<void> {
    if (this.#failure !== null) throw this.#failure;
    if (this.#over || events.length === 0) return;
    this.#waiting.push(...encodeEvents(events));
    this.#writing ??= this.#write();
    if (this.#waiting.length > mostWaiting) await this.#writing;
    if (this.#failure !== null) throw this.#failure;
  }

  /**
   * Adds the last events and the response as it is in the end. Afterwards every gateway finds it so.
   * @throws GatewayError when that cannot be said: DEPENDENCY_UNAVAILABLE, NOT_FOUND, REQUEST_TOO_LARGE
   */
  async end(events: readonly ResponseEvent[], response: Response): Promise<void> {
    if (this.#over) return;
    const last = encodeEvents(events);
    await this.#writing;
    if (this.#failure !== null) throw this.#failure;
    this.release();
    const { store, tenant, id, holder, terms, onEvents } = this.#parts;
    const result = await store.end(tenant, id, {
      holder,
      after: this.#logged,
      events: last,
      body: encodeBody(response),
      maxBytes: terms.maxBytes,
    });
    onEvents();
    this.#check(result);
  }

  /** Leaves the response as it is: its lease runs out. */
  release(): void {
    this.#over = true;
    clearInterval(this.#renewal);
  }

  async #write(): Promise<void> {
    const { store, tenant, id, holder, terms, onEvents } = this.#parts;
    // What comes in one turn of the loop is one write.
    await Promise.resolve();
    try {
      while (this.#waiting.length > 0) {
        const events = this.#waiting;
        this.#waiting = [];
        const what = { holder, after: this.#logged, events, maxBytes: terms.maxBytes };
        const result = await store.append(tenant, id, what, terms.leaseMs);
        this.#logged += events.length;
        onEvents();
        this.#heed(result);
        this.#check(result);
      }
    } catch (error) {
      this.#failure = error;
      this.release();
    } finally {
      this.#writing = null;
    }
  }

  #renew(): void {
    const { store, tenant, id, holder, terms } = this.#parts;
    // A renewal that fails is no news: whether the response is still ours shows with the next event.
    store
      .extend(tenant, id, holder, terms.leaseMs)
      .then((result) => this.#heed(result))
      .catch(() => {});
  }

  #heed(result: StepResult): void {
    if (this.#stopped || result === 'done' || result === 'full') return;
    this.#stopped = true;
    this.#parts.onStop(result);
  }

  #check(result: StepResult): void {
    const { id, terms } = this.#parts;
    if (result === 'gone' || result === 'lost') throw responseNotFound(id, 'response_id');
    if (result === 'full') throw tooLarge(`the response ${id}`, terms.maxBytes);
  }
}
