import { createClient } from '@connectrpc/connect';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { ResponsesService } from '../../gen/llmgateway/v1/responses_service_pb.js';
import { decodeResponseRequest } from '../../src/codec/openai-responses/decode-request.ts';
import { type RunningGateway, rpcTransports, startGateway } from '../support/gateway.ts';
import { send } from '../support/json-server.ts';
import { checkEvents, type Json } from '../support/response-machine.ts';
import { eventsIn, respond } from '../support/responses.ts';
import { message, type ResponsesUpstream, startResponsesUpstream } from '../support/responses-upstream.ts';

// A conversation that goes on with another provider, or on another gateway: what one of them said is told the next as it can be.

let upstream: ResponsesUpstream;
/** They share nothing. */
let gateways: [RunningGateway, RunningGateway];
/** What Claude says next. */
let blocks: Json[];
/** What Gemini says next. */
let parts: Json[];
const gemini = 'gemini-3-pro-preview';
const google = `google/${gemini}`;
const claude = 'anthropic/claude-sonnet-4-5';
const geminiAt = (way: string): string => `/v1beta/models/${gemini}:${way}`;

beforeAll(async () => {
  upstream = await startResponsesUpstream();
  upstream.routes['/v1/messages'] = () => ({
    id: 'm',
    type: 'message',
    role: 'assistant',
    model: 'claude',
    content: blocks,
    stop_reason: 'end_turn',
    usage: { input_tokens: 3, output_tokens: 2 },
  });
  const candidate = () => ({
    candidates: [{ content: { role: 'model', parts }, index: 0, finishReason: 'STOP' }],
    modelVersion: 'm',
    responseId: `r${upstream.got.length}`,
  });
  upstream.routes[geminiAt('generateContent')] = candidate;
  upstream.routes[geminiAt('streamGenerateContent?alt=sse')] = (_, response) =>
    send(response, 200, `data: ${JSON.stringify(candidate())}\n\n`, 'text/event-stream');
  const env = {
    ...upstream.env,
    GOOGLE_API_KEY: 'k',
    LLM_GATEWAY_GOOGLE_BASE_URL: `${upstream.origin}/v1beta`,
  };
  gateways = [await startGateway(env), await startGateway(env)];
});
afterAll(async () => {
  for (const gateway of gateways) await gateway.stop();
  upstream.close();
});
beforeEach(() => {
  upstream.output = [message('native')];
  upstream.messages = [];
  blocks = [{ type: 'text', text: 'from Claude' }];
  parts = [{ text: 'from Gemini' }];
});

/** Asks, whole or streamed. @param at which gateway */
async function ask(body: Json, stream = false, at: 0 | 1 = 0): Promise<Json> {
  const response = await respond(gateways[at].url, { ...body, stream });
  expect(response.status).toBe(200);
  const warnings = response.headers.get('x-warnings') ?? '';
  if (!stream) return { ...((await response.json()) as Json), warnings };
  const events = eventsIn(await response.text());
  checkEvents(events);
  return { ...(events.at(-1)?.['response'] as Json), warnings };
}
const outputOf = (response: Json): Json[] => response['output'] as Json[];
const contents = (): Json[] =>
  upstream.got.findLast(({ path }) => path.startsWith('/v1beta'))?.body?.['contents'] as Json[];
const messagesTo = (path: string): Json[] => upstream.asked(path)['messages'] as Json[];
const tools = [{ type: 'function', name: 'poll', parameters: { type: 'object', properties: {} } }];

