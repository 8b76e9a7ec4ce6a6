import type Anthropic from '@anthropic-ai/sdk';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type Part, Role } from '../../../gen/llmgateway/v1/message_pb.js';
import { GatewayError } from '../../../src/errors/gateway-error.ts';
import * as build from '../../../src/model/build.ts';
import {
  asked,
  blocksOf,
  call,
  f,
  ofChat,
  ofMessages,
  refused,
  text,
  user,
  written,
} from './support/written.ts';

describe('a chat', () => {
  test('becomes what Anthropic takes', () => {
    const { body, warnings } = ofChat(
      {
        messages: [
          { role: 'system', content: 'Be brief.' },
          { role: 'user', content: 'hi' },
          { role: 'assistant', content: null, tool_calls: [call('c1', '{"a": 1}')] },
          { role: 'tool', tool_call_id: 'c1', content: '42' },
        ],
        tools: [f],
        tool_choice: 'auto',
        max_completion_tokens: 50,
        temperature: 0.5,
        stop: ['END'],
        user: 'me',
      },
      { stream: true },
    );
    expect(body).toEqual({
      model: 'claude-sonnet-4-5',
      max_tokens: 50,
      system: 'Be brief.',
      tools: [{ name: 'f', input_schema: { type: 'object' } }],
      tool_choice: { type: 'auto' },
      temperature: 0.5,
      stop_sequences: ['END'],
      metadata: { user_id: 'me' },
      stream: true,
      messages: [
        { role: 'user', content: 'hi' },
        { role: 'assistant', content: [{ type: 'tool_use', id: 'c1', name: 'f', input: { a: 1 } }] },
        { role: 'user', content: [{ type: 'tool_result', tool_use_id: 'c1', content: '42' }] },
      ],
    } satisfies Anthropic.MessageCreateParams & { temperature: number });
    expect(warnings).toEqual([]);
  });

  test('keeps schemas and arguments byte for byte', () => {
    const parametersJson = '{ "type":"object", "properties":{"z":{},"a":{}} }';
    const args = '{ "z": 1.0, "a": 1e2 }';
    const { text: body } = written(
      build.chatRequest(
        'm',
        [
          build.message(Role.ASSISTANT, [
            build.part({ case: 'toolCall', value: build.toolCall('c', 'f', args) }),
          ]),
        ],
        {
          tools: [build.tool({ case: 'function', value: build.functionTool('f', { parametersJson }) })],
        },
      ),
    );
    expect(body).toContain(`"input_schema":${parametersJson}`);
    expect(body).toContain(`"input":${args}`);
  });
});

describe('instructions', () => {
  const system = (content: unknown, role = 'system') => ({ role, content });

  test('at the beginning are blocks when there are several, or one was a list', () => {
    const several = ofChat({ messages: [system('a'), system('b', 'developer'), asked] });
    expect(several.body.system).toEqual([
      { type: 'text', text: 'a' },
      { type: 'text', text: 'b' },
    ]);
    const list = ofChat({ messages: [system([{ type: 'text', text: 'a' }]), asked] });
    expect(list.body.system).toEqual([{ type: 'text', text: 'a' }]);
  });

  test('with keys of their own lose these, which is told', () => {
    const odd = (content: string) => ({ ...system(content), x: 1 });
    expect(ofChat({ messages: [odd('a'), asked] }).warnings).toEqual(['dropped_extras']);
    expect(ofChat({ messages: [asked, odd('b')] }, { model: 'claude-3-opus' }).warnings).toContain(
      'dropped_extras',
    );
    const own = build.message(Role.SYSTEM, [text('a')], {
      extras: build.extras('anthropic.messages', '{"x":1}'),
    });
    expect(ofMessages(own, user(text('hi'))).warnings).toEqual(['dropped_extras']);
    const { body } = written(build.chatRequest('m', [user(text('hi')), own]), { model: 'claude-opus-5' });
    expect(body.messages[1]).toEqual({ role: 'system', content: 'a', x: 1 });
  });

  test('alone are what the user says', () => {
    const { body, warnings } = ofChat({ messages: [system('a')] });
    expect(body.system).toBeUndefined();
    expect(body.messages).toEqual([{ role: 'user', content: [{ type: 'text', text: 'a' }] }]);
    expect(warnings).toEqual(['system_as_user']);
  });

  const later = [asked, system('b'), { role: 'assistant', content: 'yes' }, asked, system('c')];

  test('stay in their place with models that take them there', () => {
    const { body, warnings } = ofChat({ messages: later }, { model: 'claude-opus-4-8' });
    expect(body.messages.map(({ role, content }) => [role, content])).toEqual([
      ['user', 'hi'],
      ['system', 'b'],
      ['assistant', 'yes'],
      ['user', 'hi'],
      ['system', 'c'],
    ]);
    expect(warnings).toEqual([]);
  });

  test('are what the user says with others', () => {
    const { body, warnings, fields } = ofChat({ messages: later }, { model: 'claude-opus-4-6' });
    expect(body.messages.map(({ role }) => role)).toEqual(['user', 'user', 'assistant', 'user', 'user']);
    expect(body.messages[1]?.content).toEqual([{ type: 'text', text: 'b' }]);
    expect(warnings).toEqual(['system_as_user']);
    expect(fields).toEqual(['messages[1]']);
  });

  test.each([
    ['after an answer', [asked, { role: 'assistant', content: 'yes' }, system('b'), asked]],
    ['after an answer, at the end', [asked, { role: 'assistant', content: 'yes' }, system('b')]],
    ['before the user', [asked, system('b'), asked]],
  ])('%s have no place of their own', (_where, messages) => {
    const { body, warnings } = ofChat({ messages }, { model: 'claude-opus-5' });
    expect(body.messages.some(({ role }) => role === 'system')).toBe(false);
    expect(JSON.stringify(body.messages)).toContain('"b"');
    expect(warnings).toEqual(['system_as_user']);
  });

  test('that follow each other are one', () => {
    const { body } = ofChat({ messages: [asked, system('b'), system('c')] }, { model: 'claude-opus-5' });
    expect(body.messages[1]).toEqual({
      role: 'system',
      content: [
        { type: 'text', text: 'b' },
        { type: 'text', text: 'c' },
      ],
    });
  });

  test('do not come between a call and its result', () => {
    const { body } = ofChat({
      messages: [
        asked,
        { role: 'assistant', content: null, tool_calls: [call('c1')] },
        system('b'),
        { role: 'tool', tool_call_id: 'c1', content: '1' },
      ],
    });
    expect(body.messages.at(-1)?.content).toMatchObject([
      { type: 'tool_result' },
      { type: 'text', text: 'b' },
    ]);
  });
});

