import type { CreateChatCompletionRequest } from '../../gen/llmgateway/v1/chat_service_pb.js';
import {
  type GenerationParameters,
  type Tool,
  type ToolChoice,
  ToolChoice_Mode,
} from '../../gen/llmgateway/v1/generation_pb.js';
import { type Message, type Part, Role } from '../../gen/llmgateway/v1/message_pb.js';
import { decodeMessagesRequest } from '../../src/codec/anthropic-messages/decode-request.ts';
import { decodeChatRequest } from '../../src/codec/openai-chat/decode-request.ts';
import * as build from '../../src/model/build.ts';

/** One request in the typed model, to be said in every provider's form. */
export interface Conversation {
  readonly request: CreateChatCompletionRequest;
  readonly stream: boolean;
  /**
   * Texts that stand for what it is about. One that is not in a provider's body was lost; then a warning or a parameter among the
   * dropped ones has to say so.
   */
  readonly about: readonly string[];
}

const user = (...parts: (string | Part)[]): Message => build.message(Role.USER, parts.map(toPart));
const assistant = (...parts: (string | Part)[]): Message => build.message(Role.ASSISTANT, parts.map(toPart));
const system = (...parts: (string | Part)[]): Message => build.message(Role.SYSTEM, parts.map(toPart));
const toPart = (part: string | Part): Part => (typeof part === 'string' ? build.textPart(part) : part);

const call = (id: string, name: string, args: string, signature = ''): Part =>
  build.part({ case: 'toolCall', value: build.toolCall(id, name, args, { signature }) });
const result = (id: string, parts: Part[], isError = false): Message =>
  build.message(Role.TOOL, [
    build.part({ case: 'toolResult', value: build.toolResult(id, parts, { isError }) }),
  ]);
const reasoning = (...given: Parameters<typeof build.reasoning>): Part =>
  build.part({ case: 'reasoning', value: build.reasoning(...given) });
const image = (url: string): Part =>
  build.part({ case: 'image', value: build.image({ case: 'url', value: url }) });

const png =
  'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==';
const pdf = 'JVBERi0xLjQKMSAwIG9iago8PD4+CmVuZG9iagp0cmFpbGVyCjw8Pj4KJSVFT0YK';
const wav = 'UklGRiQAAABXQVZFZm10IBAAAAABAAEAQB8AAEAfAAABAAgAZGF0YQAAAAA=';
const pngUrl = `data:image/png;base64,${png}`;

const pdfPart = build.part({
  case: 'file',
  value: build.file(
    { case: 'url', value: `data:application/pdf;base64,${pdf}` },
    { filename: 'contract.pdf' },
  ),
});

// Spaces and the order of the keys have to stay as they are.
const weatherSchema =
  '{"type":"object", "properties":{"city":{"type":"string","description":"Name of the town"},"unit":{"type":"string","enum":["celsius","fahrenheit"]}}, "required":["city"], "additionalProperties":false}';
const clockSchema = '{"type":"object","properties":{"zone":{"type":["string","null"]}}}';
const bookSchema =
  '{"type":"object","properties":{"title":{"type":"string"},"year":{"type":"integer"},"isbn":{"type":"string"}},"required":["title","year","isbn"],"additionalProperties":false}';

const weather = build.tool({
  case: 'function',
  value: build.functionTool('get_weather', {
    description: 'Weather of a town today',
    parametersJson: weatherSchema,
  }),
});
const clock = build.tool({
  case: 'function',
  value: build.functionTool('get_time', { description: 'Time in a zone', parametersJson: clockSchema }),
});
const tools: Tool[] = [weather, clock];

const named = ToolChoice_Mode.NAMED;

interface Rest {
  readonly parameters?: Partial<GenerationParameters>;
  readonly tools?: Tool[];
  readonly choice?: ToolChoice;
  readonly stream?: boolean;
}

function conversation(messages: Message[], about: readonly string[], rest: Rest = {}): Conversation {
  const request = build.chatRequest('golden', messages, { tools: rest.tools ?? [] });
  if (rest.parameters !== undefined) request.parameters = build.parameters(rest.parameters);
  if (rest.choice !== undefined) request.toolChoice = rest.choice;
  return { request, stream: rest.stream ?? false, about };
}

