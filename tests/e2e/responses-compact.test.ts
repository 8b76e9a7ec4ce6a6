import { create } from '@bufbuild/protobuf';
import { createClient } from '@connectrpc/connect';
import { createConnectTransport } from '@connectrpc/connect-node';
import type OpenAI from 'openai';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { Role } from '../../gen/llmgateway/v1/message_pb.js';
import { ResponseParametersSchema, ResponsesService } from '../../gen/llmgateway/v1/responses_service_pb.js';
import * as build from '../../src/model/build.ts';
import { openaiClient, type RunningGateway, startGateway } from '../support/gateway.ts';
import { type JsonServer, startJsonServer } from '../support/json-server.ts';
import { checkEvents, type Json } from '../support/response-machine.ts';
import { eventsIn, respond } from '../support/responses.ts';

const usage = {
  input_tokens: 9,
  output_tokens: 3,
  total_tokens: 12,
  input_tokens_details: { cached_tokens: 0 },
  output_tokens_details: { reasoning_tokens: 0 },
};
const said = (text: string): Json => ({
  id: 'resp_up',
  object: 'response',
  created_at: 7,
  model: 'm',
  status: 'completed',
  output: [
    {
      id: 'msg_up',
      type: 'message',
      role: 'assistant',
      status: 'completed',
      content: [{ type: 'output_text', text, annotations: [] }],
    },
  ],
  usage,
});
const compacted: Json = {
  id: 'resp_c',
  object: 'response.compaction',
  created_at: 42,
  output: [
    {
      id: 'msg_u',
      type: 'message',
      role: 'user',
      status: 'completed',
      content: [{ type: 'input_text', text: 'Hi.' }],
    },
    { id: 'cmp_1', type: 'compaction', encrypted_content: 'SEALED+/==' },
  ],
  usage,
};

let upstream: JsonServer;
let first: RunningGateway;
let second: RunningGateway;
let openai: OpenAI;
/** What the chat model says next. */
let answer = '';

beforeAll(async () => {
  upstream = await startJsonServer({
    '/v1/responses': () => said('native'),
    '/v1/responses/compact': () => compacted,
    '/v1/chat/completions': () => ({
      id: 'c',
      object: 'chat.completion',
      created: 1,
      model: 'm',
      choices: [{ index: 0, message: { role: 'assistant', content: answer }, finish_reason: 'stop' }],
      usage: { prompt_tokens: 20, completion_tokens: 5, total_tokens: 25 },
    }),
    '/v1/messages': () => ({
      id: 'm',
      type: 'message',
      role: 'assistant',
      model: 'claude',
      content: [{ type: 'text', text: 'from Claude' }],
      stop_reason: 'end_turn',
      usage: { input_tokens: 3, output_tokens: 2 },
    }),
  });
  const env = {
    LLM_GATEWAY_OPENAI_BASE_URL: `${upstream.origin}/v1`,
    LLM_GATEWAY_OPENAI_API_KEY: 'k',
    LLM_GATEWAY_XAI_BASE_URL: `${upstream.origin}/v1`,
    LLM_GATEWAY_XAI_API_KEY: 'k',
    LLM_GATEWAY_DEEPSEEK_BASE_URL: `${upstream.origin}/v1`,
    LLM_GATEWAY_DEEPSEEK_API_KEY: 'k',
    LLM_GATEWAY_ANTHROPIC_BASE_URL: upstream.origin,
    LLM_GATEWAY_ANTHROPIC_API_KEY: 'k',
  };
  first = await startGateway(env);
  second = await startGateway(env);
  openai = openaiClient(first.url);
});
afterAll(async () => {
  await first.stop();
  await second.stop();
  upstream.close();
});
beforeEach(() => {
  answer = 'They want tea; the pot is /kitchen/pot-7.';
  upstream.got.length = 0;
});

const bodyOf = (path: string): Json => upstream.got.findLast((got) => got.path === path)?.body as Json;
const conversation = [
  { role: 'developer', content: 'Be brief.' },
  { role: 'user', content: 'Where is the pot?' },
  { type: 'function_call', call_id: 'c1', name: 'find', arguments: '{"what":"pot"}' },
  { type: 'function_call_output', call_id: 'c1', output: '/kitchen/pot-7' },
  { role: 'assistant', content: 'In the kitchen.' },
  { role: 'user', content: 'Make tea.' },
] as OpenAI.Responses.ResponseInput;

