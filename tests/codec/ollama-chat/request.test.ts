import { describe, expect, test } from 'vitest';
import type { CreateChatCompletionRequest } from '../../../gen/llmgateway/v1/chat_service_pb.js';
import { ErrorReason } from '../../../gen/llmgateway/v1/error_pb.js';
import { ToolChoice_Mode } from '../../../gen/llmgateway/v1/generation_pb.js';
import { type Part, Role } from '../../../gen/llmgateway/v1/message_pb.js';
import type { ThinkValue } from '../../../src/codec/ollama-chat/dialect.ts';
import { encodeChatRequest } from '../../../src/codec/ollama-chat/encode-request.ts';
import { GatewayError } from '../../../src/errors/gateway-error.ts';
import * as build from '../../../src/model/build.ts';

type Rest = Partial<CreateChatCompletionRequest>;

const hello = build.message(Role.USER, [build.textPart('Hello')]);
const encode = (request: CreateChatCompletionRequest, model = 'm', think?: readonly ThinkValue[]) => {
  const { body, warnings } = encodeChatRequest(request, { model, stream: false, think });
  return { body, json: JSON.parse(body), codes: warnings.map(({ code }) => code) };
};
const withRest = (rest: Rest) => encode(build.chatRequest('x', [hello], rest));
const said = (role: Role, parts: Part[], rest = {}) => {
  const { json, codes } = encode(build.chatRequest('x', [build.message(role, parts, rest)]));
  return { messages: json.messages as Record<string, unknown>[], codes };
};
const refusal = (run: () => unknown): GatewayError => {
  try {
    run();
  } catch (error) {
    if (error instanceof GatewayError) return error;
    throw error;
  }
  throw new Error('expected a refusal');
};

test('stream is always said, because it is true where it is left out', () => {
  const request = build.chatRequest('x', [hello]);
  const expected = (stream: boolean) =>
    `{"model":"m","messages":[{"role":"user","content":"Hello"}],"stream":${stream}}`;
  for (const stream of [true, false]) {
    expect(encodeChatRequest(request, { model: 'm', stream }).body).toBe(expected(stream));
  }
});

describe('parameters', () => {
  test('have their place', () => {
    const parameters = build.parameters({
      temperature: 0,
      topP: 0.5,
      topK: 3,
      maxOutputTokens: 7,
      stop: ['a', 'é'],
      seed: 1,
      presencePenalty: -1,
      frequencyPenalty: 2,
      logprobs: true,
      topLogprobs: 4,
    });
    const { json, codes } = withRest({ parameters });
    expect(json).toMatchObject({
      options: {
        temperature: 0,
        top_p: 0.5,
        top_k: 3,
        num_predict: 7,
        stop: ['a', 'é'],
        seed: 1,
        presence_penalty: -1,
        frequency_penalty: 2,
      },
      logprobs: true,
      top_logprobs: 4,
    });
    expect(codes).toEqual([]);
  });

  test('win over options of the same name; the client’s others go along', () => {
    const extras = build.extras(
      'ollama.chat',
      '{"options":{"temperature":2,"num_ctx":8192},"keep_alive":"5m"}',
    );
    const { body, codes } = withRest({ extras, parameters: build.parameters({ temperature: 0.5 }) });
    expect(body).toContain('"options":{"temperature":0.5,"num_ctx":8192}');
    expect(body).toContain('"keep_alive":"5m"');
    expect(codes).toEqual([]);
  });

  test('of the face of OpenAI: what only Ollama has reaches it, the rest is reported', () => {
    const extras = build.extras('openai.chat', '{"options":{"num_ctx":4096},"keep_alive":0,"top_a":1}');
    const { json, codes } = withRest({ extras });
    expect([json.options, json.keep_alive, json.top_a]).toEqual([{ num_ctx: 4096 }, 0, undefined]);
    expect(codes).toEqual(['dropped_extras']);
  });

  test.each(['model', 'messages', 'stream', 'tools', 'format'])('extras cannot replace %s', (key) => {
    const extras = build.extras('ollama.chat', `{"${key}":"another"}`);
    const error = refusal(() => withRest({ extras }));
    expect(error.facts.field).toBe('extras.json');
    expect(error.rawMessage).toContain(`'${key}'`);
  });

  test('a JSON Schema stays byte for byte', () => {
    const schemaJson = '{ "type":"object", "properties": {"b":{},"a":{}} }';
    const value = build.jsonSchemaFormat('n', { schemaJson, strict: true });
    const parameters = build.parameters({
      responseFormat: build.responseFormat({ case: 'jsonSchema', value }),
    });
    expect(withRest({ parameters }).body).toContain(`"format":${schemaJson}`);
  });

  test('a form of another dialect is refused', () => {
    const value = build.opaque('openai.chat', 'grammar', '{"type":"grammar"}');
    const parameters = build.parameters({ responseFormat: build.responseFormat({ case: 'opaque', value }) });
    expect(refusal(() => withRest({ parameters })).facts.field).toBe('response_format');
  });
});

