import Anthropic from '@anthropic-ai/sdk';
import OpenAI from 'openai';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { FinishReason, type Usage } from '../../gen/llmgateway/v1/completion_pb.js';
import type { Part } from '../../gen/llmgateway/v1/message_pb.js';
import { decodeChatRequest } from '../../src/codec/openai-chat/decode-request.ts';
import { chatClient, openaiClient } from '../support/gateway.ts';
import { expectedOf, type Recording, recordings, type Seen, type SeenUsage } from '../support/recordings.ts';
import { embeddingsReplays, isOfEmbeddings, replayEmbeddings } from '../support/replayed-embeddings.ts';
import { modelOf, type ReplayedGateway, startReplayedGateway } from '../support/replayed-gateway.ts';

// Every recorded answer of every provider, replayed to a gateway and read by clients of every face.

const all = recordings();

/** Why recordings of an API are not replayed here. */
const elsewhere: Readonly<Record<string, string>> = {
  responses: 'not chat: replayed in responses-recordings.test.ts',
  completions: 'text completions, which the gateway does not serve',
  api_generate: 'text completions, which the gateway does not serve',
  models: 'not chat: a list of models',
};

const replayed = all.filter((one) => elsewhere[one.endpoint] === undefined && !isOfEmbeddings(one));
const embedded = all.filter(isOfEmbeddings);
const good = replayed.filter(({ derived }) => derived.error === undefined);
const bad = replayed.filter(({ derived }) => derived.error !== undefined);

let gateway: ReplayedGateway;
beforeAll(async () => {
  gateway = await startReplayedGateway(false);
});
afterAll(() => gateway?.stop());

const tools = [
  { type: 'function' as const, function: { name: 'f', parameters: { type: 'object', properties: {} } } },
];

/** What is asked to get a recorded answer: the recorded request itself where a client of OpenAI's API wrote it. */
function requestOf(recording: Recording): Record<string, unknown> {
  const { stream, endpoint, request, derived } = recording;
  const { model: _model, ...said } =
    endpoint === 'chat' && request.json !== null
      ? request.json
      : {
          messages: [{ role: 'user', content: 'Hello' }],
          ...(derived.tool_calls === undefined ? {} : { tools }),
        };
  return {
    ...said,
    model: modelOf(recording),
    ...(stream
      ? { stream: true, stream_options: { include_usage: true } }
      : { stream: undefined, stream_options: undefined }),
  };
}

interface ReasoningMessage {
  reasoning_content?: string;
}

async function overRest(recording: Recording): Promise<Seen> {
  const client = openaiClient(gateway.url);
  let thinking = '';
  let completion: OpenAI.ChatCompletion;
  if (recording.stream) {
    const stream = client.chat.completions.stream(requestOf(recording) as never);
    stream.on('chunk', (chunk) => {
      thinking += (chunk.choices[0]?.delta as ReasoningMessage | undefined)?.reasoning_content ?? '';
    });
    completion = await stream.finalChatCompletion();
  } else {
    completion = await client.chat.completions.create(requestOf(recording) as never);
    thinking = (completion.choices[0]?.message as ReasoningMessage | undefined)?.reasoning_content ?? '';
  }
  const [choice] = completion.choices;
  const { usage } = completion;
  return {
    text: choice?.message.content ?? '',
    thinking,
    toolCalls: (choice?.message.tool_calls ?? []).map((call) => {
      if (call.type !== 'function') throw new Error('not a function');
      return { id: call.id, name: call.function.name, args: JSON.parse(call.function.arguments) };
    }),
    finish: choice?.finish_reason ?? null,
    usage: usage
      ? {
          prompt: usage.prompt_tokens,
          completion: usage.completion_tokens,
          total: usage.total_tokens,
          cached: usage.prompt_tokens_details?.cached_tokens ?? 0,
          reasoning: usage.completion_tokens_details?.reasoning_tokens ?? 0,
        }
      : null,
  };
}

const openaiWords: Readonly<Record<string, string>> = {
  end_turn: 'stop',
  stop_sequence: 'stop',
  max_tokens: 'length',
  tool_use: 'tool_calls',
  refusal: 'content_filter',
};

