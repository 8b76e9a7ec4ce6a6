import { createOpenAI, type OpenAIResponsesProviderOptions } from '@ai-sdk/openai';
import {
  generateObject,
  generateText,
  jsonSchema,
  type ModelMessage,
  stepCountIs,
  streamText,
  tool,
} from 'ai';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { z } from 'zod';
import {
  type ScriptedGateway,
  startScripted,
  storyOf,
  withoutResponses,
} from '../../support/scripted-emulator.ts';

// Vercel's AI SDK, whose provider for OpenAI uses the Responses API, over providers that do not have it.

let gateway: ScriptedGateway;

beforeAll(async () => {
  gateway = await startScripted();
});
afterAll(() => gateway?.stop());
beforeEach(() => {
  gateway.script = [];
  gateway.asked.length = 0;
  gateway.bodies.length = 0;
});

const png =
  'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==';
const weather = tool({
  description: 'Tells the weather.',
  inputSchema: jsonSchema<{ city: string }>({
    type: 'object',
    properties: { city: { type: 'string' } },
    required: ['city'],
    additionalProperties: false,
  }),
  execute: async ({ city }) => `21 degrees in ${city}`,
});
const call = (city: string) => ({ name: 'weather', arguments: JSON.stringify({ city }) });
const options = (openai: OpenAIResponsesProviderOptions) => ({
  providerOptions: { openai: openai as Record<string, never> },
});
const story = () => {
  const last = gateway.asked.at(-1);
  return last === undefined ? [] : storyOf(last);
};

describe.each(withoutResponses)('over %s', (_name, id) => {
  const model = () => createOpenAI({ baseURL: `${gateway.url}/v1`, apiKey: 'none' })(id);
  const common = () => ({ model: model(), maxRetries: 0, tools: { weather }, stopWhen: stepCountIs(5) });

  const rounds = () => {
    gateway.script = [
      { content: 'I look.', toolCalls: [call('Bern'), call('Rome')] },
      { toolCalls: [call('Oslo')] },
      { content: 'Warm everywhere.' },
    ];
  };
  const told = [
    'user: How warm is it?',
    'assistant: I look.',
    '> weather',
    '> weather',
    '< 21 degrees in Bern',
    '< 21 degrees in Rome',
    '> weather',
    '< 21 degrees in Oslo',
  ];

  // The SDK refers to what is stored, or sends everything itself.
  describe.each([true, false])('stored: %s', (store) => {
    test('generateText takes several steps', async () => {
      rounds();
      const result = await generateText({ ...common(), prompt: 'How warm is it?', ...options({ store }) });
      expect(result.text).toBe('Warm everywhere.');
      expect(result.warnings ?? []).toEqual([]);
      expect(result.steps.map(({ finishReason }) => finishReason)).toEqual([
        'tool-calls',
        'tool-calls',
        'stop',
      ]);
      expect(story()).toEqual(told);
    });

    test('streamText takes several steps', async () => {
      rounds();
      const result = streamText({
        ...common(),
        prompt: 'How warm is it?',
        includeRawChunks: true,
        ...options({ store }),
      });
      const kinds: string[] = [];
      for await (const part of result.fullStream) {
        if (part.type === 'error') throw part.error;
        kinds.push(part.type);
      }
      expect(kinds.filter((kind) => kind === 'tool-result').length).toBe(3);
      expect(await result.text).toBe('Warm everywhere.');
      expect((await result.steps).map(({ finishReason }) => finishReason)).toEqual([
        'tool-calls',
        'tool-calls',
        'stop',
      ]);
      expect(story()).toEqual(told);
    });

    test('a conversation goes on by its messages', async () => {
      rounds();
      const asked: ModelMessage[] = [{ role: 'user', content: 'How warm is it?' }];
      const first = await generateText({ ...common(), messages: asked, ...options({ store }) });
      gateway.script = [{ content: 'Yes.' }];
      const second = await generateText({
        ...common(),
        messages: [...asked, ...first.responseMessages, { role: 'user', content: 'Sure?' }],
        ...options({ store }),
      });
      expect(second.text).toBe('Yes.');
      expect(story()).toEqual([...told, 'assistant: Warm everywhere.', 'user: Sure?']);
    });
  });

  test('a conversation goes on by previousResponseId', async () => {
    rounds();
    const first = await generateText({ ...common(), prompt: 'How warm is it?' });
    const previousResponseId = first.providerMetadata?.['openai']?.['responseId'] as string;
    expect(previousResponseId).toMatch(/^resp_/);
    gateway.script = [{ content: 'Yes.' }];
    const second = streamText({ ...common(), prompt: 'Sure?', ...options({ previousResponseId }) });
    expect(await second.text).toBe('Yes.');
    expect(story()).toEqual([...told, 'assistant: Warm everywhere.', 'user: Sure?']);
  });

  test('generateObject', async () => {
    gateway.script = [{ content: '{"city":"Bern","degrees":21}' }];
    const { object } = await generateObject({
      model: model(),
      maxRetries: 0,
      prompt: 'How warm is it in Bern?',
      schema: z.object({ city: z.string(), degrees: z.number() }),
    });
    expect(object).toEqual({ city: 'Bern', degrees: 21 });
  });

  test('pictures', async () => {
    const { text } = await generateText({
      model: model(),
      maxRetries: 0,
      messages: [
        {
          role: 'user',
          content: [
            { type: 'text', text: 'What is it?' },
            { type: 'image', image: Buffer.from(png, 'base64'), mediaType: 'image/png' },
          ],
        },
      ],
    });
    expect(text).toBe('done');
    expect(gateway.bodies[0]).toContain(png);
  });
});

describe("a provider's reasoning", () => {
  const [[, id]] = withoutResponses;
  const thinks = {
    reasoning: 'The user wants warmth.',
    reasoningSignature: 'c2lnbmF0dXJlLW9mLWEtdGhvdWdodA==',
  };

  test.each([true, false])('is shown, and goes back with the calls; stored: %s', async (store) => {
    gateway.script = [{ ...thinks, toolCalls: [call('Bern')] }, { content: 'Warm.' }];
    const openai = createOpenAI({ baseURL: `${gateway.url}/v1`, apiKey: 'none' });
    const result = streamText({
      model: openai(id),
      maxRetries: 0,
      tools: { weather },
      stopWhen: stepCountIs(3),
      prompt: 'How warm is it?',
      ...options({
        store,
        forceReasoning: true,
        reasoningEffort: 'low',
        reasoningSummary: 'auto',
        ...(store ? {} : { include: ['reasoning.encrypted_content'] }),
      }),
    });
    expect(await result.text).toBe('Warm.');
    const [first] = await result.steps;
    expect(first?.reasoningText).toBe(thinks.reasoning);
    const { messages } = JSON.parse(gateway.bodies[1]!) as { messages: { content: unknown }[] };
    expect(messages[1]?.content).toMatchObject([
      { type: 'thinking', thinking: thinks.reasoning, signature: thinks.reasoningSignature },
      { type: 'tool_use', name: 'weather' },
    ]);
  });
});
