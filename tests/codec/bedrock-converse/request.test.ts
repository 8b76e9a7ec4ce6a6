import { describe, expect, test } from 'vitest';
import type { CreateChatCompletionRequest } from '../../../gen/llmgateway/v1/chat_service_pb.js';
import { ErrorReason } from '../../../gen/llmgateway/v1/error_pb.js';
import { type GenerationParameters, ToolChoice_Mode } from '../../../gen/llmgateway/v1/generation_pb.js';
import { type Message, type Part, Role } from '../../../gen/llmgateway/v1/message_pb.js';
import { encodeConverseRequest } from '../../../src/codec/bedrock-converse/encode-request.ts';
import { GatewayError } from '../../../src/errors/gateway-error.ts';
import * as build from '../../../src/model/build.ts';

const claude = 'anthropic.claude-sonnet-4-5-20250929-v1:0';
const { SYSTEM, DEVELOPER, USER, ASSISTANT, TOOL, FUNCTION } = Role;
const say = (role: Role, ...parts: (string | Part)[]): Message =>
  build.message(
    role,
    parts.map((part) => (typeof part === 'string' ? build.textPart(part) : part)),
  );
const call = (id: string, name: string, args = '{}', rest = {}): Part =>
  build.part({ case: 'toolCall', value: build.toolCall(id, name, args, rest) });
const result = (id: string, ...parts: Part[]): Part =>
  build.part({ case: 'toolResult', value: build.toolResult(id, parts) });
const thought = (text: string, rest = {}): Part =>
  build.part({ case: 'reasoning', value: build.reasoning(text, rest) });
const tool = (name: string) => build.tool({ case: 'function', value: build.functionTool(name) });
const point = (part: Part, ttl = ''): Part => ({ ...part, cacheBreakpoint: build.cacheBreakpoint(ttl) });

interface Encoded {
  // biome-ignore lint/suspicious/noExplicitAny: a body is looked at member by member
  readonly json: any;
  readonly body: string;
  readonly codes: string[];
}

function encode(
  messages: Message[],
  rest: Partial<CreateChatCompletionRequest> = {},
  model = claude,
): Encoded {
  const { body, warnings } = encodeConverseRequest(build.chatRequest('m', messages, rest), model);
  return { json: JSON.parse(body), body, codes: warnings.map(({ code }) => code) };
}

const encodeWith = (
  parameters: Partial<GenerationParameters>,
  rest: Partial<CreateChatCompletionRequest> = {},
  model = claude,
) => encode([say(USER, 'Hi')], { parameters: build.parameters(parameters), ...rest }, model);

function refusal(run: () => unknown): GatewayError {
  try {
    run();
  } catch (error) {
    if (error instanceof GatewayError) return error;
    throw error;
  }
  throw new Error('expected a refusal');
}

