import { eventFrame, frame } from '../support/aws-event-stream.ts';

/** An answer as a provider sends it, whole and as a stream. All say the same: a thought, a text, a call, what it cost. */
export interface Answer {
  readonly type: string;
  readonly whole: string;
  readonly streamType: string;
  readonly stream: Buffer;
}

const json = 'application/json';
const sse = (events: readonly object[], named = false): Buffer =>
  Buffer.from(
    events
      .map(
        (event) =>
          `${named ? `event: ${(event as { type: string }).type}\n` : ''}data: ${JSON.stringify(event)}\n\n`,
      )
      .join(''),
  );

const args = '{"city":"Ghent"}';
const head = { id: 'a-1', created: 1_770_000_000, model: 'golden' };

interface OpenAIForm {
  /** Reasoning, as members of a message. */
  readonly thought?: object;
  readonly usage?: object;
}

const tokens = { prompt_tokens: 100, completion_tokens: 20, total_tokens: 120 };
const details = {
  prompt_tokens_details: { cached_tokens: 80 },
  completion_tokens_details: { reasoning_tokens: 7 },
};
const oneLogprob = {
  content: [{ token: 'It', logprob: -0.25, bytes: [73, 116], top_logprobs: [] }],
  refusal: null,
};

/** In OpenAI's form, with what a provider has of its own. */
function openai({ thought = {}, usage = { ...tokens, ...details } }: OpenAIForm): Answer {
  const call = { id: 'call_A1', type: 'function', function: { name: 'get_weather', arguments: args } };
  const message = { role: 'assistant', ...thought, content: 'It drizzles.', tool_calls: [call] };
  const choice = { index: 0, message, finish_reason: 'tool_calls', logprobs: oneLogprob };
  const chunk = (delta: object, more: object = {}) => ({
    ...head,
    object: 'chat.completion.chunk',
    choices: [{ index: 0, delta, finish_reason: null, ...more }],
  });
  const chunks = [
    chunk({ role: 'assistant', content: '' }),
    ...(Object.keys(thought).length > 0 ? [chunk(thought)] : []),
    chunk({ content: 'It drizzles.' }, { logprobs: oneLogprob }),
    chunk({ tool_calls: [{ index: 0, ...call }] }),
    chunk({}, { finish_reason: 'tool_calls' }),
    { ...head, object: 'chat.completion.chunk', choices: [], usage },
  ];
  return {
    type: json,
    whole: JSON.stringify({ ...head, object: 'chat.completion', choices: [choice], usage }),
    streamType: 'text/event-stream',
    stream: Buffer.concat([sse(chunks), Buffer.from('data: [DONE]\n\n')]),
  };
}

const thinking = 'Look at the sky.';

const messageHead = { id: 'msg_1', type: 'message', role: 'assistant', model: 'golden' };
const messageUsage = {
  input_tokens: 15,
  cache_read_input_tokens: 80,
  cache_creation_input_tokens: 5,
  output_tokens: 20,
  output_tokens_details: { thinking_tokens: 7 },
};
const blocks = [
  { type: 'thinking', thinking, signature: 'c2ln' },
  { type: 'text', text: 'It drizzles.' },
  { type: 'tool_use', id: 'call_A1', name: 'get_weather', input: { city: 'Ghent' } },
];
const messageEvents = [
  {
    type: 'message_start',
    message: {
      ...messageHead,
      content: [],
      stop_reason: null,
      stop_sequence: null,
      usage: { ...messageUsage, output_tokens: 1 },
    },
  },
  { type: 'content_block_start', index: 0, content_block: { type: 'thinking', thinking: '', signature: '' } },
  { type: 'content_block_delta', index: 0, delta: { type: 'thinking_delta', thinking } },
  { type: 'content_block_delta', index: 0, delta: { type: 'signature_delta', signature: 'c2ln' } },
  { type: 'content_block_stop', index: 0 },
  { type: 'content_block_start', index: 1, content_block: { type: 'text', text: '' } },
  { type: 'content_block_delta', index: 1, delta: { type: 'text_delta', text: 'It drizzles.' } },
  { type: 'content_block_stop', index: 1 },
  { type: 'content_block_start', index: 2, content_block: { ...blocks[2], input: {} } },
  { type: 'content_block_delta', index: 2, delta: { type: 'input_json_delta', partial_json: args } },
  { type: 'content_block_stop', index: 2 },
  { type: 'message_delta', delta: { stop_reason: 'tool_use', stop_sequence: null }, usage: messageUsage },
  { type: 'message_stop' },
];
const message = JSON.stringify({
  ...messageHead,
  content: blocks,
  stop_reason: 'tool_use',
  stop_sequence: null,
  usage: messageUsage,
});

const anthropic: Answer = {
  type: json,
  whole: message,
  streamType: 'text/event-stream',
  stream: sse(messageEvents, true),
};

const invoke: Answer = {
  type: json,
  whole: message,
  streamType: 'application/vnd.amazon.eventstream',
  stream: Buffer.concat(
    messageEvents.map((event) =>
      frame(
        { ':event-type': 'chunk', ':content-type': json, ':message-type': 'event' },
        JSON.stringify({ bytes: Buffer.from(JSON.stringify(event)).toString('base64') }),
      ),
    ),
  ),
};

