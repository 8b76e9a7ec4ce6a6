import type { ServerResponse } from 'node:http';
import type OpenAI from 'openai';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { FinishReason } from '../../gen/llmgateway/v1/completion_pb.js';
import { Role } from '../../gen/llmgateway/v1/message_pb.js';
import { decodeOllamaRequest } from '../codec/ollama-chat/support/decode-request.ts';
import { type OllamaExchange, recorded } from '../codec/ollama-chat/support/recordings.ts';
import { callFace, faces } from '../support/faces.ts';
import { chatClient, openaiClient, type RunningGateway, startGateway } from '../support/gateway.ts';
import { type JsonServer, send, startJsonServer } from '../support/json-server.ts';

const line = (message: object, more: object = {}): string =>
  `${JSON.stringify({ model: 'm', created_at: '2026-08-07T06:08:14Z', message: { role: 'assistant', content: '', ...message }, done: false, ...more })}\n`;
const end = { done: true, done_reason: 'stop', prompt_eval_count: 3, eval_count: 2 };
const whole = line({ content: 'Hello' }, end);
const begun = line({ content: 'Hel' });

const ndjson = (response: ServerResponse, text: string): void => {
  response.writeHead(200, { 'content-type': 'application/x-ndjson' });
  response.write(text);
};

/** What the upstream does when it is asked for a model of this name. */
const scripts: Record<string, (response: ServerResponse, stream: boolean) => unknown> = {
  good: (response, stream) =>
    stream
      ? send(response, 200, begun + line({ content: 'lo' }) + line({}, end), 'application/x-ndjson')
      : send(response, 200, whole),
  // Some servers in front of it answer a stream request with everything at once.
  'good-at-once': (response) => send(response, 200, whole),
  'no-model': (response) => send(response, 404, { error: "model 'no-model' not found" }),
  'no-tools': (response) => send(response, 400, { error: '"no-tools" does not support tools' }),
  busy: (response) => send(response, 503, { error: 'server busy, please try again.' }),
  unauthorized: (response) => send(response, 401, { error: 'unauthorized', signin_url: 'https://x' }),
  broken: (response) => send(response, 500, { error: 'llama runner process has terminated' }),
  'error-in-200': (response) => send(response, 200, '{"error":"out of memory"}\n', 'application/x-ndjson'),
  'error-midway': (response, stream) =>
    stream
      ? send(response, 200, `${begun}{"error":"out of memory"}\n`, 'application/x-ndjson')
      : send(response, 200, { error: 'out of memory' }),
  'ends-midway': (response, stream) =>
    stream ? send(response, 200, begun, 'application/x-ndjson') : send(response, 200, begun.slice(0, -9)),
  'cut-in-a-line': (response, stream) =>
    stream
      ? send(response, 200, begun + line({ content: 'lo' }).slice(0, 40), 'application/x-ndjson')
      : send(response, 200, whole.slice(0, 40)),
  'reset-midway': (response) => {
    ndjson(response, begun);
    setImmediate(() => response.socket?.resetAndDestroy());
  },
  'silent-midway': (response) => ndjson(response, begun),
  nonsense: (response, stream) =>
    stream ? send(response, 200, `${begun}<html>\n`, 'application/x-ndjson') : send(response, 200, '<html>'),
};

let upstream: JsonServer;
let gateway: RunningGateway;
/** Answers instead of the scripts, where there is one. */
let playing: OllamaExchange | null = null;

beforeAll(async () => {
  upstream = await startJsonServer({
    '/api/chat': ({ body }, response) => {
      if (playing !== null) {
        const { status, type, text } = playing.response;
        return send(response, status, text, type);
      }
      const { model, stream } = body as { model: string; stream: boolean };
      scripts[model]?.(response, stream);
      return undefined;
    },
  });
  gateway = await startGateway({
    LLM_GATEWAY_OLLAMA_BASE_URL: upstream.origin,
    OLLAMA_API_KEY: 'key-of-a-hosted-ollama-0123456789',
    LLM_GATEWAY_UPSTREAM_IDLE_TIMEOUT_SECONDS: '300ms',
  });
});
afterAll(async () => {
  await gateway.stop();
  upstream.close();
});

const asked = () => upstream.got.findLast(({ path }) => path === '/api/chat');

