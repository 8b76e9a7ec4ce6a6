import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { type Answer, answers } from '../golden/answers.ts';
import { type PlayedGateway, playedModels, startPlayedGateway } from '../support/played-gateway.ts';

// What only one dialect has, on the way to providers of the others and back.

let gateway: PlayedGateway;
beforeAll(async () => {
  gateway = await startPlayedGateway();
});
afterAll(() => gateway.stop());
beforeEach(() => gateway.play(null));

type Json = Record<string, unknown>;
const post = (body: Json, path = '/v1/messages') =>
  fetch(`${gateway.url}${path}`, { method: 'POST', body: JSON.stringify({ max_tokens: 500, ...body }) });
const warnings = (response: Response) => response.headers.get('x-warnings')?.split(', ') ?? [];
const errorOf = async (response: Response) =>
  ((await response.json()) as { error: { message: string } }).error;

const found = {
  type: 'search_result',
  source: 'https://s',
  title: 'Title',
  content: [{ type: 'text', text: 'found' }],
};
const inline = {
  type: 'document',
  source: { type: 'content', content: [{ type: 'text', text: 'inner' }] },
};
const upload = { type: 'container_upload', file_id: 'f' };
const say = (...content: unknown[]) => [{ role: 'user', content }];
const resulting = (...content: unknown[]) => [
  { role: 'user', content: 'q' },
  { role: 'assistant', content: [{ type: 'tool_use', id: 't1', name: 'look', input: {} }] },
  { role: 'user', content: [{ type: 'tool_result', tool_use_id: 't1', content }] },
];
const tools = [{ name: 'look', input_schema: { type: 'object' } }];
const server = { type: 'web_search_20250305', name: 'web_search' };

