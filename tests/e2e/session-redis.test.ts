import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import {
  chunked,
  type ReceivedRequest,
  type ScriptedUpstream,
  STREAM_HEAD,
  startUpstream,
} from '../http/support/upstream.ts';
import { chatFaces } from '../support/faces.ts';
import { type RunningGateway, startGateway } from '../support/gateway.ts';
import { type GatewayProcess, startGatewayProcess } from '../support/process.ts';
import { hasRedis, type RedisServer, startRedis, until } from '../support/redis.ts';
import { say, sessionsAt, user } from '../support/sessions.ts';

const storeLines = ({ log }: RunningGateway): string[] =>
  log.filter(({ module }) => module === 'store').map(({ message }) => String(message));
const answers = (gateway: RunningGateway): Promise<void> =>
  until(() => storeLines(gateway).at(-1) === 'redis answers');

describe.skipIf(!hasRedis)('two gateways on one Redis', () => {
  let redis: RedisServer;
  let gateways: RunningGateway[];
  beforeAll(async () => {
    redis = await startRedis();
    gateways = await Promise.all([1, 2].map(() => startGateway({ LLM_GATEWAY_REDIS_URL: redis.url })));
    for (const gateway of gateways) await answers(gateway);
  });
  afterAll(async () => {
    for (const gateway of gateways) await gateway.stop();
    await redis.stop();
  });

  test('have the same sessions', async () => {
    const [one, two] = gateways.map(({ url }) => sessionsAt(url));
    const { id } = await one!.make({ context: { a: 1 } });
    await say('REST', gateways[0]!.url, { sessionId: id, text: 'first' });
    await say('gRPC', gateways[1]!.url, { sessionId: id, text: 'second', stream: true });
    const said = ['user: first', 'assistant: first', 'user: second', 'assistant: second'];
    expect(await one!.said(id)).toEqual(said);
    expect(await two!.said(id)).toEqual(said);
    const { data } = (await (await two!.list()).json()) as { data: { id: string; context: unknown }[] };
    expect(data.find((session) => session.id === id)?.context).toEqual({ a: 1 });
    expect((await two!.delete(id)).status).toBe(204);
    expect((await one!.get(id)).status).toBe(404);
  });

  test('lose and mix nothing of 200 calls at once on 20 sessions', async () => {
    const made = await Promise.all(Array.from({ length: 20 }, () => sessionsAt(gateways[0]!.url).make()));
    const calls = Array.from({ length: 200 }, (_, i) =>
      say(chatFaces[i % chatFaces.length]!, gateways[i % 2]!.url, {
        sessionId: made[i % 20]!.id,
        text: `${i}`,
        stream: i % 3 === 0,
      }),
    );
    const failed = (await Promise.all(calls)).filter(({ failure }) => failure !== '');
    expect(failed).toEqual([]);
    for (const [n, { id }] of made.entries()) {
      const said = await sessionsAt(gateways[1]!.url).said(id);
      const wanted = Array.from({ length: 10 }, (_, i) => `user: ${n + 20 * i}`);
      expect(said.filter((_, i) => i % 2 === 0).sort()).toEqual(wanted.sort());
      for (let i = 0; i < 20; i += 2) expect(said[i + 1]).toBe(said[i]!.replace('user', 'assistant'));
    }
  });
});