describe('messages', () => {
  test('alternate: what follows in the same role is one message, results of one round too', () => {
    const { json, codes } = encode([
      say(SYSTEM, 'Be brief.'),
      say(DEVELOPER, 'Really.'),
      say(USER, 'A'),
      say(USER, 'B'),
      say(ASSISTANT, 'C', call('1', 'f'), call('2', 'g')),
      say(TOOL, result('1', build.textPart('x'))),
      say(TOOL, result('2')),
      say(USER, 'D'),
    ]);
    expect(codes).toEqual(['tools_from_history']);
    expect(json.system).toEqual([{ text: 'Be brief.' }, { text: 'Really.' }]);
    expect(json.messages).toEqual([
      { role: 'user', content: [{ text: 'A' }, { text: 'B' }] },
      {
        role: 'assistant',
        content: [
          { text: 'C' },
          { toolUse: { toolUseId: '1', name: 'f', input: {} } },
          { toolUse: { toolUseId: '2', name: 'g', input: {} } },
        ],
      },
      {
        role: 'user',
        content: [
          { toolResult: { toolUseId: '1', content: [{ text: 'x' }] } },
          { toolResult: { toolUseId: '2', content: [] } },
          { text: 'D' },
        ],
      },
    ]);
  });

  test('instructions in the middle stay where they are, as what the user says, and that is said', () => {
    const { json, codes } = encode([say(SYSTEM, 'R'), say(USER, 'A'), say(SYSTEM, 'S'), say(USER, 'B')]);
    expect(codes).toEqual(['system_as_user']);
    expect(json).toEqual({
      messages: [{ role: 'user', content: [{ text: 'A' }, { text: 'S' }, { text: 'B' }] }],
      system: [{ text: 'R' }],
    });
  });

  test('blank text, which Converse refuses, is left out of answers and refused from users', () => {
    expect(encode([say(USER, 'A'), say(ASSISTANT, ''), say(USER, 'B')]).json.messages).toEqual([
      { role: 'user', content: [{ text: 'A' }, { text: 'B' }] },
    ]);
    const error = refusal(() => encode([say(USER, 'A'), say(ASSISTANT, 'B'), say(USER, ' \n')]));
    expect(error).toMatchObject({
      reason: ErrorReason.INVALID_REQUEST,
      facts: { field: 'messages[2].content' },
    });
  });

  test('nothing but instructions is refused', () => {
    expect(refusal(() => encode([say(SYSTEM, 'S')])).facts.field).toBe('messages');
  });

  test('names of participants are left out, and that is said', () => {
    const { codes } = encode([build.message(USER, [build.textPart('A')], { name: 'Ann' })]);
    expect(codes).toEqual(['dropped_name']);
  });

  test('legacy functions get an id by which their results find them', () => {
    const legacy = build.message(FUNCTION, [result('', build.textPart('x'))], { name: 'f' });
    const { json } = encode([say(USER, 'A'), say(ASSISTANT, call('', 'f')), legacy]);
    const id = json.messages[1].content[0].toolUse.toolUseId;
    expect(id).toMatch(/^call_\w+$/);
    expect(json.messages[2].content[0].toolResult.toolUseId).toBe(id);
    expect(refusal(() => encode([say(USER, 'A'), legacy])).facts.field).toBe('messages[1]');
  });

  test('ids that Converse would refuse become some that it takes, the same for call and result', () => {
    const { json } = encode([
      say(USER, 'A'),
      say(ASSISTANT, call('a:b/c', 'f')),
      say(TOOL, result('a:b/c', build.textPart('x'))),
    ]);
    const id = json.messages[1].content[0].toolUse.toolUseId;
    expect(id).toMatch(/^[\w-]{1,64}$/);
    expect(json.messages[2].content[0].toolResult.toolUseId).toBe(id);
    expect(
      encode([say(USER, 'A'), say(ASSISTANT, call('a:b/c', 'f'))]).json.messages[1].content[0].toolUse
        .toolUseId,
    ).toBe(id);
  });

  test('members with a field of their own cannot come as extras', () => {
    const extras = build.extras('aws.converse', '{"messages":[]}');
    expect(refusal(() => encode([say(USER, 'A')], { extras })).message).toContain(
      "'messages' has a field of its own",
    );
    const content = build.message(USER, [build.textPart('A')], {
      extras: build.extras('aws.converse', '{"content":[]}'),
    });
    expect(refusal(() => encode([content])).facts.field).toBe('messages[0].extras');
    const twice = { extras: build.extras('aws.converse', '{"inferenceConfig":{"maxTokens":1}}') };
    expect(refusal(() => encodeWith({ maxOutputTokens: 5 }, twice)).message).toContain(
      'inferenceConfig.maxTokens',
    );
  });

  test("other dialects' extras and parts are left out, and that is said", () => {
    const opaque = build.part({ case: 'opaque', value: build.opaque('openai.chat', 'x', '{}') });
    const { codes } = encode([say(USER, 'A', opaque)], { extras: build.extras('openai.chat', '{"a":1}') });
    expect(codes).toEqual(['dropped_extras', 'dropped_part']);
  });
});

describe('arguments', () => {
  const inputOf = (args: string, rest = {}) => {
    const { body, codes } = encode([say(USER, 'A'), say(ASSISTANT, call('1', 'f', args, rest))], {
      tools: [tool('f')],
    });
    return { input: /"input":(.*)\}\}\]\}\],"toolConfig"/s.exec(body)?.[1], codes };
  };

  test('are sent byte for byte', () => {
    expect(inputOf('{"b": 1.0,  "a":"\\u00fc"}')).toEqual({ input: '{"b": 1.0,  "a":"\\u00fc"}', codes: [] });
    expect(inputOf('')).toEqual({ input: '{}', codes: [] });
  });

  test('that are no object are wrapped in one, and that is said', () => {
    for (const args of ['{"a":', '[1]', '5', 'null']) {
      const input = JSON.stringify({ invalid_arguments: args });
      expect(inputOf(args)).toEqual({ input, codes: ['wrapped_arguments'] });
    }
    expect(inputOf('{"a":1}', { custom: true }).input).toBe('{"input":"{\\"a\\":1}"}');
  });
});

