import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { create } from '@bufbuild/protobuf';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ErrorReason } from '../../gen/llmgateway/v1/error_pb.js';
import {
  ItemSchema,
  type ResponseParameters,
  ResponseParametersSchema,
} from '../../gen/llmgateway/v1/responses_service_pb.js';
import { anonymous } from '../../src/auth/principal.ts';
import { GatewayError } from '../../src/errors/gateway-error.ts';
import { createLogger } from '../../src/observability/log.ts';
import { OpenCalls } from '../../src/pipeline/open-calls.ts';
import { Conversations } from '../../src/responses/conversations.ts';
import { newResponseId } from '../../src/responses/ids.ts';
import { encodeBody, encodeItems } from '../../src/responses/items.ts';
import { newResponse } from '../../src/responses/new-response.ts';
import { type ResponseCallContext, type ResponsesApi, responsesApi } from '../../src/rpc/responses-api.ts';
import { Database } from '../../src/store/embedded/database.ts';
import { EmbeddedResponses } from '../../src/store/embedded/responses.ts';
import { rejection } from '../http/support/upstream.ts';

// The faces know one tenant as yet: what belongs to another one is tested where they are told apart.

let folder: string;
let database: Database;
let store: EmbeddedResponses;
let api: ResponsesApi;
let conversations: Conversations;
beforeAll(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'llm-gateway-tenants-'));
  database = new Database({ dir: folder, maxBytes: 2 ** 26 });
  store = new EmbeddedResponses(database);
  const never = (): never => {
    throw new Error('a model was asked');
  };
  const terms = {
    leaseMs: 10_000,
    maxBytes: 2 ** 20,
    ttlMs: 60_000,
    maxBackground: 4,
    resume: 'fail',
  } as const;
  api = responsesApi({
    store,
    handle: never,
    count: never,
    limits: { totalMs: () => 10_000, open: new OpenCalls() },
    terms: () => terms,
    log: createLogger({ service: 'test', level: 'ERROR', sink: () => {} }).module('responses'),
  });
  conversations = new Conversations(store, () => terms);
});
afterAll(() => {
  api.retire();
  database.close();
  rmSync(folder, { recursive: true, force: true });
});

const contextOf = (tenant: string): ResponseCallContext => ({
  requestId: 'r',
  face: 'test',
  principal: { ...anonymous, tenant },
  client: () => () => {},
  timeoutMs: null,
  tenant,
  fields: {
    previous: 'previous',
    conversation: 'conversation',
    input: 'input',
    store: 'store',
    stream: 'stream',
    after: 'after',
  },
});

/** Stores a response of a tenant's. */
async function stored(tenant: string, open: 'over' | null): Promise<string> {
  const id = newResponseId();
  const asked = create(ResponseParametersSchema, { model: 'm', background: true });
  const nowUs = Date.now() * 1_000;
  const item = create(ItemSchema, {
    id: `msg_${id.slice(5)}0000`,
    kind: { case: 'reference', value: { id: 'x' } },
  });
  await store.create(tenant, {
    id,
    createdUs: nowUs,
    expiresUs: nowUs + 60e6,
    body: encodeBody(newResponse(id, 1, asked)),
    input: encodeItems([item]),
    maker: '',
    open,
  });
  return id;
}

const failureOf = async (call: Promise<unknown>): Promise<[string, unknown]> => {
  const error = (await rejection(call)) as GatewayError;
  expect(error).toBeInstanceOf(GatewayError);
  return [ErrorReason[error.reason], error.facts.field];
};

const asking = (more: Partial<ResponseParameters>): ResponseParameters =>
  ({ ...create(ResponseParametersSchema, { model: 'm' }), ...more }) as ResponseParameters;

describe("another tenant's response", () => {
  test.each(['over', null] as const)('is as one that is not there (open: %s)', async (open) => {
    const id = await stored('a', open);
    const context = contextOf('b');
    const notFound = ['NOT_FOUND', 'response_id'];
    expect(await failureOf(api.getResponse('b', id))).toEqual(notFound);
    expect(await failureOf(api.resumeResponse(id, 0, context))).toEqual(notFound);
    expect(await failureOf(api.deleteResponse('b', id))).toEqual(notFound);
    expect(await failureOf(api.cancelResponse(id, context))).toEqual(notFound);
    expect(await failureOf(api.listInputItems('b', id))).toEqual(notFound);
    const next = asking({ previousResponseId: id });
    const lost = ['PREVIOUS_RESPONSE_NOT_FOUND', 'previous'];
    expect(await failureOf(api.createResponse(next, context))).toEqual(lost);
    expect(await failureOf(api.streamResponse(next, context))).toEqual(lost);
    expect(await failureOf(api.countInputTokens(next, context))).toEqual(lost);
    const reference = create(ItemSchema, {
      kind: { case: 'reference', value: { id: `msg_${id.slice(5)}0000` } },
    });
    expect(await failureOf(api.createResponse(asking({ input: [reference] }), context))).toEqual([
      'NOT_FOUND',
      'input[0].id',
    ]);
    // Nothing of this has touched it.
    expect((await api.getResponse('a', id)).id).toBe(id);
    expect(await api.listInputItems('a', id)).toHaveLength(1);
  });

  test("'s items are found by nobody else", async () => {
    const nowUs = Date.now() * 1_000;
    const id = await stored('a', 'over');
    await store.indexItems('a', { id, createdUs: nowUs, expiresUs: nowUs + 60e6 }, ['rs_theirs']);
    expect(await store.findItem('a', 'rs_theirs')).toBe(id);
    expect(await store.findItem('b', 'rs_theirs')).toBeNull();
  });
});

test("another tenant's conversation is as one that is not there", async () => {
  const { id } = await conversations.create('a', {}, []);
  expect(await failureOf(conversations.get('b', id))).toEqual(['NOT_FOUND', 'conversation_id']);
  expect(await failureOf(conversations.update('b', id, {}))).toEqual(['NOT_FOUND', 'conversation_id']);
  expect(await failureOf(conversations.addItems('b', id, []))).toEqual(['NOT_FOUND', 'conversation_id']);
  expect(await failureOf(conversations.delete('b', id))).toEqual(['NOT_FOUND', 'conversation_id']);
  const asked = asking({ conversationId: id });
  expect(await failureOf(api.createResponse(asked, contextOf('b')))).toEqual(['NOT_FOUND', 'conversation']);
  expect((await conversations.get('a', id)).id).toBe(id);
});