test('any model compacts: what the user said stays, the rest is a summary that only the gateway reads', async () => {
  const result = await openai.responses.compact({ model: 'deepseek/deepseek-chat', input: conversation });
  expect(result).toMatchObject({ object: 'response.compaction', usage: { total_tokens: 25 } });
  const output = result.output as unknown as Json[];
  expect(output.map(({ type }) => type)).toEqual(['message', 'message', 'compaction']);
  expect(JSON.stringify(output)).toContain('Where is the pot?');
  expect(JSON.stringify(output)).not.toContain('pot-7');
  const ids = new Set(output.map(({ id }) => id));
  expect(ids.size).toBe(3);
  const asked = bodyOf('/v1/chat/completions');
  expect(asked['max_tokens']).toBe(8_192);
  expect(asked).not.toHaveProperty('tools');
  const messages = asked['messages'] as Json[];
  expect(messages).toHaveLength(2);
  expect(messages[1]?.['content']).toContain('(calls find: {"what":"pot"})');
  expect(messages[1]?.['content']).toContain('(result: /kitchen/pot-7)');
});

test.each([
  ['deepseek/deepseek-chat', '/v1/chat/completions', 'messages'],
  ['anthropic/claude-sonnet-4-5', '/v1/messages', 'messages'],
  ['openai/gpt-5.2', '/v1/responses', 'input'],
  ['xai/grok-4', '/v1/responses', 'input'],
])('%s understands the summary, through another gateway', async (model, path, key) => {
  const { output } = await openai.responses.compact({ model: 'deepseek/deepseek-chat', input: conversation });
  const response = await respond(second.url, {
    model,
    store: false,
    input: [...output, { role: 'user', content: 'Go on.' }],
  });
  expect(response.status).toBe(200);
  expect(response.headers.get('x-warnings')).toBe(null);
  const sent = JSON.stringify(bodyOf(path)[key]);
  expect(sent).toContain(answer);
  expect(sent).toContain('Where is the pot?');
  expect(sent).not.toContain('llmgateway.v1');
});

test('it goes on from a stored response, and is listed as it was given', async () => {
  const one = await openai.responses.create({ model: 'deepseek/deepseek-chat', input: 'The pot is blue.' });
  const { output } = await openai.responses.compact({
    model: 'deepseek/deepseek-chat',
    previous_response_id: one.id,
  });
  expect(JSON.stringify(bodyOf('/v1/chat/completions'))).toContain('The pot is blue.');
  const two = await openai.responses.create({
    model: 'deepseek/deepseek-chat',
    input: output as OpenAI.Responses.ResponseInput,
  });
  const listed = await openai.responses.inputItems.list(two.id, { order: 'asc' });
  expect(listed.data).toEqual(output);
});

test('a provider that compacts by itself is asked in its own dialect, and its item goes back byte for byte', async () => {
  const one = await openai.responses.create({ model: 'openai/gpt-5.2', input: 'Hi.' });
  const result = await openai.responses.compact({
    model: 'openai/gpt-5.2',
    previous_response_id: one.id,
    instructions: 'Short.',
    prompt_cache_key: 'pck',
  });
  expect(result).toEqual({
    ...compacted,
    usage: { ...usage, input_tokens_details: { cached_tokens: 0, cache_write_tokens: 0 } },
  });
  const asked = bodyOf('/v1/responses/compact');
  expect(asked).toMatchObject({ model: 'gpt-5.2', instructions: 'Short.', prompt_cache_key: 'pck' });
  expect(Object.keys(asked).sort()).toEqual(['input', 'instructions', 'model', 'prompt_cache_key']);
  await openai.responses.create({
    model: 'openai/gpt-5.2',
    input: result.output as OpenAI.Responses.ResponseInput,
  });
  expect((bodyOf('/v1/responses')['input'] as Json[])[1]).toEqual((compacted['output'] as Json[])[1]);
});

