import type { MessageInitShape } from '@bufbuild/protobuf';
import { Code, ConnectError, createClient } from '@connectrpc/connect';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ErrorDetailSchema, ErrorReason } from '../../gen/llmgateway/v1/error_pb.js';
import { Role } from '../../gen/llmgateway/v1/message_pb.js';
import {
  type Item,
  type ItemSchema,
  type ResponseEvent,
  type Response as ResponseMessage,
  type ResponseParametersSchema,
  ResponseStatus,
  ResponsesService,
} from '../../gen/llmgateway/v1/responses_service_pb.js';
import { encodeEvent } from '../../src/codec/openai-responses/encode-event.ts';
import { encodeItems, encodeResponse } from '../../src/codec/openai-responses/encode-response.ts';
import { STREAM_HEAD } from '../http/support/upstream.ts';
import { type RpcFace, type RunningGateway, rpcTransports, startGateway } from '../support/gateway.ts';
import { checkEvents, checkResponse, type Json } from '../support/response-machine.ts';
import { chunkOf, type ScriptedModel, startModel } from '../support/scripted-model.ts';

// Every method of ResponsesService by the generated client, over each way to call it.

let model: ScriptedModel;
let gateway: RunningGateway;
beforeAll(async () => {
  model = await startModel();
  gateway = await startGateway({
    DEEPSEEK_API_KEY: 'k',
    LLM_GATEWAY_DEEPSEEK_BASE_URL: model.upstream.origin,
  });
});
afterAll(async () => {
  await gateway.stop();
  model.close();
});

type ItemInit = MessageInitShape<typeof ItemSchema>;
type ParametersInit = Exclude<MessageInitShape<typeof ResponseParametersSchema>, { $typeName: string }>;

const says = (text: string, role = Role.USER): ItemInit => ({
  kind: { case: 'message', value: { role, parts: [{ content: { case: 'text', value: { text } } }] } },
});
const asking = (text: string, more: ParametersInit = {}): ParametersInit => ({
  model: 'fake/echo',
  input: [says(text)],
  ...more,
});

const textOf = (items: readonly Item[]): string[] =>
  items.map(({ kind }) =>
    kind.case === 'message'
      ? kind.value.parts.map(({ content }) => (content.case === 'text' ? content.value.text : '')).join('')
      : String(kind.case),
  );

async function eventsOf(
  stream: AsyncIterable<{ event?: ResponseEvent | undefined }>,
): Promise<ResponseEvent[]> {
  const events: ResponseEvent[] = [];
  for await (const { event } of stream) events.push(event as ResponseEvent);
  return events;
}
const jsonOf = (events: readonly ResponseEvent[]): Json[] =>
  events.map((event) => JSON.parse(encodeEvent(event, []).data) as Json);
const lastOf = (events: readonly ResponseEvent[]): ResponseMessage => {
  const last = events.at(-1)?.event;
  if (last?.case !== 'status') throw new Error('there is no end');
  return last.value;
};

const rest = async (path: string): Promise<Json> =>
  (await (await fetch(`${gateway.url}/v1${path}`)).json()) as Json;

/** What a call fails with. */
async function failureOf(call: Promise<unknown>) {
  const cause: unknown = await call.then(
    () => Promise.reject(new Error('it did not fail')),
    (error: unknown) => error,
  );
  const error = ConnectError.from(cause);
  const [detail] = error.findDetails(ErrorDetailSchema);
  return {
    code: Code[error.code],
    reason: detail === undefined ? undefined : ErrorReason[detail.reason],
    field: detail?.field,
    requestId: detail?.requestId,
  };
}

