import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { ErrorReason } from '../../../gen/llmgateway/v1/error_pb.js';
import { ToolChoice_Mode } from '../../../gen/llmgateway/v1/generation_pb.js';
import { type Part, Role } from '../../../gen/llmgateway/v1/message_pb.js';
import { decodeMessagesRequest } from '../../../src/codec/anthropic-messages/decode-request.ts';
import { GatewayError } from '../../../src/errors/gateway-error.ts';
import * as build from '../../../src/model/build.ts';

const dialect = 'anthropic.messages';
const hello = { role: 'user', content: 'Hello' };
const minimal = { model: 'm', max_tokens: 10, messages: [hello] };

const decode = (more: Record<string, unknown>, options = {}) =>
  decodeMessagesRequest({ ...minimal, ...more }, options).request;

/** The parts of a user's message with these blocks. */
const partsOf = (...content: unknown[]): Part[] =>
  decode({ messages: [{ role: 'user', content }] }).messages[0]?.parts ?? [];

const own = (json: unknown) => build.extras(dialect, JSON.stringify(json));
const opaque = (json: { type: string }, said = '') =>
  build.part({ case: 'opaque', value: build.opaque(dialect, json.type, JSON.stringify(json), said) });

/** What a request is refused with. */
function refusal(json: unknown): { field: string | undefined; message: string } {
  try {
    decodeMessagesRequest(json);
  } catch (error) {
    if (!(error instanceof GatewayError)) throw error;
    expect(error.reason).toBe(ErrorReason.INVALID_REQUEST);
    return { field: error.facts.field, message: error.rawMessage };
  }
  throw new Error('expected a refusal');
}

