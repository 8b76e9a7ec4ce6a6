import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type ReceivedRequest, type ScriptedUpstream, startUpstream } from '../http/support/upstream.ts';
import { embed, embeddingsClient, embeddingsFaces } from '../support/embeddings.ts';

import { openaiClient, type RunningGateway, startGateway } from '../support/gateway.ts';

const json = (body: unknown, status = '200 OK', headers = ''): string => {
  const text = typeof body === 'string' ? body : JSON.stringify(body);
  return `HTTP/1.1 ${status}\r\ncontent-type: application/json\r\n${headers}content-length: ${Buffer.byteLength(text)}\r\n\r\n${text}`;
};
const base64 = (values: number[]) => Buffer.from(new Float32Array(values).buffer).toString('base64');
const floats = [0.1, -1 / 3, 0.0069292834, 1e-7, -2.5].map(Math.fround);

/** Not all of them 32-bit floats. */
const doubles = [1 / 3, 5e-324, -0.0, 123456.789, 3.4028234663852886e38];

interface Asked {
  model: string;
  input: unknown;
  encoding_format?: string;
  [key: string]: unknown;
}
const vectors = ({ input }: Asked, vector: unknown) =>
  (Array.isArray(input) ? input : [input]).map((_, index) => ({
    object: 'embedding',
    index,
    embedding: vector,
  }));
const good = (
  asked: Asked,
  vector: unknown = asked.encoding_format === 'base64' ? base64(floats) : floats,
) => ({
  object: 'list',
  data: vectors(asked, vector),
  model: 'm-1',
  usage: { prompt_tokens: 3, total_tokens: 3 },
});

/** What the upstream answers for a model of this name. */
const scripts: Record<string, (asked: Asked, request: ReceivedRequest) => string | null> = {
  good: (asked) => json(good(asked)),
  'numbers-anyway': (asked) => json(good(asked, floats)),
  doubles: (asked) => json(good(asked, doubles)),
  'doubles-in-base64': (asked) => json(good(asked, base64(doubles))),
  backwards: (asked) => json({ ...good(asked), data: good(asked).data.reverse() }),
  'too-few': (asked) => json({ ...good(asked), data: good(asked).data.slice(1) }),
  'not-a-number': (asked) => json(good(asked, base64([1, Number.NaN]))),
  nulls: (asked) => json(good(asked, [1, null])),
  malformed: () => json('{"data": ['),
  'bad-key': () =>
    json(
      { error: { message: 'Incorrect API key provided: sk-secret1234567890', code: 'invalid_api_key' } },
      '401 Unauthorized',
    ),
  'too-many': () =>
    json(
      { error: { message: 'Slow down', code: 'rate_limit_exceeded' } },
      '429 Too Many Requests',
      'retry-after: 7\r\n',
    ),
  broken: () => json({ error: { message: 'Oops' } }, '500 Internal Server Error'),
  'error-in-200': () => json({ error: { message: 'Overloaded', code: 503 } }),
  'reset-unanswered': (_asked, { socket }) => {
    socket.resetAndDestroy();
    return null;
  },
  silent: () => null,
};

let upstream: ScriptedUpstream;
let gateway: RunningGateway;
let folder: string;
let asked: Asked;
let request: ReceivedRequest;
beforeAll(async () => {
  upstream = await startUpstream();
  upstream.answerAll((received) => {
    // Local servers are asked for their models, too.
    if (received.head.startsWith('GET')) return void received.socket.write(json({ data: [] }));
    request = received;
    asked = JSON.parse(received.body);
    const answer = (scripts[asked.model] ?? scripts['good'])?.(asked, received) ?? null;
    if (answer !== null) received.socket.write(answer);
  });
  folder = mkdtempSync(path.join(tmpdir(), 'embeddings-'));
  const file = path.join(folder, 'gateway.yaml');
  writeFileSync(
    file,
    [
      'providers:',
      `  plain:\n    base_url: ${upstream.origin}/v1`,
      `  limited:\n    base_url: ${upstream.origin}/v1\n    unsupported: [dimensions, user, task_type]`,
      `  patient:\n    base_url: ${upstream.origin}/v1\n    timeouts:\n      first_byte: 60s`,
      `  without:\n    base_url: ${upstream.origin}/v1\n    embeddings: none`,
    ].join('\n'),
  );
  gateway = await startGateway({
    LLM_GATEWAY_CONFIG: file,
    OPENAI_API_KEY: 'sk-test-0123456789abcdef',
    LLM_GATEWAY_OPENAI_BASE_URL: `${upstream.origin}/v1`,
    LLM_GATEWAY_LLAMACPP_BASE_URL: `${upstream.origin}/v1`,
    LLM_GATEWAY_UPSTREAM_FIRST_BYTE_TIMEOUT_SECONDS: '300ms',
  });
});
afterAll(async () => {
  await gateway.stop();
  upstream.close();
  rmSync(folder, { recursive: true });
});

