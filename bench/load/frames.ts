// The little of HTTP/2 that a load generator needs: prepared frames out, frame headers in.

export const FRAME = {
  data: 0,
  headers: 1,
  rstStream: 3,
  settings: 4,
  ping: 6,
  goaway: 7,
  windowUpdate: 8,
} as const;
export const FLAG = { endStream: 1, ack: 1, endHeaders: 4 } as const;

/** RFC 9113: the largest flow-control window. */
const MAX_WINDOW = 0x7fffffff;
const DEFAULT_WINDOW = 65_535;
const SETTINGS_INITIAL_WINDOW_SIZE = 4;

export function frame(type: number, flags: number, stream: number, payload: Uint8Array): Buffer {
  const out = Buffer.alloc(9 + payload.length);
  out.writeUIntBE(payload.length, 0, 3);
  out[3] = type;
  out[4] = flags;
  out.writeUInt32BE(stream, 5);
  out.set(payload, 9);
  return out;
}

/** What a client says first. The windows are as large as can be, so that it never has to open them again. */
export function clientPreface(): Buffer {
  const setting = Buffer.alloc(6);
  setting.writeUInt16BE(SETTINGS_INITIAL_WINDOW_SIZE, 0);
  setting.writeUInt32BE(MAX_WINDOW, 2);
  const increment = Buffer.alloc(4);
  increment.writeUInt32BE(MAX_WINDOW - DEFAULT_WINDOW, 0);
  return Buffer.concat([
    Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'),
    frame(FRAME.settings, 0, 0, setting),
    frame(FRAME.windowUpdate, 0, 0, increment),
  ]);
}

export const settingsAck: Buffer = frame(FRAME.settings, FLAG.ack, 0, new Uint8Array(0));

/**
 * HPACK block (RFC 7541) of a POST without dynamic table, so that the same bytes are right for every request.
 * Names and values have to be shorter than 127 bytes.
 */
export function postHeaders(authority: string, path: string, headers: Record<string, string>): Buffer {
  const text = (value: string): Buffer => {
    if (value.length > 126) throw new Error('header too long');
    return Buffer.concat([Buffer.of(value.length), Buffer.from(value, 'latin1')]);
  };
  const parts = [
    Buffer.of(0x83, 0x86), // :method POST, :scheme http, from the static table
    Buffer.of(0x01),
    text(authority),
    Buffer.of(0x04),
    text(path),
  ];
  for (const [name, value] of Object.entries(headers)) parts.push(Buffer.of(0x00), text(name), text(value));
  return Buffer.concat(parts);
}

/** HEADERS and DATA of a request; `setStream` makes them those of another stream. */
export function requestFrames(headers: Uint8Array, body: Uint8Array): Buffer {
  return Buffer.concat([
    frame(FRAME.headers, FLAG.endHeaders, 0, headers),
    frame(FRAME.data, FLAG.endStream, 0, body),
  ]);
}

export function setStream(request: Buffer, headersLength: number, stream: number): void {
  request.writeUInt32BE(stream, 5);
  request.writeUInt32BE(stream, 9 + headersLength + 5);
}

/** Splits what arrives into frames; payloads are skipped. */
export class FrameReader {
  #header = Buffer.alloc(9);
  #have = 0;
  #skip = 0;

  push(data: Buffer, onFrame: (type: number, flags: number, stream: number) => void): void {
    let at = 0;
    while (at < data.length) {
      if (this.#skip > 0) {
        const step = Math.min(this.#skip, data.length - at);
        this.#skip -= step;
        at += step;
        continue;
      }
      const step = Math.min(9 - this.#have, data.length - at);
      data.copy(this.#header, this.#have, at, at + step);
      this.#have += step;
      at += step;
      if (this.#have < 9) return;
      this.#have = 0;
      this.#skip = this.#header.readUIntBE(0, 3);
      onFrame(this.#header[3]!, this.#header[4]!, this.#header.readUInt32BE(5) & 0x7fffffff);
    }
  }
}
