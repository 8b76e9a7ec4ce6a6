import { spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { ErrorReason } from '../../gen/llmgateway/v1/error_pb.js';
import type { NewResponse } from '../../src/responses/store.ts';
import { Database } from '../../src/store/embedded/database.ts';
import { EmbeddedResponses } from '../../src/store/embedded/responses.ts';
import { bytes, type ResponsesUnderTest, responseSuite, text } from './support/response-suite.ts';

const maxBytes = 256 * 2 ** 20;
const folders: string[] = [];
function folder(): string {
  const dir = mkdtempSync(path.join(tmpdir(), 'llm-gateway-responses-'));
  folders.push(dir);
  return dir;
}
afterAll(() => {
  for (const dir of folders) rmSync(dir, { recursive: true, force: true });
});

describe('responses in the embedded store', () => {
  let under: ResponsesUnderTest;
  let close: () => void;
  beforeAll(() => {
    const dir = folder();
    let offset = 0;
    const nowUs = () => Date.now() * 1000 + offset;
    const databases = [new Database({ dir, maxBytes }), new Database({ dir, maxBytes })];
    const [store, other] = databases.map((database) => new EmbeddedResponses(database, { nowUs }));
    under = {
      store: store!,
      other: other!,
      nowUs,
      advance: (seconds) => void (offset += seconds * 1e6),
    };
    close = () => databases.forEach((database) => void database.close());
  });
  afterAll(() => close());
  responseSuite(() => under);
});

describe('the embedded store of responses', () => {
  const open: Database[] = [];
  const database = (dir: string, bound = maxBytes): Database => {
    const opened = new Database({ dir, maxBytes: bound });
    open.push(opened);
    return opened;
  };
  afterEach(() => {
    for (const one of open.splice(0)) one.close();
  });
  const response = (expiresUs = Date.now() * 1000 + 3_600e6): NewResponse => ({
    id: randomUUID(),
    createdUs: Date.now() * 1000,
    expiresUs,
    body: bytes('body'),
    input: [bytes('input')],
    maker: '',
    open: { holder: 'h', leaseMs: 60_000 },
  });

  test('has after kill -9 all that was acknowledged, nothing by halves, and gives it to another', async () => {
    const dir = folder();
    const writer = path.join(import.meta.dirname, 'support/response-writer.ts');
    const child = spawn(process.execPath, [writer, dir, 'killed'], { stdio: ['ignore', 'pipe', 'inherit'] });
    const acknowledged: string[] = [];
    for await (const line of createInterface({ input: child.stdout })) {
      acknowledged.push(line);
      if (acknowledged.length === 200) child.kill('SIGKILL');
    }
    if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
    expect(child.signalCode).toBe('SIGKILL');
    expect(acknowledged).toEqual(acknowledged.map((_, n) => `${n} done saved`));

    const store = new EmbeddedResponses(database(dir));
    const claim = await store.claim('next', 60_000);
    expect(claim).toMatchObject({ wasBegun: true, response: { id: 'killed', open: true } });
    const { events = [] } = (await store.events('', 'killed', 0, 100_000)) ?? {};
    expect(events.length).toBe(claim?.response.eventCount);
    expect(events.length % 2).toBe(0);
    expect(events.length).toBeGreaterThanOrEqual(2 * acknowledged.length);
    expect(events.map(text)).toEqual(events.map((_, i) => `${Math.floor(i / 2)} ${i % 2 === 0 ? 'a' : 'b'}`));
    const items = (await store.conversationItems('', 'conversation')) ?? [];
    expect(items.length).toBeGreaterThanOrEqual(acknowledged.length);
    expect(items.map(({ id }) => id)).toEqual(items.map((_, n) => `${n}`));
    const next = { holder: 'next', after: events.length, events: [], maxBytes, body: bytes('failed') };
    expect(await store.end('', 'killed', next)).toBe('done');
  });

  test('clears away what has expired with all that belongs to it, a batch at a time', async () => {
    const one = database(folder());
    const store = new EmbeddedResponses(one);
    const stays = response();
    const old = Date.now() * 1000 + 1e9;
    await store.create('', stays);
    await store.append('', stays.id, { holder: 'h', after: 0, events: [bytes('x')], maxBytes }, 60_000);
    await store.indexItems('', stays, ['stays']);
    for (let i = 0; i < 250; i++) {
      const expires = response(old);
      const events = Array.from({ length: 30 }, () => bytes('event'));
      await store.create('', expires);
      await store.append('', expires.id, { holder: 'h', after: 0, events, maxBytes }, 60_000);
      await store.indexItems('', expires, [`${i} a`, `${i} b`]);
      const { id, createdUs } = expires;
      const facts = { id, createdUs, expiresUs: old, metadataJson: '{}' };
      await store.createConversation('', facts, [{ id: 'item', body: bytes('item') }]);
    }
    const later = new EmbeddedResponses(one, { nowUs: () => Date.now() * 1000 + 2e9 });
    let batches = 1;
    while (later.sweep()) batches++;
    expect(batches).toBe(3);
    const count = (table: string) => one.get(`SELECT count(*) AS n FROM ${table}`)?.['n'];
    expect({
      responses: count('responses'),
      inputs: count('response_inputs'),
      events: count('response_events'),
      items: count('response_items'),
      conversations: count('conversations'),
      conversationItems: count('conversation_items'),
    }).toEqual({ responses: 1, inputs: 1, events: 1, items: 1, conversations: 0, conversationItems: 0 });
  });

  test('finds what to go on with, and what has expired, by index', async () => {
    const one = database(folder());
    await new EmbeddedResponses(one).create('', response());
    const plan = (sql: string) =>
      one
        .all(`EXPLAIN QUERY PLAN ${sql}`)
        .map(({ detail }) => String(detail))
        .join('; ');
    const due = 'SELECT key FROM responses r WHERE open = 1 AND held_until <= 1 AND expires > 1';
    expect(plan(`${due} ORDER BY held_until, r.key LIMIT 1`)).toMatch(
      /^SEARCH r USING INDEX responses_to_go_on_with \(held_until<\?\)$/,
    );
    expect(plan('SELECT key FROM responses WHERE expires <= 1')).toContain('responses_by_expiry');
    expect(
      plan('SELECT id FROM conversation_items WHERE conversation = 1 AND key < 5 ORDER BY key DESC'),
    ).toMatch(
      /^SEARCH conversation_items USING INDEX conversation_items_in_order \(conversation=\? AND rowid<\?\)$/,
    );
  });

  test('grows to its bound; then it says so, does nothing by halves, and still reads', async () => {
    const store = new EmbeddedResponses(database(folder(), 2 ** 20));
    const big = response();
    await store.create('', big);
    const events = [bytes('small'), new Uint8Array(2 ** 20)];
    const what = { holder: 'h', after: 0, events, maxBytes };
    await expect(store.append('', big.id, what, 60_000)).rejects.toMatchObject({
      reason: ErrorReason.DEPENDENCY_UNAVAILABLE,
      rawMessage: expect.stringContaining('its file is as large as it may be'),
    });
    expect(await store.read('', big.id)).toMatchObject({ open: true, eventCount: 0 });
    expect((await store.events('', big.id, 0, 10))?.events).toEqual([]);
  });

  test('that cannot be opened rejects every step, at once', async () => {
    const dir = folder();
    writeFileSync(path.join(dir, 'gateway.db'), 'x'.repeat(10_000));
    const store = new EmbeddedResponses(database(dir));
    const made = response();
    const facts = { ...made, metadataJson: '{}' };
    const step = { holder: 'h', after: 0, events: [], maxBytes, body: bytes('b') };
    const query = { limit: 1, after: '', ascending: true };
    const steps: (() => Promise<unknown>)[] = [
      () => store.create('', made),
      () => store.read('', made.id),
      () => store.delete('', made.id),
      () => store.append('', made.id, step, 1),
      () => store.extend('', made.id, 'h', 1),
      () => store.end('', made.id, step),
      () => store.events('', made.id, 0, 1),
      () => store.cancel('', made.id),
      () => store.take('', made.id, 'h', 1),
      () => store.claim('h', 1),
      () => store.indexItems('', made, ['i']),
      () => store.findItem('', 'i'),
      () => store.createConversation('', facts, []),
      () => store.readConversation('', made.id),
      () => store.updateConversation('', made.id, '{}'),
      () => store.deleteConversation('', made.id),
      () => store.conversationItems('', made.id),
      () => store.listItems('', made.id, query),
      () => store.readItem('', made.id, 'i'),
      () => store.addItems('', made.id, { items: [], maxBytes, after: null }),
      () => store.deleteItem('', made.id, 'i'),
    ];
    for (const ask of steps) {
      const began = performance.now();
      await expect(ask()).rejects.toMatchObject({ reason: ErrorReason.DEPENDENCY_UNAVAILABLE });
      expect(performance.now() - began).toBeLessThan(500);
    }
  });
});
