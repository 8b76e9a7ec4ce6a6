import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { CreateChatCompletionRequest } from '../../gen/llmgateway/v1/chat_service_pb.js';
import {
  type GenerationParameters,
  type ToolChoice,
  ToolChoice_Mode,
} from '../../gen/llmgateway/v1/generation_pb.js';
import { Role } from '../../gen/llmgateway/v1/message_pb.js';
import * as build from '../../src/model/build.ts';
import { type Harness, startHarness } from './harness.ts';
import { providers } from './providers.ts';

// Parameters that a provider cannot take: whoever finds that out, the stage that knows the providers' lists or the codec that writes
// the request, they are refused by name and with the same code, or left out and reported where the client wants that.

let harness: Harness;
beforeAll(async () => {
  harness = await startHarness();
});
afterAll(() => harness.stop());

const tool = build.tool({ case: 'function', value: build.functionTool('get_weather') });
const custom = build.tool({ case: 'custom', value: build.customTool('run_sql') });
const hosted = build.tool({ case: 'hosted', value: build.opaque('openai.responses', 'web_search', '{}') });
const format = (kind: Parameters<typeof build.responseFormat>[0]): Partial<GenerationParameters> => ({
  responseFormat: build.responseFormat(kind),
});
const json = format({ case: 'jsonObject', value: { $typeName: 'llmgateway.v1.JsonObjectFormat' } });
const schemaless = format({ case: 'jsonSchema', value: build.jsonSchemaFormat('a') });
const grammar = format({ case: 'opaque', value: build.opaque('openai.responses', 'grammar', '{}') });
const { REQUIRED, NAMED, ALLOWED, AUTO } = ToolChoice_Mode;
const choice = (...given: Parameters<typeof build.toolChoice>): ToolChoice => build.toolChoice(...given);

interface Asked {
  readonly parameters?: Partial<GenerationParameters>;
  readonly tools?: CreateChatCompletionRequest['tools'];
  readonly choice?: ToolChoice;
}

const columns = [
  'anthropic',
  'bedrock-claude',
  'bedrock-invoke',
  'bedrock-nova',
  'google',
  'ollama',
] as const;

/** Field that is named where it is refused, for each of the providers; '' where it is taken, or left out as a hint. */
const rows: readonly (readonly [what: string, asked: Asked, fields: readonly string[]])[] = [
  ['several answers', { parameters: { n: 2 } }, ['n', 'n', 'n', 'n', '', 'n']],
  ['logprobs', { parameters: { logprobs: true } }, ['logprobs', 'logprobs', 'logprobs', 'logprobs', '', '']],
  ['JSON', { parameters: json }, [...four('response_format'), '', '']],
  [
    'JSON without its schema',
    { parameters: schemaless },
    ['response_format.json_schema.schema', '', 'response_format.json_schema.schema', '', '', ''],
  ],
  [
    "another dialect's form",
    { parameters: grammar },
    [...four('response_format'), 'response_format', 'response_format'],
  ],
  [
    'JSON beside tools',
    { parameters: json, tools: [tool] },
    [...four('response_format'), 'response_format', ''],
  ],
  ['a tool with free text', { tools: [tool, custom] }, [...four('tools[1]'), 'tools[1]', 'tools[1]']],
  ["another provider's tool", { tools: [hosted] }, [...four('tools[0]'), 'tools[0]', 'tools[0]']],
  [
    'the choice of a tool that is not taken',
    { tools: [custom], choice: choice(NAMED, { name: 'run_sql', custom: true }) },
    [...four('tools[0]'), 'tools[0]', 'tools[0]'],
  ],
  [
    'tools that are not taken, of which one has to be called',
    { tools: [custom, hosted], choice: choice(REQUIRED) },
    [...four('tools[0]'), 'tools[0]', 'tools[0]'],
  ],
  [
    'tools that are not taken, among the allowed ones',
    {
      tools: [tool, custom],
      choice: choice(ALLOWED, {
        allowedRequired: true,
        allowedJson:
          '[{"type":"custom","custom":{"name":"run_sql"}},{"type":"function","function":{"name":"get_weather"}}]',
      }),
    },
    [...four('tools[1]'), 'tools[1]', 'tools[1]'],
  ],
  [
    'allowed tools without a name',
    {
      tools: [tool],
      choice: choice(ALLOWED, { allowedJson: '[{"type":"mcp"},{"type":"function","name":"get_weather"}]' }),
    },
    [...four('tool_choice'), 'tool_choice', 'tool_choice'],
  ],
  [
    'a tool that has to be called',
    { tools: [tool], choice: choice(REQUIRED) },
    ['', '', '', '', '', 'tool_choice'],
  ],
  [
    'a budget beside such a tool',
    { tools: [tool], choice: choice(REQUIRED), parameters: { reasoningBudgetTokens: 2_000 } },
    ['tool_choice', 'tool_choice', 'tool_choice', '', '', 'tool_choice'],
  ],
  ['spoken answers', { parameters: { modalities: ['audio'] } }, [...four('modalities'), '', 'modalities']],
  [
    'speech of another format',
    { parameters: { audioJson: '{"voice":"Kore","format":"mp3"}' } },
    [...four('audio'), 'audio.format', 'audio'],
  ],
  ['nothing special', { tools: [tool], choice: choice(AUTO) }, ['', '', '', '', '', '']],
];

