import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type RunningGateway, startGateway } from '../support/gateway.ts';
import type { Json } from '../support/response-machine.ts';
import { respond } from '../support/responses.ts';
import { type ResponsesUpstream, startResponsesUpstream } from '../support/responses-upstream.ts';

// Each parameter over providers with and without a Responses API: served, or refused, or dropped with a report.

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

const models = {
  openai: ['openai/gpt-5.2', '/v1/responses'],
  deepseek: ['deepseek/deepseek-chat', '/v1/chat/completions'],
  anthropic: ['anthropic/claude-sonnet-4-5', '/v1/messages'],
} as const;
type Provider = keyof typeof models;

async function ask(provider: Provider, body: Json) {
  const [model, path] = models[provider];
  const response = await respond(gateway.url, { model, input: 'Hi.', store: false, ...body });
  const json = (await response.json()) as Json & { error: Json | null };
  const words = (name: string): string[] => response.headers.get(name)?.split(/,\s*/) ?? [];
  return {
    status: response.status,
    json,
    dropped: words('x-dropped-params'),
    warnings: words('x-warnings'),
    sent: response.status === 200 ? upstream.asked(path) : {},
  };
}

type Row = readonly [provider: Provider, asked: Json, sent: Json];
const same = (asked: Json): Row => ['openai', asked, asked];
const schema = { type: 'object', properties: { a: { type: 'string' } }, required: ['a'] };
const format = { type: 'json_schema', name: 'n', schema, strict: true };
const tools = [{ type: 'function', name: 'f', parameters: { type: 'object' } }];

describe('what is served', () => {
  const rows: Row[] = [
    same({ temperature: 0.5, top_p: 0.25 }),
    same({ max_output_tokens: 77 }),
    same({ max_tool_calls: 3 }),
    same({ parallel_tool_calls: false, tools }),
    same({ prompt: { id: 'pmpt_1', version: '2', variables: { a: 'b' } } }),
    same({ prompt_cache_key: 'k', prompt_cache_options: { mode: 'explicit', ttl: '30m' } }),
    same({ prompt_cache_retention: '24h', safety_identifier: 's', user: 'u' }),
    same({ reasoning: { effort: 'low', summary: 'concise', context: 'x' } }),
    same({ service_tier: 'flex', metadata: { a: 'b' }, truncation: 'auto', top_logprobs: 2 }),
    same({ text: { format, verbosity: 'low' } }),
    same({ context_management: [{ type: 'compaction', compact_threshold: 1000 }] }),
    same({ access_programs: { cyber: 'standard' }, image: { context_compression: 'disabled' } }),
    same({ moderation: { model: 'omni-moderation-latest' }, instructions: 'Be brief.' }),
    ['deepseek', { temperature: 0.5, top_p: 0.25 }, { temperature: 0.5, top_p: 0.25 }],
    ['deepseek', { max_output_tokens: 77, stop: ['x'] }, { max_tokens: 77, stop: ['x'] }],
    ['deepseek', { top_logprobs: 2 }, { logprobs: true, top_logprobs: 2 }],
    ['deepseek', { include: ['message.output_text.logprobs'] }, { logprobs: true }],
    ['deepseek', { text: { format: { type: 'json_object' } } }, { response_format: { type: 'json_object' } }],
    ['anthropic', { temperature: 0.5, stop: ['x'] }, { temperature: 0.5, stop_sequences: ['x'] }],
    ['anthropic', { max_output_tokens: 77 }, { max_tokens: 77 }],
    [
      'anthropic',
      { parallel_tool_calls: false, tools },
      { tool_choice: { type: 'auto', disable_parallel_tool_use: true } },
    ],
    ['anthropic', { safety_identifier: 's' }, { metadata: { user_id: 's' } }],
  ];
  test.each(rows)('%s, %j', async (provider, asked, sent) => {
    const { status, json, dropped, sent: body, warnings } = await ask(provider, asked);
    expect([status, json.error, dropped, warnings]).toEqual([200, null, [], []]);
    expect(body).toMatchObject(sent);
  });

  test.each([
    [
      'metadata and where it is kept',
      { metadata: { a: 'b' }, store: true },
      { metadata: { a: 'b' }, store: true },
    ],
    ['what holds anyway', { truncation: 'disabled', background: false }, { truncation: 'disabled' }],
    ['more of what there is not', { include: ['file_search_call.results'] }, {}],
    ['how reasoning is told', { reasoning: { summary: 'auto' } }, {}],
  ])('without a Responses API: %s, by the gateway itself', async (_what, asked, answered) => {
    for (const provider of ['deepseek', 'anthropic'] as const) {
      const { status, json, dropped, warnings, sent } = await ask(provider, asked);
      expect([status, dropped, warnings]).toEqual([200, [], []]);
      expect(json).toMatchObject(answered);
      for (const key of Object.keys(asked)) expect(sent).not.toHaveProperty(key);
    }
  });
});

