import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { createClient } from '@connectrpc/connect';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  ItemPartKind,
  ResponseStatus,
  ResponsesService,
} from '../../gen/llmgateway/v1/responses_service_pb.js';
import { encodeEvent } from '../../src/codec/openai-responses/encode-event.ts';
import { type RpcFace, type RunningGateway, rpcTransports, startGateway } from '../support/gateway.ts';
import { hasRedis, type RedisServer, startRedis, until } from '../support/redis.ts';
import { checkEvents } from '../support/response-machine.ts';
import {
  alike,
  ask,
  eventsOf,
  type HeldAnswer,
  holdAnswer,
  idIn,
  responseAt,
  resumeResponse,
  streamResponse,
  typesOf,
  untilStatus,
} from '../support/response-streams.ts';
import { type ScriptedModel, startModel, type Turn } from '../support/scripted-model.ts';

/** Reasoning, text and parallel calls: about 40 events. */
const turn: Turn = {
  text: 'First I look at both of the places.',
  calls: [
    ['call_a', 'look', '{"place":"Paris"}'],
    ['call_b', 'look', '{"place":"Rome"}'],
  ],
  more: { reasoning_content: 'There are two places.' },
};
const tools = [{ type: 'function', name: 'look', parameters: { type: 'object' } }];
const asked = { model: 'deepseek/m', input: 'Where is it warmer?', tools };
const survives = { finish_when_abandoned: true };

let model: ScriptedModel;
beforeAll(async () => {
  model = await startModel();
});
afterAll(() => model.close());

const providers = (): Record<string, string> => ({
  DEEPSEEK_API_KEY: 'k',
  LLM_GATEWAY_DEEPSEEK_BASE_URL: model.upstream.origin,
});

/** The next answer of the model, held by the test. */
function heldAnswer(): Promise<HeldAnswer> {
  return new Promise((resolve) => {
    model.script = [(request) => resolve(holdAnswer(request, turn))];
  });
}

/** The stream as it is when nothing breaks it. */
async function unbroken(url: string): Promise<readonly string[]> {
  model.script = [turn];
  const frames = await (await streamResponse(url, asked)).rest();
  checkEvents(eventsOf(frames));
  return frames;
}

/** Breaks a stream after its k-th event and takes it up elsewhere. @returns all that the client got */
async function broken(from: string, to: string, k: number, how: object): Promise<readonly string[]> {
  const answering = heldAnswer();
  const opening = streamResponse(from, { ...asked, ...how });
  const answer = await answering;
  answer.say(3);
  const reader = await opening;
  while (reader.frames.length < k && answer.pieces.length > 0) {
    answer.say();
    await new Promise((resolve) => setImmediate(resolve));
  }
  const got = (await reader.read(k)).slice(0, k);
  reader.leave();
  const resuming = resumeResponse(to, idIn(got), k - 1);
  answer.finish();
  return [...got, ...(await (await resuming).rest())];
}

const replicas = (): (() => RunningGateway[]) => {
  let redis: RedisServer;
  let gateways: RunningGateway[] = [];
  beforeAll(async () => {
    redis = await startRedis('--appendfsync', 'no');
    const env = { ...providers(), LLM_GATEWAY_REDIS_URL: redis.url };
    gateways = await Promise.all([startGateway(env), startGateway(env)]);
    for (const { log } of gateways) {
      await until(() => log.some(({ message }) => message === 'redis answers'));
    }
  });
  afterAll(async () => {
    for (const gateway of gateways) await gateway.stop();
    await redis.stop();
  });
  return () => gateways;
};

