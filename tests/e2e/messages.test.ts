import Anthropic from '@anthropic-ai/sdk';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  answered,
  chunked,
  type ScriptedUpstream,
  STREAM_HEAD,
  startUpstream,
} from '../http/support/upstream.ts';
import { anthropicClient, type RunningGateway, startGateway } from '../support/gateway.ts';

let upstream: ScriptedUpstream;
let gateway: RunningGateway;
let client: Anthropic;
beforeAll(async () => {
  upstream = await startUpstream();
  gateway = await startGateway({ OPENAI_API_KEY: 'k', LLM_GATEWAY_OPENAI_BASE_URL: `${upstream.origin}/v1` });
  client = anthropicClient(gateway.url);
});
afterAll(async () => {
  await gateway.stop();
  upstream.close();
});

const hello: Anthropic.MessageCreateParamsNonStreaming = {
  model: 'fake/echo',
  max_tokens: 100,
  messages: [{ role: 'user', content: 'Hello there' }],
};
const tools: Anthropic.Tool[] = [
  { name: 'look', input_schema: { type: 'object', properties: { place: { type: 'string' } } } },
  { name: 'wait', input_schema: { type: 'object' } },
];

/** A completion of OpenAI's, whole. */
const completion = (message: object, finish: string) =>
  JSON.stringify({
    id: 'chatcmpl-9',
    object: 'chat.completion',
    created: 1,
    model: 'gpt-9',
    choices: [{ index: 0, message: { role: 'assistant', ...message }, finish_reason: finish }],
    usage: {
      prompt_tokens: 30,
      completion_tokens: 7,
      total_tokens: 37,
      prompt_tokens_details: { cached_tokens: 20 },
    },
  });

const chunkOf = (delta: object, finish: string | null = null) =>
  `data: ${JSON.stringify({ id: 'chatcmpl-9', object: 'chat.completion.chunk', created: 1, model: 'gpt-9', choices: [{ index: 0, delta, finish_reason: finish }] })}\n\n`;
const usageChunk = `data: ${JSON.stringify({ id: 'chatcmpl-9', object: 'chat.completion.chunk', created: 1, model: 'gpt-9', choices: [], usage: { prompt_tokens: 30, completion_tokens: 7, total_tokens: 37 } })}\n\n`;
const streamed = (...frames: string[]) => `${STREAM_HEAD}${frames.map(chunked).join('')}0\r\n\r\n`;
const tool = (index: number, more: object) => ({ tool_calls: [{ index, ...more }] });

describe('models that are always there', () => {
  test('a whole answer', async () => {
    const message = await client.messages.create(hello);
    expect(message).toMatchObject({
      type: 'message',
      role: 'assistant',
      model: 'fake/echo',
      content: [{ type: 'text', text: 'Hello there' }],
      stop_reason: 'end_turn',
      stop_sequence: null,
      usage: { input_tokens: 2, output_tokens: 2 },
    });
    expect(message.id).toMatch(/^msg_/);
    expect(message._request_id).toMatch(/^req_/);
  });

  test.each(['fake/echo', 'fake/reasoning', 'fake/tools?calls=3', 'fake/refuse', 'fake/echo?finish=length'])(
    'the stream of %s adds up to the whole answer',
    async (model) => {
      const request = { ...hello, model, tools };
      const { id: _, usage, ...whole } = await client.messages.create(request);
      const stream = client.messages.stream(request);
      let text = '';
      stream.on('text', (piece) => {
        text += piece;
      });
      const { id: __, usage: summed, ...rest } = await stream.finalMessage();
      expect(rest).toMatchObject(JSON.parse(JSON.stringify(whole)));
      expect(summed.output_tokens).toBe(usage.output_tokens);
      expect(summed.input_tokens).toBe(usage.input_tokens);
      expect(text).toBe(whole.content.map((block) => (block.type === 'text' ? block.text : '')).join(''));
    },
  );

  test("a tool's result goes back", async () => {
    const request = { ...hello, model: 'fake/tools', tools };
    const { content } = await client.messages.stream(request).finalMessage();
    const [call] = content;
    if (call?.type !== 'tool_use') throw new Error('no call');
    const second = await client.messages.create({
      ...request,
      messages: [
        ...hello.messages,
        { role: 'assistant', content },
        { role: 'user', content: [{ type: 'tool_result', tool_use_id: call.id, content: 'a tree' }] },
      ],
    });
    expect(second.content).toEqual([{ type: 'text', text: 'The tool said: a tree' }]);
    expect(second.stop_reason).toBe('end_turn');
  });

  test('paths without /v1, and an unknown query', async () => {
    for (const path of ['/messages', '/v1/messages?beta=true', '/messages?beta=true']) {
      const response = await fetch(`${gateway.url}${path}`, { method: 'POST', body: JSON.stringify(hello) });
      expect(response.status).toBe(200);
      expect(response.headers.get('x-provider-used')).toBe('fake');
      expect(response.headers.get('request-id')).toBe(response.headers.get('x-request-id'));
    }
  });
});