const { anthropic, ...others } = playedModels;
describe.each(Object.entries(others))('%s', (name, model) => {
  test.each<[string, Json[], string[]]>([
    ['a search result', say(found, { type: 'text', text: 'q' }), ['Title', 'https://s', 'found']],
    ['a document of content', say(inline, { type: 'text', text: 'q' }), ['inner']],
    ['a search result of a tool', resulting(found), ['Title', 'https://s', 'found']],
    ['a document of a tool', resulting(inline), ['inner']],
  ])('gets the text of %s', async (_what, messages, pieces) => {
    const response = await post({ model, messages, tools });
    expect(response.status).toBe(200);
    for (const piece of pieces) expect(gateway.asked()).toContain(piece);
    expect(warnings(response)).toContain('simplified_part');
    expect(warnings(response)).not.toContain('dropped_part');
  });

  test('gets what a tool of Anthropic found in an earlier answer', async () => {
    const result = {
      type: 'code_execution_result',
      stdout: 'forty-two',
      stderr: '',
      return_code: 0,
      content: [],
    };
    const response = await post({
      model,
      messages: [
        { role: 'user', content: 'q' },
        {
          role: 'assistant',
          content: [
            { type: 'text', text: 'I ran it.' },
            { type: 'server_tool_use', id: 's', name: 'code_execution', input: { code: '6*7' } },
            { type: 'code_execution_tool_result', tool_use_id: 's', content: result },
            { type: 'text', text: 'There.' },
          ],
        },
        { role: 'user', content: 'And twice that?' },
      ],
    });
    expect(response.status).toBe(200);
    expect(gateway.asked()).toContain('[code_execution_tool_result]\\nforty-two');
    expect(warnings(response)).toEqual(expect.arrayContaining(['simplified_part', 'dropped_part']));
  });

  test.each<[string, Json[]]>([
    ['of a user', say(upload)],
    ['of a tool', resulting(upload)],
  ])('is not sent the nothing that is left of a message %s', async (_what, messages) => {
    const response = await post({ model, messages, tools });
    expect(response.status).toBe(400);
    expect((await errorOf(response)).message).toMatch(/messages\[\d\]/);
  });

  test('is asked without a part that has no counterpart, where something else is said', async () => {
    const response = await post({ model, messages: say(upload, { type: 'text', text: 'q' }) });
    expect([response.status, warnings(response)]).toEqual([200, ['dropped_part']]);
    expect(gateway.asked()).not.toContain('container_upload');
  });

  test('is not sent the nothing that is left of an earlier answer', async () => {
    const used = { type: 'server_tool_use', id: 's', name: 'web_search', input: { query: 'x' } };
    const asked = { role: 'user', content: 'q' };
    const messages = [asked, { role: 'assistant', content: [used] }, asked];
    const response = await post({ model, messages });
    expect([response.status, warnings(response)]).toEqual([200, ['dropped_part']]);
    // Ollama takes an answer of no words.
    const left = name === 'ollama' ? /"content":\[\]/ : /"role":"(?:assistant|model)"/;
    expect(gateway.asked()).not.toMatch(left);
  });

  test('is not told what an earlier answer cited from documents, and that is said', async () => {
    const citation = {
      type: 'char_location',
      cited_text: 'x',
      document_index: 0,
      document_title: 'D',
      start_char_index: 0,
      end_char_index: 1,
    };
    const response = await post({
      model,
      messages: [
        { role: 'user', content: 'q' },
        { role: 'assistant', content: [{ type: 'text', text: 'said', citations: [citation] }] },
        { role: 'user', content: 'n' },
      ],
    });
    expect([response.status, warnings(response)]).toEqual([200, ['dropped_annotations']]);
  });

  test('is not shown a picture within a document of content, and that is said', async () => {
    const picture = { type: 'image', source: { type: 'base64', media_type: 'image/png', data: 'AAAA' } };
    const content = [{ type: 'text', text: 'inner' }, picture];
    const response = await post({
      model,
      messages: say({ type: 'document', source: { type: 'content', content } }),
    });
    expect(response.status).toBe(200);
    expect(warnings(response).sort()).toEqual(['dropped_part', 'simplified_part']);
  });

  test('is sent what a tool said, although it was nothing', async () => {
    for (const content of ['', [{ type: 'text', text: '' }], []]) {
      const messages = resulting();
      messages[2] = { role: 'user', content: [{ type: 'tool_result', tool_use_id: 't1', content }] } as never;
      expect((await post({ model, messages, tools })).status).toBe(200);
      if (name === 'openai') expect(gateway.asked()).not.toContain('"content":[]');
    }
  });

  describe('a tool that Anthropic runs', () => {
    test.each([
      ['before others', [server, ...tools], undefined],
      ['after others', [...tools, server], { type: 'auto' }],
      ['that may not be called', [server], { type: 'none' }],
    ])('%s is left out', async (_what, given, choice) => {
      const response = await post({
        model,
        messages: say({ type: 'text', text: 'q' }),
        tools: given,
        tool_choice: choice,
      });
      expect(response.status).toBe(200);
      expect(warnings(response)).toContain('dropped_tool');
      expect(gateway.asked()).not.toContain('web_search');
      if (given.length > 1) expect(gateway.asked()).toContain('look');
    });

    test.each([
      ['alone', [server], undefined, 'tools[0]'],
      ['that has to be called', [...tools, server], { type: 'tool', name: 'web_search' }, 'tools[1]'],
    ])('%s is refused by its place', async (_what, given, choice, field) => {
      const response = await post({
        model,
        messages: say({ type: 'text', text: 'q' }),
        tools: given,
        tool_choice: choice,
      });
      expect(response.status).toBe(400);
      expect((await errorOf(response)).message).toContain(`'${field}'`);
    });

    test.each([
      ['alone', [server], undefined],
      ['that has to be called', [...tools, server], { type: 'tool', name: 'web_search' }],
    ])('%s is left out where the client wants that', async (_what, given, choice) => {
      const response = await post({
        model,
        messages: say({ type: 'text', text: 'q' }),
        tools: given,
        tool_choice: choice,
        drop_params: true,
      });
      expect(response.status).toBe(200);
      const told = choice === undefined ? ['dropped_tool'] : ['dropped_tool', 'dropped_tool_choice'];
      expect(warnings(response).sort()).toEqual(told);
      expect(gateway.asked()).not.toMatch(/web_search|tool_?choice/i);
    });
  });

  test.each([
    ['effort', { output_config: { effort: 'low' } }],
    [
      'effort and format',
      { output_config: { effort: 'low', format: { type: 'json_schema', schema: { type: 'object' } } } },
    ],
    ['format in its older place', { output_format: { type: 'json_schema', schema: { type: 'object' } } }],
  ])('is told the %s, and nothing is said to be left out', async (_what, more) => {
    const response = await post({ model, messages: say({ type: 'text', text: 'q' }), ...more });
    expect(response.status).toBe(200);
    expect(warnings(response)).not.toContain('dropped_extras');
  });

  test('is not told what is Anthropic’s own, and that is said', async () => {
    const more = { output_config: { effort: 'low', task_budget: { type: 'tokens', total: 9 } } };
    const response = await post({ model, messages: say({ type: 'text', text: 'q' }), ...more });
    expect(warnings(response)).toContain('dropped_extras');
    const off = { thinking: { type: 'disabled' }, output_config: { effort: 'low' } };
    const without = await post({ model, messages: say({ type: 'text', text: 'q' }), ...off });
    expect(warnings(without)).toContain('dropped_extras');
  });

  if (name === 'openai')
    test('counts what the text of such parts costs', async () => {
      const count = async (block: unknown) => {
        const response = await post({ model, messages: say(block) }, '/v1/messages/count_tokens');
        return ((await response.json()) as { input_tokens: number }).input_tokens;
      };
      expect(await count(found)).toBeGreaterThan((await count(inline)) + 2);
    });
});

