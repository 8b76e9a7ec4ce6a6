import OpenAI from 'openai';
import { zodResponsesFunction, zodTextFormat } from 'openai/helpers/zod';
import type {
  FunctionTool,
  NamespaceTool,
  Response,
  ResponseCreateParamsNonStreaming,
  ResponseInputItem,
  ResponseStreamEvent,
} from 'openai/resources/responses/responses';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { z } from 'zod';
import { openaiClient } from '../../support/gateway.ts';
import { checkEvents, type Json } from '../../support/response-machine.ts';
import {
  type ScriptedGateway,
  startScripted,
  storyOf,
  textOf,
  withoutResponses,
} from '../../support/scripted-emulator.ts';

// The Responses API of the official SDK, over providers that do not have it.

let gateway: ScriptedGateway;
let client: OpenAI;

beforeAll(async () => {
  gateway = await startScripted();
  client = openaiClient(gateway.url);
});
afterAll(() => gateway?.stop());
beforeEach(() => {
  gateway.script = [];
  gateway.asked.length = 0;
  gateway.bodies.length = 0;
});

const weather: FunctionTool = {
  type: 'function',
  name: 'weather',
  description: 'Tells the weather.',
  strict: true,
  parameters: {
    type: 'object',
    properties: { city: { type: 'string' } },
    required: ['city'],
    additionalProperties: false,
  },
};
const bern = { name: 'weather', arguments: '{"city":"Bern"}' };
const rome = { name: 'weather', arguments: '{"city":"Rome"}' };

/** Runs what a response wants run. */
const outputsOf = ({ output }: Response): ResponseInputItem.FunctionCallOutput[] =>
  output.flatMap((item) =>
    item.type === 'function_call'
      ? [
          {
            type: 'function_call_output' as const,
            call_id: item.call_id,
            output: `21 degrees in ${(JSON.parse(item.arguments) as { city: string }).city}`,
          },
        ]
      : [],
  );
const twoRounds = () => {
  gateway.script = [
    { content: 'I look.', toolCalls: [bern, rome] },
    { toolCalls: [{ ...bern, arguments: '{"city":"Oslo"}' }] },
    { content: 'Warm everywhere.' },
  ];
};
const wholeStory = [
  'user: How warm is it?',
  'assistant: I look.',
  '> weather',
  '> weather',
  '< 21 degrees in Bern',
  '< 21 degrees in Rome',
  '> weather',
  '< 21 degrees in Oslo',
];
/** What the model was asked at last. */
const story = () => {
  const last = gateway.asked.at(-1);
  return last === undefined ? [] : storyOf(last);
};
const eventsOf = async (stream: AsyncIterable<ResponseStreamEvent>): Promise<ResponseStreamEvent[]> => {
  const events: ResponseStreamEvent[] = [];
  for await (const event of stream) events.push(event);
  return events;
};
const check = (events: readonly ResponseStreamEvent[], from = 0): void =>
  checkEvents(events as unknown as Json[], from);
const refusal = async (promise: PromiseLike<unknown>): Promise<InstanceType<typeof OpenAI.APIError>> => {
  try {
    await promise;
  } catch (error) {
    return error as InstanceType<typeof OpenAI.APIError>;
  }
  throw new Error('it was not refused');
};

