import { ErrorReason } from '../../gen/llmgateway/v1/error_pb.js';
import { GatewayError } from '../errors/gateway-error.ts';
import type { ResilienceRules } from './rules.ts';

type Rules = Pick<ResilienceRules, 'bulkhead' | 'ownConcurrent'>;

/**
 * Bounds the calls that are under way at one provider, so that a slow one does not take what the others need. cockatiel's
 * bulkhead runs what it bounds: here a place is held until a stream has ended, and those who wait do so for a time, and leave when
 * their client does.
 */
export class Bulkhead {
  readonly #provider: string;
  readonly #rules: () => Rules;
  readonly #waiting = new Set<() => void>();
  #active = 0;

  constructor(provider: string, rules: () => Rules) {
    this.#provider = provider;
    this.#rules = rules;
  }

  get active(): number {
    return this.#active;
  }

  get waiting(): number {
    return this.#waiting.size;
  }

  /**
   * Takes a place, at once (null) or when the promise resolves; each place has to be left.
   * @throws GatewayError OVERLOADED, or what the signal aborts with; no place is taken then
   */
  enter(signal: AbortSignal): Promise<void> | null {
    if (this.#active < this.#limit()) {
      this.#active++;
      return null;
    }
    const { maxWaiting, maxWaitMs } = this.#rules().bulkhead;
    if (this.#waiting.size >= maxWaiting) throw this.#full();
    return new Promise((resolve, reject) => {
      const over = (): void => {
        clearTimeout(timer);
        signal.removeEventListener('abort', leave);
        this.#waiting.delete(go);
      };
      const go = (): void => {
        over();
        resolve();
      };
      const leave = (): void => {
        over();
        reject(signal.reason);
      };
      const timer = setTimeout(() => {
        over();
        reject(this.#full());
      }, maxWaitMs);
      signal.addEventListener('abort', leave, { once: true });
      this.#waiting.add(go);
    });
  }

  leave(): void {
    const [next] = this.#waiting;
    // The place goes over to who waits the longest, unless fewer are allowed by now.
    if (next !== undefined && this.#active <= this.#limit()) next();
    else this.#active--;
  }

  #limit(): number {
    const { bulkhead, ownConcurrent } = this.#rules();
    const most = ownConcurrent.get(this.#provider) ?? bulkhead.maxConcurrent;
    return most === 0 ? Number.POSITIVE_INFINITY : most;
  }

  #full(): GatewayError {
    return new GatewayError(
      ErrorReason.OVERLOADED,
      `provider ${this.#provider} has as many calls under way as it may have`,
      { provider: this.#provider, retryAfterMs: 1_000 },
    );
  }
}
