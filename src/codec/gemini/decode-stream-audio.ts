import { Buffer } from 'node:buffer';

/** Sound that comes in pieces, each base64 by itself, as base64 whose pieces make one when they are put together. */
export class AudioJoiner {
  #left: Buffer = Buffer.alloc(0);

  /** @returns what can be told of already */
  push(base64: string): string {
    const padded = base64.endsWith('=') || base64.length % 4 !== 0;
    if (this.#left.length === 0 && !padded) return base64;
    const bytes = Buffer.concat([this.#left, Buffer.from(base64, 'base64')]);
    const whole = bytes.length - (bytes.length % 3);
    this.#left = bytes.subarray(whole);
    return bytes.toString('base64', 0, whole);
  }

  /** @returns the rest */
  end(): string {
    const rest = this.#left.toString('base64');
    this.#left = Buffer.alloc(0);
    return rest;
  }
}
