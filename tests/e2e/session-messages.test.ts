import { createClient } from '@connectrpc/connect';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { Message } from '../../gen/llmgateway/v1/message_pb.js';
import { SessionService } from '../../gen/llmgateway/v1/session_service_pb.js';
import { anthropicClient, type RunningGateway, rpcTransports, startGateway } from '../support/gateway.ts';
import { type JsonServer, send, startJsonServer } from '../support/json-server.ts';
import {
  converseEvents,
  eventStream,
  geminiChunks,
  type Json,
  messagesFrames,
  ndjson,
  ollamaLines,
  openaiChunks,
  sse,
} from '../support/restream.ts';
import { sessionsAt } from '../support/sessions.ts';

// Sessions on Anthropic's face, over providers of every form.

/** An answer: a text, and a call of the tool `weather` where it has arguments. */
interface Answer {
  readonly text: string;
  readonly city?: string;
}

/** How a provider writes an answer, and reads what was said. */
interface Form {
  readonly model: string;
  readonly paths: { readonly whole: string; readonly streamed: string };
  readonly whole: (answer: Answer) => Json;
  readonly streamed: (whole: Json) => { readonly type: string; readonly body: string | Buffer };
  /** Messages of a request beside the system's. */
  readonly asked: (body: Json) => Json[];
  /** Whether it is told the ids of calls. */
  readonly hasIds: boolean;
}

const callId = 'toolu_abc123';
const events = 'text/event-stream';

const forms: Readonly<Record<string, Form>> = {
  OpenAI: {
    model: 'openai/m',
    paths: { whole: '/v1/chat/completions', streamed: '/v1/chat/completions' },
    whole: ({ text, city }) => ({
      id: 'c',
      object: 'chat.completion',
      created: 1,
      model: 'm',
      choices: [
        {
          index: 0,
          message: {
            role: 'assistant',
            content: text,
            x_note: { kept: true },
            ...(city === undefined
              ? {}
              : {
                  tool_calls: [
                    {
                      id: callId,
                      type: 'function',
                      function: { name: 'weather', arguments: JSON.stringify({ city }) },
                      x_call: [1],
                    },
                  ],
                }),
          },
          finish_reason: city === undefined ? 'stop' : 'tool_calls',
        },
      ],
      usage: { prompt_tokens: 1, completion_tokens: 1, total_tokens: 2 },
    }),
    streamed: (whole) => ({ type: events, body: `${sse(openaiChunks(whole))}data: [DONE]\n\n` }),
    asked: ({ messages }) => messages as Json[],
    hasIds: true,
  },
  Gemini: {
    model: 'google/m',
    paths: {
      whole: '/v1beta/models/m:generateContent',
      streamed: '/v1beta/models/m:streamGenerateContent?alt=sse',
    },
    whole: ({ text, city }) => ({
      candidates: [
        {
          content: {
            role: 'model',
            parts: [
              { text },
              ...(city === undefined
                ? []
                : [
                    {
                      functionCall: { id: callId, name: 'weather', args: { city } },
                      thoughtSignature: 'c2ln',
                    },
                  ]),
            ],
          },
          finishReason: 'STOP',
          index: 0,
        },
      ],
      modelVersion: 'm',
      responseId: 'r',
    }),
    streamed: (whole) => ({ type: events, body: sse(geminiChunks(whole)) }),
    asked: ({ contents }) => contents as Json[],
    hasIds: true,
  },
  Ollama: {
    model: 'ollama/m',
    paths: { whole: '/api/chat', streamed: '/api/chat' },
    whole: ({ text, city }) => ({
      model: 'm',
      created_at: '2025-01-01T00:00:00Z',
      message: {
        role: 'assistant',
        content: text,
        x_note: { kept: true },
        ...(city === undefined
          ? {}
          : { tool_calls: [{ function: { name: 'weather', arguments: { city } } }] }),
      },
      done: true,
      done_reason: 'stop',
    }),
    streamed: (whole) => ({ type: 'application/x-ndjson', body: ndjson(ollamaLines(whole)) }),
    asked: ({ messages }) => messages as Json[],
    hasIds: false,
  },
  Bedrock: {
    model: 'bedrock/amazon.nova-pro-v1:0',
    paths: {
      whole: '/model/amazon.nova-pro-v1%3A0/converse',
      streamed: '/model/amazon.nova-pro-v1%3A0/converse-stream',
    },
    whole: ({ text, city }) => ({
      output: {
        message: {
          role: 'assistant',
          content: [
            { text, x_note: { kept: true } },
            ...(city === undefined
              ? []
              : [{ toolUse: { toolUseId: callId, name: 'weather', input: { city } } }]),
          ],
        },
      },
      stopReason: city === undefined ? 'end_turn' : 'tool_use',
      usage: { inputTokens: 1, outputTokens: 1, totalTokens: 2 },
    }),
    streamed: (whole) => ({
      type: 'application/vnd.amazon.eventstream',
      body: eventStream(converseEvents(whole)),
    }),
    asked: ({ messages }) => messages as Json[],
    hasIds: true,
  },
  Anthropic: {
    model: 'anthropic/m',
    paths: { whole: '/v1/messages', streamed: '/v1/messages' },
    whole: ({ text, city }) => ({
      id: 'msg_1',
      type: 'message',
      role: 'assistant',
      model: 'm',
      content: [
        { type: 'thinking', thinking: 'Hm.', signature: 'c2ln' },
        { type: 'text', text, x_note: { kept: true } },
        ...(city === undefined ? [] : [{ type: 'tool_use', id: callId, name: 'weather', input: { city } }]),
      ],
      stop_reason: city === undefined ? 'end_turn' : 'tool_use',
      stop_sequence: null,
      usage: { input_tokens: 1, output_tokens: 1 },
    }),
    streamed: (whole) => ({ type: events, body: sse(messagesFrames(whole), true) }),
    asked: ({ messages }) => messages as Json[],
    hasIds: true,
  },
};

