import { afterEach, beforeEach, expect, test } from 'vitest';
import { Collector, type CollectorOptions } from '../../src/audit/collector.ts';
import { createUpstreamClient, type UpstreamClient } from '../../src/http/client.ts';
import { createLogger } from '../../src/observability/log.ts';
import { answered, type ScriptedUpstream, startUpstream } from '../http/support/upstream.ts';

let upstream: ScriptedUpstream;
let client: UpstreamClient;
const log: Record<string, unknown>[] = [];
const counted = { sent: 0, lost: 0 };
beforeEach(async () => {
  upstream = await startUpstream();
  client = createUpstreamClient();
  log.length = 0;
  counted.sent = counted.lost = 0;
});
afterEach(async () => {
  await client.destroy();
  upstream.close();
});

const open = (more: Partial<CollectorOptions> = {}): Collector =>
  new Collector({
    url: `${upstream.origin}/collect`,
    service: 'gateway',
    worker: 2,
    client,
    maxHeld: 1_000,
    intervalMs: 5,
    log: createLogger({ service: 't', level: 'DEBUG', sink: (line) => void log.push(JSON.parse(line)) }),
    onLines: (outcome, lines) => void (counted[outcome] += lines),
    ...more,
  });

const lines = (from: number, to: number): string[] =>
  Array.from({ length: to - from }, (_, i) => `{"seq":${from + i}}\n`);
const eventsOf = (body: string): number[] =>
  (JSON.parse(body) as { context: { events: { seq: number }[] } }).context.events.map(({ seq }) => seq);

test('lines are sent in batches, in order', async () => {
  const collector = open();
  for (const line of lines(0, 700)) collector.add(line);
  const first = await upstream.request();
  expect(first.head).toMatch(/^POST \/collect\/logs /);
  expect(JSON.parse(first.body)).toMatchObject({
    service: 'gateway',
    level: 'info',
    message: 'llm_gateway_audit',
    context: { worker: 2 },
  });
  first.socket.write(answered(''));
  const second = await upstream.request();
  second.socket.write(answered(''));
  await collector.close(5_000);
  expect([...eventsOf(first.body), ...eventsOf(second.body)]).toEqual(lines(0, 700).map((_line, i) => i));
  expect(counted).toEqual({ sent: 700, lost: 0 });
});

test('what is not taken is sent again; it is logged once', async () => {
  const collector = open();
  for (const line of lines(0, 3)) collector.add(line);
  for (let i = 0; i < 3; i++) (await upstream.request()).socket.write(answered('', '503 Busy'));
  const last = await upstream.request();
  last.socket.write(answered(''));
  await collector.close(5_000);
  expect(eventsOf(last.body)).toEqual([0, 1, 2]);
  expect(log.map(({ level }) => level)).toEqual(['WARN', 'INFO']);
  expect(counted).toEqual({ sent: 3, lost: 0 });
});

test('what waits is bounded; what is lost is counted', async () => {
  const collector = open({ maxHeld: 10 });
  for (const line of lines(0, 25)) collector.add(line);
  expect(counted.lost).toBe(15);
  upstream.answerAll(({ socket }) => void socket.destroy());
  await collector.close(5_000);
  expect(counted).toEqual({ sent: 0, lost: 25 });
});

test('one that answers nothing does not keep the gateway from ending', async () => {
  const collector = open({ intervalMs: 60_000, maxHeld: 2_000 });
  for (const line of lines(0, 1_200)) collector.add(line);
  await upstream.request();
  const began = performance.now();
  await collector.close(30);
  expect(performance.now() - began).toBeLessThan(1_500);
  expect(counted).toEqual({ sent: 0, lost: 1_200 });
});