describe('messages', () => {
  test('text is a part, a list of texts is one too, and is remembered to have been a list', () => {
    const { messages } = decode({
      messages: [hello, { role: 'assistant', content: [{ type: 'text', text: 'Hi' }] }],
    });
    expect(messages).toEqual([
      build.message(Role.USER, [build.textPart('Hello')]),
      build.message(Role.ASSISTANT, [build.textPart('Hi')], { multipart: true }),
    ]);
  });

  test('instructions are the first message; later ones stay in their place', () => {
    const { messages } = decode({
      system: [{ type: 'text', text: 'Be brief.', cache_control: { type: 'ephemeral', ttl: '1h' } }],
      messages: [hello, { role: 'system', content: 'Be kind.' }],
    });
    const first = build.part(
      { case: 'text', value: build.text('Be brief.') },
      { cacheBreakpoint: build.cacheBreakpoint('1h') },
    );
    expect(messages).toEqual([
      build.message(Role.SYSTEM, [first], { multipart: true }),
      build.message(Role.USER, [build.textPart('Hello')]),
      build.message(Role.SYSTEM, [build.textPart('Be kind.')]),
    ]);
    expect(decode({ system: 'Be brief.' }).messages[0]).toEqual(
      build.message(Role.SYSTEM, [build.textPart('Be brief.')]),
    );
  });

  test('results of tools keep their place in the user message and learn the name of the tool', () => {
    const { messages } = decode({
      messages: [
        hello,
        {
          role: 'assistant',
          content: [
            { type: 'tool_use', id: 't1', name: 'add', input: { b: 1, a: 2 }, caller: { type: 'direct' } },
          ],
        },
        {
          role: 'user',
          content: [
            { type: 'tool_result', tool_use_id: 't1', content: '3' },
            {
              type: 'tool_result',
              tool_use_id: 't1',
              is_error: true,
              content: [{ type: 'text', text: 'no' }],
            },
            { type: 'tool_result', tool_use_id: 't2' },
            { type: 'text', text: 'And?' },
          ],
        },
      ],
    });
    const result = (value: ReturnType<typeof build.toolResult>) => build.part({ case: 'toolResult', value });
    expect(messages[1]).toEqual(
      build.message(Role.ASSISTANT, [
        build.part(
          { case: 'toolCall', value: build.toolCall('t1', 'add', '{"b":1,"a":2}') },
          { extras: own({ caller: { type: 'direct' } }) },
        ),
      ]),
    );
    expect(messages[2]).toEqual(
      build.message(Role.USER, [
        result(build.toolResult('t1', [build.textPart('3')], { name: 'add' })),
        result(
          build.toolResult('t1', [build.textPart('no')], { name: 'add', isError: true, multipart: true }),
        ),
        result(build.toolResult('t2', [])),
        build.textPart('And?'),
      ]),
    );
  });

  test('pictures and documents', () => {
    expect(
      partsOf(
        { type: 'image', source: { type: 'base64', media_type: 'image/png', data: 'AAAA' } },
        { type: 'image', source: { type: 'url', url: 'https://example.com/a.png' } },
        { type: 'image', source: { type: 'file', file_id: 'file_1' } },
        { type: 'document', source: { type: 'text', media_type: 'text/plain', data: 'Once' }, title: 'Tale' },
        {
          type: 'document',
          source: { type: 'base64', media_type: 'application/pdf', data: 'BBBB' },
          context: 'old',
          citations: { enabled: true },
        },
        { type: 'document', source: { type: 'content', content: 'Inline' } },
      ),
    ).toEqual([
      build.part({
        case: 'image',
        value: build.image({ case: 'url', value: 'data:image/png;base64,AAAA' }),
      }),
      build.part({ case: 'image', value: build.image({ case: 'url', value: 'https://example.com/a.png' }) }),
      build.part({ case: 'image', value: build.image({ case: 'fileId', value: 'file_1' }) }),
      build.part({
        case: 'file',
        value: build.file({ case: 'text', value: 'Once' }, { filename: 'Tale', mediaType: 'text/plain' }),
      }),
      build.part(
        { case: 'file', value: build.file({ case: 'url', value: 'data:application/pdf;base64,BBBB' }) },
        { extras: own({ context: 'old', citations: { enabled: true } }) },
      ),
      opaque(
        { type: 'document', source: { type: 'content', content: 'Inline' } } as { type: string },
        'Inline',
      ),
    ]);
  });

  test('thoughts keep their signature byte for byte, and whose it is', () => {
    const reasoning = (text: string, more: object) =>
      build.part({ case: 'reasoning', value: build.reasoning(text, more) });
    expect(
      partsOf(
        { type: 'thinking', thinking: 'Hm', signature: 's+/=' },
        { type: 'thinking', thinking: '', signature: 'empty' },
        { type: 'thinking', thinking: 'foreign', signature: '' },
        { type: 'redacted_thinking', data: 'zz' },
      ),
    ).toEqual([
      reasoning('Hm', { signature: 's+/=', format: 'anthropic-claude-v1' }),
      reasoning('', { signature: 'empty', format: 'anthropic-claude-v1' }),
      reasoning('foreign', {}),
      reasoning('', { encrypted: 'zz', format: 'anthropic-claude-v1' }),
    ]);
  });

  test('blocks of kinds that only Anthropic has are kept whole', () => {
    const blocks = [
      { type: 'server_tool_use', id: 's', name: 'web_search', input: { query: 'x' } },
      { type: 'container_upload', file_id: 'f', cache_control: { type: 'ephemeral' } },
      { type: 'tomorrow', 1: 2 },
    ];
    expect(partsOf(...blocks)).toEqual(blocks.map((block) => opaque(block)));
  });

  test('and with what they say in plain text, and its cache marker', () => {
    const block = {
      type: 'search_result',
      source: 'https://a',
      title: 'b',
      content: [{ type: 'text', text: 'c' }],
      cache_control: { type: 'ephemeral', ttl: '1h' },
    };
    expect(partsOf(block)).toEqual([
      { ...opaque(block, 'b\nhttps://a\nc'), cacheBreakpoint: build.cacheBreakpoint('1h') },
    ]);
  });

  test('citations of an earlier answer', () => {
    const page = {
      type: 'web_search_result_location',
      url: 'https://a',
      title: 'A',
      encrypted_index: 'e',
      cited_text: 'c',
    };
    const char = { type: 'char_location', document_index: 0, cited_text: 'x' };
    const [part] = partsOf({ type: 'text', text: 'T', citations: [page, char] });
    expect(part?.content).toMatchObject({
      case: 'text',
      value: {
        annotations: [
          {
            kind: { case: 'urlCitation', value: { url: 'https://a', title: 'A' } },
            extras: own({ encrypted_index: 'e', cited_text: 'c' }),
          },
          { kind: { case: 'opaque', value: { type: 'char_location', json: JSON.stringify(char) } } },
        ],
      },
    });
  });
});

