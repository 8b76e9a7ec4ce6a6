import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { ErrorReason } from '../../../gen/llmgateway/v1/error_pb.js';
import { type Part, Role } from '../../../gen/llmgateway/v1/message_pb.js';
import { decodeChatRequest } from '../../../src/codec/openai-chat/decode-request.ts';
import { dialect, type OpenAIChatDialect } from '../../../src/codec/openai-chat/dialect.ts';
import { encodeChatRequest } from '../../../src/codec/openai-chat/encode-request.ts';
import { validateJsonTexts } from '../../../src/codec/openai-chat/json-texts.ts';
import { GatewayError } from '../../../src/errors/gateway-error.ts';
import * as build from '../../../src/model/build.ts';

type Json = Record<string, unknown>;
const hi = [{ role: 'user', content: 'hi' }];
const f = { type: 'function', function: { name: 'f' } };
const request = (more: Json): Json => ({ model: 'm', messages: hi, ...more });

const refused = (json: unknown): GatewayError => {
  try {
    decodeChatRequest(json);
  } catch (error) {
    if (error instanceof GatewayError) return error;
    throw error;
  }
  throw new Error('not refused');
};

const encode = (json: Json, differences: Partial<OpenAIChatDialect> = {}, stream = false) => {
  const { body, warnings } = encodeChatRequest(decodeChatRequest(json).request, {
    model: 'up',
    stream,
    dialect: dialect(differences),
  });
  return {
    body: JSON.parse(body) as Json & { messages: Json[] },
    warnings: warnings.map(({ code }) => code),
  };
};