describe('media', () => {
  const image = (source: Parameters<typeof build.image>[0], mediaType = ''): Part =>
    build.part({ case: 'image', value: build.image(source, { mediaType }) });
  const file = (source: Parameters<typeof build.file>[0], rest = {}): Part =>
    build.part({ case: 'file', value: build.file(source, rest) });
  const blocks = (...parts: Part[]) =>
    encode([say(USER, 'Look', ...parts)]).json.messages[0].content.slice(1);

  test('pictures by value, and by an address in S3', () => {
    expect(
      blocks(
        image({ case: 'data', value: new Uint8Array([1, 2]) }, 'image/webp'),
        image({ case: 'url', value: 'data:image/jpg;base64,AQI=' }),
        image({ case: 'url', value: 's3://bucket/a.GIF' }),
      ),
    ).toEqual([
      { image: { format: 'webp', source: { bytes: 'AQI=' } } },
      { image: { format: 'jpeg', source: { bytes: 'AQI=' } } },
      { image: { format: 'gif', source: { s3Location: { uri: 's3://bucket/a.GIF' } } } },
    ]);
  });

  test.each([
    [
      'a picture by URL',
      image({ case: 'url', value: 'https://a.example/a.png' }),
      /by a URL; give it as a data: URL/,
    ],
    ['a picture by id', image({ case: 'fileId', value: 'file-1' }), /by the id of a file/],
    ['a document by URL', file({ case: 'url', value: 'http://a.example/a.pdf' }), /by a URL/],
    [
      'a picture of an unknown type',
      image({ case: 'data', value: new Uint8Array(1) }, 'image/tiff'),
      /type "image\/tiff"; it takes image\/png/,
    ],
    [
      'a document of an unknown type',
      file({ case: 'data', value: new Uint8Array(1) }, { mediaType: 'application/zip' }),
      /type "application\/zip"/,
    ],
    ['a data: URL without data', image({ case: 'url', value: 'data:image/png' }), /without data/],
  ])('%s is refused by name', (_what, part, message) => {
    const error = refusal(() => blocks(part));
    expect(error).toMatchObject({
      reason: ErrorReason.INVALID_REQUEST,
      facts: { field: 'messages[0].content[1]' },
    });
    expect(error.message).toMatch(message);
  });

  test('documents have names that Converse takes, each once, and the same every time', () => {
    const named = (filename: string) => file({ case: 'text', value: 'x' }, { filename });
    const names = () =>
      blocks(
        named('Q3_report.final.pdf'),
        named('Übersicht  (neu).txt'),
        named('a'),
        named('a.txt'),
        named(''),
        named('文書.md'),
        named('x'.repeat(500)),
      ).map(({ document }: { document: { name: string } }) => document.name);
    expect(names()).toEqual([
      'Q3-report-final',
      '-bersicht (neu)',
      'a',
      'a (2)',
      'document',
      'document (2)',
      'x'.repeat(180),
    ]);
    expect(names()).toEqual(names());
  });

  test('the format of a document is that of its type, or of its name', () => {
    const formats = blocks(
      file({ case: 'data', value: new Uint8Array(1) }, { mediaType: 'text/csv; charset=utf-8' }),
      file({ case: 'data', value: new Uint8Array(1) }, { filename: 'a.DOCX' }),
      file({ case: 'text', value: '# A' }, { mediaType: 'text/markdown' }),
      file({ case: 'url', value: 'data:,Hello%20there' }),
    ).map(({ document }: { document: { format: string } }) => document.format);
    expect(formats).toEqual(['csv', 'docx', 'md', 'txt']);
  });
});

