import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type RunningGateway, startGateway } from '../support/gateway.ts';

// Ten thousand requests that no sane client sends, over real connections: the facade may refuse each of them, by name, but never
// fail.
let gateway: RunningGateway;
beforeAll(async () => {
  gateway = await startGateway();
});
afterAll(() => gateway.stop());

const runs = 10_000;

const junk = fc.oneof(
  fc.jsonValue({ maxDepth: 3 }),
  fc.constantFrom(
    null,
    '',
    -1,
    0,
    1e308,
    2 ** 53,
    true,
    [],
    {},
    [null],
    { type: 'text' },
    { __proto__: null },
  ),
  fc.string(),
);
const text = fc.oneof({ weight: 3, arbitrary: fc.string() }, junk);
const part = fc.oneof(
  fc.record({ type: fc.constant('text'), text }),
  fc.record({
    type: fc.constant('image_url'),
    image_url: fc.oneof(fc.record({ url: text, detail: junk }), junk),
  }),
  fc.record({
    type: fc.constant('input_audio'),
    input_audio: fc.oneof(fc.record({ data: text, format: text }), junk),
  }),
  fc.record({ type: fc.constant('file'), file: junk }),
  fc.record({ type: fc.string(), more: junk }),
  junk,
);
const toolCall = fc.oneof(
  fc.record({
    id: text,
    type: fc.constantFrom('function', 'custom', 'other'),
    function: fc.oneof(fc.record({ name: text, arguments: text }), junk),
  }),
  junk,
);
const message = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.record({
      role: fc.constantFrom('system', 'user', 'assistant', 'developer'),
      content: text,
    }),
  },
  fc.record(
    {
      role: fc.oneof(fc.constantFrom('user', 'assistant', 'tool', 'function'), junk),
      content: fc.oneof(text, fc.array(part, { maxLength: 4 })),
      tool_calls: fc.oneof(fc.array(toolCall, { maxLength: 3 }), junk),
      tool_call_id: text,
      name: text,
      refusal: text,
      reasoning_content: text,
      reasoning_details: fc.oneof(fc.array(junk, { maxLength: 3 }), junk),
    },
    { requiredKeys: [] },
  ),
  junk,
);
const tool = fc.oneof(
  fc.record({
    type: fc.constantFrom('function', 'custom', 'web_search', ''),
    function: fc.oneof(
      fc.record({ name: text, parameters: junk, strict: junk, description: junk }, { requiredKeys: [] }),
      junk,
    ),
  }),
  junk,
);
const number = fc.oneof(fc.double(), fc.integer(), junk);
const request = fc.record(
  {
    model: fc.oneof({ weight: 6, arbitrary: fc.constantFrom('fake/echo', 'fake/tools', 'fake/json') }, text),
    messages: fc.oneof({ weight: 6, arbitrary: fc.array(message, { maxLength: 4 }) }, junk),
    stream: fc.oneof({ weight: 4, arbitrary: fc.boolean() }, junk),
    stream_options: fc.oneof(fc.record({ include_usage: fc.boolean() }), junk),
    temperature: number,
    top_p: number,
    n: fc.oneof(fc.integer({ min: -1, max: 5 }), junk),
    max_tokens: number,
    max_completion_tokens: number,
    stop: fc.oneof(text, fc.array(text, { maxLength: 5 })),
    presence_penalty: number,
    logit_bias: fc.oneof(fc.dictionary(fc.string(), number), junk),
    seed: number,
    logprobs: fc.oneof(fc.boolean(), junk),
    top_logprobs: number,
    tools: fc.oneof(fc.array(tool, { maxLength: 3 }), junk),
    tool_choice: fc.oneof(fc.constantFrom('auto', 'none', 'required'), junk),
    response_format: fc.oneof(
      fc.record({
        type: fc.constantFrom('text', 'json_object', 'json_schema', 'grammar'),
        json_schema: junk,
      }),
      junk,
    ),
    metadata: junk,
    modalities: junk,
    reasoning_effort: junk,
    session_id: junk,
    drop_params: junk,
    fallbacks: junk,
    gateway_tools: junk,
    unknown_key: junk,
  },
  { requiredKeys: [] },
);

async function send(body: string): Promise<void> {
  const response = await fetch(`${gateway.url}/v1/chat/completions`, { method: 'POST', body });
  const reply = await response.text();
  if (response.status === 200) return;
  expect(response.status, `${response.status} for ${body}: ${reply}`).toBeGreaterThanOrEqual(400);
  expect(response.status, `${response.status} for ${body}: ${reply}`).toBeLessThan(500);
  const { error } = JSON.parse(reply) as { error: { param: unknown; message: unknown } };
  expect(typeof error.message).toBe('string');
  expect(error.param, `no field for ${body}: ${reply}`).toEqual(expect.stringMatching(/./));
}

test(`${runs} generated requests: never a 5xx, and each bad one is told its field`, {
  timeout: 240_000,
}, async () => {
  const bodies = fc
    .sample(request, { numRuns: runs, seed: 20_261_121 })
    .map((value) => JSON.stringify(value));
  let at = 0;
  const worker = async () => {
    while (at < bodies.length) await send(bodies[at++] as string);
  };
  await Promise.all(Array.from({ length: 16 }, worker));
  expect(gateway.log.filter(({ level }) => level === 'ERROR')).toEqual([]);
});

test('bodies that are not JSON, or not an object', async () => {
  for (const body of [
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
  ]) {
    await send(body);
  }
});
