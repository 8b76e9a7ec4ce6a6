import { crc32 } from 'node:zlib';
import { UpstreamError } from './errors.ts';

/** One message of an `application/vnd.amazon.eventstream` body. */
export interface AwsEventStreamMessage {
  /**
   * Its headers by name (`:message-type`, `:event-type`, …). Values that are no text are given as one: `true`, a number, ISO 8601 for a
   * time, base64 for bytes, hexadecimal for a UUID.
   */
  readonly headers: ReadonlyMap<string, string>;
  /** A view of the bytes that came, not a copy. */
  readonly payload: Buffer;
}

/** Lengths of the whole and of the headers, and the checksum of those two. */
const preludeBytes = 12;
const checksumBytes = 4;
/** Bounds of the format: AWS allows 24 MiB of payload and 128 KiB of headers in a message. */
const maxPayloadBytes = 24 * 1024 * 1024;
const maxHeaderBytes = 128 * 1024;

/**
 * Reads AWS's binary event stream, whatever the cuts between its bytes; both checksums of every message are checked. A message is, all
 * numbers big-endian: total length (4 bytes), length of the headers (4), CRC-32 of these (4), headers, payload, CRC-32 of all before (4).
 * Source: "Event stream encoding" in the AWS documentation of Amazon Transcribe, and the smithy specification of the format.
 */
export class AwsEventStreamReader {
  readonly #maxMessageBytes: number;
  #chunks: Buffer[] = [];
  #size = 0;
  /** So many bytes are needed before anything can be done. */
  #needed = preludeBytes;

  /** @param maxMessageBytes bound of one message; default is the format's own, a little more than 24 MiB */
  constructor(maxMessageBytes = maxPayloadBytes + maxHeaderBytes + preludeBytes + checksumBytes) {
    this.#maxMessageBytes = maxMessageBytes;
  }

  /**
   * Takes the next bytes and appends the messages that they complete.
   * @throws UpstreamError `too_large` when a message exceeds its bound, `framing` when a checksum or a length is wrong; the reader
   * can't be used afterwards
   */
  push(bytes: Buffer, out: AwsEventStreamMessage[]): void {
    if (bytes.length === 0) return;
    this.#chunks.push(bytes);
    this.#size += bytes.length;
    if (this.#size < this.#needed) return;
    const all = this.#chunks.length === 1 ? bytes : Buffer.concat(this.#chunks, this.#size);
    let at = 0;
    for (;;) {
      this.#needed = preludeBytes;
      if (all.length - at < preludeBytes) break;
      const length = this.#messageLength(all, at);
      this.#needed = length;
      if (all.length - at < length) break;
      out.push(readMessage(all.subarray(at, at + length)));
      at += length;
    }
    this.#chunks = at === all.length ? [] : [at === 0 ? all : all.subarray(at)];
    this.#size = all.length - at;
  }

  /** Takes the end. @returns whether it came inside a message */
  end(_out: AwsEventStreamMessage[]): boolean {
    const truncated = this.#size > 0;
    this.#chunks = [];
    this.#size = 0;
    return truncated;
  }

  /** Checks a prelude. A wrong length is found here, before anything of that length is waited for. */
  #messageLength(all: Buffer, at: number): number {
    const length = all.readUInt32BE(at);
    const headers = all.readUInt32BE(at + 4);
    if (crc32(all.subarray(at, at + 8)) !== all.readUInt32BE(at + 8))
      throw broken('the checksum of a prelude is wrong');
    if (length > this.#maxMessageBytes) {
      throw new UpstreamError('too_large', 'body', `a message is larger than ${this.#maxMessageBytes} bytes`);
    }
    if (headers > maxHeaderBytes || preludeBytes + headers + checksumBytes > length) {
      throw broken('the lengths of a message do not fit together');
    }
    return length;
  }
}

const broken = (what: string): UpstreamError =>
  new UpstreamError('framing', 'body', `broken event stream: ${what}`);

/** @param message all its bytes; the prelude is right */
function readMessage(message: Buffer): AwsEventStreamMessage {
  const end = message.length - checksumBytes;
  if (crc32(message.subarray(0, end)) !== message.readUInt32BE(end))
    throw broken('the checksum of a message is wrong');
  const payloadAt = preludeBytes + message.readUInt32BE(4);
  try {
    return {
      headers: readHeaders(message.subarray(preludeBytes, payloadAt)),
      payload: message.subarray(payloadAt, end),
    };
  } catch (error) {
    // Reading past the end of the headers.
    throw error instanceof RangeError ? broken('a header is cut off') : error;
  }
}

/** A header is: length of the name (1 byte), name, type of the value (1), value. */
function readHeaders(bytes: Buffer): Map<string, string> {
  const headers = new Map<string, string>();
  let at = 0;
  while (at < bytes.length) {
    const nameAt = at + 1;
    const typeAt = nameAt + bytes.readUInt8(at);
    const type = bytes.readUInt8(typeAt);
    const { value, end } = readValue(bytes, type, typeAt + 1);
    headers.set(bytes.toString('utf8', nameAt, typeAt), value);
    at = end;
  }
  return headers;
}

interface HeaderValue {
  readonly value: string;
  /** Where it ends. */
  readonly end: number;
}

/** @throws RangeError past the end */
function readValue(bytes: Buffer, type: number, at: number): HeaderValue {
  switch (type) {
    case 0:
      return { value: 'true', end: at };
    case 1:
      return { value: 'false', end: at };
    case 2:
      return { value: String(bytes.readInt8(at)), end: at + 1 };
    case 3:
      return { value: String(bytes.readInt16BE(at)), end: at + 2 };
    case 4:
      return { value: String(bytes.readInt32BE(at)), end: at + 4 };
    case 5:
      return { value: String(bytes.readBigInt64BE(at)), end: at + 8 };
    case 6:
    case 7: {
      const from = at + 2;
      const end = from + bytes.readUInt16BE(at);
      if (end > bytes.length) throw new RangeError('past the end');
      return { value: bytes.toString(type === 7 ? 'utf8' : 'base64', from, end), end };
    }
    case 8: {
      const time = new Date(Number(bytes.readBigInt64BE(at)));
      return { value: Number.isNaN(time.getTime()) ? '' : time.toISOString(), end: at + 8 };
    }
    case 9: {
      if (at + 16 > bytes.length) throw new RangeError('past the end');
      return { value: bytes.toString('hex', at, at + 16), end: at + 16 };
    }
    default:
      throw broken('a header has a value of an unknown type');
  }
}
