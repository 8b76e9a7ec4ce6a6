import { createServer as createTcpServer, type Server } from 'node:net';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import { createUpstreamClient, type UpstreamClient } from '../../src/http/client.ts';
import { HttpService, type HttpServiceOptions } from '../../src/integrations/http-service.ts';
import { ServiceError, type ServiceRequest } from '../../src/integrations/service.ts';
import { createLogger } from '../../src/observability/log.ts';
import { answer, type PlatformService, startCodeOrchestrator } from '../support/services.ts';

let upstream: PlatformService;
let client: UpstreamClient;
let lines: Record<string, unknown>[];
/** What the clock of breakers says. */
let passed: number;
beforeAll(async () => {
  upstream = await startCodeOrchestrator();
});
afterAll(() => upstream.close());
beforeEach(() => {
  client = createUpstreamClient();
  lines = [];
  passed = 0;
  upstream.instead = null;
  upstream.asked.length = 0;
});
afterEach(async () => {
  vi.useRealTimers();
  await client.destroy();
});

const service = (options: Partial<HttpServiceOptions> = {}): HttpService =>
  new HttpService(
    {
      name: 'code-orchestrator',
      baseUrl: upstream.origin,
      timeoutMs: 5_000,
      maxAnswerBytes: 4_096,
      breaker: { failures: 2, recoveryMs: 30_000 },
      userAgent: 'llm-gateway/1.2.3',
      now: () => passed,
      ...options,
    },
    client,
    createLogger({ service: 'test', level: 'DEBUG', sink: (line) => void lines.push(JSON.parse(line)) }),
  );

const health = (more: Partial<ServiceRequest> = {}): ServiceRequest => ({
  method: 'GET',
  path: '/health',
  requestId: 'req_1',
  signal: new AbortController().signal,
  ...more,
});

