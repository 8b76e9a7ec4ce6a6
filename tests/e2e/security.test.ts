import { createClient } from '@connectrpc/connect';
import fc from 'fast-check';
import { encode } from 'gpt-tokenizer/encoding/cl100k_base';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { ChatService } from '../../gen/llmgateway/v1/chat_service_pb.js';
import { EmbeddingsService } from '../../gen/llmgateway/v1/embeddings_service_pb.js';
import { Role } from '../../gen/llmgateway/v1/message_pb.js';
import { ResponsesService } from '../../gen/llmgateway/v1/responses_service_pb.js';
import { anonymous } from '../../src/auth/principal.ts';
import { type Collector, startCollector } from '../support/collector.ts';
import { callFace, chatFaces, faces, isRest } from '../support/faces.ts';
import { rpcTransports } from '../support/gateway.ts';
import { parseScrape } from '../support/prometheus.ts';
import {
  ask,
  begun,
  errsInside,
  fails,
  jsonReply,
  type Rig,
  type Script,
  says,
  startRig,
} from '../support/resilience.ts';
import { testToolbox } from '../support/toolbox.ts';

/** `east` may not have sensitive texts, `west` may. */
const yaml = `    security_level: high
models:
  - { id: east/trusted, provider: east, upstream_id: trusted, security_level: high }
  - { id: west/open, provider: west, upstream_id: open, security_level: medium }
deployments:
  pair: { models: [east/p, west/p] }
  hedged: { hedge: 20ms, models: [east/h, west/h] }
  weighted: { routing: weighted, models: [{ model: east/w, weight: 10000 }, { model: west/w, weight: 0.001 }] }
  sticky: { sticky: true, models: [east/s, west/s] }
  both-east: { models: [east/a, east/b] }
fallbacks:
  east/guarded: [east/other, west/m]
  west/first: [east/m]
  pair: [east/m, west/m]
  hedged: [east/m]
context_fallbacks:
  west/small: [east/large, west/large]
`;
const env = {
  LLM_GATEWAY_SECURITY_MODE: 'route',
  LLM_GATEWAY_SECURITY_TENANTS: 'free=off,watched=report,strict=block',
  LLM_GATEWAY_CACHE: 'true',
  LLM_GATEWAY_RATE_LIMITS: 'off',
  SENSITIVE_KEYWORDS: 'project falcon',
};
const secret = 'sk-proj-Zq8vT2xLw9Rk4Nb7Yc1Md6Hs3Jf5';
const sensitive = `Use ${secret} to log in`;

let rig: Rig;
let collector: Collector;
/** Whose calls are made. */
let tenant = '';
beforeAll(async () => {
  collector = await startCollector();
  rig = await startRig(
    yaml,
    { ...env, LLM_GATEWAY_OTLP_ENDPOINT: collector.url, LLM_GATEWAY_TRACES_CONTENT: 'true' },
    { authenticate: () => ({ ...anonymous, tenant }), toolbox: testToolbox() },
  );
});
afterAll(async () => {
  await rig?.stop();
  collector?.close();
});
beforeEach(() => {
  tenant = '';
  rig.heal();
  rig.log.length = 0;
});

const user = (content: string) => [{ role: 'user', content }];
const askText = (model: string, text: string, more: object = {}, headers: Record<string, string> = {}) =>
  ask(rig, { model, messages: user(text), ...more }, headers);

