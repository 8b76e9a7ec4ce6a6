import { ConnectError, createClient } from '@connectrpc/connect';
import { afterEach, describe, expect, test } from 'vitest';
import { ErrorInfoSchema, RetryInfoSchema } from '../../gen/google/rpc/error_details_pb.js';
import { ModelsService } from '../../gen/llmgateway/v1/models_service_pb.js';
import { startUpstream } from '../http/support/upstream.ts';
import { callFace, type Face, faces, isRest } from '../support/faces.ts';
import {
  anthropicClient,
  chatClient,
  openaiClient,
  type RunningGateway,
  rpcTransports,
  startGateway,
} from '../support/gateway.ts';

const stops: (() => unknown)[] = [];
afterEach(async () => {
  for (const stop of stops.splice(0).reverse()) await stop();
});

async function start(env: Record<string, string>): Promise<RunningGateway> {
  const gateway = await startGateway(env);
  stops.push(() => gateway.stop());
  return gateway;
}

/** A gateway in front of an upstream that answers a call when it is told to. */
async function startHeld(env: Record<string, string>) {
  const upstream = await startUpstream();
  stops.push(() => upstream.close());
  const held: { readonly text: string; answer(): void }[] = [];
  upstream.answerAll(({ head, body, socket }) => {
    if (head.startsWith('GET '))
      return void socket.end('HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n');
    const { messages } = JSON.parse(body) as { messages: { content: string }[] };
    const choice = { index: 0, message: { role: 'assistant', content: 'ok' }, finish_reason: 'stop' };
    const answer = JSON.stringify({
      id: 'c',
      object: 'chat.completion',
      created: 1,
      model: 'm',
      choices: [choice],
    });
    held.push({
      text: messages.at(-1)?.content ?? '',
      answer: () =>
        void socket.write(
          `HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: ${answer.length}\r\n\r\n${answer}`,
        ),
    });
  });
  const gateway = await start({
    LLM_GATEWAY_OPENAI_BASE_URL: `${upstream.origin}/v1`,
    OPENAI_API_KEY: 'k',
    ...env,
  });
  return { ...gateway, held };
}

interface Detailed {
  backpressure: { active_requests: number; waiting_requests: number; body_bytes_in_flight: number };
  memory: { pressure: string };
}
async function load(url: string): Promise<Detailed['backpressure']> {
  return ((await (await fetch(`${url}/health/detailed`)).json()) as Detailed).backpressure;
}
async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await condition())) await new Promise((resolve) => setTimeout(resolve, 5));
}
const model = 'openai/gpt-4o';

test('of 200 clients at once each is served, ten at a time, in the order in which they came', async () => {
  const { url, held } = await startHeld({
    LLM_GATEWAY_MAX_CONCURRENT_REQUESTS: '10',
    LLM_GATEWAY_QUEUE_SIZE: '190',
    LLM_GATEWAY_QUEUE_TIMEOUT_SECONDS: '60s',
  });
  const calls: ReturnType<typeof callFace>[] = [];
  for (let i = 0; i < 200; i++) {
    calls.push(callFace('REST', url, model, { stream: false, text: String(i) }));
    // One after the other, so that the order is known.
    if (i < 30)
      await until(async () => (await load(url)).active_requests + (await load(url)).waiting_requests > i);
  }
  await until(async () => (await load(url)).waiting_requests === 190);
  expect((await load(url)).active_requests).toBe(10);
  expect(held).toHaveLength(10);
  const refused = await callFace('REST', url, model, { stream: false });
  expect(refused.failure).toMatchObject({ status: 503, reason: 'overloaded' });
  for (let next = 0; next < 200; next++) {
    // The one that takes the last one's place, before another is free.
    const under = Math.min(200, next + 10);
    await until(() => held.length >= under);
    expect(held.length).toBe(under);
    held[next]!.answer();
  }
  for (const { complete } of await Promise.all(calls)) expect(complete).toBe(true);
  expect(held.slice(0, 30).map(({ text }) => Number(text))).toEqual([...Array(30).keys()]);
  expect(await load(url)).toMatchObject({ active_requests: 0, waiting_requests: 0, body_bytes_in_flight: 0 });
});

describe.each(faces)('without a place, on %s', (face: Face) => {
  test.each([false, true])('a call is refused in its own form (stream: %s)', async (stream) => {
    const { url, held } = await startHeld({
      LLM_GATEWAY_MAX_CONCURRENT_REQUESTS: '1',
      LLM_GATEWAY_QUEUE_SIZE: '0',
    });
    const first = callFace('REST', url, model, { stream: false });
    await until(() => held.length === 1);
    const { failure, headers } = await callFace(face, url, model, { stream });
    const status = face === "Anthropic's messages" ? 529 : isRest(face) ? 503 : 'Unavailable';
    const reason = face === "Anthropic's messages" ? 'overloaded_error' : 'overloaded';
    expect(failure).toMatchObject({ status, reason });
    if (headers !== null) {
      expect(headers.get('retry-after')).toBe('5');
      expect(headers.get('x-memory-pressure')).toBe('normal');
    }
    held[0]!.answer();
    expect((await first).complete).toBe(true);
  });
});