test("another provider's compaction is refused by name, or left out where the client wants that", async () => {
  const input = [...(compacted['output'] as Json[]), { role: 'user', content: 'Go on.' }];
  for (const model of ['deepseek/deepseek-chat', 'anthropic/claude-sonnet-4-5', 'xai/grok-4']) {
    const refused = await respond(first.url, { model, input, store: false });
    expect(refused.status).toBe(400);
    expect(await refused.json()).toMatchObject({ error: { code: 'unsupported_parameter' } });
    const dropped = await respond(first.url, { model, input, store: false, drop_params: true });
    expect(dropped.status).toBe(200);
    expect(dropped.headers.get('x-warnings')).toContain('dropped_part');
  }
});

test('a compaction of xAI goes back to xAI as it was, and to nobody else', async () => {
  const { output } = await openai.responses.compact({ model: 'xai/grok-4', input: conversation });
  const items = output as unknown as Json[];
  expect(items[1]?.['encrypted_content']).not.toBe('SEALED+/==');
  const input = [...items, { role: 'user', content: 'Go on.' }];
  expect((await respond(second.url, { model: 'xai/grok-4', input, store: false })).status).toBe(200);
  expect((bodyOf('/v1/responses')['input'] as Json[])[1]).toEqual((compacted['output'] as Json[])[1]);
  expect((await respond(second.url, { model: 'openai/gpt-5.2', input, store: false })).status).toBe(400);
});

test('a compaction_trigger makes a response of one compaction, from which the next one goes on', async () => {
  const input = [...conversation, { type: 'compaction_trigger' }];
  const response = await respond(first.url, { model: 'deepseek/deepseek-chat', input });
  const whole = (await response.json()) as Json;
  expect(whole).toMatchObject({ status: 'completed', output: [{ type: 'compaction' }] });
  const streamed = await respond(first.url, { model: 'deepseek/deepseek-chat', input, stream: true });
  const events = eventsIn(await streamed.text());
  checkEvents(events);
  expect(events.at(-1)).toMatchObject({
    type: 'response.completed',
    response: { output: [{ type: 'compaction' }] },
  });
  await respond(first.url, {
    model: 'deepseek/deepseek-chat',
    previous_response_id: whole['id'] as string,
    input: 'Go on.',
  });
  const messages = bodyOf('/v1/chat/completions')['messages'] as Json[];
  expect(JSON.stringify(messages)).toContain(answer);
  expect(JSON.stringify(messages)).not.toContain('Where is the pot?');
});

test('nothing to compact, and a model that says nothing, are errors', async () => {
  const compact = (body: Json) =>
    fetch(`${first.url}/v1/responses/compact`, { method: 'POST', body: JSON.stringify(body) });
  const empty = await compact({ model: 'deepseek/deepseek-chat' });
  expect(empty.status).toBe(400);
  expect(await empty.json()).toMatchObject({ error: { param: 'input' } });
  answer = '  ';
  expect((await compact({ model: 'deepseek/deepseek-chat', input: 'Hi.' })).status).toBe(502);
});

test('RPC has the same', async () => {
  const client = createClient(
    ResponsesService,
    createConnectTransport({ baseUrl: first.url, httpVersion: '1.1' }),
  );
  const message = build.message(Role.USER, [build.textPart('Where is the pot?')]);
  const model = 'deepseek/deepseek-chat';
  const parameters = create(ResponseParametersSchema, {
    model,
    input: [{ kind: { case: 'message', value: message } }],
  });
  const { output, usage: used, callReport } = await client.compactResponse({ parameters });
  expect(output.map(({ kind }) => kind.case)).toEqual(['message', 'opaque']);
  expect(output[1]?.kind.value).toMatchObject({ dialect: 'llmgateway', type: 'compaction', text: answer });
  expect(used?.totalTokens).toBe(25);
  expect(callReport?.provider).toBe('deepseek');
  await client.createResponse({ parameters: create(ResponseParametersSchema, { model, input: output }) });
  expect(JSON.stringify(bodyOf('/v1/chat/completions'))).toContain(answer);
});
