import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { chatFaces } from '../support/faces.ts';
import { type GatewayProcess, startGatewayProcess } from '../support/process.ts';
import { hasRedis, type RedisServer, startRedis, until } from '../support/redis.ts';
import { type Said, say, sessionsAt } from '../support/sessions.ts';

// Sessions under load, in gateways as they run: each a process of its own.

const processes: GatewayProcess[] = [];
const start = async (env: Record<string, string>): Promise<GatewayProcess> => {
  const started = await startGatewayProcess({ LLM_GATEWAY_SESSION_LEASE_SECONDS: '1s', ...env });
  processes.push(started);
  return started;
};
let folder: string;
beforeEach(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'llm-gateway-load-'));
});
afterEach(async () => {
  await Promise.all(processes.splice(0).map((one) => one.kill()));
  rmSync(folder, { recursive: true, force: true });
});

const calls = 200;
const sessionCount = 20;
const makeSessions = ({ url }: GatewayProcess): Promise<string[]> =>
  Promise.all(Array.from({ length: sessionCount }, async () => (await sessionsAt(url).make()).id));

/** The n-th of many calls at once: by every face in turn, through every gateway in turn, streamed or not. */
const nthCall = (
  n: number,
  ids: readonly string[],
  gateways: readonly GatewayProcess[],
  text = `call ${n}`,
): Promise<Said> =>
  say(chatFaces[n % chatFaces.length]!, gateways[n % gateways.length]!.url, {
    sessionId: ids[n % ids.length]!,
    text,
    model: 'fake/echo?delay_ms=1',
    stream: n % 3 === 0,
  });

/** How often a call may be made until it is acknowledged. */
interface Store {
  readonly tries: number;
}
const embedded: Store = { tries: 1 };
/** On a machine that has other work it may answer later than a gateway waits, which then says so at once. */
const inRedis: Store = { tries: 20 };

/**
 * Says something until it is acknowledged. Each try says something else, because what was saved before its acknowledgement failed stays.
 * @returns what was acknowledged
 */