describe('tools', () => {
  const schema = { type: 'object', properties: { z: {}, a: {} } };
  const tools = [
    { name: 'add', description: 'Adds', input_schema: schema, strict: true },
    {
      type: 'custom',
      name: 'sub',
      input_schema: {},
      defer_loading: true,
      cache_control: { type: 'ephemeral' },
    },
    { type: 'web_search_20250305', name: 'web_search', max_uses: 2 },
  ];

  test('functions keep their schema as it was written, others are kept whole', () => {
    expect(decode({ tools }).tools).toEqual([
      build.tool({
        case: 'function',
        value: build.functionTool('add', {
          description: 'Adds',
          parametersJson: JSON.stringify(schema),
          strict: true,
        }),
      }),
      build.tool(
        { case: 'function', value: build.functionTool('sub', { parametersJson: '{}' }) },
        { cacheBreakpoint: build.cacheBreakpoint(), extras: own({ type: 'custom', defer_loading: true }) },
      ),
      build.tool({
        case: 'hosted',
        value: build.opaque(dialect, 'web_search_20250305', JSON.stringify(tools[2])),
      }),
    ]);
  });

  test.each([
    [{ type: 'auto' }, build.toolChoice(ToolChoice_Mode.AUTO), undefined],
    [{ type: 'any', disable_parallel_tool_use: true }, build.toolChoice(ToolChoice_Mode.REQUIRED), false],
    [
      { type: 'tool', name: 'sub', disable_parallel_tool_use: false },
      build.toolChoice(ToolChoice_Mode.NAMED, { name: 'sub' }),
      true,
    ],
    [
      { type: 'tool', name: 'web_search' },
      build.toolChoice(ToolChoice_Mode.NAMED, { name: 'web_search' }),
      undefined,
    ],
    [{ type: 'none' }, build.toolChoice(ToolChoice_Mode.NONE), undefined],
  ])('choice %j', (toolChoice, expected, parallel) => {
    const request = decode({ tools, tool_choice: toolChoice });
    expect(request.toolChoice).toEqual(expected);
    expect(request.parameters?.parallelToolCalls).toBe(parallel);
    expect(request.extras).toBeUndefined();
  });

  test('a choice of a kind that is not known is kept', () => {
    const request = decode({ tools, tool_choice: { type: 'some', of: 2 } });
    expect([request.toolChoice, request.extras]).toEqual([
      undefined,
      own({ tool_choice: { type: 'some', of: 2 } }),
    ]);
  });
});