function gemini(): Answer {
  const usageMetadata = {
    promptTokenCount: 100,
    cachedContentTokenCount: 80,
    candidatesTokenCount: 13,
    thoughtsTokenCount: 7,
    totalTokenCount: 120,
  };
  const thought = { text: thinking, thought: true };
  const text = { text: 'It drizzles.' };
  const call = {
    functionCall: { id: 'call_A1', name: 'get_weather', args: { city: 'Ghent' } },
    thoughtSignature: 'c2ln',
  };
  const logprobsResult = { chosenCandidates: [{ token: 'It', logProbability: -0.25 }] };
  const all = (parts: object[], more: object = {}) => ({
    candidates: [{ content: { parts, role: 'model' }, index: 0, ...more }],
    modelVersion: 'golden',
    responseId: 'a-1',
    usageMetadata,
  });
  return {
    type: json,
    whole: JSON.stringify(all([thought, text, call], { finishReason: 'STOP', logprobsResult })),
    streamType: 'text/event-stream',
    stream: sse([
      all([thought]),
      all([text], { logprobsResult }),
      all([call]),
      all([{ text: '' }], { finishReason: 'STOP' }),
    ]),
  };
}

function converse(signature: string): Answer {
  const usage = {
    inputTokens: 15,
    outputTokens: 20,
    totalTokens: 120,
    cacheReadInputTokens: 80,
    cacheWriteInputTokens: 5,
  };
  const metrics = { latencyMs: 12 };
  const signed = signature === '' ? {} : { signature };
  const content = [
    { reasoningContent: { reasoningText: { text: thinking, ...signed } } },
    { text: 'It drizzles.' },
    { toolUse: { toolUseId: 'call_A1', name: 'get_weather', input: { city: 'Ghent' } } },
  ];
  const delta = (contentBlockIndex: number, given: object) =>
    eventFrame('contentBlockDelta', { contentBlockIndex, delta: given });
  const stop = (contentBlockIndex: number) => eventFrame('contentBlockStop', { contentBlockIndex });
  return {
    type: json,
    whole: JSON.stringify({
      output: { message: { role: 'assistant', content } },
      stopReason: 'tool_use',
      usage,
      metrics,
    }),
    streamType: 'application/vnd.amazon.eventstream',
    stream: Buffer.concat([
      eventFrame('messageStart', { role: 'assistant' }),
      delta(0, { reasoningContent: { text: thinking } }),
      ...(signature === '' ? [] : [delta(0, { reasoningContent: { signature } })]),
      stop(0),
      delta(1, { text: 'It drizzles.' }),
      stop(1),
      eventFrame('contentBlockStart', {
        contentBlockIndex: 2,
        start: { toolUse: { toolUseId: 'call_A1', name: 'get_weather' } },
      }),
      delta(2, { toolUse: { input: args } }),
      stop(2),
      eventFrame('messageStop', { stopReason: 'tool_use' }),
      eventFrame('metadata', { usage, metrics }),
    ]),
  };
}

function ollama(): Answer {
  const line = (given: object, more: object = {}) => ({
    model: 'golden',
    created_at: '2026-02-02T02:40:00Z',
    message: { role: 'assistant', content: '', ...given },
    done: false,
    ...more,
  });
  const tool_calls = [
    { id: 'call_A1', function: { index: 0, name: 'get_weather', arguments: { city: 'Ghent' } } },
  ];
  const counts = { prompt_eval_count: 100, prompt_eval_cached_count: 80, eval_count: 20 };
  const logprobs = [{ token: 'It', logprob: -0.25, bytes: [73, 116] }];
  const end = { done: true, done_reason: 'stop', ...counts };
  return {
    type: json,
    whole: JSON.stringify(line({ thinking, content: 'It drizzles.', tool_calls }, { ...end, logprobs })),
    streamType: 'application/x-ndjson',
    stream: Buffer.from(
      [
        line({ thinking }),
        line({ content: 'It drizzles.' }, { logprobs }),
        line({ tool_calls }),
        line({}, end),
      ]
        .map((one) => `${JSON.stringify(one)}\n`)
        .join(''),
    ),
  };
}

const hits = {
  ...tokens,
  completion_tokens_details: { reasoning_tokens: 7 },
  prompt_cache_hit_tokens: 80,
  prompt_cache_miss_tokens: 20,
};
const reasoningContent = { reasoning_content: thinking };
const reasoningDetails = {
  reasoning: thinking,
  reasoning_details: [
    { type: 'reasoning.text', text: thinking, signature: 'c2ln', format: 'anthropic-claude-v1', index: 0 },
  ],
};

/** By the names of the providers. Sources: their API references, and what recorded traffic shows. */
export const answers: Readonly<Record<string, Answer>> = {
  // Its reasoning does not come out by this API.
  openai: openai({}),
  anthropic,
  'anthropic-newer': anthropic,
  google: gemini(),
  'google-newer': gemini(),
  'bedrock-claude': converse('c2ln'),
  'bedrock-claude-newer': converse('c2ln'),
  'bedrock-nova': converse(''),
  'bedrock-invoke': invoke,
  deepseek: openai({ thought: reasoningContent, usage: hits }),
  openrouter: openai({ thought: reasoningDetails }),
  // It counts reasoning beside the completion.
  xai: openai({ thought: reasoningContent, usage: { ...tokens, completion_tokens: 13, ...details } }),
  ollama: ollama(),
  llamacpp: openai({ thought: reasoningContent, usage: tokens }),
  inference: openai({ thought: reasoningContent, usage: tokens }),
};