async function overMessages(recording: Recording): Promise<Seen> {
  const client = new Anthropic({ baseURL: gateway.url, apiKey: 'none', maxRetries: 0 });
  const request = {
    model: modelOf(recording),
    max_tokens: 1000,
    messages: [{ role: 'user' as const, content: 'Hello' }],
    ...(recording.derived.tool_calls === undefined
      ? {}
      : { tools: [{ name: 'f', input_schema: { type: 'object' as const, properties: {} } }] }),
  };
  const message = recording.stream
    ? await client.messages.stream(request).finalMessage()
    : await client.messages.create(request);
  const seen: Seen = { text: '', thinking: '', toolCalls: [], finish: null, usage: null };
  for (const block of message.content) {
    if (block.type === 'text') seen.text += block.text;
    if (block.type === 'thinking') seen.thinking += block.thinking;
    if (block.type === 'tool_use') seen.toolCalls.push({ id: block.id, name: block.name, args: block.input });
  }
  seen.finish = openaiWords[message.stop_reason ?? ''] ?? message.stop_reason;
  const { usage } = message;
  const cached = usage.cache_read_input_tokens ?? 0;
  const prompt = usage.input_tokens + cached + (usage.cache_creation_input_tokens ?? 0);
  seen.usage = {
    prompt,
    completion: usage.output_tokens,
    total: prompt + usage.output_tokens,
    cached,
    reasoning: usage.output_tokens_details?.thinking_tokens ?? 0,
  };
  return seen;
}

const finishName = (reason: FinishReason): string => FinishReason[reason].toLowerCase();
const usageOf = (usage: Usage | undefined): SeenUsage | null =>
  usage === undefined
    ? null
    : {
        prompt: usage.promptTokens,
        completion: usage.completionTokens,
        total: usage.totalTokens,
        cached: usage.cachedTokens ?? 0,
        reasoning: usage.reasoningTokens ?? 0,
      };

async function overGrpc(recording: Recording): Promise<Seen> {
  const client = chatClient('gRPC', gateway.url);
  const { request } = decodeChatRequest(requestOf(recording));
  const { $typeName: _name, ...fields } = request;
  const seen: Seen = { text: '', thinking: '', toolCalls: [], finish: null, usage: null };
  const parts: Part[] = [];
  if (recording.stream) {
    for await (const { event } of client.streamChatCompletion(fields)) {
      if (event.case === 'partStarted') parts[event.value.part] = event.value.content as Part;
      else if (event.case === 'delta') grow(parts[event.value.part], event.value.text);
      else if (event.case === 'choiceFinished') seen.finish = finishName(event.value.finishReason);
      else if (event.case === 'finished') seen.usage = usageOf(event.value.usage);
    }
  } else {
    const response = await client.createChatCompletion(fields);
    const [choice] = response.choices;
    parts.push(...(choice?.message?.parts ?? []));
    seen.finish = finishName(choice?.finishReason ?? 0);
    seen.usage = usageOf(response.usage);
  }
  for (const { content } of parts) {
    if (content.case === 'text') seen.text += content.value.text;
    if (content.case === 'reasoning') seen.thinking += content.value.text;
    if (content.case === 'toolCall') {
      const { id, name, arguments: args } = content.value;
      seen.toolCalls.push({ id, name, args: JSON.parse(args) });
    }
  }
  return seen;
}

function grow(part: Part | undefined, text: string): void {
  const content = part?.content;
  if (content?.case === 'toolCall') content.value.arguments += text;
  else if (content?.case === 'text' || content?.case === 'reasoning' || content?.case === 'refusal') {
    content.value.text += text;
  }
}

/** An answer in which the ids that the gateway made are as in the recording: ''. They have to be there, and differ. */
function asRecorded(seen: Seen, expected: Seen): Seen {
  const ids = seen.toolCalls.map(({ id }) => id);
  expect(new Set(ids).size).toBe(ids.length);
  expect(ids).not.toContain('');
  return {
    ...seen,
    toolCalls: seen.toolCalls.map((call, i) =>
      expected.toolCalls[i]?.id === '' ? { ...call, id: '' } : call,
    ),
  };
}

/** A request without what is the gateway's own business, and without nulls, which say nothing. */
function meaning(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(meaning);
  if (typeof value !== 'object' || value === null) return value;
  const entries = Object.entries(value).filter(([, member]) => member !== null && member !== undefined);
  return Object.fromEntries(entries.map(([name, member]) => [name, meaning(member)]));
}