function four(field: string): string[] {
  return [field, field, field, field];
}

const cells = rows.flatMap(([what, asked, fields]) =>
  columns.map((name, i) => ({ what, asked, name, field: fields[i] ?? '' })),
);

function ask(name: string, { parameters, tools = [], choice: toolChoice }: Asked, dropParams?: boolean) {
  const provider = providers.find((one) => one.name === name);
  if (provider === undefined) throw new Error(`no provider ${name}`);
  const request = build.chatRequest('m', [build.message(Role.USER, [build.textPart('Go.')])], { tools });
  if (parameters !== undefined) request.parameters = build.parameters(parameters);
  if (toolChoice !== undefined) request.toolChoice = toolChoice;
  if (dropParams !== undefined) request.options = build.gatewayOptions({ dropParams });
  return harness.ask(provider, { request, stream: false });
}

describe.each(cells)('$what, of $name', ({ asked, name, field }) => {
  test(field === '' ? 'is not refused' : 'is refused by name and with a code', async () => {
    const outcome = await ask(name, asked);
    if (field === '') expect(outcome).toHaveProperty('asked');
    else expect(outcome).toMatchObject({ refused: { reason: 'UNSUPPORTED_PARAMETER', field } });
  });

  test('is left out and reported where the client wants that', async () => {
    const outcome = await ask(name, asked, true);
    if (!('asked' in outcome)) throw new Error(`refused: ${outcome.refused.message}`);
    const { dropped, warnings, text } = outcome.asked;
    const told = [...dropped, ...warnings.map(({ code }) => code)].filter((word) => !/^system_as/.test(word));
    if (field !== '') expect(told).not.toEqual([]);
    expect(text).not.toMatch(/run_sql|web_search|grammar|"mcp"/);
    const sent = JSON.parse(text) as Record<string, Record<string, unknown> | undefined>;
    // A choice without tools would be refused there.
    if (!/get_weather/.test(text)) {
      for (const key of ['tool_choice', 'toolConfig']) expect(sent).not.toHaveProperty(key);
    }
  });
});

const strict = build.tool({ case: 'function', value: build.functionTool('get_weather', { strict: true }) });

/** Hints of which a value is not taken. Field that is named where the client wants all that to be refused; '' where it is taken. */
const hints: readonly (readonly [what: string, asked: Asked, fields: readonly string[]])[] = [
  [
    'a tier',
    { parameters: { serviceTier: 'flex' } },
    ['service_tier', '', 'service_tier', '', '', 'service_tier'],
  ],
  [
    'a tier of nobody',
    { parameters: { serviceTier: 'x' } },
    [...four('service_tier'), 'service_tier', 'service_tier'],
  ],
  ['a high temperature', { parameters: { temperature: 2 } }, [...four('temperature'), '', '']],
  ['a seed of 40 bits', { parameters: { seed: 2 ** 40 } }, [...four('seed'), 'seed', '']],
  [
    'a budget for nothing',
    { parameters: { reasoningBudgetTokens: 10 } },
    [...four('reasoning_budget_tokens'), '', 'reasoning_budget_tokens'],
  ],
  [
    'an endless budget',
    { parameters: { reasoningBudgetTokens: 900_000 } },
    [
      'reasoning_budget_tokens',
      'reasoning_budget_tokens',
      'reasoning_budget_tokens',
      'reasoning_budget_tokens',
      'reasoning_budget_tokens',
      'reasoning_budget_tokens',
    ],
  ],
  [
    'sampling beside thoughts',
    { parameters: { reasoningEffort: 'high', topK: 3 } },
    ['top_k', 'top_k', 'top_k', 'reasoning_effort', '', ''],
  ],
  [
    'an effort beside a tool that has to be called',
    { parameters: { reasoningEffort: 'high' }, tools: [tool], choice: choice(REQUIRED) },
    ['reasoning_effort', 'reasoning_effort', 'reasoning_effort', 'reasoning_effort', '', 'tool_choice'],
  ],
  ['a strict tool', { tools: [strict] }, ['', '', '', '', 'tools[0]', 'tools[0]']],
  [
    "another provider's tool beside one",
    { tools: [tool, hosted] },
    [...four('tools[1]'), 'tools[1]', 'tools[1]'],
  ],
];

const hintCells = hints.flatMap(([what, asked, fields]) =>
  columns.map((name, i) => ({ what, asked, name, field: fields[i] ?? '' })),
);

describe.each(hintCells)('$what, of $name, where all is to be refused', ({ asked, name, field }) => {
  test(field === '' ? 'is taken' : 'is refused by name and with a code', async () => {
    const outcome = await ask(name, asked, false);
    if (field !== '') expect(outcome).toMatchObject({ refused: { reason: 'UNSUPPORTED_PARAMETER', field } });
    else expect(outcome).toMatchObject({ asked: { dropped: [], warnings: [] } });
  });

  if (field !== '' && field !== 'tool_choice')
    test('is otherwise left out or changed, and reported', async () => {
      const outcome = await ask(name, asked);
      if (!('asked' in outcome)) throw new Error(`refused: ${outcome.refused.message}`);
      expect([...outcome.asked.dropped, ...outcome.asked.warnings]).not.toEqual([]);
    });
});