describe('recorded chats', () => {
  const chats = recorded('api_chat');
  const good = chats.filter(({ derived }) => derived.error === undefined);

  /** What Ollama was asked, but for what the gateway adds on purpose. */
  const check = ({ request, stream }: OllamaExchange) => {
    const { tools, format, ...rest } = request;
    const kept = {
      ...((tools as unknown[] | undefined)?.length ? { tools } : {}),
      ...(format ? { format } : {}),
    };
    expect(asked()?.body).toEqual({ ...rest, ...kept, stream });
  };
  const expectedOf = ({ derived }: OllamaExchange) => {
    const calls = derived.tool_calls ?? [];
    const { prompt_eval_count: prompt = 0, eval_count: completion = 0 } = derived.usage ?? {};
    return {
      text: derived.text ?? '',
      thinking: derived.thinking ?? '',
      calls,
      finish: calls.length > 0 ? 'tool_calls' : derived.finish,
      usage: [prompt, completion, prompt + completion],
    };
  };

  test.each(good.map((exchange) => [exchange.title, exchange] as const))(
    'over gRPC: %s',
    async (_title, exchange) => {
      playing = exchange;
      const { request } = decodeOllamaRequest(structuredClone(exchange.request));
      const { $typeName: _name, ...fields } = { ...request, model: `ollama/${request.model}` };
      const client = chatClient('gRPC', gateway.url);
      const seen = { text: '', thinking: '', calls: [] as unknown[], finish: '', usage: [] as number[] };
      if (exchange.stream) {
        const kinds: string[] = [];
        for await (const { event } of client.streamChatCompletion(fields)) {
          if (event.case === 'partStarted') kinds.push(event.value.content?.content.case ?? '');
          if (event.case === 'delta')
            seen[kinds[event.value.part] === 'text' ? 'text' : 'thinking'] += event.value.text;
          if (event.case === 'choiceFinished')
            seen.finish = FinishReason[event.value.finishReason].toLowerCase();
          if (event.case === 'finished') {
            const { promptTokens, completionTokens, totalTokens } = event.value.usage!;
            seen.usage = [promptTokens, completionTokens, totalTokens];
          }
        }
      } else {
        const { choices, usage } = await client.createChatCompletion(fields);
        for (const { content } of choices[0]!.message!.parts) {
          if (content.case === 'text') seen.text += content.value.text;
          if (content.case === 'reasoning') seen.thinking += content.value.text;
          if (content.case === 'toolCall') {
            const { id, name, arguments: args } = content.value;
            seen.calls.push({ id, name, args: JSON.parse(args) });
          }
        }
        seen.finish = FinishReason[choices[0]!.finishReason].toLowerCase();
        seen.usage = [usage!.promptTokens, usage!.completionTokens, usage!.totalTokens];
      }
      playing = null;
      expect(seen).toEqual(expectedOf(exchange));
      check(exchange);
    },
  );

  test.each(good.map((exchange) => [exchange.title, exchange] as const))(
    'with the OpenAI SDK: %s',
    async (_title, exchange) => {
      playing = exchange;
      const { model, messages, options, tools, format } = exchange.request as {
        model: string;
        messages: OpenAI.ChatCompletionMessageParam[];
        options: { temperature: number; seed?: number };
        tools?: OpenAI.ChatCompletionTool[];
        format?: string;
      };
      const request = {
        ...options,
        model: `ollama/${model}`,
        messages,
        ...(tools?.length ? { tools } : {}),
        ...(format ? { response_format: { type: 'json_object' as const } } : {}),
      };
      let completion: OpenAI.ChatCompletion;
      let thinking = '';
      const { completions } = openaiClient(gateway.url).chat;
      if (exchange.stream) {
        const stream = completions.stream({ ...request, stream_options: { include_usage: true } });
        stream.on('chunk', ({ choices }) => {
          thinking +=
            (choices[0]?.delta as { reasoning_content?: string } | undefined)?.reasoning_content ?? '';
        });
        completion = await stream.finalChatCompletion();
      } else {
        completion = await completions.create(request);
        const { message } = completion.choices[0]!;
        thinking = (message as { reasoning_content?: string }).reasoning_content ?? '';
      }
      playing = null;
      const { message, finish_reason: finish } = completion.choices[0]!;
      const usage = completion.usage!;
      expect({
        text: message.content ?? '',
        thinking,
        calls: (message.tool_calls ?? []).map((call) => {
          if (call.type !== 'function') throw new Error('not a function');
          return { id: call.id, name: call.function.name, args: JSON.parse(call.function.arguments) };
        }),
        finish,
        usage: [usage.prompt_tokens, usage.completion_tokens, usage.total_tokens],
      }).toEqual(expectedOf(exchange));
      check(exchange);
    },
  );
});

