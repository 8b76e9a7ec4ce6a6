import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  answered,
  chunked,
  type ReceivedRequest,
  type ScriptedUpstream,
  STREAM_HEAD,
  startUpstream,
} from '../http/support/upstream.ts';
import { callFace, faces, isRest } from '../support/faces.ts';
import { type RunningGateway, startGateway } from '../support/gateway.ts';

const chunk = (delta: object, finish: string | null = null): string =>
  chunked(
    `data: ${JSON.stringify({ id: 'c1', object: 'chat.completion.chunk', created: 1, model: 'm', choices: [{ index: 0, delta, finish_reason: finish }] })}\n\n`,
  );
const opening = STREAM_HEAD + chunk({ role: 'assistant', content: '' }) + chunk({ content: 'Hel' });
const closing = chunk({}, 'stop') + chunked('data: [DONE]\n\n');
const json = (body: unknown, status = '200 OK', headers = ''): string => {
  const text = typeof body === 'string' ? body : JSON.stringify(body);
  return `HTTP/1.1 ${status}\r\ncontent-type: application/json\r\n${headers}content-length: ${Buffer.byteLength(text)}\r\n\r\n${text}`;
};
const completion = {
  id: 'c1',
  object: 'chat.completion',
  created: 1,
  model: 'm',
  choices: [{ index: 0, message: { role: 'assistant', content: 'Hello' }, finish_reason: 'stop' }],
};

/** What the upstream does when it is asked for a model of this name. */
const scripts: Record<string, (request: ReceivedRequest, stream: boolean) => void> = {
  good: ({ socket }, stream) =>
    void socket.write(stream ? `${opening}${chunk({ content: 'lo' })}${closing}0\r\n\r\n` : json(completion)),
  'reset-unanswered': ({ socket }) => void socket.resetAndDestroy(),
  'reset-midway': ({ socket }, stream) =>
    void socket.write(stream ? opening : json(completion).slice(0, -20), () =>
      setImmediate(() => socket.resetAndDestroy()),
    ),
  'ends-midway': ({ socket }, stream) =>
    void socket.write(stream ? `${opening}0\r\n\r\n` : json(JSON.stringify(completion).slice(0, -20))),
  'no-finish-but-done': ({ socket }, stream) =>
    void socket.write(stream ? `${opening}${chunked('data: [DONE]\n\n')}0\r\n\r\n` : json('')),
  'bad-request': ({ socket }) =>
    void socket.write(
      json(
        {
          error: {
            message: 'Bad temperature',
            type: 'invalid_request_error',
            param: 'temperature',
            code: 'bad_value',
          },
        },
        '400 Bad Request',
      ),
    ),
  'bad-key': ({ socket }) =>
    void socket.write(
      json(
        {
          error: {
            message: 'Incorrect API key provided: sk-secret1234567890',
            type: 'invalid_request_error',
            param: null,
            code: 'invalid_api_key',
          },
        },
        '401 Unauthorized',
      ),
    ),
  'no-model': ({ socket }) =>
    void socket.write(
      json(
        {
          error: {
            message: 'No such model',
            type: 'invalid_request_error',
            param: null,
            code: 'model_not_found',
          },
        },
        '404 Not Found',
      ),
    ),
  'too-many': ({ socket }) =>
    void socket.write(
      json(
        { error: { message: 'Slow down', type: 'requests', param: null, code: 'rate_limit_exceeded' } },
        '429 Too Many Requests',
        'retry-after: 7\r\n',
      ),
    ),
  broken: ({ socket }) =>
    void socket.write(json({ error: { message: 'Oops' } }, '500 Internal Server Error')),
  overloaded: ({ socket }) => void socket.write(json('upstream connect error', '503 Service Unavailable')),
  'html-error': ({ socket }) =>
    void socket.write(answered('<html><body>Bad gateway</body></html>', '502 Bad Gateway')),
  'error-in-200': ({ socket }, stream) =>
    void socket.write(
      stream
        ? `${STREAM_HEAD}${chunked('data: {"error":{"message":"Overloaded","code":503}}\n\n')}0\r\n\r\n`
        : json({ error: { message: 'Overloaded', code: 503 } }),
    ),
  'error-midway': ({ socket }, stream) =>
    void socket.write(
      stream
        ? `${opening}${chunked('data: {"error":{"message":"Overloaded","code":503}}\n\n')}0\r\n\r\n`
        : json({ error: { message: 'Overloaded', code: 503 } }),
    ),
  malformed: ({ socket }, stream) =>
    void socket.write(stream ? `${STREAM_HEAD}${chunked('data: {"id": \n\n')}0\r\n\r\n` : json('{"id": ')),
  silent: () => {},
  'silent-midway': ({ socket }, stream) =>
    void socket.write(stream ? opening : json(completion).slice(0, -20)),
};