test('the body of a refusal says why on every REST face', async () => {
  const { url, held } = await startHeld({
    LLM_GATEWAY_MAX_CONCURRENT_REQUESTS: '1',
    LLM_GATEWAY_QUEUE_SIZE: '0',
  });
  const first = callFace('REST', url, model, { stream: false });
  await until(() => held.length === 1);
  const members = {
    reason: 'backpressure',
    memory_mb: expect.any(Number),
    threshold_mb: 16_384,
    active_requests: 1,
    max_concurrent: 1,
    retry_after_seconds: 5,
  };
  const ask = async (path: string) =>
    (await fetch(`${url}${path}`, { method: 'POST', body: '{"x":1}' })).json() as Promise<
      Record<string, unknown>
    >;
  for (const path of ['/v1/chat/completions', '/chat/completions/', '/v1/responses', '/v1/embeddings']) {
    expect(await ask(path)).toEqual({
      error: { message: expect.any(String), type: 'server_error', param: null, code: 'overloaded' },
      ...members,
    });
  }
  expect(await ask('/v1/messages')).toEqual({
    type: 'error',
    error: { type: 'overloaded_error', message: expect.any(String) },
    request_id: expect.any(String),
    ...members,
  });
  expect(await ask('/mcp')).toMatchObject({ error: { data: { reason: 'overloaded', max_concurrent: 1 } } });
  const error = await chatClient('gRPC', url)
    .createChatCompletion({ model })
    .catch((cause: unknown) => ConnectError.from(cause));
  const refused = error as ConnectError;
  expect(refused.findDetails(ErrorInfoSchema)[0]?.metadata).toMatchObject({
    reason: 'backpressure',
    max_concurrent: '1',
    threshold_mb: '16384',
  });
  expect(refused.findDetails(RetryInfoSchema)[0]?.retryDelay?.seconds).toBe(5n);
  // What is no call is served.
  for (const path of ['/health', '/v1/models', '/v1/sessions'])
    expect((await fetch(`${url}${path}`)).status).toBe(200);
  await createClient(ModelsService, rpcTransports.gRPC(url)).listModels({});
  held[0]!.answer();
  await first;
});

test('the official SDKs try again when they are told to, and come through', async () => {
  const { url, held } = await startHeld({
    LLM_GATEWAY_MAX_CONCURRENT_REQUESTS: '1',
    LLM_GATEWAY_QUEUE_SIZE: '0',
  });
  const waits: string[] = [];
  // Five seconds are long for a test; that they are asked for is seen in the header.
  const hurried: typeof fetch = async (input, init) => {
    const response = await fetch(input, init);
    if (response.status < 500) return response;
    waits.push(response.headers.get('retry-after') ?? '');
    const headers = new Headers(response.headers);
    headers.set('retry-after', '0');
    headers.set('retry-after-ms', '20');
    if (waits.length === 2) held[0]!.answer();
    return new Response(await response.text(), { status: response.status, headers });
  };
  for (const kind of ['openai', 'anthropic'] as const) {
    held.length = 0;
    waits.length = 0;
    const first = callFace('REST', url, model, { stream: false });
    await until(() => held.length === 1);
    const options = { maxRetries: 50, fetch: hurried };
    const messages = [{ role: 'user' as const, content: 'hi' }];
    const second =
      kind === 'openai'
        ? openaiClient(url, options).chat.completions.create({ model, messages })
        : anthropicClient(url, options).messages.create({ model, messages, max_tokens: 10 });
    await until(() => held.length === 2);
    held[1]!.answer();
    await second;
    await first;
    expect(waits.length).toBeGreaterThanOrEqual(2);
    expect(new Set(waits)).toEqual(new Set(['5']));
  }
}, 60_000);

test('a client that leaves while it waits gives its turn away, and its call is never made', async () => {
  const { url, held } = await startHeld({
    LLM_GATEWAY_MAX_CONCURRENT_REQUESTS: '1',
    LLM_GATEWAY_QUEUE_SIZE: '9',
  });
  const first = callFace('REST', url, model, { stream: false, text: 'first' });
  await until(() => held.length === 1);
  for (const face of ['REST', 'gRPC', 'Connect over HTTP/2', 'gRPC-Web over HTTP/1.1'] as Face[]) {
    const leaving = new AbortController();
    const left = callFace(face, url, model, { stream: true, text: 'left', signal: leaving.signal });
    await until(async () => (await load(url)).waiting_requests === 1);
    leaving.abort();
    await left;
    await until(async () => (await load(url)).waiting_requests === 0);
  }
  const last = callFace('gRPC', url, model, { stream: false, text: 'last' });
  await until(async () => (await load(url)).waiting_requests === 1);
  held[0]!.answer();
  await until(() => held.length === 2);
  expect(held[1]!.text).toBe('last');
  held[1]!.answer();
  expect((await Promise.all([first, last])).map(({ complete }) => complete)).toEqual([true, true]);
});

