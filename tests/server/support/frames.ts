/** Bytes of HTTP/2 frames (RFC 9113, 4.1), for clients that misbehave in ways real ones can't be told to. */

const PREFACE = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 'latin1');

const END_STREAM = 0x1;
const END_HEADERS = 0x4;

export function frame(
  type: number,
  flags: number,
  stream: number,
  payload: Buffer = Buffer.alloc(0),
): Buffer {
  const head = Buffer.alloc(9);
  head.writeUIntBE(payload.length, 0, 3);
  head[3] = type;
  head[4] = flags;
  head.writeUInt32BE(stream, 5);
  return Buffer.concat([head, payload]);
}

/** The client's preface with its empty SETTINGS. */
export const HELLO = Buffer.concat([PREFACE, frame(4, 0, 0)]);

/** `POST /` (or `GET /`, which has no body) to authority `a`. */
export function headers(stream: number, method: 'GET' | 'POST'): Buffer {
  // RFC 7541, appendix A: 2 and 3 are the methods, 6 http, 4 the path /, 1 the authority's name.
  const block = Buffer.from([method === 'GET' ? 0x82 : 0x83, 0x86, 0x84, 0x41, 1, 'a'.charCodeAt(0)]);
  return frame(1, END_HEADERS | (method === 'GET' ? END_STREAM : 0), stream, block);
}

export function data(stream: number, bytes: Buffer, end = false): Buffer {
  return frame(0, end ? END_STREAM : 0, stream, bytes);
}

export function reset(stream: number, code: number): Buffer {
  return frame(3, 0, stream, uint32(code));
}

export function windowUpdate(stream: number, increment: number): Buffer {
  return frame(8, 0, stream, uint32(increment));
}

/** Types of the frames received so far; the last may be incomplete. */
export function frameTypes(bytes: Buffer): number[] {
  const types: number[] = [];
  for (let at = 0; at + 9 <= bytes.length; at += 9 + bytes.readUIntBE(at, 3)) types.push(bytes[at + 3]!);
  return types;
}

function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}
