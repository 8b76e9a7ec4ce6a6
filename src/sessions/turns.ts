/** Callers of this process that want the same thing, one after the other in the order in which they came. */
export class Turns {
  readonly #lines = new Map<string, (() => void)[]>();
  readonly #mostWaiting: number;

  /** @param mostWaiting how many may wait for one thing */
  constructor(mostWaiting: number) {
    this.#mostWaiting = mostWaiting;
  }

  /**
   * Waits for one's turn, which then has to be given up with `leave`.
   * @returns false when it did not come in time, or too many wait already; there is nothing to give up then
   * @throws what `signal` aborts with
   */
  async enter(key: string, waitMs: number, signal: AbortSignal): Promise<boolean> {
    const line = this.#lines.get(key);
    if (line === undefined) {
      this.#lines.set(key, []);
      return true;
    }
    if (this.isFull(key)) return false;
    return new Promise((resolve, reject) => {
      const stop = (): void => {
        clearTimeout(timer);
        signal.removeEventListener('abort', onAbort);
      };
      const giveUp = (): void => {
        stop();
        line.splice(line.indexOf(come), 1);
      };
      const come = (): void => {
        stop();
        resolve(true);
      };
      const onAbort = (): void => {
        giveUp();
        reject(signal.reason);
      };
      const timer = setTimeout(() => {
        giveUp();
        resolve(false);
      }, waitMs);
      line.push(come);
      signal.addEventListener('abort', onAbort, { once: true });
    });
  }

  isFull(key: string): boolean {
    return (this.#lines.get(key)?.length ?? 0) >= this.#mostWaiting;
  }

  leave(key: string): void {
    const next = this.#lines.get(key)?.shift();
    if (next === undefined) this.#lines.delete(key);
    else next();
  }
}