describe('parameters', () => {
  const parametersOf = (more: Record<string, unknown>) => {
    const { parameters, extras } = decode(more);
    const { maxOutputTokens: _, $typeName: __, ...rest } = parameters ?? build.parameters();
    const empty: Record<string, unknown> = build.parameters();
    const set = Object.entries(rest).filter(
      ([key, value]) => JSON.stringify(value) !== JSON.stringify(empty[key]),
    );
    return [Object.fromEntries(set), extras === undefined ? {} : JSON.parse(extras.json)];
  };
  const long = `user_${'0'.repeat(64)}`;
  const format = { type: 'json_schema', schema: { type: 'object' } };
  const schemaFormat = build.responseFormat({
    case: 'jsonSchema',
    value: build.jsonSchemaFormat('response', { schemaJson: '{"type":"object"}' }),
  });

  test.each<[Record<string, unknown>, Record<string, unknown>, Record<string, unknown>]>([
    [
      { temperature: 0, top_p: 0.5, top_k: 3, stop_sequences: ['a', 'b'] },
      { temperature: 0, topP: 0.5, topK: 3, stop: ['a', 'b'] },
      {},
    ],
    [{ temperature: null, stop_sequences: null, thinking: null }, {}, {}],
    [{ service_tier: 'auto' }, { serviceTier: 'auto' }, {}],
    [{ service_tier: 'standard_only' }, { serviceTier: 'default' }, {}],
    [{ metadata: { user_id: 'me', team: 'x' } }, { user: 'me' }, { metadata: { team: 'x' } }],
    // OpenAI refuses a user of more than 64 characters.
    [{ metadata: { user_id: long } }, {}, { metadata: { user_id: long } }],
    [{ thinking: { type: 'enabled', budget_tokens: 2048 } }, { reasoningBudgetTokens: 2048 }, {}],
    [
      { thinking: { type: 'enabled', budget_tokens: 2048, display: 'omitted' } },
      { reasoningBudgetTokens: 2048 },
      { thinking: { display: 'omitted' } },
    ],
    [{ thinking: { type: 'disabled' } }, { reasoningEffort: 'none' }, {}],
    [
      { output_config: { effort: 'low' }, thinking: { type: 'disabled' } },
      { reasoningEffort: 'none' },
      { output_config: { effort: 'low' } },
    ],
    [
      { thinking: { type: 'adaptive' }, output_config: { effort: 'max' } },
      { reasoningEffort: 'max' },
      { thinking: { type: 'adaptive' }, output_config: { effort: 'max' } },
    ],
    [{ output_config: { format } }, { responseFormat: schemaFormat }, {}],
    [{ output_format: format }, { responseFormat: schemaFormat }, { output_format: format }],
    [
      { output_config: { format: { ...format, more: 1 }, new: 2 } },
      { responseFormat: schemaFormat },
      { output_config: { format: { more: 1 }, new: 2 } },
    ],
    [
      { container: 'c', mcp_servers: [], context_management: { edits: [] }, speed: 'fast' },
      {},
      { container: 'c', mcp_servers: [], context_management: { edits: [] }, speed: 'fast' },
    ],
    [{ max_tokens: 0 }, {}, { max_tokens: 0 }],
  ])('%j', (more, expected, extras) => {
    expect(parametersOf(more)).toEqual([expected, extras]);
  });

  test('the limit of the answer, the betas of the header, and what is asked of the gateway', () => {
    const request = decode({ drop_params: true, anthropic_beta: ['body'] }, { betas: ['a', 'b'] });
    expect(request.parameters?.maxOutputTokens).toBe(10);
    expect(request.options?.dropParams).toBe(true);
    expect(request.extras).toEqual(own({ anthropic_beta: ['a', 'b'] }));
  });

  test('a count needs no limit of the answer', () => {
    const body = { model: 'm', messages: [hello] };
    expect(refusal(body)).toEqual({ field: 'max_tokens', message: 'max_tokens: Field required' });
    expect(decodeMessagesRequest(body, { counting: true }).request.parameters).toBeUndefined();
  });

  test('stream', () => {
    expect(decodeMessagesRequest(minimal).stream).toBe(false);
    expect(decodeMessagesRequest({ ...minimal, stream: true }).stream).toBe(true);
  });
});

