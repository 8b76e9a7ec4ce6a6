import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { crewOfOne } from '../../src/workers/crew.ts';
import { answered, startUpstream } from '../http/support/upstream.ts';
import { startGateway } from '../support/gateway.ts';

const folder = mkdtempSync(path.join(tmpdir(), 'audit-collector-'));
afterAll(() => rmSync(folder, { recursive: true }));

test('the collector is told whose trail lines are of: those of two workers have the same numbers', async () => {
  const collector = await startUpstream();
  const got: [worker: number, seq: number][] = [];
  collector.answerAll(({ body, socket }) => {
    const { context } = JSON.parse(body) as { context: { worker: number; events: { seq: number }[] } };
    for (const { seq } of context.events) got.push([context.worker, seq]);
    socket.write(answered(''));
  });
  const env = { AUDIT_LOG_PATH: path.join(folder, 'audit.jsonl'), LOG_COLLECTOR_URL: collector.origin };
  for (const number of [1, 2]) {
    const gateway = await startGateway(env, { crew: { ...crewOfOne(), number } });
    const response = await fetch(`${gateway.url}/v1/chat/completions`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ model: 'fake/echo', messages: [{ role: 'user', content: 'x' }] }),
    });
    await response.text();
    await gateway.stop();
  }
  collector.close();
  expect(got).toEqual([
    [1, 1],
    [2, 1],
  ]);
});
