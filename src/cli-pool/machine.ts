import { dueAt, pingMs, provesAt } from './due.ts';
import { Roster, type Session, sessionNames, type Wish } from './roster.ts';
import type { PoolRules } from './rules.ts';
import type { PoolCommand, PoolEvent, RefusalReason, RestartReason, SessionState } from './states.ts';

interface Waiting extends Wish {
  readonly ticket: string;
  readonly since: number;
  readonly deadline: number;
}

/**
 * All decisions of a pool of sessions: what happened goes in with the time, what is to be done comes out. It has neither processes nor timers nor a
 * clock; whoever drives it says `tick` when `wakeAt` has come.
 */
export class PoolMachine {
  readonly restarts = new Map<RestartReason, number>();
  overflows = 0;
  /** What the last failure was of a session that nobody has spoken with, so that no request has a part in it; '' for none. */
  lastError = '';
  readonly #rules: PoolRules;
  readonly #roster: Roster;
  #waiting: Waiting[] = [];
  /** Failures in a row outside of turns: a good turn ends the row, or a session that shows that it lives. */
  #failures = 0;
  /** Failures in a row of turns: a good turn ends it, for a start says nothing of them. */
  #failedTurns = 0;
  #spawnFrom = 0;
  #state: 'new' | 'open' | 'closed' = 'new';

  readonly #nextId: () => string;

  /** @param nextId makes a name for each session */
  constructor(rules: PoolRules, nextId: () => string = sessionNames()) {
    this.#rules = rules;
    this.#roster = new Roster(rules);
    this.#nextId = nextId;
  }

  get rules(): PoolRules {
    return this.#rules;
  }

  get sessions(): readonly SessionState[] {
    return this.#roster.states;
  }

  get waiting(): number {
    return this.#waiting.length;
  }

