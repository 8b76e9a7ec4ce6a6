import { clone, create, type DescMessage } from '@bufbuild/protobuf';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  type CreateChatCompletionRequest,
  CreateChatCompletionRequestSchema,
  CreateChatCompletionResponseSchema,
} from '../../gen/llmgateway/v1/chat_service_pb.js';
import {
  type CreateEmbeddingsRequest,
  CreateEmbeddingsRequestSchema,
} from '../../gen/llmgateway/v1/embeddings_service_pb.js';
import { type Asked, chatKey, contractOf, embeddingsKey, placesText } from '../../src/cache/key.ts';
import { decodeChatRequest } from '../../src/codec/openai-chat/decode-request.ts';
import { decodeEmbeddingsRequest } from '../../src/codec/openai-embeddings/decode-request.ts';
import * as build from '../../src/model/build.ts';
import { anyMessage, changesOf } from './any-message.ts';

const asked: Asked = { tenant: 't', api: 'chat', places: 'p' };

/** What is not of the answer: how the gateway goes about the call. */
const immaterial = [
  'GatewayOptions.session_id',
  'GatewayOptions.force_refresh',
  'GatewayOptions.finish_when_abandoned',
  'GatewayOptions.no_store',
  'CreateEmbeddingsRequest.force_refresh',
  'CreateEmbeddingsRequest.no_store',
];

const chat = anyMessage(
  CreateChatCompletionRequestSchema,
  4,
) as unknown as fc.Arbitrary<CreateChatCompletionRequest>;
const vectors = anyMessage(
  CreateEmbeddingsRequestSchema,
  3,
) as unknown as fc.Arbitrary<CreateEmbeddingsRequest>;

describe('a key', () => {
  test('is the same for a copy', () => {
    fc.assert(
      fc.property(chat, (request) => {
        const copy = clone(CreateChatCompletionRequestSchema, request);
        expect(chatKey(asked, copy)).toBe(chatKey(asked, request));
        expect(chatKey(asked, request)).toMatch(/^[0-9a-f]{64}$/);
      }),
    );
  });

  test('is another one after a change of any field of a chat', () => {
    const seen = new Set<string>();
    fc.assert(
      fc.property(chat, fc.nat(), (request, pick) => {
        const key = chatKey(asked, request);
        const changed = clone(CreateChatCompletionRequestSchema, request);
        const changes = changesOf(CreateChatCompletionRequestSchema, changed as never);
        const { at, make } = changes[pick % changes.length]!;
        make();
        seen.add(at);
        if (immaterial.includes(at)) expect(chatKey(asked, changed), at).toBe(key);
        else expect(chatKey(asked, changed), at).not.toBe(key);
      }),
      { numRuns: 3_000 },
    );
    expect(seen.size).toBeGreaterThan(60);
  });

  test('is another one after a change of any field of a request for vectors', () => {
    fc.assert(
      fc.property(vectors, fc.nat(), (request, pick) => {
        const key = embeddingsKey(asked, request);
        const changed = clone(CreateEmbeddingsRequestSchema, request);
        const changes = changesOf(CreateEmbeddingsRequestSchema, changed as never);
        const { at, make } = changes[pick % changes.length]!;
        make();
        if (immaterial.includes(at)) expect(embeddingsKey(asked, changed), at).toBe(key);
        else expect(embeddingsKey(asked, changed), at).not.toBe(key);
      }),
      { numRuns: 500 },
    );
  });

  test('is another one for every tenant, API, and set of models that may answer', () => {
    const request = build.chatRequest('m', []);
    const keys = [
      asked,
      { ...asked, tenant: 'u' },
      { ...asked, tenant: '' },
      { ...asked, api: 'responses' },
      { ...asked, places: 'q' },
      { ...asked, tenant: 'tp', places: '' },
    ].map((one) => chatKey(one, request));
    expect(new Set(keys).size).toBe(keys.length);
  });

  test('tells vectors from chats', () => {
    const request = create(CreateEmbeddingsRequestSchema, { model: 'm' });
    expect(embeddingsKey(asked, request)).not.toBe(chatKey(asked, build.chatRequest('m', [])));
  });

  test('tells halves of characters apart, which UTF-8 does not', () => {
    const key = (text: string) =>
      chatKey(asked, build.chatRequest('m', [build.message(1, [build.textPart(text)])]));
    expect(new Set(['\ud800', '\ud801', '\ufffd'].map(key)).size).toBe(3);
  });

  test('does not hang on where one text ends and the next begins', () => {
    fc.assert(
      fc.property(
        fc.array(fc.string(), { minLength: 1 }),
        fc.array(fc.string(), { minLength: 1 }),
        (a, b) => {
          const key = (stop: string[]) =>
            chatKey(asked, build.chatRequest('m', [], { parameters: build.parameters({ stop }) }));
          expect(key(a) === key(b)).toBe(JSON.stringify(a) === JSON.stringify(b));
        },
      ),
    );
  });
});

