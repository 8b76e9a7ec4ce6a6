import { randomBytes } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { ErrorReason } from '../../gen/llmgateway/v1/error_pb.js';
import { pack, packedSize, packList, sizeOf, unpack, unpackList } from '../../src/store/packed.ts';

describe('what is packed', () => {
  test.each([
    ['nothing', Buffer.alloc(0), 1],
    ['what is small', Buffer.alloc(4_096, 'x'), 4_097],
    ['what cannot be made smaller', randomBytes(100_000), 100_001],
    ['what can be made smaller', Buffer.alloc(100_000, 'words and '), 200],
    ['what is large', Buffer.alloc(5_000_000, 'words and '), 1_000],
  ])('is there again and takes no more room than it has to: %s', async (_name, value, most) => {
    const packed = await pack(value);
    expect(packed.length).toBeLessThanOrEqual(most);
    expect(packedSize(packed)).toBe(value.length);
    expect(Buffer.compare(await unpack(packed), value)).toBe(0);
  });

  test('as a list is the same list', async () => {
    for (const lengths of [[], [0], [0, 0, 3], [1, 5_000, 0, 2_000_000]]) {
      const list = lengths.map((length, i) => Buffer.alloc(length, `${i}`));
      const unpacked = await unpackList(await packList(list));
      expect(unpacked.map((value, i) => Buffer.compare(value, list[i]!))).toEqual(lengths.map(() => 0));
      expect(sizeOf(list)).toBe(lengths.reduce((sum, length) => sum + length, 0));
    }
  });

  test('and damaged is not taken for something', async () => {
    const whole = await pack(Buffer.alloc(100_000, 'x'));
    const longer = Buffer.from(whole);
    longer.writeUInt32BE(10, 1);
    const damaged = [
      Buffer.alloc(0),
      Buffer.of(9, 1, 2),
      whole.subarray(0, 3),
      whole.subarray(0, 12),
      longer,
    ];
    for (const packed of damaged) {
      await expect(unpack(packed)).rejects.toMatchObject({ reason: ErrorReason.DEPENDENCY_UNAVAILABLE });
    }
    for (const list of [Buffer.of(0, 0, 0), Buffer.of(0, 0, 0, 0, 9, 1)]) {
      await expect(unpackList(list)).rejects.toMatchObject({ reason: ErrorReason.DEPENDENCY_UNAVAILABLE });
    }
  });
});
