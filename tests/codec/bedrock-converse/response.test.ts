import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { FinishReason } from '../../../gen/llmgateway/v1/completion_pb.js';
import { ErrorReason } from '../../../gen/llmgateway/v1/error_pb.js';
import { decodeConverseResponse } from '../../../src/codec/bedrock-converse/decode-response.ts';
import { encodeConverseRequest } from '../../../src/codec/bedrock-converse/encode-request.ts';
import { GatewayError } from '../../../src/errors/gateway-error.ts';
import * as build from '../../../src/model/build.ts';
import { recordedBedrock } from '../../support/bedrock-recordings.ts';

const claude = 'anthropic.claude-sonnet-4-5-20250929-v1:0';
const decode = (json: unknown, model = claude) =>
  decodeConverseResponse(json, { provider: 'bedrock', model });
const answer = (content: unknown[], more: object = {}) => ({
  output: { message: { role: 'assistant', content } },
  stopReason: 'end_turn',
  usage: { inputTokens: 1, outputTokens: 2, totalTokens: 3 },
  ...more,
});
const failureOf = (json: unknown): GatewayError => {
  try {
    decode(json);
  } catch (error) {
    if (error instanceof GatewayError) return error;
    throw error;
  }
  throw new Error('expected a failure');
};

const recorded = recordedBedrock().filter(
  ({ endpoint, stream, status }) => endpoint === 'converse' && !stream && status === 200,
);

describe.skipIf(recorded.length === 0)('recorded answers', () => {
  test.each(recorded.map((exchange) => [exchange.title, exchange] as const))(
    '%s',
    (_title, { body, model, derived }) => {
      const json = JSON.parse(body.toString('utf8'));
      const response = decode(json, model);
      const [choice] = response.choices;
      const parts = choice?.message?.parts ?? [];
      const text = parts.map(({ content }) => (content.case === 'text' ? content.value.text : '')).join('');
      const calls = parts.flatMap(({ content }) => (content.case === 'toolCall' ? [content.value] : []));
      expect(text).toBe(derived.text ?? '');
      expect(calls.map(({ id, name, arguments: args }) => ({ id, name, args: JSON.parse(args) }))).toEqual(
        derived.tool_calls ?? [],
      );
      expect(choice?.nativeFinishReason).toBe(derived.finish);
      expect(response.usage).toMatchObject({
        promptTokens: derived.usage?.inputTokens,
        completionTokens: derived.usage?.outputTokens,
        totalTokens: derived.usage?.totalTokens,
      });
      expect(response.model).toBe(model);
      expect(JSON.parse(response.extras?.json ?? '{}')).toEqual({ metrics: json.metrics });
    },
  );
});

test.each([
  ['end_turn', FinishReason.STOP, FinishReason.TOOL_CALLS],
  ['stop_sequence', FinishReason.STOP, FinishReason.TOOL_CALLS],
  ['tool_use', FinishReason.STOP, FinishReason.TOOL_CALLS],
  ['max_tokens', FinishReason.LENGTH, FinishReason.LENGTH],
  ['model_context_window_exceeded', FinishReason.LENGTH, FinishReason.LENGTH],
  ['guardrail_intervened', FinishReason.CONTENT_FILTER, FinishReason.CONTENT_FILTER],
  ['content_filtered', FinishReason.CONTENT_FILTER, FinishReason.CONTENT_FILTER],
  ['news', FinishReason.STOP, FinishReason.TOOL_CALLS],
])('%s is a finish reason, with its own word beside it', (stopReason, plain, called) => {
  const [without] = decode(answer([{ text: 'a' }], { stopReason })).choices;
  const call = { toolUse: { toolUseId: 't', name: 'f', input: {} } };
  const [with_] = decode(answer([call], { stopReason })).choices;
  expect([without?.finishReason, with_?.finishReason]).toEqual([plain, called]);
  expect(without?.nativeFinishReason).toBe(stopReason);
});

test.each(['malformed_model_output', 'malformed_tool_use'])(
  '%s is a failure of the provider',
  (stopReason) => {
    const error = failureOf(answer([{ text: 'a' }], { stopReason }));
    expect(error.reason).toBe(ErrorReason.UPSTREAM_FAILED);
    expect(error.message).toContain(stopReason);
  },
);

test('what was read from and written to the cache is part of the prompt', () => {
  const usage = {
    inputTokens: 4,
    outputTokens: 265,
    totalTokens: 1_769,
    cacheReadInputTokens: 1_000,
    cacheWriteInputTokens: 500,
    cacheDetails: [{ ttl: '1h', inputTokens: 500 }],
  };
  expect(decode(answer([], { usage })).usage).toEqual(
    build.usage(1_504, 265, {
      cachedTokens: 1_000,
      cacheWriteTokens: 500,
      extras: build.extras('aws.converse', '{"cacheDetails":[{"ttl":"1h","inputTokens":500}]}'),
    }),
  );
});

test.each([
  ['none', { usage: undefined }],
  ['null', { usage: null }],
  ['empty', { usage: {} }],
])('usage that is not reported is not invented: %s', (_what, more) => {
  expect(decode(answer([], more)).usage).toBeUndefined();
});