describe('tools', () => {
  const history = [
    say(USER, 'A'),
    say(ASSISTANT, call('1', 'f')),
    say(TOOL, result('1', build.textPart('x'))),
  ];
  const choose = (mode: ToolChoice_Mode, rest = {}) => ({
    tools: [tool('f'), tool('g')],
    toolChoice: build.toolChoice(mode, rest),
  });
  const names = (json: { toolConfig: { tools: { toolSpec: { name: string } }[] } }) =>
    json.toolConfig.tools.map(({ toolSpec }) => toolSpec.name);

  test('the choice in Converse terms', () => {
    const choice = (mode: ToolChoice_Mode, rest = {}) =>
      encode([say(USER, 'A')], choose(mode, rest)).json.toolConfig.toolChoice;
    expect(choice(ToolChoice_Mode.AUTO)).toEqual({ auto: {} });
    expect(choice(ToolChoice_Mode.REQUIRED)).toEqual({ any: {} });
    expect(choice(ToolChoice_Mode.NAMED, { name: 'g' })).toEqual({ tool: { name: 'g' } });
  });

  test('"none" leaves the tools out, or, where the history has calls, keeps them and says so', () => {
    expect(encode([say(USER, 'A')], choose(ToolChoice_Mode.NONE)).json.toolConfig).toBeUndefined();
    const { json, codes } = encode(history, choose(ToolChoice_Mode.NONE));
    expect(names(json)).toEqual(['f', 'g']);
    expect(json.toolConfig.toolChoice).toBeUndefined();
    expect(codes).toEqual(['tool_choice_not_enforced']);
  });

  test('a history with calls and no tools names those that were called', () => {
    const { json, codes } = encode(history);
    expect(json.toolConfig).toEqual({
      tools: [{ toolSpec: { name: 'f', inputSchema: { json: { type: 'object' } } } }],
    });
    expect(codes).toEqual(['tools_from_history']);
  });

  test('allowed tools are those that are sent', () => {
    const allowedJson = '[{"type":"function","function":{"name":"g"}},{"type":"function","name":"h"}]';
    const { json } = encode(
      [say(USER, 'A')],
      choose(ToolChoice_Mode.ALLOWED, { allowedJson, allowedRequired: true }),
    );
    expect(names(json)).toEqual(['g']);
    expect(json.toolConfig.toolChoice).toEqual({ any: {} });
  });

  test('schemas go byte for byte', () => {
    const parametersJson = '{"type": "object",  "properties":{"b":{},"a":{}}}';
    const { body } = encode([say(USER, 'A')], {
      tools: [build.tool({ case: 'function', value: build.functionTool('f', { parametersJson }) })],
    });
    expect(body).toContain(`"inputSchema":{"json":${parametersJson}}`);
  });

  test('a tool with free-text input is refused by name', () => {
    const odd = build.tool({ case: 'custom', value: build.customTool('c') });
    expect(refusal(() => encode([say(USER, 'A')], { tools: [tool('f'), odd] })).facts.field).toBe('tools[1]');
  });

  test('the failure of a tool is said to models that take it, and is text for others', () => {
    const failed = build.part({
      case: 'toolResult',
      value: build.toolResult('1', [build.textPart('no')], { isError: true }),
    });
    const status = (model: string) => {
      const { json, codes } = encode(
        [say(USER, 'A'), say(ASSISTANT, call('1', 'f')), say(TOOL, failed)],
        { tools: [tool('f')] },
        model,
      );
      return [json.messages[2].content[0].toolResult.status, codes];
    };
    expect(status(claude)).toEqual(['error', []]);
    expect(status('amazon.nova-pro-v1:0')).toEqual(['error', []]);
    expect(status('arn:aws:bedrock:us-east-1:1:application-inference-profile/abc')).toEqual(['error', []]);
    expect(status('meta.llama3-3-70b-instruct-v1:0')).toEqual([undefined, ['dropped_status']]);
  });
});

describe('cache points', () => {
  test('stand after what they end, with a lifetime that Bedrock has', () => {
    const { json, codes } = encode(
      [
        say(SYSTEM, point(build.textPart('S'), '1h')),
        say(USER, point(build.textPart('A'), '30m'), point(build.textPart('B'), '5m')),
      ],
      { tools: [{ ...tool('f'), cacheBreakpoint: build.cacheBreakpoint() }] },
    );
    expect(json.system).toEqual([{ text: 'S' }, { cachePoint: { type: 'default', ttl: '1h' } }]);
    expect(json.messages[0].content).toEqual([
      { text: 'A' },
      { cachePoint: { type: 'default' } },
      { text: 'B' },
      { cachePoint: { type: 'default', ttl: '5m' } },
    ]);
    expect(json.toolConfig.tools[1]).toEqual({ cachePoint: { type: 'default' } });
    expect(codes).toEqual([]);
  });

  test('are the last four of the prompt, which begins with the tools', () => {
    const marked = (name: string) => ({ ...tool(name), cacheBreakpoint: build.cacheBreakpoint() });
    const ask = (texts: string[], tools = [marked('f'), marked('g')], model = claude) =>
      encode(
        [say(SYSTEM, point(build.textPart('S'))), say(USER, ...texts.map((t) => point(build.textPart(t))))],
        {
          tools,
        },
        model,
      );
    const places = ({ json }: Encoded) =>
      [json.toolConfig?.tools ?? [], json.system, json.messages[0].content].map((list) =>
        // biome-ignore lint/suspicious/noExplicitAny: blocks are looked at member by member
        list.map((item: any) => (item.cachePoint ? '|' : (item.text ?? item.toolSpec.name))).join(''),
      );
    expect(places(ask(['A']))).toEqual(['f|g|', 'S|', 'A|']);
    const five = ask(['A', 'B']);
    expect([places(five), five.codes]).toEqual([['fg|', 'S|', 'A|B|'], ['dropped_cache_breakpoint']]);
    expect(places(ask(['A', 'B', 'C', 'D', 'E']))).toEqual(['fg', 'S', 'AB|C|D|E|']);
    // Nova takes none after tools: they leave the places to others.
    expect(places(ask(['A', 'B', 'C'], [marked('f')], 'amazon.nova-pro-v1:0'))).toEqual([
      'f',
      'S|',
      'A|B|C|',
    ]);
  });

  test('inside a tool result stand after it', () => {
    const marked = say(TOOL, result('1', point(build.textPart('x')), build.textPart('y')));
    const { json } = encode([say(USER, 'A'), say(ASSISTANT, call('1', 'f')), marked], { tools: [tool('f')] });
    expect(json.messages[2].content).toEqual([
      { toolResult: { toolUseId: '1', content: [{ text: 'x' }, { text: 'y' }] } },
      { cachePoint: { type: 'default' } },
    ]);
  });

  test('are left out for models that do not cache, and that is said', () => {
    const { json, codes } = encode(
      [say(USER, point(build.textPart('A')))],
      {},
      'meta.llama3-3-70b-instruct-v1:0',
    );
    expect(json.messages[0].content).toEqual([{ text: 'A' }]);
    expect(codes).toEqual(['dropped_cache_breakpoint']);
  });
});