describe('what a provider ran by itself at the beginning of an answer is its own', () => {
  const search = { type: 'server_tool_use', id: 'srvtoolu_1', name: 'web_search', input: { query: 'q' } };
  const found = { type: 'web_search_tool_result', tool_use_id: 'srvtoolu_1', content: [] };
  const text = { type: 'text', text: 'found' };

  test.each([true, false])('Claude, chained: %s', async (chained) => {
    blocks = [search, found, text];
    const { id, output } = await ask({ model: claude, input: 'q' });
    const more = chained
      ? { previous_response_id: id, input: 'n' }
      : {
          input: [{ role: 'user', content: 'q' }, ...(output as Json[]), { role: 'user', content: 'n' }],
        };
    await ask({ model: claude, ...more });
    const told = messagesTo('/v1/messages');
    expect(told.map(({ role }) => role)).toEqual(['user', 'assistant', 'user']);
    expect(told[1]?.['content']).toEqual([search, found, text]);
  });

  test('Gemini', async () => {
    const ran = [
      { executableCode: { language: 'PYTHON', code: '1' } },
      { codeExecutionResult: { outcome: 'OUTCOME_OK', output: '1' } },
      { text: 'one' },
    ];
    parts = ran;
    const { id } = await ask({ model: google, input: 'q' });
    await ask({ model: google, input: 'n', previous_response_id: id });
    expect(contents().map(({ role }) => role)).toEqual(['user', 'model', 'user']);
    expect(contents()[1]?.['parts']).toEqual(ran);
  });
});

describe("Gemini's signatures", () => {
  const signed = (args: Json, signature?: string): Json => ({
    functionCall: { name: 'poll', args },
    ...(signature === undefined ? {} : { thoughtSignature: signature }),
  });
  const signatures = (): unknown[] =>
    ((contents()[1]?.['parts'] ?? []) as Json[]).map(({ thoughtSignature }) => thoughtSignature);

  test.each([
    ['a call', false, [signed({}, 'S1')], ['S1']],
    ['a call', true, [signed({}, 'S1')], ['S1']],
    [
      'thoughts and two calls',
      false,
      [{ text: 'hm', thought: true }, signed({}, 'S1'), signed({ z: 1 })],
      ['S1', undefined],
    ],
    [
      'thoughts and two calls',
      true,
      [{ text: 'hm', thought: true }, signed({}, 'S1'), signed({ z: 1 })],
      ['S1', undefined],
    ],
    ['a text', false, [{ text: 'hello', thoughtSignature: 'S3' }], ['S3']],
    ['a text', true, [{ text: 'hello', thoughtSignature: 'S3' }], ['S3']],
  ])('of %s (streamed: %s) are read back by any gateway', async (_, stream, said, wanted) => {
    parts = said;
    const body = { model: google, tools, store: false, include: ['reasoning.encrypted_content'] };
    const first = await ask({ ...body, input: 'q' }, stream);
    const results = outputOf(first)
      .filter(({ type }) => type === 'function_call')
      .map(({ call_id }) => ({ type: 'function_call_output', call_id, output: 'x' }));
    const question = { role: 'user', content: 'q' };
    const next = results.length > 0 ? results : [{ role: 'user', content: 'n' }];
    const second = await ask({ ...body, input: [question, ...outputOf(first), ...next] }, false, 1);
    expect(signatures()).toEqual(wanted);
    expect(second['warnings']).not.toContain('reasoning_state');
  });

  test('a client that does not ask for them sees none', async () => {
    parts = [signed({}, 'S1')];
    const { output } = await ask({ model: google, tools, input: 'q' });
    expect((output as Json[]).map(({ type }) => type)).toEqual(['function_call']);
  });

  test.each([
    ['text', [{ text: 'hello', thoughtSignature: 'S' }], ['S']],
    ['last, empty text', [{ text: 'hello' }, { text: '', thoughtSignature: 'S' }], ['S']],
    ['thought', [{ text: 'hm', thought: true, thoughtSignature: 'S' }, { text: 'hello' }], ['S', undefined]],
  ])('of a %s are kept with the response', async (_, said, wanted) => {
    parts = said;
    for (const stream of [false, true]) {
      const { id } = await ask({ model: google, input: 'q' }, stream);
      const { warnings } = await ask({ model: google, input: 'n', previous_response_id: id });
      expect([signatures(), warnings]).toEqual([wanted, '']);
    }
  });
});

