import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type RunningGateway, startGateway } from '../support/gateway.ts';
import { checkEvents, checkResponse, type Json } from '../support/response-machine.ts';
import { eventsIn } from '../support/responses.ts';

// Thousands of requests that no sane client sends, over real connections: the routes of responses and conversations may refuse each of
// them, by name, but never fail; and what they answer is in order.
let gateway: RunningGateway;
/** A response and a conversation that there are. */
let previous: string;
let conversation: string;
beforeAll(async () => {
  gateway = await startGateway();
  const made = async (path: string, body: Json): Promise<string> => {
    const reply = await fetch(`${gateway.url}/v1/${path}`, { method: 'POST', body: JSON.stringify(body) });
    return String(((await reply.json()) as Json)['id']);
  };
  previous = await made('responses', { model: 'fake/echo', input: 'Hello!' });
  conversation = await made('conversations', {});
});
afterAll(() => gateway.stop());

const runs = 10_000;

const deep = (depth: number): unknown => (depth === 0 ? 1 : { a: [deep(depth - 1)] });
const junk = fc.oneof(
  fc.jsonValue({ maxDepth: 3 }),
  fc.constantFrom<unknown>(
    ...[
      null,
      '',
      -1,
      0,
      1e308,
      -0.5,
      2 ** 53,
      2 ** 32,
      true,
      [],
      {},
      [null],
      [[]],
      '\ud800',
      '\udfff\ud800',
      '\u0000',
    ],
    ...[{ type: 'message' }, { type: 'input_text' }, deep(40), 'x'.repeat(3_000)],
    JSON.parse('{"__proto__":{"type":"message"},"constructor":1}'),
  ),
  fc.string({ unit: 'binary' }),
);
const text = fc.oneof({ weight: 3, arbitrary: fc.string() }, junk);
const optional = { requiredKeys: [] };
const part = fc.oneof(
  fc.record(
    { type: fc.constantFrom('input_text', 'output_text', 'text', 'summary_text'), text, annotations: junk },
    { requiredKeys: ['type'] },
  ),
  fc.record({ type: fc.constant('refusal'), refusal: text }),
  fc.record(
    { type: fc.constant('input_image'), image_url: text, file_id: text, detail: junk },
    { requiredKeys: ['type'] },
  ),
  fc.record(
    { type: fc.constant('input_file'), file_data: text, file_url: text, file_id: text, filename: text },
    { requiredKeys: ['type'] },
  ),
  fc.record({ type: fc.constant('input_audio'), input_audio: junk }),
  fc.record({ type: fc.string(), more: junk }),
  junk,
);
const content = fc.oneof(text, fc.array(part, { maxLength: 4 }));
const item = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({
      role: fc.constantFrom('system', 'developer', 'user', 'assistant'),
      content: text,
    }),
  },
  fc.record(
    { type: fc.constant('message'), role: text, content, id: text, status: text, phase: junk },
    optional,
  ),
  fc.record(
    {
      type: fc.constantFrom('function_call', 'custom_tool_call'),
      call_id: text,
      name: text,
      arguments: text,
      input: text,
      id: text,
      status: text,
    },
    { requiredKeys: ['type'] },
  ),
  fc.record(
    {
      type: fc.constantFrom('function_call_output', 'custom_tool_call_output'),
      call_id: text,
      output: content,
      id: text,
    },
    { requiredKeys: ['type'] },
  ),
  fc.record(
    {
      type: fc.constant('reasoning'),
      id: text,
      summary: fc.oneof(junk, fc.array(part, { maxLength: 2 })),
      content: fc.oneof(junk, fc.array(part, { maxLength: 2 })),
      encrypted_content: text,
    },
    { requiredKeys: ['type'] },
  ),
  fc.record({ type: fc.constant('item_reference'), id: text }, { requiredKeys: ['type'] }),
  fc.record(
    {
      type: fc.constant('mcp_call'),
      id: text,
      server_label: text,
      name: text,
      arguments: text,
      output: text,
      error: junk,
    },
    { requiredKeys: ['type'] },
  ),
  fc.record(
    {
      type: fc.constantFrom(
        'web_search_call',
        'mcp_list_tools',
        'compaction',
        'anthropic.messages:thinking',
        'x',
      ),
      id: text,
      action: junk,
      value: junk,
    },
    { requiredKeys: ['type'] },
  ),
  junk,
);
const tool = fc.oneof(
  fc.record(
    { type: fc.constant('function'), name: text, parameters: junk, strict: junk, description: junk },
    { requiredKeys: ['type'] },
  ),
  fc.record(
    {
      type: fc.constantFrom('custom', 'web_search', 'file_search', 'mcp', 'namespace', ''),
      name: text,
      format: junk,
      tools: junk,
    },
    { requiredKeys: ['type'] },
  ),
  junk,
);
const number = fc.oneof(fc.double(), fc.integer(), junk);
const models = [
  ...['fake/echo', 'fake/tools', 'fake/json', 'fake/reasoning', 'fake/refuse'],
  ...['fake/echo?finish=length', 'fake/error?status=429'],
];
const members = fc.record(
  {
    model: fc.oneof(
      { weight: 4, arbitrary: fc.constantFrom(...models) },
      fc.string().map((name) => `fake/${name}`),
      // Other names would be those of a provider that does not answer.
      junk.filter((value) => typeof value !== 'string' || value === ''),
    ),
    input: fc.oneof({ weight: 6, arbitrary: fc.array(item, { maxLength: 4 }) }, fc.string(), junk),
    stream: fc.oneof({ weight: 4, arbitrary: fc.boolean() }, junk),
    stream_options: junk,
    store: fc.oneof(fc.constant(false), junk),
    background: fc.oneof(fc.constant(false), fc.constantFrom(null, 'yes', 1, {})),
    previous_response_id: fc.oneof(fc.constant('previous'), junk),
    conversation: fc.oneof(fc.constant('conversation'), fc.record({ id: fc.constant('conversation') }), junk),
    instructions: text,
    include: fc.oneof(fc.constant(['reasoning.encrypted_content']), junk, fc.array(text, { maxLength: 3 })),
    temperature: number,
    top_p: number,
    top_logprobs: number,
    max_output_tokens: number,
    max_tool_calls: number,
    metadata: fc.oneof(fc.dictionary(fc.string(), text), junk),
    parallel_tool_calls: junk,
    prompt: junk,
    prompt_cache_key: junk,
    reasoning: fc.oneof(fc.record({ effort: text, summary: text }, optional), junk),
    safety_identifier: junk,
    service_tier: text,
    text: fc.oneof(
      fc.record(
        {
          format: fc.oneof(
            fc.record(
              {
                type: fc.constantFrom('text', 'json_object', 'json_schema', 'grammar'),
                name: text,
                schema: junk,
                strict: junk,
              },
              { requiredKeys: ['type'] },
            ),
            junk,
          ),
          verbosity: text,
        },
        optional,
      ),
      junk,
    ),
    tool_choice: fc.oneof(
      fc.constantFrom('auto', 'none', 'required'),
      fc.record(
        {
          type: fc.constantFrom('function', 'allowed_tools', 'custom', 'web_search'),
          name: text,
          tools: junk,
          mode: text,
        },
        { requiredKeys: ['type'] },
      ),
      junk,
    ),
    tools: fc.oneof(fc.array(tool, { maxLength: 3 }), junk),
    truncation: text,
    user: text,
    session_id: junk,
    gateway_tools: junk,
    drop_params: junk,
    unknown_key: junk,
  },
  optional,
);

