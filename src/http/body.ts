import { UpstreamError } from './errors.ts';

/** The largest response that is collected into memory unless the caller says otherwise: 64 MiB. */
export const DEFAULT_MAX_BODY_BYTES = 64 * 1024 * 1024;

/**
 * The body of an upstream's response, for one consumer, who must either read it to its end (or error) or
 * cancel it: until then it holds a connection.
 *
 * A body with neither length nor chunks ends with its connection: there, breaking off looks like the end.
 */
export interface UpstreamBody {
  /**
   * All bytes that have arrived since the last call, waiting if there are none; `null` at the end. While more
   * than the high-water mark lies unread, the upstream is paused.
   * @throws UpstreamError, after the bytes that came before it; the signal's reason as soon as it is aborted
   */
  read(): Promise<Buffer | null>;
  /**
   * The whole body (what has not been read of it).
   * @param maxBytes its bound, default 64 MiB, counted after decompression
   * @throws UpstreamError as `read`; `too_large` as soon as the bound is passed, when the upstream is stopped
   * too
   */
  bytes(maxBytes?: number): Promise<Buffer>;
  /** As `bytes`, decoded as UTF-8. */
  text(maxBytes?: number): Promise<string>;
  /**
   * Stops the upstream at once. A pending `read` rejects with kind `aborted`. Without effect after the end.
   */
  cancel(): void;
}

/** `UpstreamBody.bytes` for a body that can be read. */
export async function collect(body: UpstreamBody, maxBytes: number): Promise<Buffer> {
  const first = await body.read();
  if (first === null) return Buffer.alloc(0);
  const chunks: Buffer[] = [first];
  let size = first.length;
  for (;;) {
    if (size > maxBytes) {
      body.cancel();
      throw new UpstreamError(
        'too_large',
        'body',
        `the upstream's response is larger than ${maxBytes} bytes`,
      );
    }
    const chunk = await body.read();
    if (chunk === null) return chunks.length === 1 ? first : Buffer.concat(chunks, size);
    chunks.push(chunk);
    size += chunk.length;
  }
}
