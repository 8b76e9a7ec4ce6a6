import { promisify } from 'node:util';
import { zstdCompress, zstdCompressSync, zstdDecompress, zstdDecompressSync } from 'node:zlib';
import type { GatewayError } from '../errors/gateway-error.ts';
import { unavailable } from './unavailable.ts';

// How large values are stored: a byte that says how, then the bytes themselves (0), or their length in four bytes, the most significant
// one first, and what zstd made of them (1). The length is there to be read without unpacking; Redis's scripts do.

const plain = 0;
const compressed = 1;
const headerBytes = 5;

/** What is smaller is stored as it is. */
const worthwhileBytes = 4 * 1024;
/** What is larger is compressed off the main thread, on which nothing else would run meanwhile. */
const largeBytes = 2 ** 20;

const compress = promisify(zstdCompress);
const decompress = promisify(zstdDecompress);

/** @param bytes less than 4 GiB of them */
export async function pack(bytes: Uint8Array): Promise<Buffer> {
  if (bytes.length > worthwhileBytes) {
    const small = bytes.length < largeBytes ? zstdCompressSync(bytes) : await compress(bytes);
    if (small.length + headerBytes <= bytes.length) {
      const header = Buffer.alloc(headerBytes, compressed);
      header.writeUInt32BE(bytes.length, 1);
      return Buffer.concat([header, small]);
    }
  }
  return Buffer.concat([Buffer.of(plain), bytes]);
}

/** @throws GatewayError DEPENDENCY_UNAVAILABLE for what is damaged, or was stored by a gateway of another version */
export async function unpack(packed: Uint8Array): Promise<Uint8Array> {
  if (packed[0] === plain) return packed.subarray(1);
  try {
    if (packed[0] !== compressed) throw new Error('stored in an unknown form');
    const maxOutputLength = packedSize(packed);
    const small = packed.subarray(headerBytes);
    const options = { maxOutputLength };
    return maxOutputLength < largeBytes
      ? zstdDecompressSync(small, options)
      : await decompress(small, options);
  } catch (error) {
    throw damaged(error);
  }
}

/** How many bytes were packed. */
export const packedSize = (packed: Uint8Array): number =>
  packed[0] === compressed ? new DataView(packed.buffer, packed.byteOffset).getUint32(1) : packed.length - 1;

const lengthBytes = 4;

/** Packs several values as one, which gets smaller than each of them by itself. */
export function packList(list: readonly Uint8Array[]): Promise<Buffer> {
  const parts: Uint8Array[] = [];
  for (const bytes of list) {
    const length = Buffer.alloc(lengthBytes);
    length.writeUInt32BE(bytes.length);
    parts.push(length, bytes);
  }
  return pack(Buffer.concat(parts));
}

/** @throws GatewayError DEPENDENCY_UNAVAILABLE as unpack does */
export async function unpackList(packed: Uint8Array): Promise<Uint8Array[]> {
  const all = await unpack(packed);
  const view = new DataView(all.buffer, all.byteOffset, all.length);
  const list: Uint8Array[] = [];
  for (let at = 0; at < all.length; ) {
    const begin = at + lengthBytes;
    if (begin <= all.length) at = begin + view.getUint32(at);
    if (at < begin || at > all.length) throw damaged();
    list.push(all.subarray(begin, at));
  }
  return list;
}

const damaged = (cause?: unknown): GatewayError =>
  unavailable('the store', 'what is stored cannot be read', cause);

/** How many bytes several values have. */
export const sizeOf = (list: readonly Uint8Array[]): number =>
  list.reduce((bytes, value) => bytes + value.length, 0);