describe('what is refused, by the name of its field', () => {
  const asked = (...messages: unknown[]): Json => ({ model: 'm', messages });
  const said = (...content: unknown[]): Json => asked({ role: 'user', content });
  const called = (call: Json): Json => asked({ role: 'assistant', tool_calls: [call] });
  test.each<[string, unknown]>([
    ['body', null],
    ['body', []],
    ['model', { messages: hi }],
    ['model', { model: '', messages: hi }],
    ['model', { model: 'x'.repeat(513), messages: hi }],
    ['messages', { model: 'm' }],
    ['messages', { model: 'm', messages: [] }],
    ['messages', { model: 'm', messages: Array.from({ length: 10_001 }, () => hi[0]) }],
    ['messages[1]', asked(hi[0], 7)],
    ['messages[0].role', asked({ role: 'constructor', content: 'x' })],
    ['messages[0].content', asked({ role: 'user' })],
    ['messages[0].content', asked({ role: 'assistant' })],
    ['messages[0].content[0].type', said({})],
    ['messages[0].content[0].text', said({ type: 'text' })],
    [
      'messages[0].content[1].image_url.url',
      said({ type: 'text', text: '' }, { type: 'image_url', image_url: {} }),
    ],
    ['messages[0].content[0].image_url', said({ type: 'image_url', image_url: 'https://x' })],
    ['messages[0].content[0].input_audio.format', said({ type: 'input_audio', input_audio: { data: '' } })],
    ['messages[0].content[0].file', said({ type: 'file', file: {} })],
    ['messages[0].tool_call_id', asked({ role: 'tool', content: 'x' })],
    ['messages[0].name', asked({ role: 'function', content: 'x' })],
    ['messages[0].tool_calls[0].id', called({ type: 'function', function: { name: 'f', arguments: '' } })],
    ['messages[0].tool_calls[0].type', called({ id: 'a', function: { name: 'f', arguments: '' } })],
    ['messages[0].tool_calls[0].function.arguments', called({ id: 'a', ...f })],
    [
      'messages[0].reasoning_details[0].type',
      asked({ role: 'assistant', content: '', reasoning_details: [{}] }),
    ],
    ['temperature', request({ temperature: 2.1 })],
    ['temperature', request({ temperature: '1' })],
    ['top_p', request({ top_p: -0.1 })],
    ['n', request({ n: 129 })],
    ['n', request({ n: 1.5 })],
    ['max_tokens', request({ max_tokens: 0 })],
    ['max_completion_tokens', request({ max_tokens: 1, max_completion_tokens: 2 })],
    ['presence_penalty', request({ presence_penalty: 3 })],
    ['top_logprobs', request({ top_logprobs: 5 })],
    ['top_logprobs', request({ logprobs: true, top_logprobs: 21 })],
    ['logit_bias.5', request({ logit_bias: { 5: 101 } })],
    ['stop', request({ stop: '' })],
    ['stop', request({ stop: Array.from({ length: 65 }, () => 'x') })],
    ['stop[1]', request({ stop: ['a', 1] })],
    ['seed', request({ seed: 2 ** 54 })],
    ['metadata.k', request({ metadata: { k: 'x'.repeat(513) } })],
    ['metadata', request({ metadata: Object.fromEntries(Array.from({ length: 17 }, (_, i) => [i, ''])) })],
    ['tools[0].type', request({ tools: [{}] })],
    ['tools[0].function.name', request({ tools: [{ type: 'function', function: {} }] })],
    ['tools[0].function.parameters', request({ tools: [{ ...f, function: { name: 'f', parameters: [] } }] })],
    ['tools[1].function.name', request({ tools: [f, f] })],
    ['tool_choice', request({ tool_choice: 'any', tools: [f] })],
    ['tool_choice', request({ tool_choice: 'required' })],
    ['tool_choice', request({ tools: [f], tool_choice: { type: 'function', function: { name: 'g' } } })],
    ['response_format.json_schema', request({ response_format: { type: 'json_schema' } })],
    [
      'response_format.json_schema.name',
      request({ response_format: { type: 'json_schema', json_schema: {} } }),
    ],
    ['stream', request({ stream: 'yes' })],
    ['stream_options', request({ stream_options: { include_usage: true } })],
    ['session_id', request({ session_id: 7 })],
    ['gateway_tools[0]', request({ gateway_tools: [''] })],
  ])('%s (%#)', (field, json) => {
    const error = refused(json);
    expect([error.reason, error.facts.field]).toEqual([ErrorReason.INVALID_REQUEST, field]);
    expect(error.rawMessage).toContain(field);
  });

  test('a fifth cache breakpoint', () => {
    const part = { type: 'text', text: 'x', cache_control: { type: 'ephemeral' } };
    expect(refused(said(part, part, part, part, part)).facts.field).toBe(
      'messages[0].content[4].cache_control',
    );
  });

  test('never what the client said', () => {
    expect(refused(request({ temperature: 'a secret' })).rawMessage).not.toContain('secret');
  });
});

describe('what passes', () => {
  test('null is unset', () => {
    const nothing = {
      temperature: null,
      stop: null,
      tools: null,
      tool_choice: null,
      response_format: null,
      user: null,
    };
    expect(
      encode(request({ ...nothing, stream: null, stream_options: null, logit_bias: null })).body,
    ).toEqual({
      ...request({ model: 'up' }),
    });
  });

  test('unknown keys at every level, in their places', () => {
    const json = {
      model: 'up',
      messages: [
        {
          role: 'user',
          content: [
            { type: 'text', text: 'x', a: 1 },
            { type: 'image_url', image_url: { url: 'https://x', detail: 'low', b: 2 }, c: 3 },
            { type: 'novel', d: 4 },
          ],
          e: 5,
        },
        {
          role: 'assistant',
          content: null,
          tool_calls: [{ id: 'i', type: 'function', function: { name: 'f', arguments: '{}', g: 6 }, h: 7 }],
        },
        { role: 'tool', tool_call_id: 'i', content: 'x', j: 8 },
      ],
      tools: [
        { type: 'function', function: { name: 'f', parameters: { b: 1, a: 2 }, k: 9 }, l: 10 },
        { type: 'web', m: 11 },
      ],
      response_format: { type: 'json_schema', json_schema: { name: 's', schema: {}, n: 12 }, o: 13 },
      p: { q: [14] },
    };
    expect(encode(json).body).toEqual(json);
  });

  test('keys that every object has are keys like any other', () => {
    const text =
      '{"model":"up","messages":[{"role":"user","content":"x","__proto__":{"a":1},"constructor":2}],' +
      '"metadata":{"__proto__":"m"},"logit_bias":{"__proto__":1},"toString":3}';
    expect(JSON.stringify(encode(JSON.parse(text)).body)).toContain('"__proto__":{"a":1},"constructor":2');
    expect(encode(JSON.parse(text)).body['metadata']).toEqual(JSON.parse('{"__proto__":"m"}'));
  });

  test('what is asked of the gateway stays here', () => {
    const own = {
      session_id: 's',
      gateway_tools: ['t'],
      tool_approval: true,
      fallbacks: ['x'],
      drop_params: true,
    };
    const json = request({ ...own, force_refresh: true, finish_when_abandoned: true });
    expect(encode(json).body).toEqual(request({ model: 'up' }));
    expect(decodeChatRequest(json).request.options).toMatchObject({
      sessionId: 's',
      gatewayTools: ['t'],
      dropParams: true,
    });
    const choice = { type: 'function', function: { name: 't' } };
    expect(decodeChatRequest({ ...json, tool_choice: choice }).request.toolChoice).toMatchObject({
      name: 't',
    });
  });

  test('legacy functions', () => {
    const json = {
      model: 'up',
      messages: [
        { role: 'assistant', content: null, function_call: { name: 'f', arguments: '{}' } },
        { role: 'function', name: 'f', content: 'x' },
      ],
      functions: [{ name: 'f' }],
      function_call: 'auto',
    };
    expect(encode(json).body).toEqual(json);
  });
});