describe.skipIf(!hasRedis)('two gateways on one Redis', () => {
  const gateways = replicas();
  const urls = (): [string, string] => gateways().map(({ url }) => url) as [string, string];

  test.each([
    ['one that finishes without its client', survives],
    ['a background one', { background: true }],
  ])(
    'a stream of %s that breaks after any event is taken up on the other',
    async (_, how) => {
      const [one, two] = urls();
      let whole = await unbroken(one);
      if ('background' in how) {
        model.script = [turn];
        whole = await (await streamResponse(one, { ...asked, ...how })).rest();
      }
      expect(whole.length).toBeGreaterThan(35);
      for (let k = 1; k <= whole.length; k++) {
        const frames = await broken(one, two, k, how);
        expect(alike(frames), `broken after ${k}`).toBe(alike(whole));
      }
    },
    30_000,
  );

  test('the whole is replayed by both as it was told', async () => {
    const [one, two] = urls();
    const whole = await unbroken(one);
    for (const url of [one, two]) {
      expect(await (await resumeResponse(url, idIn(whole))).rest()).toEqual(whole);
    }
  });

  test('a follower hears of each event while the model goes on, on both', async () => {
    const [one, two] = urls();
    const answering = heldAnswer();
    const { json } = await ask('POST', `${one}/v1/responses`, { ...asked, background: true });
    expect(json['status']).toBe('queued');
    const id = String(json['id']);
    const answer = await answering;
    const readers = await Promise.all([one, two, two].map((url) => resumeResponse(url, id)));
    for (const reader of readers) {
      expect(typesOf(await reader.read(3)).slice(0, 3)).toEqual([
        'response.created',
        'response.queued',
        'response.in_progress',
      ]);
      expect(reader.frames).toHaveLength(3);
    }
    answer.say(2);
    for (const reader of readers) {
      const types = typesOf(await reader.read(6));
      expect(types).toContain('response.reasoning_text.delta');
      expect(types).not.toContain('response.output_text.delta');
      expect(reader.over).toBe(false);
    }
    answer.say(2);
    for (const reader of readers) {
      await until(() => typesOf(reader.frames).includes('response.output_text.delta'));
      expect(reader.over).toBe(false);
    }
    answer.finish();
    const all = await Promise.all(readers.map((reader) => reader.rest()));
    checkEvents(eventsOf(all[0]!));
    for (const frames of all) expect(frames).toEqual(all[0]);
  });

  test('a hundred follow one', async () => {
    const [one, two] = urls();
    const answering = heldAnswer();
    const { json } = await ask('POST', `${one}/v1/responses`, { ...asked, background: true });
    const readers = await Promise.all(
      Array.from({ length: 100 }, (_, i) => resumeResponse(i % 2 === 0 ? one : two, String(json['id']))),
    );
    (await answering).finish();
    const all = await Promise.all(readers.map((reader) => reader.rest()));
    expect(all[0]?.length).toBeGreaterThan(35);
    for (const frames of all) expect(frames).toEqual(all[0]);
  });

  describe.each(['Connect binary over HTTP/1.1', 'Connect JSON over HTTP/1.1', 'gRPC'] as RpcFace[])(
    '%s',
    (face) => {
      test('takes a stream up after any event', async () => {
        const [one, two] = urls();
        const whole = await unbroken(one);
        const client = createClient(ResponsesService, rpcTransports[face](two));
        for (let k = 0; k < whole.length; k++) {
          const rest: string[] = [];
          const after = k === 0 ? {} : { startingAfter: k - 1 };
          for await (const { event } of client.resumeResponse({ id: idIn(whole), ...after })) {
            const { type, data } = encodeEvent(event!, []);
            rest.push(`event: ${type}\ndata: ${data}\n\n`);
          }
          expect([...whole.slice(0, k), ...rest], `after ${k} events`).toEqual(whole);
        }
      }, 20_000);

      test('follows one that is being made', async () => {
        const [one, two] = urls();
        const answering = heldAnswer();
        const { json } = await ask('POST', `${one}/v1/responses`, { ...asked, background: true });
        const client = createClient(ResponsesService, rpcTransports[face](two));
        const kinds: unknown[] = [];
        const follow = async (): Promise<void> => {
          for await (const { event } of client.resumeResponse({ id: String(json['id']) })) {
            const kind = event?.event;
            kinds.push(kind?.case === 'status' ? ResponseStatus[kind.value.status] : kind?.case);
            if (kind?.case === 'delta') kinds.push(ItemPartKind[kind.value.kind]);
          }
        };
        const following = follow();
        const answer = await answering;
        answer.say(2);
        await until(() => kinds.includes('REASONING'));
        expect(kinds.slice(0, 3)).toEqual(['QUEUED', 'QUEUED', 'IN_PROGRESS']);
        answer.finish();
        await following;
        expect(kinds.at(-1)).toBe('COMPLETED');
      });
    },
  );

  test('after the last event there is nothing more, and beyond it nothing at all', async () => {
    const [one, two] = urls();
    const whole = await unbroken(one);
    const resumed = await resumeResponse(two, idIn(whole), whole.length - 1);
    expect(await resumed.rest()).toEqual([]);
    expect(resumed.status).toBe(200);
    const { status, json } = await ask(
      'GET',
      `${responseAt(two, idIn(whole))}?stream=true&starting_after=${whole.length}`,
    );
    expect(status).toBe(400);
    expect(json.error).toMatchObject({ param: 'starting_after', type: 'invalid_request_error' });
  });

  test('one under way may be taken up after an event that is yet to come', async () => {
    const [one, two] = urls();
    const answering = heldAnswer();
    const { json } = await ask('POST', `${one}/v1/responses`, { ...asked, background: true });
    const answer = await answering;
    const reader = resumeResponse(two, String(json['id']), 9);
    answer.finish();
    const frames = await (await reader).rest();
    expect(eventsOf(frames)[0]).toMatchObject({ sequence_number: 10 });
  });

  test('one under way that never comes to the event says so at its end', async () => {
    const [one, two] = urls();
    const answering = heldAnswer();
    const { json } = await ask('POST', `${one}/v1/responses`, { ...asked, background: true });
    const answer = await answering;
    const url = `${responseAt(two, String(json['id']))}?stream=true&starting_after=5000`;
    const asking = ask('GET', url);
    answer.finish();
    expect(await asking).toMatchObject({ status: 400, json: { error: { param: 'starting_after' } } });
  });

  test('what is not stored, or was not streamed, cannot be taken up', async () => {
    const [one, two] = urls();
    model.script = [turn, { text: 'all at once' }];
    const unstored = await (await streamResponse(one, { ...asked, store: false })).rest();
    const missing = await ask('GET', `${responseAt(two, idIn(unstored))}?stream=true`);
    expect(missing).toMatchObject({ status: 404, json: { error: { param: 'response_id' } } });
    const { json } = await ask('POST', `${one}/v1/responses`, asked);
    const whole = await ask('GET', `${responseAt(two, String(json['id']))}?stream=true`);
    expect(whole).toMatchObject({ status: 400, json: { error: { param: 'stream' } } });
    // A background one has events, whether or not its client wanted them.
    model.script = [turn];
    const made = await ask('POST', `${one}/v1/responses`, { ...asked, background: true });
    const frames = await (await resumeResponse(two, String(made.json['id']))).rest();
    checkEvents(eventsOf(frames));
  });

  test('one that is deleted while it is followed says so', async () => {
    const [one, two] = urls();
    const answering = heldAnswer();
    const { json } = await ask('POST', `${one}/v1/responses`, { ...asked, background: true });
    const id = String(json['id']);
    const answer = await answering;
    answer.say(3);
    const reader = await resumeResponse(two, id);
    await reader.read(3);
    expect((await ask('DELETE', responseAt(two, id))).json).toEqual({
      id,
      object: 'response',
      deleted: true,
    });
    const asking = performance.now();
    expect((await answer.request.gone) - asking).toBeLessThan(1_000);
    expect(eventsOf(await reader.rest()).at(-1)).toMatchObject({ type: 'error', param: 'response_id' });
    expect((await ask('GET', responseAt(one, id))).status).toBe(404);
  });
});

