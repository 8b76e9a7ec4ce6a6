import { ErrorReason } from '../../gen/llmgateway/v1/error_pb.js';
import { LightSignal } from '../base/light-signal.ts';
import { GatewayError } from '../errors/gateway-error.ts';

/** A signal of one attempt: aborts with the call's, and can be aborted alone. Made only where that may be needed. */
export class Branch {
  readonly signal = new LightSignal();
  readonly #unfollow: () => void;
  #firstToken: NodeJS.Timeout | undefined;
  #total: NodeJS.Timeout | undefined;

  constructor(parent: AbortSignal) {
    this.#unfollow = this.signal.follow(parent);
  }

  /** Bounds the time until the first output, and until the end, in milliseconds. */
  limit(provider: string, firstTokenMs: number | undefined, totalMs: number | undefined): void {
    const late = (what: string) => (): void =>
      this.stop(new GatewayError(ErrorReason.UPSTREAM_TIMEOUT, `provider ${provider} ${what}`, { provider }));
    if (firstTokenMs !== undefined) {
      this.#firstToken = setTimeout(late('gave no first output in time'), firstTokenMs);
    }
    if (totalMs !== undefined) this.#total = setTimeout(late('did not come to an end in time'), totalMs);
  }

  firstOutput(): void {
    clearTimeout(this.#firstToken);
  }

  stop(reason: GatewayError): void {
    this.signal.abort(reason);
  }

  /** The attempt is over. */
  release(): void {
    clearTimeout(this.#firstToken);
    clearTimeout(this.#total);
    this.#unfollow();
  }
}