describe('reasoning', () => {
  const levels = ['low', 'medium', 'high'];
  const think = (effort: string, model: string, known?: readonly ThinkValue[], budget?: number) => {
    const rest = budget === undefined ? {} : { reasoningBudgetTokens: budget };
    const parameters = build.parameters({ reasoningEffort: effort, ...rest });
    const { json, codes } = encode(build.chatRequest('x', [hello], { parameters }), model, known);
    return [json.think, ...codes];
  };

  test.each<[string, string, readonly ThinkValue[] | undefined, unknown[]]>([
    ['', 'qwen3', undefined, [undefined]],
    ['none', 'qwen3', undefined, [false]],
    ['high', 'qwen3', undefined, [true]],
    ['high', 'gpt-oss:20b', undefined, ['high']],
    ['xhigh', 'gpt-oss:20b', undefined, ['high']],
    ['minimal', 'library/gpt-oss', undefined, ['low']],
    ['none', 'gpt-oss:20b', undefined, ['low', 'changed_reasoning_effort']],
    ['medium', 'any', [false, true], [true]],
    ['medium', 'any', [false, ...levels], ['medium']],
    ['none', 'any', [false, ...levels], [false]],
    ['xhigh', 'any', [false, ...levels, 'max'], ['max']],
    ['max', 'any', [false, true, 'low', 'high'], ['high']],
    ['deep', 'any', [false, true, 'deep'], ['deep']],
    ['deep', 'any', [false, true, 'low'], [true]],
    ['high', 'any', [], [undefined, 'dropped_reasoning_effort']],
  ])('effort %j of %s that takes %j', (effort, model, known, expected) => {
    expect(think(effort, model, known)).toEqual(expected);
  });

  test('a budget means that it reasons, or not; the size is reported', () => {
    expect(think('', 'qwen3', undefined, 2048)).toEqual([true, 'dropped_reasoning_budget']);
    expect(think('', 'qwen3', undefined, 0)).toEqual([false]);
    expect(think('low', 'gpt-oss', undefined, 99)).toEqual(['low', 'dropped_reasoning_budget']);
  });

  test('the client’s own word wins', () => {
    const extras = build.extras('ollama.chat', '{"think":"max"}');
    const parameters = build.parameters({ reasoningEffort: 'low' });
    expect(withRest({ extras, parameters }).json.think).toBe('max');
  });

  test('of earlier answers goes back as text, its state of other providers does not', () => {
    const parts = [
      build.part({ case: 'reasoning', value: build.reasoning('I ') }),
      build.part({
        case: 'reasoning',
        value: build.reasoning('think', { signature: 's', format: 'anthropic-claude-v1' }),
      }),
      build.textPart('so.'),
    ];
    expect(said(Role.ASSISTANT, parts)).toEqual({
      messages: [{ role: 'assistant', content: 'so.', thinking: 'I think' }],
      codes: ['dropped_reasoning_state'],
    });
  });
});

