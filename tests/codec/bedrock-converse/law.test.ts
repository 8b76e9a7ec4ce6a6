import { describe, expect, test } from 'vitest';
import { encodeConverseRequest } from '../../../src/codec/bedrock-converse/encode-request.ts';
import { recordedBedrock } from '../../support/bedrock-recordings.ts';
import { decodeConverseRequest } from './support/decode-request.ts';

// encode(decode(json)) equals json.

const recorded = recordedBedrock().filter(({ endpoint }) => endpoint === 'converse');

describe.skipIf(recorded.length === 0)('recorded requests', () => {
  test.each(recorded.map((exchange) => [exchange.title, exchange] as const))(
    '%s',
    (_title, { request, model }) => {
      const { body, warnings } = encodeConverseRequest(decodeConverseRequest(request, model), model);
      expect(warnings).toEqual([]);
      expect(JSON.parse(body)).toEqual(request);
    },
  );

  test.each(recorded.map((exchange) => [exchange.title, exchange] as const))(
    'same request, same bytes, schemas as they were: %s',
    (_title, { request, model }) => {
      const encode = () =>
        encodeConverseRequest(decodeConverseRequest(structuredClone(request), model), model).body;
      expect(encode()).toBe(encode());
      const { tools = [] } = (request['toolConfig'] ?? {}) as {
        tools?: { toolSpec: { inputSchema: object } }[];
      };
      for (const { toolSpec } of tools) expect(encode()).toContain(JSON.stringify(toolSpec.inputSchema));
    },
  );
});

const png =
  'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==';

/** Everything that Converse's reference has for a request to Claude. */
const everything = {
  messages: [
    {
      role: 'user',
      content: [
        { text: 'Look at these.' },
        { image: { format: 'png', source: { bytes: png } } },
        {
          image: {
            format: 'jpeg',
            source: { s3Location: { uri: 's3://pictures/one.jpg', bucketOwner: '123456789012' } },
          },
        },
        {
          document: {
            format: 'pdf',
            name: 'Annual report (2025)',
            source: { bytes: 'JVBERi0=' },
            context: 'a report',
            citations: { enabled: true },
          },
        },
        { document: { format: 'txt', name: 'notes', source: { s3Location: { uri: 's3://notes/one.txt' } } } },
        { video: { format: 'mp4', source: { s3Location: { uri: 's3://videos/one.mp4' } } } },
        { audio: { format: 'mp3', source: { bytes: 'SUQz' } } },
        { guardContent: { text: { text: 'Guard this', qualifiers: ['query'] } } },
        { searchResult: { source: 'https://a.example', title: 'A', content: [{ text: 'found' }] } },
        { cachePoint: { type: 'default', ttl: '1h' } },
      ],
    },
    {
      role: 'assistant',
      content: [
        { reasoningContent: { reasoningText: { text: 'Hm.', signature: 'c2lnbmVk/+==' } } },
        { reasoningContent: { reasoningText: { text: '', signature: 'ZW1wdHk=' } } },
        { reasoningContent: { redactedContent: 'cmVkYWN0ZWQ=' } },
        {
          citationsContent: {
            content: [{ text: 'It says so.' }],
            citations: [
              {
                title: 'Annual report',
                source: 'report',
                sourceContent: [{ text: 'so' }],
                location: { documentPage: { documentIndex: 0, start: 1, end: 2 } },
              },
              {
                title: 'The page',
                sourceContent: [{ text: 'so' }],
                location: { web: { url: 'https://a.example/x', domain: 'a.example' } },
              },
            ],
          },
        },
        {
          toolUse: { toolUseId: 'tooluse_1', name: 'weather', input: { city: 'Köln', days: [1, 2.5, null] } },
        },
        { toolUse: { toolUseId: 'tooluse_2', name: 'time', input: {} } },
        {
          toolUse: { toolUseId: 'srv_1', name: 'nova_grounding', input: { q: 'x' }, type: 'server_tool_use' },
        },
        {
          toolResult: {
            toolUseId: 'srv_1',
            content: [{ json: { hits: 1 } }],
            status: 'success',
            type: 'nova_grounding_result',
          },
        },
      ],
    },
    {
      role: 'user',
      content: [
        {
          toolResult: {
            toolUseId: 'tooluse_1',
            content: [
              { text: 'rain' },
              { json: { mm: 3 } },
              { image: { format: 'png', source: { bytes: png } } },
              { document: { format: 'csv', name: 'rain', source: { bytes: 'YSxi' } } },
            ],
          },
        },
        { toolResult: { toolUseId: 'tooluse_2', content: [{ text: 'no clock' }], status: 'error' } },
        { cachePoint: { type: 'default' } },
        { text: 'And now?' },
      ],
    },
  ],
  system: [
    { text: 'Be brief.' },
    { cachePoint: { type: 'default', ttl: '5m' } },
    { guardContent: { text: { text: 'Guarded' } } },
  ],
  toolConfig: {
    tools: [
      {
        toolSpec: {
          name: 'weather',
          description: 'Tells the weather',
          inputSchema: {
            json: {
              type: 'object',
              properties: { z: { type: 'string' }, a: { type: 'number' } },
              required: ['z'],
            },
          },
          strict: true,
        },
      },
      { toolSpec: { name: 'time', inputSchema: { json: { type: 'object' } } } },
      { systemTool: { name: 'nova_grounding' } },
      { cachePoint: { type: 'default' } },
    ],
    toolChoice: { tool: { name: 'weather' } },
  },
  inferenceConfig: { maxTokens: 100, temperature: 0.5, topP: 0.9, stopSequences: ['END'] },
  additionalModelRequestFields: { top_k: 5, anthropic_beta: ['context-1m-2025-08-07'] },
  outputConfig: {
    textFormat: {
      type: 'json_schema',
      structure: {
        jsonSchema: {
          schema: '{"type": "object",  "properties": {}}',
          name: 'answer',
          description: 'The answer',
        },
      },
    },
  },
  requestMetadata: { team: 'docs' },
  serviceTier: { type: 'priority' },
  guardrailConfig: { guardrailIdentifier: 'g', guardrailVersion: '1', trace: 'enabled' },
  performanceConfig: { latency: 'optimized' },
  additionalModelResponseFieldPaths: ['/stop_sequence'],
  promptVariables: { name: { text: 'x' } },
};

test('everything that the reference has goes through unchanged', () => {
  // One that takes temperature and top_p together.
  const model = 'us.anthropic.claude-sonnet-4-20250514-v1:0';
  const { body, warnings } = encodeConverseRequest(
    decodeConverseRequest(structuredClone(everything), model),
    model,
  );
  expect(warnings).toEqual([]);
  expect(JSON.parse(body)).toEqual(everything);
});