describe('dialects', () => {
  const thought = [
    {
      role: 'assistant',
      content: null,
      reasoning_content: 'hm',
      tool_calls: [{ id: 'i', ...f, function: { name: 'f', arguments: '{}' } }],
    },
    { role: 'tool', tool_call_id: 'i', content: 'x' },
  ];
  const silent = thought.map(({ reasoning_content: _, ...message }) => message);

  test('reasoning in the history', () => {
    const of = (messages: Json[], differences: Partial<OpenAIChatDialect>) => {
      const { body, warnings } = encode({ model: 'm', messages }, differences);
      return [body.messages[0]?.['reasoning_content'], body.messages[0]?.['reasoning'], warnings];
    };
    expect(of(thought, {})).toEqual([undefined, undefined, ['dropped_reasoning']]);
    expect(of(thought, { historyReasoning: 'send' })).toEqual(['hm', undefined, []]);
    expect(of(thought, { historyReasoning: 'send', reasoningKey: 'reasoning' })).toEqual([
      undefined,
      'hm',
      [],
    ]);
    expect(of(silent, { historyReasoning: 'send' })).toEqual([undefined, undefined, []]);
    expect(of(silent, { historyReasoning: 'required' })).toEqual(['', undefined, []]);
  });

  test('state of reasoning goes where there is a place for it', () => {
    const details = [
      { type: 'reasoning.text', text: 'hm', signature: 's', format: 'anthropic-claude-v1', index: 0 },
    ];
    const json = {
      model: 'm',
      messages: [{ role: 'assistant', content: 'x', reasoning_content: 'hm', reasoning_details: details }],
    };
    const sent = encode(json, { historyReasoning: 'send', reasoningKey: 'reasoning' }).body.messages[0];
    expect(sent).toEqual({ role: 'assistant', content: 'x', reasoning_details: details });
    const { body, warnings } = encode(json, { historyReasoning: 'send' });
    expect([body.messages[0]?.['reasoning_content'], warnings]).toEqual(['hm', ['dropped_reasoning_state']]);
  });

  test.each([
    ['prompt_cache_breakpoint', { prompt_cache_breakpoint: { mode: 'explicit' } }, ['dropped_cache_ttl']],
    ['cache_control', { cache_control: { type: 'ephemeral', ttl: '1h' } }, []],
    ['none', {}, ['dropped_cache_breakpoint']],
  ] as const)('cache marker %s', (cacheMarker, marker, warned) => {
    const part = { type: 'text', text: 'x', cache_control: { type: 'ephemeral', ttl: '1h' } };
    const { body, warnings } = encode(
      { model: 'm', messages: [{ role: 'user', content: [part] }] },
      { cacheMarker },
    );
    expect([body.messages[0]?.['content'], warnings]).toEqual([
      [{ type: 'text', text: 'x', ...marker }],
      warned,
    ]);
  });

  test('names of the limit, the developer, and usage of streams', () => {
    const json = { model: 'm', messages: [{ role: 'developer', content: 'x' }], max_tokens: 5 };
    expect(encode(json).body).toMatchObject({ max_completion_tokens: 5, messages: [{ role: 'developer' }] });
    expect(encode(json, { maxTokens: 'as-given', developerRole: 'system' }).body).toMatchObject({
      max_tokens: 5,
      messages: [{ role: 'system' }],
    });
    expect(encode(json, {}, true).body).toMatchObject({
      stream: true,
      stream_options: { include_usage: true },
    });
    expect(encode(json, { streamUsage: false }, true).body).not.toHaveProperty('stream_options');
  });
});