describe.each(withoutResponses)('over %s', (name, model) => {
  /** Asks whole, or takes the stream's end; checks the events on the way. */
  const ways = {
    whole: (params: Omit<ResponseCreateParamsNonStreaming, 'model'>) =>
      client.responses.create({ model, ...params }),
    streamed: async (params: Omit<ResponseCreateParamsNonStreaming, 'model'>) => {
      const stream = client.responses.stream({ model, ...params } as never);
      const events: ResponseStreamEvent[] = [];
      stream.on('event', (event) => void events.push(structuredClone(event)));
      const response = await stream.finalResponse();
      // The helper adds what it parsed; that is not the gateway's.
      check(events.filter(({ type }) => !type.endsWith('.parsed')));
      return response as Response;
    },
  };

  describe.each(['whole', 'streamed'] as const)('%s', (way) => {
    const ask = ways[way];

    test('two rounds of calls by previous_response_id', async () => {
      twoRounds();
      let response = await ask({ input: 'How warm is it?', tools: [weather] });
      expect(response.output_text).toBe('I look.');
      expect(response.output.map(({ type }) => type)).toEqual(['message', 'function_call', 'function_call']);
      for (const count of [2, 1]) {
        const outputs = outputsOf(response);
        expect(outputs.length).toBe(count);
        response = await ask({ previous_response_id: response.id, input: outputs, tools: [weather] });
      }
      expect(response.output_text).toBe('Warm everywhere.');
      expect(story()).toEqual(wholeStory);
    });

    test('two rounds of calls in a conversation', async () => {
      twoRounds();
      const conversation = await client.conversations.create();
      let response = await ask({ conversation: conversation.id, input: 'How warm is it?', tools: [weather] });
      expect(response.conversation).toEqual({ id: conversation.id });
      for (let round = 0; round < 2; round++) {
        response = await ask({
          conversation: { id: conversation.id },
          input: outputsOf(response),
          tools: [weather],
        });
      }
      expect(response.output_text).toBe('Warm everywhere.');
      expect(story()).toEqual(wholeStory);
      const kinds: string[] = [];
      for await (const item of client.conversations.items.list(conversation.id, { order: 'asc', limit: 2 })) {
        kinds.push(item.type);
      }
      expect(kinds).toEqual([
        'message',
        'message',
        'function_call',
        'function_call',
        'function_call_output',
        'function_call_output',
        'function_call',
        'function_call_output',
        'message',
      ]);
    });

    test('two rounds of calls by sending every item back, nothing stored', async () => {
      twoRounds();
      const common = { store: false, include: ['reasoning.encrypted_content' as const], tools: [weather] };
      const input: ResponseInputItem[] = [{ role: 'user', content: 'How warm is it?' }];
      let response = await ask({ ...common, input });
      const first = response.id;
      for (let round = 0; round < 2; round++) {
        input.push(...(response.output as ResponseInputItem[]), ...outputsOf(response));
        response = await ask({ ...common, input });
      }
      expect(response.output_text).toBe('Warm everywhere.');
      expect(story()).toEqual(wholeStory);
      expect(await refusal(client.responses.retrieve(first))).toBeInstanceOf(OpenAI.NotFoundError);
    });

    test('an answer that is parsed by a schema', async () => {
      gateway.script = [{ content: '{"city":"Bern","degrees":21}' }];
      const Answer = z.object({ city: z.string(), degrees: z.number() });
      const params = {
        model,
        input: 'Weather, as JSON',
        text: { format: zodTextFormat(Answer, 'answer') },
      };
      const response =
        way === 'whole'
          ? await client.responses.parse(params)
          : await client.responses.stream(params).finalResponse();
      expect(response.output_parsed).toEqual({ city: 'Bern', degrees: 21 });
      expect(response.text?.format).toMatchObject({ type: 'json_schema', name: 'answer', strict: true });
    });

    test('arguments that are parsed by a schema', async () => {
      gateway.script = [{ toolCalls: [bern] }];
      const tool = zodResponsesFunction({ name: 'weather', parameters: z.object({ city: z.string() }) });
      const params = { model, input: 'How warm is it?', tools: [tool] };
      const response =
        way === 'whole'
          ? await client.responses.parse(params)
          : await client.responses.stream(params).finalResponse();
      expect(response.output).toMatchObject([
        { type: 'function_call', name: 'weather', parsed_arguments: { city: 'Bern' } },
      ]);
    });
  });

  test('parallel calls stream as items of their own', async () => {
    gateway.script = [{ content: 'I look.', toolCalls: [bern, rome] }];
    const stream = await client.responses.create({
      model,
      input: 'How warm?',
      tools: [weather],
      stream: true,
    });
    const events = await eventsOf(stream);
    check(events);
    const done = events.flatMap((event) =>
      event.type === 'response.function_call_arguments.done' ? [[event.output_index, event.arguments]] : [],
    );
    expect(done).toEqual([
      [1, bern.arguments],
      [2, rome.arguments],
    ]);
    const calls = events.flatMap((event) =>
      event.type === 'response.output_item.done' && event.item.type === 'function_call' ? [event.item] : [],
    );
    expect(new Set(calls.map(({ call_id: id }) => id)).size).toBe(2);
    expect(calls.map(({ status }) => status)).toEqual(['completed', 'completed']);
  });

  test('a picture, and texts of every role, reach the model', async () => {
    const response = await client.responses.create({
      model,
      instructions: 'Be brief.',
      input: [
        { role: 'developer', content: 'Answer in English.' },
        {
          role: 'user',
          content: [
            { type: 'input_text', text: 'What is it?' },
            { type: 'input_image', detail: 'auto', image_url: `data:image/png;base64,${png}` },
          ],
        },
      ],
    });
    expect(response.output_text).toBe('done');
    const { messages } = gateway.asked[0]!;
    const system = messages
      .filter(({ role }) => role === 'system')
      .map(textOf)
      .join(' ');
    expect(system).toContain('Be brief.');
    expect(system).toContain('Answer in English.');
    expect(storyOf(gateway.asked[0]!)).toEqual(['user: What is it?']);
    expect(gateway.bodies[0]).toContain(png);
  });

  test('a file reaches the model, or is refused by its name', async () => {
    const file_data = `data:application/pdf;base64,${Buffer.from('%PDF-1.4 hello').toString('base64')}`;
    const asking = client.responses.create({
      model,
      input: [
        {
          role: 'user',
          content: [
            { type: 'input_text', text: 'Read it.' },
            { type: 'input_file', filename: 'hello.pdf', file_data },
          ],
        },
      ],
    });
    if (name === 'ollama') {
      // It has no place for files.
      expect(await refusal(asking)).toMatchObject({ status: 400, param: 'input' });
    } else {
      expect((await asking).output_text).toBe('done');
      expect(gateway.bodies[0]).toContain(Buffer.from('%PDF-1.4 hello').toString('base64'));
    }
  });

  test('a picture that a tool gives reaches the model', async () => {
    gateway.script = [{ toolCalls: [bern] }];
    const call = await client.responses.create({ model, input: 'How does it look?', tools: [weather] });
    const [output] = outputsOf(call);
    const answer = await client.responses.create({
      model,
      tools: [weather],
      previous_response_id: call.id,
      input: [
        {
          ...output!,
          output: [
            { type: 'input_text', text: 'See' },
            { type: 'input_image', image_url: `data:image/png;base64,${png}` },
          ],
        },
      ],
    });
    expect(answer.output_text).toBe('done');
    expect(gateway.bodies[1]).toContain(png);
  });

  test.each([false, true])(
    'functions in namespaces are called by their names there; streamed: %s',
    async (stream) => {
      const inSpace = (space: string): NamespaceTool => ({
        type: 'namespace',
        name: space,
        description: `What ${space} has.`,
        tools: [{ ...weather, description: `Weather of ${space}` }],
      });
      const tools = [weather, inSpace('mcp__swiss'), inSpace('mcp__world')];
      gateway.script = [
        { toolCalls: [{ ...bern, name: 'mcp__swiss__weather' }, bern] },
        { content: 'Warm.' },
      ];
      const asked = { model, input: 'How warm is it?', tools };
      const response = stream
        ? await client.responses.stream(asked).finalResponse()
        : await client.responses.create(asked);
      const calls = response.output.map((item) =>
        item.type === 'function_call' ? [item.namespace, item.name] : [],
      );
      expect(calls).toEqual([
        ['mcp__swiss', 'weather'],
        [undefined, 'weather'],
      ]);
      const answer = await client.responses.create({
        model,
        tools,
        store: false,
        input: [
          { role: 'user', content: 'How warm is it?' },
          ...(response.output as ResponseInputItem[]),
          ...outputsOf(response as Response),
        ],
      });
      expect(answer.output_text).toBe('Warm.');
      expect(story().filter((line) => line.startsWith('>'))).toEqual(['> mcp__swiss__weather', '> weather']);
      const functions = gateway.asked[0]?.tools?.map(({ function: { name: called } }) => called);
      expect(functions).toEqual(['weather', 'mcp__swiss__weather', 'mcp__world__weather']);
    },
  );

  test('input tokens are counted', async () => {
    const count = await client.responses.inputTokens.count({
      model,
      input: 'How warm is it?',
      tools: [weather],
    });
    expect(count.object).toBe('response.input_tokens');
    expect(count.input_tokens).toBeGreaterThan(10);
  });
});