test('a stream has its place until it ends', async () => {
  const { url } = await start({ LLM_GATEWAY_MAX_CONCURRENT_REQUESTS: '1', LLM_GATEWAY_QUEUE_SIZE: '0' });
  let begun = () => {};
  const streaming = new Promise<void>((resolve) => {
    begun = resolve;
  });
  const stream = callFace('REST', url, 'fake/slow?words=20&delay_ms=20', {
    stream: true,
    onText: () => begun(),
  });
  await streaming;
  expect((await callFace('gRPC', url, 'fake/echo', { stream: false })).failure).toMatchObject({
    reason: 'overloaded',
  });
  expect((await stream).complete).toBe(true);
  await until(async () => (await load(url)).active_requests === 0);
  expect((await callFace('gRPC', url, 'fake/echo', { stream: false })).complete).toBe(true);
});

test('after a thousand calls that are left at any moment all places are free', async () => {
  const { url } = await start({ LLM_GATEWAY_MAX_CONCURRENT_REQUESTS: '20', LLM_GATEWAY_QUEUE_SIZE: '40' });
  const kinds: Face[] = [
    'REST',
    "Anthropic's messages",
    'gRPC',
    'Connect binary over HTTP/1.1',
    'Connect over HTTP/2',
  ];
  let seed = 11;
  const random = (below: number) => {
    seed = (seed * 1_103_515_245 + 12_345) % 2 ** 31;
    return seed % below;
  };
  let made = 0;
  const client = async () => {
    while (made < 1_000) {
      made++;
      const leaving = new AbortController();
      const timer = setTimeout(() => leaving.abort(), random(25));
      const broken = random(8) === 0;
      await callFace(
        kinds[random(kinds.length)] as Face,
        url,
        broken ? 'fake/nothing?status=x' : 'fake/slow?words=5&delay_ms=4',
        {
          stream: random(2) === 0,
          signal: leaving.signal,
        },
      );
      clearTimeout(timer);
    }
  };
  await Promise.all(Array.from({ length: 40 }, client));
  await until(async () => (await load(url)).active_requests === 0);
  expect(await load(url)).toMatchObject({ active_requests: 0, waiting_requests: 0, body_bytes_in_flight: 0 });
}, 60_000);

test.each([
  ['a response', { input: 'x' }],
  ['a streamed response', { input: 'x', stream: true }],
  ['a streamed response that is not kept', { input: 'x', stream: true, store: false }],
])("%s leaves its provider's place when it is over", async (_what, body) => {
  const { url } = await start({
    LLM_GATEWAY_UPSTREAM_MAX_CONCURRENT: '5',
    LLM_GATEWAY_UPSTREAM_QUEUE: '0',
  });
  for (let i = 0; i < 12; i++) {
    const response = await fetch(`${url}/v1/responses`, {
      method: 'POST',
      body: JSON.stringify({ model: 'fake/echo', ...body }),
    });
    expect([response.status, await response.text()]).toEqual([200, expect.stringContaining('completed')]);
  }
});

test('short of memory calls and bodies are refused at once, all that is only read is served', async () => {
  const { url, log } = await start({ LLM_GATEWAY_MEMORY_THRESHOLD_MB: '32' });
  for (const face of faces) {
    const { failure } = await callFace(face, url, 'fake/echo', { stream: true });
    expect(failure?.reason).toMatch(/^overloaded/);
    expect(failure?.message).toContain('short of memory');
  }
  const refused = await fetch(`${url}/v1/sessions`, { method: 'POST', body: '{}' });
  expect(refused.status).toBe(503);
  expect(refused.headers.get('x-memory-pressure')).toBe('critical');
  expect(await refused.json()).toMatchObject({ reason: 'backpressure', threshold_mb: 32 });
  for (const path of ['/v1/models', '/health', '/live'])
    expect((await fetch(`${url}${path}`)).status).toBe(200);
  expect((await fetch(`${url}/health/ready`)).status).toBe(503);
  const detailed = await fetch(`${url}/health/detailed`);
  expect(detailed.status).toBe(503);
  expect(((await detailed.json()) as Detailed).memory.pressure).toBe('critical');
  expect(log.filter(({ message }) => message === 'memory pressure')).toHaveLength(1);
  expect(log.filter(({ message, level }) => message === 'refused' && level !== 'DEBUG')).toEqual([]);
});

