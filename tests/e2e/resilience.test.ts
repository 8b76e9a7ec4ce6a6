import { Code, ConnectError } from '@connectrpc/connect';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { ErrorDetailSchema } from '../../gen/llmgateway/v1/error_pb.js';
import { Role } from '../../gen/llmgateway/v1/message_pb.js';
import { chunked } from '../http/support/upstream.ts';
import { callFace, faces, isRest } from '../support/faces.ts';
import type { Fault } from '../support/fault-proxy.ts';
import { chatClient } from '../support/gateway.ts';
import {
  ask,
  begun,
  errsInside,
  fails,
  type Rig,
  type Script,
  says,
  startRig,
} from '../support/resilience.ts';

const yaml = `
deployments:
  pair:
    models: [east/m, west/m]
  pinned-pair:
    models:
      - { model: east/m, weight: 3 }
      - { model: west/m }
fallbacks:
  east/guarded: [west/m]
context_fallbacks:
  east/short: [west/long]
`;

let rig: Rig;
beforeAll(async () => {
  rig = await startRig(yaml);
});
afterAll(() => rig.stop());
beforeEach(() => rig.heal());

const text = async (response: Response): Promise<string> =>
  ((await response.json()) as { choices: { message: { content: string } }[] }).choices[0]?.message.content ??
  '';
const errorOf = async (
  response: Response,
): Promise<{ code: string; message: string; param: string | null }> =>
  ((await response.json()) as { error: { code: string; message: string; param: string | null } }).error;

/** Fails a number of times, then answers. */
const failingFirst = (times: number, first: Script, then: Script): Script => {
  let left = times;
  return (request, stream) => (left-- > 0 ? first : then)(request, stream);
};

