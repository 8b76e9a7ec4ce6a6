import { createAnthropic } from '@ai-sdk/anthropic';
import { createOpenAI } from '@ai-sdk/openai';
import Anthropic from '@anthropic-ai/sdk';
import { ChatAnthropic } from '@langchain/anthropic';
import { HumanMessage, ToolMessage } from '@langchain/core/messages';
import { tool } from '@langchain/core/tools';
import { ChatOpenAI } from '@langchain/openai';
import { tool as aiTool, generateText, jsonSchema, stepCountIs, streamText } from 'ai';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type EmulatedGateway, emulated, emulatedNames, startEmulated } from '../../support/emulator.ts';
import { openaiClient } from '../../support/gateway.ts';

// Clients that others wrote, each for one API, over providers of every other.

let gateway: EmulatedGateway;

beforeAll(async () => {
  gateway = await startEmulated();
  gateway.mock.on(
    { predicate: ({ messages }) => messages.some(({ role }) => role === 'tool') },
    { content: 'It is 21 degrees in Bern.' },
  );
  gateway.mock.onMessage('weather', {
    toolCalls: [{ name: 'weather', arguments: '{"city":"Bern"}' }],
  });
  gateway.mock.onMessage('hello', { content: 'Hello to you, too!' });
});
afterAll(() => gateway?.stop());

const schema = {
  type: 'object' as const,
  properties: { city: { type: 'string' } },
  required: ['city'],
  additionalProperties: false,
};

describe.each(emulatedNames.map((name) => [name, emulated[name]] as const))('over %s', (_name, model) => {
  test('the openai SDK talks, streams and calls tools', async () => {
    const client = openaiClient(gateway.url);
    const messages = [{ role: 'user' as const, content: 'hello' }];
    const plain = await client.chat.completions.create({ model, messages });
    expect(plain.choices[0]?.message.content).toBe('Hello to you, too!');
    expect(plain.choices[0]?.finish_reason).toBe('stop');
    const streamed = await client.chat.completions.stream({ model, messages }).finalChatCompletion();
    expect(streamed.choices[0]?.message.content).toBe('Hello to you, too!');
    const runner = client.chat.completions.runTools({
      model,
      messages: [{ role: 'user', content: 'weather' }],
      tools: [
        {
          type: 'function',
          function: {
            name: 'weather',
            description: 'Tells the weather.',
            parameters: schema,
            parse: (args: string) => JSON.parse(args) as { city: string },
            function: ({ city }: { city: string }) => `21 degrees in ${city}`,
          },
        },
      ],
    });
    expect(await runner.finalContent()).toBe('It is 21 degrees in Bern.');
    expect(await runner.finalFunctionToolCall()).toMatchObject({ name: 'weather' });
  });

  test("Anthropic's SDK talks, streams and calls tools", async () => {
    const client = new Anthropic({ baseURL: gateway.url, apiKey: 'none', maxRetries: 0 });
    const request = { model, max_tokens: 100, messages: [{ role: 'user' as const, content: 'hello' }] };
    const plain = await client.messages.create(request);
    expect(plain.content).toMatchObject([{ type: 'text', text: 'Hello to you, too!' }]);
    expect(plain.stop_reason).toBe('end_turn');
    expect(await client.messages.stream(request).finalText()).toBe('Hello to you, too!');
    const tools = [{ name: 'weather', description: 'Tells the weather.', input_schema: schema }];
    const asked = [{ role: 'user' as const, content: 'weather' }];
    const call = await client.messages.stream({ ...request, messages: asked, tools }).finalMessage();
    expect(call.stop_reason).toBe('tool_use');
    const use = call.content.find((block) => block.type === 'tool_use');
    expect(use).toMatchObject({ name: 'weather', input: { city: 'Bern' } });
    const result = { type: 'tool_result' as const, tool_use_id: use?.id ?? '', content: '21 degrees' };
    const answer = await client.messages.create({
      ...request,
      tools,
      messages: [...asked, { role: 'assistant', content: call.content }, { role: 'user', content: [result] }],
    });
    expect(answer.content).toMatchObject([{ type: 'text', text: 'It is 21 degrees in Bern.' }]);
  });

  const vercel = [
    ['OpenAI', () => createOpenAI({ baseURL: `${gateway.url}/v1`, apiKey: 'none' }).chat(model)],
    ['Anthropic', () => createAnthropic({ baseURL: `${gateway.url}/v1`, apiKey: 'none' })(model)],
  ] as const;
  test.each(vercel)("Vercel's AI SDK by its provider for %s", async (_api, languageModel) => {
    const { text } = await generateText({ model: languageModel(), prompt: 'hello', maxRetries: 0 });
    expect(text).toBe('Hello to you, too!');
    const streamed = streamText({
      model: languageModel(),
      prompt: 'weather',
      maxRetries: 0,
      stopWhen: stepCountIs(3),
      tools: {
        weather: aiTool({
          description: 'Tells the weather.',
          inputSchema: jsonSchema<{ city: string }>(schema as never),
          execute: async ({ city }) => `21 degrees in ${city}`,
        }),
      },
    });
    expect(await streamed.text).toBe('It is 21 degrees in Bern.');
    expect((await streamed.steps).map(({ finishReason }) => finishReason)).toEqual(['tool-calls', 'stop']);
  });

  const langchain = [
    [
      'OpenAI',
      () =>
        new ChatOpenAI({
          model,
          apiKey: 'none',
          maxRetries: 0,
          configuration: { baseURL: `${gateway.url}/v1` },
        }),
    ],
    [
      'Anthropic',
      () => new ChatAnthropic({ model, apiKey: 'none', maxRetries: 0, anthropicApiUrl: gateway.url }),
    ],
  ] as const;
  test.each(langchain)('LangChain by its class for %s', async (_api, chat) => {
    expect((await chat().invoke('hello')).text).toBe('Hello to you, too!');
    const weather = tool(async ({ city }: { city: string }) => `21 degrees in ${city}`, {
      name: 'weather',
      description: 'Tells the weather.',
      schema,
    });
    const bound = chat().bindTools([weather]);
    const asked = new HumanMessage('weather');
    const call = await bound.invoke([asked]);
    expect(call.tool_calls).toMatchObject([{ name: 'weather', args: { city: 'Bern' } }]);
    const id = call.tool_calls?.[0]?.id ?? '';
    const result = new ToolMessage({ tool_call_id: id, content: '21 degrees in Bern' });
    let text = '';
    for await (const chunk of await bound.stream([asked, call, result])) text += chunk.text;
    expect(text).toBe('It is 21 degrees in Bern.');
  });
});
