import { once } from 'node:events';
import type { Transform } from 'node:stream';
import { createBrotliDecompress, createUnzip, createZstdDecompress } from 'node:zlib';
import { collect, DEFAULT_MAX_BODY_BYTES, type UpstreamBody } from './body.ts';
import { UpstreamError } from './errors.ts';

const DECODERS: Record<string, (() => Transform) | undefined> = {
  gzip: createUnzip,
  'x-gzip': createUnzip,
  deflate: createUnzip,
  br: createBrotliDecompress,
  zstd: createZstdDecompress,
};

/**
 * A body with its content coding undone, as a stream: what the upstream flushed can be read at once. We never
 * ask for one, some upstreams (and the proxies before them) compress all the same.
 * @returns `null` for a coding that is unknown, or a list of codings
 */
export function decodeBody(body: UpstreamBody, contentEncoding: string): UpstreamBody | null {
  const coding = contentEncoding.trim().toLowerCase();
  if (coding === '' || coding === 'identity') return body;
  const create = DECODERS[coding];
  return create === undefined ? null : new DecodedBody(body, create());
}

/** Holds at most the decoder's own buffers: it takes a chunk from the body only when it has room. */
class DecodedBody implements UpstreamBody {
  readonly #body: UpstreamBody;
  readonly #decoder: Transform;
  readonly #output: AsyncIterator<Buffer>;
  #failure: { reason: unknown } | null = null;

  constructor(body: UpstreamBody, decoder: Transform) {
    this.#body = body;
    this.#decoder = decoder;
    this.#output = decoder[Symbol.asyncIterator]();
    decoder.once('error', (error) => {
      this.#failure ??= {
        reason: new UpstreamError('protocol', 'body', 'the response is not validly compressed', error),
      };
      body.cancel();
    });
    void this.#feed();
  }

  async #feed(): Promise<void> {
    try {
      let chunk = await this.#body.read();
      // No body at all (204, HEAD) is fine, but nothing that a decoder would accept.
      if (chunk === null) {
        this.#decoder.push(null);
        return;
      }
      for (; chunk !== null; chunk = await this.#body.read()) {
        if (!this.#decoder.write(chunk)) await once(this.#decoder, 'drain');
      }
      this.#decoder.end();
    } catch (reason) {
      this.#failure ??= { reason };
      this.#decoder.destroy(new Error('the compressed body failed'));
    }
  }

  async read(): Promise<Buffer | null> {
    try {
      const next = await this.#output.next();
      if (this.#failure === null) return next.done === true ? null : next.value;
    } catch (error) {
      this.#failure ??= { reason: error };
    }
    throw this.#failure.reason;
  }

  bytes(maxBytes: number = DEFAULT_MAX_BODY_BYTES): Promise<Buffer> {
    return collect(this, maxBytes);
  }

  async text(maxBytes: number = DEFAULT_MAX_BODY_BYTES): Promise<string> {
    return (await collect(this, maxBytes)).toString('utf8');
  }

  cancel(): void {
    this.#failure ??= { reason: new UpstreamError('aborted', 'body', 'the response was cancelled') };
    this.#body.cancel();
    this.#decoder.destroy();
  }
}
