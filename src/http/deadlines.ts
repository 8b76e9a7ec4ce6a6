import { Slots, type Slotted } from '../base/slots.ts';

/** Something that has to happen at a time which keeps moving. */
export interface Deadline extends Slotted {
  /** When, on the clock of `performance.now()` (ms); `Infinity` for never. The owner moves it as it likes. */
  deadline: number;
  /** Called once the deadline has passed, after the entry was removed. Must not throw. */
  expire(): void;
}

/** A timer that comes later than this means that the event loop was blocked. */
const MAX_LATE_MS = 20;

/**
 * Many deadlines on one timer. A stream that moves its deadline with every chunk would otherwise create or
 * re-arm a timer per chunk; here that is one assignment. The timer sleeps until the earliest deadline it
 * knows of, looks at all entries, and sleeps again; without entries there is no timer. It never keeps the
 * process alive.
 */
export class Deadlines {
  readonly #entries = new Slots<Deadline>();
  readonly #granularityMs: number;
  #timer: NodeJS.Timeout | null = null;
  #wakeAt = Infinity;
  #overslept = false;

  /** @param granularityMs the shortest time between two looks; a deadline is met at most that much late */
  constructor(granularityMs = 10) {
    this.#granularityMs = granularityMs;
  }

  /** Entries at present. */
  get size(): number {
    return this.#entries.size;
  }

  /** The entry must not be in any `Deadlines` yet. */
  add(entry: Deadline): void {
    this.#entries.add(entry);
    this.soonest(entry.deadline);
  }

  /** Without effect when the entry isn't in. */
  delete(entry: Deadline): void {
    this.#entries.delete(entry);
  }

  /** To be told when an entry's deadline may have moved forward in time; for later ones there's no need. */
  soonest(deadline: number): void {
    if (deadline < this.#wakeAt) this.#sleep(deadline, performance.now());
  }

  #sleep(until: number, now: number): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#wakeAt = until;
    // setTimeout takes 31 bits of milliseconds; waking too early only means sleeping again.
    this.#timer = setTimeout(this.#look, Math.min(Math.max(Math.ceil(until - now), 1), 0x7fffffff));
    this.#timer.unref();
  }

  readonly #look = (): void => {
    const now = performance.now();
    const late = now - this.#wakeAt > MAX_LATE_MS;
    this.#timer = null;
    this.#wakeAt = Infinity;
    // Timers go before sockets: after the event loop was blocked, what would have moved a deadline may lie
    // unread.
    if (late && !this.#overslept) {
      this.#overslept = true;
      this.#sleep(now + 1, now);
      return;
    }
    this.#overslept = false;
    const due = this.#entries.filter((entry) => entry.deadline <= now);
    for (const entry of due) {
      // One that expires may take others with it.
      if (entry.slot === -1) continue;
      this.delete(entry);
      entry.expire();
    }
    const next = this.#entries.least(({ deadline }) => deadline);
    if (next < this.#wakeAt) this.#sleep(Math.max(next, now + this.#granularityMs), now);
  };
}