const failure = async (promise: Promise<unknown>): Promise<ServiceError> => {
  const error = await promise.then(
    () => null,
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(ServiceError);
  return error as ServiceError;
};

const failWith = (status: number, body: unknown = { detail: 'no' }): void => {
  upstream.instead = (_asked, response) => answer(response, status, body);
};

describe('a call', () => {
  test('is sent as it is, with what every call has', async () => {
    upstream.instead = (_asked, response) => answer(response, 200, '{}');
    await service().call(
      health({
        method: 'POST',
        path: '/v1/similarity?x=1',
        json: '{"text1": "a","text2":"ü"}',
        headers: { 'x-more': 'm', 'user-agent': 'other' },
        traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01',
        tracestate: 'a=b',
      }),
    );
    expect(upstream.asked).toEqual([
      expect.objectContaining({
        method: 'POST',
        path: '/v1/similarity?x=1',
        text: '{"text1": "a","text2":"ü"}',
      }),
    ]);
    const { headers } = upstream.asked[0]!;
    expect(headers).toMatchObject({
      accept: 'application/json',
      'content-type': 'application/json',
      'user-agent': 'llm-gateway/1.2.3',
      'x-request-id': 'req_1',
      'x-more': 'm',
      traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01',
      tracestate: 'a=b',
    });
  });

  test('has no trace headers and no body where there are none', async () => {
    await service().call(health({ tracestate: 'a=b' }));
    const { headers, text } = upstream.asked[0]!;
    for (const name of ['traceparent', 'tracestate', 'content-type'])
      expect(headers).not.toHaveProperty(name);
    expect(text).toBe('');
  });

  test('goes below the path of the address', async () => {
    await failure(service({ baseUrl: `${upstream.origin}/platform/` }).call(health()));
    expect(upstream.asked[0]?.path).toBe('/platform/health');
  });

  test('gives the body unchanged, whatever the status of success', async () => {
    const body = '{ "a": 1.0,\n "b": 12345678901234567890 }\n';
    for (const status of [200, 201, 299]) {
      upstream.instead = (_asked, response) => answer(response, status, body);
      expect(await service().call(health())).toEqual({ status, text: body });
    }
  });
});

describe('failures', () => {
  test('an error status, with the beginning of its body', async () => {
    failWith(503, `{"detail":"${'x'.repeat(100_000)}"}`);
    const error = await failure(service().call(health()));
    expect(error).toMatchObject({ kind: 'status', status: 503, message: 'code-orchestrator: HTTP 503' });
    expect(error.body.length).toBe(8_192);
  });

  test.each([300, 302, 304, 307])(
    'a status %d, which is not followed and whose body is not told',
    async (status) => {
      upstream.instead = (_asked, response) => {
        response.writeHead(status, { location: '/elsewhere', 'content-type': 'application/json' });
        response.end('{"moved":"http://inner/"}');
      };
      expect(await failure(service().call(health()))).toMatchObject({ kind: 'status', status, body: '' });
      expect(upstream.asked.length).toBe(1);
    },
  );

  test('an error status whose body breaks off', async () => {
    upstream.instead = (_asked, response) => {
      response.writeHead(500, { 'content-length': 100 });
      response.write('{"detail":');
      setImmediate(() => response.destroy());
    };
    expect(await failure(service().call(health()))).toMatchObject({ kind: 'status', status: 500 });
  });

  test('no answer in time', async () => {
    upstream.instead = () => {};
    const started = performance.now();
    const error = await failure(service({ timeoutMs: 60_000 }).call(health({ timeoutMs: 60 })));
    expect(error).toMatchObject({ kind: 'timeout', status: 0, reason: 'no answer within 60 ms' });
    expect(performance.now() - started).toBeGreaterThanOrEqual(55);
  });

  test('an answer that stalls within its body', async () => {
    upstream.instead = (_asked, response) => {
      response.writeHead(200);
      response.write('{');
    };
    expect(await failure(service({ timeoutMs: 60 }).call(health()))).toMatchObject({ kind: 'timeout' });
  });

  test('an answer that is too large', async () => {
    upstream.instead = (_asked, response) => answer(response, 200, `"${'x'.repeat(5_000)}"`);
    expect(await failure(service().call(health()))).toMatchObject({
      kind: 'too_large',
      reason: 'the answer is larger than 4096 bytes',
    });
    upstream.instead = (_asked, response) => answer(response, 200, `"${'x'.repeat(4_094)}"`);
    expect((await service().call(health())).text).toHaveLength(4_096);
  });

  test('nobody there, said without the address', async () => {
    const error = await failure(service({ baseUrl: 'http://127.0.0.1:9' }).call(health()));
    expect(error).toMatchObject({
      kind: 'unavailable',
      message: 'code-orchestrator: connection refused',
      reason: 'connection refused',
    });
  });

  test('a connection that breaks', async () => {
    upstream.instead = (_asked, response) => response.destroy();
    expect(await failure(service().call(health()))).toMatchObject({
      kind: 'unavailable',
      reason: 'the connection broke',
    });
    upstream.instead = (_asked, response) => {
      response.writeHead(200, { 'content-length': 100 });
      response.write('{');
      setImmediate(() => response.destroy());
    };
    expect(await failure(service().call(health()))).toMatchObject({ kind: 'unavailable' });
  });

  test('something that does not speak HTTP', async () => {
    const server: Server = createTcpServer((socket) => socket.end('220 mail ready\r\n'));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as { port: number };
    expect(await failure(service({ baseUrl: `http://127.0.0.1:${port}` }).call(health()))).toMatchObject({
      kind: 'unavailable',
      reason: 'it does not answer in HTTP',
    });
    server.close();
  });

  test('a client that leaves stops the request, and its own reason is what is thrown', async () => {
    const closed = new Promise<void>((resolve) => {
      upstream.instead = (_asked, response) => response.once('close', resolve);
    });
    const stop = new AbortController();
    const call = service().call(health({ signal: stop.signal }));
    await upstream.next();
    const reason = new Error('left');
    stop.abort(reason);
    await expect(call).rejects.toBe(reason);
    await closed;
    await expect(service().call(health({ signal: stop.signal }))).rejects.toBe(reason);
    expect(upstream.asked.length).toBe(1);
  });
});

describe('the breaker', () => {
  const states = () =>
    lines.map(({ level, message, upstream, breaker, state }) => ({
      level,
      message,
      upstream,
      breaker,
      state,
    }));
  const opened = {
    level: 'WARN',
    message: 'circuit breaker opens',
    upstream: 'code-orchestrator',
    breaker: 'code-orchestrator',
    state: 'open',
  };
  const probing = { ...opened, level: 'INFO', message: 'circuit breaker probes', state: 'half-open' };
  const closed = { ...opened, level: 'INFO', message: 'circuit breaker closes', state: 'closed' };

  test('opens after so many failures in a row, and keeps calls away', async () => {
    const one = service();
    failWith(500);
    for (const _ of [1, 2]) expect(await failure(one.call(health()))).toMatchObject({ kind: 'status' });
    expect(await failure(one.call(health()))).toMatchObject({ kind: 'circuit_open', status: 0 });
    expect(upstream.asked.length).toBe(2);
    expect(states()).toEqual([opened]);
  });

  test('lets one call try after a while, and closes when that succeeds', async () => {
    const one = service();
    failWith(500);
    for (const _ of [1, 2]) await failure(one.call(health()));
    passed += 29_999;
    expect(await failure(one.call(health()))).toMatchObject({ kind: 'circuit_open' });

    passed += 1;
    const answers: (() => void)[] = [];
    upstream.instead = (_asked, response) => void answers.push(() => answer(response, 200, '{}'));
    const probe = one.call(health());
    await upstream.next();
    // Others do not wait for the one that tries.
    expect(await failure(one.call(health()))).toMatchObject({ kind: 'circuit_open' });
    answers[0]?.();
    expect(await probe).toEqual({ status: 200, text: '{}' });
    upstream.instead = null;
    expect((await one.call(health())).status).toBe(200);
    expect(upstream.asked.length).toBe(4);
    expect(states()).toEqual([opened, probing, closed]);
  });

  test('does not mind that the clock of the machine is set', async () => {
    const one = new HttpService(
      {
        name: 'code-orchestrator',
        baseUrl: upstream.origin,
        timeoutMs: 5_000,
        maxAnswerBytes: 4_096,
        breaker: { failures: 1, recoveryMs: 30_000 },
        userAgent: 'llm-gateway/1.2.3',
      },
      client,
      createLogger({ service: 'test', level: 'DEBUG', sink: () => {} }),
    );
    failWith(500);
    await failure(one.call(health()));
    vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + 3_600_000 });
    expect(await failure(one.call(health()))).toMatchObject({ kind: 'circuit_open' });
  });

  test('stays open for as long again when that fails', async () => {
    const one = service();
    failWith(500);
    for (const _ of [1, 2]) await failure(one.call(health()));
    passed += 30_000;
    expect(await failure(one.call(health()))).toMatchObject({ kind: 'status' });
    passed += 29_999;
    expect(await failure(one.call(health()))).toMatchObject({ kind: 'circuit_open' });
    passed += 1;
    upstream.instead = null;
    expect((await one.call(health())).status).toBe(200);
    expect(states()).toEqual([opened, probing, opened, probing, closed]);
  });

  test.each([408, 429, 500, 503])('counts %i', async (status) => {
    const one = service();
    failWith(status);
    for (const _ of [1, 2]) await failure(one.call(health()));
    expect(await failure(one.call(health()))).toMatchObject({ kind: 'circuit_open' });
  });

  test.each([400, 404, 422])('does not count %i, which ends a row of failures', async (status) => {
    const one = service();
    for (const next of [500, status, 500, status, status, status]) {
      failWith(next);
      expect(await failure(one.call(health()))).toMatchObject({ kind: 'status', status: next });
    }
    expect(lines).toEqual([]);
  });

  test('closes on a mistake of the request as well: the service is back', async () => {
    const one = service();
    failWith(500);
    for (const _ of [1, 2]) await failure(one.call(health()));
    passed += 30_000;
    failWith(404);
    expect(await failure(one.call(health()))).toMatchObject({ status: 404 });
    expect(states()).toEqual([opened, probing, closed]);
  });

  test('counts timeouts and lost connections, and no answers that are too large', async () => {
    const one = service({ timeoutMs: 60 });
    upstream.instead = () => {};
    await failure(one.call(health()));
    upstream.instead = (_asked, response) => response.destroy();
    await failure(one.call(health()));
    expect(await failure(one.call(health()))).toMatchObject({ kind: 'circuit_open' });

    const other = service();
    upstream.instead = (_asked, response) => answer(response, 200, 'x'.repeat(5_000));
    for (const _ of [1, 2, 3]) {
      expect(await failure(other.call(health()))).toMatchObject({ kind: 'too_large' });
    }
  });

  test('does not count what the gateway has too many of', async () => {
    await client.destroy();
    client = createUpstreamClient({ connections: 1, maxWaiting: 0 });
    const one = service();
    upstream.instead = () => {};
    const stop = new AbortController();
    const first = one.call(health({ signal: stop.signal }));
    await upstream.next();
    for (const _ of [1, 2, 3]) {
      expect(await failure(one.call(health()))).toMatchObject({
        kind: 'unavailable',
        reason: 'too many calls wait for a connection',
      });
    }
    stop.abort();
    await expect(first).rejects.toBe(stop.signal.reason);
    expect(lines).toEqual([]);
  });

  test('does not count clients that leave, neither as failures nor as successes', async () => {
    const one = service();
    const leaving = async (): Promise<void> => {
      upstream.instead = () => {};
      const stop = new AbortController();
      const call = one.call(health({ signal: stop.signal }));
      await upstream.next();
      stop.abort();
      await expect(call).rejects.toBe(stop.signal.reason);
    };
    for (const _ of [1, 2, 3]) await leaving();
    failWith(500);
    await failure(one.call(health()));
    await leaving();
    failWith(500);
    await failure(one.call(health()));
    expect(await failure(one.call(health()))).toMatchObject({ kind: 'circuit_open' });
  });

  test('a client that leaves the call that tries tells nothing: the next one tries', async () => {
    const one = service();
    failWith(500);
    for (const _ of [1, 2]) await failure(one.call(health()));
    passed += 30_000;
    upstream.instead = () => {};
    const stop = new AbortController();
    const probe = one.call(health({ signal: stop.signal }));
    await upstream.next();
    stop.abort();
    await expect(probe).rejects.toBe(stop.signal.reason);
    failWith(500);
    expect(await failure(one.call(health()))).toMatchObject({ kind: 'status' });
    expect(await failure(one.call(health()))).toMatchObject({ kind: 'circuit_open' });
    passed += 30_000;
    upstream.instead = null;
    expect((await one.call(health())).status).toBe(200);
  });

  test('is one for each name, and none where that is said', async () => {
    const one = service();
    failWith(500);
    for (const _ of [1, 2]) await failure(one.call(health({ breaker: 'a' })));
    expect(await failure(one.call(health({ breaker: 'a' })))).toMatchObject({ kind: 'circuit_open' });
    expect(await failure(one.call(health({ breaker: 'b' })))).toMatchObject({ kind: 'status' });
    for (const _ of [1, 2, 3]) {
      expect(await failure(one.call(health({ breaker: null })))).toMatchObject({ kind: 'status' });
    }
    expect(states()).toEqual([{ ...opened, breaker: 'a' }]);
  });

  test('opens once, however many calls fail at the same time', async () => {
    const one = service();
    failWith(500);
    await Promise.all(Array.from({ length: 10 }, () => failure(one.call(health()))));
    expect(states()).toEqual([opened]);
  });
});