const png =
  'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==';

describe("a provider's reasoning", () => {
  const [[, model]] = withoutResponses;
  const thinks = {
    reasoning: 'The user wants warmth.',
    reasoningSignature: 'c2lnbmF0dXJlLW9mLWEtdGhvdWdodA==',
  };
  const thinking = { effort: 'low' as const, summary: 'auto' as const };

  test.each([
    ['by sending all items back', false],
    ['by the response before', true],
  ])('comes back to it with its signature: %s', async (_how, store) => {
    gateway.script = [{ ...thinks, toolCalls: [bern] }];
    const common = { model, store, reasoning: thinking, tools: [weather] };
    const include = store ? {} : { include: ['reasoning.encrypted_content' as const] };
    const stream = client.responses.stream({ ...common, ...include, input: 'How warm is it?' });
    const first = (await stream.finalResponse()) as Response;
    expect(first.output.map(({ type }) => type)).toEqual(['reasoning', 'function_call']);
    const { encrypted_content: state } = first.output[0] as { encrypted_content?: string };
    expect(state === undefined || state === null).toBe(store);
    const outputs = outputsOf(first);
    await client.responses.create({
      ...common,
      ...include,
      ...(store
        ? { previous_response_id: first.id, input: outputs }
        : {
            input: [
              { role: 'user', content: 'How warm is it?' },
              ...(first.output as ResponseInputItem[]),
              ...outputs,
            ],
          }),
    });
    const { messages } = JSON.parse(gateway.bodies[1]!) as { messages: { content: unknown }[] };
    expect(messages[1]?.content).toMatchObject([
      { type: 'thinking', thinking: thinks.reasoning, signature: thinks.reasoningSignature },
      { type: 'tool_use', name: 'weather' },
    ]);
  });
});

