import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import net, { type AddressInfo, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type RunningGateway, startGateway } from '../support/gateway.ts';
import { hasRedis, type RedisServer, startRedis, until } from '../support/redis.ts';
import { type ScriptedModel, startModel } from '../support/scripted-model.ts';

// How often a call with everything on waits for Redis before the provider is asked, and before its client has the answer.

/** Passes everything on, and counts how often something is asked after the answer to what was asked before. */
async function countingProxy(to: number): Promise<{ port: number; rounds: () => number; close(): void }> {
  let rounds = 0;
  let answered = true;
  const sockets: Socket[] = [];
  const server = net.createServer((client) => {
    const redis = net.connect(to, '127.0.0.1');
    sockets.push(client, redis);
    client.on('data', (bytes) => {
      if (answered) rounds++;
      answered = false;
      redis.write(bytes);
    });
    redis.on('data', (bytes) => {
      answered = true;
      client.write(bytes);
    });
    for (const socket of [client, redis]) socket.on('error', () => {});
    client.on('close', () => redis.destroy());
    redis.on('close', () => client.destroy());
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    port: (server.address() as AddressInfo).port,
    rounds: () => rounds,
    close() {
      server.close();
      for (const socket of sockets) socket.destroy();
    },
  };
}

describe.skipIf(!hasRedis)('a call with keys, limits, cache, cost and budgets', () => {
  let redis: RedisServer;
  let proxy: Awaited<ReturnType<typeof countingProxy>>;
  let model: ScriptedModel;
  let gateway: RunningGateway;
  let dir: string;
  beforeAll(async () => {
    redis = await startRedis();
    proxy = await countingProxy(Number(new URL(redis.url).port));
    model = await startModel();
    dir = mkdtempSync(path.join(tmpdir(), 'llm-gateway-round-trips-'));
    const file = path.join(dir, 'gateway.yaml');
    writeFileSync(
      file,
      `
keys:
  - { id: shop, key: a-key-of-the-shop-and-long, budget: { usd: 1000, per: day } }
budgets:
  - { name: everything, usd: 1000, per: month }
limits:
  classes: { default: { requests_per_minute: 1000, tokens_per_minute: 1000000, burst_limit: 1000, concurrent: 10 } }
  providers: { openai: { requests_per_minute: 1000, burst_limit: 1000, concurrent: 10 } }
  global: { requests_per_minute: 1000 }
`,
    );
    gateway = await startGateway({
      LLM_GATEWAY_CONFIG: file,
      LLM_GATEWAY_REDIS_URL: `redis://127.0.0.1:${proxy.port}`,
      LLM_GATEWAY_CACHE: 'true',
      OPENAI_API_KEY: 'k',
      LLM_GATEWAY_OPENAI_BASE_URL: `${model.upstream.origin}/v1`,
    });
    await until(async () => (await ask('warm')).status === 200);
  }, 60_000);
  afterAll(async () => {
    await gateway?.stop();
    model?.close();
    proxy?.close();
    await redis?.stop();
    rmSync(dir, { recursive: true, force: true });
  });

  const ask = (content: string): Promise<Response> =>
    fetch(`${gateway.url}/v1/chat/completions`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', authorization: 'Bearer a-key-of-the-shop-and-long' },
      body: JSON.stringify({ model: 'openai/gpt-4o-mini', messages: [{ role: 'user', content }] }),
    });

  /** Until what is written behind has been. */
  const quiet = async (): Promise<void> => {
    for (let last = -1; last !== proxy.rounds(); ) {
      last = proxy.rounds();
      await new Promise((resolve) => setTimeout(resolve, 600));
    }
  };

  /** Of several times the one in which the gateway had least to do besides: what a call waits for it waits for each time. */
  const leastOf = async (measure: (time: number) => Promise<number>): Promise<number> => {
    let least = Number.POSITIVE_INFINITY;
    for (let time = 0; time < 3; time++) {
      await quiet();
      least = Math.min(least, await measure(time));
    }
    return least;
  };

  test('waits for it twice, and no third time for the answer', async () => {
    const waits = await leastOf(async (time) => {
      const before = proxy.rounds();
      let whenAsked = 0;
      model.script = [
        (request) => {
          whenAsked = proxy.rounds();
          const body = JSON.stringify({
            id: 'c',
            choices: [{ index: 0, message: { role: 'assistant', content: 'ok' }, finish_reason: 'stop' }],
            usage: { prompt_tokens: 1, completion_tokens: 1, total_tokens: 2 },
          });
          request.socket.write(
            `HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: ${body.length}\r\n\r\n${body}`,
          );
        },
      ];
      const reply = await ask(`once ${time}`);
      expect(reply.status).toBe(200);
      expect(reply.headers.get('x-cache')).toBe('MISS');
      await reply.text();
      return whenAsked - before;
    });
    expect(waits).toBeLessThanOrEqual(2);
  }, 60_000);

  test('that goes on from a stored response asks no more often before its model than one that begins', async () => {
    /** How often the store was asked before the model was. */
    const respond = async (body: object): Promise<[id: string, rounds: number]> => {
      const before = proxy.rounds();
      let asked = 0;
      model.script = [
        ({ socket }) => {
          asked = proxy.rounds() - before;
          const text = JSON.stringify({
            id: 'r',
            status: 'completed',
            output: [{ type: 'message', id: 'msg', role: 'assistant', content: [] }],
          });
          socket.write(
            `HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: ${text.length}\r\n\r\n${text}`,
          );
        },
      ];
      const reply = await fetch(`${gateway.url}/v1/responses`, {
        method: 'POST',
        headers: { authorization: 'Bearer a-key-of-the-shop-and-long' },
        body: JSON.stringify({ model: 'openai/gpt-4o-mini', input: 'Hi.', ...body }),
      });
      expect(reply.status).toBe(200);
      return [((await reply.json()) as { id: string }).id, asked];
    };
    const ids: string[] = [];
    const first = await leastOf(async () => {
      const [id, rounds] = await respond({});
      ids.push(id);
      return rounds;
    });
    const second = await leastOf(async (time) => (await respond({ previous_response_id: ids[time] }))[1]);
    expect([first, second]).toEqual([first, first]);
  }, 60_000);

  test('that the cache answers waits once', async () => {
    const rounds = await leastOf(async (time) => {
      const before = proxy.rounds();
      const reply = await ask(`once ${time}`);
      const passed = proxy.rounds() - before;
      expect(reply.headers.get('x-cache')).toBe('HIT');
      expect(reply.headers.get('x-ratelimit-limit-requests')).toBe('1000');
      await reply.text();
      return passed;
    });
    // What is counted of it is said behind its back.
    expect(rounds).toBeLessThanOrEqual(2);
  }, 60_000);
});