describe('results of tools', () => {
  const results = (...ids: string[]) => ids.map((id) => ({ role: 'tool', tool_call_id: id, content: id }));
  const calls = (...ids: string[]) => ({
    role: 'assistant',
    content: null,
    tool_calls: ids.map((id) => call(id)),
  });

  test('are one message with what the user says next, and come first', () => {
    const { body } = ofChat({
      messages: [asked, calls('a', 'b'), ...results('a', 'b'), { role: 'user', content: 'and?' }],
    });
    expect(body.messages).toHaveLength(3);
    expect(body.messages[2]).toEqual({
      role: 'user',
      content: [
        { type: 'tool_result', tool_use_id: 'a', content: 'a' },
        { type: 'tool_result', tool_use_id: 'b', content: 'b' },
        { type: 'text', text: 'and?' },
      ],
    });
  });

  test('of different turns stay apart', () => {
    const { body } = ofChat({ messages: [asked, calls('a'), ...results('a'), calls('b'), ...results('b')] });
    expect(body.messages.map(({ role }) => role)).toEqual(['user', 'assistant', 'user', 'assistant', 'user']);
  });

  test('have pictures within', () => {
    const picture = build.part({
      case: 'image',
      value: build.image({ case: 'url', value: 'data:image/png;base64,AA==' }),
    });
    const value = build.toolResult('a', [text('Look:'), picture], { isError: true });
    const { body } = ofMessages(build.message(Role.TOOL, [build.part({ case: 'toolResult', value })]));
    expect(body.messages[0]?.content).toEqual([
      {
        type: 'tool_result',
        tool_use_id: 'a',
        is_error: true,
        content: [
          { type: 'text', text: 'Look:' },
          { type: 'image', source: { type: 'base64', media_type: 'image/png', data: 'AA==' } },
        ],
      },
    ]);
  });

  test('have ids that Anthropic takes, the same as their calls', () => {
    const { body } = ofChat({
      messages: [
        asked,
        calls('functions.f:0', 'functions.f_0'),
        ...results('functions.f:0', 'functions.f_0'),
      ],
    });
    const ids = blocksOf(body, 1).map(({ id }) => id);
    for (const id of ids) expect(id).toMatch(/^[\w-]+$/);
    expect(new Set(ids).size).toBe(2);
    expect(blocksOf(body, 2).map((block) => block['tool_use_id'])).toEqual(ids);
  });

  test('of the legacy kind are refused, because they have no id', () => {
    const messages = [asked, { role: 'function', name: 'f', content: 'x' }];
    expect(refused(() => ofChat({ messages })).facts.field).toBe('messages[1].role');
  });
});

describe('calls of tools in the history', () => {
  test.each([
    ['', {}, []],
    [' ', {}, []],
    ['{"a":', { invalid_arguments: '{"a":' }, ['wrapped_arguments']],
    ['[1]', { invalid_arguments: '[1]' }, ['wrapped_arguments']],
  ])('arguments %j', (args, input, codes) => {
    const { body, warnings } = ofChat({
      messages: [asked, { role: 'assistant', content: '', tool_calls: [call('c', args)] }, asked],
    });
    expect(body.messages[1]?.content).toEqual([{ type: 'tool_use', id: 'c', name: 'f', input }]);
    expect(warnings).toEqual(codes);
  });

  test('the free text of a custom tool is a member', () => {
    const custom = { id: 'c', type: 'custom', custom: { name: 'f', input: 'x' } };
    const { body, warnings } = ofChat({
      messages: [asked, { role: 'assistant', content: null, tool_calls: [custom] }, asked],
    });
    expect(body.messages[1]?.content).toMatchObject([{ input: { input: 'x' } }]);
    expect(warnings).toEqual(['wrapped_arguments']);
  });
});