describe('a picture in an answer', () => {
  const picture = { inlineData: { mimeType: 'image/jpeg', data: 'AAAA' }, thoughtSignature: 'IS' };
  const shown = { type: 'image_generation_call', status: 'completed', result: 'AAAA' };

  test.each([true, false])('is an item of its own (streamed: %s)', async (stream) => {
    parts = [{ text: 'see' }, picture, { text: 'nice' }];
    const first = await ask({ model: google, input: 'draw' }, stream);
    const said = outputOf(first).filter(({ type }) => type !== 'reasoning');
    expect(said).toMatchObject([{ type: 'message' }, shown, { type: 'message' }]);
    const more = { previous_response_id: first['id'], input: 'n' };

    await ask({ model: google, ...more });
    expect(contents()[1]?.['parts']).toEqual([{ text: 'see' }, picture, { text: 'nice' }]);

    await ask({ model: 'openai/gpt-5', ...more });
    const input = upstream.asked('/v1/responses')['input'] as Json[];
    expect(input[2]).toMatchObject({ ...shown, id: expect.stringMatching(/^ig_/) });
    expect(JSON.stringify(input)).not.toContain('input_image');

    for (const [model, path] of [
      ['xai/grok-4', '/v1/responses'],
      [claude, '/v1/messages'],
      ['deepseek/m', '/v1/chat/completions'],
    ] as const) {
      const { warnings } = await ask({ model, ...more });
      expect(warnings).toContain('dropped_part');
      expect(JSON.stringify(upstream.asked(path))).not.toContain('AAAA');
    }
  });

  test('of OpenAI is seen by Gemini', async () => {
    upstream.output = [{ id: 'ig_up', ...shown }];
    const { id } = await ask({ model: 'openai/gpt-5', input: 'draw' });
    await ask({ model: google, input: 'n', previous_response_id: id });
    expect(contents()[1]?.['parts']).toEqual([{ inlineData: { mimeType: 'image/png', data: 'AAAA' } }]);
  });
});