describe.each(Object.keys(rpcTransports) as RpcFace[])('over %s', (face) => {
  const client = () => createClient(ResponsesService, rpcTransports[face](gateway.url));

  async function made(text: string, more: ParametersInit = {}): Promise<ResponseMessage> {
    const { response } = await client().createResponse({ parameters: asking(text, more) });
    return response as ResponseMessage;
  }

  test('a response is made, and the same by every way to read it', async () => {
    const response = await made('Hello!');
    expect(response.status).toBe(ResponseStatus.COMPLETED);
    expect(textOf(response.output)).toEqual(['Hello!']);
    const json = JSON.parse(encodeResponse(response)) as Json;
    checkResponse(json);
    const { response: again } = await client().getResponse({ id: response.id });
    expect(again).toEqual(response);
    expect(await rest(`/responses/${response.id}`)).toEqual(json);
  });

  test('a response made on REST is read by RPC', async () => {
    const reply = await fetch(`${gateway.url}/v1/responses`, {
      method: 'POST',
      body: JSON.stringify({ model: 'fake/reasoning', input: 'Hello!', metadata: { a: 'b' } }),
    });
    const json = (await reply.json()) as Json;
    const { response } = await client().getResponse({ id: String(json['id']) });
    expect(JSON.parse(encodeResponse(response as ResponseMessage))).toEqual(json);
  });

  test('a stream has the events of REST, and can be taken up after each of them', async () => {
    const events = await eventsOf(
      client().streamResponse({ parameters: asking('one two three', { model: 'fake/reasoning' }) }),
    );
    checkEvents(jsonOf(events));
    const { id } = lastOf(events);
    expect(await eventsOf(client().resumeResponse({ id }))).toEqual(events);
    const after = events.length >> 1;
    const rest_ = await eventsOf(client().resumeResponse({ id, startingAfter: after }));
    expect(rest_).toEqual(events.slice(after + 1));
    const reply = await fetch(`${gateway.url}/v1/responses/${id}?stream=true&starting_after=${after}`);
    const frames = (await reply.text()).split('\n\n').filter((frame) => frame.startsWith('event: '));
    expect(frames.map((frame) => JSON.parse(frame.slice(frame.indexOf('data: ') + 6)) as Json)).toEqual(
      jsonOf(events.slice(after + 1)),
    );
  });

  test('a response goes on from another one, whose items it lists', async () => {
    const first = await made('first');
    const second = await made('second', { previousResponseId: first.id });
    expect(second.parameters?.previousResponseId).toBe(first.id);
    const { items, hasMore } = await client().listInputItems({
      responseId: second.id,
      page: { ascending: true },
    });
    expect([textOf(items), hasMore]).toEqual([['first', 'first', 'second'], false]);
    const { data } = await rest(`/responses/${second.id}/input_items?order=asc`);
    expect(data).toEqual(JSON.parse(encodeItems(items, true)));
  });

  test('items come in pages, in both orders', async () => {
    const input = ['a', 'b', 'c', 'd', 'e'].map((text) => says(text));
    const { id: responseId } = await made('', { input });
    for (const ascending of [true, false]) {
      const seen: string[] = [];
      let after = '';
      for (;;) {
        const page = { limit: 2, ascending, after };
        const { items, hasMore } = await client().listInputItems({ responseId, page });
        seen.push(...textOf(items));
        after = items.at(-1)?.id ?? '';
        if (!hasMore) break;
        expect(items.length).toBe(2);
      }
      expect(seen.join('')).toBe(ascending ? 'abcde' : 'edcba');
    }
    const { items } = await client().listInputItems({ responseId });
    expect(textOf(items)).toEqual(['e', 'd', 'c', 'b', 'a']);
  });

  test('a deleted response is gone', async () => {
    const { id } = await made('gone');
    await client().deleteResponse({ id });
    for (const call of [
      () => client().getResponse({ id }),
      () => client().deleteResponse({ id }),
      () => client().listInputItems({ responseId: id }),
      () => client().cancelResponse({ id }),
      () => eventsOf(client().resumeResponse({ id })),
    ]) {
      expect(await failureOf(call())).toMatchObject({ code: 'NotFound', reason: 'NOT_FOUND' });
    }
    expect(await failureOf(made('next', { previousResponseId: id }))).toMatchObject({
      code: 'NotFound',
      reason: 'PREVIOUS_RESPONSE_NOT_FOUND',
      field: 'parameters.previous_response_id',
    });
  });

  test('what is not stored is not found', async () => {
    const { id } = await made('secret', { store: false });
    expect(await failureOf(client().getResponse({ id }))).toMatchObject({ code: 'NotFound' });
  });

  test('a response in the background is queued, and is found when it is done', async () => {
    const queued = await made('later', { background: true });
    expect(queued.status).toBe(ResponseStatus.QUEUED);
    const events = await eventsOf(client().resumeResponse({ id: queued.id }));
    checkEvents(jsonOf(events));
    expect(lastOf(events).status).toBe(ResponseStatus.COMPLETED);
    const { response } = await client().getResponse({ id: queued.id });
    expect(response).toEqual(lastOf(events));
  });

  test('a response in the background is cancelled, also for those who follow it', async () => {
    const { id } = await made('long', { model: 'fake/slow?words=10000&delay_ms=5', background: true });
    const following = eventsOf(client().resumeResponse({ id }));
    const { response } = await client().cancelResponse({ id });
    expect(response?.status).toBe(ResponseStatus.CANCELLED);
    const events = await following;
    checkEvents(jsonOf(events));
    expect(lastOf(events).status).toBe(ResponseStatus.CANCELLED);
    const again = await client().cancelResponse({ id });
    expect(again.response?.status).toBe(ResponseStatus.CANCELLED);
  });

  test('only what is in the background can be cancelled', async () => {
    const { id } = await made('done');
    expect(await failureOf(client().cancelResponse({ id }))).toMatchObject({
      code: 'InvalidArgument',
      reason: 'INVALID_REQUEST',
    });
  });

  test('tokens are counted, with those of what it goes on from', async () => {
    const { id } = await made('a rather long first turn of a conversation');
    const alone = await client().countInputTokens({ parameters: asking('Hello!') });
    expect(alone.inputTokens).toBeGreaterThan(0);
    const parameters = asking('Hello!', { previousResponseId: id });
    const { inputTokens } = await client().countInputTokens({ parameters });
    expect(inputTokens).toBeGreaterThan(alone.inputTokens + 10);
  });

  test('a conversation: made, read, changed, and deleted', async () => {
    const rpc = client();
    const { conversation: begun } = await rpc.createConversation({
      metadata: { topic: 'a' },
      items: [says('zero')],
    });
    const id = begun?.id ?? '';
    expect(begun?.metadata).toEqual({ topic: 'a' });
    const { conversation: changed } = await rpc.updateConversation({ id, metadata: { topic: 'b' } });
    expect(changed?.metadata).toEqual({ topic: 'b' });
    expect(await rest(`/conversations/${id}`)).toEqual({
      id,
      object: 'conversation',
      created_at: begun?.createdAt,
      metadata: { topic: 'b' },
    });
    await rpc.deleteConversation({ id });
    expect(await failureOf(rpc.getConversation({ id }))).toMatchObject({
      code: 'NotFound',
      reason: 'NOT_FOUND',
    });
  });

  test('items of a conversation: added by clients and responses, listed, read, deleted', async () => {
    const rpc = client();
    const { conversation } = await rpc.createConversation({ items: [says('zero')] });
    const conversationId = conversation?.id ?? '';
    const added = await rpc.createConversationItems({ conversationId, items: [says('one'), says('two')] });
    expect(textOf(added.items)).toEqual(['one', 'two']);
    await made('three', { conversationId });
    const page = { limit: 3, ascending: true };
    const { items, hasMore } = await rpc.listConversationItems({ conversationId, page });
    expect([textOf(items), hasMore]).toEqual([['zero', 'one', 'two'], true]);
    const after = items.at(-1)?.id ?? '';
    const rest_ = await rpc.listConversationItems({ conversationId, page: { ...page, after } });
    expect([textOf(rest_.items), rest_.hasMore]).toEqual([['three', 'three'], false]);
    const itemId = items[1]?.id ?? '';
    const { item } = await rpc.getConversationItem({ conversationId, itemId });
    expect(item).toEqual(items[1]);
    expect(await rest(`/conversations/${conversationId}/items/${itemId}`)).toEqual(
      (JSON.parse(encodeItems([item as Item], true)) as Json[])[0],
    );
    const left = await rpc.deleteConversationItem({ conversationId, itemId });
    expect(left.conversation?.id).toBe(conversationId);
    expect(await failureOf(rpc.getConversationItem({ conversationId, itemId }))).toMatchObject({
      code: 'NotFound',
    });
    const all = await rpc.listConversationItems({ conversationId, page: { ascending: true } });
    expect(textOf(all.items)).toEqual(['zero', 'two', 'three', 'three']);
  });

  const input = [says('Hello!')];
  const params = (more: ParametersInit) => ({ parameters: asking('Hello!', more) });
  type Client = ReturnType<typeof client>;
  const wrong: [field: string, (rpc: Client) => Promise<unknown>][] = [
    ['parameters', (rpc) => rpc.createResponse({})],
    ['parameters.model', (rpc) => rpc.createResponse({ parameters: { input } })],
    [
      'parameters.input[0].kind',
      (rpc) => rpc.createResponse({ parameters: { model: 'fake/echo', input: [{}] } }),
    ],
    [
      'parameters.input[1].reference.id',
      (rpc) => rpc.createResponse(params({ input: [...input, { kind: { case: 'reference', value: {} } }] })),
    ],
    [
      'parameters.input[0].tool_call',
      (rpc) => rpc.createResponse(params({ input: [{ kind: { case: 'toolCall', value: {} } }] })),
    ],
    [
      'parameters.input[0].opaque.json',
      (rpc) =>
        rpc.createResponse(
          params({
            input: [
              { kind: { case: 'opaque', value: { dialect: 'openai.responses', type: 'x', json: '[' } } },
            ],
          }),
        ),
    ],
    [
      'parameters.conversation_id',
      (rpc) => rpc.createResponse(params({ previousResponseId: 'a', conversationId: 'b' })),
    ],
    ['parameters.prompt_json', (rpc) => rpc.createResponse(params({ promptJson: '7' }))],
    [
      'parameters.parameters.temperature',
      (rpc) => rpc.createResponse(params({ parameters: { temperature: 9 } })),
    ],
    [
      'parameters.parameters.top_logprobs',
      (rpc) => rpc.createResponse(params({ parameters: { topLogprobs: 3 } })),
    ],
    ['parameters.store', (rpc) => rpc.createResponse(params({ background: true, store: false }))],
    [
      'parameters.previous_response_id',
      (rpc) => rpc.createResponse(params({ previousResponseId: `resp_${'0'.repeat(32)}` })),
    ],
    ['parameters.model', (rpc) => eventsOf(rpc.streamResponse({ parameters: { input } }))],
    [
      'parameters.conversation_id',
      (rpc) => eventsOf(rpc.streamResponse(params({ conversationId: `conv_${'0'.repeat(32)}` }))),
    ],
    ['parameters.model', (rpc) => rpc.countInputTokens({ parameters: { input } })],
    ['id', (rpc) => rpc.getResponse({})],
    ['id', (rpc) => eventsOf(rpc.resumeResponse({}))],
    ['id', (rpc) => rpc.deleteResponse({})],
    ['id', (rpc) => rpc.cancelResponse({})],
    ['response_id', (rpc) => rpc.listInputItems({})],
    ['page.limit', (rpc) => rpc.listInputItems({ responseId: 'r', page: { limit: 101 } })],
    [
      'items[0]',
      (rpc) => rpc.createConversation({ items: [{ kind: { case: 'reference', value: { id: 'x' } } }] }),
    ],
    ['items', (rpc) => rpc.createConversationItems({ conversationId: 'c' })],
    [
      'metadata',
      (rpc) =>
        rpc.createConversation({
          metadata: Object.fromEntries(Array.from({ length: 17 }, (_, i) => [i, ''])),
        }),
    ],
    ['metadata["k"]', (rpc) => rpc.createConversation({ metadata: { k: 'x'.repeat(513) } })],
    [
      `metadata["${'k'.repeat(65)}"]`,
      (rpc) => rpc.updateConversation({ id: 'c', metadata: { ['k'.repeat(65)]: '' } }),
    ],
    ['conversation_id', (rpc) => rpc.listConversationItems({})],
    ['item_id', (rpc) => rpc.getConversationItem({ conversationId: 'c' })],
    ['item_id', (rpc) => rpc.deleteConversationItem({ conversationId: 'c' })],
    ['id', (rpc) => rpc.deleteConversation({})],
  ];
  test.each(wrong.map(([field, call], i) => [`${field} (${i})`, field, call] as const))(
    'an error names %s',
    async (_title, field, call) => {
      const { code, field: told } = await failureOf(call(client()));
      expect(told).toBe(field);
      // What does not exist is not found, wherever it is named.
      const names = /previous_response_id$|^parameters\.conversation_id$/.test(field);
      expect(names ? ['InvalidArgument', 'NotFound'] : ['InvalidArgument']).toContain(code);
    },
  );

  test('an unknown page start is told', async () => {
    const { id: responseId } = await made('x');
    expect(
      await failureOf(client().listInputItems({ responseId, page: { after: 'msg_none' } })),
    ).toMatchObject({
      code: 'InvalidArgument',
      field: 'page.after',
    });
  });

  test('errors say their reason and the request', async () => {
    expect(await failureOf(made('x', { model: 'fake/none' }))).toEqual({
      code: 'NotFound',
      reason: 'MODEL_NOT_FOUND',
      field: expect.stringMatching(/model$/),
      requestId: expect.stringMatching(/./),
    });
    expect(await failureOf(made('x', { model: 'fake/error?status=429' }))).toMatchObject({
      code: 'ResourceExhausted',
      reason: 'UPSTREAM_RATE_LIMITED',
    });
    const parameters = asking('x', { model: 'fake/error?status=503' });
    expect(await failureOf(eventsOf(client().streamResponse({ parameters })))).toMatchObject({
      code: 'Unavailable',
      reason: expect.stringMatching(/^UPSTREAM_/),
    });
  });

  test('a stream that breaks off ends as a failed response', async () => {
    const parameters = asking('one two three four', { model: 'fake/echo?cut_after=2' });
    const events = await eventsOf(client().streamResponse({ parameters }));
    checkEvents(jsonOf(events));
    const { status, error, errorMessage, id } = lastOf(events);
    expect(status).toBe(ResponseStatus.FAILED);
    expect([ErrorReason[error?.reason ?? 0], errorMessage]).toEqual([
      'UPSTREAM_INTERRUPTED',
      expect.stringMatching(/./),
    ]);
    const { response } = await client().getResponse({ id });
    expect(response).toEqual(lastOf(events));
  });

  describe('a deadline', () => {
    test.each(['fake/echo?first_ms=60000', 'fake/slow?words=10000&delay_ms=1000'])(
      'ends the work of %s, whole',
      async (name) => {
        const call = client().createResponse(
          { parameters: asking('x', { model: name }) },
          { timeoutMs: 200 },
        );
        expect(await failureOf(call)).toMatchObject({ code: 'DeadlineExceeded' });
      },
    );

    test('ends a stream before its first event', async () => {
      const parameters = asking('x', { model: 'fake/echo?first_ms=60000' });
      const call = eventsOf(client().streamResponse({ parameters }, { timeoutMs: 200 }));
      expect(await failureOf(call)).toMatchObject({ code: 'DeadlineExceeded' });
    });
  });

  describe('a client that leaves', () => {
    const slowly = asking('Hello!', { model: 'deepseek/m' });
    /** The next request that the model gets; it has to begin to answer. */
    const nextRequest = (answer: string) =>
      new Promise<{ gone: Promise<number> }>((resolve) => {
        model.script = [
          (request) => {
            if (answer !== '') request.socket.write(answer);
            resolve(request);
          },
        ];
      });

    test.each([
      ['before the answer, whole', false],
      ['before the first event', true],
    ])('%s stops the model', async (_when, stream) => {
      const asked = nextRequest(stream ? STREAM_HEAD : '');
      const leave = new AbortController();
      const call = stream
        ? eventsOf(client().streamResponse({ parameters: slowly }, { signal: leave.signal }))
        : client().createResponse({ parameters: slowly }, { signal: leave.signal });
      const failed = failureOf(call);
      const request = await asked;
      const left = performance.now();
      leave.abort();
      expect((await failed).code).toBe('Canceled');
      expect((await request.gone) - left).toBeLessThan(1_000);
    });

    test('in the middle stops the model, and the response is kept as cancelled', async () => {
      const asked = nextRequest(STREAM_HEAD + chunkOf({ role: 'assistant', content: 'Hel' }));
      const leave = new AbortController();
      let id = '';
      const read = async () => {
        for await (const { event } of client().streamResponse(
          { parameters: slowly },
          { signal: leave.signal },
        )) {
          if (event?.event.case === 'status') id = event.event.value.id;
          if (event?.event.case === 'delta') leave.abort();
        }
      };
      const failed = failureOf(read());
      const request = await asked;
      expect((await failed).code).toBe('Canceled');
      await request.gone;
      const events = await eventsOf(client().resumeResponse({ id }));
      checkEvents(jsonOf(events));
      expect(lastOf(events).status).toBe(ResponseStatus.CANCELLED);
      expect(textOf(lastOf(events).output)).toEqual(['Hel']);
    });

    test('in the middle does not stop one that is to be finished', async () => {
      const parameters = asking('one two three four five', {
        model: 'fake/echo?delay_ms=20',
        options: { finishWhenAbandoned: true },
      });
      const leave = new AbortController();
      let id = '';
      const read = async () => {
        for await (const { event } of client().streamResponse({ parameters }, { signal: leave.signal })) {
          if (event?.event.case === 'status') id = event.event.value.id;
          if (event?.event.case === 'delta') leave.abort();
        }
      };
      expect((await failureOf(read())).code).toBe('Canceled');
      const events = await eventsOf(client().resumeResponse({ id }));
      checkEvents(jsonOf(events));
      expect(textOf(lastOf(events).output)).toEqual(['one two three four five']);
    });
  });
});
