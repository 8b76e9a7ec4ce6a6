import { randomUUID } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { FinishReason } from '../../gen/llmgateway/v1/completion_pb.js';
import { type Message, Role } from '../../gen/llmgateway/v1/message_pb.js';
import { anonymous } from '../../src/auth/principal.ts';
import * as build from '../../src/model/build.ts';
import { completionEvents } from '../../src/model/completion-events.ts';
import { type ChatCall, type Handler, pipeline } from '../../src/pipeline/call.ts';
import { enableToolsStage } from '../../src/pipeline/enable-tools.ts';
import { sessionStage } from '../../src/pipeline/session.ts';
import { toolsStage } from '../../src/pipeline/tools.ts';
import { Leases } from '../../src/sessions/leases.ts';
import { Database } from '../../src/store/embedded/database.ts';
import { EmbeddedSessions } from '../../src/store/embedded/sessions.ts';
import { textOf } from '../../src/tools/loop-calls.ts';
import { TurnMemory } from '../../src/tools/turn-memory.ts';
import { type TestToolbox, testToolbox } from '../support/toolbox.ts';

// What a session's context says to the tools of its calls, with a model in place of the provider.

let dir: string;
let database: Database;
let store: EmbeddedSessions;
let toolbox: TestToolbox;
let sessionId: string;
beforeAll(() => {
  dir = mkdtempSync(path.join(tmpdir(), 'llm-gateway-tools-'));
  database = new Database({ dir, maxBytes: 2 ** 26 });
  store = new EmbeddedSessions(database);
});
afterAll(() => {
  database.close();
  rmSync(dir, { recursive: true, force: true });
});
beforeEach(async () => {
  toolbox = testToolbox();
  sessionId = randomUUID();
  const createdUs = Date.now() * 1_000;
  const contextJson = '{"taxonomy":"books","note":1}';
  await store.create('', { id: sessionId, createdUs, expiresUs: createdUs + 3_600e6, contextJson });
});

/** Calls echo until it has a result. */
const model: Handler = (call) => {
  const { request, stream } = call as ChatCall;
  const toolsRan = request.messages.at(-1)?.role === Role.TOOL;
  const parts = toolsRan
    ? [build.textPart('done')]
    : [build.part({ case: 'toolCall', value: build.toolCall(randomUUID(), 'echo', '{"message":"x"}') })];
  const finish = toolsRan ? FinishReason.STOP : FinishReason.TOOL_CALLS;
  const message = build.message(Role.ASSISTANT, parts);
  const response = build.chatResponse('c', 'm', 1, [build.choice(0, message, finish)]);
  return Promise.resolve(
    stream ? { kind: 'stream', events: completionEvents(response) } : { kind: 'unary', response },
  );
};

const namedTaxonomy = (messages: readonly Message[]): string =>
  /use the (\w+) taxonomy/.exec(messages.map(textOf).join('\n'))?.[1] ?? '';

async function say(text: string, stream: boolean, { inSession = true, answer = model } = {}): Promise<void> {
  const handle = pipeline(
    [
      enableToolsStage({ toolbox }),
      sessionStage({
        leases: new Leases(store, () => ({ leaseMs: 60_000, waitMs: 1_000, maxBytes: 100_000 })),
        readOpaque: () => [],
        namedTaxonomy,
      }),
      toolsStage({
        toolbox,
        maxRounds: () => 10,
        memory: new TurnMemory({ maxSize: 0, ttlMs: 1_000 }),
        readOpaque: () => [],
        withDefaults: (_tool, args, context) => ({ taxonomy: context['taxonomy'], ...args }),
        namedTaxonomy,
        onFault: () => {},
      }),
    ],
    answer,
  );
  const options = build.gatewayOptions({ gatewayTools: ['echo'], ...(inSession ? { sessionId } : {}) });
  const reply = await handle({
    kind: 'chat',
    id: 'r',
    face: 'rpc',
    principal: anonymous,
    stream,
    signal: new AbortController().signal,
    request: build.chatRequest('m', [build.message(Role.USER, [build.textPart(text)])], { options }),
    route: null,
    report: build.callReport('', ''),
  });
  if (reply.kind !== 'stream') return;
  while (!(await reply.events.next()).done);
}

test.each([false, true])(
  "a session's taxonomy is a default; one that the user names wins, and is the session's from then on; streamed: %s",
  async (stream) => {
    const context = async () => JSON.parse((await store.read('', sessionId))?.contextJson ?? '');
    const lastTaxonomy = () => toolbox.runs.at(-1)?.args['taxonomy'];
    await say('hello', stream);
    expect(lastTaxonomy()).toBe('books');
    await say('please use the music taxonomy', stream);
    expect(lastTaxonomy()).toBe('music');
    expect(await context()).toEqual({ taxonomy: 'music', note: 1 });
    await say('and now?', stream);
    expect(lastTaxonomy()).toBe('music');
    await say('use the film taxonomy', stream, { inSession: false });
    expect(lastTaxonomy()).toBe('film');
    expect(await context()).toEqual({ taxonomy: 'music', note: 1 });
  },
);

test('a call that fails in a later round leaves the context as it was', async () => {
  const { contextJson } = (await store.read('', sessionId)) ?? {};
  const failing: Handler = (call) =>
    (call as ChatCall).request.messages.at(-1)?.role === Role.TOOL
      ? Promise.reject(new Error('the model is gone'))
      : model(call);
  await expect(say('use the film taxonomy', false, { answer: failing })).rejects.toThrow('the model is gone');
  expect(toolbox.runs.at(-1)?.args['taxonomy']).toBe('film');
  expect(await store.read('', sessionId)).toMatchObject({ contextJson, messages: [] });
});