const post = (body: unknown, headers: Record<string, string> = {}, route = '/v1/embeddings') =>
  fetch(`${gateway.url}${route}`, { method: 'POST', headers, body: JSON.stringify(body) });
const errorOf = async (response: Response) =>
  (
    (await response.json()) as {
      error: { message: string; type: string; param: string | null; code: string | null };
    }
  ).error;
const callLine = () => gateway.log.findLast(({ message }) => message === 'call');

describe('the official SDK', () => {
  test('gets vectors of their full length, by its default of base64', async () => {
    const client = openaiClient(gateway.url);
    for (const model of ['openai/good', 'plain/good', 'llamacpp/numbers-anyway']) {
      const {
        data,
        model: named,
        object,
        usage,
      } = await client.embeddings.create({ model, input: ['a', 'b'] });
      expect(data.map(({ embedding }) => embedding)).toEqual([floats, floats]);
      expect(data.map(({ index, object: kind }) => [index, kind])).toEqual([
        [0, 'embedding'],
        [1, 'embedding'],
      ]);
      expect([named, object, usage]).toEqual(['m-1', 'list', { prompt_tokens: 3, total_tokens: 3 }]);
    }
  });

  test('gets the same floats as numbers', async () => {
    const { data } = await openaiClient(gateway.url).embeddings.create({
      model: 'openai/good',
      input: 'a',
      encoding_format: 'float',
    });
    expect(data[0]?.embedding).toEqual([0.1, -0.33333334, 0.0069292835, 1e-7, -2.5]);
    expect(data[0]?.embedding.map(Math.fround)).toEqual(floats);
  });

  test('asks the models of this process', async () => {
    const client = openaiClient(gateway.url);
    const input = ['a red apple', 'a green apple', 'the stock market'];
    const { data, usage } = await client.embeddings.create({ model: 'fake/embed', input, dimensions: 512 });
    const [red, green, market] = data.map(({ embedding }) => embedding) as [number[], number[], number[]];
    const dot = (a: number[], b: number[]) => a.reduce((sum, value, i) => sum + value * (b[i] as number), 0);
    expect(red).toHaveLength(512);
    expect(dot(red, red)).toBeCloseTo(1, 5);
    expect(dot(red, green)).toBeGreaterThan(dot(red, market) + 0.3);
    expect(usage).toEqual({ prompt_tokens: 9, total_tokens: 9 });
    const again = await client.embeddings.create({
      model: 'fake/embed',
      input: 'a red apple',
      dimensions: 512,
    });
    expect(again.data[0]?.embedding).toEqual(red);
  });
});

