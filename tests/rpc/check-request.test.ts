import { describe, expect, test } from 'vitest';
import { ToolChoice_Mode } from '../../gen/llmgateway/v1/generation_pb.js';
import { Role } from '../../gen/llmgateway/v1/message_pb.js';
import type { GatewayError } from '../../src/errors/gateway-error.ts';
import * as build from '../../src/model/build.ts';
import { checkChatRequest } from '../../src/rpc/check-request.ts';

const user = build.message(Role.USER, [build.textPart('Hello')]);
const tool = (name: string) => build.tool({ case: 'function', value: build.functionTool(name) });
const call = (id: string, name: string) =>
  build.part({ case: 'toolCall', value: build.toolCall(id, name, '{}') });
const result = (id: string) => build.part({ case: 'toolResult', value: build.toolResult(id, []) });
const choice = (mode: ToolChoice_Mode, name = '') => ({ toolChoice: build.toolChoice(mode, { name }) });
const marked = () =>
  build.part({ case: 'text', value: build.text('x') }, { cacheBreakpoint: build.cacheBreakpoint() });

describe('a request that does not fit together is refused by the name of the field', () => {
  test.each([
    ['parameters.seed', build.chatRequest('m', [user], { parameters: build.parameters({ seed: 1.5 }) })],
    [
      'parameters.seed',
      build.chatRequest('m', [user], { parameters: build.parameters({ seed: Number.NaN }) }),
    ],
    [
      'parameters.top_logprobs',
      build.chatRequest('m', [user], { parameters: build.parameters({ topLogprobs: 2 }) }),
    ],
    ['messages[0].parts', build.chatRequest('m', [build.message(Role.TOOL, [])])],
    ['messages[0].parts[0]', build.chatRequest('m', [build.message(Role.TOOL, [build.textPart('x')])])],
    ['messages[0].parts[0]', build.chatRequest('m', [build.message(Role.USER, [call('c', 'f')])])],
    ['messages[0].parts[0]', build.chatRequest('m', [build.message(Role.ASSISTANT, [result('c')])])],
    [
      'messages[0].parts[0].tool_call.id',
      build.chatRequest('m', [build.message(Role.ASSISTANT, [call('', 'f')])]),
    ],
    [
      'messages[0].parts[0].tool_call.name',
      build.chatRequest('m', [build.message(Role.ASSISTANT, [call('c', '')])]),
    ],
    [
      'messages[0].parts[0].tool_result.tool_call_id',
      build.chatRequest('m', [build.message(Role.TOOL, [result('')])]),
    ],
    [
      'messages[0].parts[4].cache_breakpoint',
      build.chatRequest('m', [build.message(Role.USER, [marked(), marked(), marked(), marked(), marked()])]),
    ],
    ['tools[1].function.name', build.chatRequest('m', [user], { tools: [tool('f'), tool('f')] })],
    ['tool_choice', build.chatRequest('m', [user], choice(ToolChoice_Mode.REQUIRED))],
    [
      'tool_choice.name',
      build.chatRequest('m', [user], { tools: [tool('f')], ...choice(ToolChoice_Mode.NAMED) }),
    ],
    [
      'tool_choice.name',
      build.chatRequest('m', [user], { tools: [tool('f')], ...choice(ToolChoice_Mode.NAMED, 'g') }),
    ],
  ])('%s', (field, request) => {
    let error: unknown;
    try {
      checkChatRequest(request);
    } catch (cause) {
      error = cause;
    }
    expect((error as GatewayError | undefined)?.facts.field).toBe(field);
  });
});

test('a request that fits together passes', () => {
  const messages = [
    user,
    build.message(Role.ASSISTANT, [call('c', 'f')]),
    build.message(Role.TOOL, [result('c')]),
    build.message(Role.USER, [result('c'), marked()]),
  ];
  const more = { tools: [tool('f'), tool('g')], parameters: build.parameters({ seed: -3 }) };
  expect(() =>
    checkChatRequest(build.chatRequest('m', messages, { ...more, ...choice(ToolChoice_Mode.NAMED, 'g') })),
  ).not.toThrow();
});