describe('a provider of another form', () => {
  test('gets the request in its own words', async () => {
    const pending = client.messages.create({
      model: 'openai/gpt-9',
      max_tokens: 50,
      system: [{ type: 'text', text: 'Be brief.' }],
      stop_sequences: ['END'],
      metadata: { user_id: 'me' },
      tools,
      tool_choice: { type: 'any', disable_parallel_tool_use: true },
      messages: [
        {
          role: 'user',
          content: [
            { type: 'text', text: 'Look' },
            { type: 'image', source: { type: 'base64', media_type: 'image/png', data: 'AAAA' } },
          ],
        },
        {
          role: 'assistant',
          content: [
            { type: 'thinking', thinking: 'Hm', signature: '' },
            { type: 'text', text: 'Looking.' },
            { type: 'tool_use', id: 't1', name: 'look', input: { place: 'here' } },
            { type: 'tool_use', id: 't2', name: 'wait', input: {} },
          ],
        },
        {
          role: 'user',
          content: [
            { type: 'tool_result', tool_use_id: 't1', content: 'a tree' },
            { type: 'tool_result', tool_use_id: 't2', content: [{ type: 'text', text: 'done' }] },
            { type: 'text', text: 'And?' },
          ],
        },
      ],
    });
    const { body, socket } = await upstream.request();
    socket.write(answered(completion({ content: 'Yes' }, 'stop')));
    const message = await pending;
    expect(message).toMatchObject({
      id: 'msg_9',
      model: 'gpt-9',
      content: [{ type: 'text', text: 'Yes' }],
      usage: { input_tokens: 10, cache_read_input_tokens: 20, output_tokens: 7 },
    });
    const functions = tools.map(({ name, input_schema: parameters }) => ({
      type: 'function',
      function: { name, parameters },
    }));
    expect(JSON.parse(body)).toEqual({
      model: 'gpt-9',
      messages: [
        { role: 'system', content: [{ type: 'text', text: 'Be brief.' }] },
        {
          role: 'user',
          content: [
            { type: 'text', text: 'Look' },
            { type: 'image_url', image_url: { url: 'data:image/png;base64,AAAA' } },
          ],
        },
        {
          role: 'assistant',
          content: 'Looking.',
          tool_calls: [
            { id: 't1', type: 'function', function: { name: 'look', arguments: '{"place":"here"}' } },
            { id: 't2', type: 'function', function: { name: 'wait', arguments: '{}' } },
          ],
        },
        { role: 'tool', tool_call_id: 't1', content: 'a tree' },
        { role: 'tool', tool_call_id: 't2', content: [{ type: 'text', text: 'done' }] },
        { role: 'user', content: 'And?' },
      ],
      tools: functions,
      tool_choice: 'required',
      parallel_tool_calls: false,
      max_completion_tokens: 50,
      stop: ['END'],
      user: 'me',
    });
  });

  test('its calls, interleaved, come as blocks one after another', async () => {
    const stream = client.messages.stream({ ...hello, model: 'openai/gpt-9', tools });
    const order: string[] = [];
    stream.on('streamEvent', ({ type, ...event }) => {
      if (type.startsWith('content_block'))
        order.push(`${type.slice(14)} ${(event as { index: number }).index}`);
    });
    const { socket } = await upstream.request();
    socket.write(
      streamed(
        chunkOf({ role: 'assistant', content: 'Both.' }),
        chunkOf(tool(0, { id: 'a', type: 'function', function: { name: 'look', arguments: '{"pla' } })),
        chunkOf(tool(1, { id: 'b', type: 'function', function: { name: 'wait', arguments: '' } })),
        chunkOf(tool(0, { function: { arguments: 'ce":"x"}' } })),
        chunkOf({}, 'tool_calls'),
        usageChunk,
        'data: [DONE]\n\n',
      ),
    );
    const message = await stream.finalMessage();
    expect(message.content).toEqual([
      { type: 'text', text: 'Both.' },
      { type: 'tool_use', id: 'a', name: 'look', input: { place: 'x' } },
      { type: 'tool_use', id: 'b', name: 'wait', input: {} },
    ]);
    expect(message.stop_reason).toBe('tool_use');
    expect(message.usage).toMatchObject({ input_tokens: 30, output_tokens: 7 });
    expect(order.filter((step) => !step.startsWith('delta'))).toEqual(
      [0, 1, 2].flatMap((index) => [`start ${index}`, `stop ${index}`]),
    );
  });

  test('its reasoning is a thinking block', async () => {
    const pending = client.messages.create({ ...hello, model: 'openai/gpt-9' });
    const { socket } = await upstream.request();
    socket.write(answered(completion({ content: 'Yes', reasoning_content: 'Hm' }, 'stop')));
    expect((await pending).content).toEqual([
      { type: 'thinking', thinking: 'Hm', signature: '' },
      { type: 'text', text: 'Yes' },
    ]);
  });

  test('what it cannot take is dropped or refused, as the client wishes', async () => {
    const request = { ...hello, model: 'openai/gpt-9', top_k: 5 };
    const options = (wish: string) => ({ headers: { 'X-Drop-Params': wish } });
    const pending = client.messages.create(request, options('true')).withResponse();
    const { body, socket } = await upstream.request();
    socket.write(answered(completion({ content: 'Yes' }, 'stop')));
    expect((await pending).response.headers.get('x-dropped-params')).toBe('top_k');
    expect(JSON.parse(body)).not.toHaveProperty('top_k');
    await expect(client.messages.create(request, options('false'))).rejects.toThrow(/top_k/);
  });
});

