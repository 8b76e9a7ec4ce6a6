import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Message } from '../../gen/llmgateway/v1/message_pb.js';
import { nowUs } from './clock.ts';
import { busy, notFound, takenOver, tooLarge, tooMany } from './errors.ts';
import { isSessionId } from './id.ts';
import { encodeMessages } from './messages.ts';
import type { SessionStore, StoredSession } from './store.ts';
import { Turns } from './turns.ts';

/** What leases are made under. Read anew for each. */
export interface LeaseTerms {
  /** After how long without a sign of life a session is free for others, in milliseconds. */
  readonly leaseMs: number;
  /** How long a call waits for the others, in milliseconds. */
  readonly waitMs: number;
  /** Bound of a session. */
  readonly maxBytes: number;
}

/** Whose session, and where the client named it. */
export interface SessionName {
  readonly tenant: string;
  readonly id: string;
  readonly field: string;
  /** It is made unless it is there, and lives so long then, in milliseconds. Default: it has to be there. */
  readonly newForMs?: number | undefined;
}

/** Calls of one process that may wait for one session. */
const mostWaiting = 256;
/** Time until a session that another process has is asked for again, in milliseconds: the least, and the most. */
const pollMs = [10, 200] as const;
/** Time until freeing a lock is tried again, in milliseconds. */
const retryMs = 250;
/** How long an attempt to lock that was not answered may take effect late, in milliseconds. */
const lateMs = 1_000;
/** Locks that are being freed at most; others run out by themselves. */
const mostFreeing = 10_000;

/** Gives sessions to one call at a time, over all processes that share the store. */
export class Leases {
  readonly #store: SessionStore;
  readonly #terms: () => LeaseTerms;
  readonly #turns = new Turns(mostWaiting);
  readonly #freeing = new Set<Promise<unknown>>();

  constructor(store: SessionStore, terms: () => LeaseTerms) {
    this.#store = store;
    this.#terms = terms;
  }