test('under elevated pressure calls go on, and new background responses wait', async () => {
  const rss = process.memoryUsage.rss() / 2 ** 20;
  const { url } = await start({
    LLM_GATEWAY_MEMORY_THRESHOLD_MB: String(Math.ceil(rss * 4)),
    LLM_GATEWAY_MEMORY_SOFT_LIMIT_PERCENT: '0.1',
  });
  expect((await callFace('REST', url, 'fake/echo', { stream: false })).complete).toBe(true);
  const asked = await fetch(`${url}/v1/responses`, {
    method: 'POST',
    body: JSON.stringify({ model: 'fake/echo', input: 'x', background: true }),
  });
  expect(asked.headers.get('x-memory-pressure')).toBe('elevated');
  expect(await asked.json()).toMatchObject({ status: 'queued' });
});

test('large bodies are taken in as far as there is room for them together', async () => {
  const { url, held } = await startHeld({
    LLM_GATEWAY_MAX_BODY_BYTES_IN_FLIGHT: '25MB',
    LLM_GATEWAY_QUEUE_TIMEOUT_SECONDS: '60s',
  });
  const text = 'x'.repeat(10_000_000);
  const calls = (['REST', 'REST', "Anthropic's messages"] as Face[]).map((face) =>
    callFace(face, url, model, { stream: false, text }),
  );
  await until(async () => held.length === 2 && (await load(url)).waiting_requests === 1);
  expect((await load(url)).body_bytes_in_flight).toBeGreaterThan(20_000_000);
  held[0]!.answer();
  await until(() => held.length === 3);
  held[1]!.answer();
  held[2]!.answer();
  for (const { failure, complete } of await Promise.all(calls))
    expect({ failure, complete }).toEqual({ failure: null, complete: true });
  // A body whose length is not said counts as it comes.
  const grpc = callFace('gRPC', url, model, { stream: false, text });
  await until(() => held.length === 4);
  expect((await load(url)).body_bytes_in_flight).toBeGreaterThanOrEqual(10_000_000);
  held[3]!.answer();
  expect((await grpc).complete).toBe(true);
  await until(async () => (await load(url)).body_bytes_in_flight === 0);
}, 60_000);

test('a drain refuses what waits', async () => {
  const { url, held, gateway } = await startHeld({
    LLM_GATEWAY_MAX_CONCURRENT_REQUESTS: '1',
    LLM_GATEWAY_QUEUE_TIMEOUT_SECONDS: '60s',
  });
  const first = callFace('REST', url, model, { stream: false });
  await until(() => held.length === 1);
  const waiting = (['REST', 'gRPC', 'Connect binary over HTTP/1.1'] as Face[]).map((face) =>
    callFace(face, url, model, { stream: true }),
  );
  await until(async () => (await load(url)).waiting_requests === 3);
  const drained = gateway.drain();
  for (const { failure } of await Promise.all(waiting)) expect(failure).toMatchObject({ reason: 'draining' });
  held[0]!.answer();
  expect((await first).complete).toBe(true);
  expect(await drained).toEqual({ destroyed: 0 });
});

test('replies on REST tell of the load, unless they must not', async () => {
  const { url } = await start({});
  const ask = (to: string, stream: boolean) =>
    fetch(`${to}/v1/chat/completions`, {
      method: 'POST',
      body: JSON.stringify({ model: 'fake/echo', stream, messages: [{ role: 'user', content: 'x' }] }),
    });
  for (const stream of [false, true]) {
    const { headers } = await ask(url, stream);
    expect(Number(headers.get('x-memory-rss-mb'))).toBeGreaterThan(10);
    expect(headers.get('x-memory-pressure')).toBe('normal');
    expect(headers.get('x-active-requests')).toBe('1');
  }
  const silent = await start({ LLM_GATEWAY_LOAD_HEADERS: 'false' });
  expect((await ask(silent.url, false)).headers.get('x-active-requests')).toBe(null);
});

test('a queue that grows long is told of once', async () => {
  const { url, held, log } = await startHeld({
    LLM_GATEWAY_MAX_CONCURRENT_REQUESTS: '1',
    LLM_GATEWAY_QUEUE_WARNING_THRESHOLD: '3',
    LLM_GATEWAY_QUEUE_TIMEOUT_SECONDS: '60s',
  });
  const calls = Array.from({ length: 7 }, () => callFace('REST', url, model, { stream: false }));
  await until(async () => (await load(url)).waiting_requests === 6);
  for (let i = 0; i < 7; i++) {
    await until(() => held.length > i);
    held[i]!.answer();
  }
  await Promise.all(calls);
  expect(log.filter(({ message }) => message === 'calls are waiting')).toHaveLength(1);
  expect(log.filter(({ message }) => message === 'few calls are waiting any more')).toHaveLength(1);
});