const memberNames = [
  'model',
  'input',
  'stream',
  'stream_options',
  'store',
  'background',
  'previous_response_id',
  'conversation',
  'instructions',
  'include',
  'temperature',
  'top_p',
  'top_logprobs',
  'max_output_tokens',
  'max_tool_calls',
  'metadata',
  'parallel_tool_calls',
  'prompt',
  'prompt_cache_key',
  'reasoning',
  'safety_identifier',
  'service_tier',
  'text',
  'tool_choice',
  'tools',
  'truncation',
  'user',
  'session_id',
  'gateway_tools',
  'drop_params',
  'unknown_key',
];
/** Most have little besides what is needed, so that some are answered. */
const request: fc.Arbitrary<Json> = fc
  .tuple(
    fc.record({
      model: fc.constantFrom(...models),
      input: fc.oneof(fc.string(), fc.array(item, { maxLength: 2 })),
    }),
    members,
    fc.shuffledSubarray([...memberNames], { maxLength: 3 }),
    fc.nat(9),
  )
  .map(([core, more, names, dice]) => {
    if (dice === 0) return more as Json;
    const some = Object.entries(more).filter(([name]) => names.includes(name));
    return { ...core, stream: dice < 5, ...Object.fromEntries(some) };
  });

/** What there is, in the place of its name. */
function named(value: Json): Json {
  const other = value['conversation'];
  return {
    ...value,
    ...(value['previous_response_id'] === 'previous' ? { previous_response_id: previous } : {}),
    ...(other === 'conversation' ? { conversation } : {}),
    ...((other as Json | null)?.['id'] === 'conversation' ? { conversation: { id: conversation } } : {}),
  };
}

/** Sends a body; a refusal has to be one of 4xx that names a field. @returns what came with status 200 */
async function send(path: string, body: string, method = 'POST'): Promise<string | null> {
  const reply = await fetch(`${gateway.url}/v1/${path}`, { method, body });
  const got = await reply.text();
  if (reply.status === 200) return got;
  const which = `${reply.status} for ${path} ${body.slice(0, 2_000)}: ${got}`;
  expect(reply.status, which).toBeGreaterThanOrEqual(400);
  expect(reply.status, which).toBeLessThan(500);
  const { error } = JSON.parse(got) as { error: { param: unknown; message: unknown } };
  expect(typeof error.message).toBe('string');
  // What a model refuses is no field's fault.
  if (reply.status !== 429) expect(error.param, which).toEqual(expect.stringMatching(/./));
  return null;
}