/** The same value with the members of its objects in another order; schemas are left, since their order says something. */
function shuffled(value: unknown, order: number): unknown {
  if (Array.isArray(value)) return value.map((item) => shuffled(item, order));
  if (typeof value !== 'object' || value === null) return value;
  const entries = Object.entries(value).map(([key, item]) => [
    key,
    key === 'schema' ? item : shuffled(item, order),
  ]);
  const at = entries.length === 0 ? 0 : order % entries.length;
  return Object.fromEntries([...entries.slice(at), ...entries.slice(0, at)].reverse());
}

const body = {
  model: 'gpt-5-mini',
  messages: [
    { role: 'system', content: 'Be brief.', name: 'boss' },
    {
      role: 'user',
      content: [
        { type: 'text', text: 'What is this?' },
        { type: 'image_url', image_url: { url: 'data:image/png;base64,AA==', detail: 'low' } },
      ],
      some_vendor_key: { b: 1, a: [1, { d: 1, c: 2 }] },
    },
  ],
  temperature: 0.5,
  logit_bias: { 50256: -100, 11: 5 },
  metadata: { b: '1', a: '2' },
  response_format: {
    type: 'json_schema',
    json_schema: { name: 'x', schema: { type: 'object' }, strict: true },
  },
  stop: ['a', 'b'],
  min_p: 0.1,
  vendor: { z: null, y: { x: 1, w: 2 } },
};

describe('equal requests have equal keys', () => {
  test('whatever the order of members and the white space in their JSON', () => {
    const key = (json: unknown) => chatKey(asked, decodeChatRequest(json).request);
    const first = key(body);
    fc.assert(
      fc.property(fc.nat(20), fc.nat(4), (order, indent) => {
        expect(key(JSON.parse(JSON.stringify(shuffled(body, order), null, indent)))).toBe(first);
      }),
    );
    expect(key({ ...body, min_p: 0.2 })).not.toBe(first);
  });

  test('whether they are streamed or not', () => {
    const key = (json: unknown) => chatKey(asked, decodeChatRequest(json).request);
    expect(key({ ...body, stream: true, stream_options: { include_usage: true } })).toBe(key(body));
  });

  test('whether empty options and parameters are there or not', () => {
    const plain = build.chatRequest('m', []);
    const options = build.gatewayOptions({ forceRefresh: true });
    expect(chatKey(asked, { ...plain, options, parameters: build.parameters() })).toBe(chatKey(asked, plain));
  });

  test('whatever ids the gateway gave to their items', () => {
    const key = (itemId: string) => {
      const part = { ...build.textPart('Hi'), itemId };
      return chatKey(asked, build.chatRequest('m', [build.message(1, [part])]));
    };
    expect(key(`msg_${'0'.repeat(36)}`)).toBe(key(`msg_${'f'.repeat(36)}`));
    expect(key('msg_1')).not.toBe(key('msg_2'));
  });

  test('for vectors as well', () => {
    const key = (json: unknown) => embeddingsKey(asked, decodeEmbeddingsRequest(json).request);
    expect(key({ input: ['a', 'b'], model: 'm', encoding_format: 'base64' })).toBe(
      key({ model: 'm', input: ['a', 'b'] }),
    );
    expect(key({ input: ['ab'], model: 'm' })).not.toBe(key({ model: 'm', input: ['a', 'b'] }));
  });
});

test('the places of a call name every provider, model and stand-in', () => {
  const place = (name: string, upstreamModel: string) => ({ provider: { name }, upstreamModel });
  const plan = { model: 'm', deployments: [place('a', 'x')], fallbacks: [], contextFallbacks: [] };
  const texts = [
    plan,
    { ...plan, model: 'n' },
    { ...plan, deployments: [place('b', 'x')] },
    { ...plan, deployments: [place('a', 'y')] },
    { ...plan, deployments: [place('a', 'x'), place('b', 'x')] },
    { ...plan, fallbacks: [{ model: 'f', deployments: [place('b', 'x')] }] },
    { ...plan, contextFallbacks: [{ model: 'f', deployments: [place('b', 'x')] }] },
  ].map((one) => placesText(one));
  expect(new Set(texts).size).toBe(texts.length);
});

test('another contract of answers makes other keys: entries have only the fields that it had', () => {
  const own = contractOf(CreateChatCompletionResponseSchema);
  expect(contractOf(CreateChatCompletionResponseSchema)).toBe(own);
  /** With a field more in a message somewhere in it. */
  const grown = (desc: DescMessage, typeName: string, made = new Map<string, object>()): DescMessage => {
    const known = made.get(desc.typeName);
    if (known !== undefined) return known as DescMessage;
    const copy = { typeName: desc.typeName, fields: [] as object[] };
    made.set(desc.typeName, copy);
    for (const { name, number, fieldKind, message } of desc.fields) {
      const inner = message === undefined ? undefined : grown(message, typeName, made);
      copy.fields.push({ name, number, fieldKind, message: inner });
    }
    if (desc.typeName === typeName) copy.fields.push({ name: 'more', number: 99, fieldKind: 'scalar' });
    return copy as unknown as DescMessage;
  };
  expect(contractOf(grown(CreateChatCompletionResponseSchema, ''))).toBe(own);
  for (const name of ['CreateChatCompletionResponse', 'TextPart', 'Usage', 'Warning'])
    expect(contractOf(grown(CreateChatCompletionResponseSchema, `llmgateway.v1.${name}`))).not.toBe(own);
});