describe('reasoning', () => {
  const signed = { reasoningContent: { reasoningText: { text: 'Hm', signature: 'c2ln' } } };

  test("Claude's state is Claude's on every host", () => {
    const [first, second] = decode(answer([signed, { reasoningContent: { redactedContent: 'eA==' } }]))
      .choices[0]!.message!.parts;
    expect(first?.content.value).toEqual(
      build.reasoning('Hm', { signature: 'c2ln', format: 'anthropic-claude-v1' }),
    );
    expect(second?.content.value).toEqual(
      build.reasoning('', { encrypted: 'eA==', format: 'anthropic-claude-v1' }),
    );
  });

  test("other models' state is Bedrock's, and reasoning without state is nobody's", () => {
    const parts = decode(
      answer([signed, { reasoningContent: { reasoningText: { text: 'x' } } }]),
      'amazon.nova-2-lite-v1:0',
    ).choices[0]!.message!.parts;
    expect(parts.map(({ content }) => (content.case === 'reasoning' ? content.value.format : ''))).toEqual([
      'aws-converse-v1',
      '',
    ]);
  });
});

describe('blocks', () => {
  const partOf = (block: unknown) => decode(answer([block])).choices[0]!.message!.parts[0]!;

  test('sources cited keep everything that is said of them', () => {
    const web = {
      title: 'Page',
      source: 's',
      location: { web: { url: 'https://a.example', domain: 'a.example' } },
    };
    const page = { title: 'Doc', location: { documentPage: { documentIndex: 0, start: 1, end: 2 } } };
    const part = partOf({
      citationsContent: { content: [{ text: 'one ' }, { text: 'two' }], citations: [web, page] },
    });
    expect(part).toEqual(
      build.textPart('one two', {
        annotations: [
          {
            ...build.annotation({
              case: 'urlCitation',
              value: build.urlCitation({ url: 'https://a.example', title: 'Page', endIndex: 7 }),
            }),
            extras: build.extras('aws.converse', '{"source":"s","location":{"web":{"domain":"a.example"}}}'),
          },
          build.annotation({
            case: 'opaque',
            value: build.opaque('aws.converse', 'documentPage', JSON.stringify(page)),
          }),
        ],
      }),
    );
  });

  test('what the provider did by itself is no call for the client', () => {
    const use = { toolUse: { toolUseId: 's', name: 'nova_grounding', input: {}, type: 'server_tool_use' } };
    const { choices } = decode(answer([use, { text: 'found' }], { stopReason: 'tool_use' }));
    expect(choices[0]?.finishReason).toBe(FinishReason.STOP);
    expect(choices[0]?.message?.parts[0]?.content).toEqual({
      case: 'opaque',
      value: build.opaque('aws.converse', 'toolUse', JSON.stringify(use)),
    });
  });

  test('unknown kinds are kept whole, unknown members beside known ones', () => {
    const odd = { hologram: { depth: 3 } };
    expect(partOf(odd).content.value).toEqual(build.opaque('aws.converse', 'hologram', JSON.stringify(odd)));
    const call = partOf({ toolUse: { toolUseId: 't', name: 'f', input: {}, mood: 'calm' } });
    expect(call.extras).toEqual(build.extras('aws.converse', '{"toolUse":{"mood":"calm"}}'));
  });

  test('a picture is one', () => {
    expect(partOf({ image: { format: 'png', source: { bytes: 'AQID' } } }).content.value).toEqual(
      build.image({ case: 'data', value: new Uint8Array([1, 2, 3]) }, { mediaType: 'image/png' }),
    );
  });

  test('a call without id or input gets both, the same each time for the same answer', () => {
    const { parts } = decode(answer([{ toolUse: { name: 'f' } }, { toolUse: { name: 'g', input: null } }]))
      .choices[0]!.message!;
    const calls = parts.map(({ content }) => (content.case === 'toolCall' ? content.value : null));
    expect(calls.map((call) => call?.arguments)).toEqual(['{}', '{}']);
    expect(calls[0]?.id).toMatch(/^call_\w{24}$/);
    expect(calls[0]?.id).not.toBe(calls[1]?.id);
  });
});

describe('an error inside a good reply is found', () => {
  test.each([
    [
      { message: 'Too many requests', __type: 'com.amazon.coral.availability#ThrottlingException' },
      ErrorReason.UPSTREAM_RATE_LIMITED,
    ],
    [{ Message: 'No' }, ErrorReason.UPSTREAM_FAILED],
    [{ output: null, message: 'No' }, ErrorReason.UPSTREAM_FAILED],
    [{}, ErrorReason.UPSTREAM_INVALID],
    [[], ErrorReason.UPSTREAM_INVALID],
    [{ output: { message: {} } }, ErrorReason.UPSTREAM_INVALID],
  ])('%j', (json, reason) => {
    expect(failureOf(json).reason).toBe(reason);
  });
});

test('any JSON is understood or refused', () => {
  const json = fc.oneof(
    fc.jsonValue(),
    fc.array(fc.jsonValue()).map((content) => answer(content)),
    fc
      .array(
        fc
          .tuple(
            fc.constantFrom(
              'text',
              'toolUse',
              'reasoningContent',
              'citationsContent',
              'image',
              'audio',
              '__proto__',
              'constructor',
            ),
            fc.jsonValue(),
          )
          .map(([kind, value]) => JSON.parse(`{${JSON.stringify(kind)}:${JSON.stringify(value)}}`)),
      )
      .map((content) => answer(content)),
  );
  fc.assert(
    fc.property(json, (value) => {
      try {
        const { choices } = decode(value);
        // What was understood can be said again.
        const history = [
          build.message(1, [build.textPart('x')]),
          choices[0]!.message!,
          build.message(3, [build.textPart('y')]),
        ];
        JSON.parse(encodeConverseRequest(build.chatRequest('m', history), claude).body);
      } catch (error) {
        expect(error).toBeInstanceOf(GatewayError);
      }
    }),
    { numRuns: 2_000 },
  );
});