describe('messages of other dialects', () => {
  const roundOf = (role: Role, parts: Part[], differences: Partial<OpenAIChatDialect> = {}) => {
    const { body, warnings } = encodeChatRequest(build.chatRequest('m', [build.message(role, parts)]), {
      model: 'm',
      stream: false,
      dialect: dialect(differences),
    });
    return { messages: JSON.parse(body).messages as Json[], warnings };
  };
  const result = (id: string, ...parts: Part[]) =>
    build.part({ case: 'toolResult', value: build.toolResult(id, parts) });
  const picture = build.part({
    case: 'image',
    value: build.image({ case: 'data', value: Uint8Array.of(1, 2, 3) }, { mediaType: 'image/png' }),
  });
  const pictured = { type: 'image_url', image_url: { url: 'data:image/png;base64,AQID' } };

  test('tool results in a user message come first, their pictures after the last', () => {
    const parts = [
      build.textPart('and'),
      result('a', build.textPart('1'), picture),
      result('b', build.textPart('2')),
    ];
    expect(roundOf(Role.USER, parts).messages).toEqual([
      { role: 'tool', tool_call_id: 'a', content: '1' },
      { role: 'tool', tool_call_id: 'b', content: '2' },
      { role: 'user', content: [pictured] },
      { role: 'user', content: 'and' },
    ]);
    expect(
      roundOf(Role.TOOL, parts.slice(1), { toolResultMedia: 'inline' }).messages[0]?.['content'],
    ).toEqual([{ type: 'text', text: '1' }, pictured]);
  });

  test('an answer cut into texts is one text', () => {
    const call = build.part({ case: 'toolCall', value: build.toolCall('i', 'f', '{}') });
    expect(roundOf(Role.ASSISTANT, [build.textPart('a'), call, build.textPart('b')]).messages).toEqual([
      {
        role: 'assistant',
        content: 'ab',
        tool_calls: [{ id: 'i', type: 'function', function: { name: 'f', arguments: '{}' } }],
      },
    ]);
  });

  test('what has no place is left out and reported', () => {
    const foreign = build.part({
      case: 'opaque',
      value: build.opaque('anthropic.messages', 'x', '{"type":"x"}'),
    });
    const marked = { ...build.textPart('a'), extras: build.extras('anthropic.messages', '{"k":1}') };
    const { messages, warnings } = roundOf(Role.ASSISTANT, [marked, foreign]);
    expect(messages).toEqual([{ role: 'assistant', content: [{ type: 'text', text: 'a' }] }]);
    expect(warnings.map(({ code }) => code).sort()).toEqual(['dropped_extras', 'dropped_part']);
  });

  const opaque = (type: string) =>
    build.part({ case: 'opaque', value: build.opaque('anthropic.messages', type, '{}') });

  test('a part without counterpart is left out beside others, and refused alone', () => {
    const { messages, warnings } = roundOf(Role.USER, [opaque('x'), build.textPart('a')]);
    expect(messages).toEqual([{ role: 'user', content: [{ type: 'text', text: 'a' }] }]);
    expect(warnings.map(({ code }) => code)).toEqual(['dropped_part']);
    expect(() => roundOf(Role.USER, [opaque('x')])).toThrow("Invalid 'messages[0]'");
    expect(() => roundOf(Role.TOOL, [result('a', opaque('x'))])).toThrow("Invalid 'messages[0]'");
  });

  test('beside a result or a picture nothing stands for what is left out', () => {
    expect(roundOf(Role.USER, [result('a', build.textPart('1')), opaque('x')]).messages).toEqual([
      { role: 'tool', tool_call_id: 'a', content: '1' },
    ]);
    expect(roundOf(Role.TOOL, [result('a', opaque('x'), picture)]).messages).toEqual([
      { role: 'tool', tool_call_id: 'a', content: '' },
      { role: 'user', content: [pictured] },
    ]);
  });

  test('a result of no parts is an empty text', () => {
    const value = build.toolResult('a', [], { multipart: true });
    const empty = build.part({ case: 'toolResult', value });
    for (const toolResultMedia of ['inline', 'user-message'] as const) {
      expect(roundOf(Role.TOOL, [empty], { toolResultMedia }).messages).toEqual([
        { role: 'tool', tool_call_id: 'a', content: '' },
      ]);
    }
  });

  test('an answer of which nothing is left is left out, one with calls is not', () => {
    const call = build.part({ case: 'toolCall', value: build.toolCall('i', 'f', '{}') });
    expect(roundOf(Role.ASSISTANT, [opaque('server_tool_use')]).messages).toEqual([]);
    expect(roundOf(Role.ASSISTANT, [opaque('server_tool_use'), call]).messages).toEqual([
      {
        role: 'assistant',
        content: null,
        tool_calls: [{ id: 'i', type: 'function', function: { name: 'f', arguments: '{}' } }],
      },
    ]);
    const { request: given } = decodeChatRequest(
      request({
        messages: [
          { role: 'assistant', content: [] },
          { role: 'user', content: 'x' },
        ],
      }),
    );
    const { body } = encodeChatRequest(given, { model: 'm', stream: false, dialect: dialect({}) });
    expect(JSON.parse(body).messages).toEqual([{ role: 'user', content: 'x' }]);
  });

  test('citations of another form are left out and reported', () => {
    const value = build.opaque('anthropic.messages', 'char_location', '{"type":"char_location"}');
    const page = build.urlCitation({ url: 'https://u', title: '', startIndex: 0, endIndex: 1 });
    const cited = build.textPart('a', {
      annotations: [
        build.annotation({ case: 'opaque', value }),
        build.annotation({ case: 'urlCitation', value: page }),
      ],
    });
    const { messages, warnings } = roundOf(Role.ASSISTANT, [cited]);
    expect(messages[0]?.['annotations']).toMatchObject([{ type: 'url_citation' }]);
    expect(warnings.map(({ code }) => code)).toEqual(['dropped_annotations']);
  });

  test('what a client says and the form cannot carry is refused', () => {
    const picture = build.part({ case: 'image', value: build.image({ case: 'fileId', value: 'file_1' }) });
    expect(() => roundOf(Role.USER, [picture])).toThrow("Invalid 'messages[0]'");
  });
});

