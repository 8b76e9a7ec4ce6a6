import { afterAll, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import { callFace } from '../support/faces.ts';
import {
  ask,
  begun,
  fails,
  jsonReply,
  type Rig,
  type Script,
  says,
  startRig,
} from '../support/resilience.ts';

const yaml = `
models:
  - { id: east/cheap, provider: east, upstream_id: cheap, price: { input: 5, output: 5 } }
  - { id: west/cheap, provider: west, upstream_id: cheap, price: { input: 1, output: 1 } }
deployments:
  pair: { models: [east/m, west/m] }
  fast: { routing: least_latency, models: [east/f, west/f] }
  cheap: { routing: cheapest, models: [east/cheap, west/cheap] }
  weighted: { routing: weighted, models: [{ model: east/w, weight: 0.0001 }, { model: west/w, weight: 10000 }] }
  sticky: { sticky: true, models: [east/s, west/s] }
  hedged: { hedge: 50ms, models: [east/h, west/h] }
fallbacks:
  east/guarded: [west/m]
`;

const env = {
  LLM_GATEWAY_UPSTREAM_BREAKER_FAILURES: '3',
  LLM_GATEWAY_UPSTREAM_BREAKER_RECOVERY_SECONDS: '30s',
  LLM_GATEWAY_RETRY_MAX_ATTEMPTS: '1',
};

let rig: Rig;
beforeAll(async () => {
  rig = await startRig(yaml, env);
});
afterAll(() => rig.stop());
beforeEach(() => rig.heal());

const providerOf = async (response: Response): Promise<string | null> => {
  await response.text();
  return response.headers.get('x-provider-used');
};

describe('a circuit breaker', () => {
  test('opens after failures in a row, names the provider and the time, and closes by one probe', async () => {
    // The clock that nobody sets, ahead of itself.
    const steady = performance.now.bind(performance);
    let aheadMs = 0;
    const clock = vi.spyOn(performance, 'now').mockImplementation(() => steady() + aheadMs);
    try {
      rig.east.script = fails('500 Internal Server Error');
      for (let i = 0; i < 3; i++) expect((await ask(rig, { model: 'east/flaky' })).status).toBe(502);
      const refused = await ask(rig, { model: 'east/flaky' });
      expect([refused.status, refused.headers.get('retry-after'), refused.headers.get('x-attempts')]).toEqual(
        [503, '30', '0'],
      );
      const { error } = (await refused.json()) as { error: { code: string; message: string } };
      expect([error.code, error.message]).toEqual(['overloaded', expect.stringContaining('east')]);
      expect(rig.east.asked).toHaveLength(3);
      // Another model of the provider has a breaker of its own.
      rig.east.script = says('well');
      expect((await ask(rig, { model: 'east/other' })).status).toBe(200);

      aheadMs += 30_000;
      rig.east.script = fails('500 Internal Server Error');
      expect((await ask(rig, { model: 'east/flaky' })).status).toBe(502);
      expect((await ask(rig, { model: 'east/flaky' })).status).toBe(503);

      aheadMs += 30_000;
      let release = (): void => {};
      rig.east.script = (request, stream) => {
        release = () => says('again')(request, stream);
      };
      const before = rig.east.asked.length;
      const probe = ask(rig, { model: 'east/flaky' });
      await vi.waitFor(() => expect(rig.east.asked).toHaveLength(before + 1));
      expect((await ask(rig, { model: 'east/flaky' })).status).toBe(503);
      release();
      expect((await probe).status).toBe(200);
      rig.east.script = says('well');
      expect((await ask(rig, { model: 'east/flaky' })).status).toBe(200);
      const changes = rig.log
        .filter(({ breaker }) => breaker === 'east/flaky')
        .map(({ state, level }) => [level, state]);
      expect(changes).toEqual([
        ['WARN', 'open'],
        ['INFO', 'half-open'],
        ['WARN', 'open'],
        ['INFO', 'half-open'],
        ['INFO', 'closed'],
      ]);
    } finally {
      clock.mockRestore();
    }
  });

  test('counts streams that break off, and neither refusals nor clients that leave', async () => {
    rig.east.script = fails('400 Bad Request');
    for (let i = 0; i < 5; i++) await ask(rig, { model: 'east/counted' });
    rig.east.script = () => {};
    for (let i = 0; i < 5; i++) {
      const leaving = new AbortController();
      const before = rig.east.asked.length;
      const call = callFace('gRPC', rig.url, 'east/counted', { stream: true, signal: leaving.signal });
      await vi.waitFor(() => expect(rig.east.asked).toHaveLength(before + 1));
      leaving.abort();
      await call;
    }
    rig.east.script = ({ socket }) => void socket.write(`${begun('Hel')}0\r\n\r\n`);
    for (let i = 0; i < 3; i++) await (await ask(rig, { model: 'east/counted', stream: true })).text();
    expect((await ask(rig, { model: 'east/counted' })).status).toBe(503);
  });

  test('sends calls elsewhere at once, and 429 opens it, too', async () => {
    rig.east.script = fails('429 Too Many Requests');
    for (let i = 0; i < 3; i++)
      expect(await providerOf(await ask(rig, { model: 'east/guarded' }))).toBe('west');
    rig.east.asked.length = 0;
    const response = await ask(rig, { model: 'east/guarded' });
    expect([response.headers.get('x-attempts'), await providerOf(response)]).toEqual(['1', 'west']);
    expect(rig.east.asked).toEqual([]);
  });
});

describe('routing', () => {
  test('by price, by weight, by time to the first output', async () => {
    expect(await providerOf(await ask(rig, { model: 'cheap' }))).toBe('west');
    expect(await providerOf(await ask(rig, { model: 'weighted' }))).toBe('west');
    rig.east.proxy.set({ kind: 'late', ms: 60 });
    // Each is asked once to be known.
    for (let i = 0; i < 2; i++) await providerOf(await ask(rig, { model: 'fast' }));
    for (let i = 0; i < 4; i++) expect(await providerOf(await ask(rig, { model: 'fast' }))).toBe('west');
  });

  test('by conversation', async () => {
    const of = (content: string): Promise<string | null> =>
      ask(rig, { model: 'sticky', messages: [{ role: 'user', content }] }).then(providerOf);
    const used = new Set<string | null>();
    for (let i = 0; i < 20; i++) {
      const first = await of(`conversation ${i}`);
      used.add(first);
      expect(await of(`conversation ${i}`)).toBe(first);
    }
    expect(used.size).toBe(2);
  });

  test('the rounds of one call stay where the first was answered', async () => {
    rig.east.script = fails('500 Internal Server Error');
    let round = 0;
    rig.west.script = (request, stream) => {
      if (round++ > 0) {
        rig.east.script = says('east');
        says('done')(request, stream);
        return;
      }
      const call = { id: 'c1', type: 'function', function: { name: 'echo', arguments: '{"message":"a"}' } };
      const message = { role: 'assistant', content: null, tool_calls: [call] };
      request.socket.write(
        jsonReply({
          id: 'c',
          object: 'chat.completion',
          created: 1,
          model: 'm',
          choices: [{ index: 0, message, finish_reason: 'tool_calls' }],
        }),
      );
    };
    rig.east.asked.length = 0;
    const response = await ask(rig, {
      model: 'east/rounds',
      fallbacks: ['west/rounds'],
      gateway_tools: ['echo'],
    });
    expect([response.status, await response.text()]).toEqual([200, expect.stringContaining('done')]);
    expect([rig.east.asked.length, rig.west.asked.length]).toEqual([1, 2]);
    expect(response.headers.get('x-attempts')).toBe('3');
  });
});

describe('hedging', () => {
  const slow: Script = () => {};

  test.each([false, true])(
    'the first output wins, and the slow one is cancelled at once (streamed: %s)',
    async (stream) => {
      rig.east.script = slow;
      const began = performance.now();
      const response = await ask(rig, { model: 'hedged', stream });
      expect(await response.text()).toContain('west');
      const [request] = rig.east.requests;
      expect((await request!.gone) - began).toBeLessThan(1_000);
      const { headers } = response;
      expect([
        headers.get('x-provider-used'),
        headers.get('x-model-used'),
        headers.get('x-attempts'),
      ]).toEqual(['west', 'hedged', '2']);
    },
  );

  test('nobody is asked beside one that is fast enough, and the first may still win', async () => {
    await providerOf(await ask(rig, { model: 'hedged' }));
    expect(rig.west.asked).toEqual([]);
    rig.east.proxy.set({ kind: 'late', ms: 120 });
    rig.west.script = slow;
    const response = await ask(rig, { model: 'hedged' });
    expect(await providerOf(response)).toBe('east');
    await rig.west.requests[0]!.gone;
    expect(response.headers.get('x-attempts')).toBe('2');
  });

  test('one that fails leaves it to the other, in either order', async () => {
    rig.east.script = slow;
    rig.west.script = fails('500 Internal Server Error');
    rig.east.script = (request, stream) => void setTimeout(() => says('east')(request, stream), 150);
    expect(await providerOf(await ask(rig, { model: 'hedged' }))).toBe('east');
    rig.east.script = (request, stream) =>
      void setTimeout(() => fails('500 Internal Server Error')(request, stream), 80);
    rig.west.script = (request, stream) => void setTimeout(() => says('west')(request, stream), 100);
    expect(await providerOf(await ask(rig, { model: 'hedged' }))).toBe('west');
  });

  test('a client that leaves ends both', async () => {
    rig.east.script = slow;
    rig.west.script = slow;
    const leaving = new AbortController();
    const call = callFace('REST', rig.url, 'hedged', { stream: true, signal: leaving.signal });
    await vi.waitFor(() => expect(rig.west.asked).toHaveLength(1));
    const left = performance.now();
    leaving.abort();
    await call;
    for (const { requests } of [rig.east, rig.west])
      expect((await requests[0]!.gone) - left).toBeLessThan(1_000);
  });
});

test('calls of one provider are bounded, wait for a while, and are refused then', async () => {
  const narrow = await startRig('', {
    LLM_GATEWAY_UPSTREAM_MAX_CONCURRENT: '1',
    LLM_GATEWAY_UPSTREAM_QUEUE: '1',
    LLM_GATEWAY_UPSTREAM_QUEUE_TIMEOUT_SECONDS: '5s',
    LLM_GATEWAY_UPSTREAM_IDLE_TIMEOUT_SECONDS: '10s',
    LLM_GATEWAY_UPSTREAM_FIRST_BYTE_TIMEOUT_SECONDS: '10s',
  });
  try {
    let end = (): void => {};
    narrow.east.script = ({ socket }) => {
      socket.write(begun('Hel'));
      end = () => void socket.resetAndDestroy();
    };
    // A stream holds its place until it is over.
    const first = await ask(narrow, { model: 'east/a', stream: true });
    narrow.east.script = says('second');
    const second = ask(narrow, { model: 'east/b' });
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(narrow.east.asked).toHaveLength(1);
    const third = await ask(narrow, { model: 'east/c' });
    expect([third.status, third.headers.get('retry-after')]).toEqual([503, '1']);
    expect((await ask(narrow, { model: 'west/a' })).status).toBe(200);
    end();
    await first.text().catch(() => '');
    expect((await second).status).toBe(200);
    expect((await ask(narrow, { model: 'east/c' })).status).toBe(200);
  } finally {
    await narrow.stop();
  }
});

test('a first token and a whole answer have limits of their own', async () => {
  const timed = await startRig(
    `models:
  - { id: east/first, provider: east, upstream_id: first, timeouts: { first_token: 100ms } }
  - { id: east/whole, provider: east, upstream_id: whole, timeouts: { total: 150ms } }
`,
    {
      LLM_GATEWAY_UPSTREAM_IDLE_TIMEOUT_SECONDS: '10s',
      LLM_GATEWAY_UPSTREAM_FIRST_BYTE_TIMEOUT_SECONDS: '10s',
    },
  );
  try {
    const began = performance.now();
    // Comments are bytes, but no output.
    timed.east.script = ({ socket }) =>
      void socket.write(begun('').replace(/\r\n\r\n[\s\S]*/, '\r\n\r\nd\r\n: PROCESSING\n\r\n'));
    expect((await callFace('REST', timed.url, 'east/first', { stream: true })).failure?.status).toBe(504);
    timed.east.script = ({ socket }) => void socket.write(begun('Hel'));
    const whole = await callFace('REST', timed.url, 'east/whole', { stream: true });
    expect([whole.text, whole.failure?.reason]).toEqual(['Hel', 'upstream_timeout']);
    expect(performance.now() - began).toBeLessThan(2_000);
    await timed.east.requests.at(-1)!.gone;
  } finally {
    await timed.stop();
  }
});