describe('retries', () => {
  test.each<[string, Script]>([
    ['500', fails('500 Internal Server Error')],
    ['503', fails('503 Service Unavailable')],
    ['529', fails('529 Overloaded')],
    ['429', fails('429 Too Many Requests')],
    ['429 with a short Retry-After', fails('429 Too Many Requests', 'retry-after-ms: 5\r\n')],
    ['an error inside 200', errsInside],
    ['a reset before the answer', ({ socket }) => void socket.resetAndDestroy()],
  ])('%s is asked again, and the client is told how often', async (_name, script) => {
    for (const stream of [false, true]) {
      rig.heal();
      rig.east.script = failingFirst(2, script, says('at last'));
      const response = await ask(rig, { model: 'east/m', stream });
      expect(response.status).toBe(200);
      expect(response.headers.get('x-attempts')).toBe('3');
      expect(response.headers.get('x-provider-used')).toBe('east');
      expect(await response.text()).toContain('at last');
      expect(rig.east.asked).toHaveLength(3);
    }
  });

  test('a wait that the provider wants is kept', async () => {
    rig.east.script = failingFirst(
      1,
      fails('429 Too Many Requests', 'retry-after-ms: 120\r\n'),
      says('later'),
    );
    const began = performance.now();
    expect(await text(await ask(rig, { model: 'east/m' }))).toBe('later');
    expect(performance.now() - began).toBeGreaterThan(115);
  });

  test('one that is too long is left to the client', async () => {
    rig.east.script = fails('429 Too Many Requests', 'retry-after: 7\r\n');
    const response = await ask(rig, { model: 'east/m' });
    expect([response.status, response.headers.get('retry-after')]).toEqual([429, '7']);
    expect(response.headers.get('x-should-retry')).toBeNull();
    expect(rig.east.asked).toHaveLength(1);
  });

  test('one that outlasts the deadline is not begun', async () => {
    rig.east.script = fails('503 Service Unavailable', 'retry-after: 3\r\n');
    const began = performance.now();
    const response = await ask(rig, { model: 'east/m' }, { 'x-request-timeout-ms': '1500' });
    expect(response.status).toBe(503);
    expect(performance.now() - began).toBeLessThan(1_000);
    expect(rig.east.asked).toHaveLength(1);
  });

  test('the provider has the last word on whether another try helps', async () => {
    rig.east.script = fails('500 Internal Server Error', 'x-should-retry: false\r\n');
    const response = await ask(rig, { model: 'east/m' });
    expect([response.status, response.headers.get('x-should-retry')]).toEqual([502, 'false']);
    expect(rig.east.asked).toHaveLength(1);
  });

  test.each<[string, Script, number]>([
    ['400', fails('400 Bad Request'), 400],
    ['401', fails('401 Unauthorized'), 502],
    ['404', fails('404 Not Found'), 404],
    ['422', fails('422 Unprocessable Entity'), 422],
    ['silence', () => {}, 504],
  ])('%s is not', async (_name, script, status) => {
    rig.east.script = script;
    const response = await ask(rig, { model: 'east/m' });
    expect([response.status, response.headers.get('x-attempts')]).toEqual([status, '1']);
    expect(rig.east.asked).toHaveLength(1);
  });

  test('after them the client is told not to begin anew, and what was tried', async () => {
    rig.east.script = fails('500 Internal Server Error');
    const response = await ask(rig, { model: 'east/m' });
    const { headers } = response;
    expect([
      headers.get('x-attempts'),
      headers.get('x-should-retry'),
      headers.get('x-provider-used'),
    ]).toEqual(['3', 'false', 'east']);
    const error = await chatClient('gRPC', rig.url)
      .createChatCompletion({ model: 'east/m', messages: [{ role: Role.USER, parts: [] }] })
      .catch((cause: unknown) => ConnectError.from(cause));
    const [detail] = (error as ConnectError).findDetails(ErrorDetailSchema);
    expect((error as ConnectError).code).toBe(Code.Unavailable);
    expect(detail).toMatchObject({ provider: 'east', retryable: false });
    expect(
      detail?.tries.map(({ provider, upstreamModel, outcome }) => [provider, upstreamModel, outcome]),
    ).toEqual(Array.from({ length: 3 }, () => ['east', 'm', 'upstream_failed']));
  });

  test('a client that leaves ends them', async () => {
    const seen = Promise.withResolvers<void>();
    rig.east.script = (request, stream) => {
      seen.resolve();
      fails('503 Service Unavailable', 'retry-after-ms: 300\r\n')(request, stream);
    };
    const leaving = new AbortController();
    const call = callFace('REST', rig.url, 'east/m', { stream: false, signal: leaving.signal });
    await seen.promise;
    leaving.abort();
    await call;
    // Longer than the wait before the retry would have been.
    await new Promise((resolve) => setTimeout(resolve, 400));
    expect(rig.east.asked).toHaveLength(1);
  });

  test('an outage is not multiplied: only a share of the calls is repeated', async () => {
    const strict = await startRig('', {
      LLM_GATEWAY_RETRY_BUDGET_PER_SECOND: '0',
      LLM_GATEWAY_RETRY_BUDGET_PERCENT: '10',
    });
    try {
      strict.east.script = fails('503 Service Unavailable');
      for (let i = 0; i < 100; i++) await (await ask(strict, { model: 'east/m' })).text();
      expect(strict.east.asked.length).toBeGreaterThan(110);
      expect(strict.east.asked.length).toBeLessThanOrEqual(121);
    } finally {
      await strict.stop();
    }
  });
});

/** What the network does, and how a stream of the client's ends with nothing to fall back on. */
const faults: Record<string, { readonly fault: Fault; readonly reason: string; readonly withinMs: number }> =
  {
    'a reset of each connection': {
      fault: { kind: 'refuse' },
      reason: 'upstream_unreachable',
      withinMs: 1_000,
    },
    silence: { fault: { kind: 'silent' }, reason: 'upstream_timeout', withinMs: 1_000 },
    'a first token that comes too late': {
      fault: { kind: 'late', ms: 2_000 },
      reason: 'upstream_timeout',
      withinMs: 1_000,
    },
    'a reset within the head': {
      fault: { kind: 'reset', after: 20 },
      reason: 'upstream_interrupted',
      withinMs: 1_000,
    },
    'a reset before the first output': {
      fault: { kind: 'reset', after: 120 },
      reason: 'upstream_interrupted',
      withinMs: 1_000,
    },
    'a stall before the first output': {
      fault: { kind: 'stall', after: 120 },
      reason: 'upstream_timeout',
      withinMs: 1_000,
    },
  };

