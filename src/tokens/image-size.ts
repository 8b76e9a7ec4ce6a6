/** Width and height in pixels. */
export interface ImageSize {
  readonly width: number;
  readonly height: number;
}

/** So much of a picture is looked at; cameras put a small picture before the size of the large one. */
const maxLooked = 256 * 1024;
const base64Looked = Math.ceil(maxLooked / 3) * 4;

/** The size that the head of a picture in a `data:` URL says; null when it says none. */
export function sizeInDataUrl(url: string): ImageSize | null {
  const comma = url.indexOf(',', 0);
  if (comma < 0 || comma > 256 || !/^data:[^,]*;base64$/i.test(url.slice(0, comma))) return null;
  return sizeOf(Buffer.from(url.slice(comma + 1, comma + 1 + base64Looked), 'base64'));
}

/** The size that the head of a PNG, GIF, WebP or JPEG file says; null when it says none. */
export function sizeOf(data: Uint8Array): ImageSize | null {
  const bytes = Buffer.from(data.buffer, data.byteOffset, Math.min(data.byteLength, maxLooked));
  const size = bytes.length < 30 ? null : readSize(bytes);
  return size !== null && size.width > 0 && size.height > 0 ? size : null;
}

function readSize(bytes: Buffer): ImageSize | null {
  const signature = bytes.toString('latin1', 0, 4);
  if (signature === '\x89PNG') return { width: bytes.readUInt32BE(16), height: bytes.readUInt32BE(20) };
  if (signature === 'GIF8') return { width: bytes.readUInt16LE(6), height: bytes.readUInt16LE(8) };
  if (signature === 'RIFF' && bytes.toString('latin1', 8, 12) === 'WEBP') return readWebp(bytes);
  return signature.startsWith('\xff\xd8') ? readJpeg(bytes) : null;
}

function readWebp(bytes: Buffer): ImageSize | null {
  switch (bytes.toString('latin1', 12, 16)) {
    case 'VP8 ':
      return { width: bytes.readUInt16LE(26) & 0x3fff, height: bytes.readUInt16LE(28) & 0x3fff };
    case 'VP8L': {
      const bits = bytes.readUInt32LE(21);
      return { width: (bits & 0x3fff) + 1, height: ((bits >>> 14) & 0x3fff) + 1 };
    }
    case 'VP8X':
      return { width: bytes.readUIntLE(24, 3) + 1, height: bytes.readUIntLE(27, 3) + 1 };
    default:
      return null;
  }
}

/** The size is in the frame header, a segment whose marker is between C0 and CF, without C4, C8 and CC. */
function readJpeg(bytes: Buffer): ImageSize | null {
  let at = 2;
  while (at + 9 < bytes.length && bytes[at] === 0xff) {
    const marker = bytes[at + 1] as number;
    if (marker >= 0xc0 && marker <= 0xcf && marker !== 0xc4 && marker !== 0xc8 && marker !== 0xcc) {
      return { width: bytes.readUInt16BE(at + 7), height: bytes.readUInt16BE(at + 5) };
    }
    at += 2 + bytes.readUInt16BE(at + 2);
  }
  return null;
}
