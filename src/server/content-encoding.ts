import { promisify } from 'node:util';
import zlib from 'node:zlib';

/**
 * Decompresses in the thread pool.
 * @throws an error with code ERR_BUFFER_TOO_LARGE as soon as the output exceeds `maxBytes`; others for bad input
 */
export type Decode = (body: Buffer, maxBytes: number) => Promise<Buffer>;

type Unzip = (body: Buffer, options: { maxOutputLength: number }) => Promise<Buffer>;

const bounded =
  (unzip: Unzip): Decode =>
  (body, maxBytes) =>
    // zlib wants at least 1.
    unzip(body, { maxOutputLength: Math.max(1, maxBytes) });

const gunzip = bounded(promisify(zlib.gunzip) as Unzip);
const inflate = bounded(promisify(zlib.inflate) as Unzip);
const inflateRaw = bounded(promisify(zlib.inflateRaw) as Unzip);

const DECODERS: ReadonlyMap<string, Decode> = new Map([
  ['gzip', gunzip],
  ['x-gzip', gunzip],
  ['br', bounded(promisify(zlib.brotliDecompress) as Unzip)],
  ['zstd', bounded(promisify(zlib.zstdDecompress) as Unzip)],
  // Some clients send the bare format under this name (RFC 9110, 8.4.1.2).
  ['deflate', (body, maxBytes) => (hasZlibHeader(body) ? inflate : inflateRaw)(body, maxBytes)],
]);

/** The decoder of a content-encoding header; undefined for unknown codings and for several at once. */
export function findDecoder(contentEncoding: string): Decode | undefined {
  return DECODERS.get(contentEncoding.trim().toLowerCase());
}

/** RFC 1950, 2.2: method 8, and the two bytes together a multiple of 31. */
function hasZlibHeader(body: Buffer): boolean {
  return body.length >= 2 && (body[0]! & 0x0f) === 8 && body.readUInt16BE(0) % 31 === 0;
}
