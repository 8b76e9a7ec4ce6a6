import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type ScriptedUpstream, startUpstream } from '../http/support/upstream.ts';
import { startGateway } from '../support/gateway.ts';
import { type GatewayProcess, startGatewayProcess } from '../support/process.ts';
import { until } from '../support/redis.ts';
import { say, sessionsAt } from '../support/sessions.ts';

let upstream: ScriptedUpstream;
let dir: string;
const processes: GatewayProcess[] = [];
const start = async (): Promise<GatewayProcess> => {
  const started = await startGatewayProcess({
    LLM_GATEWAY_DATA_DIR: dir,
    LLM_GATEWAY_SESSION_LEASE_SECONDS: '1s',
    OPENAI_API_KEY: 'k',
    LLM_GATEWAY_OPENAI_BASE_URL: `${upstream.origin}/v1`,
  });
  processes.push(started);
  return started;
};
beforeEach(async () => {
  upstream = await startUpstream();
  dir = mkdtempSync(path.join(tmpdir(), 'llm-gateway-data-'));
});
afterEach(async () => {
  await Promise.all(processes.splice(0).map((one) => one.kill()));
  upstream.close();
  rmSync(dir, { recursive: true, force: true });
});

describe('the embedded store', () => {
  test('has after kill -9 all that was acknowledged, and nothing of the call that was not', async () => {
    const before = await start();
    const made = await Promise.all(Array.from({ length: 5 }, () => sessionsAt(before.url).make()));
    const acknowledged = new Map(made.map(({ id }) => [id, [] as string[]]));
    let stopped = false;
    const talks = made.map(async ({ id }) => {
      for (let n = 0; !stopped; n++) {
        const { failure } = await say('REST', before.url, {
          sessionId: id,
          text: `${n}`,
          stream: n % 2 === 0,
        });
        if (failure === '') acknowledged.get(id)?.push(`user: ${n}`, `assistant: ${n}`);
        else stopped = true;
      }
    });
    const asked = upstream.request();
    const { id: held } = await sessionsAt(before.url).make();
    const lost = say('REST', before.url, { sessionId: held, text: 'lost', model: 'openai/m' });
    await asked;
    await until(() => [...acknowledged.values()].every(({ length }) => length > 10));
    await before.kill();
    stopped = true;
    await Promise.all([...talks, lost]);

    const after = await start();
    for (const [id, lines] of acknowledged) {
      const said = await sessionsAt(after.url).said(id);
      expect(said.slice(0, lines.length)).toEqual(lines);
      // One more may have been saved whose acknowledgement was lost on its way.
      expect(said.length - lines.length).toBeLessThanOrEqual(2);
      expect(said.length % 2).toBe(0);
    }
    expect(await sessionsAt(after.url).said(held)).toEqual([]);
    expect((await say('REST', after.url, { sessionId: held, text: 'next' })).failure).toBe('');
  });

  test('is shared by processes on one folder: nothing is lost or mixed', async () => {
    const [one, two] = await Promise.all([start(), start()]);
    const { id } = await sessionsAt(one.url).make();
    const calls = Array.from({ length: 20 }, (_, i) =>
      say(i % 4 < 2 ? 'REST' : 'gRPC', (i % 2 === 0 ? one : two).url, {
        sessionId: id,
        text: `${i}`,
        stream: i % 3 === 0,
      }),
    );
    expect((await Promise.all(calls)).filter(({ failure }) => failure !== '')).toEqual([]);
    const said = await sessionsAt(two.url).said(id);
    expect(new Set(said).size).toBe(40);
    for (let i = 0; i < 40; i += 2) expect(said[i + 1]).toBe(said[i]!.replace('user', 'assistant'));
  });

  test('whose folder cannot be stops the start with a line that names the setting', async () => {
    const file = path.join(dir, 'file');
    writeFileSync(file, '');
    await expect(startGateway({ LLM_GATEWAY_DATA_DIR: path.join(file, 'data') })).rejects.toThrow(
      /^LLM_GATEWAY_DATA_DIR: is ".*file\/data", has to be a folder that can be written, or made/,
    );
  });
});