describe('stored responses', () => {
  const [[, model]] = withoutResponses;

  test('are retrieved, whole and as their events from any number on, and deleted', async () => {
    gateway.script = [{ content: 'A longer answer.', toolCalls: [bern] }];
    const stream = await client.responses.create({ model, input: 'Hello', tools: [weather], stream: true });
    const events = await eventsOf(stream);
    const last = events.at(-1)!;
    if (last.type !== 'response.completed') throw new Error(last.type);
    const { id } = last.response;
    const stored = await client.responses.retrieve(id);
    // The helper for texts is the SDK's.
    const { output_text: _, ...whole } = stored;
    const { output_text: __, ...told } = last.response;
    expect(whole).toEqual(told);
    const again = await eventsOf(await client.responses.retrieve(id, { stream: true }));
    expect(again).toEqual(events);
    for (let after = 0; after < events.length; after++) {
      const rest = await client.responses.retrieve(id, { stream: true, starting_after: after });
      expect(await eventsOf(rest)).toEqual(events.slice(after + 1));
    }
    await client.responses.delete(id);
    const error = await refusal(client.responses.retrieve(id));
    expect(error).toBeInstanceOf(OpenAI.NotFoundError);
    expect(error.message).toContain(id);
  });

  test('have their input items in pages', async () => {
    const texts = Array.from({ length: 25 }, (_, i) => `Text ${i}`);
    const input = texts.map((content) => ({ role: 'user' as const, content }));
    const { id } = await client.responses.create({ model, input });
    const listed = async (query: { order?: 'asc' | 'desc'; limit?: number; after?: string }) => {
      const found: string[] = [];
      for await (const item of client.responses.inputItems.list(id, query)) {
        if (item.type !== 'message') throw new Error(item.type);
        found.push(...item.content.map((part) => (part as { text: string }).text));
      }
      return found;
    };
    expect(await listed({})).toEqual(texts.toReversed());
    expect(await listed({ order: 'asc', limit: 4 })).toEqual(texts);
    const page = await client.responses.inputItems.list(id, { order: 'asc', limit: 10 });
    expect(page.has_more).toBe(true);
    const after = await client.responses.inputItems.list(id, { order: 'asc', after: page.data[9]!.id! });
    expect(after.data.length).toBe(15);
  });

  test('are made in the background, polled, and cancelled', async () => {
    gateway.script = [{ content: 'Made alone.' }];
    let response = await client.responses.create({ model, input: 'Hello', background: true });
    expect(response.status).toBe('queued');
    while (response.status === 'queued' || response.status === 'in_progress') {
      response = await client.responses.retrieve(response.id);
    }
    expect([response.status, response.output_text]).toEqual(['completed', 'Made alone.']);
    const over = await client.responses.cancel(response.id);
    expect(over.status).toBe('completed');

    const asked = Promise.withResolvers<void>();
    const answer = Promise.withResolvers<void>();
    gateway.script = [
      async () => {
        asked.resolve();
        await answer.promise;
        return { content: 'Too late.' };
      },
    ];
    const slow = await client.responses.create({ model, input: 'Hello', background: true });
    await asked.promise;
    const cancelled = await client.responses.cancel(slow.id);
    answer.resolve();
    expect(cancelled.status).toBe('cancelled');
    expect((await client.responses.retrieve(slow.id)).status).toBe('cancelled');
    const direct = await client.responses.create({ model, input: 'Hello' });
    expect(await refusal(client.responses.cancel(direct.id))).toBeInstanceOf(OpenAI.BadRequestError);
  });

  test('are made in the background while their events are read', async () => {
    gateway.script = [{ content: 'Made alone.', toolCalls: [bern] }];
    const stream = await client.responses.create({
      model,
      input: 'Hello',
      tools: [weather],
      background: true,
      stream: true,
    });
    const events = await eventsOf(stream);
    check(events);
    expect(events.slice(0, 3).map(({ type }) => type)).toEqual([
      'response.created',
      'response.queued',
      'response.in_progress',
    ]);
  });

  test('go on with another provider', async () => {
    let previous: string | null = null;
    for (const [name, model] of withoutResponses) {
      gateway.script = [{ toolCalls: [bern] }, { content: `${name} says 21.` }];
      const call: Response = await client.responses.create({
        model,
        input: `And now, ${name}?`,
        tools: [weather],
        previous_response_id: previous,
      });
      const said: Response = await client.responses.create({
        model,
        input: outputsOf(call),
        tools: [weather],
        previous_response_id: call.id,
      });
      expect(said.output_text).toBe(`${name} says 21.`);
      previous = said.id;
    }
    expect(story()).toEqual(
      withoutResponses
        .flatMap(([name]) => [
          `user: And now, ${name}?`,
          '> weather',
          '< 21 degrees in Bern',
          `assistant: ${name} says 21.`,
        ])
        .slice(0, -1),
    );
  });
});