describe.each(Object.keys(faults))('%s', (name) => {
  const { fault, reason, withinMs } = faults[name]!;

  test.each([false, true])(
    'is an error in time where nothing else is to be asked (streamed: %s)',
    async (stream) => {
      rig.east.proxy.set(fault);
      const began = performance.now();
      const { failure, complete } = await callFace('REST', rig.url, 'east/m', { stream });
      expect(failure?.reason).toBe(reason);
      expect(complete).toBe(false);
      expect(performance.now() - began).toBeLessThan(withinMs);
    },
  );

  test.each([false, true])('is answered by another deployment (streamed: %s)', async (stream) => {
    rig.east.proxy.set(fault);
    const began = performance.now();
    const outcome = await callFace('REST', rig.url, 'pair', { stream });
    expect(outcome).toMatchObject({ text: 'west', complete: true, failure: null });
    expect(outcome.headers?.get('x-provider-used')).toBe('west');
    expect(outcome.headers?.get('x-model-used')).toBe('pair');
    expect(performance.now() - began).toBeLessThan(withinMs);
  });
});

describe.each(faces)('%s', (face) => {
  test.each([false, true])(
    'an error inside 200 before the first output goes elsewhere (streamed: %s)',
    async (stream) => {
      rig.east.script = errsInside;
      const outcome = await callFace(face, rig.url, 'pair', { stream });
      expect(outcome).toMatchObject({ text: 'west', complete: true, failure: null });
    },
  );

  test.each<[string, Script]>([
    [
      'an error in the middle',
      ({ socket }) =>
        void socket.write(
          `${begun('Hel')}${chunked('data: {"error":{"message":"Overloaded","code":503}}\n\n')}0\r\n\r\n`,
        ),
    ],
    ['an end in the middle', ({ socket }) => void socket.write(`${begun('Hel')}0\r\n\r\n`)],
    [
      'a reset in the middle',
      ({ socket }) => void socket.write(begun('Hel'), () => setImmediate(() => socket.resetAndDestroy())),
    ],
    ['a stall in the middle', ({ socket }) => void socket.write(begun('Hel'))],
  ])('%s is an error, and nobody else is asked', async (_name, script) => {
    rig.east.script = script;
    const { text: said, complete, failure } = await callFace(face, rig.url, 'pair', { stream: true });
    expect([said, complete]).toEqual(['Hel', false]);
    expect(failure).not.toBeNull();
    expect([rig.east.asked.length, rig.west.asked.length]).toEqual([1, 0]);
  });

  test('a refusal of the request is the client’s, at once', async () => {
    rig.east.script = fails('400 Bad Request');
    const { failure } = await callFace(face, rig.url, 'east/guarded', { stream: true });
    expect(failure?.status).toBe(isRest(face) ? 400 : 'InvalidArgument');
    expect([rig.east.asked.length, rig.west.asked.length]).toEqual([1, 0]);
  });
});

describe('responses', () => {
  const respond = (body: object, headers: Record<string, string> = {}): Promise<Response> =>
    fetch(`${rig.url}/v1/responses`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...headers },
      body: JSON.stringify({ input: 'Hello', ...body }),
    });

  test('go elsewhere before the first output, with one beginning', async () => {
    rig.east.script = errsInside;
    const body = await (await respond({ model: 'pair', stream: true })).text();
    expect(body.match(/^event: response\.created$/gm)).toHaveLength(1);
    expect(body.match(/^event: response\.completed$/gm)).toHaveLength(1);
    expect(body).toContain('west');
  });

  test('fail in the middle of a stream, and nobody else is asked', async () => {
    rig.east.script = ({ socket }) => void socket.write(`${begun('Hel')}0\r\n\r\n`);
    const body = await (await respond({ model: 'pair', stream: true })).text();
    expect(body).toContain('event: response.failed');
    expect(rig.west.asked).toEqual([]);
  });

  test('have the fallbacks of a header', async () => {
    rig.east.script = fails('500 Internal Server Error');
    const response = await respond({ model: 'east/m' }, { 'x-fallback-models': 'west/other' });
    expect([response.status, response.headers.get('x-model-used')]).toEqual([200, 'west/other']);
  });
});

test('a client whose time is up is told who had it', async () => {
  const patient = await startRig('', { LLM_GATEWAY_UPSTREAM_FIRST_BYTE_TIMEOUT_SECONDS: '30s' });
  try {
    patient.east.script = () => {};
    const response = await ask(patient, { model: 'east/m' }, { 'x-request-timeout-ms': '300' });
    expect(response.status).toBe(504);
    expect(response.headers.get('x-provider-used')).toBe('east');
    expect(response.headers.get('x-attempts')).toBe('1');
    expect((await errorOf(response)).code).toBe('deadline_exceeded');
  } finally {
    await patient.stop();
  }
});