describe('reasoning of earlier answers', () => {
  const sent = (part: Part, model = claude) => {
    const { json, codes } = encode([say(USER, 'A'), say(ASSISTANT, part, 'B'), say(USER, 'C')], {}, model);
    return [json.messages[1].content.slice(0, -1), codes];
  };
  const signed = { signature: 'c2ln/+==', format: 'anthropic-claude-v1' };

  test("Claude's goes back byte for byte, empty text included", () => {
    expect(sent(thought('Hm', signed))).toEqual([
      [{ reasoningContent: { reasoningText: { text: 'Hm', signature: 'c2ln/+==' } } }],
      [],
    ]);
    expect(sent(thought('', signed))).toEqual([
      [{ reasoningContent: { reasoningText: { text: '', signature: 'c2ln/+==' } } }],
      [],
    ]);
    expect(sent(thought('', { encrypted: 'eA==', format: 'anthropic-claude-v1' }))).toEqual([
      [{ reasoningContent: { redactedContent: 'eA==' } }],
      [],
    ]);
  });

  test('what Claude did not sign is left out, and that is said', () => {
    expect(sent(thought('Hm'))).toEqual([[], ['dropped_reasoning']]);
    expect(sent(thought('Hm', { signature: 'x', format: 'google-gemini-v1' }))).toEqual([
      [],
      ['dropped_reasoning_state', 'dropped_reasoning'],
    ]);
    expect(sent(thought('', { encrypted: 'x', format: 'openai-responses-v1' }))).toEqual([
      [],
      ['dropped_reasoning_state'],
    ]);
  });

  test('other models take the text, without what is not theirs', () => {
    const text = [{ reasoningContent: { reasoningText: { text: 'Hm' } } }];
    expect(sent(thought('Hm'), 'openai.gpt-oss-120b-1:0')).toEqual([text, []]);
    expect(sent(thought('Hm', signed), 'openai.gpt-oss-120b-1:0')).toEqual([
      text,
      ['dropped_reasoning_state'],
    ]);
    for (const none of ['deepseek.v3-v1:0', 'amazon.nova-2-lite-v1:0', 'amazon.nova-pro-v1:0']) {
      expect(sent(thought('Hm'), none)).toEqual([[], ['dropped_reasoning']]);
    }
  });
});