describe('reasoning in the history', () => {
  const thought = (more: object) => build.part({ case: 'reasoning', value: build.reasoning('Hm.', more) });
  const said = (...parts: Part[]) => ofMessages(build.message(Role.ASSISTANT, [...parts, text('So.')]));
  const format = 'anthropic-claude-v1';

  test('goes back byte for byte when Claude has signed it', () => {
    const { body, warnings } = said(
      thought({ signature: 'a+/=', format }),
      thought({ encrypted: 'b+/=', format }),
    );
    expect(body.messages[0]?.content).toEqual([
      { type: 'thinking', thinking: 'Hm.', signature: 'a+/=' },
      { type: 'redacted_thinking', data: 'b+/=' },
      { type: 'text', text: 'So.' },
    ]);
    expect(warnings).toEqual([]);
  });

  test.each([
    ['has no proof', {}],
    ["has another provider's", { signature: 's', format: 'google-gemini-v1' }],
    ["is another provider's", { encrypted: 'e', format: 'openai-responses-v1' }],
    ['does not say whose its proof is', { signature: 's' }],
  ])('is left out when it %s', (_what, more) => {
    const { body, warnings } = said(thought(more));
    expect(JSON.stringify(body)).not.toContain('Hm.');
    expect(warnings).toEqual(['dropped_reasoning']);
  });

  test('alone makes no message', () => {
    const { body, warnings } = ofMessages(
      user(text('hi')),
      build.message(Role.ASSISTANT, [thought({})]),
      user(text('ho')),
    );
    expect(body.messages.map(({ role }) => role)).toEqual(['user', 'user']);
    expect(warnings).toEqual(['dropped_reasoning', 'dropped_message']);
  });

  test('comes through a client of the chat form', () => {
    const details = [{ type: 'reasoning.text', text: 'Hm.', signature: 'a+/=', format }];
    const { body } = ofChat({
      messages: [asked, { role: 'assistant', content: 'So.', reasoning_details: details }, asked],
    });
    expect(body.messages[1]?.content).toMatchObject([
      { type: 'thinking', signature: 'a+/=' },
      { type: 'text' },
    ]);
  });
});

test('any request is written as JSON or refused', () => {
  const part = fc.oneof(
    fc.constantFrom('', 'a', '"\\').map(text),
    fc
      .constantFrom('', '{}', '{', '[]')
      .map((args) => build.part({ case: 'toolCall', value: build.toolCall('é', 'f', args) })),
    fc.constant(build.part({ case: 'refusal', value: build.refusal('no') })),
    fc.constant(build.part({ case: undefined })),
    fc
      .constantFrom('', 'data:', 'data:,', 'http://a', 'x')
      .map((url) => build.part({ case: 'image', value: build.image({ case: 'url', value: url }) })),
    fc
      .constantFrom('', 'data:;base64,é', 'https://a')
      .map((url) => build.part({ case: 'file', value: build.file({ case: 'url', value: url }) })),
    fc
      .constantFrom('anthropic-claude-v1', '')
      .map((format) =>
        build.part({ case: 'reasoning', value: build.reasoning('a', { signature: 's', format }) }),
      ),
    fc.constant(build.part({ case: 'toolResult', value: build.toolResult('é', [text('a'), text('')]) })),
    fc
      .constantFrom('anthropic.messages', 'openai.chat')
      .map((dialect) => build.part({ case: 'opaque', value: build.opaque(dialect, 'x', '{"type":"x"}') })),
    fc.constant(
      build.part({ case: 'audio', value: build.audio({ case: 'id', value: 'x' }, { transcript: 't' }) }),
    ),
  );
  const message = fc
    .record({
      role: fc.integer({ min: 1, max: 6 }),
      parts: fc.array(part, { maxLength: 3 }),
      multipart: fc.boolean(),
    })
    .map(({ role, parts, multipart }) => build.message(role as Role, parts, { multipart }));
  fc.assert(
    fc.property(
      fc.array(message, { minLength: 1, maxLength: 6 }),
      fc.constantFrom('claude-opus-4-8', 'claude-3-opus', 'x'),
      fc.constantFrom('', 'none', 'high', 'x'),
      (messages, model, reasoningEffort) => {
        try {
          const { body } = written(
            build.chatRequest('m', messages, { parameters: build.parameters({ reasoningEffort }) }),
            { model },
          );
          for (const { content } of body.messages) expect(content).toBeDefined();
        } catch (error) {
          expect(error).toBeInstanceOf(GatewayError);
        }
      },
    ),
    { numRuns: 2_000 },
  );
});