describe('a wrong request is told its field', () => {
  const user = (content: unknown) => ({ ...minimal, messages: [{ role: 'user', content }] });
  const marked = { type: 'text', text: 'x', cache_control: { type: 'ephemeral' } };
  test.each<[unknown, string]>([
    [null, 'body'],
    [[], 'body'],
    [{ ...minimal, model: '' }, 'model'],
    [{ ...minimal, messages: {} }, 'messages'],
    [{ ...minimal, messages: [] }, 'messages'],
    [{ ...minimal, messages: ['x'] }, 'messages[0]'],
    [{ ...minimal, messages: [{ role: 'tool', content: 'x' }] }, 'messages[0].role'],
    [{ ...minimal, messages: [{ content: 'x' }] }, 'messages[0].role'],
    [user(undefined), 'messages[0].content'],
    [user([1]), 'messages[0].content[0]'],
    [user([{}]), 'messages[0].content[0].type'],
    [user([{ type: 'text' }]), 'messages[0].content[0].text'],
    [user([{ type: 'text', text: 'x', citations: {} }]), 'messages[0].content[0].citations'],
    [user([{ type: 'image' }]), 'messages[0].content[0].source'],
    [
      user([{ type: 'image', source: { type: 'base64', data: '' } }]),
      'messages[0].content[0].source.media_type',
    ],
    [
      user([{ type: 'image', source: { type: 'base64', media_type: 'a/b;c=d', data: '' } }]),
      'messages[0].content[0].source.media_type',
    ],
    [
      user([{ type: 'document', source: { type: 'base64', media_type: 'a/b' } }]),
      'messages[0].content[0].source.data',
    ],
    [user([{ type: 'tool_use', id: 'a', name: 'b' }]), 'messages[0].content[0].input'],
    [user([{ type: 'tool_use', id: 'a', name: 'b', input: '{}' }]), 'messages[0].content[0].input'],
    [user([{ type: 'tool_result', content: 'x' }]), 'messages[0].content[0].tool_use_id'],
    [
      user([{ type: 'tool_result', tool_use_id: 'a', content: [{ type: 'text' }] }]),
      'messages[0].content[0].content[0].text',
    ],
    [user([{ type: 'tool_result', tool_use_id: 'a', is_error: 1 }]), 'messages[0].content[0].is_error'],
    [user([{ type: 'thinking' }]), 'messages[0].content[0].thinking'],
    [user([{ type: 'redacted_thinking', data: '' }]), 'messages[0].content[0].data'],
    [user([marked, marked, marked, marked, marked]), 'messages[0].content[4].cache_control'],
    [{ ...minimal, system: 1 }, 'system'],
    [{ ...minimal, system: [{ type: 'text' }] }, 'system[0].text'],
    [{ ...minimal, max_tokens: '1' }, 'max_tokens'],
    [{ ...minimal, max_tokens: 1.5 }, 'max_tokens'],
    [{ ...minimal, temperature: 'hot' }, 'temperature'],
    [{ ...minimal, stop_sequences: 'x' }, 'stop_sequences'],
    [{ ...minimal, stop_sequences: [''] }, 'stop_sequences[0]'],
    [{ ...minimal, thinking: { type: 'enabled' } }, 'thinking.budget_tokens'],
    [{ ...minimal, thinking: {} }, 'thinking.type'],
    [{ ...minimal, output_config: { effort: 3 } }, 'output_config.effort'],
    [{ ...minimal, output_config: { format: { type: 'json_schema' } } }, 'output_config.format.schema'],
    [{ ...minimal, metadata: { user_id: 3 } }, 'metadata.user_id'],
    [{ ...minimal, tools: {} }, 'tools'],
    [{ ...minimal, tools: [{ name: 'a' }] }, 'tools[0].input_schema'],
    [{ ...minimal, tools: [{ input_schema: {} }] }, 'tools[0].name'],
    [{ ...minimal, tool_choice: { type: 'any' } }, 'tool_choice'],
    [{ ...minimal, tool_choice: 'auto' }, 'tool_choice'],
    [
      { ...minimal, tools: [{ name: 'a', input_schema: {} }], tool_choice: { type: 'tool', name: 'b' } },
      'tool_choice.name',
    ],
    [{ ...minimal, stream: 'yes' }, 'stream'],
    [{ ...minimal, session_id: 3 }, 'session_id'],
    [{ ...minimal, messages: Array(10_001).fill(hello) }, 'messages'],
    [{ ...minimal, tools: Array(1_025).fill({ name: 'a', input_schema: {} }) }, 'tools'],
  ])('%#', (json, field) => {
    expect(refusal(json).field).toBe(field);
  });
});