/** A few at a time. */
async function sendAll<T>(all: readonly T[], one: (value: T) => Promise<void>): Promise<void> {
  let at = 0;
  const worker = async () => {
    while (at < all.length) await one(all[at++] as T);
  };
  await Promise.all(Array.from({ length: 16 }, worker));
}

const clean = () => expect(gateway.log.filter(({ level }) => level === 'ERROR')).toEqual([]);
const sample = <T>(arbitrary: fc.Arbitrary<T>, numRuns: number): T[] =>
  fc.sample(arbitrary, { numRuns, seed: 20_261_121 });

test(`${runs} generated requests: never a 5xx, each bad one is told its field, each answer is in order`, {
  timeout: 300_000,
}, async () => {
  let answers = 0;
  await sendAll(sample(request, runs), async (value) => {
    const body = JSON.stringify(named(value as Json));
    const got = await send('responses', body);
    if (got === null) return;
    answers++;
    try {
      if (got.startsWith('{')) checkResponse(JSON.parse(got) as Json);
      else checkEvents(eventsIn(got));
    } catch (error) {
      throw new Error(`for ${body}`, { cause: error });
    }
  });
  expect(answers).toBeGreaterThan(runs / 10);
  clean();
});

test('requests to count tokens: the same', { timeout: 120_000 }, async () => {
  await sendAll(sample(request, 2_000), async (value) => {
    await send('responses/input_tokens', JSON.stringify(named(value as Json)));
  });
  clean();
});

test('requests of conversations: the same', { timeout: 120_000 }, async () => {
  const items = fc.oneof({ weight: 4, arbitrary: fc.array(item, { maxLength: 4 }) }, junk);
  const metadata = fc.oneof(fc.dictionary(fc.string(), text), junk);
  const body = fc.record({ items, metadata, unknown_key: junk }, optional);
  await sendAll(sample(body, 1_000), async (value) => {
    await send('conversations', JSON.stringify(value));
  });
  await sendAll(sample(fc.record({ items, include: junk }, optional), 1_000), async (value) => {
    await send(`conversations/${conversation}/items`, JSON.stringify(value));
  });
  await sendAll(sample(fc.record({ metadata, more: junk }, optional), 500), async (value) => {
    await send(`conversations/${conversation}`, JSON.stringify(value));
  });
  clean();
});

test('ids and queries that are none: the same', { timeout: 60_000 }, async () => {
  const id = fc.oneof(
    fc.string(),
    fc.constantFrom(previous, conversation, '..', '%', '\u0000', `resp_${'0'.repeat(32)}`),
  );
  const query = fc.record(
    {
      stream: fc.constantFrom('true', 'false', '', '1'),
      starting_after: fc.oneof(fc.string(), fc.integer().map(String), fc.constant('4294967296')),
      include: fc.string(),
      limit: fc.oneof(fc.string(), fc.integer().map(String)),
      order: fc.oneof(fc.constantFrom('asc', 'desc'), fc.string()),
      after: fc.string(),
    },
    optional,
  );
  const call = fc.tuple(
    fc.constantFrom('GET', 'DELETE', 'POST'),
    fc.constantFrom(
      'responses/%',
      'responses/%/input_items',
      'responses/%/cancel',
      'conversations/%',
      'conversations/%/items',
      `conversations/${conversation}/items/%`,
      'responses/%/x',
    ),
    id,
    query,
  );
  await sendAll(sample(call, 3_000), async ([method, path, name, asked]) => {
    if (method === 'DELETE' && (name === previous || name === conversation)) return;
    const place = path.replace('%', encodeURIComponent(name.toWellFormed()));
    const url = `${gateway.url}/v1/${place}?${new URLSearchParams(asked as Record<string, string>)}`;
    const reply = await fetch(url, { method, ...(method === 'POST' ? { body: '{}' } : {}) });
    const got = await reply.text();
    expect(reply.status, `${method} ${url}: ${got}`).toBeLessThan(500);
  });
  clean();
});

test('bodies that are not JSON, or not an object', async () => {
  const bodies = [
    '',
    '{',
    '[]',
    'null',
    '1',
    '"x"',
    '{"a":'.repeat(5_000),
    '['.repeat(100_000),
    '\u0000',
    '\ud800',
  ];
  for (const path of [
    'responses',
    'responses/input_tokens',
    'conversations',
    `conversations/${conversation}/items`,
  ]) {
    for (const body of bodies) await send(path, body);
  }
});

test('input that nests without end is refused or answered', async () => {
  const nested = (depth: number, open: string, close: string): string =>
    `{"model":"fake/echo","input":[{"role":"user","content":"x"},{"type":"x","value":${open.repeat(depth)}1${close.repeat(depth)}}]}`;
  for (const depth of [100, 1_000, 20_000]) {
    await send('responses', nested(depth, '[', ']'));
    await send('responses', nested(depth, '{"a":', '}'));
  }
  clean();
});