let upstream: JsonServer;
let gateway: RunningGateway;
/** What is answered next. */
let answers: Answer[] = [];
beforeAll(async () => {
  upstream = await startJsonServer();
  for (const { paths, whole, streamed } of Object.values(forms)) {
    for (const path of new Set(Object.values(paths))) {
      upstream.routes[path] = ({ body }, response) => {
        const answer = whole(answers.shift() ?? { text: 'nothing left' });
        // Where one path serves both, the body says which is wanted.
        const streams = paths.whole === paths.streamed ? body?.['stream'] === true : path === paths.streamed;
        if (!streams) return answer;
        const { type, body: bytes } = streamed(answer);
        response.writeHead(200, { 'content-type': type }).end(bytes);
        return undefined;
      };
    }
  }
  gateway = await startGateway({
    OPENAI_API_KEY: 'k',
    ANTHROPIC_API_KEY: 'k',
    GEMINI_API_KEY: 'k',
    AWS_ACCESS_KEY_ID: 'AKIDEXAMPLE',
    AWS_SECRET_ACCESS_KEY: 'k',
    AWS_REGION: 'us-east-1',
    LLM_GATEWAY_OPENAI_BASE_URL: `${upstream.origin}/v1`,
    LLM_GATEWAY_ANTHROPIC_BASE_URL: upstream.origin,
    LLM_GATEWAY_GOOGLE_BASE_URL: `${upstream.origin}/v1beta`,
    LLM_GATEWAY_OLLAMA_BASE_URL: upstream.origin,
    LLM_GATEWAY_BEDROCK_BASE_URL: upstream.origin,
    // What comes back is the session's doing alone.
    LLM_GATEWAY_REASONING_STATE_MAX_BYTES: '0',
  });
});
afterAll(async () => {
  await gateway.stop();
  upstream.close();
});
beforeEach(() => {
  answers = [];
});

const tools = [
  {
    name: 'weather',
    description: 'Of a city.',
    input_schema: { type: 'object' as const, properties: { city: { type: 'string' } } },
  },
];
const chats = () =>
  upstream.got.filter(({ body, path }) => body !== undefined && !path.startsWith('/api/show'));

type Content = string | Json[];

/** Says something on Anthropic's face by Anthropic's own SDK. @returns the answer's blocks */
async function say(model: string, id: string, content: Content, how: { stream: boolean; byHeader: boolean }) {
  const { messages } = anthropicClient(gateway.url);
  const request = {
    model,
    max_tokens: 1_000,
    tools,
    messages: [{ role: 'user' as const, content: content as string }],
    ...(how.byHeader ? {} : { session_id: id }),
  };
  const options = how.byHeader ? { headers: { 'x-session-id': id } } : {};
  const message = how.stream
    ? await messages.stream(request, options).finalMessage()
    : await messages.create(request, options);
  return message.content;
}

/** A text with members that nobody knows is shown as a part. */
const textOf = (content: unknown): unknown =>
  Array.isArray(content) ? content.map(({ text }: { text: string }) => text).join('') : content;

const stored = async (id: string): Promise<Message[]> => {
  const client = createClient(SessionService, rpcTransports.gRPC(gateway.url));
  return (await client.getSession({ id })).session?.messages ?? [];
};

/** A conversation in a session: a question, a call, its result, an answer, thanks. @returns what the session has, and the last request */
async function converse(form: Form, how: { stream: boolean; byHeader: boolean }) {
  const { id } = await sessionsAt(gateway.url).make();
  answers = [{ text: 'Let me see.', city: 'Rome' }, { text: 'Sunny.' }, { text: 'Bye.' }];
  const { model } = form;
  const called = await say(model, id, 'Weather in Rome?', how);
  const use = called.find((block) => block.type === 'tool_use');
  expect(use).toMatchObject({ name: 'weather', input: { city: 'Rome' } });
  const useId = use?.id ?? '';
  const result = [
    { type: 'tool_result', tool_use_id: useId, content: [{ type: 'text', text: '{"sky":"clear"}' }] },
  ];
  const answered = await say(model, id, result, how);
  expect(answered.at(-1)).toMatchObject({ type: 'text', text: 'Sunny.' });
  await say(model, id, 'Thanks', how);
  const last = chats().at(-1)?.body as Json;
  return { id, useId, asked: form.asked(last), messages: await stored(id) };
}