describe.skipIf(!hasRedis)('a Redis that is away', () => {
  let redis: RedisServer;
  let gateway: RunningGateway;
  let upstream: ScriptedUpstream;
  beforeEach(async () => {
    upstream = await startUpstream();
    redis = await startRedis();
    gateway = await startGateway({
      LLM_GATEWAY_REDIS_URL: redis.url,
      OPENAI_API_KEY: 'k',
      LLM_GATEWAY_OPENAI_BASE_URL: `${upstream.origin}/v1`,
    });
    await answers(gateway);
  });
  afterEach(async () => {
    await gateway.stop();
    await redis.stop();
    upstream.close();
  });
  const firstChunk = `data: ${JSON.stringify({ id: 'c', object: 'chat.completion.chunk', created: 1, model: 'm', choices: [{ index: 0, delta: { role: 'assistant', content: 'Hel' }, finish_reason: null }] })}\n\n`;
  const restOfStream = `data: ${JSON.stringify({ id: 'c', object: 'chat.completion.chunk', created: 1, model: 'm', choices: [{ index: 0, delta: { content: 'lo' }, finish_reason: 'stop' }] })}\n\ndata: [DONE]\n\n`;

  test('makes calls with sessions fail within a second, on every face, and no others', async () => {
    const { id } = await sessionsAt(gateway.url).make();
    redis.signal('SIGSTOP');
    for (const face of chatFaces) {
      for (const stream of [false, true]) {
        const began = performance.now();
        const { failure } = await say(face, gateway.url, { sessionId: id, text: 'x', stream });
        expect(performance.now() - began).toBeLessThan(1_000);
        expect(failure).toBe(
          face === 'REST' ? '503 dependency_unavailable' : 'Unavailable DEPENDENCY_UNAVAILABLE',
        );
      }
    }
    const began = performance.now();
    const sessions = sessionsAt(gateway.url);
    for (const asked of [sessions.post({}), sessions.get(id), sessions.delete(id), sessions.list()]) {
      const response = await asked;
      expect(response.status).toBe(503);
      expect(await response.text()).toContain('redis is not available');
    }
    expect(performance.now() - began).toBeLessThan(1_000);
    expect((await sessions.chat({ messages: [user('without')] })).status).toBe(200);
    expect((await fetch(`${gateway.url}/health/ready`)).status).toBe(200);

    redis.signal('SIGCONT');
    await answers(gateway);
    const again = performance.now();
    expect((await say('REST', gateway.url, { sessionId: id, text: 'back' })).failure).toBe('');
    // Locks that took effect late are not left to run out.
    expect(performance.now() - again).toBeLessThan(3_000);
    expect(await sessions.said(id)).toEqual(['user: back', 'assistant: back']);
    expect(storeLines(gateway)).toEqual(['redis answers', 'redis does not answer', 'redis answers']);
  });

  test('when an answer is to be saved makes the call fail, not the conversation lie', async () => {
    const { id } = await sessionsAt(gateway.url).make();
    const requests: ReceivedRequest[] = [];
    upstream.answerAll((request) => void requests.push(request));
    const spoken = Promise.withResolvers<void>();
    const call = say('REST', gateway.url, {
      sessionId: id,
      text: 'x',
      model: 'openai/m',
      stream: true,
      onText: spoken.resolve,
    });
    await until(() => requests.length === 1);
    requests[0]!.socket.write(STREAM_HEAD + chunked(firstChunk));
    await spoken.promise;
    redis.signal('SIGSTOP');
    const began = performance.now();
    requests[0]!.socket.write(`${chunked(restOfStream)}0\r\n\r\n`);
    const said = await call;
    expect(performance.now() - began).toBeLessThan(1_500);
    expect(said).toEqual({ text: 'Hello', failure: '200 dependency_unavailable' });
    redis.signal('SIGCONT');
    await answers(gateway);
    const again = performance.now();
    const next = await say('REST', gateway.url, { sessionId: id, text: 'next' });
    expect(next.failure).toBe('');
    expect(performance.now() - again).toBeLessThan(3_000);
  });

  test('for a moment costs no answer', async () => {
    const { id } = await sessionsAt(gateway.url).make();
    const requests: ReceivedRequest[] = [];
    upstream.answerAll((request) => void requests.push(request));
    const call = say('REST', gateway.url, { sessionId: id, text: 'x', model: 'openai/m', stream: true });
    await until(() => requests.length === 1);
    requests[0]!.socket.write(STREAM_HEAD + chunked(firstChunk));
    redis.signal('SIGSTOP');
    setTimeout(() => redis.signal('SIGCONT'), 250);
    requests[0]!.socket.write(`${chunked(restOfStream)}0\r\n\r\n`);
    expect(await call).toEqual({ text: 'Hello', failure: '' });
    expect(await sessionsAt(gateway.url).said(id)).toEqual(['user: x', 'assistant: Hello']);
  });

  test('under load hangs nobody; what was acknowledged is there afterwards', async () => {
    const { id } = await sessionsAt(gateway.url).make();
    const sessions = sessionsAt(gateway.url);
    const acknowledged: string[] = [];
    let slowest = 0;
    let stopped = false;
    const talk = async (name: string): Promise<void> => {
      for (let n = 0; !stopped; n++) {
        const began = performance.now();
        const { failure } = await say('REST', gateway.url, { sessionId: id, text: `${name}${n}` });
        if (failure === '') acknowledged.push(`user: ${name}${n}`);
        else {
          expect(failure).toBe('503 dependency_unavailable');
          slowest = Math.max(slowest, performance.now() - began);
          await new Promise((resolve) => setTimeout(resolve, 20));
        }
      }
    };
    const talks = ['a', 'b', 'c', 'd'].map(talk);
    await until(() => acknowledged.length > 10);
    await redis.kill();
    await until(() => storeLines(gateway).at(-1) === 'redis does not answer');
    await redis.start();
    await answers(gateway);
    const before = acknowledged.length;
    await until(() => acknowledged.length > before + 10);
    stopped = true;
    await Promise.all(talks);
    expect(slowest).toBeLessThan(1_500);
    const said = await sessions.said(id);
    for (const line of acknowledged) expect(said).toContain(line);
  });

  test('at the start does not keep the gateway from starting', async () => {
    await redis.kill();
    const late = await startGateway({ LLM_GATEWAY_REDIS_URL: redis.url });
    try {
      expect((await sessionsAt(late.url).post({})).status).toBe(503);
      expect((await sessionsAt(late.url).chat({ messages: [user('x')] })).status).toBe(200);
      await redis.start();
      await answers(late);
      await sessionsAt(late.url).make();
    } finally {
      await late.stop();
    }
  });
});