describe('messages', () => {
  test('several texts become one', () => {
    const parts = [build.textPart('a'), build.textPart('b')];
    expect(said(Role.USER, parts).messages[0]?.['content']).toBe('a\nb');
    expect(said(Role.ASSISTANT, parts).messages[0]?.['content']).toBe('ab');
  });

  test('a developer speaks as the system', () => {
    expect(said(Role.DEVELOPER, [build.textPart('a')]).messages[0]?.['role']).toBe('system');
  });

  test('names of participants are reported as dropped', () => {
    expect(said(Role.USER, [build.textPart('a')], { name: 'Bob' }).codes).toEqual(['dropped_name']);
  });

  test('pictures: base64 of data URLs as it is, bytes in base64', () => {
    const value = '/9j/4AAQSkZJRg==';
    const parts = [
      build.textPart('What is it?'),
      build.part({
        case: 'image',
        value: build.image({ case: 'url', value: `data:image/jpeg;base64,${value}` }),
      }),
      build.part({
        case: 'image',
        value: build.image({ case: 'data', value: Uint8Array.of(1, 2, 255) }, { mediaType: 'image/png' }),
      }),
    ];
    expect(said(Role.USER, parts)).toEqual({
      messages: [{ role: 'user', content: 'What is it?', images: [value, 'AQL/'] }],
      codes: [],
    });
  });

  test.each<[string, Part]>([
    [
      'a remote picture',
      build.part({ case: 'image', value: build.image({ case: 'url', value: 'https://x/a.png' }) }),
    ],
    [
      'a picture that is not base64',
      build.part({ case: 'image', value: build.image({ case: 'url', value: 'data:image/svg+xml,<svg/>' }) }),
    ],
    ['a picture by id', build.part({ case: 'image', value: build.image({ case: 'fileId', value: 'f' }) })],
    ['sound', build.part({ case: 'audio', value: build.audio({ case: 'base64', value: 'AAAA' }) })],
    [
      'a PDF',
      build.part({
        case: 'file',
        value: build.file({ case: 'url', value: 'data:application/pdf;base64,AAAA' }),
      }),
    ],
    ['a file by id', build.part({ case: 'file', value: build.file({ case: 'fileId', value: 'f' }) })],
  ])('%s is refused by name', (_what, part) => {
    const error = refusal(() =>
      encode(build.chatRequest('x', [hello, build.message(Role.USER, [build.textPart('a'), part])])),
    );
    expect(error).toMatchObject({ reason: ErrorReason.INVALID_REQUEST, status: 400 });
    expect(error.facts.field).toBe('messages[1].content');
  });

  test('documents of plain text are text', () => {
    const parts = [
      build.part({ case: 'file', value: build.file({ case: 'text', value: 'one' }) }),
      build.part({
        case: 'file',
        value: build.file({ case: 'data', value: Buffer.from('zwé') }, { mediaType: 'text/markdown' }),
      }),
      build.part({
        case: 'file',
        value: build.file({ case: 'url', value: 'data:text/plain;base64,dGhyZWU=' }),
      }),
    ];
    expect(said(Role.USER, parts).messages[0]?.['content']).toBe('one\nzwé\nthree');
  });

  test('parts of other dialects are dropped and reported', () => {
    const part = build.part({ case: 'opaque', value: build.opaque('openai.chat', 'odd', '{}') });
    expect(said(Role.USER, [build.textPart('a'), part]).codes).toEqual(['dropped_part']);
  });
});

describe('tool calls in the history', () => {
  const call = (id: string, args: string, rest = {}) =>
    build.part({ case: 'toolCall', value: build.toolCall(id, `tool_${id}`, args, rest) });

  test('have arguments as the object that they are, byte for byte', () => {
    const request = build.chatRequest('x', [build.message(Role.ASSISTANT, [call('a', '{ "q": 1.0 }')])]);
    expect(encode(request).body).toContain(
      '{"role":"assistant","content":"","tool_calls":[{"id":"a","function":{"name":"tool_a","arguments":{ "q": 1.0 }}}]}',
    );
  });

  test.each([
    ['no text', '', {}, '{}', []],
    ['broken text', '{"q":', {}, '{"invalid_arguments":"{\\"q\\":"}', ['wrapped_arguments']],
    ['no object', '[1]', {}, '{"invalid_arguments":"[1]"}', ['wrapped_arguments']],
    ['free text', 'x = 1', { custom: true }, '{"input":"x = 1"}', ['wrapped_arguments']],
  ])('with %s still have an object', (_what, args, rest, expected, codes) => {
    const result = encode(build.chatRequest('x', [build.message(Role.ASSISTANT, [call('a', args, rest)])]));
    expect(result.body).toContain(`"arguments":${expected}`);
    expect(result.codes).toEqual(codes);
  });

  test('are answered by name and id, the name taken from the call where it is not given', () => {
    const result = (id: string, rest = {}) =>
      build.part({ case: 'toolResult', value: build.toolResult(id, [build.textPart(`of ${id}`)], rest) });
    const { json, codes } = encode(
      build.chatRequest('x', [
        hello,
        build.message(Role.ASSISTANT, [call('a', '{}'), call('b', '{}')]),
        build.message(Role.TOOL, [result('a')]),
        build.message(Role.TOOL, [result('b', { name: 'own' })]),
        build.message(Role.TOOL, [result('unknown')]),
      ]),
    );
    expect(json.messages.slice(2)).toEqual([
      { role: 'tool', content: 'of a', tool_name: 'tool_a', tool_call_id: 'a' },
      { role: 'tool', content: 'of b', tool_name: 'own', tool_call_id: 'b' },
      { role: 'tool', content: 'of unknown', tool_call_id: 'unknown' },
    ]);
    expect(codes).toEqual([]);
  });

  test('results within other messages become messages, pictures and all', () => {
    const image = build.part({
      case: 'image',
      value: build.image({ case: 'url', value: 'data:image/png;base64,AAAA' }),
    });
    const value = build.toolResult('a', [build.textPart('seen'), image], { name: 't', isError: true });
    const result = said(Role.USER, [build.part({ case: 'toolResult', value }), build.textPart('And now?')]);
    expect(result).toEqual({
      messages: [
        { role: 'tool', content: 'seen', images: ['AAAA'], tool_name: 't', tool_call_id: 'a' },
        { role: 'user', content: 'And now?' },
      ],
      codes: ['dropped_is_error'],
    });
  });

  test('legacy functions are answered by name', () => {
    expect(said(Role.FUNCTION, [build.textPart('4')], { name: 'add' }).messages).toEqual([
      { role: 'tool', content: '4', tool_name: 'add' },
    ]);
  });
});

