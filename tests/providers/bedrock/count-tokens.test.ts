import { Buffer } from 'node:buffer';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { CreateChatCompletionRequest } from '../../../gen/llmgateway/v1/chat_service_pb.js';
import { ErrorReason } from '../../../gen/llmgateway/v1/error_pb.js';
import { Role } from '../../../gen/llmgateway/v1/message_pb.js';
import { countedModel } from '../../../src/codec/bedrock-converse/count-tokens.ts';
import type { ProviderConfig } from '../../../src/config/providers.ts';
import * as build from '../../../src/model/build.ts';
import { bedrockProvider } from '../../../src/providers/bedrock/provider.ts';
import { load } from '../../config/support/load.ts';
import { NO_TIMEOUTS, type ReceivedRequest, startPair } from '../../http/support/upstream.ts';

let pair: Awaited<ReturnType<typeof startPair>>;
beforeAll(async () => {
  pair = await startPair();
});
afterAll(() => pair.stop());

const configOf = (settings: string): ProviderConfig => {
  const yaml = `providers:\n  b: { form: bedrock, base_url: "${pair.upstream.origin}", api_key: k, region: eu-west-1${settings} }\n`;
  const config = load(yaml).providers.find(({ name }) => name === 'b');
  if (config === undefined) throw new Error('no such provider');
  return config;
};

const claude = 'us.anthropic.claude-sonnet-4-5-20250929-v1:0';
const request = build.chatRequest('m', [
  build.message(Role.SYSTEM, [build.textPart('Be brief.')]),
  build.message(Role.USER, [build.textPart('Grüße')]),
]);
const tool = build.tool({ case: 'function', value: build.functionTool('f') });

/** What is sent, and what is made of the answer. */
async function count(
  answer: { readonly status?: string; readonly body: unknown },
  asked: Partial<CreateChatCompletionRequest> = {},
  { model = claude, settings = '' } = {},
): Promise<{ sent: ReceivedRequest; counted: unknown }> {
  const provider = bedrockProvider(configOf(settings), pair.client);
  const pending = provider
    .countTokens?.({
      request: { ...request, ...asked },
      upstreamModel: model,
      requestId: 'r',
      signal: new AbortController().signal,
      timeouts: NO_TIMEOUTS,
      warn: () => {},
    })
    .catch((error: unknown) => error);
  const sent = await pair.upstream.request();
  const text = JSON.stringify(answer.body);
  sent.socket.write(
    `HTTP/1.1 ${answer.status ?? '200 OK'}\r\ncontent-type: application/json\r\ncontent-length: ${Buffer.byteLength(text)}\r\n\r\n${text}`,
  );
  return { sent, counted: await pending };
}