describe.each(embeddingsFaces)('%s', (face) => {
  test('answers with the floats as the provider made them, in the order of the inputs', async () => {
    for (const model of ['openai/good', 'openai/backwards', 'plain/good', 'llamacpp/numbers-anyway']) {
      const outcome = await embed(face, gateway.url, model, { texts: ['a', 'b', 'c'] });
      expect(outcome).toMatchObject({ indices: [0, 1, 2], model: 'm-1', promptTokens: 3, failure: null });
      expect(outcome.vectors.map((vector) => vector.map(Math.fround))).toEqual([floats, floats, floats]);
      expect(outcome.provider).toBe(model.split('/')[0]);
    }
  });

  test('answers with the same floats whether the provider made doubles or base64', async () => {
    const expected =
      face === 'REST'
        ? [0.33333334, 0, 0, 123456.79, 3.4028235e38]
        : doubles.map((value) => Math.fround(value) + 0);
    for (const model of ['openai/doubles', 'openai/doubles-in-base64']) {
      const { vectors: seen, failure } = await embed(face, gateway.url, model, { texts: ['a'] });
      expect([failure, seen]).toEqual([null, [expected]]);
    }
  });

  test.each([
    ['too-few', 502, 'Unavailable', 'upstream_invalid'],
    ['not-a-number', 502, 'Unavailable', 'upstream_invalid'],
    ['nulls', 502, 'Unavailable', 'upstream_invalid'],
    ['malformed', 502, 'Unavailable', 'upstream_invalid'],
    ['bad-key', 502, 'Unavailable', 'upstream_auth'],
    ['too-many', 429, 'ResourceExhausted', 'upstream_rate_limited'],
    ['broken', 502, 'Unavailable', 'upstream_failed'],
    ['error-in-200', 503, 'Unavailable', 'upstream_overloaded'],
    ['reset-unanswered', 502, 'Unavailable', 'upstream_unreachable'],
    ['silent', 504, 'DeadlineExceeded', 'upstream_timeout'],
  ])('of a provider that is %s', async (model, rest, rpc, reason) => {
    const { failure } = await embed(face, gateway.url, `openai/${model}`, { texts: ['a', 'b'] });
    expect(failure).toMatchObject({ status: face === 'REST' ? rest : rpc, reason });
    expect(callLine()).toMatchObject({ status: reason, kind: 'embeddings', attempts: 1 });
    expect(JSON.stringify([failure, gateway.log])).not.toMatch(/sk-(?:secret|test)/);
  });

  test('a client that leaves stops the upstream', async () => {
    const leave = new AbortController();
    const call = embed(face, gateway.url, 'patient/silent', { signal: leave.signal });
    const before = request;
    while (request === before) await new Promise((resolve) => setImmediate(resolve));
    const left = performance.now();
    leave.abort();
    expect((await request.gone) - left).toBeLessThan(1_000);
    expect((await call).failure).not.toBeNull();
    while (callLine()?.['status'] !== 'cancelled') await new Promise((resolve) => setImmediate(resolve));
  });

  test('a deadline stops it, too', async () => {
    const { failure } = await embed(face, gateway.url, 'patient/silent', { timeoutMs: 100 });
    expect(failure).toMatchObject(
      face === 'REST' ? { status: 504, reason: 'deadline_exceeded' } : { status: 'DeadlineExceeded' },
    );
    await request.gone;
  });

  test.each([
    ['a model without key', 'grok-4', 400, 'FailedPrecondition', 'provider_not_configured'],
    ['a provider without embeddings', 'without/m', 404, 'NotFound', 'model_not_supported'],
    ['a model of the Responses API only', 'o3', 404, 'NotFound', 'model_not_supported'],
  ])('%s', async (_what, model, rest, rpc, reason) => {
    const { failure } = await embed(face, gateway.url, model);
    expect(failure).toMatchObject({ status: face === 'REST' ? rest : rpc, reason, field: 'model' });
  });

  test('dimensions that a provider cannot make are refused, hints are dropped and reported', async () => {
    const refused = await embed(face, gateway.url, 'limited/good', { dimensions: 2 });
    expect(refused.failure).toMatchObject({ reason: 'unsupported_parameter', field: 'dimensions' });
    const dropped = await embed(face, gateway.url, 'limited/good', { user: 'me' });
    expect([dropped.failure, dropped.dropped]).toEqual([null, 'user']);
    expect(asked).not.toHaveProperty('user');
  });

  test('dimensions that a provider ignores are an error', async () => {
    const { failure } = await embed(face, gateway.url, 'plain/good', { dimensions: 2 });
    expect(failure).toMatchObject({ reason: 'upstream_invalid' });
    expect(asked['dimensions']).toBe(2);
  });

  test('no input is refused', async () => {
    const { failure } = await embed(face, gateway.url, 'fake/embed', { texts: [] });
    expect(failure).toMatchObject(
      face === 'REST' ? { status: 400, field: 'input' } : { status: 'InvalidArgument', field: 'inputs' },
    );
  });
});