interface Expected {
  readonly rest: number;
  readonly restReason: string;
  readonly rpc: string;
  readonly rpcReason: string;
  /** Also fails inside a stream that has begun. */
  readonly midway?: boolean;
}

const expected: Record<string, Expected> = {
  'reset-unanswered': {
    rest: 502,
    restReason: 'upstream_unreachable',
    rpc: 'Unavailable',
    rpcReason: 'upstream_unreachable',
  },
  'reset-midway': {
    rest: 502,
    restReason: 'upstream_interrupted',
    rpc: 'Unavailable',
    rpcReason: 'upstream_interrupted',
    midway: true,
  },
  'bad-request': {
    rest: 400,
    restReason: 'bad_value',
    rpc: 'InvalidArgument',
    rpcReason: 'upstream_rejected',
  },
  'bad-key': { rest: 502, restReason: 'upstream_auth', rpc: 'Unavailable', rpcReason: 'upstream_auth' },
  'no-model': { rest: 404, restReason: 'model_not_found', rpc: 'NotFound', rpcReason: 'upstream_rejected' },
  'too-many': {
    rest: 429,
    restReason: 'upstream_rate_limited',
    rpc: 'ResourceExhausted',
    rpcReason: 'upstream_rate_limited',
  },
  broken: { rest: 502, restReason: 'upstream_failed', rpc: 'Unavailable', rpcReason: 'upstream_failed' },
  overloaded: {
    rest: 503,
    restReason: 'upstream_overloaded',
    rpc: 'Unavailable',
    rpcReason: 'upstream_overloaded',
  },
  'html-error': {
    rest: 502,
    restReason: 'upstream_failed',
    rpc: 'Unavailable',
    rpcReason: 'upstream_failed',
  },
  'error-in-200': {
    rest: 503,
    restReason: 'upstream_overloaded',
    rpc: 'Unavailable',
    rpcReason: 'upstream_overloaded',
  },
  'error-midway': {
    rest: 503,
    restReason: 'upstream_overloaded',
    rpc: 'Unavailable',
    rpcReason: 'upstream_overloaded',
    midway: true,
  },
  malformed: { rest: 502, restReason: 'upstream_invalid', rpc: 'Unavailable', rpcReason: 'upstream_invalid' },
  silent: {
    rest: 504,
    restReason: 'upstream_timeout',
    rpc: 'DeadlineExceeded',
    rpcReason: 'upstream_timeout',
  },
  'silent-midway': {
    rest: 504,
    restReason: 'upstream_timeout',
    rpc: 'DeadlineExceeded',
    rpcReason: 'upstream_timeout',
    midway: true,
  },
};
const truncated: Record<string, Expected> = {
  'ends-midway': {
    rest: 502,
    restReason: 'upstream_interrupted',
    rpc: 'Unavailable',
    rpcReason: 'upstream_interrupted',
    midway: true,
  },
  'no-finish-but-done': {
    rest: 502,
    restReason: 'upstream_interrupted',
    rpc: 'Unavailable',
    rpcReason: 'upstream_interrupted',
    midway: true,
  },
};

/** What may be different at the next try: asked three times before anything was told to the client. */
const passing = [
  'reset-unanswered',
  'reset-midway',
  'broken',
  'overloaded',
  'html-error',
  'error-in-200',
  'error-midway',
];

/** Statuses and types on Anthropic's routes, by the status on OpenAI's. */
const anthropics: Readonly<Record<number, readonly [status: number, type: string]>> = {
  400: [400, 'invalid_request_error'],
  404: [404, 'not_found_error'],
  429: [429, 'rate_limit_error'],
  502: [502, 'api_error'],
  503: [529, 'overloaded_error'],
  504: [504, 'timeout_error'],
};

let upstream: ScriptedUpstream;
let gateway: RunningGateway;
const asked: Record<string, number> = {};

