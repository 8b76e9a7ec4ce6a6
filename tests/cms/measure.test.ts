import { describe, expect, test } from 'vitest';
import { Role } from '../../gen/llmgateway/v1/message_pb.js';
import { contentCharacters } from '../../src/cms/measure.ts';
import { splitPrompt } from '../../src/cms/prompt.ts';
import * as build from '../../src/model/build.ts';
import { estimateTokens } from '../../src/tokens/estimate.ts';

const user = (...parts: Parameters<typeof build.message>[1]) => build.message(Role.USER, parts);
const file = (source: Parameters<typeof build.file>[0]) =>
  build.part({ case: 'file', value: build.file(source) });
const picture = build.part({
  case: 'image',
  value: build.image({ case: 'data', value: new Uint8Array(1_000) }),
});
const call = build.part({ case: 'toolCall', value: build.toolCall('c', 'f', '{"a":1}') });
const result = build.part({
  case: 'toolResult',
  value: build.toolResult('c', [build.textPart('123'), picture]),
});
const thought = build.part({ case: 'reasoning', value: build.reasoning('long thoughts') });

describe('the content of messages', () => {
  test('is their texts, results of tools and plain documents, and nothing else', () => {
    const messages = [
      build.message(Role.SYSTEM, [build.textPart('12345')], { name: 'boss' }),
      user(build.textPart('1'), build.textPart('22'), picture, file({ case: 'text', value: '7654321' })),
      user(file({ case: 'data', value: new Uint8Array(4) })),
      build.message(Role.ASSISTANT, [
        thought,
        build.part({ case: 'refusal', value: build.refusal('no') }),
        call,
      ]),
      build.message(Role.TOOL, [result]),
      user(),
    ];
    expect(contentCharacters(messages)).toBe(5 + 3 + 7 + 2 + 3);
    expect(contentCharacters([])).toBe(0);
  });

  test('costs no more to measure when it is long', () => {
    const time = (length: number): number => {
      const messages = Array.from({ length: 20 }, () => user(build.textPart('x'.repeat(length))));
      let best = Number.POSITIVE_INFINITY;
      for (let round = 0; round < 20; round++) {
        const began = performance.now();
        for (let i = 0; i < 500; i++) contentCharacters(messages);
        best = Math.min(best, performance.now() - began);
      }
      return best;
    };
    time(10);
    expect(time(1_000_000)).toBeLessThan(10 * time(10) + 1);
  });

  // 26,600 is a multiple of no ratio but 3.5 and 3.8.
  test.each([
    ['qwen3-8b', 7_600],
    ['CodeLlama-7b', 7_000],
    ['deepseek-chat', 8_312],
    ['meta-llama/Llama-3.1-70B', 7_600],
    ['gpt-4o', 6_650],
    ['claude-3-opus', 7_000],
    ['gemini-2.5-pro', 6_650],
    // The first family in the table counts, not the first in the name.
    ['deepseek-r1-distill-qwen-7b', 7_600],
    ['deepseek-r1-distill-llama-8b', 8_312],
  ])('is estimated by the family of %s', (model, tokens) => {
    expect(estimateTokens(26_600, 0, model)).toBe(tokens);
    expect(estimateTokens(26_600, 3, model)).toBe(tokens + 12);
  });
});

describe('a prompt', () => {
  test('is split into system messages and the text of all others', () => {
    const system = build.message(Role.SYSTEM, [build.textPart('Be brief.')]);
    const developer = build.message(Role.DEVELOPER, [build.textPart('Be kind.')]);
    const messages = [
      system,
      user(build.textPart('one'), build.textPart('two')),
      build.message(Role.ASSISTANT, [thought, build.textPart('three')]),
      developer,
      build.message(Role.ASSISTANT, [thought]),
      user(build.textPart('four')),
    ];
    expect(splitPrompt(messages)).toEqual({ system: [system, developer], text: 'one\ntwo\n\nthree\n\nfour' });
  });

  test.each([
    ['picture', picture],
    ['call', call],
    ['result', result],
    ['document', file({ case: 'text', value: 'x' })],
  ])('with a %s has no text that could stand for it', (_name, part) => {
    expect(splitPrompt([user(build.textPart('x')), build.message(Role.USER, [part])])).toBe(null);
  });
});