describe('thinking', () => {
  const opus46 = 'us.anthropic.claude-opus-4-6-v1';
  const opus47 = 'anthropic.claude-opus-4-7';
  const thinking = (parameters: Partial<GenerationParameters>, model: string) => {
    const { json, codes } = encodeWith(parameters, {}, model);
    return [json.additionalModelRequestFields, json.outputConfig, codes];
  };
  const enabled = (budget_tokens: number) => ({ thinking: { type: 'enabled', budget_tokens } });
  const off = (type: string) => ({ thinking: { type } });
  const adaptive = { thinking: { type: 'adaptive' } };
  const shown = { thinking: { type: 'adaptive', display: 'summarized' } };

  test.each<[string, Partial<GenerationParameters>, string, unknown[]]>([
    ['an effort is a budget', { reasoningEffort: 'high' }, claude, [enabled(16_384), undefined, []]],
    [
      'that leaves room for the answer',
      { reasoningEffort: 'high', maxOutputTokens: 10_000 },
      claude,
      [enabled(8_976), undefined, []],
    ],
    [
      'or none at all',
      { reasoningEffort: 'low', maxOutputTokens: 500 },
      claude,
      [undefined, undefined, ['dropped_reasoning_effort']],
    ],
    ['none is none', { reasoningEffort: 'none' }, claude, [off('disabled'), undefined, []]],
    [
      'a budget wins',
      { reasoningEffort: 'low', reasoningBudgetTokens: 5_000 },
      claude,
      [enabled(5_000), undefined, []],
    ],
    [
      '3.7 thinks',
      { reasoningEffort: 'low' },
      'us.anthropic.claude-3-7-sonnet-20250219-v1:0',
      [enabled(2_048), undefined, []],
    ],
    [
      '3.5 does not',
      { reasoningEffort: 'low' },
      'anthropic.claude-3-5-sonnet-20240620-v1:0',
      [undefined, undefined, ['dropped_reasoning_effort']],
    ],
    [
      '4.0 has budgets',
      { reasoningEffort: 'low' },
      'anthropic.claude-opus-4-20250514-v1:0',
      [enabled(2_048), undefined, []],
    ],
    ['since 4.6 by effort', { reasoningEffort: 'xhigh' }, opus46, [adaptive, { effort: 'high' }, []]],
    [
      'with a budget for who insists',
      { reasoningBudgetTokens: 5_000 },
      opus46,
      [enabled(5_000), undefined, []],
    ],
    [
      'since 4.7 without',
      { reasoningEffort: 'xhigh', reasoningBudgetTokens: 5_000 },
      opus47,
      [shown, { effort: 'xhigh' }, ['dropped_reasoning_budget']],
    ],
    [
      'and without a number',
      { reasoningEffort: 'minimal' },
      'anthropic.claude-mythos-preview',
      [shown, { effort: 'low' }, []],
    ],
    [
      'a budget alone is told as an effort',
      { reasoningBudgetTokens: 5_000 },
      opus47,
      [shown, { effort: 'medium' }, ['dropped_reasoning_budget']],
    ],
    ['a budget of nothing is off', { reasoningBudgetTokens: 0 }, claude, [off('disabled'), undefined, []]],
    [
      'who thinks by itself is told not to',
      { reasoningEffort: 'none' },
      'anthropic.claude-sonnet-5',
      [off('disabled'), undefined, []],
    ],
    [
      'by a budget of nothing as well, in its own words',
      { reasoningBudgetTokens: 0 },
      'anthropic.claude-sonnet-5-5',
      [off('between_tools'), undefined, []],
    ],
    ['who does not is told nothing', { reasoningEffort: 'none' }, opus47, [undefined, undefined, []]],
    [
      'and who cannot but think, to think little',
      { reasoningEffort: 'none' },
      'anthropic.claude-mythos-preview',
      [undefined, { effort: 'low' }, ['dropped_reasoning_effort']],
    ],
    [
      'Nova 2',
      { reasoningEffort: 'minimal' },
      'us.amazon.nova-2-lite-v1:0',
      [{ reasoningConfig: { type: 'enabled', maxReasoningEffort: 'low' } }, undefined, []],
    ],
    [
      'Nova 2 that is not to reason',
      { reasoningBudgetTokens: 0 },
      'us.amazon.nova-2-lite-v1:0',
      [{ reasoningConfig: { type: 'disabled' } }, undefined, []],
    ],
    [
      'gpt-oss always does',
      { reasoningEffort: 'none' },
      'openai.gpt-oss-120b-1:0',
      [{ reasoning_effort: 'low' }, undefined, ['dropped_reasoning_effort']],
    ],
    [
      'gpt-oss',
      { reasoningEffort: 'xhigh' },
      'openai.gpt-oss-120b-1:0',
      [{ reasoning_effort: 'high' }, undefined, []],
    ],
    [
      'others',
      { reasoningEffort: 'low', reasoningBudgetTokens: 1_024 },
      'qwen.qwen3-32b-v1:0',
      [undefined, undefined, ['dropped_reasoning_budget', 'dropped_reasoning_effort']],
    ],
  ])('%s', (_what, parameters, model, expected) => {
    expect(thinking(parameters, model)).toEqual(expected);
  });

  test.each<[string, Partial<GenerationParameters>, unknown, string]>([
    ['too small', { reasoningBudgetTokens: 500 }, enabled(1_024), 'changed_reasoning_budget'],
    [
      "as large as the answer's limit",
      { reasoningBudgetTokens: 2_000, maxOutputTokens: 2_000 },
      enabled(1_999),
      'changed_reasoning_budget',
    ],
    [
      'in an answer too short for any',
      { reasoningBudgetTokens: 2_000, maxOutputTokens: 1_000 },
      undefined,
      'dropped_reasoning_budget',
    ],
  ])('a budget that is %s is one that can be, and that is said', (_what, parameters, expected, code) => {
    expect(thinking(parameters, claude)).toEqual([expected, undefined, [code]]);
  });

  test('between calls of tools a budget may be larger than the answer', () => {
    const betas = '{"additionalModelRequestFields":{"anthropic_beta":["interleaved-thinking-2025-05-14"]}}';
    const extras = build.extras('aws.converse', betas);
    const { json, codes } = encodeWith({ reasoningBudgetTokens: 9_000, maxOutputTokens: 4_000 }, { extras });
    expect(json.additionalModelRequestFields).toMatchObject(enabled(9_000));
    expect(codes).toEqual([]);
  });

  test('sampling that thinking excludes is left out, and that is said', () => {
    const { json, codes } = encodeWith({ reasoningEffort: 'low', temperature: 0.2, topP: 0.5, topK: 4 });
    expect(json.inferenceConfig).toBeUndefined();
    expect(json.additionalModelRequestFields).toEqual(enabled(2_048));
    expect(codes).toEqual(['dropped_temperature', 'dropped_top_p', 'dropped_top_k']);
    const most = { reasoningEffort: 'low', temperature: 1, topP: 0.95 };
    const older = encodeWith(most, {}, 'anthropic.claude-sonnet-4-20250514-v1:0');
    expect(older.json.inferenceConfig).toEqual({ temperature: 1, topP: 0.95 });
    expect(encodeWith({ reasoningEffort: 'low', temperature: 0.2, topP: 0.95 }).json.inferenceConfig).toEqual(
      { topP: 0.95 },
    );
  });

  test('from 4.1 on Claude takes temperature or top_p, not both', () => {
    const both = { temperature: 0.5, topP: 0.9 };
    const { json, codes } = encodeWith(both);
    expect(json.inferenceConfig).toEqual({ temperature: 0.5 });
    expect(codes).toEqual(['dropped_top_p']);
    for (const model of ['anthropic.claude-3-7-sonnet-20250219-v1:0', 'amazon.nova-pro-v1:0']) {
      const other = encodeWith(both, {}, model);
      expect(other.json.inferenceConfig).toEqual(both);
      expect(other.codes).toEqual([]);
    }
  });

  test('a temperature is one that Converse takes', () => {
    for (const model of [claude, 'meta.llama3-3-70b-instruct-v1:0']) {
      const { json, codes } = encodeWith({ temperature: 1.5 }, {}, model);
      expect(json.inferenceConfig).toEqual({ temperature: 1 });
      expect(codes).toEqual(['changed_temperature']);
    }
  });

  test.each<[string, Message[], boolean]>([
    ['a new turn', [say(USER, 'A'), say(ASSISTANT, 'B'), say(USER, 'C')], true],
    [
      'results of calls without their thoughts',
      [say(USER, 'A'), say(ASSISTANT, call('1', 'f')), say(TOOL, result('1'))],
      false,
    ],
    [
      'results of calls with them',
      [
        say(USER, 'A'),
        say(ASSISTANT, thought('Hm', { signature: 'c2ln', format: 'anthropic-claude-v1' }), call('1', 'f')),
        say(TOOL, result('1')),
      ],
      true,
    ],
    [
      "results of calls with another provider's",
      [
        say(USER, 'A'),
        say(ASSISTANT, thought('Hm', { signature: 'x', format: 'google-gemini-v1' }), call('1', 'f')),
        say(TOOL, result('1')),
      ],
      false,
    ],
    ['an answer begun for it', [say(USER, 'A'), say(ASSISTANT, 'B')], false],
  ])('a model with a budget thinks where it may: %s', (_what, messages, thinks) => {
    const parameters = build.parameters({ reasoningEffort: 'low' });
    const { json, codes } = encode(messages, { parameters, tools: [tool('f')] });
    expect(json.additionalModelRequestFields).toEqual(thinks ? enabled(2_048) : undefined);
    expect(codes.includes('dropped_reasoning_effort')).toBe(!thinks);
    const newer = encode(messages, { parameters, tools: [tool('f')] }, opus46);
    expect(newer.json.additionalModelRequestFields).toEqual(adaptive);
  });

  test('a tool that has to be called excludes thinking: an effort gives way, a budget is refused', () => {
    const forced = { tools: [tool('f')], toolChoice: build.toolChoice(ToolChoice_Mode.REQUIRED) };
    const { json, codes } = encodeWith({ reasoningEffort: 'high', temperature: 0.3 }, forced);
    expect(json.additionalModelRequestFields).toBeUndefined();
    expect(json.inferenceConfig).toEqual({ temperature: 0.3 });
    expect(codes).toEqual(['dropped_reasoning_effort']);
    expect(refusal(() => encodeWith({ reasoningBudgetTokens: 2_000 }, forced))).toMatchObject({
      reason: ErrorReason.UNSUPPORTED_PARAMETER,
      facts: { field: 'tool_choice' },
    });
    // The effort is about more than thoughts.
    const newer = encodeWith({ reasoningEffort: 'high' }, forced, opus46);
    expect(newer.json.additionalModelRequestFields).toBeUndefined();
    expect(newer.json.outputConfig).toEqual({ effort: 'high' });
    expect(newer.codes).toEqual(['dropped_thinking']);
  });

  test('structured output goes together with thinking', () => {
    const value = build.jsonSchemaFormat('answer', { schemaJson: '{"type": "object"}' });
    const responseFormat = build.responseFormat({ case: 'jsonSchema', value });
    const { json, codes } = encodeWith({ reasoningEffort: 'high', responseFormat }, {}, opus47);
    expect(json.outputConfig).toEqual({
      textFormat: {
        type: 'json_schema',
        structure: { jsonSchema: { schema: '{"type": "object"}', name: 'answer' } },
      },
      effort: 'high',
    });
    expect(json.additionalModelRequestFields).toEqual(shown);
    expect(codes).toEqual([]);
  });
});