/** Members of a recorded request that go upstream in another form, by the provider's dialect. */
function adjusted(json: unknown): Record<string, unknown> {
  const {
    model: _model,
    stream: _stream,
    stream_options: _options,
    ...request
  } = meaning(json) as Record<string, unknown>;
  const limit = request['max_tokens'] ?? request['max_completion_tokens'];
  delete request['max_tokens'];
  delete request['max_completion_tokens'];
  return limit === undefined ? request : { ...request, limit };
}

/** Passed and all, by face, provider and kind. */
const table = new Map<string, { passed: number; total: number }>();
function tally(face: string, { provider, endpoint, kind }: Recording): { passed: number; total: number } {
  const key = `${`${provider}/${endpoint}`.padEnd(24)} ${kind.padEnd(28)} ${face}`;
  const row = table.get(key) ?? { passed: 0, total: 0 };
  table.set(key, row);
  row.total++;
  return row;
}

describe.skipIf(all.length === 0)('recorded answers', () => {
  afterAll(() => {
    const rows = [...table]
      .sort()
      .map(([key, { passed, total }]) => `${key.padEnd(64)} ${passed} / ${total}`);
    const left = Map.groupBy(
      all.filter(({ endpoint }) => elsewhere[endpoint] !== undefined),
      ({ provider, endpoint }) => `${provider}/${endpoint}`,
    );
    for (const [name, { length, 0: first }] of left) {
      rows.push(`${name.padEnd(24)} ${length} not replayed: ${elsewhere[first?.endpoint ?? '']}`);
    }
    console.log(rows.join('\n'));
  });

  test('there are some of every provider', () => {
    const providers = new Set(replayed.map(({ provider }) => provider));
    expect([...providers].sort()).toEqual([
      'anthropic',
      'azure',
      'bedrock',
      'deepseek',
      'gemini',
      'groq',
      'llamacpp',
      'ollama',
      'openai',
      'openrouter',
      'vertex',
      'xai',
    ]);
    expect([...new Set(embedded.map(({ provider }) => provider))].sort()).toEqual([
      'gemini',
      'ollama',
      'openai',
    ]);
  });

  describe.each([
    ['chat completions', overRest],
    ['messages', overMessages],
    ['gRPC', overGrpc],
  ] as const)('over %s', (face, call) => {
    test.each(good.map((recording) => [recording.title, recording] as const))(
      '%s',
      async (_title, recording) => {
        const row = tally(face, recording);
        gateway.play(recording);
        const expected = expectedOf(recording);
        if (call === overMessages && expected.usage !== null) {
          // What was not reported is 0 there; reasoning is only told by those who have a name for it.
          expected.usage.reasoning = expect.any(Number) as unknown as number;
        }
        expect(asRecorded(await call(recording), expected)).toEqual(expected);
        if (recording.endpoint === 'chat' && recording.request.json !== null && call !== overMessages) {
          expect(adjusted(gateway.asked())).toEqual(adjusted(recording.request.json));
          expect(gateway.asked()['model']).toBe(recording.request.json['model']);
        }
        row.passed++;
      },
    );
  });

  describe.each(embeddingsReplays)('embeddings over %s', (face, replay) => {
    test.each(embedded.map((recording) => [recording.title, recording] as const))(
      '%s',
      async (_title, recording) => {
        const row = tally(face, recording);
        gateway.play(recording);
        await replayEmbeddings(recording, replay, gateway.url, modelOf(recording), gateway.asked);
        row.passed++;
      },
    );
  });

  test.each(bad.map((recording) => [recording.title, recording] as const))(
    'error: %s',
    async (_title, recording) => {
      const row = tally('errors', recording);
      gateway.play(recording);
      const error = await overRest(recording).catch((cause: unknown) => cause);
      expect(error).toBeInstanceOf(OpenAI.APIError);
      const { status, message } = error as InstanceType<typeof OpenAI.APIError>;
      // The key is the gateway's, so that its refusal is not the client's 401 or 403.
      const told = [401, 403].includes(recording.response.status) ? 502 : recording.response.status;
      expect(status).toBe(told);
      if (told !== 502) expect(message).toContain(String(recording.derived.error?.message).slice(0, 40));
      const anthropic = await overMessages(recording).catch((cause: unknown) => cause);
      expect(anthropic).toBeInstanceOf(Anthropic.APIError);
      expect((anthropic as InstanceType<typeof Anthropic.APIError>).status).toBe(told);
      row.passed++;
    },
  );
});
