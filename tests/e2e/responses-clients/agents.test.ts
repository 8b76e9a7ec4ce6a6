import { Agent, OpenAIProvider, Runner, type RunStreamEvent, setTracingDisabled, tool } from '@openai/agents';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { z } from 'zod';
import { openaiClient } from '../../support/gateway.ts';
import {
  type ScriptedGateway,
  startScripted,
  storyOf,
  textOf,
  withoutResponses,
} from '../../support/scripted-emulator.ts';

// OpenAI's Agents SDK, whose default is the Responses API, over providers that do not have it.

let gateway: ScriptedGateway;
let runner: Runner;
/** Cities that the tool was asked for. */
let cities: string[] = [];

beforeAll(async () => {
  setTracingDisabled(true);
  gateway = await startScripted();
  const modelProvider = new OpenAIProvider({
    openAIClient: openaiClient(gateway.url),
    useResponses: true,
  });
  runner = new Runner({ modelProvider, tracingDisabled: true });
});
afterAll(() => gateway?.stop());
beforeEach(() => {
  gateway.script = [];
  gateway.asked.length = 0;
  cities = [];
});

const weather = tool({
  name: 'weather',
  description: 'Tells the weather.',
  parameters: z.object({ city: z.string() }),
  async execute({ city }) {
    cities.push(city);
    return `21 degrees in ${city}`;
  },
});
const call = (city: string) => ({ name: 'weather', arguments: JSON.stringify({ city }) });
const story = () => {
  const last = gateway.asked.at(-1);
  return last === undefined ? [] : storyOf(last);
};

describe.each(withoutResponses)('over %s', (name, model) => {
  const agent = () =>
    new Agent({ name: 'Forecaster', instructions: 'You tell the weather.', model, tools: [weather] });

  test.each([
    ['whole', false],
    ['streamed', true],
  ])('tools, two of them at once: %s', async (_how, stream) => {
    gateway.script = [
      { content: 'I look.', toolCalls: [call('Bern'), call('Rome')] },
      { toolCalls: [call('Oslo')] },
      { content: 'Warm everywhere.' },
    ];
    const events: RunStreamEvent[] = [];
    let output: unknown;
    if (stream) {
      const result = await runner.run(agent(), 'How warm is it?', { stream: true });
      for await (const event of result) events.push(event);
      await result.completed;
      output = result.finalOutput;
      const texts = events.flatMap((event) =>
        event.type === 'raw_model_stream_event' && event.data.type === 'output_text_delta'
          ? [event.data.delta]
          : [],
      );
      expect(texts.join('')).toBe('I look.Warm everywhere.');
      const names = events.flatMap((event) => (event.type === 'run_item_stream_event' ? [event.name] : []));
      expect(names.filter((event) => event === 'tool_output').length).toBe(3);
    } else output = (await runner.run(agent(), 'How warm is it?')).finalOutput;
    expect(output).toBe('Warm everywhere.');
    expect(cities).toEqual(['Bern', 'Rome', 'Oslo']);
    expect(story()).toEqual([
      'user: How warm is it?',
      'assistant: I look.',
      '> weather',
      '> weather',
      '< 21 degrees in Bern',
      '< 21 degrees in Rome',
      '> weather',
      '< 21 degrees in Oslo',
    ]);
    const system = gateway.asked[0]!.messages.filter(({ role }) => role === 'system').map(textOf);
    expect(system.join(' ')).toContain('You tell the weather.');
  });

  test.each([
    ['whole', false],
    ['streamed', true],
  ])('a handoff to another agent: %s', async (_how, stream) => {
    const forecaster = agent();
    const desk = new Agent({ name: 'Desk', instructions: 'You hand over.', model, handoffs: [forecaster] });
    gateway.script = [
      { toolCalls: [{ name: 'transfer_to_Forecaster', arguments: '{}' }] },
      { toolCalls: [call('Bern')] },
      { content: '21 degrees.' },
    ];
    let last: string | undefined;
    let output: unknown;
    if (stream) {
      const result = await runner.run(desk, 'How warm is it?', { stream: true });
      await result.completed;
      [last, output] = [result.lastAgent?.name, result.finalOutput];
    } else {
      const result = await runner.run(desk, 'How warm is it?');
      [last, output] = [result.lastAgent?.name, result.finalOutput];
    }
    expect([last, output, cities]).toEqual(['Forecaster', '21 degrees.', ['Bern']]);
    expect(story().filter((line) => line.startsWith('>'))).toEqual(['> transfer_to_Forecaster', '> weather']);
  });

  test('an answer of a form', async () => {
    const outputType = z.object({ city: z.string(), degrees: z.number() });
    gateway.script = [{ content: '{"city":"Bern","degrees":21}' }];
    const result = await runner.run(
      new Agent({ name: 'Form', model, outputType }),
      'How warm is it in Bern?',
    );
    expect(result.finalOutput).toEqual({ city: 'Bern', degrees: 21 });
  });

  test.each([
    ['previousResponseId', false],
    ['previousResponseId', true],
    ['conversationId', false],
    ['conversationId', true],
  ] as const)('goes on by %s, streamed: %s', async (by, stream) => {
    gateway.script = [
      { toolCalls: [call('Bern')] },
      { content: '21 degrees.' },
      { toolCalls: [call('Rome')] },
      { content: '31 degrees.' },
    ];
    const conversationId =
      by === 'conversationId' ? (await openaiClient(gateway.url).conversations.create()).id : undefined;
    const ask = async (question: string, previousResponseId?: string) => {
      const options = {
        ...(conversationId === undefined ? {} : { conversationId }),
        ...(previousResponseId === undefined ? {} : { previousResponseId }),
      };
      if (!stream) return runner.run(agent(), question, options);
      const result = await runner.run(agent(), question, { ...options, stream: true });
      await result.completed;
      return result;
    };
    const first = await ask('How warm is it in Bern?');
    const second = await ask('And in Rome?', conversationId === undefined ? first.lastResponseId : undefined);
    expect([first.finalOutput, second.finalOutput]).toEqual(['21 degrees.', '31 degrees.']);
    expect(story()).toEqual([
      'user: How warm is it in Bern?',
      '> weather',
      '< 21 degrees in Bern',
      'assistant: 21 degrees.',
      'user: And in Rome?',
      '> weather',
      '< 21 degrees in Rome',
    ]);
  });

  test('the whole history goes on by itself', async () => {
    gateway.script = [
      { toolCalls: [call('Bern')] },
      { content: '21 degrees.' },
      { content: `${name} agrees.` },
    ];
    const first = await runner.run(agent(), 'How warm is it?');
    const second = await runner.run(agent(), [...first.history, { role: 'user', content: 'Sure?' }]);
    expect(second.finalOutput).toBe(`${name} agrees.`);
    expect(story()).toEqual([
      'user: How warm is it?',
      '> weather',
      '< 21 degrees in Bern',
      'assistant: 21 degrees.',
      'user: Sure?',
    ]);
  });
});
