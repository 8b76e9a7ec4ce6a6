import { create } from '@bufbuild/protobuf';
import { expect, test } from 'vitest';
import { ErrorReason } from '../../gen/llmgateway/v1/error_pb.js';
import { Role } from '../../gen/llmgateway/v1/message_pb.js';
import { ItemSchema, ResponseParametersSchema } from '../../gen/llmgateway/v1/responses_service_pb.js';
import { anonymous } from '../../src/auth/principal.ts';
import { GatewayError } from '../../src/errors/gateway-error.ts';
import * as build from '../../src/model/build.ts';
import { completionEvents } from '../../src/model/completion-events.ts';
import { createLogger } from '../../src/observability/log.ts';
import type { Handler } from '../../src/pipeline/call.ts';
import { OpenCalls } from '../../src/pipeline/open-calls.ts';
import type { ResponseStore } from '../../src/responses/store.ts';
import { type ResponseCallContext, responsesApi, rpcFields } from '../../src/rpc/responses-api.ts';
import { rejection } from '../http/support/upstream.ts';

const message = build.message(Role.USER, [build.textPart('Hi')]);
const asking = (more: { readonly background?: boolean } = {}) =>
  create(ResponseParametersSchema, {
    model: 'm',
    input: [create(ItemSchema, { kind: { case: 'message', value: message } })],
    ...more,
  });
const context: ResponseCallContext = {
  requestId: 'r',
  face: 'test',
  principal: anonymous,
  client: () => () => {},
  timeoutMs: null,
  tenant: '',
  fields: rpcFields,
};

/** Responses in a store that is away for some of its steps. */
function rig(...away: (keyof ResponseStore)[]) {
  const steps = {
    create: async () => {},
    events: async () => null,
    append: async () => 'held',
    extend: async () => 'held',
    end: async () => 'held',
    claim: async () => null,
    take: async () => null,
  };
  for (const step of away)
    Object.assign(steps, {
      [step]: () => Promise.reject(new GatewayError(ErrorReason.DEPENDENCY_UNAVAILABLE, 'away')),
    });
  let asked = 0;
  const handle: Handler = async ({ stream }) => {
    asked++;
    const said = build.message(Role.ASSISTANT, [build.textPart('Hello')]);
    const response = build.chatResponse('c', 'm', 1, [build.choice(0, said, 1)]);
    return stream ? { kind: 'stream', events: completionEvents(response) } : { kind: 'unary', response };
  };
  const api = responsesApi({
    store: steps as unknown as ResponseStore,
    handle,
    count: handle,
    limits: { totalMs: () => 10_000, open: new OpenCalls() },
    terms: () => ({ leaseMs: 100, maxBytes: 2 ** 20, ttlMs: 60_000, maxBackground: 4, resume: 'fail' }),
    log: createLogger({ service: 't', level: 'ERROR', sink: () => {} }),
  });
  return {
    api,
    get asked() {
      return asked;
    },
  };
}

const failureOf = async (call: Promise<unknown>): Promise<unknown> => {
  const { reason, afterCall } = (await rejection(call)) as GatewayError;
  return [ErrorReason[reason], afterCall];
};
const after = ['DEPENDENCY_UNAVAILABLE', true];

test('a store that is away before the model is asked is a failure of the call', async () => {
  const it = rig('events');
  expect(await failureOf(it.api.createResponse(asking(), context))).toEqual([after[0], undefined]);
  expect(await failureOf(it.api.streamResponse(asking(), context))).toEqual([after[0], undefined]);
  expect(it.asked).toBe(0);
});

test('one that is away when the model has answered comes after the call', async () => {
  const it = rig('create');
  expect(await failureOf(it.api.createResponse(asking(), context))).toEqual(after);
  expect(await failureOf(it.api.streamResponse(asking(), context))).toEqual(after);
  expect(it.asked).toBe(2);
});

test.each([
  ['one that is away while a stream is made', false, ['append', 'end'], 'DEPENDENCY_UNAVAILABLE'],
  ['one that has lost what is made without its client', true, [], 'NOT_FOUND'],
] as const)('so does %s', async (_what, background, away, reason) => {
  const { api } = rig(...away);
  const stream = await api.streamResponse(asking({ background }), context);
  const toEnd = async (): Promise<void> => {
    while (!(await stream.next()).done);
  };
  expect(await failureOf(toEnd())).toEqual([reason, true]);
  api.retire();
  await api.idle(1_000);
});
