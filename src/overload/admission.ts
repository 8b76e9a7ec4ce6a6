import { ErrorReason } from '../../gen/llmgateway/v1/error_pb.js';
import { GatewayError, type LoadFacts } from '../errors/gateway-error.ts';
import type { Logger } from '../observability/log.ts';
import { type MemoryWatch, mebibytes, type Pressure } from './memory.ts';

export interface AdmissionLimits {
  /** Calls at the same time. */
  readonly maxConcurrent: number;
  /** Calls that wait. */
  readonly maxWaiting: number;
  readonly maxWaitMs: number;
  /** Bytes of all bodies of calls under way. */
  readonly maxBodyBytes: number;
  /** Waiting calls from which on the log warns. */
  readonly warnAt: number;
}

export interface AdmissionOptions {
  readonly limits: () => AdmissionLimits;
  readonly memory: Pick<MemoryWatch, 'pressure' | 'state' | 'bounds'>;
  readonly log: Logger;
}

/** When a refused client had better try again. */
const retryAfterMs = 5_000;

/** Decides which calls may go on: so many at a time, the others in the order in which they came, within bounds. */
export class Admission {
  readonly #options: AdmissionOptions;
  /** In order of arrival. */
  readonly #waiting = new Set<Place>();
  #active = 0;
  #bytes = 0;
  #warned = false;
  #closed: GatewayError | null = null;

  constructor(options: AdmissionOptions) {
    this.#options = options;
  }

  /** Calls under way. */
  get active(): number {
    return this.#active;
  }

  get waiting(): number {
    return this.#waiting.size;
  }

  /** Bytes of the bodies of calls under way. */
  get bodyBytes(): number {
    return this.#bytes;
  }

  get pressure(): Pressure {
    return this.#options.memory.pressure;
  }

  get limits(): AdmissionLimits {
    return this.#options.limits();
  }

  /** Whether a call that came now would be taken, at once or after a wait. */
  get accepting(): boolean {
    if (this.#closed !== null || this.#options.memory.pressure === 'critical') return false;
    const { maxConcurrent, maxWaiting } = this.limits;
    return this.#active < maxConcurrent || this.#waiting.size < maxWaiting;
  }

  /** @throws GatewayError OVERLOADED as long as there is too little memory for anything new */
  checkMemory(): void {
    if (this.#options.memory.pressure === 'critical') {
      throw this.#overloaded('the gateway is short of memory');
    }
  }

  /**
   * Takes a call in. It has to leave its place, whatever becomes of it; `ready` says when it may go on, null: now.
   * @param bytes of its body, as far as is known
   * @throws GatewayError OVERLOADED, DRAINING
   */
  enter(bytes: number): Place {
    if (this.#closed !== null) throw this.#closed;
    this.checkMemory();
    const limits = this.limits;
    if (this.#waiting.size === 0 && this.#hasRoom(bytes, limits)) {
      this.#active++;
      this.#bytes += bytes;
      return new Place(this.#ended, bytes, null);
    }
    const { size } = this.#waiting;
    if (size >= limits.maxWaiting) {
      throw this.#overloaded(`the gateway has ${this.#active} calls under way and ${size} waiting`);
    }
    return this.#queue(bytes, limits);
  }

  /** From now on nothing is taken in any more, and what waits is sent away. */
  close(error: GatewayError): void {
    this.#closed = error;
    for (const place of this.#waiting) place.refuse?.(error);
    this.#waiting.clear();
  }

  #queue(bytes: number, { maxWaitMs, maxWaiting, warnAt }: AdmissionLimits): Place {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    // A client that leaves while it waits is nobody's error.
    promise.catch(() => {});
    const place = new Place(this.#ended, bytes, promise);
    this.#waiting.add(place);
    const timer = setTimeout(() => {
      this.#waiting.delete(place);
      place.refuse?.(this.#overloaded('the call has waited too long for others to end'));
      // Behind one with a large body there may be some that have room.
      this.#next();
    }, maxWaitMs);
    const settle = (end: () => void): void => {
      clearTimeout(timer);
      place.admit = null;
      place.refuse = null;
      end();
    };
    place.admit = () => settle(resolve);
    place.refuse = (reason) => settle(() => reject(reason));
    if (this.#waiting.size >= warnAt && !this.#warned) {
      this.#warned = true;
      const fields = { waiting: this.#waiting.size, active: this.#active, queue_size: maxWaiting };
      this.#options.log.warn('calls are waiting', fields);
    }
    return place;
  }

  #hasRoom(bytes: number, { maxConcurrent, maxBodyBytes }: AdmissionLimits): boolean {
    if (this.#active >= maxConcurrent) return false;
    // One that is larger than all may be, or has come to be, goes alone.
    return bytes === 0 || this.#bytes === 0 || this.#bytes + bytes <= maxBodyBytes;
  }

  readonly #ended = (place: Place, grown: number | null): void => {
    if (grown !== null) {
      this.#bytes += grown;
      return;
    }
    if (place.admit !== null) {
      this.#waiting.delete(place);
      place.refuse?.(clientLeft);
    } else if (place.isActive) {
      this.#active--;
      this.#bytes -= place.bytes;
    }
    this.#next();
  };

  #next(): void {
    const limits = this.limits;
    for (const place of this.#waiting) {
      if (!this.#hasRoom(place.bytes, limits)) break;
      this.#waiting.delete(place);
      this.#active++;
      this.#bytes += place.bytes;
      place.isActive = true;
      place.admit?.();
    }
    // Not at each crossing of a queue that is just that long.
    if (this.#warned && this.#waiting.size < limits.warnAt / 2) {
      this.#warned = false;
      this.#options.log.info('few calls are waiting any more', { waiting: this.#waiting.size });
    }
  }

  #overloaded(message: string): GatewayError {
    const { state, bounds } = this.#options.memory;
    const load: LoadFacts = {
      memoryMb: mebibytes(state.rss),
      thresholdMb: mebibytes(bounds.hardBytes),
      activeRequests: this.#active,
      maxConcurrent: this.limits.maxConcurrent,
    };
    return new GatewayError(
      ErrorReason.OVERLOADED,
      `${message}; try again in ${retryAfterMs / 1_000} seconds`,
      {
        retryAfterMs,
        load,
      },
    );
  }
}

const clientLeft = new GatewayError(ErrorReason.CANCELLED, 'the client left while its call waited');

/** The place of one call. */
export class Place {
  /** Resolves when the call may go on, rejects when it may not; null: it may now. */
  readonly ready: Promise<void> | null;
  bytes: number;
  /** Set as long as it waits. */
  admit: (() => void) | null = null;
  refuse: ((error: GatewayError) => void) | null = null;
  isActive: boolean;
  readonly #change: (place: Place, grown: number | null) => void;
  #left = false;

  constructor(
    change: (place: Place, grown: number | null) => void,
    bytes: number,
    ready: Promise<void> | null,
  ) {
    this.#change = change;
    this.bytes = bytes;
    this.ready = ready;
    this.isActive = ready === null;
  }

  /** More of the body has come than was known of. */
  grow(bytes: number): void {
    if (this.#left) return;
    this.bytes += bytes;
    if (this.isActive) this.#change(this, bytes);
  }

  /** The call is over, or its client has left. Again: without effect. */
  leave(): void {
    if (this.#left) return;
    this.#left = true;
    this.#change(this, null);
    this.isActive = false;
  }
}