  /**
   * Waits for the session and locks it. The lease has to be saved or released.
   * @throws GatewayError NOT_FOUND, SESSION_BUSY, DEPENDENCY_UNAVAILABLE, and what `signal` aborts with
   */
  async acquire(name: SessionName, signal: AbortSignal): Promise<Lease> {
    const { tenant, id, field } = name;
    const terms = this.#terms();
    if (!isSessionId(id)) throw notFound(id, field);
    if (signal.aborted) throw signal.reason;
    const key = `${tenant}\n${id}`;
    const deadline = performance.now() + terms.waitMs;
    if (!(await this.#turns.enter(key, terms.waitMs, signal))) {
      throw this.#turns.isFull(key) ? tooMany(id, mostWaiting, field) : busy(id, terms.waitMs, field);
    }
    const holder = randomUUID();
    try {
      const session = await this.#lock(name, holder, terms, deadline, signal);
      const free = (sure: boolean): void => this.#free(name, holder, key, sure, terms.leaseMs);
      const done = (): void => this.#turns.leave(key);
      return new Lease({ store: this.#store, name, holder, session, terms, free, done });
    } catch (error) {
      this.#turns.leave(key);
      throw error;
    }
  }

  /** Resolves when no lock is being freed any more, or after `graceMs`. */
  async settled(graceMs: number): Promise<void> {
    const timer = new AbortController();
    const grace = sleep(graceMs, undefined, { signal: timer.signal, ref: false }).catch(() => {});
    await Promise.race([Promise.all(this.#freeing), grace]);
    timer.abort();
  }

  async #lock(
    { tenant, id, field, newForMs }: SessionName,
    holder: string,
    { leaseMs, waitMs }: LeaseTerms,
    deadline: number,
    signal: AbortSignal,
  ): Promise<StoredSession> {
    if (newForMs !== undefined) {
      const createdUs = nowUs();
      const session = { id, createdUs, expiresUs: createdUs + newForMs * 1_000, contextJson: '{}' };
      await unlessAborted(this.#store.ensure(tenant, session), signal);
    }
    for (let pause: number = pollMs[0]; ; pause = Math.min(pause * 1.5, pollMs[1])) {
      const result = await this.#store.lock(tenant, id, holder, leaseMs).catch((error: unknown) => {
        // It may have happened, or happen yet.
        void this.#unlock(tenant, id, holder, false, leaseMs);
        throw error;
      });
      if (signal.aborted && result.kind === 'locked') void this.#unlock(tenant, id, holder, true, leaseMs);
      if (signal.aborted) throw signal.reason;
      if (result.kind === 'locked') return result.session;
      if (result.kind === 'gone') throw notFound(id, field);
      const left = deadline - performance.now();
      if (left <= 0) throw busy(id, waitMs, field);
      // Processes that wait for each other should not do so in step.
      const wait = Math.min(pause * (0.75 + Math.random() / 2), left);
      await sleep(wait, undefined, { signal }).catch(() => {
        throw signal.reason;
      });
    }
  }

  #free({ tenant, id }: SessionName, holder: string, key: string, sure: boolean, leaseMs: number): void {
    this.#unlock(tenant, id, holder, sure, leaseMs).finally(() => this.#turns.leave(key));
  }

  /**
   * Frees a lock; goes on by itself where the store is out of reach. Never rejects.
   * @param sure whether it is known that the lock was there
   * @returns when it was tried once
   */
  #unlock(tenant: string, id: string, holder: string, sure: boolean, leaseMs: number): Promise<void> {
    const until = performance.now() + leaseMs;
    const once = async (): Promise<boolean> => {
      try {
        return (await this.#store.unlock(tenant, id, holder)) || sure;
      } catch {
        return false;
      }
    };
    const again = async (): Promise<void> => {
      let answers = 0;
      while (performance.now() < until && answers < 2) {
        await sleep(sure ? retryMs : Math.min(retryMs * 2, lateMs), undefined, { ref: false });
        const released = await this.#store.unlock(tenant, id, holder).catch(() => null);
        if (released === true) return;
        if (released === false) answers += sure ? 2 : 1;
      }
    };
    const first = once();
    const whole = first.then((freed) => (freed || this.#freeing.size > mostFreeing ? undefined : again()));
    this.#freeing.add(whole);
    whole.finally(() => this.#freeing.delete(whole));
    return first.then(() => {});
  }
}

/** Rejects with what the signal aborts with, if it does before. */
function unlessAborted(done: Promise<void>, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const onAbort = (): void => reject(signal.reason);
    if (signal.aborted) onAbort();
    signal.addEventListener('abort', onAbort, { once: true });
    done.then(resolve, reject).finally(() => signal.removeEventListener('abort', onAbort));
  });
}

interface LeaseParts {
  readonly store: SessionStore;
  readonly name: SessionName;
  readonly holder: string;
  readonly session: StoredSession;
  readonly terms: LeaseTerms;
  /** Frees the lock and lets the next one come. */
  readonly free: (sure: boolean) => void;
  /** Lets the next one come; the lock is free already. */
  readonly done: () => void;
}

/** A session in the hands of one call. */
export class Lease {
  /** As it was when the call got it. */
  readonly session: StoredSession;
  readonly #parts: LeaseParts;
  readonly #renewal: NodeJS.Timeout;
  #over = false;

  constructor(parts: LeaseParts) {
    this.session = parts.session;
    this.#parts = parts;
    const { store, name, holder, terms } = parts;
    // A renewal that fails is no news: whether the session is still ours shows when it is saved.
    const renew = (): void =>
      void store.extend(name.tenant, name.id, holder, terms.leaseMs).catch(() => false);
    this.#renewal = setInterval(renew, terms.leaseMs / 3).unref();
  }

  /** @throws GatewayError REQUEST_TOO_LARGE when the session would not take these messages */
  check(messages: readonly Uint8Array[]): void {
    const { name, terms } = this.#parts;
    let { bytes } = this.session;
    for (const message of messages) bytes += message.length;
    if (bytes > terms.maxBytes) throw tooLarge(name.id, terms.maxBytes, name.field);
  }

  /**
   * Adds messages to the session and gives it back, also when it throws.
   * @throws GatewayError NOT_FOUND when it has expired or was deleted, REQUEST_TOO_LARGE, DEPENDENCY_UNAVAILABLE
   */
  async save(messages: readonly (Message | Uint8Array)[], contextJson?: string | undefined): Promise<void> {
    if (this.#over) throw new Error('the session was given back already');
    this.#end();
    const { store, name, holder, terms, free, done } = this.#parts;
    let result: Awaited<ReturnType<SessionStore['append']>>;
    try {
      result = await store.append(name.tenant, name.id, {
        holder,
        after: this.session.messages.length,
        messages: encodeMessages(messages),
        maxBytes: terms.maxBytes,
        ...(contextJson === undefined ? {} : { contextJson }),
      });
    } catch (error) {
      free(false);
      throw error;
    }
    done();
    if (result === 'gone') throw notFound(name.id, name.field);
    if (result === 'lost') throw takenOver(name.id, name.field);
    if (result === 'full') throw tooLarge(name.id, terms.maxBytes, name.field);
  }

  /** Gives the session back as it was. May be called at any time, and more than once. */
  release(): void {
    if (this.#over) return;
    this.#end();
    this.#parts.free(true);
  }

  #end(): void {
    this.#over = true;
    clearInterval(this.#renewal);
  }
}
