import { isUtf8 } from 'node:buffer';

/** Bytes of a file that are looked at before all of it is: pictures, sound and archives have a zero there. */
const headSize = 1024;
const byteOrder = 0xfeff;

/**
 * The text of a file, by its bytes, since names and types say little.
 * @param isText its name or type says that it is one, in whatever encoding
 * @returns null where it is none
 */
export function textOfBytes(bytes: Uint8Array, isText = false): string | null {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  // What Windows calls Unicode.
  if (buffer.length >= 2 && buffer.readUInt16LE(0) === byteOrder) return buffer.toString('utf16le', 2);
  if (isText) return buffer.toString('utf8');
  if (buffer.subarray(0, headSize).includes(0) || !isUtf8(buffer) || buffer.includes(0)) return null;
  return buffer.toString('utf8');
}

/** Characters of base64 that have the head of a file. */
const headLength = (headSize / 3) * 4;

/** The same of a file in base64. */
export function textOfBase64(base64: string, isText = false): string | null {
  if (!isText && base64.length > headLength) {
    const head = Buffer.from(base64.slice(0, headLength), 'base64');
    if (head.includes(0) && head.readUInt16LE(0) !== byteOrder) return null;
  }
  return textOfBytes(Buffer.from(base64, 'base64'), isText);
}

/** Whether a text may be the base64 of a file, by its first characters. */
export const isBase64 = (text: string): boolean => /^[\w+/\r\n-]{16,}={0,2}\s*$/.test(text.slice(0, 128));