describe("what a client did for tools of OpenAI's models", () => {
  const operation = { type: 'delete_file', path: 'x' };
  const call = { type: 'apply_patch_call', id: 'apc_1', call_id: 'cp', status: 'completed', operation };
  const done = { type: 'apply_patch_call_output', call_id: 'cp', status: 'completed', output: 'Gone.' };
  const shell = {
    type: 'shell_call_output',
    call_id: 'cs',
    output: [{ stdout: 'out', stderr: 'err', outcome: { type: 'exit', exit_code: 1 } }],
  };
  const shot = { type: 'computer_call_output', call_id: 'cc', output: { type: 'computer_screenshot' } };
  const user = { role: 'user', content: 'n' };

  test.each([
    ['deepseek/m', '/v1/chat/completions'],
    [claude, '/v1/messages'],
  ])('is told %s in plain text', async (model, path) => {
    upstream.output = [call];
    const { id } = await ask({ model: 'openai/gpt-5', input: 'q', tools: [{ type: 'apply_patch' }] });
    const { warnings } = await ask({ model, previous_response_id: id, input: [done] });
    expect(warnings).toBe('simplified_part');
    const text = JSON.stringify(messagesTo(path).at(-1));
    const wanted = `Call of apply_patch: ${JSON.stringify(operation)}\nOutput: Gone.`;
    expect(text).toContain(JSON.stringify(wanted));
    expect(JSON.stringify(messagesTo(path))).not.toContain('cp');
  });

  test('comes after the results of functions that were called beside it', async () => {
    const other = { type: 'function_call', call_id: 'f1', name: 'f', arguments: '{}' };
    const result = { type: 'function_call_output', call_id: 'f1', output: 'r' };
    const shellCall = {
      type: 'shell_call',
      call_id: 'cs',
      action: { commands: ['ls'] },
      status: 'completed',
    };
    await ask({ model: 'deepseek/m', input: [user, shellCall, other, shell, result, user] });
    const told = messagesTo('/v1/chat/completions');
    expect(told.map(({ role }) => role)).toEqual(['user', 'assistant', 'tool', 'user', 'user']);
    expect(told[3]?.['content']).toBe('Call of shell: {"commands":["ls"]}\nOutput: out\nerr\nexit code 1');
  });

  test('is left out with its call where it says nothing', async () => {
    const asked = { type: 'computer_call', id: 'cc_1', call_id: 'cc', status: 'completed' };
    const { warnings } = await ask({ model: 'deepseek/m', input: [user, asked, shot, user] });
    expect(warnings).toBe('dropped_part');
    expect(messagesTo('/v1/chat/completions').map(({ role }) => role)).toEqual(['user', 'user']);
  });

  test('is refused by its name where nothing else is said', async () => {
    const answer = { type: 'mcp_approval_response', approval_request_id: 'mcpr_1', approve: true };
    const request = {
      type: 'mcp_approval_request',
      id: 'mcpr_1',
      name: 'x',
      arguments: '{}',
      server_label: 's',
    };
    const body = { model: 'deepseek/m', input: [user, request, answer], drop_params: true };
    const response = await respond(gateways[0].url, body);
    expect([response.status, ((await response.json()) as Json)['error']]).toMatchObject([
      400,
      { param: 'input[2]', code: 'unsupported_parameter' },
    ]);
    const client = createClient(ResponsesService, rpcTransports.gRPC(gateways[0].url));
    const { parameters } = decodeResponseRequest({ ...body, stream: false });
    await expect(client.createResponse({ parameters })).rejects.toThrow('mcp_approval_response');
  });
});

test.each([
  ['deepseek/m', 400],
  ['openrouter/m', 200],
  [claude, 200],
])('a file by its address for %s: %i', async (model, status) => {
  const file = { type: 'input_file', file_url: 'https://example.com/a.pdf' };
  const response = await respond(gateways[0].url, { model, input: [{ role: 'user', content: [file] }] });
  const { error } = (await response.json()) as Json;
  expect(response.status).toBe(status);
  if (status === 400) expect(error).toMatchObject({ param: 'input' });
});

test('over chat, what is unknown within `reasoning` and `include` is reported', async () => {
  const body = { model: 'deepseek/m', input: 'q' };
  const known = { reasoning: { summary: 'auto' }, include: ['reasoning.encrypted_content'] };
  expect((await ask({ ...body, ...known }))['warnings']).not.toContain('dropped_extras');
  for (const more of [{ reasoning: { max_tokens: 9 } }, { include: ['nonsense'] }]) {
    expect((await ask({ ...body, ...more }))['warnings']).toContain('dropped_extras');
  }
});

test("a provider's items may have any numbers in its stream", async () => {
  const item = message('a b', 'msg_7');
  const bare = { ...item, content: [] };
  upstream.routes['/v1/responses'] = (_, response) => {
    const events = [
      { type: 'response.output_item.added', output_index: 3, item: bare },
      {
        type: 'response.output_text.delta',
        item_id: 'msg_7',
        output_index: 3,
        content_index: 0,
        delta: 'a b',
      },
      { type: 'response.output_item.done', output_index: 3, item },
      {
        type: 'response.completed',
        response: { id: 'r', status: 'completed', output: [item, message('late', 'msg_8')] },
      },
    ];
    send(
      response,
      200,
      events.map((event) => `data: ${JSON.stringify(event)}\n\n`).join(''),
      'text/event-stream',
    );
  };
  const output = outputOf(await ask({ model: 'openai/gpt-5', input: 'q' }, true));
  const said = output.map(({ content }) => (content as Json[]).map(({ text }) => text));
  expect(said).toEqual([['a b'], ['late']]);
});