const post = (path: string, body: object): Promise<Response> =>
  fetch(`${rig.url}${path}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
  });

describe('sensitive texts', () => {
  test('go past the providers that may not have them; the client is told', async () => {
    const plain = await askText('pair', 'What is a keyboard?');
    expect([plain.headers.get('x-provider-used'), plain.headers.get('x-sensitivity')]).toEqual([
      'east',
      '0.00;mode=route',
    ]);
    const kept = await askText('pair', sensitive);
    expect([kept.status, kept.headers.get('x-provider-used'), kept.headers.get('x-sensitivity')]).toEqual([
      200,
      'west',
      '0.80;sensitive;mode=route;categories="authentication"',
    ]);
    expect(rig.east.asked).toHaveLength(1);
  });

  test.each(faces)('are told of on %s, whole and streamed', async (face) => {
    for (const stream of [false, true]) {
      const outcome = await callFace(face, rig.url, 'pair', { stream, text: sensitive });
      expect([outcome.failure, outcome.text]).toEqual([null, 'west']);
      if (isRest(face)) expect(outcome.headers?.get('x-sensitivity')).toMatch(/^0\.80;sensitive;mode=route/);
    }
    expect(rig.east.asked).toEqual([]);
  });

  test('are told of in metadata and the report on RPC', async () => {
    const client = createClient(ChatService, rpcTransports.gRPC(rig.url));
    let header = '';
    const { callReport } = await client.createChatCompletion(
      {
        model: 'pair',
        messages: [{ role: Role.USER, parts: [{ content: { case: 'text', value: { text: sensitive } } }] }],
      },
      { onHeader: (headers) => void (header = headers.get('x-sensitivity') ?? '') },
    );
    expect(header).toBe('0.80;sensitive;mode=route;categories="authentication"');
    expect(callReport?.sensitivity).toMatchObject({
      score: 0.8,
      sensitive: true,
      categories: ['authentication'],
      mode: 'route',
      keptFrom: 'east',
    });
  });

  test.each(chatFaces)('are refused with 503 where nobody may have them: %s', async (face) => {
    for (const stream of [false, true]) {
      const { failure, headers } = await callFace(face, rig.url, 'east/m', { stream, text: sensitive });
      expect(failure).toMatchObject(
        face === 'REST'
          ? { status: 503, reason: 'no_secure_provider' }
          : { status: 'Unavailable', reason: 'no_secure_provider' },
      );
      expect(failure?.message).not.toContain(secret);
      if (face === 'REST') expect(headers?.get('x-sensitivity')).toMatch(/^0\.80;sensitive/);
    }
    expect(rig.east.asked).toEqual([]);
  });

  test.each([
    ['both-east', 503],
    ['west/open', 503],
    ['east/trusted', 200],
    ['east/guarded', 200],
    ['weighted', 200],
    ['sticky', 200],
    ['west/first', 200],
  ])('to %s: %i', async (model, status) => {
    expect((await askText(model, sensitive)).status).toBe(status);
    expect(rig.east.asked.map(({ model: asked }) => asked)).toEqual(
      model === 'east/trusted' ? ['trusted'] : [],
    );
    expect(rig.west.asked.map(({ model: asked }) => asked)).not.toContain('open');
  });

  test('fall back to those that may have them only, also for a context that is too long', async () => {
    rig.west.script = fails('500 Internal Server Error');
    expect((await askText('west/first', sensitive)).status).toBe(502);
    expect((await askText('pair', sensitive)).status).toBe(502);
    expect((await askText('west/first', sensitive, {}, { 'x-fallback-models': 'east/m' })).status).toBe(502);
    expect(rig.east.asked).toEqual([]);
    rig.heal();
    const tooLong = fails('400 Bad Request', '', { message: 'too long', code: 'context_length_exceeded' });
    rig.west.script = (request, stream) =>
      (request.body.includes('"small"') ? tooLong : says('west'))(request, stream);
    const answer = await askText('west/small', sensitive);
    expect([answer.status, rig.west.asked.map(({ model }) => model)]).toEqual([200, ['small', 'large']]);
    expect(rig.east.asked).toEqual([]);
    rig.heal();
    rig.west.script = (request, stream) =>
      (request.body.includes('"small"') ? tooLong : says('west'))(request, stream);
    await askText('west/small', 'Hello');
    expect(rig.east.asked.map(({ model }) => model)).toEqual(['large']);
  });

  const pem = Buffer.from('-----BEGIN PRIVATE KEY-----\nMIIE').toString('base64');
  test.each([
    ['the system text', { messages: [{ role: 'system', content: sensitive }, ...user('Hello')] }],
    ['a part of a message', { messages: [{ role: 'user', content: [{ type: 'text', text: sensitive }] }] }],
    [
      'an earlier answer',
      { messages: [...user('a'), { role: 'assistant', content: sensitive }, ...user('b')] },
    ],
    [
      'the result of a tool',
      {
        messages: [
          ...user('a'),
          {
            role: 'assistant',
            content: null,
            tool_calls: [{ id: 'c', type: 'function', function: { name: 'f', arguments: '{}' } }],
          },
          { role: 'tool', tool_call_id: 'c', content: JSON.stringify({ log: `x\n${secret}` }) },
        ],
      },
    ],
    [
      'the arguments of a call',
      {
        messages: [
          ...user('a'),
          {
            role: 'assistant',
            content: null,
            tool_calls: [
              {
                id: 'c',
                type: 'function',
                function: { name: 'f', arguments: JSON.stringify({ key: secret }) },
              },
            ],
          },
          { role: 'tool', tool_call_id: 'c', content: 'done' },
        ],
      },
    ],
    [
      'the definition of a tool',
      {
        messages: user('a'),
        tools: [{ type: 'function', function: { name: 'f', description: `send ${secret}`, parameters: {} } }],
      },
    ],
    [
      'a file that is text',
      {
        messages: [
          {
            role: 'user',
            content: [
              { type: 'file', file: { filename: 'k.pem', file_data: `data:text/plain;base64,${pem}` } },
            ],
          },
        ],
      },
    ],
    ['a member that the gateway does not know', { messages: user('a'), anything: { deep: [secret] } }],
    [
      'two messages together',
      {
        messages: [
          ...user('my password and secret'),
          { role: 'assistant', content: 'the token' },
          ...user('a credential'),
        ],
      },
    ],
    ['words that are configured', { messages: user('Project Falcon: confidential, internal, proprietary') }],
  ])('are found in %s', async (_where, body) => {
    await ask(rig, { model: 'pair', ...body });
    expect(rig.east.asked).toEqual([]);
    expect(rig.log.filter(({ message }) => message === 'call')).toHaveLength(1);
  });

  test('by the Responses API and its chains; as embeddings, also as ids of tokens', async () => {
    const first = await post('/v1/responses', { model: 'pair', input: sensitive });
    const { id } = (await first.json()) as { id: string };
    expect(first.headers.get('x-provider-used')).toBe('west');
    const second = await post('/v1/responses', {
      model: 'pair',
      input: 'And now?',
      previous_response_id: id,
    });
    expect([second.status, second.headers.get('x-provider-used')]).toEqual([200, 'west']);
    expect((await post('/v1/responses/compact', { model: 'east/m', input: sensitive })).status).toBe(503);
    expect(
      (await post('/v1/embeddings', { model: 'pair', input: sensitive })).headers.get('x-provider-used'),
    ).toBe('west');
    expect((await post('/v1/embeddings', { model: 'east/m', input: ['a', sensitive] })).status).toBe(503);
    const ids = encode(sensitive);
    const tokens = await post('/v1/embeddings', { model: 'east/m', input: [ids] });
    expect([tokens.status, tokens.headers.get('x-sensitivity')]).toEqual([
      503,
      expect.stringContaining('sensitive'),
    ]);
    const grpc = createClient(EmbeddingsService, rpcTransports.gRPC(rig.url));
    const vectors = await grpc.createEmbeddings({
      model: 'pair',
      inputs: [{ content: { case: 'text', value: sensitive } }],
    });
    expect(vectors.callReport?.sensitivity?.keptFrom).toBe('east');
    expect(rig.east.asked).toEqual([]);
  });

  test('in the history of a session count in every later call', async () => {
    const { id } = (await (await post('/v1/sessions', {})).json()) as { id: string };
    await askText('pair', sensitive, { session_id: id });
    const later = await askText('pair', 'What was it?', { session_id: id });
    expect([later.status, later.headers.get('x-provider-used')]).toEqual([200, 'west']);
    expect(rig.east.asked).toEqual([]);
  });

  test.each([false, true])(
    'that a tool brings send the next round elsewhere (streamed: %s)',
    async (stream) => {
      const message = {
        role: 'assistant',
        content: null,
        tool_calls: [
          {
            index: 0,
            id: 'c1',
            type: 'function',
            function: { name: 'echo', arguments: JSON.stringify({ message: 'found' }) },
          },
        ],
      };
      const calls: Script = ({ socket }, streamed) => {
        const args = JSON.stringify({ message: `log: ${secret}` });
        const call = { ...message.tool_calls[0], function: { name: 'echo', arguments: args } };
        const choice = { index: 0, finish_reason: 'tool_calls' };
        const body = { id: 'c', object: 'chat.completion', created: 1, model: 'm' };
        if (!streamed) {
          socket.write(
            jsonReply({ ...body, choices: [{ ...choice, message: { ...message, tool_calls: [call] } }] }),
          );
          return;
        }
        const data = {
          ...body,
          object: 'chat.completion.chunk',
          choices: [{ ...choice, delta: { role: 'assistant', tool_calls: [call] } }],
        };
        const text = `data: ${JSON.stringify(data)}\n\ndata: [DONE]\n\n`;
        socket.write(
          `HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncontent-length: ${Buffer.byteLength(text)}\r\n\r\n${text}`,
        );
      };
      rig.east.script = calls;
      const answer = await ask(rig, {
        model: 'pair',
        stream,
        messages: user('Look into the log'),
        gateway_tools: ['echo'],
      });
      expect([answer.status, await answer.text()]).toEqual([200, expect.stringContaining('west')]);
      expect(rig.east.asked).toHaveLength(1);
      expect(JSON.stringify(rig.west.asked)).toContain(secret);
      // Where nobody else is, the call ends.
      const refused = await ask(rig, {
        model: 'east/m',
        stream,
        messages: user('Look into the log'),
        gateway_tools: ['echo'],
      });
      expect(await refused.text()).toContain('no_secure_provider');
      expect(rig.east.asked).toHaveLength(2);
    },
  );

  test('are told of also where tokens are counted', async () => {
    const rest: [string, object][] = [
      ['/v1/messages/count_tokens', { model: 'pair', messages: user(sensitive) }],
      ['/v1/responses/input_tokens', { model: 'pair', input: sensitive }],
    ];
    const told: (string | null)[] = [];
    for (const [path, body] of rest) told.push((await post(path, body)).headers.get('x-sensitivity'));
    const onHeader = (headers: Headers): void => void told.push(headers.get('x-sensitivity'));
    const messages = [
      { role: Role.USER, parts: [{ content: { case: 'text' as const, value: { text: sensitive } } }] },
    ];
    const transport = rpcTransports.gRPC(rig.url);
    await createClient(ChatService, transport).countTokens(
      { request: { model: 'pair', messages } },
      { onHeader },
    );
    await createClient(ResponsesService, transport).countInputTokens(
      { parameters: { model: 'pair', input: [{ kind: { case: 'message', value: messages[0] } }] } } as never,
      { onHeader },
    );
    expect(told).toEqual(Array(4).fill('0.80;sensitive;mode=route;categories="authentication"'));
  });

  test('are counted, and never kept, logged or in a span', async () => {
    await askText('pair', sensitive, { temperature: 0 });
    const again = await askText('pair', sensitive, { temperature: 0 });
    expect([rig.west.asked.length, again.headers.get('x-cache')]).toEqual([2, null]);
    await askText('pair', 'Hello', { temperature: 0 });
    expect((await askText('pair', 'Hello', { temperature: 0 })).headers.get('x-cache')).toBe('HIT');
    rig.west.script = fails('400 Bad Request', '', { message: `what is ${secret}?` });
    await askText('pair', sensitive);
    await askText('east/m', sensitive);
    expect(JSON.stringify(rig.log)).not.toContain(secret);
    const spans = await collector.until((all) => all.some(({ name }) => name === 'chat p'));
    const texts = spans.map(({ attributes }) => JSON.stringify(attributes)).join('\n');
    expect(texts).not.toContain(secret);
    const families = parseScrape(await (await fetch(`${rig.url}/metrics`)).text());
    const samples = families.find(({ name }) => name === 'llm_gateway_screened_calls_total')?.samples ?? [];
    const outcomes = new Set(samples.map(({ labels }) => `${labels['mode']} ${labels['outcome']}`));
    expect([...outcomes]).toEqual(
      expect.arrayContaining(['route plain', 'route kept_from', 'route refused']),
    );
  });
});

describe('modes of tenants', () => {
  test('off: nobody looks', async () => {
    tenant = 'free';
    const answer = await askText('pair', sensitive);
    expect([answer.headers.get('x-provider-used'), answer.headers.get('x-sensitivity')]).toEqual([
      'east',
      null,
    ]);
  });

  test('report: it is told, and the answer is not kept', async () => {
    tenant = 'watched';
    for (let i = 0; i < 2; i++) {
      const answer = await askText('pair', sensitive);
      expect([answer.headers.get('x-provider-used'), answer.headers.get('x-sensitivity')]).toEqual([
        'east',
        '0.80;sensitive;mode=report;categories="authentication"',
      ]);
    }
    expect(rig.east.asked).toHaveLength(2);
  });

  test('block: it is refused', async () => {
    tenant = 'strict';
    expect((await askText('west/m', 'Hello')).status).toBe(200);
    const answer = await askText('west/m', sensitive);
    const { error } = (await answer.json()) as { error: { code: string } };
    expect([answer.status, error.code, rig.west.asked.length]).toEqual([400, 'sensitive_text', 1]);
  });
});

/** What providers do, by name. */
const hangs: Script = () => {};
const slow: Script = (request, stream) => void setTimeout(() => says('late')(request, stream), 60);
const breaks: Script = ({ socket }, stream) => {
  if (stream) socket.write(begun('half'));
  socket.destroy();
};
const behaviours: Readonly<Record<string, Script>> = {
  well: says('well'),
  slow,
  hangs,
  breaks,
  'errs inside': errsInside,
  'fails with 500': fails('500 Internal Server Error'),
  'fails with 429': fails('429 Too Many Requests', 'retry-after: 0\r\n'),
  'fails with 413': fails('400 Bad Request', '', { message: 'too long', code: 'context_length_exceeded' }),
};

const planted = fc.constantFrom<(n: string) => string>(
  (n) => `sk-ant-api03-Zq8vT2xLw9Rk4Nb7${n}`,
  (n) => `ghp_16C7e42F292c6912E7710c838347Ae17${n}`,
  (n) => `AKIA7QWERTY2ZXCV${n.slice(0, 4).toUpperCase()}`,
  (n) => `-----BEGIN RSA PRIVATE KEY-----${n}`,
  (n) => `card 4012888888881881 ${n}`,
  (n) => `IBAN GB82 WEST 1234 5698 7654 32 ${n}`,
  (n) => `536-22-8726 ${n}`,
  (n) => `confidential: password, token, credential ${n}`,
);

test('no sensitive text ever reaches a provider that may not have it', async () => {
  let number = 0;
  const seen = { east: 0, west: 0, refused: 0 };
  await fc.assert(
    fc.asyncProperty(
      fc.record({
        model: fc.constantFrom(
          'pair',
          'hedged',
          'weighted',
          'sticky',
          'both-east',
          'east/m',
          'west/m',
          'east/guarded',
          'west/first',
          'west/small',
          'west/open',
        ),
        face: fc.constantFrom('chat', 'messages', 'responses', 'embeddings', 'count'),
        stream: fc.boolean(),
        east: fc.constantFrom(...Object.keys(behaviours)),
        west: fc.constantFrom(...Object.keys(behaviours)),
        fallbacks: fc.constantFrom('', 'east/m', 'west/m', 'east/m,west/m', 'none'),
        where: fc.constantFrom('user', 'system'),
        repeated: fc.boolean(),
        plant: fc.option(planted, { freq: 4 }),
      }),
      async ({ model, face, stream, east, west, fallbacks, where, repeated, plant }) => {
        rig.heal();
        rig.east.script = behaviours[east] as Script;
        rig.west.script = behaviours[west] as Script;
        const mark = `m${String(++number).padStart(6, '0')}x9`;
        const text = plant === null ? `A keyboard ${mark}` : plant(mark);
        const system = where === 'system' ? text : 'Be brief';
        const said = where === 'system' ? 'Hello' : text;
        const bodies: Record<string, readonly [path: string, body: object]> = {
          chat: [
            '/v1/chat/completions',
            { stream, messages: [{ role: 'system', content: system }, ...user(said)] },
          ],
          messages: ['/v1/messages', { stream, max_tokens: 9, system, messages: user(said) }],
          responses: ['/v1/responses', { stream, instructions: system, input: said }],
          embeddings: ['/v1/embeddings', { input: [system, said] }],
          count: ['/v1/messages/count_tokens', { system, messages: user(said) }],
        };
        const [path, body] = bodies[face] as readonly [string, object];
        const request = () =>
          fetch(`${rig.url}${path}`, {
            method: 'POST',
            headers: {
              'content-type': 'application/json',
              'x-request-timeout-ms': '400',
              ...(fallbacks === '' || face === 'embeddings' ? {} : { 'x-fallback-models': fallbacks }),
            },
            body: JSON.stringify({ model, ...body }),
          }).then(async (response) => ({ status: response.status, text: await response.text() }));
        const answers = await Promise.all(repeated ? [request(), request()] : [request()]);
        if (repeated) answers.push(await request());
        if (plant === null) {
          seen.east += rig.east.asked.length;
          return;
        }
        seen.west += rig.west.asked.length;
        if (answers.some(({ text: told }) => told.includes('no provider of security level high')))
          seen.refused++;
        expect(JSON.stringify(rig.east.asked)).not.toContain(mark);
        expect(rig.east.asked).toEqual([]);
        expect(rig.west.asked.filter(({ model: asked }) => asked === 'open')).toEqual([]);
      },
    ),
    { numRuns: 400 },
  );
  // The cases are of all kinds.
  expect(seen.east).toBeGreaterThan(20);
  expect(seen.west).toBeGreaterThan(100);
  expect(seen.refused).toBeGreaterThan(20);
}, 180_000);
