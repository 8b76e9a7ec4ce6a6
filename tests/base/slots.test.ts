import fc from 'fast-check';
import { expect, test } from 'vitest';
import { Slots, type Slotted } from '../../src/base/slots.ts';

test('are a set, whatever comes and goes', () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.boolean(), fc.nat(9))), (steps) => {
      const all = Array.from({ length: 10 }, (_, id): Slotted & { id: number } => ({ slot: -1, id }));
      const slots = new Slots<(typeof all)[number]>();
      const set = new Set<number>();
      for (const [add, id] of steps) {
        const entry = all[id]!;
        if (!add) expect(slots.delete(entry)).toBe(set.delete(id));
        else if (!set.has(id)) {
          slots.add(entry);
          set.add(id);
        }
        expect(slots.size).toBe(set.size);
      }
      const ids = slots.entries().map(({ id }) => id);
      expect(ids.toSorted()).toEqual([...set].toSorted());
      expect(slots.least(({ id }) => id)).toBe(Math.min(...set));
      expect(slots.filter(({ id }) => id > 4).length).toBe([...set].filter((id) => id > 4).length);
    }),
  );
});
