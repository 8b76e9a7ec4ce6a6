import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import * as build from '../../src/model/build.ts';
import { sizeInDataUrl, sizeOf } from '../../src/tokens/image-size.ts';
import { countImage } from '../../src/tokens/images.ts';

const bytes = (...parts: (string | number[])[]): Buffer =>
  Buffer.concat([...parts.map((part) => Buffer.from(part as string, 'latin1')), Buffer.alloc(40)]);
const be16 = (value: number) => [value >> 8, value & 255];
const le16 = (value: number) => [value & 255, value >> 8];

const png = (width: number, height: number) =>
  bytes('\x89PNG\r\n\x1a\n', [0, 0, 0, 13], 'IHDR', [0, 0, ...be16(width), 0, 0, ...be16(height)]);
const heads: [string, Buffer][] = [
  ['PNG', png(640, 480)],
  ['GIF', bytes('GIF89a', [...le16(640), ...le16(480)])],
  [
    'WebP, lossy',
    bytes(
      'RIFF',
      [0, 0, 0, 0],
      'WEBPVP8 ',
      [0, 0, 0, 0, 0, 0, 0, 0x9d, 1, 0x2a],
      [...le16(640), ...le16(480)],
    ),
  ],
  ['WebP, lossless', bytes('RIFF', [0, 0, 0, 0], 'WEBPVP8L', [0, 0, 0, 0, 0x2f], [0x7f, 0xc2, 0x77, 0])],
  [
    'WebP, extended',
    bytes('RIFF', [0, 0, 0, 0], 'WEBPVP8X', [0, 0, 0, 0, 0, 0, 0, 0], [...le16(639), 0, ...le16(479), 0]),
  ],
  [
    'JPEG',
    bytes([0xff, 0xd8, 0xff, 0xe1, 0, 6, 1, 2, 3, 4], [0xff, 0xc2, 0, 17, 8], [...be16(480), ...be16(640)]),
  ],
];

describe('the size of a picture', () => {
  test.each(heads)('is found in a %s', (_kind, head) => {
    expect(sizeOf(head)).toEqual({ width: 640, height: 480 });
    expect(sizeInDataUrl(`data:image/x;base64,${head.toString('base64')}`)).toEqual({
      width: 640,
      height: 480,
    });
  });

  test.each([
    'https://example.com/a.png',
    'data:image/png,plain',
    'data:image/png;base64,',
    'data:image/png;base64,AAAA',
    '',
  ])('is not in %j', (url) => {
    expect(sizeInDataUrl(url)).toBeNull();
  });

  test('is never looked for beyond the end', () => {
    const anyHead = fc.constantFrom(...heads.map(([, head]) => head));
    fc.assert(
      fc.property(anyHead, fc.nat(80), fc.uint8Array({ maxLength: 20 }), (head, length, noise) => {
        const size = sizeOf(Buffer.concat([head.subarray(0, length), noise]));
        return size === null || (size.width > 0 && size.height > 0);
      }),
    );
  });
});

const image = (width: number, height: number, detail = '') =>
  build.image({ case: 'data', value: png(width, height) }, { detail });

describe('tokens of a picture', () => {
  // The examples of OpenAI's guide.
  test.each([
    [1024, 1024, 'high', 'gpt-4o', 765],
    [2048, 4096, 'high', 'gpt-4o', 1105],
    [4096, 8192, 'low', 'gpt-4o', 85],
    [512, 512, '', 'gpt-4o', 255],
    [1024, 1024, '', 'openai/gpt-4o-mini', 2833 + 4 * 5667],
    [1024, 1024, '', 'gpt-5.2', 70 + 4 * 140],
    [1024, 1024, '', 'o3', 75 + 4 * 150],
    [1024, 1024, '', 'gpt-4.1-mini', Math.ceil(1024 * 1.62)],
    [1800, 2400, '', 'o4-mini', Math.ceil(1452 * 1.72)],
  ])('%i × %i, detail %j, of %s: %i', (width, height, detail, model, tokens) => {
    expect(countImage(image(width, height, detail), model)).toBe(tokens);
  });

  test('of one that is only named are those of 1024 × 1024', () => {
    const named = build.image({ case: 'url', value: 'https://example.com/a.png' });
    expect(countImage(named, 'gpt-4o')).toBe(765);
    expect(countImage({ ...named, detail: 'low' }, 'gpt-4o')).toBe(85);
  });

  test('are bounded, whatever its head says', () => {
    for (const [width, height] of [
      [65_535, 1],
      [1, 65_535],
      [65_535, 65_535],
    ] as const) {
      for (const model of ['gpt-4o', 'gpt-5-mini']) {
        const tokens = countImage(image(width, height), model);
        expect(tokens).toBeGreaterThan(0);
        expect(tokens).toBeLessThan(4_000);
      }
    }
  });
});
