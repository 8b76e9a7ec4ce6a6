import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { Code, ConnectError, createClient } from '@connectrpc/connect';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ErrorDetailSchema, ErrorReason } from '../../gen/llmgateway/v1/error_pb.js';
import { Role } from '../../gen/llmgateway/v1/message_pb.js';
import { ResponsesService } from '../../gen/llmgateway/v1/responses_service_pb.js';
import { Database } from '../../src/store/embedded/database.ts';
import { type RpcFace, type RunningGateway, rpcTransports, startGateway } from '../support/gateway.ts';
import { hasRedis, type RedisServer, startRedis, until } from '../support/redis.ts';
import { ask, eventOf, eventsOf, idIn, responseAt, streamResponse } from '../support/response-streams.ts';
import { respond } from '../support/responses.ts';
import { type Json, type ScriptedModel, startModel } from '../support/scripted-model.ts';

let model: ScriptedModel;
beforeAll(async () => {
  model = await startModel();
});
afterAll(() => model.close());

const providers = (): Record<string, string> => ({
  DEEPSEEK_API_KEY: 'k',
  LLM_GATEWAY_DEEPSEEK_BASE_URL: model.upstream.origin,
});

const unknownId = `resp_${'0'.repeat(32)}`;

/** Says something and waits until its end was told, no longer. @returns the id, and what the answer says */
async function say(url: string, body: Json, stream: boolean): Promise<{ id: string; text: string }> {
  const asked = { model: 'fake/echo', ...body };
  if (!stream) {
    const response = await respond(url, asked);
    const json = (await response.json()) as Json;
    if (json['status'] !== 'completed') throw new Error(JSON.stringify(json));
    return { id: String(json['id']), text: textOf(json) };
  }
  const reader = await streamResponse(url, asked);
  for (let count = 1; ; count = reader.frames.length + 1) {
    const frames = await reader.read(count);
    const done = frames.find((frame) => frame.startsWith('event: response.completed'));
    if (done !== undefined) {
      return { id: idIn(frames), text: textOf(eventOf(done)['response'] as Json) };
    }
    if (reader.over) throw new Error(`no end: ${frames.at(-1)}`);
  }
}

const textOf = ({ output }: Json): string =>
  (output as Json[])
    .flatMap(({ content }) => (content ?? []) as Json[])
    .map(({ text }) => text)
    .join('');