const question = user('Is it raining in Ghent?');
const asksWeather = assistant(call('call_A1', 'get_weather', '{"city": "Ghent"}'));
const rain = result('call_A1', [build.textPart('{"sky": "drizzle", "degrees": 11}')]);
const asksBoth = assistant(
  'I will look twice.',
  call('call_A1', 'get_weather', '{"city": "Ghent"}'),
  call('call_B2', 'get_time', '{"zone": null}'),
);
const noon = result('call_B2', [build.textPart('half past twelve')]);

const withParameters = (parameters: Partial<GenerationParameters>, about: readonly string[]): Conversation =>
  conversation([user('Count to three.')], about, { parameters });

const marked = (text: string, ttl = ''): Part =>
  build.part({ case: 'text', value: build.text(text) }, { cacheBreakpoint: build.cacheBreakpoint(ttl) });

/** A body of POST /v1/messages. */
const ofMessages = (body: object, about: readonly string[]): Conversation => ({
  ...decodeMessagesRequest({ model: 'golden', max_tokens: 500, ...body }),
  about,
});

const searchResult = {
  type: 'search_result',
  source: 'https://weather.example',
  title: 'Radar of Ghent',
  content: [{ type: 'text', text: 'It pours.' }],
};

/** All conversations, by the names of their folders. */
export const conversations: Readonly<Record<string, Conversation>> = {
  plain: conversation([user('Say hello.')], ['Say hello.']),
  streaming: conversation([user('Say hello.')], ['Say hello.'], { stream: true }),
  'system-and-turns': conversation(
    [system('Answer in Flemish.'), user('Good morning!'), assistant('Goeiemorgen!'), user('And at night?')],
    ['Answer in Flemish.', 'Good morning!', 'Goeiemorgen!', 'And at night?'],
  ),
  'system-in-the-middle': conversation(
    [
      system('Answer in Flemish.'),
      user('Good morning!'),
      assistant('Goeiemorgen!'),
      system('From now on in English.'),
      user('And at night?'),
    ],
    ['Answer in Flemish.', 'Goeiemorgen!', 'From now on in English.', 'And at night?'],
  ),
  'developer-role': conversation(
    [build.message(Role.DEVELOPER, [build.textPart('Use SI units.')]), user('How high is it?')],
    ['Use SI units.', 'How high is it?'],
  ),
  'participant-names': conversation(
    [build.message(Role.USER, [build.textPart('Who am I?')], { name: 'Wannes' })],
    ['Who am I?', 'Wannes'],
  ),
  'several-texts': conversation([user('One.', 'Two.')], ['One.', 'Two.']),
  'image-data-url': conversation([user('What is this?', image(pngUrl))], ['What is this?', png]),
  'image-https-url': conversation(
    [user('What is this?', image('https://example.com/cat.png'))],
    ['What is this?', 'https://example.com/cat.png'],
  ),
  'image-detail': conversation(
    [
      user(
        'Read the small print.',
        build.part({
          case: 'image',
          value: build.image({ case: 'url', value: pngUrl }, { detail: 'high' }),
        }),
      ),
    ],
    ['Read the small print.', png, '"high"'],
  ),
  'document-pdf': conversation([user('Sum it up.', pdfPart)], ['Sum it up.', pdf, 'contract']),
  'document-text': conversation(
    [
      user(
        'Sum it up.',
        build.part({
          case: 'file',
          value: build.file(
            { case: 'data', value: new TextEncoder().encode('Once upon a time.') },
            { mediaType: 'text/plain', filename: 'tale.txt' },
          ),
        }),
      ),
    ],
    ['Sum it up.', 'tale'],
  ),
  'audio-wav': conversation(
    [
      user(
        'What do you hear?',
        build.part({ case: 'audio', value: build.audio({ case: 'base64', value: wav }, { format: 'wav' }) }),
      ),
    ],
    ['What do you hear?', wav],
  ),
  tools: conversation(
    [question],
    ['get_weather', 'Name of the town', 'fahrenheit', 'get_time', 'Time in a zone'],
    {
      tools,
    },
  ),
  'tool-strict': conversation([question], ['get_weather', '"strict":true'], {
    tools: [
      build.tool({
        case: 'function',
        value: build.functionTool('get_weather', { parametersJson: weatherSchema, strict: true }),
      }),
    ],
  }),
  'tool-custom': conversation([question], ['run_sql'], {
    tools: [build.tool({ case: 'custom', value: build.customTool('run_sql', { description: 'Runs SQL' }) })],
  }),
  'tool-result': conversation([question, asksWeather, rain], ['get_weather', 'Ghent', 'drizzle'], { tools }),
  'tool-results-parallel': conversation(
    [question, asksBoth, rain, noon, user('So?')],
    ['I will look twice.', 'Ghent', 'drizzle', 'get_time', 'half past twelve', 'So?'],
    { tools },
  ),
  // A model's answer that was cut off.
  'tool-arguments-cut': conversation(
    [
      question,
      assistant(call('call_A1', 'get_weather', '{"city": "Gh')),
      result('call_A1', [build.textPart('not JSON')], true),
    ],
    ['{"city": "Gh', 'not JSON'],
    { tools },
  ),
  'tool-result-error': conversation(
    [question, asksWeather, result('call_A1', [build.textPart('no such town')], true)],
    ['no such town', 'error'],
    { tools },
  ),
  'tool-result-image': conversation(
    [question, asksWeather, result('call_A1', [build.textPart('The radar:'), image(pngUrl)])],
    ['The radar:', png],
    { tools },
  ),
  'tool-result-search-result': ofMessages(
    {
      messages: [
        { role: 'user', content: 'Is it raining in Ghent?' },
        { role: 'assistant', content: [{ type: 'tool_use', id: 'call_A1', name: 'search', input: {} }] },
        {
          role: 'user',
          content: [{ type: 'tool_result', tool_use_id: 'call_A1', content: [searchResult] }],
        },
      ],
      tools: [{ name: 'search', input_schema: { type: 'object' } }],
    },
    ['https://weather.example', 'Radar of Ghent', 'It pours.'],
  ),
  'document-of-content': ofMessages(
    {
      messages: [
        {
          role: 'user',
          content: [
            {
              type: 'document',
              title: 'Tales',
              context: 'From the attic',
              source: {
                type: 'content',
                content: [
                  { type: 'text', text: 'Once upon a time.' },
                  { type: 'image', source: { type: 'base64', media_type: 'image/png', data: png } },
                  { type: 'text', text: 'The end.' },
                ],
              },
            },
            { type: 'text', text: 'Sum it up.' },
          ],
        },
      ],
    },
    ['Tales', 'From the attic', 'Once upon a time.', png, 'The end.', 'Sum it up.'],
  ),
  'tool-of-another-provider': ofMessages(
    {
      messages: [{ role: 'user', content: 'Is it raining in Ghent?' }],
      tools: [
        { type: 'web_search_20250305', name: 'web_search', max_uses: 3 },
        { name: 'get_weather', input_schema: { type: 'object' } },
      ],
    },
    ['web_search', 'get_weather'],
  ),
  'functions-legacy': {
    ...decodeChatRequest({
      model: 'golden',
      messages: [
        { role: 'user', content: 'Is it raining in Ghent?' },
        {
          role: 'assistant',
          content: null,
          function_call: { name: 'get_weather', arguments: '{"city": "Ghent"}' },
        },
        { role: 'function', name: 'get_weather', content: 'It drizzles.' },
      ],
      functions: [
        {
          name: 'get_weather',
          description: 'Weather of a town today',
          parameters: JSON.parse(weatherSchema) as unknown,
        },
      ],
      function_call: 'auto',
    }),
    about: ['get_weather', 'Weather of a town today', 'fahrenheit', 'Ghent', 'It drizzles.'],
  },
  'tool-choice-required': conversation([question], ['get_weather'], {
    tools,
    choice: build.toolChoice(ToolChoice_Mode.REQUIRED),
  }),
  'tool-choice-named': conversation([question], ['get_weather'], {
    tools,
    choice: build.toolChoice(named, { name: 'get_weather' }),
  }),
  'tool-choice-none': conversation([question], ['Is it raining in Ghent?'], {
    tools,
    choice: build.toolChoice(ToolChoice_Mode.NONE),
  }),
  'tool-calls-one-at-a-time': conversation([question], ['get_weather', 'arallel'], {
    tools,
    parameters: { parallelToolCalls: false },
  }),
  'reasoning-effort': conversation([user('Is 391 a prime?')], ['Is 391 a prime?'], {
    parameters: { reasoningEffort: 'medium' },
  }),
  'reasoning-budget': conversation([user('Is 391 a prime?')], ['2345'], {
    parameters: { reasoningBudgetTokens: 2345 },
  }),
  'reasoning-none': conversation([user('Is 391 a prime?')], ['Is 391 a prime?'], {
    parameters: { reasoningEffort: 'none' },
  }),
  'reasoning-history-claude': conversation(
    [
      question,
      assistant(
        reasoning('Look at the sky.', { signature: 'Y2xhdWRlLXN0YXRl', format: 'anthropic-claude-v1' }),
        call('call_A1', 'get_weather', '{"city": "Ghent"}'),
      ),
      rain,
    ],
    ['Look at the sky.', 'Y2xhdWRlLXN0YXRl', 'drizzle'],
    { tools },
  ),
  'reasoning-history-gemini': conversation(
    [
      question,
      assistant(
        reasoning('Look at the sky.', { format: 'google-gemini-v1' }),
        call('call_A1', 'get_weather', '{"city": "Ghent"}', 'Z2VtaW5pLXN0YXRl'),
      ),
      rain,
    ],
    // The text of Gemini's thoughts is a summary for people, which it does not want back.
    ['Z2VtaW5pLXN0YXRl', 'drizzle'],
    { tools },
  ),
  'reasoning-history-plain': conversation(
    [question, assistant(reasoning('Look at the sky.'), 'It drizzles.'), user('Still?')],
    ['Look at the sky.', 'It drizzles.', 'Still?'],
  ),
  'refusal-history': conversation(
    [
      user('Pick the lock.'),
      assistant(build.part({ case: 'refusal', value: build.refusal('I will not.') })),
      user('Why?'),
    ],
    ['I will not.', 'Why?'],
  ),
  'cache-breakpoints': conversation(
    [system(marked('A long instruction.', '1h')), user(marked('A long question.'))],
    ['A long instruction.', 'A long question.', 'get_weather', 'ache'],
    { tools: [{ ...weather, cacheBreakpoint: build.cacheBreakpoint() }] },
  ),
  'json-schema': withParameters(
    {
      responseFormat: build.responseFormat({
        case: 'jsonSchema',
        value: build.jsonSchemaFormat('book', { schemaJson: bookSchema, strict: true }),
      }),
    },
    ['isbn'],
  ),
  'json-schema-described': withParameters(
    {
      responseFormat: build.responseFormat({
        case: 'jsonSchema',
        value: build.jsonSchemaFormat('book', { schemaJson: bookSchema, description: 'A book in print' }),
      }),
    },
    ['isbn', 'A book in print'],
  ),
  'json-object': withParameters(
    {
      responseFormat: build.responseFormat({
        case: 'jsonObject',
        value: { $typeName: 'llmgateway.v1.JsonObjectFormat' },
      }),
    },
    ['json'],
  ),
  stop: withParameters({ stop: ['STOPHERE', '\n\n'] }, ['STOPHERE']),
  'max-tokens': withParameters({ maxOutputTokens: 321 }, ['321']),
  sampling: withParameters({ temperature: 0.25, topP: 0.96875 }, ['0.25', '0.96875']),
  'top-k': withParameters({ topK: 17 }, ['17']),
  penalties: withParameters({ presencePenalty: 0.375, frequencyPenalty: 0.625 }, ['0.375', '0.625']),
  'logit-bias': withParameters({ logitBias: { '50256': -100 } }, ['50256']),
  seed: withParameters({ seed: 4711 }, ['4711']),
  logprobs: withParameters({ logprobs: true, topLogprobs: 3 }, ['ogprobs']),
  'several-answers': withParameters({ n: 2 }, ['2']),
  user: withParameters({ user: 'wannes-1' }, ['wannes-1']),
  'service-tier': withParameters({ serviceTier: 'flex' }, ['flex']),
  metadata: withParameters({ metadata: { team: 'golden' } }, ['golden']),
  verbosity: withParameters({ verbosity: 'low' }, ['"low"']),
  'prompt-cache-key': withParameters({ promptCacheKey: 'ghent-7' }, ['ghent-7']),
};

/** The same conversation after one more turn, within which the instructions were added to. */
export const oneTurnLater = ({ request, stream }: Conversation): Omit<Conversation, 'about'> => ({
  request: {
    ...request,
    messages: [...request.messages, assistant('So it is.'), system('Be brief from now on.'), user('Go on.')],
  },
  stream,
});
