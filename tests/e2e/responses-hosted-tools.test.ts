import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { type RunningGateway, startGateway } from '../support/gateway.ts';
import { checkEvents, type Json } from '../support/response-machine.ts';
import { eventsIn, respond } from '../support/responses.ts';
import { message, type ResponsesUpstream, startResponsesUpstream } from '../support/responses-upstream.ts';

const search: Json = {
  id: 'ws_1',
  type: 'web_search_call',
  status: 'completed',
  action: { type: 'search', query: 'tea', sources: [{ type: 'url', url: 'https://t.example' }] },
};
const shell: Json = {
  id: 'sh_1',
  type: 'shell_call',
  call_id: 'c9',
  status: 'completed',
  action: { commands: ['ls'], timeout_ms: null },
  environment: null,
};
/** Each tool of OpenAI's that a provider runs, or has its client run in a form of its own. */
const hosted: Json[] = [
  { type: 'web_search', filters: { allowed_domains: ['t.example'] }, search_context_size: 'low' },
  { type: 'web_search_preview' },
  { type: 'file_search', vector_store_ids: ['vs_1'], max_num_results: 3 },
  { type: 'code_interpreter', container: { type: 'auto' } },
  { type: 'image_generation', quality: 'low' },
  { type: 'mcp', server_label: 'deep', server_url: 'https://mcp.example', require_approval: 'never' },
  { type: 'computer' },
  { type: 'computer_use_preview', display_width: 1, display_height: 1, environment: 'browser' },
  { type: 'local_shell' },
  { type: 'shell', environment: { type: 'local' } },
  { type: 'apply_patch' },
  { type: 'tool_search' },
  { type: 'programmatic_tool_calling' },
  { type: 'namespace', name: 'n', description: 'd', tools: [] },
];
const progress: Json[] = ['in_progress', 'searching', 'completed'].map((word) => ({
  type: `response.web_search_call.${word}`,
  output_index: 0,
  item_id: 'ws_1',
}));

let upstream: ResponsesUpstream;
let gateway: RunningGateway;
beforeAll(async () => {
  upstream = await startResponsesUpstream(progress);
  gateway = await startGateway({
    ...upstream.env,
    LLM_GATEWAY_RESPONSE_HOSTED_TOOLS: 'web_search=calculator, file_search=nowhere',
  });
});
afterAll(async () => {
  await gateway.stop();
  upstream.close();
});
beforeEach(() => {
  upstream.output = [search, message('Tea.'), shell];
  upstream.messages = [];
});

describe('a provider that has them', () => {
  test.each(['openai/gpt-5.2', 'xai/grok-4', 'openrouter/x/y'])(
    '%s is sent all of them, and the choice of one',
    async (model) => {
      const choice = { type: 'web_search' };
      const response = await respond(gateway.url, {
        model,
        input: 'Tea?',
        tools: hosted,
        tool_choice: choice,
      });
      expect(response.status).toBe(200);
      expect(upstream.asked('/v1/responses')).toMatchObject({ tools: hosted, tool_choice: choice });
      const answer = (await response.json()) as Json;
      expect(answer).toMatchObject({ tools: hosted, tool_choice: choice });
      expect(answer['output']).toEqual([search, message('Tea.'), shell]);
      const stored = await fetch(`${gateway.url}/v1/responses/${answer['id']}`);
      expect(((await stored.json()) as Json)['output']).toEqual([search, message('Tea.'), shell]);
    },
  );

  test('tells of their progress in events of its own', async () => {
    const body = { model: 'openai/gpt-5.2', input: 'Tea?', tools: hosted, stream: true };
    const events = eventsIn(await (await respond(gateway.url, body)).text());
    checkEvents(events);
    const about = events.filter(({ type }) => String(type).startsWith('response.web_search_call.'));
    expect(about.map(({ sequence_number: _, ...event }) => event)).toEqual(progress);
    expect(events.at(-1)?.['response']).toMatchObject({ output: [search, message('Tea.'), shell] });
  });

  test('gets what its tools did, and what the client answers them, back as it was', async () => {
    const first = await respond(gateway.url, { model: 'openai/gpt-5.2', input: 'Tea?', tools: hosted });
    const output = { type: 'shell_call_output', call_id: 'c9', output: [], max_output_length: 10 };
    const { id } = (await first.json()) as Json;
    await respond(gateway.url, { model: 'openai/gpt-5.2', previous_response_id: id, input: [output] });
    const [, ...rest] = upstream.asked('/v1/responses')['input'] as Json[];
    expect(rest).toEqual([search, expect.objectContaining({ role: 'assistant' }), shell, output]);
  });
});