describe.skipIf(!hasRedis)('two gateways on one Redis', () => {
  let redis: RedisServer;
  let gateways: RunningGateway[];
  let urls: [string, string];
  beforeAll(async () => {
    redis = await startRedis('--appendfsync', 'no');
    const env = { ...providers(), LLM_GATEWAY_REDIS_URL: redis.url };
    gateways = await Promise.all([startGateway(env), startGateway(env)]);
    for (const { log } of gateways) {
      await until(() => log.some(({ message }) => message === 'redis answers'));
    }
    urls = gateways.map(({ url }) => url) as [string, string];
  });
  afterAll(async () => {
    for (const gateway of gateways) await gateway.stop();
    await redis.stop();
  });

  test('a thousand turns go on at once from the one before, each on the other gateway', async () => {
    const chains = Array.from({ length: 20 }, async (_, chain) => {
      let previous: string | undefined;
      for (let turn = 0; turn < 50; turn++) {
        const input = `chain ${chain} turn ${turn}`;
        const more = previous === undefined ? {} : { previous_response_id: previous };
        const { id, text } = await say(urls[(chain + turn) % 2]!, { input, ...more }, turn % 2 === 0);
        expect(text).toContain(input);
        previous = id;
      }
      return previous as string;
    });
    const ends = await Promise.all(chains);
    // The whole of a chain is there, in order.
    for (const [chain, id] of [...ends.entries()].slice(0, 3)) {
      const list = await ask('GET', `${responseAt(urls[0], id)}/input_items?limit=100&order=asc`);
      const said = (list.json['data'] as Json[])
        .filter(({ role }) => role === 'user')
        .map(({ content }) => ((content as Json[])[0] as Json)['text']);
      expect(said).toEqual(Array.from({ length: 50 }, (_, turn) => `chain ${chain} turn ${turn}`));
    }
  }, 60_000);

  test('the model is told the whole of what was said, on the other gateway', async () => {
    model.script = [{ text: 'I am well.' }, { text: 'Blue.' }];
    const asked = { model: 'deepseek/m' };
    const first = await say(urls[0], { ...asked, input: 'How are you?', instructions: 'Be short.' }, true);
    await say(urls[1], { ...asked, input: 'Which colour?', previous_response_id: first.id }, false);
    // Instructions are not gone on with.
    expect(model.messages().map(({ role }) => role)).toEqual(['user', 'assistant', 'user']);
    const said = model.messages().map(({ content }) => JSON.stringify(content));
    expect(said[0]).toContain('How are you?');
    expect(said[1]).toContain('I am well.');
    expect(said[2]).toContain('Which colour?');
  });

  test('nothing is kept of what is not to be stored', async () => {
    // Totals of usage are written whenever they are.
    const kept = async () =>
      (await redis.cli('KEYS', '*'))
        .split('\n')
        .filter((key) => !key.includes('usage'))
        .sort();
    const before = await kept();
    for (const stream of [true, false]) {
      const { id } = await say(urls[0], { input: 'a secret', store: false }, stream);
      expect((await ask('GET', responseAt(urls[1], id))).status).toBe(404);
      const next = await ask('POST', `${urls[0]}/v1/responses`, {
        model: 'fake/echo',
        input: 'x',
        previous_response_id: id,
      });
      expect(next.json.error).toMatchObject({ code: 'previous_response_not_found' });
    }
    expect(await kept()).toEqual(before);
    const refused = await ask('POST', `${urls[0]}/v1/responses`, {
      model: 'fake/echo',
      input: 'x',
      background: true,
      store: false,
    });
    expect(refused).toMatchObject({ status: 400, json: { error: { param: 'store' } } });
  });

  test('a conversation gets the turn before its end is told, also of a response that is not stored', async () => {
    const made = await ask('POST', `${urls[0]}/v1/conversations`, { items: [], metadata: {} });
    const conversation = String(made.json['id']);
    for (let turn = 0; turn < 20; turn++) {
      const body = { input: `turn ${turn}`, conversation, store: turn % 4 !== 3 };
      await say(urls[turn % 2]!, body, turn % 2 === 0);
      const list = await ask(
        'GET',
        `${urls[(turn + 1) % 2]}/v1/conversations/${conversation}/items?limit=100&order=asc`,
      );
      const roles = (list.json['data'] as Json[]).map(({ role }) => role);
      expect(roles).toEqual(Array.from({ length: 2 * (turn + 1) }, (_, i) => (i % 2 ? 'assistant' : 'user')));
    }
  });

  test('a response under way cannot be gone on from', async () => {
    model.script = [() => {}];
    const asked = { model: 'deepseek/m', input: 'x' };
    const { json } = await ask('POST', `${urls[0]}/v1/responses`, { ...asked, background: true });
    const next = await ask('POST', `${urls[1]}/v1/responses`, {
      ...asked,
      previous_response_id: json['id'],
    });
    expect(next).toMatchObject({
      status: 400,
      json: { error: { param: 'previous_response_id', type: 'invalid_request_error' } },
    });
    await ask('DELETE', responseAt(urls[1], String(json['id'])));
  });

  /** Ids of what is not there, and why. */
  const missing: [string, () => Promise<string>][] = [
    ['never was', async () => unknownId],
    ['is not one of ours', async () => 'resp_67ccd2bed1ec8190b14f964abc0542670bb6a6b452d3795b'],
    ['is no id', async () => 'resp_%2E%2E%2Fx'],
    [
      'was deleted',
      async () => {
        const { id } = await say(urls[0], { input: 'x' }, true);
        expect((await ask('DELETE', responseAt(urls[1], id))).status).toBe(200);
        return id;
      },
    ],
    [
      'has expired',
      async () => {
        const { id } = await say(urls[0], { input: 'x' }, true);
        const keys = await redis.cli('KEYS', `*${id}*`);
        for (const key of keys.split('\n').filter((one) => !one.endsWith(':input'))) {
          await redis.cli('PEXPIREAT', key, '1');
        }
        return id;
      },
    ],
  ];

  describe.each(missing)('one that %s', (_, find) => {
    test('is not found on any route, in the words of the API', async () => {
      const id = await find();
      const [one, two] = urls;
      const shown = decodeURIComponent(id);
      const notFound = {
        status: 404,
        json: {
          error: {
            message: expect.stringMatching(/^Response with id '.*' not found\.$/),
            type: 'invalid_request_error',
            param: 'response_id',
            code: 'not_found',
          },
        },
      };
      for (const [method, route] of [
        ['GET', ''],
        ['GET', '?stream=true'],
        ['GET', '?stream=true&starting_after=3'],
        ['DELETE', ''],
        ['POST', '/cancel'],
        ['GET', '/input_items'],
      ] as const) {
        expect(await ask(method, `${responseAt(two, id)}${route}`), `${method} ${route}`).toEqual(notFound);
      }
      for (const more of [{}, { stream: true }, { background: true }, { store: false }]) {
        const body = { model: 'fake/echo', input: 'x', previous_response_id: shown, ...more };
        expect(await ask('POST', `${one}/v1/responses`, body)).toEqual({
          status: 400,
          json: {
            error: {
              message: `Previous response with id '${shown}' not found.`,
              type: 'invalid_request_error',
              param: 'previous_response_id',
              code: 'previous_response_not_found',
            },
          },
        });
      }
      const count = { model: 'fake/echo', input: 'x', previous_response_id: shown };
      expect((await ask('POST', `${one}/v1/responses/input_tokens`, count)).json.error).toMatchObject({
        code: 'previous_response_not_found',
      });
    });

    test.each(['Connect JSON over HTTP/1.1', 'gRPC'] as RpcFace[])('is not found on %s', async (face) => {
      const id = await find();
      const client = createClient(ResponsesService, rpcTransports[face](urls[1]));
      const parts = [{ content: { case: 'text' as const, value: { text: 'x' } } }];
      const item = { kind: { case: 'message' as const, value: { role: Role.USER, parts } } };
      const parameters = { model: 'fake/echo', input: [item], previousResponseId: id };
      const drained = async (stream: AsyncIterable<unknown>): Promise<void> => {
        for await (const _ of stream);
      };
      const calls: [string, string, () => Promise<unknown>][] = [
        ['NOT_FOUND', 'response_id', () => client.getResponse({ id })],
        ['NOT_FOUND', 'response_id', () => client.deleteResponse({ id })],
        ['NOT_FOUND', 'response_id', () => client.cancelResponse({ id })],
        ['NOT_FOUND', 'response_id', () => client.listInputItems({ responseId: id })],
        ['NOT_FOUND', 'response_id', () => drained(client.resumeResponse({ id }))],
        [
          'PREVIOUS_RESPONSE_NOT_FOUND',
          'parameters.previous_response_id',
          () => client.createResponse({ parameters }),
        ],
        [
          'PREVIOUS_RESPONSE_NOT_FOUND',
          'parameters.previous_response_id',
          () => drained(client.streamResponse({ parameters })),
        ],
      ];
      for (const [reason, field, call] of calls) {
        const error = ConnectError.from(await call().catch((cause: unknown) => cause));
        const [detail] = error.findDetails(ErrorDetailSchema);
        expect([Code[error.code], ErrorReason[detail?.reason ?? 0], detail?.field]).toEqual([
          'NotFound',
          reason,
          field,
        ]);
      }
    });
  });

  test('a conversation that is not there is not found', async () => {
    const made = await ask('POST', `${urls[0]}/v1/conversations`, {});
    const deleted = String(made.json['id']);
    await ask('DELETE', `${urls[1]}/v1/conversations/${deleted}`);
    for (const conversation of [`conv_${'0'.repeat(32)}`, 'conv_x', deleted]) {
      for (const stream of [false, true]) {
        const body = { model: 'fake/echo', input: 'x', conversation, stream };
        expect(await ask('POST', `${urls[0]}/v1/responses`, body)).toMatchObject({
          status: 404,
          json: { error: { param: 'conversation', message: expect.stringContaining(conversation) } },
        });
      }
    }
  });

  test('items are referred to across gateways', async () => {
    const reader = await streamResponse(urls[0], { model: 'fake/echo', input: 'remember me' });
    const { output } = eventsOf(await reader.rest()).at(-1)!['response'] as { output: Json[] };
    model.script = [{ text: 'ok' }];
    const input = [
      { type: 'item_reference', id: output[0]!['id'] },
      { role: 'user', content: 'and now?' },
    ];
    await say(urls[1], { model: 'deepseek/m', input }, false);
    expect(JSON.stringify(model.messages())).toContain(textOf({ output }));
    expect(model.messages().map(({ role }) => role)).toEqual(['assistant', 'user']);
    const lost = await ask('POST', `${urls[1]}/v1/responses`, {
      model: 'fake/echo',
      input: [{ type: 'item_reference', id: 'msg_1' }],
    });
    expect(lost).toMatchObject({ status: 404, json: { error: { param: 'input[0].id' } } });
  });
});