describe('Anthropic', () => {
  test('gets all of it as it was', async () => {
    const messages = [
      ...resulting(found, inline),
      { role: 'assistant', content: 'Hm.' },
      ...say(found, upload),
    ];
    const response = await post({ model: anthropic, messages, tools: [server, ...tools] });
    expect(warnings(response)).toEqual([]);
    expect(JSON.parse(gateway.asked())).toMatchObject({ messages, tools: [server, ...tools] });
  });

  test('lacks a tool of OpenAI’s by the same rule', async () => {
    const f = { type: 'function', function: { name: 'look' } };
    const hosted = { type: 'web_search_preview' };
    const ask = (given: Json[]) =>
      post(
        { model: anthropic, messages: [{ role: 'user', content: 'q' }], tools: given },
        '/v1/chat/completions',
      );
    const left = await ask([hosted, f]);
    expect([left.status, warnings(left)]).toEqual([200, ['dropped_tool']]);
    const alone = await ask([hosted]);
    expect([alone.status, await errorOf(alone)]).toMatchObject([400, { param: 'tools[0]' }]);
  });
});

describe('an answer with parts of its provider’s own', () => {
  const result = { type: 'web_search_tool_result', tool_use_id: 's', content: [] };
  const whole = {
    id: 'msg_1',
    type: 'message',
    role: 'assistant',
    model: 'm',
    content: [
      { type: 'server_tool_use', id: 's', name: 'web_search', input: { query: 'x' } },
      result,
      { type: 'text', text: 'Done.' },
    ],
    stop_reason: 'end_turn',
    usage: { input_tokens: 1, output_tokens: 1 },
  };
  const ofAnthropic: Answer = { ...(answers['anthropic'] as Answer), whole: JSON.stringify(whole) };

  test('tells clients of OpenAI’s form that something was left out', async () => {
    gateway.play(ofAnthropic);
    const body = { model: anthropic, messages: [{ role: 'user', content: 'q' }] };
    const response = await post(body, '/v1/chat/completions');
    expect(warnings(response)).toEqual(['dropped_part']);
    expect(await response.json()).toMatchObject({ choices: [{ message: { content: 'Done.' } }] });
  });

  test('is whole for clients of its own form', async () => {
    gateway.play(ofAnthropic);
    const response = await post({ model: anthropic, messages: say({ type: 'text', text: 'q' }) });
    expect(warnings(response)).toEqual([]);
    expect(await response.json()).toMatchObject({ content: whole.content });
  });

  test('tells clients of Anthropic’s form, too', async () => {
    const google = JSON.parse((answers['google'] as Answer).whole) as {
      candidates: { content: { parts: unknown[] } }[];
    };
    google.candidates[0]?.content.parts.push({ executableCode: { language: 'PYTHON', code: '6*7' } });
    gateway.play({ ...(answers['google'] as Answer), whole: JSON.stringify(google) });
    const response = await post({ model: others.google, messages: say({ type: 'text', text: 'q' }) });
    expect(warnings(response)).toEqual(['dropped_part']);
  });
});
