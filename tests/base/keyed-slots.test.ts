import fc from 'fast-check';
import { expect, test } from 'vitest';
import { type Keyed, KeyedSlots } from '../../src/base/keyed-slots.ts';

interface Entry extends Keyed<Entry> {}

test('is what a map is, whatever comes and goes', () => {
  // Few keys, of which several are in one list.
  const keys = fc.constantFrom('', 'a', 'b', 'ab', 'x12345678', 'y12345678', 'z12345678');
  fc.assert(
    fc.property(fc.array(fc.tuple(keys, fc.boolean())), (steps) => {
      const slots = new KeyedSlots<Entry>();
      const map = new Map<string, Entry>();
      for (const [key, adds] of steps) {
        const known = map.get(key);
        expect(slots.get(key)).toBe(known);
        if (adds && known === undefined) {
          const entry: Entry = { key, chain: 0, next: null };
          slots.add(entry);
          map.set(key, entry);
        } else if (!adds) {
          expect(slots.delete(known ?? { key, chain: 0, next: null })).toBe(map.delete(key));
        }
        expect(slots.size).toBe(map.size);
      }
      const all = slots.entries();
      expect(all).toHaveLength(map.size);
      for (const entry of map.values()) expect(all).toContain(entry);
    }),
  );
});
