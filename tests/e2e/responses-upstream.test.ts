import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { type RunningGateway, startGateway } from '../support/gateway.ts';
import type { Json } from '../support/response-machine.ts';
import { respond } from '../support/responses.ts';
import { message, type ResponsesUpstream, startResponsesUpstream } from '../support/responses-upstream.ts';

// What providers with a Responses API of their own are asked, and what goes back to them.

let upstream: ResponsesUpstream;
let gateway: RunningGateway;
beforeAll(async () => {
  upstream = await startResponsesUpstream();
  gateway = await startGateway(upstream.env);
});
afterAll(async () => {
  await gateway.stop();
  upstream.close();
});
beforeEach(() => {
  upstream.output = [message('native')];
  upstream.messages = [];
});

const sent = (): Json => upstream.asked('/v1/responses');
const input = (): Json[] => sent()['input'] as Json[];
const ask = async (body: Json): Promise<Json> => {
  const response = await respond(gateway.url, body);
  const json = (await response.json()) as Json;
  expect([response.status, json['error']]).toEqual([200, null]);
  return { ...json, warnings: response.headers.get('x-warnings') };
};
const reasoning = (id: string, state: string): Json => ({
  id,
  type: 'reasoning',
  summary: [{ type: 'summary_text', text: 'Hm.' }],
  encrypted_content: state,
});

test.each([{}, { store: true }, { store: false }])(
  'with %j the provider keeps nothing, and gives its state to the gateway',
  async (more) => {
    await ask({ model: 'openai/gpt-5.2', input: 'Hi.', include: ['web_search_call.results'], ...more });
    expect(sent()).toMatchObject({
      store: false,
      include: ['web_search_call.results', 'reasoning.encrypted_content'],
    });
    for (const key of ['previous_response_id', 'conversation', 'background'])
      expect(sent()).not.toHaveProperty(key);
  },
);

test.each(['gpt-4o-mini', 'gpt-4.1', 'gpt-5-chat-latest'])(
  '%s, which does not reason, is not asked for the state of reasoning',
  async (model) => {
    await ask({ model: `openai/${model}`, input: 'Hi.' });
    expect(sent()['store']).toBe(false);
    expect(sent()).not.toHaveProperty('include');
  },
);

test('what a provider keeps is in the history of the next response, with its own ids and its state', async () => {
  upstream.output = [reasoning('rs_up1', 'SEALED=='), message('It is blue.', 'msg_up1')];
  const one = await ask({ model: 'openai/gpt-5.2', input: 'What colour?' });
  // The client did not ask to see it.
  expect(JSON.stringify(one['output'])).not.toContain('SEALED');
  await ask({ model: 'openai/gpt-5.2', previous_response_id: one['id'], input: 'Sure?' });
  expect(sent()).not.toHaveProperty('previous_response_id');
  expect(input().map(({ id, type, role }) => [type, role, id])).toEqual([
    ['message', 'user', undefined],
    ['reasoning', undefined, 'rs_up1'],
    ['message', 'assistant', 'msg_up1'],
    ['message', 'user', undefined],
  ]);
  expect(input()[1]).toEqual(reasoning('rs_up1', 'SEALED=='));
});

test('ids that the gateway gave are not sent to a provider, wherever they come from', async () => {
  upstream.messages = [
    { content: null, tool_calls: [{ id: 'c1', type: 'function', function: { name: 'f', arguments: '{}' } }] },
  ];
  const tools = [{ type: 'function', name: 'f', parameters: { type: 'object' } }];
  const one = await ask({ model: 'deepseek/deepseek-chat', input: 'Call f.', tools });
  const call = (one['output'] as Json[])[0] as Json;
  expect(call['id']).toMatch(/^fc_[0-9a-f]{36}$/);
  const result = { type: 'function_call_output', call_id: 'c1', output: '7' };
  await ask({ model: 'openai/gpt-5.2', previous_response_id: one['id'], input: [result], tools });
  expect(JSON.stringify(sent())).not.toMatch(/"[a-z]+_[0-9a-f]{32,36}"/);
  await ask({ model: 'openai/gpt-5.2', store: false, input: [call, result], tools });
  expect(input()[0]).toEqual({
    type: 'function_call',
    arguments: '{}',
    call_id: 'c1',
    name: 'f',
  });
});

test.each([
  ['openai/gpt-5.2', 'xai/grok-4'],
  ['xai/grok-4', 'openai/gpt-5.2'],
  ['openrouter/openai/gpt-5.2', 'openai/gpt-5.2'],
])('reasoning of %s goes back to it byte for byte, and never to %s', async (origin, other) => {
  upstream.output = [reasoning('rs_up2', 'SEALED+/=='), message('Blue.', 'msg_up2')];
  const include = ['reasoning.encrypted_content'];
  const one = await ask({ model: origin, input: 'What colour?', include });
  // By the gateway's store, and by a client that keeps its history itself.
  const ways: Json[] = [
    { previous_response_id: one['id'], input: 'Sure?' },
    { store: false, input: [...(one['output'] as Json[]), { role: 'user', content: 'Sure?' }] },
  ];
  for (const way of ways) {
    const same = await ask({ model: origin, ...way });
    expect(input().find(({ type }) => type === 'reasoning')).toEqual(reasoning('rs_up2', 'SEALED+/=='));
    expect(same['warnings']).toBe(null);
    const foreign = await ask({ model: other, ...way });
    expect(input().some(({ type }) => type === 'reasoning')).toBe(false);
    expect(JSON.stringify(sent())).not.toContain('SEALED');
    expect(foreign['warnings']).toContain('dropped_reasoning_state');
  }
});

test('a summary of reasoning without its state is left out, since the provider did not keep it', async () => {
  const { encrypted_content: _, ...bare } = reasoning('rs_x', '');
  const one = await ask({
    model: 'openai/gpt-5.2',
    store: false,
    input: [{ role: 'user', content: 'a' }, bare, message('b'), { role: 'user', content: 'c' }],
  });
  expect(input().map(({ type }) => type)).toEqual(['message', 'message', 'message']);
  expect(one['warnings']).toContain('dropped_reasoning');
});
