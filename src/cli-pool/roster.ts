import type { PoolRules } from './rules.ts';
import type { SessionState, SessionStatus } from './states.ts';

/** A session as a pool decides on it. */
export interface Session {
  readonly id: string;
  readonly kind: 'pool' | 'overflow';
  readonly model: string;
  /** Whom it belongs to since its first request, and for which instructions; null: nobody yet. */
  key: string | null;
  status: SessionStatus;
  pinging: boolean;
  pings: number;
  served: number;
  readonly createdAt: number;
  /** Since when it is what it is: its last start, use or ping. */
  since: number;
  lastUsedAt: number | null;
  lastPingAt: number | null;
  ticket: string | null;
  lastError: string | null;
  /** It has shown that it works. */
  proven: boolean;
  /** It has failed, and is not merely used up. */
  failed: boolean;
  killed: boolean;
}

/** What a request wants of its session. */
export interface Wish {
  readonly model: string;
  /** Whom it is for, and with which instructions. */
  readonly key: string;
}

/** Makes names of sessions, one after the other. */
export function sessionNames(): () => string {
  let last = 0;
  return () => `cli_${++last}`;
}

/** The sessions of a pool: which fits whom, and how many are missing. It counts; what follows from that the machine decides. */
export class Roster {
  readonly #rules: PoolRules;
  readonly #sessions = new Map<string, Session>();

  constructor(rules: PoolRules) {
    this.#rules = rules;
  }

  get all(): Iterable<Session> {
    return this.#sessions.values();
  }

  get states(): readonly SessionState[] {
    return [...this.#sessions.values()].map(
      ({ pings, since: _, key: _key, proven: _proven, failed: _failed, killed: _killed, ...session }) => ({
        ...session,
        turns: session.served + pings,
      }),
    );
  }

  get(id: string): Session | undefined {
    return this.#sessions.get(id);
  }

  delete(id: string): void {
    this.#sessions.delete(id);
  }

  /** One that is about to start. It takes the place of a dead one. */
  add(id: string, kind: Session['kind'], model: string, now: number): void {
    if (kind === 'pool') {
      const dead = this.#some(({ status }) => status === 'dead');
      if (dead !== undefined) this.#sessions.delete(dead.id);
    }
    this.#sessions.set(id, {
      id,
      kind,
      model,
      key: null,
      status: 'starting',
      pinging: false,
      pings: 0,
      served: 0,
      createdAt: now,
      since: now,
      lastUsedAt: null,
      lastPingAt: null,
      ticket: null,
      lastError: null,
      proven: false,
      failed: false,
      killed: false,
    });
  }

  fits(session: { readonly model: string }, model: string): boolean {
    return this.#rules.switchesModel || session.model === model;
  }

  /** Of those that a request may have, the one that is idle for the longest time. */
  idleFor({ model, key }: Wish): Session | undefined {
    let found: Session | undefined;
    for (const session of this.#sessions.values()) {
      if (session.status !== 'idle' || session.pinging || !this.fits(session, model)) continue;
      if (session.key !== null && session.key !== key) continue;
      if (found === undefined || session.since < found.since) found = session;
    }
    return found;
  }

  /** Those that are idle and belong to somebody, the longest idle first. */
  takenIdle(): Session[] {
    return [...this.#sessions.values()]
      .filter(({ status, pinging, key }) => status === 'idle' && !pinging && key !== null)
      .sort((a, b) => a.since - b.since);
  }

  /** Whether any is idle or busy. */
  get works(): boolean {
    return this.#some(({ status }) => status === 'idle' || status === 'busy') !== undefined;
  }

  get dead(): number {
    return this.#count(({ status }) => status === 'dead');
  }

  get starting(): number {
    return this.#count(({ status }) => status === 'starting');
  }

  /** Cold ones that are starting. */
  coldStarting(): Session[] {
    return [...this.#sessions.values()].filter(
      ({ kind, status }) => kind === 'overflow' && status === 'starting',
    );
  }

  /** Warm sessions that are to be started. */
  get missing(): number {
    return Math.max(0, Math.min(this.missingNow, this.room));
  }

  /** Warm sessions that are not there. */
  get missingNow(): number {
    return this.#rules.size - this.#live();
  }

  /** Processes that are slow to end must not pile up behind those that replace them. */
  get room(): number {
    const stopping = this.#count(({ status }) => status === 'recycling');
    return 2 * this.#rules.size + this.#rules.maxOverflow - this.#live() - stopping;
  }

  /** Whether one more cold session may be started. */
  get mayOverflow(): boolean {
    return this.#count(({ kind }) => kind === 'overflow') < this.#rules.maxOverflow;
  }

  /** Requests that may wait, those among them that a cold session may be started for, or is. */
  get places(): number {
    const { maxWaiting, maxOverflow } = this.#rules;
    return (
      maxWaiting +
      maxOverflow -
      this.#count(({ kind, status }) => kind === 'overflow' && status !== 'starting')
    );
  }

  #live(): number {
    return this.#count(({ kind, status }) => kind === 'pool' && status !== 'dead' && status !== 'recycling');
  }

  #count(which: (session: Session) => boolean): number {
    let count = 0;
    for (const session of this.#sessions.values()) if (which(session)) count++;
    return count;
  }

  #some(which: (session: Session) => boolean): Session | undefined {
    for (const session of this.#sessions.values()) if (which(session)) return session;
    return undefined;
  }
}
