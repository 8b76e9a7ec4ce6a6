import { type GatewayError, toGatewayError } from '../errors/gateway-error.ts';
import type { Probe } from './breaker.ts';
import type { ProviderState, Target } from './targets.ts';
import { verdictOf } from './verdict.ts';

/** One call to a deployment, from its permission to the end of its answer: what it takes up, and what is learned by it. */
export class Lease {
  readonly #target: Target;
  readonly #provider: ProviderState;
  /** Null when it is none, or when it is settled. */
  #probe: Probe | null;
  readonly #onOver: (() => void) | null;
  #over = false;

  /** @param onOver called once, when the answer is over */
  constructor(target: Target, provider: ProviderState, probe: Probe | null, onOver: (() => void) | null) {
    this.#target = target;
    this.#provider = provider;
    this.#probe = probe;
    this.#onOver = onOver;
    target.inFlight++;
  }

  /** It answers. Whether it comes to an end will be seen; a probe need not wait for that. */
  firstOutput(ms: number): void {
    this.#target.latency.add(ms);
    this.#target.failedAt = Number.NEGATIVE_INFINITY;
    this.#probe?.settle('alive');
    this.#probe = null;
  }

  /** The answer is over: with an error, or null when it is whole. */
  end(error: unknown): void {
    if (!this.#release()) return;
    if (error === null) this.#target.breaker.succeeded();
    else this.#count(toGatewayError(error));
  }

  /** Nobody wants the rest. */
  abandoned(): void {
    if (!this.#release()) return;
    this.#probe?.settle('left');
    this.#probe = null;
  }

  #count(error: GatewayError): void {
    const verdict = verdictOf(error);
    if (this.#probe !== null) this.#probe.settle(verdict);
    else if (verdict === 'trouble') this.#target.breaker.failed();
    else if (verdict === 'alive') this.#target.breaker.succeeded();
    this.#probe = null;
  }

  #release(): boolean {
    if (this.#over) return false;
    this.#over = true;
    this.#target.inFlight--;
    this.#provider.bulkhead.leave();
    this.#onOver?.();
    return true;
  }
}