describe.each(Object.entries(forms))("a session on Anthropic's face over %s", (name, form) => {
  const ways = [
    { stream: false, byHeader: false },
    { stream: true, byHeader: false },
    { stream: false, byHeader: true },
    { stream: true, byHeader: true },
  ];

  test.each(ways)('keeps calls and results of tools with their ids: %j', async (how) => {
    const { id, useId, asked } = await converse(form, how);
    if (form.hasIds) expect(useId).toBe(callId);
    else expect(useId).not.toBe('');
    const { messages } = await sessionsAt(gateway.url).read(id);
    expect(messages.map(({ role }) => role)).toEqual([
      'user',
      'assistant',
      'tool',
      'assistant',
      'user',
      'assistant',
    ]);
    expect(messages[1]).toMatchObject({
      tool_calls: [{ id: useId, function: { name: 'weather', arguments: '{"city":"Rome"}' } }],
    });
    expect(JSON.stringify(messages[2])).toContain('clear');
    expect(messages[2]).toMatchObject({ tool_call_id: useId });
    const texts = messages.map(({ content }) => textOf(content));
    expect([texts[0], texts[1], ...texts.slice(3)]).toEqual([
      'Weather in Rome?',
      'Let me see.',
      'Sunny.',
      'Thanks',
      'Bye.',
    ]);
    // The provider is told the whole conversation, in order.
    const told = JSON.stringify(asked);
    const order = ['Weather in Rome?', 'Let me see.', '"weather"', 'clear', 'Sunny.', 'Thanks'];
    const places = order.map((text) => told.indexOf(text));
    expect(places).not.toContain(-1);
    expect(places).toEqual([...places].sort((a, b) => a - b));
    if (form.hasIds) expect(told.split(`"${callId}"`).length - 1).toBe(2);
    if (name !== 'Gemini') expect(told).toContain('"x_note":{"kept":true}');
    if (name === 'OpenAI') expect(told).toContain('"x_call":[1]');
    if (name === 'Gemini') expect(told).toContain('"thoughtSignature":"c2ln"');
    if (name === 'Anthropic') expect(told).toContain('"signature":"c2ln"');
  });

  test('has after streamed calls what it has after whole ones', async () => {
    const [whole, streamed] = [await converse(form, ways[0]!), await converse(form, ways[1]!)];
    const plain = (messages: Message[], useId: string) =>
      JSON.parse(JSON.stringify(messages).replaceAll(useId, 'ID'), (key, value) =>
        key === 'multipart' ? undefined : value,
      );
    expect(plain(streamed.messages, streamed.useId)).toEqual(plain(whole.messages, whole.useId));
    const asked = ({ asked: messages, useId }: typeof whole) =>
      JSON.parse(JSON.stringify(messages).replaceAll(useId, 'ID'));
    expect(asked(streamed)).toEqual(asked(whole));
  });
});

test('the body and the header must not name different sessions', async () => {
  const sessions = sessionsAt(gateway.url);
  const [one, two] = [await sessions.make(), await sessions.make()];
  const response = await fetch(`${gateway.url}/v1/messages`, {
    method: 'POST',
    headers: { 'x-session-id': one.id },
    body: JSON.stringify({
      model: 'fake/echo',
      max_tokens: 9,
      session_id: two.id,
      messages: [{ role: 'user', content: 'x' }],
    }),
  });
  expect(response.status).toBe(400);
  expect(await response.json()).toMatchObject({ type: 'error', error: { type: 'invalid_request_error' } });
});

test.each([false, true])(
  'a session that is not there, or fails, is an error of the face; streamed: %s',
  async (stream) => {
    const post = (id: string, model: string) =>
      fetch(`${gateway.url}/v1/messages`, {
        method: 'POST',
        headers: { 'x-session-id': id },
        body: JSON.stringify({ model, stream, max_tokens: 9, messages: [{ role: 'user', content: 'x' }] }),
      });
    const gone = await post('00000000-0000-4000-8000-000000000000', 'fake/echo');
    expect(gone.status).toBe(404);
    expect(await gone.json()).toMatchObject({ error: { type: 'not_found_error' } });
    const { id } = await sessionsAt(gateway.url).make();
    upstream.routes['/v1/chat/completions'] = wrapped(upstream.routes['/v1/chat/completions']!);
    expect((await post(id, 'openai/m')).status).toBe(502);
    expect(await sessionsAt(gateway.url).said(id)).toEqual([]);
    expect((await post(id, 'fake/echo')).status).toBe(200);
  },
);

/** Fails once. */
function wrapped(route: JsonServer['routes'][string]): JsonServer['routes'][string] {
  let failed = false;
  return (got, response) => {
    if (failed) return route(got, response);
    failed = true;
    send(response, 500, { error: { message: 'no' } });
    return undefined;
  };
}