describe('what goes upstream', () => {
  test('is asked for as base64 where that is known', async () => {
    await post({ model: 'openai/good', input: 'a', encoding_format: 'float' });
    expect(asked).toEqual({ model: 'good', input: 'a', encoding_format: 'base64' });
    await post({ model: 'plain/good', input: ['a', 'b'], encoding_format: 'base64' });
    expect(asked).toEqual({ model: 'good', input: ['a', 'b'] });
  });

  test('has token ids, and what the gateway does not know', async () => {
    const body = { input: [[1, 2], [3]], input_type: 'query', deep: { a: [null, 1] } };
    expect((await post({ model: 'plain/good', ...body })).status).toBe(200);
    expect(asked).toEqual({ model: 'good', ...body });
  });

  test('is authorized, and at the right place', async () => {
    await post({ model: 'text-embedding-3-small', input: 'a' });
    expect(request.head).toMatch(/^POST \/v1\/embeddings /);
    expect(request.head.toLowerCase()).toContain('authorization: bearer sk-test-0123456789abcdef');
    expect(asked.model).toBe('text-embedding-3-small');
  });

  test('can be 2,048 texts of 10 MB', async () => {
    const text = 'x'.repeat(5_000);
    const response = await post({
      model: 'openai/good',
      input: Array(2048).fill(text),
      encoding_format: 'base64',
    });
    const { data } = (await response.json()) as { data: unknown[] };
    expect([response.status, data.length, (asked.input as unknown[]).length]).toEqual([200, 2048, 2048]);
  });

  test('mixed inputs on RPC are refused where they cannot be said', async () => {
    const inputs = [
      { content: { case: 'text' as const, value: 'a' } },
      { content: { case: 'tokens' as const, value: { ids: [1] } } },
    ];
    const client = embeddingsClient('gRPC', gateway.url);
    await expect(client.createEmbeddings({ model: 'openai/good', inputs })).rejects.toMatchObject({
      rawMessage: expect.stringContaining('inputs'),
    });
    expect((await client.createEmbeddings({ model: 'fake/embed', inputs })).embeddings).toHaveLength(2);
  });
});

describe('on REST', () => {
  test('the reply tells of its way', async () => {
    const response = await post(
      { model: 'limited/good', input: 'a', user: 'me', dimensions: 5 },
      { 'x-request-id': 'my-id', 'x-drop-params': 'true' },
    );
    expect(response.status).toBe(200);
    expect(response.headers.get('x-request-id')).toBe('my-id');
    expect(response.headers.get('x-provider-used')).toBe('limited');
    expect(response.headers.get('x-dropped-params')).toBe('dimensions, user');
    const refused = await post({ model: 'limited/good', input: 'a', user: 'me', drop_params: false });
    expect([refused.status, (await errorOf(refused)).param]).toEqual([400, 'user']);
  });

  test('a provider’s Retry-After reaches the client', async () => {
    expect((await post({ model: 'openai/too-many', input: 'a' })).headers.get('retry-after')).toBe('7');
  });

  test('a bad body is told its field', async () => {
    const wrong: [string, unknown][] = [
      ['model', { input: 'a' }],
      ['input', { model: 'fake/embed' }],
      ['input[1]', { model: 'fake/embed', input: ['a', ''] }],
      ['dimensions', { model: 'fake/embed', input: 'a', dimensions: 100_000 }],
      ['encoding_format', { model: 'fake/embed', input: 'a', encoding_format: 'hex' }],
    ];
    for (const [param, body] of wrong) {
      const response = await post(body);
      const error = await errorOf(response);
      expect([response.status, error.param, error.type]).toEqual([400, param, 'invalid_request_error']);
    }
    expect((await fetch(`${gateway.url}/v1/embeddings`)).status).toBe(405);
  });

  test('/embeddings is the same, but for bodies with `text`', async () => {
    const response = await post({ model: 'fake/embed', input: 'a' }, {}, '/embeddings');
    expect(await response.json()).toMatchObject({ object: 'list', model: 'fake/embed' });
    const other = await post({ model: 'fake/embed', text: 'a' }, {}, '/embeddings');
    expect(await other.json()).toMatchObject({ provider: 'fake', embeddings: expect.any(Array) });
  });

  test('a model for embeddings has no chat completions', async () => {
    const body = { model: 'text-embedding-3-small', messages: [{ role: 'user', content: 'Hi' }] };
    const response = await post(body, {}, '/v1/chat/completions');
    expect([response.status, (await errorOf(response)).code]).toEqual([404, 'model_not_supported']);
  });

  test('fake models fail as they are told', async () => {
    const response = await post({ model: 'fake/embed?status=503&retry_after_ms=2000', input: 'a' });
    expect([response.status, response.headers.get('retry-after')]).toEqual([503, '2']);
  });
});

test('the log has a line for each call, and no word of a text', async () => {
  await post({ model: 'fake/embed', input: ['a very secret text'], user: 'me' });
  expect(callLine()).toMatchObject({
    face: 'openai.embeddings',
    kind: 'embeddings',
    model: 'fake/embed',
    provider: 'fake',
    status: 'success',
    prompt_tokens: 4,
  });
  expect(JSON.stringify(gateway.log)).not.toContain('secret text');
});