beforeAll(async () => {
  upstream = await startUpstream();
  upstream.answerAll((request) => {
    const { model, stream } = JSON.parse(request.body) as { model: string; stream?: boolean };
    asked[model] = (asked[model] ?? 0) + 1;
    scripts[model]?.(request, stream === true);
  });
  gateway = await startGateway({
    OPENAI_API_KEY: 'sk-test-0123456789abcdef',
    LLM_GATEWAY_OPENAI_BASE_URL: `${upstream.origin}/v1`,
    XAI_API_KEY: 'xai-test',
    LLM_GATEWAY_XAI_BASE_URL: 'http://127.0.0.1:9/v1',
    LLM_GATEWAY_RETRY_MAX_ATTEMPTS: '3',
    LLM_GATEWAY_UPSTREAM_FIRST_BYTE_TIMEOUT_SECONDS: '300ms',
    LLM_GATEWAY_UPSTREAM_IDLE_TIMEOUT_SECONDS: '300ms',
  });
});
afterAll(async () => {
  await gateway.stop();
  upstream.close();
});

describe.each(faces)('%s', (face) => {
  const check = (
    failure: { status: number | string; reason: string } | null,
    want: Expected,
    began: boolean,
  ) => {
    if (face === 'REST')
      expect(failure).toMatchObject({ status: began ? 200 : want.rest, reason: want.restReason });
    else if (isRest(face)) {
      const [status, reason] = anthropics[want.rest] ?? [];
      expect(failure).toMatchObject({ status: began ? 200 : status, reason });
    } else expect(failure).toMatchObject({ status: want.rpc, reason: want.rpcReason });
  };

  test('a good answer, whole and streamed', async () => {
    for (const stream of [false, true]) {
      const outcome = await callFace(face, gateway.url, 'openai/good', { stream });
      expect(outcome).toMatchObject({ text: 'Hello', complete: true, failure: null });
    }
  });

  test('a refused connection', async () => {
    for (const stream of [false, true]) {
      const { failure } = await callFace(face, gateway.url, 'xai/any', { stream });
      check(
        failure,
        {
          rest: 502,
          restReason: 'upstream_unreachable',
          rpc: 'Unavailable',
          rpcReason: 'upstream_unreachable',
        },
        false,
      );
      expect(failure?.message).toContain('xai');
    }
  });

  test.each(Object.keys(expected))('%s, whole', async (model) => {
    asked[model] = 0;
    const outcome = await callFace(face, gateway.url, `openai/${model}`, { stream: false });
    check(outcome.failure, expected[model]!, false);
    expect(outcome.complete).toBe(false);
    expect(asked[model]).toBe(passing.includes(model) ? 3 : 1);
    expect(JSON.stringify([outcome, gateway.log])).not.toMatch(/sk-(?:secret|test)/);
  });

  test.each(Object.keys({ ...expected, ...truncated }))('%s, streamed', async (model) => {
    const want = { ...expected, ...truncated }[model]!;
    const outcome = await callFace(face, gateway.url, `openai/${model}`, { stream: true });
    check(outcome.failure, want, want.midway === true);
    expect(outcome.complete).toBe(false);
    if (want.midway) expect(outcome.text).toBe('Hel');
  });
});

test('a provider’s Retry-After reaches the client', async () => {
  const { headers } = await callFace('REST', gateway.url, 'openai/too-many', { stream: false });
  expect(headers?.get('retry-after')).toBe('7');
});

test('a provider’s parameter reaches the client', async () => {
  const { failure } = await callFace('REST', gateway.url, 'openai/bad-request', { stream: true });
  expect(failure).toMatchObject({ field: 'temperature' });
  expect(failure?.message).toContain('Bad temperature');
});

describe('a name that no rule knows', () => {
  test.each(faces)('is told, where the default provider is not there, on %s', async (face) => {
    const own = await startGateway({ LLM_GATEWAY_INFERENCE_SERVICE_URL: 'http://127.0.0.1:9' });
    const { failure } = await callFace(face, own.url, 'misspelt', { stream: false, text: 'x' });
    const why = 'no rule knows model "misspelt", and the default provider inference could not be reached';
    expect(failure?.message).toBe(why);
    const log = own.log.find(({ message }) => message === 'call');
    expect(log).toMatchObject({ status: 'upstream_unreachable', cause: 'ECONNREFUSED' });
    const named = await callFace(face, own.url, 'inference/misspelt', { stream: false, text: 'x' });
    expect(named.failure?.message).toBe('provider inference could not be reached');
    await own.stop();
  });
});