describe('parameters', () => {
  test.each([
    [
      'json_object',
      build.responseFormat({ case: 'jsonObject', value: { $typeName: 'llmgateway.v1.JsonObjectFormat' } }),
    ],
    [
      "another dialect's form",
      build.responseFormat({ case: 'opaque', value: build.opaque('openai.chat', 'grammar', '{}') }),
    ],
  ])('%s is refused by name', (_what, responseFormat) => {
    expect(refusal(() => encodeWith({ responseFormat })).facts.field).toBe('response_format');
  });

  test('plain text is what it is anyway', () => {
    const responseFormat = build.responseFormat({
      case: 'text',
      value: { $typeName: 'llmgateway.v1.TextFormat' },
    });
    expect(encodeWith({ responseFormat }).json.outputConfig).toBeUndefined();
  });

  test.each([
    [claude, { top_k: 4 }],
    ['mistral.mistral-large-2407-v1:0', { top_k: 4 }],
    ['cohere.command-r-v1:0', { k: 4 }],
    ['amazon.nova-lite-v1:0', { inferenceConfig: { topK: 4 } }],
    ['meta.llama3-3-70b-instruct-v1:0', undefined],
  ])('top_k in the terms of %s', (model, fields) => {
    expect(encodeWith({ topK: 4 }, {}, model).json.additionalModelRequestFields).toEqual(fields);
  });

  test('tiers that Bedrock has are sent, others said to be left out', () => {
    expect(encodeWith({ serviceTier: 'flex' }).json.serviceTier).toEqual({ type: 'flex' });
    expect(encodeWith({ serviceTier: 'auto' })).toMatchObject({ json: { messages: [{}] }, codes: [] });
    expect(encodeWith({ serviceTier: 'scale' }).codes).toEqual(['dropped_service_tier']);
  });

  test('what is not asked for is not sent', () => {
    expect(encodeWith({}).json).toEqual({ messages: [{ role: 'user', content: [{ text: 'Hi' }] }] });
  });
});

test('the same beginning of a conversation is the same bytes, whatever follows', () => {
  const shared = [say(SYSTEM, 'S'), say(USER, 'A', call('1', 'f')), say(ASSISTANT, 'B')];
  const [one, two] = ['C', 'D'].map((text) => encode([...shared, say(USER, text)]).body);
  const at = one!.indexOf('"C"');
  expect(at).toBeGreaterThan(0);
  expect(two!.slice(0, at)).toBe(one!.slice(0, at));
});