describe('what a provider cannot take', () => {
  test.each<[Provider, string, Json]>([
    ['deepseek', 'prompt', { id: 'pmpt_1' }],
    ['anthropic', 'prompt', { id: 'pmpt_1' }],
    ['deepseek', 'moderation', { model: 'm' }],
    ['anthropic', 'top_logprobs', 2 as unknown as Json],
    ['openai', 'stop', ['x'] as unknown as Json],
  ])(
    '%s: without %s the answer would be another: refused, or dropped on demand',
    async (provider, key, value) => {
      const refused = await ask(provider, { [key]: value });
      expect(refused.status).toBe(400);
      expect(refused.json.error).toMatchObject({ code: 'unsupported_parameter', param: key });
      const dropped = await ask(provider, { [key]: value, drop_params: true });
      expect(dropped.status).toBe(200);
      expect(dropped.dropped).toContain(key);
      expect(dropped.sent).not.toHaveProperty(key);
    },
  );

  test.each<[Provider, string, unknown]>([
    ['deepseek', 'max_tool_calls', 3],
    ['anthropic', 'max_tool_calls', 3],
    ['deepseek', 'context_management', [{ type: 'compaction', compact_threshold: 1000 }]],
    ['anthropic', 'access_programs', { cyber: 'standard' }],
    ['deepseek', 'image', { context_compression: 'auto' }],
    ['deepseek', 'prompt_cache_key', 'k'],
    ['deepseek', 'safety_identifier', 's'],
    ['deepseek', 'service_tier', 'flex'],
    ['openai', 'seed', 1],
  ])('%s: %s is a hint: dropped with a report, or refused on demand', async (provider, key, value) => {
    const dropped = await ask(provider, { [key]: value });
    expect(dropped.status).toBe(200);
    expect(dropped.dropped).toEqual([key]);
    expect(dropped.sent).not.toHaveProperty(key);
    const refused = await ask(provider, { [key]: value, drop_params: false });
    expect(refused.status).toBe(400);
    expect(refused.json.error).toMatchObject({ code: 'unsupported_parameter', param: key });
  });

  test.each<[string, Json]>([
    [
      'too many labels',
      { metadata: Object.fromEntries(Array.from({ length: 17 }, (_, i) => [`k${i}`, 'v'])) },
    ],
    ['a long label', { metadata: { a: 'x'.repeat(513) } }],
    ['another truncation', { truncation: 'some' }],
    ['a temperature above 2', { temperature: 3 }],
    ['too many probabilities', { top_logprobs: 21 }],
    ['no call at all', { max_tool_calls: 0 }],
    ['a tool without a type', { tools: [{}] }],
    ['an option of streams', { stream_options: { include_usage: true } }],
  ])('%s is refused for all', async (_what, asked) => {
    for (const provider of ['openai', 'deepseek'] as const) {
      const { status, json } = await ask(provider, asked);
      expect([status, json.error?.['type']]).toEqual([400, 'invalid_request_error']);
    }
  });
});

describe('truncation "auto" over a provider without a Responses API', () => {
  const word = 'tea '.repeat(30_000);
  const call = (id: string) => [
    { type: 'function_call', call_id: id, name: 'f', arguments: '{}' },
    { type: 'function_call_output', call_id: id, output: word },
  ];
  const input = [
    { role: 'developer', content: 'Rules.' },
    { role: 'user', content: `first ${word}` },
    ...call('c1'),
    { role: 'user', content: `second ${word}` },
    ...call('c2'),
    { role: 'assistant', content: 'Said.' },
    { role: 'user', content: 'last' },
  ];

  test('leaves out the oldest, calls together with their results, and says so', async () => {
    const { status, sent, warnings, json } = await ask('deepseek', { input, tools, truncation: 'auto' });
    expect([status, warnings, json['truncation']]).toEqual([200, ['truncated_input'], 'auto']);
    const messages = sent['messages'] as Json[];
    const text = JSON.stringify(messages);
    expect(messages[0]).toMatchObject({ content: 'Rules.' });
    expect(messages.at(-1)).toMatchObject({ content: 'last' });
    expect(text).not.toContain('first');
    // What is there of calls is there with its answers.
    for (const id of ['c1', 'c2']) expect([0, 2]).toContain(text.split(`"${id}"`).length - 1);
    expect(text).not.toContain('"c1"');
  });

  test('leaves everything as it is where there is room, or where it was not asked for', async () => {
    for (const more of [{ input: input.slice(-1), truncation: 'auto' }, { input }]) {
      const { warnings, sent } = await ask('deepseek', { tools, ...more });
      expect(warnings).toEqual([]);
      expect(sent['messages']).toHaveLength(more.input.length);
    }
  });

  test('never leaves out what the user said last', async () => {
    const huge = { role: 'user', content: word.repeat(8) };
    const { sent } = await ask('deepseek', {
      input: [...input.slice(0, -1), huge],
      tools,
      truncation: 'auto',
    });
    expect((sent['messages'] as Json[]).map(({ role }) => role)).toEqual(['system', 'user']);
  });
});