  /** Too many failures in a row. */
  get degraded(): boolean {
    return Math.max(this.#failures, this.#failedTurns) >= this.#rules.degradedAfter;
  }

  /** When something is due that no event tells; null when nothing is. */
  get wakeAt(): number | null {
    if (this.#state !== 'open') return null;
    const times: number[] = [];
    if (this.#roster.missing > 0) times.push(this.#spawnFrom);
    for (const session of this.#roster.all) {
      const due = dueAt(session, this.#rules);
      if (due !== null) times.push(due);
      const proves = provesAt(session);
      if (proves !== null) times.push(proves);
    }
    for (const { deadline } of this.#waiting) times.push(deadline);
    if (this.#roster.mayOverflow) for (const { at } of this.#wanted()) times.push(at);
    return times.length === 0 ? null : Math.min(...times);
  }

  handle(event: PoolEvent, now: number): PoolCommand[] {
    const out: PoolCommand[] = [];
    switch (event.type) {
      case 'open':
        if (this.#state === 'new') this.#state = 'open';
        break;
      case 'request':
        this.#request(event, now, out);
        break;
      case 'withdrawn':
        this.#waiting = this.#waiting.filter(({ ticket }) => ticket !== event.ticket);
        break;
      case 'ready':
        this.#ready(event.id, now, out);
        break;
      case 'pong':
        this.#pong(event.id, now, out);
        break;
      case 'released':
        this.#released(event, now, out);
        break;
      case 'broken': {
        const session = this.#roster.get(event.id);
        if (session !== undefined) this.#fail(session, event.why, event.error, now, out);
        break;
      }
      case 'gone':
        this.#gone(event.id, event.error, now, out);
        break;
      case 'close':
        this.#close(out);
        break;
      case 'tick':
        break;
    }
    if (this.#state === 'open') this.#settle(now, out);
    return out;
  }

  #request(
    { ticket, model, key, deadline }: PoolEvent & { type: 'request' },
    now: number,
    out: PoolCommand[],
  ): void {
    if (this.#state !== 'open') out.push({ do: 'refuse', ticket, why: 'closed' });
    else if (
      this.#waiting.length >= this.#roster.places &&
      this.#roster.idleFor({ model, key }) === undefined
    ) {
      out.push({ do: 'refuse', ticket, why: 'queue_full' });
    } else this.#waiting.push({ ticket, model, key, since: now, deadline });
  }

  #ready(id: string, now: number, out: PoolCommand[]): void {
    const session = this.#roster.get(id);
    if (session?.status !== 'starting') return;
    session.status = 'idle';
    session.since = now;
    this.#serve(now, out);
    // What was started for a request that somebody else has served is not kept.
    if (session.kind === 'overflow' && session.status === 'idle') this.#stop(session, out);
  }

  #pong(id: string, now: number, out: PoolCommand[]): void {
    const session = this.#roster.get(id);
    if (session === undefined || !session.pinging) return;
    session.pinging = false;
    session.pings++;
    session.lastPingAt = now;
    session.since = now;
    this.#prove(session);
    if (session.pings >= this.#rules.maxPings) this.#replace(session, 'pings', out);
  }

  #released({ id, outcome, error }: PoolEvent & { type: 'released' }, now: number, out: PoolCommand[]): void {
    const session = this.#roster.get(id);
    if (session?.status !== 'busy') return;
    session.ticket = null;
    session.served++;
    session.lastUsedAt = now;
    session.since = now;
    if (error !== null) session.lastError = error;
    if (outcome === 'failed') this.#fail(session, 'failed', error ?? '', now, out);
    else if (outcome !== 'done') this.#replace(session, outcome, out);
    else this.#done(session, out);
  }

  #done(session: Session, out: PoolCommand[]): void {
    this.#failedTurns = 0;
    this.#failures = 0;
    session.proven = true;
    if (session.kind === 'overflow') this.#stop(session, out);
    else if (session.served >= this.#rules.maxTurns) this.#replace(session, 'turns', out);
    else session.status = 'idle';
  }

  #gone(id: string, error: string, now: number, out: PoolCommand[]): void {
    const session = this.#roster.get(id);
    if (session === undefined) return;
    if (session.status === 'recycling') {
      // It is shown as long as nobody has taken its place.
      const isMissed = this.#state === 'open' && this.#roster.missingNow > this.#roster.dead;
      if (session.failed && session.kind === 'pool' && isMissed) session.status = 'dead';
      else this.#roster.delete(id);
    } else if (session.status !== 'dead') {
      this.#fail(session, session.status === 'starting' ? 'spawn_failed' : 'exited', error, now, out);
      // There is nothing left to be stopped.
      if (session.kind === 'overflow') this.#roster.delete(id);
      else session.status = 'dead';
    }
  }

  #fail(session: Session, why: RestartReason, error: string, now: number, out: PoolCommand[]): void {
    if (session.status === 'recycling' || session.status === 'dead') return;
    const { backoffMs, maxBackoffMs } = this.#rules;
    const row = Math.min(Math.max(this.#failures, this.#failedTurns), 30);
    this.#spawnFrom = now + Math.min(backoffMs * 2 ** row, maxBackoffMs);
    if (session.status === 'busy') this.#failedTurns++;
    else this.#failures++;
    session.lastError = error;
    session.failed = true;
    if (session.key === null) this.lastError = error;
    session.ticket = null;
    this.#replace(session, why, out);
  }

  #replace(session: Session, why: RestartReason, out: PoolCommand[]): void {
    if (session.kind === 'pool') this.restarts.set(why, (this.restarts.get(why) ?? 0) + 1);
    this.#stop(session, out);
  }

  #stop(session: Session, out: PoolCommand[]): void {
    session.status = 'recycling';
    session.pinging = false;
    out.push({ do: 'stop', id: session.id });
  }

  #close(out: PoolCommand[]): void {
    this.#state = 'closed';
    this.#refuseAll('closed', out);
    for (const session of this.#roster.all) {
      if (session.status === 'dead') this.#roster.delete(session.id);
      else if (session.status !== 'recycling') this.#stop(session, out);
    }
  }

  #refuseAll(why: RefusalReason, out: PoolCommand[]): void {
    for (const { ticket } of this.#waiting) out.push({ do: 'refuse', ticket, why });
    this.#waiting = [];
  }

  /** Does everything that is due. */
  #settle(now: number, out: PoolCommand[]): void {
    for (const session of this.#roster.all) {
      const proves = provesAt(session);
      if (proves !== null && proves <= now) this.#prove(session);
      const due = dueAt(session, this.#rules);
      if (due !== null && due <= now) this.#due(session, now, out);
    }
    const late = this.#waiting.filter(({ deadline }) => deadline <= now);
    for (const { ticket } of late) out.push({ do: 'refuse', ticket, why: 'timeout' });
    if (late.length > 0) this.#waiting = this.#waiting.filter(({ deadline }) => deadline > now);
    this.#serve(now, out);
    // They would wait for nothing.
    if (this.broken) this.#refuseAll('broken', out);
    this.#makeRoom(out);
    if (now >= this.#spawnFrom)
      for (let n = this.#roster.missing; n > 0; n--) this.#spawn('pool', this.#rules.model, now, out);
    this.#overflow(now, out);
    this.#hasten(out);
  }

  #prove(session: Session): void {
    if (session.proven) return;
    session.proven = true;
    this.#failures = 0;
  }

  #due(session: Session, now: number, out: PoolCommand[]): void {
    if (session.status === 'starting')
      this.#fail(session, 'spawn_failed', 'it was not ready in time', now, out);
    else if (session.pinging) this.#fail(session, 'ping_failed', 'it gave no sign of life', now, out);
    else if (pingMs(this.#rules) === null) this.#replace(session, 'idle', out);
    else {
      session.pinging = true;
      session.since = now;
      out.push({ do: 'ping', id: session.id });
    }
  }

  /** Gives sessions to whoever waits, in order. */
  #serve(now: number, out: PoolCommand[]): void {
    const left: Waiting[] = [];
    for (const waiting of this.#waiting) {
      const session = this.#roster.idleFor(waiting);
      if (session === undefined) left.push(waiting);
      else {
        session.status = 'busy';
        session.ticket = waiting.ticket;
        session.key = waiting.key;
        session.since = now;
        out.push({ do: 'serve', ticket: waiting.ticket, id: session.id, cold: session.kind === 'overflow' });
      }
    }
    if (left.length < this.#waiting.length) this.#waiting = left;
  }

  /** Replaces sessions that are idle, and that those who wait cannot have because others have spoken with them. */
  #makeRoom(out: PoolCommand[]): void {
    if (this.#waiting.length === 0 || this.#rules.maxTurns === 1) return;
    const theirs = this.#roster.takenIdle();
    for (const { model } of this.#waiting.slice(this.#roster.starting)) {
      const at = theirs.findIndex((session) => this.#roster.fits(session, model));
      if (at >= 0) for (const session of theirs.splice(at, 1)) this.#replace(session, 'taken', out);
    }
  }

  /** Ends those that were told to stop long ago, and in whose place others could be. */
  #hasten(out: PoolCommand[]): void {
    let short = Math.min(this.#roster.missingNow, this.#roster.missingNow - this.#roster.room);
    for (const session of this.#roster.all) {
      if (short <= 0) return;
      if (session.status !== 'recycling') continue;
      short--;
      if (session.killed) continue;
      session.killed = true;
      out.push({ do: 'kill', id: session.id });
    }
  }

  /** Those who wait and have no cold session coming, with the time from which on one may be started for them. */
  #wanted(): { readonly model: string; readonly at: number }[] {
    const coming = this.#roster.coldStarting();
    const wanted: { model: string; at: number }[] = [];
    for (const { model, since } of this.#waiting) {
      const own = coming.findIndex((session) => this.#roster.fits(session, model));
      if (own >= 0) {
        coming.splice(own, 1);
        continue;
      }
      // No warm session will ever be of another model.
      const at = this.#roster.fits(this.#rules, model) ? since + this.#rules.overflowWaitMs : since;
      wanted.push({ model, at: Math.max(at, this.#spawnFrom) });
    }
    return wanted;
  }

  #overflow(now: number, out: PoolCommand[]): void {
    for (const { model, at } of this.#wanted()) {
      if (at > now) continue;
      if (!this.#roster.mayOverflow) return;
      this.overflows++;
      // A model that the program does not know is then the request's failure, not the session's.
      this.#spawn('overflow', this.#rules.switchesModel ? this.#rules.model : model, now, out);
    }
  }

  /** Whether nothing works, and has not for several tries. */
  get broken(): boolean {
    return this.#failures >= this.#rules.degradedAfter && !this.#roster.works;
  }

  #spawn(kind: Session['kind'], model: string, now: number, out: PoolCommand[]): void {
    const id = this.#nextId();
    this.#roster.add(id, kind, model, now);
    out.push({ do: 'spawn', id, kind, model });
  }
}