describe('failures', () => {
  test.each([
    [{ ...hello, model: 'fake/error?status=429' }, 429, 'rate_limit_error', Anthropic.RateLimitError],
    [{ ...hello, model: 'fake/error?status=529' }, 529, 'overloaded_error', Anthropic.InternalServerError],
    [{ ...hello, model: 'fake/error?status=500' }, 502, 'api_error', Anthropic.InternalServerError],
    [{ ...hello, model: 'grok-4' }, 400, 'invalid_request_error', Anthropic.BadRequestError],
    [
      { ...hello, messages: [{ role: 'user', content: [{ type: 'text' }] }] },
      400,
      'invalid_request_error',
      Anthropic.BadRequestError,
    ],
    [{ model: 'fake/echo', messages: [] }, 400, 'invalid_request_error', Anthropic.BadRequestError],
  ] as const)('%#: a status and a body that the SDK knows', async (request, status, type, kind) => {
    for (const stream of [false, true]) {
      const error = await client.messages.create({ ...request, stream } as never).catch((reason) => reason);
      expect(error).toBeInstanceOf(kind);
      expect(error).toMatchObject({ status, type });
      expect(error.error).toMatchObject({ type: 'error', error: { type } });
      expect(error.requestID).toBe(error.error.request_id);
    }
  });

  const raw = (path: string, init: RequestInit = {}) => fetch(`${gateway.url}${path}`, init);
  test.each([
    ['/v1/messages', { method: 'GET' }, 405, 'invalid_request_error'],
    ['/v1/messages/batches', { method: 'POST', body: '{}' }, 404, 'not_found_error'],
    ['/messages', { method: 'POST', body: '{' }, 400, 'invalid_request_error'],
    ['/v1/messages/count_tokens', { method: 'POST', body: '[]' }, 400, 'invalid_request_error'],
    [
      '/v1/messages',
      { method: 'POST', body: 'x', headers: { 'content-encoding': 'magic' } },
      415,
      'invalid_request_error',
    ],
  ])('%s %#', async (path, init, status, type) => {
    const response = await raw(path, init);
    expect(response.status).toBe(status);
    const body = (await response.json()) as { request_id: string };
    expect(body).toMatchObject({ type: 'error', error: { type } });
    expect(body.request_id).toBe(response.headers.get('request-id'));
  });

  test('other paths keep their form', async () => {
    const response = await raw('/v1/messagesx', { method: 'POST' });
    expect(await response.json()).toMatchObject({ error: { code: 'not_found' } });
  });

  test('a stream that breaks off ends in an error, not in message_stop', async () => {
    const events: string[] = [];
    const stream = client.messages.stream({ ...hello, model: 'fake/echo?cut_after=1' });
    stream.on('streamEvent', ({ type }) => events.push(type));
    const error = await stream.finalMessage().catch((reason) => reason);
    expect(error).toBeInstanceOf(Anthropic.APIError);
    expect(error).toMatchObject({ type: 'api_error' });
    expect(events).toContain('content_block_delta');
    expect(events).not.toContain('message_stop');
  });

  test('a client that leaves stops the work upstream', async () => {
    const leave = async (): Promise<number> => {
      const stream = client.messages.stream({ ...hello, model: 'openai/gpt-9' });
      const seen = new Promise<void>((resolve) => {
        stream.on('text', () => resolve());
      });
      const { socket, gone } = await upstream.request();
      socket.write(STREAM_HEAD + chunked(chunkOf({ role: 'assistant', content: 'Hel' })));
      await seen;
      const outcome = stream.finalMessage().catch((reason) => reason);
      const left = performance.now();
      stream.abort();
      const after = (await gone) - left;
      expect(await outcome).toBeInstanceOf(Anthropic.APIUserAbortError);
      return after;
    };
    // The first errors of a process under test wait for their source maps.
    await leave();
    expect(await leave()).toBeLessThan(1_000);
  });
});