test('any JSON is understood or refused with a field', () => {
  const key = fc.constantFrom(
    ...['model', 'messages', 'system', 'tools', 'tool_choice', 'thinking', 'output_config', 'metadata'],
    ...['role', 'content', 'type', 'text', 'source', 'input', 'id', 'name', 'tool_use_id', 'citations'],
    ...['input_schema', 'cache_control', 'data', 'media_type', 'url', 'signature', '__proto__', 'max_tokens'],
  );
  const word = fc.constantFrom(
    ...['user', 'assistant', 'system', 'text', 'image', 'document', 'tool_use', 'tool_result', 'thinking'],
    ...['redacted_thinking', 'base64', 'ephemeral', 'auto', 'any', 'tool', 'enabled', 'json_schema', 'm', ''],
  );
  const { value } = fc.letrec((tie) => ({
    value: fc.oneof(
      { depthSize: 'small', withCrossShrink: true },
      word,
      fc.constantFrom(null, true, 0, -1, 1.5, 1e21),
      fc.array(tie('value'), { maxLength: 4 }),
      fc.dictionary(key, tie('value'), { maxKeys: 6 }),
    ),
  }));
  const seldom = fc.oneof({ weight: 9, arbitrary: fc.constant(null) }, value);
  const block = fc.record(
    { type: word, text: value, source: value, id: word, name: word, input: value, content: value },
    { requiredKeys: ['type'] },
  );
  const body = fc.oneof(
    value,
    fc.record(
      {
        model: fc.constantFrom('m', 'm', 'm', ''),
        max_tokens: fc.constantFrom(1, 1, 1, 0, null, 'x'),
        system: seldom,
        messages: fc.array(
          fc.record({
            role: fc.oneof({ weight: 5, arbitrary: fc.constantFrom('user', 'assistant') }, word),
            content: fc.oneof(fc.array(block, { maxLength: 3 }), word, value),
          }),
          { maxLength: 3 },
        ),
        tools: seldom,
        tool_choice: seldom,
        thinking: seldom,
        output_config: seldom,
        metadata: seldom,
      },
      { requiredKeys: ['model', 'messages', 'max_tokens'] },
    ),
  );
  let understood = 0;
  fc.assert(
    fc.property(body, (json) => {
      try {
        decodeMessagesRequest(JSON.parse(JSON.stringify(json) ?? 'null'));
        understood++;
      } catch (error) {
        expect(error).toBeInstanceOf(GatewayError);
        expect((error as GatewayError).reason).toBe(ErrorReason.INVALID_REQUEST);
        expect((error as GatewayError).facts.field).toMatch(/./);
      }
    }),
    { numRuns: 5_000, seed: 7 },
  );
  expect(understood).toBeGreaterThan(100);
});

test('values nested however deeply are kept or refused, and exhaust nothing', () => {
  const deep = JSON.parse(`${'['.repeat(100_000)}${']'.repeat(100_000)}`);
  for (const body of [
    { ...minimal, unknown: deep },
    { ...minimal, metadata: { deep } },
    { ...minimal, thinking: { type: 'new', deep } },
    { ...minimal, tools: [{ name: 'a', input_schema: { deep } }] },
    { ...minimal, messages: [{ role: 'user', content: [{ type: 'new', deep }] }] },
    {
      ...minimal,
      messages: [{ role: 'user', content: [{ type: 'text', text: 'x', citations: [{ deep }] }] }],
    },
  ]) {
    try {
      decodeMessagesRequest(body);
    } catch (error) {
      expect(error).toBeInstanceOf(GatewayError);
    }
  }
});

test('a result within a result is refused', () => {
  let content: unknown = 'x';
  for (let i = 0; i < 20_000; i++) content = [{ type: 'tool_result', tool_use_id: 'a', content }];
  expect(refusal({ ...minimal, messages: [{ role: 'user', content }] }).field).toBe(
    'messages[0].content[0].content[0].type',
  );
});
