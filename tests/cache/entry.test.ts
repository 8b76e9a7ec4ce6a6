import { equals } from '@bufbuild/protobuf';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  type CreateChatCompletionResponse,
  CreateChatCompletionResponseSchema,
} from '../../gen/llmgateway/v1/chat_service_pb.js';
import { FinishReason } from '../../gen/llmgateway/v1/completion_pb.js';
import { CreateEmbeddingsResponseSchema } from '../../gen/llmgateway/v1/embeddings_service_pb.js';
import { Role } from '../../gen/llmgateway/v1/message_pb.js';
import { decodeEntry, encodeEntry, type KeptAnswers, madeAt } from '../../src/cache/entry.ts';
import * as build from '../../src/model/build.ts';
import { anyMessage } from './any-message.ts';

const madeMs = 1_767_225_600_123;
const report = build.callReport('openai', 'gpt-4o');
report.droppedParams = ['seed'];

const schemas = { chat: CreateChatCompletionResponseSchema, embeddings: CreateEmbeddingsResponseSchema };

describe.each(['chat', 'embeddings'] as const)('any answer of kind %s', (kind) => {
  const other = kind === 'chat' ? 'embeddings' : 'chat';
  test('is read as it was kept', () => {
    fc.assert(
      fc.property(anyMessage(schemas[kind], 5), (any) => {
        const answer = any as unknown as KeptAnswers[typeof kind];
        const entry = encodeEntry(kind, answer as never, report, madeMs);
        expect(madeAt(kind, entry)).toBe(madeMs);
        expect(madeAt(other, entry)).toBeNull();
        const read = decodeEntry(kind, entry);
        expect(equals(schemas[kind], read as never, { ...answer, callReport: report } as never)).toBe(true);
      }),
      { numRuns: 300 },
    );
  });
});

const answerOf = (...parts: Parameters<typeof build.message>[1]): CreateChatCompletionResponse =>
  build.chatResponse('chatcmpl-1', 'gpt-4o', 1_767_225_600, [
    build.choice(0, build.message(Role.ASSISTANT, parts), FinishReason.STOP),
  ]);

test('words in any script, thoughts and refusals are kept whole', () => {
  const words = ['', 'plain', 'Größe', '東京 🗼', 'a "b" \\ \n\u2028', '\u0000'];
  for (const text of words.flatMap((word) => [word, word.repeat(600)])) {
    const answer = answerOf(
      build.part({ case: 'reasoning', value: build.reasoning(text, { signature: text }) }),
      build.part({ case: 'text', value: build.text(text) }),
      build.part({ case: 'refusal', value: { $typeName: 'llmgateway.v1.RefusalPart', text } }),
    );
    const read = decodeEntry('chat', encodeEntry('chat', answer, report, madeMs));
    expect(read).toEqual({ ...answer, callReport: report });
  }
});

test('takes little more room than its words', () => {
  for (const length of [0, 20, 600, 5_000]) {
    const answer = answerOf(build.part({ case: 'text', value: build.text('w'.repeat(length)) }));
    expect(encodeEntry('chat', answer, report, madeMs).length).toBeLessThan(300 + 2 * length);
  }
});

test('what is cut off or changed is no answer', () => {
  const entry = encodeEntry(
    'chat',
    answerOf(build.part({ case: 'text', value: build.text('Größe'.repeat(600)) })),
    report,
    1,
  );
  expect(() => decodeEntry('chat', entry.subarray(0, -1))).toThrow();
  entry[Buffer.from(entry).indexOf('ö')] = 0xff;
  expect(() => decodeEntry('chat', entry)).toThrow();
  expect(madeAt('chat', entry.subarray(0, 8))).toBeNull();
  expect(madeAt('chat', new Uint8Array())).toBeNull();
});