describe('conversations', () => {
  const [, [, model]] = withoutResponses;

  test('and their items are made, listed, read, changed and deleted', async () => {
    const { conversations } = client;
    const made = await conversations.create({
      metadata: { topic: 'weather' },
      items: [{ role: 'user', content: 'First' }],
    });
    expect(made).toMatchObject({ object: 'conversation', metadata: { topic: 'weather' } });
    expect(await conversations.retrieve(made.id)).toEqual(made);
    const changed = await conversations.update(made.id, { metadata: { topic: 'climate' } });
    expect(changed).toEqual({ ...made, metadata: { topic: 'climate' } });
    const added = await conversations.items.create(made.id, {
      items: [
        { type: 'message', role: 'assistant', content: [{ type: 'output_text', text: 'Second' }] } as never,
        { role: 'user', content: [{ type: 'input_text', text: 'Third' }] },
      ],
    });
    expect(added.data.length).toBe(2);
    const third = added.data[1]!;
    expect(await conversations.items.retrieve(third.id!, { conversation_id: made.id })).toEqual(third);
    gateway.script = [{ content: 'Fourth' }];
    await client.responses.create({ model, conversation: made.id, input: [] });
    expect(story()).toEqual(['user: First', 'assistant: Second', 'user: Third']);
    const after = await conversations.items.delete(third.id!, { conversation_id: made.id });
    expect(after.id).toBe(made.id);
    const texts: string[] = [];
    for await (const item of conversations.items.list(made.id, { limit: 1, order: 'asc' })) {
      if (item.type === 'message') texts.push(...item.content.map((part) => (part as { text: string }).text));
    }
    expect(texts).toEqual(['First', 'Second', 'Fourth']);
    expect(await conversations.delete(made.id)).toEqual({
      id: made.id,
      object: 'conversation.deleted',
      deleted: true,
    });
    expect(await refusal(conversations.retrieve(made.id))).toBeInstanceOf(OpenAI.NotFoundError);
  });
});

