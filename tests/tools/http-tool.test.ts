import { once } from 'node:events';
import { createServer, type IncomingHttpHeaders, type ServerResponse } from 'node:http';
import type { AddressInfo, LookupFunction } from 'node:net';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { createUpstreamClient } from '../../src/http/client.ts';
import { createLogger } from '../../src/observability/log.ts';
import { guardedLookup } from '../../src/tools/addresses.ts';
import { AllTools } from '../../src/tools/all-tools.ts';
import { httpTool } from '../../src/tools/http-tool.ts';
import type { HttpHandler } from '../../src/tools/store.ts';
import type { CheckedOutcome } from '../../src/tools/toolbox.ts';

interface Got {
  readonly method: string;
  readonly target: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

let got: Got[] = [];
let answer: (response: ServerResponse, got: Got) => void;
const server = createServer(async (request, response) => {
  let body = '';
  for await (const chunk of request) body += chunk;
  const { method = '', url = '', headers } = request;
  const one = { method, target: url, headers, body };
  got.push(one);
  answer(response, one);
});
let port: number;
let origin: string;
/** Every name is 127.0.0.1; the guard lets it through when `allowAll` is true. */
const toLoopback: LookupFunction = (_host, { all }, callback) =>
  all ? callback(null, [{ address: '127.0.0.1', family: 4 }]) : callback(null, '127.0.0.1', 4);
let allowAll = true;
const client = createUpstreamClient({ lookup: guardedLookup(() => allowAll, toLoopback) });
const maxResultBytes = 10_000;
const log = createLogger({ service: 't', level: 'ERROR', sink: () => {} });
const tools = new AllTools([], () => ({ timeoutMs: 5_000, maxResultBytes, maxConcurrent: 10 }), log);

beforeAll(async () => {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  ({ port } = server.address() as AddressInfo);
  origin = `http://127.0.0.1:${port}`;
});
afterAll(async () => {
  await client.destroy();
  server.closeAllConnections();
  server.close();
});
beforeEach(() => {
  got = [];
  allowAll = true;
  answer = (response) => sendText(response, '{}');
});

const sendText = (
  response: ServerResponse,
  text: string | Buffer,
  type = 'application/json',
  status = 200,
) => {
  response.writeHead(status, { 'content-type': type });
  response.end(text);
};
const call = (
  args: string,
  handler: Partial<HttpHandler> = {},
  { signal = new AbortController().signal, refusal = () => null as string | null } = {},
): Promise<CheckedOutcome> =>
  tools.run(
    httpTool(
      { name: 't', description: 'd', parametersJson: '{"type":"object"}' },
      { url: `${origin}/run?k=v`, method: 'POST', headers: {}, timeoutMs: null, ...handler },
      { client, refusal, maxResultBytes: () => maxResultBytes },
    ),
    args,
    { tenant: '', requestId: 'r-1', signal },
  );
const failure = (message: string) => ({ kind: 'error', message: `Tool execution failed: ${message}` });

describe('the request', () => {
  test('has the arguments as its body, the headers and the id of the request', async () => {
    const headers = { authorization: 'Bearer hush', 'x-mine': '1' };
    await call('{"a":[1,null],"id":12345678901234567890}', { headers });
    expect(got).toMatchObject([
      {
        method: 'POST',
        target: '/run?k=v',
        body: '{"a":[1,null],"id":12345678901234567890}',
        headers: { ...headers, 'content-type': 'application/json', 'x-request-id': 'r-1' },
      },
    ]);
  });

  test.each(['PUT', 'PATCH'] as const)('is a %s where that is wanted', async (method) => {
    await call('{"a":1}', { method });
    expect(got).toMatchObject([{ method, body: '{"a":1}' }]);
  });

  test.each(['GET', 'DELETE'] as const)('of a %s has the arguments as query', async (method) => {
    const args = {
      s: 'a b&c=ü',
      n: 1.5,
      t: true,
      none: null,
      list: ['x', 2],
      deep: { z: [1] },
      mixed: [1, 'x', null, { q: 1 }, [2]],
      empty: [],
    };
    await call(JSON.stringify(args), { method });
    expect(got).toMatchObject([{ method, body: '' }]);
    expect([...new URL(got[0]!.target, origin).searchParams]).toEqual([
      ['k', 'v'],
      ['s', 'a b&c=ü'],
      ['n', '1.5'],
      ['t', 'true'],
      ['list', 'x'],
      ['list', '2'],
      ['deep', '{"z":[1]}'],
      ['mixed', '1'],
      ['mixed', 'x'],
      ['mixed', 'null'],
      ['mixed', '{"q":1}'],
      ['mixed', '[2]'],
    ]);
    expect(got[0]!.headers['content-type']).toBeUndefined();
  });

  test('has arguments in its path where the address says so, and no others there', async () => {
    await call('{"id":"a/b?c#d%2e","n":7,"x":1}', { url: `${origin}/items/{id}/{n}` });
    expect(got).toMatchObject([{ target: '/items/a%2Fb%3Fc%23d%252e/7', body: '{"x":1}' }]);
  });

  test.each(['"."', '".."', '""', 'null', '{}', '["a"]', '"\\ud800"'])(
    'is not sent when an argument in the path is %s',
    async (value) => {
      const why = 'an argument cannot stand in the path of its address';
      expect(await call(`{"id":${value}}`, { url: `${origin}/items/{id}/x` })).toEqual(failure(why));
      expect(got).toEqual([]);
    },
  );

  test('is not sent when the query would be too long', async () => {
    expect(await call(JSON.stringify({ a: 'x'.repeat(17_000) }), { method: 'GET' })).toEqual(
      failure('the arguments are too long for the query of an address'),
    );
  });

  test('is not sent where the address is not allowed any more', async () => {
    expect(await call('{}', {}, { refusal: () => 'no' })).toEqual(failure('no'));
    expect(got).toEqual([]);
  });
});

describe('the answer', () => {
  test.each<[string, string, string, string]>([
    ['JSON, unchanged', 'application/json', ' { "b": 1.0, "a": 12345678901234567890 }\n', ''],
    ['JSON of a kind', 'application/problem+json; charset=utf-8', '[1]', ''],
    ['text, as a string', 'text/plain', 'say "ä😀"', '"say \\"ä😀\\""'],
    ['text that looks like JSON', 'text/plain', '[1]', '"[1]"'],
    ['nothing', 'application/json', '', 'null'],
  ])('may be %s', async (_what, type, text, json) => {
    answer = (response) => sendText(response, text, type);
    expect(await call('{}')).toEqual({ kind: 'result', json: json === '' ? text : json });
  });

  test.each([
    ['[1]', '[1]'],
    ['hello', '"hello"'],
  ])('without a type is taken at its text: %s', async (text, json) => {
    answer = (response) => response.end(text);
    expect(await call('{}')).toEqual({ kind: 'result', json });
  });

  test.each([300, 304, 400, 404, 422, 500, 503])('with status %d is a failure', async (status) => {
    answer = (response) => sendText(response, '{"detail":"secret"}', 'application/json', status);
    expect(await call('{}')).toEqual(failure(`HTTP ${status}`));
  });

  test.each([301, 302, 303, 307, 308])('with status %d leads nowhere', async (status) => {
    answer = (response, { target }) => {
      if (target.startsWith('/elsewhere')) return sendText(response, '"inside"');
      response.writeHead(status, { location: `${origin}/elsewhere` });
      response.end();
    };
    expect(await call('{}')).toEqual(failure(`HTTP ${status}`));
    expect(got.length).toBe(1);
  });

  test.each<[string, (response: ServerResponse) => void, string]>([
    [
      'too large',
      (response) => sendText(response, `"${'x'.repeat(maxResultBytes)}"`),
      'the result is larger than it may be',
    ],
    ['not JSON', (response) => sendText(response, '{"a":'), 'the result is not valid JSON'],
    [
      'not text',
      (response) => sendText(response, Buffer.from([255, 254]), 'image/png'),
      'the answer is not text in UTF-8',
    ],
    [
      'broken off',
      (response) => {
        response.writeHead(200, { 'content-length': '100' });
        response.write('abc', () => response.destroy());
      },
      'its server broke off the answer',
    ],
  ])('that is %s is a failure', async (_what, send, message) => {
    answer = send;
    expect(await call('{}')).toEqual(failure(message));
  });

  test('that does not come in the time of the tool is a failure, and the connection is closed', async () => {
    let closed: Promise<unknown> = Promise.reject(new Error('nothing was asked'));
    closed.catch(() => {});
    answer = (response) => {
      closed = once(response, 'close');
    };
    expect(await call('{}', { timeoutMs: 100 })).toEqual({
      kind: 'error',
      message: 'Tool execution timeout after 0.1s',
    });
    await closed;
  });

  test('is not waited for when the client leaves', async () => {
    const leave = new AbortController();
    const reason = new Error('left');
    let closed: Promise<unknown> = Promise.resolve();
    answer = (response) => {
      closed = once(response, 'close');
      leave.abort(reason);
    };
    await expect(call('{}', {}, { signal: leave.signal })).rejects.toBe(reason);
    await closed;
  });
});

describe('the address', () => {
  test('of a name is looked at when it is connected to, and never told', async () => {
    const url = `http://rebound.example:${port}/run`;
    allowAll = false;
    const outcome = await call('{}', { url });
    expect(outcome).toEqual(
      failure(
        'the host has an address that is not of the public network, and LLM_GATEWAY_TOOL_PRIVATE_ADDRESSES is not true',
      ),
    );
    expect(got).toEqual([]);
    allowAll = true;
    expect((await call('{}', { url })).kind).toBe('result');
  });

  test('that nobody listens at is a failure without details', async () => {
    expect(await call('{}', { url: 'http://127.0.0.1:9/' })).toEqual(failure('its server cannot be reached'));
  });
});
