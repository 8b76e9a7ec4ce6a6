import { createClient } from '@connectrpc/connect';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { Role } from '../../gen/llmgateway/v1/message_pb.js';
import { ResponsesService } from '../../gen/llmgateway/v1/responses_service_pb.js';
import type { ReceivedRequest } from '../http/support/upstream.ts';
import { type RpcFace, type RunningGateway, rpcTransports, startGateway } from '../support/gateway.ts';
import { type GatewayProcess, startGatewayProcess } from '../support/process.ts';
import { hasRedis, type RedisServer, startRedis, until } from '../support/redis.ts';
import { checkEvents } from '../support/response-machine.ts';
import {
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
import { respond } from '../support/responses.ts';
import { type Json, type ScriptedModel, startModel, type Turn } from '../support/scripted-model.ts';

const turn: Turn = { text: 'A long answer, bit by bit.', more: { reasoning_content: 'Let me see.' } };
const asked = { model: 'deepseek/m', input: 'Go on.' };
const background = { ...asked, background: true };

let model: ScriptedModel;
beforeAll(async () => {
  model = await startModel();
});
afterAll(() => model.close());

const providers = (): Record<string, string> => ({
  DEEPSEEK_API_KEY: 'k',
  LLM_GATEWAY_DEEPSEEK_BASE_URL: model.upstream.origin,
  LLM_GATEWAY_RESPONSE_LEASE_SECONDS: '1s',
});

/** The next request to the model, not answered yet. */
function nextRequest(): Promise<ReceivedRequest> {
  return new Promise((resolve) => {
    model.script.push(resolve);
  });
}
const heldAnswer = async (): Promise<HeldAnswer> => holdAnswer(await nextRequest(), turn);

/** Makes one in the background. */
async function begin(url: string, more: Json = {}): Promise<string> {
  const { status, json } = await ask('POST', `${url}/v1/responses`, { ...background, ...more });
  expect({ status, is: json['status'] }).toEqual({ status: 200, is: 'queued' });
  return String(json['id']);
}

const running: { stop(): Promise<void> }[] = [];
afterEach(async () => {
  model.script = [];
  for (const one of running.splice(0)) await one.stop();
});

async function start(env: Record<string, string> = {}): Promise<RunningGateway> {
  const gateway = await startGateway({ ...providers(), ...env });
  running.push(gateway);
  if ('LLM_GATEWAY_REDIS_URL' in env) {
    await until(() => gateway.log.some(({ message }) => message === 'redis answers'));
  }
  return gateway;
}

async function startProcess(env: Record<string, string> = {}): Promise<GatewayProcess> {
  const gateway = await startGatewayProcess({ ...providers(), ...env });
  running.push({ stop: () => gateway.kill() });
  await until(() => gateway.lines.some(({ message }) => message === 'redis answers'));
  return gateway;
}

describe('one gateway on the embedded store', () => {
  test('a background response is queued, made and completed', async () => {
    const { url } = await start();
    const answering = heldAnswer();
    const id = await begin(url, { metadata: { a: 'b' } });
    const answer = await answering;
    expect(await untilStatus(url, id, ['in_progress'])).toMatchObject({ background: true, output: [] });
    answer.finish();
    const done = await untilStatus(url, id, ['completed']);
    expect(done).toMatchObject({ status: 'completed', background: true, metadata: { a: 'b' } });
    expect((done['output'] as Json[]).map(({ type }) => type)).toEqual(['reasoning', 'message']);
    expect(done['usage']).toMatchObject({ total_tokens: 12 });
  });

  test('one that is streamed survives its client', async () => {
    const { url } = await start();
    const answering = heldAnswer();
    const opening = streamResponse(url, background);
    const answer = await answering;
    answer.say(3);
    const reader = await opening;
    await until(() => typesOf(reader.frames).includes('response.output_text.delta'));
    reader.leave();
    const id = idIn(reader.frames);
    answer.finish();
    const done = await untilStatus(url, id, ['completed']);
    expect(JSON.stringify(done['output'])).toContain('A long answer, bit by bit.');
  });

  test('one that fails says why, and so does its log', async () => {
    const { url } = await start();
    const requesting = nextRequest();
    const id = await begin(url);
    const { socket } = await requesting;
    socket.end('HTTP/1.1 400 Bad Request\r\ncontent-length: 30\r\n\r\n{"error":{"message":"no, no."}}');
    const { error } = await untilStatus(url, id, ['failed']);
    expect((error as Json)['message']).toContain('no, no.');
    const events = eventsOf(await (await resumeResponse(url, id)).rest());
    checkEvents(events);
    expect(events.at(-1)).toMatchObject({ type: 'response.failed', response: { error } });
  });

  test('those for which there is no room wait, and run when there is', async () => {
    const { url } = await start({ LLM_GATEWAY_RESPONSE_MAX_BACKGROUND: '1' });
    const answers = [heldAnswer(), heldAnswer()];
    const before = model.asked.length;
    const ids = [await begin(url), await begin(url), await begin(url)] as const;
    const first = await answers[0]!;
    await untilStatus(url, ids[0], ['in_progress']);
    for (const id of ids.slice(1)) {
      expect((await ask('GET', responseAt(url, id))).json['status']).toBe('queued');
    }
    expect(model.asked.length - before).toBe(1);
    // One that waits is cancelled without having been begun.
    const follower = resumeResponse(url, ids[2]);
    const cancelled = await ask('POST', `${responseAt(url, ids[2])}/cancel`);
    expect(cancelled).toMatchObject({ status: 200, json: { status: 'cancelled', output: [] } });
    const told = await (await follower).rest();
    expect(typesOf(told)).toEqual(['response.created', 'response.queued', 'response.cancelled']);
    checkEvents(eventsOf(told));
    const from = performance.now();
    first.finish();
    await untilStatus(url, ids[0], ['completed']);
    (await answers[1]!).finish();
    expect(performance.now() - from).toBeLessThan(900);
    await untilStatus(url, ids[1], ['completed']);
    expect(model.asked.length - before).toBe(2);
    checkEvents(eventsOf(await (await resumeResponse(url, ids[1])).rest()));
  });

  test('one that has become too large fails, and what there is of it can be read', async () => {
    const { url } = await start({ LLM_GATEWAY_RESPONSE_MAX_BYTES: '8KiB' });
    for (const how of [{ background: true }, { finish_when_abandoned: true }]) {
      model.script = [{ text: 'abc'.repeat(400) }];
      const frames = await (await streamResponse(url, { ...asked, ...how })).rest();
      const events = eventsOf(frames);
      checkEvents(events);
      expect(events.length).toBeGreaterThan(20);
      expect(events.at(-1)).toMatchObject({
        type: 'response.failed',
        response: { error: { message: expect.stringContaining('larger than 8192 bytes') } },
      });
      expect(await (await resumeResponse(url, idIn(frames))).rest()).toEqual(frames);
      const stored = await ask('GET', responseAt(url, idIn(frames)));
      expect(stored.json).toMatchObject({ status: 'failed', error: { code: expect.any(String) } });
    }
  });

  test('one whose end is too large fails, and was not told to be complete', async () => {
    const { url } = await start({ LLM_GATEWAY_RESPONSE_MAX_BYTES: '8KiB' });
    // In one piece: the events fit, and the whole of it again does not.
    model.script = [
      (request) => {
        const answer = holdAnswer(request, { text: '' });
        answer.pieces.splice(1, 1, answer.pieces[1]!);
        const text = 'x'.repeat(1_500);
        answer.pieces.splice(
          2,
          0,
          `${(Buffer.byteLength(frameOf(text)) as number).toString(16)}\r\n${frameOf(text)}\r\n`,
        );
        answer.finish();
      },
    ];
    const frames = await (await streamResponse(url, asked)).rest();
    const types = typesOf(frames);
    expect(types.at(-1)).toBe('response.failed');
    expect(types).not.toContain('response.completed');
    checkEvents(eventsOf(frames));
    expect(await (await resumeResponse(url, idIn(frames))).rest()).toEqual(frames);
  });
});

const frameOf = (content: string): string =>
  `data: ${JSON.stringify({ id: 'c', object: 'chat.completion.chunk', created: 1, model: 'm', choices: [{ index: 0, delta: { content }, finish_reason: null }] })}\n\n`;

describe.skipIf(!hasRedis)('two gateways on one Redis', () => {
  let redis: RedisServer;
  beforeAll(async () => {
    redis = await startRedis('--appendfsync', 'no');
  });
  afterAll(() => redis.stop());
  const env = (): Record<string, string> => ({ LLM_GATEWAY_REDIS_URL: redis.url });

  test.each(['before the model answers', 'in the middle of the answer'])(
    'one is cancelled on the other %s',
    async (when) => {
      const lease = { LLM_GATEWAY_RESPONSE_LEASE_SECONDS: '60s' };
      const [one, two] = [await start({ ...env(), ...lease }), await start({ ...env(), ...lease })];
      const answering = heldAnswer();
      const id = await begin(one.url);
      const answer = await answering;
      const reader = await resumeResponse(two.url, id);
      if (when !== 'before the model answers') {
        answer.say(4);
        await until(() => typesOf(reader.frames).includes('response.output_text.delta'));
      }
      const from = performance.now();
      const { status, json } = await ask('POST', `${responseAt(two.url, id)}/cancel`);
      expect({ status, is: json['status'] }).toEqual({ status: 200, is: 'cancelled' });
      expect((await answer.request.gone) - from).toBeLessThan(1_000);
      for (const { url } of [one, two]) {
        expect(await ask('POST', `${responseAt(url, id)}/cancel`)).toEqual({ status: 200, json });
        expect((await ask('GET', responseAt(url, id))).json).toEqual(json);
      }
      const events = eventsOf(await reader.rest());
      checkEvents(events);
      expect(events.at(-1)).toMatchObject({ type: 'response.cancelled' });
    },
  );

  test('only what was made in the background can be cancelled, and what is over stays so', async () => {
    const { url } = await start(env());
    const { json } = await ask('POST', `${url}/v1/responses`, asked);
    expect(await ask('POST', `${responseAt(url, String(json['id']))}/cancel`)).toMatchObject({
      status: 400,
      json: { error: { type: 'invalid_request_error' } },
    });
    const id = await begin(url);
    const done = await untilStatus(url, id, ['completed']);
    expect(await ask('POST', `${responseAt(url, id)}/cancel`)).toEqual({ status: 200, json: done });
  });

  test('what one has no room for the other makes', async () => {
    const [one, two] = [
      await start({ ...env(), LLM_GATEWAY_RESPONSE_MAX_BACKGROUND: '1' }),
      await start(env()),
    ];
    const answers = [heldAnswer(), heldAnswer()];
    const ids = [await begin(one.url), await begin(one.url)];
    for (const answer of answers) (await answer).say(3);
    for (const id of ids) await untilStatus(two.url, id, ['in_progress']);
    for (const answer of answers) (await answer).finish();
    for (const id of ids) await untilStatus(one.url, id, ['completed']);
  });

  test('what a gateway made that was killed fails, and all who follow are told', async () => {
    const [one, two] = await Promise.all([startProcess(env()), startProcess(env())]);
    const answers = [heldAnswer(), heldAnswer(), heldAnswer()];
    const id = await begin(one.url);
    const first = await answers[0]!;
    first.say(4);
    const opening = streamResponse(one.url, asked);
    const second = await answers[1]!;
    second.say(4);
    const reader = await opening;
    await until(() => typesOf(reader.frames).includes('response.output_text.delta'));
    const unbegun = await begin(one.url);
    await answers[2]!;
    const ids = [id, idIn(reader.frames), unbegun];
    const followers = await Promise.all(ids.map((one_) => resumeResponse(two.url, one_)));
    const killed = performance.now();
    await one.kill();
    for (const [i, follower] of followers.entries()) {
      const frames = await follower.rest();
      // The lease, and how often those that were left are looked for.
      expect(performance.now() - killed).toBeLessThan(3_000);
      const events = eventsOf(frames);
      checkEvents(events);
      expect(events.at(-1)).toMatchObject({
        type: 'response.failed',
        response: { status: 'failed', error: { message: expect.stringContaining('gateway') } },
      });
      const stored = await untilStatus(two.url, ids[i]!, ['failed']);
      expect(stored).toEqual(events.at(-1)!['response']);
      // What there was of it is kept.
      if (i < 2) expect(JSON.stringify(stored['output'])).toContain('Let me see.');
    }
    // What its own client has heard is the beginning of what the log says.
    const told = await (await resumeResponse(two.url, ids[1]!)).rest();
    expect(told.slice(0, reader.frames.length)).toEqual(reader.frames);
    expect((await ask('POST', `${responseAt(two.url, id)}/cancel`)).json['status']).toBe('failed');
  }, 20_000);

  test('where that is configured it is begun anew, and its log is one stream', async () => {
    const restart = { ...env(), LLM_GATEWAY_RESPONSE_RESUME: 'restart' };
    const [one, two] = await Promise.all([startProcess(restart), startProcess(restart)]);
    const answers = [heldAnswer(), heldAnswer(), heldAnswer()];
    const id = await begin(one.url);
    const first = await answers[0]!;
    first.say(4);
    const follower = await resumeResponse(two.url, id);
    await until(() => typesOf(follower.frames).includes('response.output_text.delta'));
    // One in the foreground has no client any more: it fails.
    const opening = streamResponse(one.url, asked);
    const foreground = await answers[1]!;
    foreground.say(4);
    const reader = await opening;
    await reader.read(1);
    await one.kill();
    const again = await answers[2]!;
    expect(JSON.parse(again.request.body)).toEqual(JSON.parse(first.request.body));
    again.finish();
    const done = await untilStatus(two.url, id, ['completed']);
    expect(await untilStatus(two.url, idIn(reader.frames), ['failed'])).toMatchObject({ status: 'failed' });
    expect((done['output'] as Json[]).map(({ type }) => type)).toEqual(['reasoning', 'message']);
    expect(JSON.stringify(done['output'])).toContain('A long answer, bit by bit.');

    const events = eventsOf(await follower.rest());
    expect(events.map(({ sequence_number }) => sequence_number)).toEqual(events.map((_, i) => i));
    // The first attempt: what had begun ends, incomplete; then the second one, whole, under new numbers and ids.
    const anew = events.findLastIndex(({ type }) => type === 'response.in_progress');
    expect(events[anew]).toMatchObject({ response: { status: 'in_progress', output: [] } });
    const ended = events.slice(0, anew).filter(({ type }) => type === 'response.output_item.done');
    expect(ended.map((event) => (event['item'] as Json)['status']).at(-1)).toBe('incomplete');
    const added = events.filter(({ type }) => type === 'response.output_item.added');
    expect(added.map((event) => event['output_index'])).toEqual([0, 1, 2, 3]);
    expect(new Set(added.map((event) => (event['item'] as Json)['id'])).size).toBe(4);
    expect(events.at(-1)).toMatchObject({ type: 'response.completed', response: done });
    checkEvents([
      ...events.slice(0, anew),
      {
        ...events.at(-1),
        type: 'response.failed',
        sequence_number: anew,
        response: {
          ...(events.at(-1)?.['response'] as Json),
          status: 'failed',
          error: { code: 'server_error', message: 'it was begun anew' },
          completed_at: null,
          output: ended.map((event) => event['item']),
        },
      },
    ]);
    checkEvents(events.slice(anew), anew);
    // Whoever reads it later reads the same.
    const later = eventsOf(await (await resumeResponse(two.url, id)).rest());
    expect(later).toEqual(events);
    // And it can be gone on from, without what came to nothing.
    model.script = [{ text: 'next' }];
    const next = await ask('POST', `${two.url}/v1/responses`, { ...asked, previous_response_id: id });
    expect(next.status).toBe(200);
    expect(model.messages().filter(({ role }) => role === 'assistant')).toHaveLength(1);
  }, 20_000);

  test.each(['fail', 'restart'])(
    'one that outlasts the drain of its gateway is given up at once (%s)',
    async (resume) => {
      const short = {
        ...env(),
        LLM_GATEWAY_DRAIN_TIMEOUT_SECONDS: '300ms',
        LLM_GATEWAY_RESPONSE_LEASE_SECONDS: '60s',
        LLM_GATEWAY_RESPONSE_RESUME: resume,
      };
      const [one, two] = [await start(short), await start(short)];
      const answers = [heldAnswer(), heldAnswer()];
      const id = await begin(one.url);
      (await answers[0]!).say(4);
      await untilStatus(one.url, id, ['in_progress']);
      const follower = await resumeResponse(two.url, id);
      const from = performance.now();
      const drained = one.gateway.drain();
      if (resume === 'fail') {
        const { error } = await untilStatus(two.url, id, ['failed']);
        expect((error as Json)['message']).toContain('shutting down');
      } else {
        (await answers[1]!).finish();
        await untilStatus(two.url, id, ['completed']);
      }
      expect(performance.now() - from).toBeLessThan(3_000);
      await drained;
      const last = eventsOf(await follower.rest()).at(-1);
      expect(last?.['type']).toBe(resume === 'fail' ? 'response.failed' : 'response.completed');
    },
  );

  test('one that ends within the drain is completed', async () => {
    const [one, two] = [await start(env()), await start(env())];
    const answering = heldAnswer();
    const id = await begin(one.url);
    const answer = await answering;
    answer.say(3);
    await untilStatus(two.url, id, ['in_progress']);
    const drained = one.gateway.drain();
    answer.finish();
    await drained;
    expect((await ask('GET', responseAt(two.url, id))).json['status']).toBe('completed');
  });
});

describe.skipIf(!hasRedis)('a Redis that is away', () => {
  let redis: RedisServer;
  beforeAll(async () => {
    redis = await startRedis('--appendfsync', 'no');
  });
  afterAll(() => redis.stop());
  const env = (): Record<string, string> => ({ LLM_GATEWAY_REDIS_URL: redis.url });
  const back = ({ log }: RunningGateway): Promise<void> =>
    until(() => log.filter(({ module }) => module === 'store').at(-1)?.['message'] === 'redis answers');

  test('refuses what is to be stored at once, and asks no model', async () => {
    const gateway = await start(env());
    const { url } = gateway;
    const [id, other] = [await begin(url), await begin(url)];
    for (const one of [id, other]) await untilStatus(url, one, ['completed']);
    const before = model.asked.length;
    redis.signal('SIGSTOP');
    try {
      const from = performance.now();
      const refused = await Promise.all([
        respond(url, asked),
        respond(url, { ...asked, stream: true }),
        respond(url, background),
        respond(url, { ...asked, previous_response_id: id }),
        fetch(responseAt(url, id)),
        fetch(`${responseAt(url, id)}?stream=true`),
        fetch(`${responseAt(url, id)}/cancel`, { method: 'POST' }),
        // It may yet take effect.
        fetch(responseAt(url, other), { method: 'DELETE' }),
      ]);
      for (const response of refused) {
        expect(response.status).toBe(503);
        expect(await response.text()).toContain('dependency_unavailable');
      }
      expect(performance.now() - from).toBeLessThan(1_000);
      expect(model.asked.length).toBe(before);
      expect((await respond(url, { ...asked, store: false })).status).toBe(200);
    } finally {
      redis.signal('SIGCONT');
    }
    await back(gateway);
    expect((await ask('GET', responseAt(url, id))).json['status']).toBe('completed');
  });

  test.each(['hangs for a while', 'is killed and comes back'])(
    'that %s in the middle costs no answer, and nothing is told before it is stored',
    async (how) => {
      const lease = { LLM_GATEWAY_RESPONSE_LEASE_SECONDS: '30s' };
      const gateway = await start({ ...env(), ...lease });
      const { url } = gateway;
      const answers = [heldAnswer(), heldAnswer()];
      const opening = streamResponse(url, asked);
      (await answers[0]!).say(4);
      const reader = await opening;
      await until(() => typesOf(reader.frames).includes('response.output_text.delta'));
      const id = await begin(url);
      const follower = await resumeResponse(url, id);
      await follower.read(3);
      const told = reader.frames.length;
      if (how === 'hangs for a while') redis.signal('SIGSTOP');
      else await redis.kill();
      (await answers[0]!).finish();
      (await answers[1]!).finish();
      // The gateway has noticed, and tried; its clients have heard nothing that is not stored.
      await until(() =>
        gateway.log.some(({ message, module }) => module === 'store' && message === 'redis does not answer'),
      );
      expect(reader.frames.length).toBe(told);
      if (how === 'hangs for a while') redis.signal('SIGCONT');
      else await redis.start();
      for (const stream of [reader, follower]) {
        const events = eventsOf(await stream.rest());
        checkEvents(events);
        expect(events.at(-1)?.['type']).toBe('response.completed');
        expect(eventsOf(await (await resumeResponse(url, idIn(stream.frames))).rest())).toEqual(events);
      }
    },
    20_000,
  );

  test('for longer ends a stream with a clear error, and the response afterwards', async () => {
    const gateway = await start(env());
    const { url } = gateway;
    const answering = heldAnswer();
    const opening = streamResponse(url, asked);
    const answer = await answering;
    answer.say(4);
    const reader = await opening;
    await until(() => typesOf(reader.frames).includes('response.output_text.delta'));
    redis.signal('SIGSTOP');
    try {
      answer.finish();
      const events = eventsOf(await reader.rest());
      expect(events.at(-1)).toMatchObject({ type: 'error', code: 'dependency_unavailable' });
      expect(events.map(({ type }) => type)).not.toContain('response.completed');
    } finally {
      redis.signal('SIGCONT');
    }
    await back(gateway);
    // Not for ever under way; and what was told is so.
    const stored = await untilStatus(url, idIn(reader.frames), ['failed', 'completed']);
    const frames = await (await resumeResponse(url, idIn(reader.frames))).rest();
    const told = reader.frames.slice(0, -1);
    expect(frames.slice(0, told.length)).toEqual(told);
    // Who goes on after the number that came last misses nothing.
    const last = Number(eventsOf(reader.frames).at(-1)?.['sequence_number']);
    const taken = await resumeResponse(url, idIn(reader.frames), last);
    expect([...told, ...(await taken.rest())]).toEqual(frames);
    expect(eventsOf(frames).at(-1)).toMatchObject({ type: `response.${stored['status']}` });
  }, 20_000);
});

describe.each([
  'REST',
  'Connect binary over HTTP/1.1',
  'Connect over HTTP/2',
  'gRPC',
  'gRPC-Web over HTTP/1.1',
] as const)('a client on %s that leaves', (face) => {
  let gateway: RunningGateway;
  beforeAll(async () => {
    gateway = await startGateway(providers());
  });
  afterAll(() => gateway.stop());

  /** What is kept of the response. */
  interface Kept {
    readonly store: boolean;
    readonly conversation: string;
  }

  /** Asks and leaves when the model was asked and, if it streams, has begun to answer. @returns the response's id, if it was told */
  async function leave(
    stream: boolean,
    finishWhenAbandoned: boolean,
    more: Partial<Kept> = {},
  ): Promise<[HeldAnswer, string]> {
    const answering = heldAnswer();
    const leaving = new AbortController();
    const heard = Promise.withResolvers<string>();
    const call =
      face === 'REST'
        ? onRest(stream, finishWhenAbandoned, more, leaving.signal, heard.resolve)
        : onRpc(face, stream, finishWhenAbandoned, more, leaving.signal, heard.resolve);
    call.catch(heard.reject);
    const answer = await Promise.race([answering, heard.promise.then(() => answering)]);
    let id = '';
    if (stream) {
      answer.say(4);
      id = await heard.promise;
    }
    leaving.abort();
    await call.catch(() => {});
    return [answer, id];
  }

  async function onRest(
    stream: boolean,
    finish: boolean,
    { store = true, conversation = '' }: Partial<Kept>,
    signal: AbortSignal,
    heard: (id: string) => void,
  ): Promise<void> {
    const response = await fetch(`${gateway.url}/v1/responses`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({
        ...asked,
        stream,
        store,
        ...(conversation === '' ? {} : { conversation }),
        finish_when_abandoned: finish,
      }),
      signal,
    });
    let text = '';
    for await (const chunk of response.body!.pipeThrough(new TextDecoderStream())) {
      text += chunk;
      const [, id] = /"id":"(resp_[0-9a-f]{32})"/.exec(text) ?? [];
      if (text.includes('response.output_text.delta')) heard(String(id));
    }
  }

  async function onRpc(
    rpc: RpcFace,
    stream: boolean,
    finishWhenAbandoned: boolean,
    { store = true, conversation: conversationId = '' }: Partial<Kept>,
    signal: AbortSignal,
    heard: (id: string) => void,
  ): Promise<void> {
    const client = createClient(ResponsesService, rpcTransports[rpc](gateway.url));
    const parts = [{ content: { case: 'text' as const, value: { text: 'Go on.' } } }];
    const item = { kind: { case: 'message' as const, value: { role: Role.USER, parts } } };
    const parameters = {
      model: asked.model,
      input: [item],
      store,
      conversationId,
      options: { finishWhenAbandoned },
    };
    if (!stream) {
      await client.createResponse({ parameters }, { signal });
      return;
    }
    let id = '';
    for await (const { event } of client.streamResponse({ parameters }, { signal })) {
      if (event?.event.case === 'status') id = event.event.value.id;
      if (event?.event.case === 'delta') heard(id);
    }
  }

  test('ends the work, and the response is cancelled', async () => {
    const from = performance.now();
    const [answer, id] = await leave(true, false);
    expect((await answer.request.gone) - from).toBeLessThan(1_000);
    const stored = await untilStatus(gateway.url, id, ['cancelled']);
    expect(JSON.stringify(stored['output'])).toContain('Let me see.');
    const events = eventsOf(await (await resumeResponse(gateway.url, id)).rest());
    checkEvents(events);
    expect(events.at(-1)).toMatchObject({ type: 'response.cancelled', response: stored });
    const [whole] = await leave(false, false);
    const left = performance.now();
    expect((await whole.request.gone) - left).toBeLessThan(1_000);
  });

  test('lets it go on where that is asked for, and it is stored', async () => {
    const [answer, id] = await leave(true, true);
    answer.finish();
    const stored = await untilStatus(gateway.url, id, ['completed']);
    expect(JSON.stringify(stored['output'])).toContain('A long answer, bit by bit.');
    checkEvents(eventsOf(await (await resumeResponse(gateway.url, id)).rest()));
  });

  test.each([true, false])('ends the work all the same where nothing is kept, stream: %s', async (stream) => {
    const [answer] = await leave(stream, true, { store: false });
    const left = performance.now();
    expect((await answer.request.gone) - left).toBeLessThan(1_000);
  });

  test('lets it go on where only its conversation is kept', async () => {
    const made = await fetch(`${gateway.url}/v1/conversations`, { method: 'POST', body: '{}' });
    const { id: conversation } = (await made.json()) as { id: string };
    const [answer] = await leave(true, true, { store: false, conversation });
    answer.finish();
    await expect
      .poll(async () => (await fetch(`${gateway.url}/v1/conversations/${conversation}/items`)).text())
      .toContain('A long answer, bit by bit.');
  });
});
