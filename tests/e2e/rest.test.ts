import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type ScriptedUpstream, startUpstream } from '../http/support/upstream.ts';
import { openaiClient, type RunningGateway, startGateway } from '../support/gateway.ts';

let gateway: RunningGateway;
let upstream: ScriptedUpstream;
beforeAll(async () => {
  upstream = await startUpstream();
  upstream.answerAll(({ socket, head }) => {
    const body = head.startsWith('GET /v1/models')
      ? JSON.stringify({ data: [{ id: 'served-model', status: 'loaded', context_length: 4096 }] })
      : '{}';
    socket.write(
      `HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: ${body.length}\r\n\r\n${body}`,
    );
  });
  gateway = await startGateway({
    LLM_GATEWAY_INFERENCE_BASE_URL: upstream.origin,
    LLM_GATEWAY_MAX_BODY_BYTES: '1MiB',
  });
});
afterAll(async () => {
  await gateway.stop();
  upstream.close();
});

const post = (body: unknown, headers: Record<string, string> = {}, path = '/v1/chat/completions') =>
  fetch(`${gateway.url}${path}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: typeof body === 'string' || body instanceof Buffer ? (body as string) : JSON.stringify(body),
  });
interface ErrorBody {
  error: { message: string; type: string; param: string | null; code: string | null };
}
const bodyOf = async <T = ErrorBody>(response: Response): Promise<T> => (await response.json()) as T;
const echo = { model: 'fake/echo', messages: [{ role: 'user', content: 'Hi' }] };

describe('bad requests', () => {
  test.each([
    ['not JSON', '{"model":', 400, 'body', null],
    ['an empty body', '', 400, 'body', null],
    ['a list', [], 400, '', null],
    ['no model', { messages: echo.messages }, 400, 'model', null],
    ['no messages', { model: 'fake/echo' }, 400, 'messages', null],
    ['empty messages', { model: 'fake/echo', messages: [] }, 400, 'messages', null],
    ['a wrong role', { ...echo, messages: [{ role: 'robot', content: 'x' }] }, 400, 'messages[0].role', null],
    ['a number as text', { ...echo, temperature: 'hot' }, 400, 'temperature', null],
    ['a temperature too high', { ...echo, temperature: 3 }, 400, 'temperature', null],
    ['n of 0', { ...echo, n: 0 }, 400, 'n', null],
    ['a model of no provider here', { ...echo, model: 'cli/claude' }, 404, 'model', 'model_not_found'],
    ['a model without key', { ...echo, model: 'gpt-4o-mini' }, 400, 'model', 'provider_not_configured'],
    ['a prefix without name', { ...echo, model: 'openai/' }, 400, 'model', null],
    ['a model without chat completions', { ...echo, model: 'o3' }, 404, 'model', 'model_not_supported'],
    ['an unknown fake option', { ...echo, model: 'fake/echo?speed=9' }, 400, 'model', null],
  ])('%s', async (_what, body, status, param, code) => {
    const response = await post(body);
    const { error } = await bodyOf(response);
    expect(response.status).toBe(status);
    expect(Object.keys(error).sort()).toEqual(['code', 'message', 'param', 'type']);
    expect(error).toMatchObject({ type: 'invalid_request_error', code });
    if (param !== '') expect(error.param).toBe(param);
    expect(response.headers.get('x-request-id')).toMatch(/^req_/);
  });

  test('a missing key names the variable to set', async () => {
    const { error } = await bodyOf(await post({ ...echo, model: 'grok-4' }));
    expect(error.message).toMatch(/XAI_API_KEY|GROK_API_KEY/);
  });

  test('a body over the limit', async () => {
    const response = await post({ ...echo, messages: [{ role: 'user', content: 'x'.repeat(1_100_000) }] });
    expect(response.status).toBe(413);
    expect((await bodyOf(response)).error.code).toBe('request_too_large');
  });

  test('a compressed body over the limit', async () => {
    const body = gzipSync(
      JSON.stringify({ ...echo, messages: [{ role: 'user', content: 'x'.repeat(1_100_000) }] }),
    );
    expect((await post(body, { 'content-encoding': 'gzip' })).status).toBe(413);
    expect((await post(body, { 'content-encoding': 'magic' })).status).toBe(415);
  });

  test('a compressed body is read', async () => {
    expect((await post(gzipSync(JSON.stringify(echo)), { 'content-encoding': 'gzip' })).status).toBe(200);
  });

  test('an unknown route and a wrong method', async () => {
    const missing = await fetch(`${gateway.url}/v1/nothing`);
    expect([missing.status, (await bodyOf(missing)).error.code]).toEqual([404, 'not_found']);
    const wrong = await fetch(`${gateway.url}/v1/chat/completions`);
    expect([wrong.status, wrong.headers.get('allow')]).toEqual([405, 'POST']);
  });

  test('wrong headers', async () => {
    expect((await post(echo, { 'x-request-timeout-ms': 'soon' })).status).toBe(400);
    expect((await post(echo, { 'x-drop-params': 'maybe' })).status).toBe(400);
    const replaced = await post(echo, { 'x-request-id': 'a b' });
    expect(replaced.headers.get('x-request-id')).toMatch(/^req_/);
    const kept = await post(echo, { 'x-request-id': 'my-id' });
    expect(kept.headers.get('x-request-id')).toBe('my-id');
  });
});

describe('models', () => {
  test('a list of what can be used, with what a local server reports', async () => {
    await gateway.gateway.port; // the server listens
    const ids = async () => (await openaiClient(gateway.url).models.list()).data.map(({ id }) => id);
    while (!(await ids()).includes('inference/served-model'))
      await new Promise((resolve) => setImmediate(resolve));
    const all = await ids();
    expect(all).toContain('fake/echo');
    expect(all).toContain('phi-4');
    expect(all).not.toContain('gpt-4o-mini');
    expect(all.filter((id) => id.startsWith('llamacpp/'))).toEqual([]);
  });

  test('one by id, alias, and with slashes', async () => {
    const client = openaiClient(gateway.url);
    expect(await client.models.retrieve('fake/echo')).toMatchObject({
      id: 'fake/echo',
      object: 'model',
      owned_by: 'fake',
    });
    expect(await (await fetch(`${gateway.url}/v1/models/fake/echo`)).json()).toMatchObject({
      id: 'fake/echo',
    });
    expect(await (await fetch(`${gateway.url}/v1/models/GPT`)).json()).toMatchObject({ id: 'gpt-5.2' });
    const missing = await fetch(`${gateway.url}/v1/models/none`);
    expect([missing.status, (await bodyOf(missing)).error.code]).toEqual([404, 'model_not_found']);
  });

  test('providers', async () => {
    const list = await bodyOf<{
      object: string;
      provider_names: string[];
      providers: Record<string, string[]>;
    }>(await fetch(`${gateway.url}/v1/providers`));
    expect(list.object).toBe('provider_list');
    expect(list.provider_names).toContain('fake');
    expect(list.provider_names).not.toContain('openai');
    expect(list.providers['fake']).toContain('fake/echo');
  });

  test('paths without /v1', async () => {
    expect((await fetch(`${gateway.url}/models`)).status).toBe(200);
    expect((await post(echo, {}, '/chat/completions')).status).toBe(200);
  });
});

test('health', async () => {
  for (const path of ['/health', '/health/live', '/health/ready']) {
    expect((await fetch(`${gateway.url}${path}`)).status).toBe(200);
  }
});

test('a silent stream gets comments from the beginning, only between events', async () => {
  const quick = await startGateway({ LLM_GATEWAY_SSE_KEEP_ALIVE_SECONDS: '50ms' });
  const response = await fetch(`${quick.url}/v1/chat/completions`, {
    method: 'POST',
    body: JSON.stringify({ ...echo, model: 'fake/echo?first_ms=300&words=2&delay_ms=200', stream: true }),
  });
  const text = await response.text();
  await quick.stop();
  const frames = text.split('\n\n').filter((frame) => frame !== '');
  expect(frames[0]).toBe(': keep-alive');
  expect(frames.every((frame) => frame === ': keep-alive' || frame.startsWith('data: '))).toBe(true);
  expect(frames.filter((frame) => frame.startsWith(':')).length).toBeGreaterThan(2);
  expect(frames.at(-1)).toBe('data: [DONE]');
});

test('a failure after such a comment comes inside the stream', async () => {
  const quick = await startGateway({ LLM_GATEWAY_SSE_KEEP_ALIVE_SECONDS: '50ms' });
  const response = await fetch(`${quick.url}/v1/chat/completions`, {
    method: 'POST',
    body: JSON.stringify({ ...echo, model: 'fake/error?first_ms=200', stream: true }),
  });
  const text = await response.text();
  await quick.stop();
  expect(response.status).toBe(200);
  expect(text).toMatch(/data: \{"error":\{.*"code":"upstream_failed".*\}\}\n\n$/);
  expect(text).not.toContain('[DONE]');
});

test('a body that is not UTF-8 is refused', async () => {
  const response = await fetch(`${gateway.url}/v1/chat/completions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: Buffer.from('{"model":"fake/echo","messages":[{"role":"user","content":"\xff"}]}', 'latin1'),
  });
  expect(response.status).toBe(400);
  expect(await response.json()).toMatchObject({
    error: { param: 'body', message: expect.stringContaining('UTF-8') },
  });
});

test('a fake model that does not exist is not found', async () => {
  const response = await fetch(`${gateway.url}/v1/chat/completions`, {
    method: 'POST',
    body: JSON.stringify({ model: 'fake/zzz', messages: [{ role: 'user', content: 'x' }] }),
  });
  expect(response.status).toBe(404);
  expect(await response.json()).toMatchObject({ error: { code: 'model_not_found', param: 'model' } });
});