test('silence is filled with pings, before and between the events', async () => {
  const quick = await startGateway({ LLM_GATEWAY_SSE_KEEP_ALIVE_SECONDS: '50ms' });
  const request = { ...hello, model: 'fake/echo?first_ms=300&words=2&delay_ms=200' };
  const response = await fetch(`${quick.url}/v1/messages`, {
    method: 'POST',
    body: JSON.stringify({ ...request, stream: true }),
  });
  const text = await response.text();
  const { content } = await anthropicClient(quick.url).messages.stream(request).finalMessage();
  await quick.stop();
  const types = text
    .split('\n\n')
    .filter((frame) => frame !== '')
    .map((frame) => /^event: (\w+)\ndata: \{/.exec(frame)?.[1]);
  expect(types[0]).toBe('ping');
  expect(types.filter((type) => type === 'ping').length).toBeGreaterThan(2);
  expect(types).not.toContain(undefined);
  expect(types.at(-1)).toBe('message_stop');
  expect(content).toEqual([{ type: 'text', text: 'Hello there' }]);
});

test('a gateway that drains refuses in this form, too', async () => {
  const busy = await startGateway();
  const began = await fetch(`${busy.url}/v1/messages`, {
    method: 'POST',
    body: JSON.stringify({ ...hello, model: 'fake/slow?words=30', stream: true }),
  });
  const drained = busy.gateway.drain();
  const refused = await fetch(`${busy.url}/v1/messages?beta=true`, { method: 'POST', body: '{}' });
  expect(refused.status).toBe(503);
  expect(await refused.json()).toMatchObject({
    type: 'error',
    error: { type: 'overloaded_error' },
    request_id: refused.headers.get('request-id'),
  });
  expect(await began.text()).toContain('message_stop');
  await drained;
});