describe.each(faces.filter((face) => face !== "Anthropic's messages"))('%s', (face) => {
  test('a good answer, whole and streamed', async () => {
    for (const model of ['good', 'good-at-once']) {
      for (const stream of [false, true]) {
        const outcome = await callFace(face, gateway.url, `ollama/${model}`, { stream });
        expect(outcome).toMatchObject({ text: 'Hello', complete: true, failure: null });
      }
    }
    expect(asked()?.headers.authorization).toBe('Bearer key-of-a-hosted-ollama-0123456789');
  });

  test.each([
    ['no-model', 404, 'NotFound', 'upstream_rejected', 'not found'],
    ['no-tools', 400, 'InvalidArgument', 'upstream_rejected', 'does not support tools'],
    ['busy', 503, 'Unavailable', 'upstream_overloaded', 'busy'],
    ['unauthorized', 502, 'Unavailable', 'upstream_auth', 'unauthorized'],
    ['broken', 502, 'Unavailable', 'upstream_failed', 'terminated'],
    ['error-in-200', 502, 'Unavailable', 'upstream_failed', 'out of memory'],
  ])('%s, whole and streamed, has its status', async (model, rest, rpc, reason, message) => {
    for (const stream of [false, true]) {
      const { failure, complete } = await callFace(face, gateway.url, `ollama/${model}`, { stream });
      expect(complete).toBe(false);
      expect(failure?.status).toBe(face === 'REST' ? rest : rpc);
      if (face !== 'REST') expect(failure?.reason).toBe(reason);
      expect(failure?.message).toContain(message);
      expect(JSON.stringify([failure, gateway.log])).not.toContain('hosted-ollama');
    }
  });

  test.each([
    ['error-midway', 'upstream_failed'],
    ['ends-midway', 'upstream_interrupted'],
    ['cut-in-a-line', 'upstream_interrupted'],
    ['reset-midway', 'upstream_interrupted'],
    ['silent-midway', 'upstream_timeout'],
    ['nonsense', 'upstream_invalid'],
  ])('%s is no success', async (model, reason) => {
    const { text, complete, failure } = await callFace(face, gateway.url, `ollama/${model}`, {
      stream: true,
    });
    expect({ text, complete, reason: failure?.reason }).toEqual({ text: 'Hel', complete: false, reason });
    const { failure: refused } = await callFace(face, gateway.url, `ollama/${model}`, { stream: false });
    expect(refused).not.toBeNull();
  });
});

describe('what Ollama cannot take', () => {
  const post = async (more: object, headers = {}) => {
    const before = upstream.got.length;
    const response = await fetch(`${gateway.url}/v1/chat/completions`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...headers },
      body: JSON.stringify({ model: 'ollama/good', messages: [{ role: 'user', content: 'Hi' }], ...more }),
    });
    const json = (await response.json()) as { error?: { param: string } };
    return {
      status: response.status,
      param: json.error?.param,
      dropped: response.headers.get('x-dropped-params'),
      asked: upstream.got.length - before,
    };
  };
  const tools = [{ type: 'function', function: { name: 'f', parameters: { type: 'object' } } }];
  const image = { type: 'image_url', image_url: { url: 'https://example.com/a.png' } };

  test.each<[string, object, string]>([
    ['several answers', { n: 2 }, 'n'],
    ['a tool that must be called', { tools, tool_choice: 'required' }, 'tool_choice'],
    ['sound', { modalities: ['text', 'audio'], audio: { voice: 'alloy', format: 'wav' } }, 'modalities'],
    ['a remote picture', { messages: [{ role: 'user', content: [image] }] }, 'messages[0].content'],
    ['a tool of another kind', { tools: [{ type: 'custom', custom: { name: 'c' } }] }, 'tools[0]'],
  ])('%s is refused by name, and nobody is asked', async (_what, more, param) => {
    expect(await post(more)).toEqual({ status: 400, param, dropped: null, asked: 0 });
  });

  test('hints are dropped and reported', async () => {
    const more = { logit_bias: { 1: 2 }, user: 'u', parallel_tool_calls: false };
    const { status, dropped } = await post(more);
    expect(status).toBe(200);
    expect(dropped?.split(/,\s*/).sort()).toEqual(['logit_bias', 'parallel_tool_calls', 'user']);
    expect(Object.keys(asked()?.body ?? {}).sort()).toEqual(['messages', 'model', 'stream']);
  });

  test('a context size reaches it', async () => {
    expect((await post({ options: { num_ctx: 16_384 }, keep_alive: '1m' })).status).toBe(200);
    expect(asked()?.body).toMatchObject({ options: { num_ctx: 16_384 }, keep_alive: '1m' });
  });
});

test('a conversation with calls goes back by name and id', async () => {
  const client = openaiClient(gateway.url);
  await client.chat.completions.create({
    model: 'ollama/good',
    messages: [
      { role: 'user', content: 'What is 2 + 3?' },
      {
        role: 'assistant',
        content: null,
        tool_calls: [
          { id: 'call_1', type: 'function', function: { name: 'add', arguments: '{"a":2,"b":3}' } },
        ],
      },
      { role: 'tool', tool_call_id: 'call_1', content: '5' },
    ],
  });
  expect(asked()?.body?.['messages']).toEqual([
    { role: 'user', content: 'What is 2 + 3?' },
    {
      role: 'assistant',
      content: '',
      tool_calls: [{ id: 'call_1', function: { name: 'add', arguments: { a: 2, b: 3 } } }],
    },
    { role: 'tool', content: '5', tool_name: 'add', tool_call_id: 'call_1' },
  ]);
});

test('what was left out is told on RPC', async () => {
  const { callReport } = await chatClient('gRPC', gateway.url).createChatCompletion({
    model: 'ollama/good',
    messages: [
      { role: Role.USER, name: 'Bob', parts: [{ content: { case: 'text', value: { text: 'Hi' } } }] },
    ],
  });
  expect(callReport?.warnings.map(({ code, field }) => [code, field])).toEqual([
    ['dropped_name', 'messages[0]'],
  ]);
});