describe('tools', () => {
  const tool = (name: string, rest = {}) =>
    build.tool({ case: 'function', value: build.functionTool(name, rest) });
  const names = (rest: Rest) => {
    const { json, codes } = withRest({ tools: [tool('a'), tool('b')], ...rest });
    return [
      (json.tools as { function: { name: string } }[] | undefined)?.map((one) => one.function.name),
      codes,
    ];
  };
  const choice = (mode: ToolChoice_Mode, rest = {}) => ({ toolChoice: build.toolChoice(mode, rest) });

  test('keep their schema byte for byte; one without a schema takes no arguments', () => {
    const parametersJson = '{ "type": "object" , "properties":{}}';
    const { body } = withRest({ tools: [tool('a', { description: 'd', parametersJson }), tool('b')] });
    expect(body).toContain(
      `"tools":[{"type":"function","function":{"name":"a","description":"d","parameters":${parametersJson}}},` +
        '{"type":"function","function":{"name":"b","parameters":{"type":"object","properties":{}}}}]',
    );
  });

  test('are all offered, none, or the allowed ones, as the choice says', () => {
    expect(names({})).toEqual([['a', 'b'], []]);
    expect(names(choice(ToolChoice_Mode.AUTO))).toEqual([['a', 'b'], []]);
    expect(names(choice(ToolChoice_Mode.NONE))).toEqual([undefined, []]);
    const allowedJson = '[{"type":"function","function":{"name":"b"}}]';
    expect(names(choice(ToolChoice_Mode.ALLOWED, { allowedJson }))).toEqual([['b'], []]);
    const flat = '[{"type":"function","name":"a"}]';
    expect(names(choice(ToolChoice_Mode.ALLOWED, { allowedJson: flat }))).toEqual([['a'], []]);
  });

  test.each([
    ['some', choice(ToolChoice_Mode.REQUIRED)],
    ['a certain one', choice(ToolChoice_Mode.NAMED, { name: 'a' })],
    ['one of some', choice(ToolChoice_Mode.ALLOWED, { allowedJson: '[]', allowedRequired: true })],
  ])('%s that has to be called is refused, or dropped on request', (_what, rest) => {
    const error = refusal(() => names(rest));
    expect(error).toMatchObject({ reason: ErrorReason.UNSUPPORTED_PARAMETER, status: 400 });
    expect(error.facts.field).toBe('tool_choice');
    const dropping = { ...rest, options: build.gatewayOptions({ dropParams: true }) };
    expect(names(dropping)[1]).toEqual(['dropped_tool_choice']);
  });

  test('with free text are refused', () => {
    const odd = build.tool({ case: 'custom', value: build.customTool('c') });
    expect(refusal(() => withRest({ tools: [tool('a'), odd] })).facts.field).toBe('tools[1]');
  });

  test('that are to follow their schema strictly are reported', () => {
    expect(withRest({ tools: [tool('a', { strict: true })] }).codes).toEqual(['dropped_strict']);
  });
});