describe('fallbacks', () => {
  test('of the configuration stand in when retries did not help', async () => {
    rig.east.script = fails('500 Internal Server Error');
    const response = await ask(rig, { model: 'east/guarded' });
    const { headers } = response;
    expect([headers.get('x-provider-used'), headers.get('x-model-used'), headers.get('x-attempts')]).toEqual([
      'west',
      'west/m',
      '4',
    ]);
    expect(await text(response)).toBe('west');
    expect(rig.west.asked[0]).toMatchObject({ model: 'm' });
  });

  test('of the body, the header and RPC win over these, in their order', async () => {
    rig.east.script = fails('500 Internal Server Error');
    const names = ['east/second', 'west/third'];
    const byBody = await ask(rig, { model: 'east/guarded', fallbacks: names });
    expect([await text(byBody), byBody.headers.get('x-model-used')]).toEqual(['west', 'west/third']);
    expect(rig.east.asked.map(({ model }) => model)).toEqual([
      ...['guarded', 'guarded', 'guarded'],
      ...['second', 'second', 'second'],
    ]);
    const byHeader = await ask(rig, { model: 'east/m' }, { 'x-fallback-models': names.join(', ') });
    expect(byHeader.headers.get('x-model-used')).toBe('west/third');
    const request = { model: 'east/m', messages: [{ role: Role.USER, parts: [] }] };
    const client = chatClient('Connect over HTTP/2', rig.url);
    for (const { options, headers } of [
      { options: { fallbacks: names }, headers: {} },
      { options: {}, headers: { 'x-fallback-models': names.join(',') } },
    ]) {
      const { callReport } = await client.createChatCompletion({ ...request, options }, { headers });
      expect(callReport).toMatchObject({ model: 'west/third', provider: 'west', attempts: 7 });
      expect(callReport?.tries.map(({ outcome }) => outcome)).toEqual([
        ...Array.from({ length: 6 }, () => 'upstream_failed'),
        'success',
      ]);
    }
  });

  test('can be turned off, and have to be there', async () => {
    rig.east.script = fails('500 Internal Server Error');
    const off = await ask(rig, { model: 'east/guarded' }, { 'x-fallback-models': 'none' });
    expect([off.status, rig.west.asked.length]).toEqual([502, 0]);
    const absent = await ask(rig, { model: 'east/m', fallbacks: ['west/m', 'openai/gpt-4o'] });
    expect([absent.status, (await errorOf(absent)).param]).toEqual([400, 'fallbacks[1]']);
  });

  test('a stream has one beginning', async () => {
    rig.east.script = ({ socket }) => void socket.write(`${begun('')}0\r\n\r\n`);
    const body = await (await ask(rig, { model: 'east/guarded', stream: true })).text();
    expect(body.match(/"role":"assistant"/g)).toHaveLength(1);
    expect(body).toContain('"west"');
  });

  test('when all fail, the client is told of the model that it asked for', async () => {
    rig.east.script = fails('503 Service Unavailable');
    rig.west.script = fails('429 Too Many Requests', 'retry-after: 60\r\n');
    const response = await ask(rig, { model: 'east/guarded' });
    expect([response.status, response.headers.get('x-provider-used')]).toEqual([503, 'east']);
    expect(response.headers.get('x-attempts')).toBe('4');
  });

  test('a longer context stands in for one that is too short, and for nothing else', async () => {
    rig.east.script = fails('400 Bad Request', '', {
      message: "This model's maximum context length is 8192 tokens",
      type: 'invalid_request_error',
      code: 'context_length_exceeded',
    });
    const response = await ask(rig, { model: 'east/short' });
    expect([response.status, response.headers.get('x-model-used')]).toEqual([200, 'west/long']);
    rig.east.script = fails('500 Internal Server Error');
    expect((await ask(rig, { model: 'east/short' })).status).toBe(502);
    expect(rig.west.asked).toHaveLength(1);
  });

  test('vectors of another model are none', async () => {
    rig.east.script = fails('500 Internal Server Error');
    const embed = (model: string): Promise<Response> =>
      fetch(`${rig.url}/v1/embeddings`, { method: 'POST', body: JSON.stringify({ model, input: 'a' }) });
    expect((await embed('east/guarded')).status).toBe(502);
    const response = await embed('pair');
    expect([response.status, response.headers.get('x-provider-used')]).toEqual([200, 'west']);
  });
});