describe('JSON texts that came by RPC', () => {
  const base = () => decodeChatRequest(request({ tools: [f] })).request;
  const extras = (json: string) => build.extras('openai.chat', json);
  test.each<[string, (request: ReturnType<typeof base>) => void]>([
    ['extras.json', (r) => (r.extras = extras('{'))],
    ['extras.json', (r) => (r.extras = extras('[]'))],
    ['extras.json', (r) => (r.extras = extras('{"model":"dearer"}'))],
    ['extras.json', (r) => (r.extras = extras('{"response_format":{}}'))],
    [
      'messages[0].extras.json',
      (r) => ((r.messages[0] as { extras?: unknown }).extras = extras('{"content":"x"}')),
    ],
    ['parameters.audio_json', (r) => (r.parameters = build.parameters({ audioJson: '1' }))],
    [
      'tools[0].function.parameters_json',
      (r) =>
        (r.tools[0] = build.tool({
          case: 'function',
          value: build.functionTool('f', { parametersJson: '{"a"' }),
        })),
    ],
  ])('%s (%#)', (field, change) => {
    const changed = base();
    change(changed);
    expect(() => validateJsonTexts(changed)).toThrow(expect.objectContaining({ facts: { field } }));
  });
});

test('any JSON is understood or refused by name', () => {
  const junk = fc.jsonValue({ maxDepth: 3 });
  const text = fc.oneof({ weight: 12, arbitrary: fc.string({ minLength: 1 }) }, junk);
  /** Mostly unset, so that some requests are sound. */
  const rarely = fc.oneof({ weight: 12, arbitrary: fc.constant(null) }, junk);
  const part = fc.record(
    {
      type: fc.oneof(fc.constantFrom('text', 'image_url', 'input_audio', 'file', 'refusal', 'x'), junk),
      text,
      image_url: junk,
      file: junk,
    },
    { requiredKeys: ['type'] },
  );
  const message = fc.record(
    {
      role: fc.oneof(
        {
          weight: 12,
          arbitrary: fc.constantFrom(
            'system',
            'developer',
            'user',
            'assistant',
            'tool',
            'function',
            '__proto__',
          ),
        },
        junk,
      ),
      content: fc.oneof(text, fc.array(fc.oneof(part, junk), { maxLength: 3 })),
      tool_calls: fc.oneof({ weight: 12, arbitrary: fc.constant(null) }, fc.array(junk, { maxLength: 2 })),
      tool_call_id: text,
      name: text,
      reasoning: text,
      reasoning_details: fc.oneof(
        { weight: 12, arbitrary: fc.constant(null) },
        fc.array(junk, { maxLength: 2 }),
      ),
      annotations: rarely,
      audio: rarely,
    },
    { requiredKeys: ['role', 'content'] },
  );
  const any = fc.oneof(
    fc.record(
      {
        model: fc.constant('m'),
        messages: fc.oneof({ weight: 6, arbitrary: fc.array(message, { minLength: 1, maxLength: 3 }) }, junk),
        tools: rarely,
        tool_choice: rarely,
        response_format: rarely,
        temperature: rarely,
        stop: rarely,
        metadata: rarely,
        stream: rarely,
        stream_options: rarely,
        x: junk,
      },
      { requiredKeys: ['model', 'messages'] },
    ),
    junk,
  );
  let understood = 0;
  fc.assert(
    fc.property(any, (json) => {
      try {
        const { request } = decodeChatRequest(JSON.parse(JSON.stringify(json)));
        understood++;
        const options = {
          model: 'm',
          stream: true,
          dialect: dialect({ historyReasoning: 'required', reasoningKey: 'reasoning' }),
        };
        JSON.parse(encodeChatRequest(request, options).body);
      } catch (error) {
        if (!(error instanceof GatewayError)) throw error;
        expect([error.status, error.facts.field !== '' && error.facts.field !== undefined]).toEqual([
          400,
          true,
        ]);
      }
    }),
    { numRuns: 10_000 },
  );
  expect(understood).toBeGreaterThan(100);
});

test('nesting without end is no fault of the gateway', () => {
  const deep = (n: number) =>
    JSON.parse(
      `{"model":"m","messages":[{"role":"user","content":"x"}],"x":${'['.repeat(n)}${']'.repeat(n)}}`,
    );
  try {
    decodeChatRequest(deep(300_000));
  } catch (error) {
    expect(error).toMatchObject({ reason: ErrorReason.INVALID_REQUEST, facts: { field: 'x' } });
  }
});

test('an answer without content may come back in the history', () => {
  const { request } = decodeChatRequest({
    model: 'm',
    messages: [
      { role: 'user', content: 'x' },
      { role: 'assistant', content: null },
    ],
  });
  const { body } = encodeChatRequest(request, { model: 'm', stream: false, dialect: dialect({}) });
  expect(JSON.parse(body).messages[1]).toEqual({ role: 'assistant', content: '' });
});
