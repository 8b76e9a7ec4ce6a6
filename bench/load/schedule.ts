// When calls start: as soon as they can, or evenly spread over time whatever is asked.

/** How often it is looked whether a call is due, in milliseconds. */
const TICK_MS = 1;

export class Schedule {
  readonly #everyMs: number;
  readonly #until: number;
  readonly #waiting: ((due: boolean) => void)[] = [];
  #timer: NodeJS.Timeout | undefined;
  #due: number;

  /** `rate` is in calls per second; 0 stands for no limit. Nothing starts after `until` (of `performance.now`). */
  constructor(rate: number, until: number) {
    this.#everyMs = rate === 0 ? 0 : 1000 / rate;
    this.#until = until;
    this.#due = performance.now();
  }

  /** Says when the next call is due, and false when the time is over. */
  next(begin: (due: boolean) => void): void {
    const over = performance.now() >= this.#until;
    if (over || this.#everyMs === 0) {
      begin(!over);
      return;
    }
    this.#waiting.push(begin);
    this.#timer ??= setInterval(() => this.#tick(), TICK_MS);
  }

  #tick(): void {
    const now = performance.now();
    const over = now >= this.#until;
    while (this.#waiting.length > 0 && (over || this.#due <= now)) {
      this.#due += this.#everyMs;
      this.#waiting.shift()?.(!over);
    }
    if (this.#waiting.length > 0) return;
    clearInterval(this.#timer);
    this.#timer = undefined;
    // Nobody waits: what a slow system missed is not made up for.
    this.#due = Math.max(this.#due, now);
  }
}