async function keep(text: string, store: Store, saying: (text: string) => Promise<Said>): Promise<string> {
  for (let tries = 1; ; tries++) {
    const tried = tries === 1 ? text : `${text}, said again ${tries}`;
    const { failure } = await saying(tried);
    if (failure === '') return tried;
    if (tries === store.tries) expect(failure).toBe('');
    expect(failure).toMatch(/\bdependency_unavailable$/i);
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
}

/** Every question has its answer right after it. @returns the questions */
function questionsOf(said: readonly string[]): string[] {
  expect(said.length % 2).toBe(0);
  for (let i = 0; i < said.length; i += 2) expect(said[i + 1]).toBe(said[i]?.replace('user', 'assistant'));
  return said.filter((_, i) => i % 2 === 0).map((line) => line.replace('user: ', ''));
}

/** Makes many calls at once, and looks whether every session has all of its own, once, and nothing that nobody said to it. */
async function callAtOnce(gateways: readonly GatewayProcess[], store: Store): Promise<void> {
  const ids = await makeSessions(gateways[0]!);
  const kept = await Promise.all(
    Array.from({ length: calls }, (_, n) =>
      keep(`call ${n}`, store, (text) => nthCall(n, ids, gateways, text)),
    ),
  );
  for (const [s, id] of ids.entries()) {
    const own = kept.filter((_, n) => n % sessionCount === s);
    for (const { url } of gateways) {
      const said = questionsOf(await sessionsAt(url).said(id));
      expect(said.filter((text) => own.includes(text)).sort()).toEqual(own.sort());
      const callOf = (text: string): number => Number.parseInt(text.replace('call ', ''), 10);
      expect(said.filter((text) => callOf(text) % sessionCount !== s)).toEqual([]);
      expect(new Set(said).size).toBe(said.length);
    }
  }
}

/** Says one thing after the other on every session, each time through the next gateway: the history has them in that order. */
async function talk(gateways: readonly GatewayProcess[], store: Store, turns: number): Promise<void> {
  const ids = await makeSessions(gateways[0]!);
  const kept = await Promise.all(
    ids.map(async (sessionId, s) => {
      const own: string[] = [];
      for (let n = 0; n < turns; n++) {
        const face = chatFaces[(s + n) % chatFaces.length]!;
        const { url } = gateways[(s + n) % gateways.length]!;
        own.push(
          await keep(`turn ${n}`, store, (text) => say(face, url, { sessionId, text, stream: n % 2 === 0 })),
        );
      }
      return own;
    }),
  );
  for (const [s, id] of ids.entries()) {
    const said = questionsOf(await sessionsAt(gateways.at(-1)!.url).said(id));
    expect(said.filter((text) => kept[s]?.includes(text))).toEqual(kept[s]);
    expect(new Set(said).size).toBe(said.length);
  }
}

describe.skipIf(!hasRedis)('two gateway processes on one Redis', () => {
  let redis: RedisServer;
  let gateways: GatewayProcess[];
  beforeEach(async () => {
    // A process that is killed loses nothing that way, and the disk's pace does not matter.
    redis = await startRedis('--appendfsync', 'everysec');
    const env = { LLM_GATEWAY_REDIS_URL: redis.url };
    gateways = await Promise.all([start(env), start(env)]);
    await until(() =>
      gateways.every(({ lines }) => lines.some(({ message }) => message === 'redis answers')),
    );
  });
  afterEach(() => redis.stop());

  test("go on with each other's sessions, in order", () => talk(gateways, inRedis, 10), 20_000);

  test(
    'lose and mix nothing of 200 calls at once on 20 sessions',
    () => callAtOnce(gateways, inRedis),
    20_000,
  );

  test('fail clearly and soon while Redis is away, and go on without a restart when it is back', async () => {
    const ids = await makeSessions(gateways[0]!);
    const acknowledged = new Map(ids.map((id) => [id, [] as string[]]));
    const failures = new Set<string>();
    const slow: number[] = [];
    let stopped = false;
    let answered = 0;
    const talks = ids.map(async (sessionId, s) => {
      const { url } = gateways[s % 2]!;
      for (let n = 0; !stopped; n++) {
        const began = performance.now();
        const { failure } = await say('REST', url, { sessionId, text: `turn ${n}`, stream: n % 2 === 0 });
        if (failure === '') {
          acknowledged.get(sessionId)?.push(`turn ${n}`);
          answered++;
          continue;
        }
        failures.add(failure);
        slow.push(performance.now() - began);
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
    });
    const others = async (): Promise<void> => {
      for (const { url } of gateways) {
        const began = performance.now();
        expect((await sessionsAt(url).chat({ messages: [{ role: 'user', content: 'x' }] })).status).toBe(200);
        expect((await fetch(`${url}/health/ready`)).status).toBe(200);
        expect(performance.now() - began).toBeLessThan(1_000);
      }
    };
    await until(() => answered > 100);
    for (const away of ['killed', 'hanging'] as const) {
      const before = slow.length;
      if (away === 'killed') await redis.kill();
      else redis.signal('SIGSTOP');
      await until(() => slow.length > before + 100);
      await others();
      if (away === 'killed') await redis.start();
      else redis.signal('SIGCONT');
      const then = answered;
      await until(() => answered > then + 100);
    }
    stopped = true;
    await Promise.all(talks);
    expect(Math.max(...slow)).toBeLessThan(1_000);
    // In the middle of a stream the status has been sent.
    for (const failure of failures) expect(failure).toMatch(/^(?:503|200) dependency_unavailable$/);
    for (const [id, turns] of acknowledged) {
      const said = questionsOf(await sessionsAt(gateways[0]!.url).said(id));
      // What is there and was not acknowledged was saved before its acknowledgement was lost.
      expect(said.filter((turn) => turns.includes(turn))).toEqual(turns);
      expect(new Set(said).size).toBe(said.length);
    }
    for (const id of ids.slice(0, 4)) {
      for (const { url } of gateways) {
        expect((await say('gRPC', url, { sessionId: id, text: 'after' })).failure).toBe('');
      }
    }
  }, 20_000);
});

describe('one gateway process on the embedded store', () => {
  const env = () => ({ LLM_GATEWAY_DATA_DIR: folder });

  test('keeps what is said in order', async () => talk([await start(env())], embedded, 10), 20_000);

  test('loses and mixes nothing of 200 calls at once on 20 sessions', async () => {
    await callAtOnce([await start(env())], embedded);
  }, 20_000);

  test('has after kill -9 in the middle of them all that was acknowledged', async () => {
    const before = await start(env());
    const ids = await makeSessions(before);
    const acknowledged: number[] = [];
    const all = Array.from({ length: calls }, async (_, n) => {
      if ((await nthCall(n, ids, [before])).failure === '') acknowledged.push(n);
    });
    await until(() => acknowledged.length >= calls / 4);
    await before.kill();
    await Promise.all(all);
    expect(acknowledged.length).toBeLessThan(calls);

    const after = await start(env());
    for (const [s, id] of ids.entries()) {
      const said = questionsOf(await sessionsAt(after.url).said(id));
      expect(new Set(said).size).toBe(said.length);
      for (const n of acknowledged.filter((call) => call % sessionCount === s)) {
        expect(said).toContain(`call ${n}`);
      }
    }
    // Free for the next calls, when the leases of the one that was killed are over.
    const next = await Promise.all(ids.map((_, s) => nthCall(s, ids, [after])));
    expect(next.filter(({ failure }) => failure !== '')).toEqual([]);
  }, 20_000);
});