describe('one gateway on the embedded store', () => {
  test('keeps nothing of what is not to be stored', async () => {
    const folder = mkdtempSync(path.join(tmpdir(), 'llm-gateway-chain-'));
    const gateway = await startGateway({ ...providers(), LLM_GATEWAY_DATA_DIR: folder });
    const database = new Database({ dir: folder, maxBytes: 2 ** 26 });
    const rows = (): unknown =>
      database.get('SELECT (SELECT count(*) FROM responses) + (SELECT count(*) FROM response_events) AS n');
    try {
      for (const stream of [true, false]) {
        const { id } = await say(gateway.url, { input: 'a secret', store: false }, stream);
        expect((await ask('GET', responseAt(gateway.url, id))).status).toBe(404);
      }
      expect(rows()).toEqual({ n: 0 });
      await say(gateway.url, { input: 'no secret' }, false);
      expect(rows()).toEqual({ n: 1 });
    } finally {
      database.close();
      await gateway.stop();
      rmSync(folder, { recursive: true, force: true });
    }
  });

  test('goes on from what was completed, at once, many at the same time and after a restart', async () => {
    const folder = mkdtempSync(path.join(tmpdir(), 'llm-gateway-chain-'));
    const env = { ...providers(), LLM_GATEWAY_DATA_DIR: folder };
    let gateway = await startGateway(env);
    try {
      const chains = await Promise.all(
        Array.from({ length: 10 }, async (_, chain) => {
          let { id } = await say(gateway.url, { input: `${chain}` }, true);
          for (let turn = 0; turn < 19; turn++) {
            ({ id } = await say(gateway.url, { input: 'x', previous_response_id: id }, turn % 2 === 0));
          }
          return id;
        }),
      );
      await gateway.gateway.close();
      gateway = await startGateway(env);
      for (const id of chains) {
        const next = await say(gateway.url, { input: 'after', previous_response_id: id }, false);
        const list = await ask('GET', `${responseAt(gateway.url, next.id)}/input_items?limit=100`);
        expect((list.json['data'] as Json[]).length).toBe(41);
      }
    } finally {
      await gateway.stop();
      rmSync(folder, { recursive: true, force: true });
    }
  }, 30_000);
});