describe('one gateway on the embedded store', () => {
  let folder: string;
  let gateway: RunningGateway;
  const start = () => startGateway({ ...providers(), LLM_GATEWAY_DATA_DIR: folder });
  beforeAll(async () => {
    folder = mkdtempSync(path.join(tmpdir(), 'llm-gateway-resume-'));
    gateway = await start();
  });
  afterAll(async () => {
    await gateway.stop();
    rmSync(folder, { recursive: true, force: true });
  });

  test('takes up a stream that breaks after any event, also when it was started again in between', async () => {
    const whole = await unbroken(gateway.url);
    for (let k = 1; k <= whole.length; k++) {
      const frames = await broken(gateway.url, gateway.url, k, survives);
      expect(alike(frames), `broken after ${k}`).toBe(alike(whole));
    }
    await gateway.gateway.close();
    gateway = await start();
    for (let k = 0; k < whole.length; k++) {
      const after = k === 0 ? undefined : k - 1;
      const rest = await (await resumeResponse(gateway.url, idIn(whole), after)).rest();
      expect([...whole.slice(0, k), ...rest]).toEqual(whole);
    }
    const { output } = await untilStatus(gateway.url, idIn(whole), ['completed']);
    expect(output).toEqual((eventsOf(whole).at(-1)!['response'] as { output: unknown }).output);
  }, 20_000);
});