describe('a provider that has none', () => {
  const others = hosted.filter(({ type }) => !/^(web|file)_search/.test(String(type)));
  const own = { type: 'function', name: 'f', parameters: { type: 'object' } };
  const models = ['deepseek/deepseek-chat', 'anthropic/claude-sonnet-4-5'];

  test.each(models.flatMap((model) => others.map((tool) => [model, String(tool['type']), tool] as const)))(
    '%s: %s is left out beside others, and reported; alone, or where nothing may be, it is refused by its place',
    async (model, type, tool) => {
      const ask = (tools: Json[], more: Json = {}) =>
        respond(gateway.url, { model, input: 'Tea?', tools, ...more });
      const beside = await ask([own, tool]);
      expect([beside.status, beside.headers.get('x-warnings')]).toEqual([200, 'dropped_tool']);
      const refused = [
        [await ask([tool]), 'tools[0]'],
        [await ask([own, tool], { drop_params: false }), 'tools[1]'],
      ] as const;
      for (const [response, param] of refused) {
        expect(response.status).toBe(400);
        const { error } = (await response.json()) as { error: Json };
        expect(error).toMatchObject({ code: 'unsupported_parameter', param });
        expect(error['message']).toContain(type);
      }
    },
  );

  test.each(models)('%s: they are left out, and reported, where the client wants that', async (model) => {
    const response = await respond(gateway.url, {
      model,
      input: 'Tea?',
      tools: [...others, own],
      drop_params: true,
    });
    expect(response.status).toBe(200);
    expect(response.headers.get('x-warnings')).toContain('dropped_tool');
    const path = model.startsWith('anthropic') ? '/v1/messages' : '/v1/chat/completions';
    expect(upstream.asked(path)['tools']).toHaveLength(1);
  });

  test('what another provider searched for is left out with a warning', async () => {
    const first = await respond(gateway.url, { model: 'openai/gpt-5.2', input: 'Tea?', tools: hosted });
    const { id } = (await first.json()) as Json;
    const second = await respond(gateway.url, { model: models[0], previous_response_id: id, input: 'More.' });
    expect(second.status).toBe(200);
    expect(second.headers.get('x-warnings')).toContain('dropped_part');
    expect(upstream.asked('/v1/chat/completions')['messages']).toHaveLength(3);
  });
});

describe('a tool of the gateway that stands for one', () => {
  const model = 'deepseek/deepseek-chat';
  const calls = (name: string): Json => ({
    content: null,
    tool_calls: [{ id: 'c1', type: 'function', function: { name, arguments: '{"expression":"6*7"}' } }],
  });

  test.each(['web_search', 'web_search_preview', 'web_search_2025_08_26'])(
    '%s: the model gets that tool, and the gateway runs it',
    async (type) => {
      upstream.messages = [calls('calculator'), { content: '42.' }];
      const body = { model, input: '6*7?', tools: [{ type }], tool_choice: { type } };
      const response = await respond(gateway.url, body);
      const answer = (await response.json()) as Json;
      expect(response.status).toBe(200);
      expect((answer['output'] as Json[]).map((item) => [item['type'], item['name']])).toEqual([
        ['mcp_call', 'calculator'],
        ['message', undefined],
      ]);
      const first = upstream.got.at(-2)?.body;
      expect(first).toMatchObject({
        tools: [{ type: 'function', function: { name: 'calculator' } }],
        tool_choice: { type: 'function', function: { name: 'calculator' } },
      });
      // The client sees what it asked for.
      expect(answer).toMatchObject({ tools: [{ type }], tool_choice: { type } });
    },
  );

  test('tools of the client go with it, and calls of these go back to the client', async () => {
    upstream.messages = [calls('mine')];
    const mine = { type: 'function', name: 'mine', parameters: { type: 'object' } };
    const response = await respond(gateway.url, {
      model,
      input: '?',
      tools: [{ type: 'web_search' }, mine],
      tool_choice: { type: 'allowed_tools', mode: 'auto', tools: [{ type: 'web_search' }] },
    });
    const answer = (await response.json()) as Json;
    expect(answer['output']).toMatchObject([{ type: 'function_call', name: 'mine' }]);
    expect(JSON.stringify(upstream.asked('/v1/chat/completions')['tool_choice'])).toContain('calculator');
  });

  test('a provider that has the tool itself keeps it', async () => {
    await respond(gateway.url, { model: 'openai/gpt-5.2', input: '?', tools: [{ type: 'web_search' }] });
    expect(upstream.asked('/v1/responses')['tools']).toEqual([{ type: 'web_search' }]);
  });

  test.each([
    ['that is not there', 'file_search', {}],
    ['when the tools of the gateway are off', 'web_search', { gateway_tools: ['none'] }],
  ])('one %s is refused by its place, or dropped', async (_why, type, more) => {
    const body = { model, input: '?', tools: [{ type }], ...more };
    const refused = await respond(gateway.url, body);
    expect(refused.status).toBe(400);
    expect(await refused.json()).toMatchObject({
      error: { code: 'unsupported_parameter', param: 'tools[0]' },
    });
    const dropped = await respond(gateway.url, { ...body, drop_params: true, tool_choice: 'required' });
    expect(dropped.status).toBe(200);
    expect(dropped.headers.get('x-warnings')).toContain('dropped_tool');
    expect(upstream.asked('/v1/chat/completions')).not.toHaveProperty('tools');
  });
});
