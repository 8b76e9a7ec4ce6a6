import { create } from '@bufbuild/protobuf';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { CreateChatCompletionRequestSchema } from '../../gen/llmgateway/v1/chat_service_pb.js';
import * as build from '../../src/model/build.ts';
import { isPlainlyValid } from '../../src/rpc/plainly-valid.ts';
import { validateMessage } from '../../src/rpc/validate.ts';

const short = fc.string({ maxLength: 600, unit: 'binary' });
const text = fc.oneof(
  { weight: 12, arbitrary: fc.string({ minLength: 1, maxLength: 5 }) },
  { weight: 1, arbitrary: fc.constant('') },
  { weight: 1, arbitrary: short },
);
const optional = <T>(value: fc.Arbitrary<T>) => fc.option(value, { nil: undefined, freq: 3 });
const number = fc.oneof(
  fc.double({ min: -3, max: 3 }),
  fc.constantFrom(Number.NaN, Number.POSITIVE_INFINITY),
);
const count = fc.oneof(fc.integer({ min: 0, max: 200 }), fc.constantFrom(0, 1, 0xffff_ffff));

const part = fc.oneof(
  { weight: 8, arbitrary: text.map((value) => build.textPart(value)) },
  text.map((value) => build.part({ case: 'reasoning', value: build.reasoning(value) })),
  text.map((value) => build.part({ case: 'refusal', value: build.refusal(value) })),
  fc
    .tuple(text, text)
    .map(([id, name]) => build.part({ case: 'toolCall', value: build.toolCall(id, name, '') })),
  text.map((id) => build.part({ case: 'toolResult', value: build.toolResult(id, []) })),
  text.map((url) => build.part({ case: 'image', value: build.image({ case: 'url', value: url }) })),
  fc.constant(build.part({ case: undefined })),
  text.map((type) => build.part({ case: 'opaque', value: build.opaque(type, '', type) })),
);
const message = fc
  .record({
    role: fc.oneof(
      { weight: 8, arbitrary: fc.integer({ min: 1, max: 6 }) },
      { weight: 1, arbitrary: fc.integer({ min: -1, max: 8 }) },
    ),
    parts: fc.array(part, { maxLength: 3 }),
    name: text,
  })
  .map(({ role, parts, name }) => build.message(role, parts, { name }));
const tool = fc.oneof(
  text.map((name) => build.tool({ case: 'function', value: build.functionTool(name) })),
  text.map((name) => build.tool({ case: 'custom', value: build.customTool(name) })),
);
const parameters = fc
  .record({
    temperature: optional(number),
    topP: optional(number),
    presencePenalty: optional(number),
    frequencyPenalty: optional(number),
    maxOutputTokens: optional(count),
    n: optional(count),
    topLogprobs: optional(count),
    reasoningEffort: text,
    verbosity: text,
    serviceTier: text,
    stop: fc.array(text, { maxLength: 70 }),
    modalities: fc.array(text, { maxLength: 10 }),
    logitBias: fc.dictionary(text, number, { maxKeys: 2 }),
    metadata: fc.dictionary(text, text, { maxKeys: 2 }),
  })
  .map((given) =>
    build.parameters(Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined))),
  );
const request = fc
  .record({
    model: text,
    messages: fc.array(message, { minLength: 1, maxLength: 2 }),
    tools: fc.array(tool, { maxLength: 2 }),
    parameters: optional(parameters),
  })
  .map(({ model, messages, tools, parameters: p }) =>
    build.chatRequest(model, messages, { tools, ...(p === undefined ? {} : { parameters: p }) }),
  );

test('what is plainly valid keeps the rules of the proto files', () => {
  let plain = 0;
  fc.assert(
    fc.property(request, (given) => {
      if (!isPlainlyValid(given)) return;
      plain++;
      validateMessage(CreateChatCompletionRequestSchema, create(CreateChatCompletionRequestSchema, given));
    }),
    { numRuns: 3_000 },
  );
  expect(plain).toBeGreaterThan(100);
});

test('usual requests are plainly valid', () => {
  const conversation = [1, 2, 3].map((role) => build.message(role, [build.textPart('Hello')]));
  const more = { parameters: build.parameters({ temperature: 0.7, maxOutputTokens: 100, stop: ['x'] }) };
  expect(isPlainlyValid(build.chatRequest('m', conversation, more))).toBe(true);
});
