import { describe, expect, test } from 'vitest';
import { ErrorReason } from '../../../gen/llmgateway/v1/error_pb.js';
import {
  type GenerationParameters,
  type Tool,
  type ToolChoice,
  ToolChoice_Mode,
} from '../../../gen/llmgateway/v1/generation_pb.js';
import { Role } from '../../../gen/llmgateway/v1/message_pb.js';
import { decodeCompacted } from '../../../src/codec/openai-responses/decode-compacted.ts';
import { encodeResponseRequest } from '../../../src/codec/openai-responses/encode-request.ts';
import * as build from '../../../src/model/build.ts';
import { messagesOf } from '../../../src/model/items.ts';

interface Asked {
  readonly parameters?: Partial<GenerationParameters>;
  readonly tools?: Tool[];
  readonly toolChoice?: ToolChoice;
}

function encoded({ parameters = {}, ...rest }: Asked, dropParams?: boolean) {
  const request = build.chatRequest('m', [build.message(Role.USER, [build.textPart('hi')])], {
    ...rest,
    parameters: build.parameters(parameters),
    options: build.gatewayOptions(dropParams === undefined ? {} : { dropParams }),
  });
  const { body, warnings } = encodeResponseRequest(request, { model: 'm', stream: false });
  return { body: JSON.parse(body) as object, codes: warnings.map(({ code }) => code) };
}

const named = build.tool({ case: 'function', value: build.functionTool('f') });
const foreign = build.tool({
  case: 'hosted',
  value: build.opaque('anthropic.messages', 'web_search_20250305', '{"name":"web_search"}'),
});
const grammar = build.responseFormat({
  case: 'opaque',
  value: build.opaque('google.gemini', 'text/x.enum', '{}'),
});
const choice = build.toolChoice(ToolChoice_Mode.NAMED, { name: 'web_search' });

describe("what this API has no place for, of another provider's", () => {
  test.each<[string, Asked, string, string, readonly string[]]>([
    ['tool alone', { tools: [foreign] }, 'tools[0]', 'tools', ['dropped_tool']],
    [
      'tool that has to be called',
      { tools: [named, foreign], toolChoice: choice },
      'tools[1]',
      'tool_choice',
      ['dropped_tool', 'dropped_tool_choice'],
    ],
    [
      'form of answers',
      { parameters: { responseFormat: grammar } },
      'response_format',
      'text',
      ['dropped_response_format'],
    ],
  ])('%s is refused, or left out where the client wants that', (_, asked, field, key, codes) => {
    for (const dropParams of [undefined, false]) {
      expect(() => encoded(asked, dropParams)).toThrow(
        expect.objectContaining({
          reason: ErrorReason.UNSUPPORTED_PARAMETER,
          facts: expect.objectContaining({ field }),
        }),
      );
    }
    const { body, codes: told } = encoded(asked, true);
    expect(told).toEqual(codes);
    expect(body).not.toHaveProperty(key);
  });

  test.each<[string, Asked, string, string]>([
    ['tool beside others', { tools: [named, foreign] }, 'tools[1]', 'dropped_tool'],
    [
      'budget for thinking',
      { parameters: { reasoningBudgetTokens: 2_000 } },
      'reasoning_budget_tokens',
      'dropped_reasoning_budget',
    ],
  ])('%s is left out, or refused where the client wants that', (_, asked, field, code) => {
    for (const dropParams of [undefined, true]) expect(encoded(asked, dropParams).codes).toEqual([code]);
    expect(() => encoded(asked, false)).toThrow(
      expect.objectContaining({ facts: expect.objectContaining({ field }) }),
    );
  });
});

test('reasoning in a compacted conversation says whose it is, as that of an answer does', () => {
  const output = [
    {
      id: 'rs_1',
      type: 'reasoning',
      summary: [{ type: 'summary_text', text: 'Hm.' }],
      encrypted_content: 'SEALED',
    },
    { id: 'cmp_1', type: 'compaction', encrypted_content: 'SHORT' },
  ];
  const statesOf = (provider: string) => {
    const items = decodeCompacted({ id: 'c', output }, { provider }).output;
    expect(items.map(({ id }) => id)).toEqual(['rs_1', 'cmp_1']);
    return messagesOf(items)
      .flatMap(({ parts }) => parts)
      .flatMap(({ content }) => (content.case === 'reasoning' ? [content.value] : []));
  };
  expect(statesOf('xai')).toMatchObject([{ format: 'xai-responses-v1', encrypted: 'SEALED', text: 'Hm.' }]);
  expect(statesOf('openai')).toMatchObject([{ format: 'openai-responses-v1', encrypted: 'SEALED' }]);
});