describe('a count', () => {
  test('is of what the model reads of a Converse request', async () => {
    const parameters = build.parameters({ maxOutputTokens: 5_000, temperature: 1, reasoningEffort: 'low' });
    const { sent, counted } = await count({ body: { inputTokens: 12 } }, { parameters, tools: [tool] });
    expect(counted).toBe(12);
    expect(sent.head).toMatch(
      /^POST \/model\/anthropic\.claude-sonnet-4-5-20250929-v1%3A0\/count-tokens HTTP/,
    );
    expect(JSON.parse(sent.body)).toEqual({
      input: {
        converse: {
          messages: [{ role: 'user', content: [{ text: 'Grüße' }] }],
          system: [{ text: 'Be brief.' }],
          toolConfig: {
            tools: [{ toolSpec: { name: 'f', inputSchema: { json: { type: 'object', properties: {} } } } }],
          },
          additionalModelRequestFields: { thinking: { type: 'enabled', budget_tokens: 2_048 } },
        },
      },
    });
  });

  test('is of an InvokeModel request, where Claude is asked by that', async () => {
    const settings = ', claude_api: invoke';
    const { sent, counted } = await count({ body: { inputTokens: 12 } }, {}, { settings });
    expect(counted).toBe(12);
    const { input } = JSON.parse(sent.body) as { input: { invokeModel: { body: string } } };
    expect(JSON.parse(Buffer.from(input.invokeModel.body, 'base64').toString())).toEqual({
      anthropic_version: 'bedrock-2023-05-31',
      max_tokens: 64_000,
      system: 'Be brief.',
      messages: [{ role: 'user', content: 'Grüße' }],
    });
    const other = await count({ body: { inputTokens: 1 } }, {}, { settings, model: 'amazon.nova-pro-v1:0' });
    expect(JSON.parse(other.sent.body)).toHaveProperty('input.converse');
  });

  test.each([
    "The provided model doesn't support counting tokens.",
    'The provided model identifier is invalid.',
    'Invocation of model ID anthropic.claude-x with on-demand throughput isn’t supported.',
  ])('is none when the provider says "%s"', async (message) => {
    expect((await count({ status: '400 Bad Request', body: { message } })).counted).toBeNull();
  });

  test.each([
    [
      'a fault of the request',
      { message: 'messages.0: too odd' },
      '400 Bad Request',
      ErrorReason.UPSTREAM_REJECTED,
    ],
    [
      'a refused key',
      { message: 'counting tokens is not for you' },
      '403 Forbidden',
      ErrorReason.UPSTREAM_AUTH,
    ],
    ['no number', { inputTokens: '12' }, '200 OK', ErrorReason.UPSTREAM_INVALID],
    ['less than nothing', { inputTokens: -1 }, '200 OK', ErrorReason.UPSTREAM_INVALID],
  ])('fails for %s', async (_what, body, status, reason) => {
    expect((await count({ status, body })).counted).toMatchObject({ reason });
  });

  test('cannot be had of the proxy', () => {
    expect(
      bedrockProvider(configOf(', endpoint: "http://127.0.0.1:9"'), pair.client).countTokens,
    ).toBeUndefined();
  });
});

test.each([
  ['anthropic.claude-opus-4-6-v1', 'anthropic.claude-opus-4-6-v1'],
  ['global.anthropic.claude-opus-4-6-v1', 'anthropic.claude-opus-4-6-v1'],
  ['us-gov.anthropic.claude-3-haiku-20240307-v1:0', 'anthropic.claude-3-haiku-20240307-v1:0'],
  [
    'arn:aws:bedrock:eu-west-1:123456789012:inference-profile/eu.anthropic.claude-opus-4-6-v1',
    'anthropic.claude-opus-4-6-v1',
  ],
  [
    'arn:aws:bedrock:eu-west-1:123456789012:application-inference-profile/abc',
    'arn:aws:bedrock:eu-west-1:123456789012:application-inference-profile/abc',
  ],
  ['zai.glm-4.7', 'zai.glm-4.7'],
])('%s is counted as %s', (model, counted) => {
  expect(countedModel(model)).toBe(counted);
});

test.each([
  ['bedrock-runtime.eusc-de-east-1.amazonaws.eu', 'eusc-de-east-1'],
  ['bedrock-runtime-fips.us-gov-west-1.amazonaws.com', 'us-gov-west-1'],
  ['elsewhere', 'us-east-1'],
])('a request to %s is signed for %s', async (host, region) => {
  const base = `${pair.upstream.origin}/${host}`;
  const yaml = `providers:\n  b: { form: bedrock, base_url: "${base}", access_key_id: AKIDEXAMPLE, secret_access_key: s }\n`;
  const config = load(yaml).providers.find(({ name }) => name === 'b') as ProviderConfig;
  const pending = bedrockProvider(config, pair.client)
    .countTokens?.({
      request,
      upstreamModel: claude,
      requestId: 'r',
      signal: new AbortController().signal,
      timeouts: NO_TIMEOUTS,
      warn: () => {},
    })
    .catch(() => null);
  const sent = await pair.upstream.request();
  sent.socket.write(
    'HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 17\r\n\r\n{"inputTokens":1}',
  );
  expect(await pending).toBe(1);
  expect(sent.head).toContain(`/${region}/bedrock/aws4_request`);
});