describe.skipIf(!hasRedis)('a gateway that is killed in a call', () => {
  let redis: RedisServer;
  let upstream: ScriptedUpstream;
  const processes: GatewayProcess[] = [];
  beforeAll(async () => {
    redis = await startRedis();
    upstream = await startUpstream();
  });
  afterAll(async () => {
    await Promise.all(processes.map((one) => one.kill()));
    await redis.stop();
    upstream.close();
  });

  test('leaves its session to others when its lease is over, without its half call', async () => {
    const env = {
      LLM_GATEWAY_REDIS_URL: redis.url,
      LLM_GATEWAY_SESSION_LEASE_SECONDS: '1s',
      OPENAI_API_KEY: 'k',
      LLM_GATEWAY_OPENAI_BASE_URL: `${upstream.origin}/v1`,
    };
    processes.push(...(await Promise.all([startGatewayProcess(env), startGatewayProcess(env)])));
    const [one, two] = processes as [GatewayProcess, GatewayProcess];
    await until(() =>
      processes.every(({ lines }) => lines.some(({ message }) => message === 'redis answers')),
    );
    const { id } = await sessionsAt(one.url).make();
    expect((await say('REST', one.url, { sessionId: id, text: 'kept' })).failure).toBe('');
    const asked = upstream.request();
    const lost = say('REST', one.url, { sessionId: id, text: 'lost', model: 'openai/m' });
    await asked;
    // Longer than a lease: it is renewed as long as the call lives.
    const busy = await fetch(`${two.url}/v1/chat/completions`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', 'x-request-timeout-ms': '1600' },
      body: JSON.stringify({ model: 'fake/echo', session_id: id, messages: [user('x')] }),
    });
    expect(busy.status).toBe(504);
    await one.kill();
    expect((await lost).failure).toBe('client');
    const began = performance.now();
    expect((await say('gRPC', two.url, { sessionId: id, text: 'next' })).failure).toBe('');
    expect(performance.now() - began).toBeLessThan(2_500);
    expect(await sessionsAt(two.url).said(id)).toEqual([
      'user: kept',
      'assistant: kept',
      'user: next',
      'assistant: next',
    ]);
  });
});