describe('errors', () => {
  const [[, model]] = withoutResponses;

  test.each([
    [
      'an unknown response',
      { previous_response_id: 'resp_none' },
      'previous_response_id',
      'previous_response_not_found',
    ],
    ['a mistake', { temperature: 'hot' }, 'temperature', null],
    ['two histories', { previous_response_id: 'resp_x', conversation: 'conv_x' }, 'conversation', null],
    [
      'a part without its text',
      { input: [{ role: 'user', content: [{ type: 'input_text' }] }] },
      'input[0].content[0].text',
      null,
    ],
  ])('%s', async (_name, params, param, code) => {
    for (const stream of [false, true]) {
      const error = await refusal(
        client.responses.create({ model, input: 'Hello', stream, ...params } as never),
      );
      expect(error).toBeInstanceOf(OpenAI.BadRequestError);
      expect(error).toMatchObject({ status: 400, param, code, type: 'invalid_request_error' });
      expect(error.requestID).toMatch(/^req_/);
    }
  });

  test.each([
    [429, 'rate_limit_error', OpenAI.RateLimitError],
    [400, 'invalid_request_error', OpenAI.BadRequestError],
  ])("the provider's %s", async (status, type, kind) => {
    for (const stream of [false, true]) {
      gateway.script = [{ error: { message: 'The hall is closed.', type }, status }];
      const error = await refusal(client.responses.create({ model, input: 'Hello', stream } as never));
      expect(error).toBeInstanceOf(kind);
      expect(error.message).toContain('The hall is closed.');
    }
  });

  test('a reader who leaves in the middle stops the answer', async () => {
    gateway.mock.on(
      { predicate: ({ messages }) => messages.some((message) => textOf(message) === 'slowly') },
      { content: 'x'.repeat(4_000) },
      { latency: 20, chunkSize: 4 },
    );
    const fixtures = gateway.mock.getFixtures();
    // The newest goes first.
    gateway.mock.prependFixture(fixtures.at(-1)!);
    const abort = new AbortController();
    const stream = await client.responses.create(
      { model, input: 'slowly', stream: true },
      { signal: abort.signal },
    );
    let id = '';
    for await (const event of stream) {
      if (event.type === 'response.created') ({ id } = event.response);
      if (event.type === 'response.output_text.delta') abort.abort();
    }
    let response = await client.responses.retrieve(id);
    while (response.status === 'in_progress') response = await client.responses.retrieve(id);
    expect(response.status).toBe('cancelled');
    expect(response.output_text.length).toBeLessThan(4_000);
  });
});
