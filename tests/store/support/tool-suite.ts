import { randomUUID } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import type { StoredTool, ToolBounds, ToolStore } from '../../../src/tools/store.ts';

export interface ToolStoresUnderTest {
  readonly store: ToolStore;
  /** A second process's view of the same data. */
  readonly other: ToolStore;
}

const bounds: ToolBounds = { tools: 5, bytes: 10_000 };

const make = (name: string, changes: Partial<StoredTool> = {}): StoredTool => ({
  name,
  description: 'ä "quoted" 😀',
  parametersJson: '{ "type": "object",\n "n": 12345678901234567890 }',
  handler: { url: 'https://x.example/', method: 'POST', headers: { 'x-key': 'hush' }, timeoutMs: null },
  createdUs: 1,
  ...changes,
});

/** What every store of registered tools has to do. */
export function toolSuite(under: () => ToolStoresUnderTest): void {
  describe('a registered tool', () => {
    test('is read as it was given, by every process at once', async () => {
      const tenant = randomUUID();
      const { store, other } = under();
      const tool = make('t');
      expect(await store.register(tenant, tool, bounds)).toBe('registered');
      expect(await other.read(tenant, 't')).toEqual(tool);
      expect(await other.list(tenant)).toEqual([tool]);
      expect(await other.register(tenant, make('t', { description: 'other' }), bounds)).toBe('taken');
      expect(await store.read(tenant, 't')).toEqual(tool);
    });

    test('is gone once deleted, and its name free', async () => {
      const tenant = randomUUID();
      const { store, other } = under();
      await store.register(tenant, make('t'), bounds);
      expect(await other.delete(tenant, 't')).toBe(true);
      expect(await other.delete(tenant, 't')).toBe(false);
      expect(await store.read(tenant, 't')).toBeNull();
      expect(await store.list(tenant)).toEqual([]);
      expect(await store.register(tenant, make('t'), bounds)).toBe('registered');
    });

    test('is its own tenant’s', async () => {
      const { store } = under();
      const [one, two] = [`${randomUUID()} {}`, randomUUID()];
      await store.register(one, make('t'), bounds);
      expect(await store.read(two, 't')).toBeNull();
      expect(await store.read('', 't')).toBeNull();
      expect(await store.list(two)).toEqual([]);
      expect(await store.delete(two, 't')).toBe(false);
      expect(await store.register(two, make('t'), bounds)).toBe('registered');
      expect((await store.list(one)).length).toBe(1);
    });

    test('is found by odd names, too', async () => {
      const { store } = under();
      for (const name of ['__proto__', '', "x' OR 1=1", 'ä'.repeat(100)])
        expect(await store.read('', name)).toBeNull();
      const tenant = randomUUID();
      await store.register(tenant, make('__proto__'), bounds);
      expect((await store.read(tenant, '__proto__'))?.name).toBe('__proto__');
    });
  });

  test('the list is in the order of registration', async () => {
    const tenant = randomUUID();
    const order = ['z', 'b', 'a', 'y'];
    for (const [i, name] of order.entries())
      await under().store.register(tenant, make(name, { createdUs: i < 2 ? i : 7 }), bounds);
    expect((await under().other.list(tenant)).map(({ name }) => name)).toEqual(order);
  });

  test('a tenant has as many as it may, however many register at once', async () => {
    const tenant = randomUUID();
    const { store, other } = under();
    const results = await Promise.all(
      Array.from({ length: 20 }, (_, i) => (i % 2 ? store : other).register(tenant, make(`t${i}`), bounds)),
    );
    expect(results.filter((result) => result === 'registered').length).toBe(5);
    expect(results.filter((result) => result === 'full').length).toBe(15);
    const [first] = await store.list(tenant);
    await store.delete(tenant, first!.name);
    expect(await other.register(tenant, make('new'), bounds)).toBe('registered');
  });

  test('one of many at once gets a name', async () => {
    const tenant = randomUUID();
    const { store, other } = under();
    const results = await Promise.all(
      Array.from({ length: 20 }, (_, i) => (i % 2 ? store : other).register(tenant, make('t'), bounds)),
    );
    expect(results.filter((result) => result === 'registered').length).toBe(1);
    expect(results.filter((result) => result === 'taken').length).toBe(19);
  });

  test('the bytes of a tenant are bounded', async () => {
    const tenant = randomUUID();
    const { store } = under();
    const size = (text: string) => make('x', { description: text });
    expect(await store.register(tenant, { ...size('ä'.repeat(4_000)), name: 'a' }, bounds)).toBe(
      'registered',
    );
    expect(await store.register(tenant, { ...size('ä'.repeat(900)), name: 'b' }, bounds)).toBe('full');
    expect(await store.register(tenant, { ...size('x'), name: 'b' }, bounds)).toBe('registered');
  });
}
