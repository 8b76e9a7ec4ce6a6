import { crc32 } from 'node:zlib';

/** Headers of a message; texts only, as Bedrock sends. */
export type FrameHeaders = Readonly<Record<string, string>>;

const textHeader = (name: string, value: string): Buffer => {
  const nameBytes = Buffer.from(name);
  const valueBytes = Buffer.from(value);
  const length = Buffer.alloc(2);
  length.writeUInt16BE(valueBytes.length);
  return Buffer.concat([Buffer.from([nameBytes.length]), nameBytes, Buffer.from([7]), length, valueBytes]);
};

/** A message around header bytes and a payload, with both checksums. */
export function rawFrame(headers: Buffer, payload: Buffer): Buffer {
  const head = Buffer.alloc(12);
  head.writeUInt32BE(12 + headers.length + payload.length + 4, 0);
  head.writeUInt32BE(headers.length, 4);
  head.writeUInt32BE(crc32(head.subarray(0, 8)), 8);
  const body = Buffer.concat([head, headers, payload]);
  const end = Buffer.alloc(4);
  end.writeUInt32BE(crc32(body));
  return Buffer.concat([body, end]);
}

/** A message of the event stream. */
export const frame = (headers: FrameHeaders, payload: string | Buffer): Buffer =>
  rawFrame(
    Buffer.concat(Object.entries(headers).map(([name, value]) => textHeader(name, value))),
    Buffer.from(payload),
  );

/** An event of ConverseStream. */
export const eventFrame = (type: string, payload: unknown): Buffer =>
  frame(
    { ':event-type': type, ':content-type': 'application/json', ':message-type': 'event' },
    JSON.stringify(payload),
  );

/** An exception in the middle of a stream. */
export const exceptionFrame = (type: string, payload: unknown): Buffer =>
  frame(
    { ':exception-type': type, ':content-type': 'application/json', ':message-type': 'exception' },
    JSON.stringify(payload),
  );
