import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type ReceivedRequest, type ScriptedUpstream, startUpstream } from '../http/support/upstream.ts';
import { type RunningGateway, startGateway } from '../support/gateway.ts';

// JSON.parse knows no depth. JSON.stringify neither, as long as it stays on its quick path, which it leaves for objects whose keys are
// numbers, for a member `toJSON`, and for numbers that are kept as their text: it then runs out of stack, and so does JSON.parse when
// it has to look at every value. Whatever a client sends is taken or refused; never is it the gateway's fault.

/** A value that the upstream answers with; '' for a refusal. */
let answered = '';
let upstream: ScriptedUpstream;
let gateway: RunningGateway;
beforeAll(async () => {
  upstream = await startUpstream();
  upstream.answerAll(reply);
  const { origin } = upstream;
  gateway = await startGateway({
    OPENAI_API_KEY: 'k',
    LLM_GATEWAY_OPENAI_BASE_URL: `${origin}/v1`,
    ANTHROPIC_API_KEY: 'k',
    LLM_GATEWAY_ANTHROPIC_BASE_URL: origin,
    GEMINI_API_KEY: 'k',
    LLM_GATEWAY_GOOGLE_BASE_URL: origin,
    AWS_BEARER_TOKEN_BEDROCK: 'k',
    LLM_GATEWAY_BEDROCK_BASE_URL: origin,
    LLM_GATEWAY_OLLAMA_BASE_URL: origin,
  });
});
afterAll(async () => {
  await gateway?.stop();
  upstream?.close();
});

const depth = 30_000;
const nested = (open: string, leaf: string, close: string): string =>
  open.repeat(depth) + leaf + close.repeat(depth);
const values: Readonly<Record<string, string>> = {
  arrays: nested('[', '1', ']'),
  objects: nested('{"a":', '1', '}'),
  'keys that are numbers': nested('{"0":', '1', '}'),
  'members toJSON': nested('{"toJSON":', '1', '}'),
  'a number that no double holds': nested('[', '12345678901234567890', ']'),
};

const models = [
  'openai/gpt-5.2',
  'anthropic/claude-sonnet-4-5',
  'google/gemini-2.5-flash',
  'bedrock/anthropic.claude-sonnet-4-5-20250929-v1:0',
  'ollama/qwen3:8b',
  'fake/echo',
];

const hello = '{"role":"user","content":"x"}';
const call = (args: string, more = '') =>
  `{"role":"assistant","content":null,"tool_calls":[{"id":"c","type":"function","function":{"name":"f","arguments":${args}}${more}}]}`;

/** Members of a request of OpenAI's with a value in one place. */
const chatBodies: readonly ((value: string) => string)[] = [
  (value) => `"messages":[${hello}],"unknown":${value}`,
  (value) => `"messages":[${hello}],"options":{"a":${value}}`,
  (value) => `"messages":[${hello}],"metadata":${value}`,
  (value) => `"messages":[${hello}],"prediction":{"type":"content","content":${value}}`,
  (value) =>
    `"messages":[${hello}],"tools":[{"type":"function","function":{"name":"f","parameters":{"a":${value}}}}]`,
  (value) => `"messages":[${hello}],"tools":[{"type":"function","function":{"name":"f"},"more":${value}}]`,
  (value) => `"messages":[${hello}],"tools":[{"type":"new","more":${value}}]`,
  (value) =>
    `"messages":[${hello}],"response_format":{"type":"json_schema","json_schema":{"name":"a","description":"b","schema":{"a":${value}}}}`,
  (value) => `"messages":[{"role":"user","content":[{"type":"text","text":"x","more":${value}}]}]`,
  (value) => `"messages":[{"role":"user","content":[{"type":"new","more":${value}}]}]`,
  (value) => `"messages":[${hello},${call('"{}"', `,"more":${value}`)},${hello}]`,
  (value) => `"messages":[${hello},${call(JSON.stringify(`{"a":${value}}`))},${hello}]`,
  (value) =>
    `"messages":[${hello},{"role":"assistant","content":"x","reasoning_details":[{"type":"reasoning.text","text":"x","more":${value}}]},${hello}]`,
  (value) =>
    `"messages":[${hello},{"role":"assistant","content":"x","images":[{"type":"image_url","more":${value}}]},${hello}]`,
  (value) =>
    `"messages":[${hello},{"role":"assistant","content":"x","annotations":[{"type":"new","more":${value}}]},${hello}]`,
];

/** The same of Anthropic's. */
const messagesBodies: readonly ((value: string) => string)[] = [
  (value) => `"messages":[${hello}],"unknown":${value}`,
  (value) => `"messages":[${hello}],"output_config":{"a":${value}}`,
  (value) => `"messages":[${hello}],"thinking":{"type":"new","a":${value}}`,
  (value) => `"messages":[${hello}],"tools":[{"name":"f","input_schema":{"a":${value}}}]`,
  (value) => `"messages":[${hello}],"tools":[{"type":"new","name":"f","a":${value}}]`,
  (value) => `"messages":[{"role":"user","content":[{"type":"new","a":${value}}]}]`,
  (value) =>
    `"messages":[{"role":"user","content":[{"type":"text","text":"x","citations":[{"type":"new","a":${value}}]}]}]`,
  (value) =>
    `"messages":[${hello},{"role":"assistant","content":[{"type":"tool_use","id":"c","name":"f","input":{"a":${value}}}]},${hello}]`,
];

/** Answers of each form with a value in places that the gateway keeps, by the paths on which they are asked for. */
const answers: readonly (readonly [path: RegExp, answer: (value: string) => string])[] = [
  [
    /chat\/completions/,
    (value) =>
      `{"id":"c","created":1,"model":"m","choices":[{"index":0,"message":{"role":"assistant","content":"Hi","mood":${value}},"delta":{"content":"Hi","mood":${value}},"finish_reason":"stop"}],"more":${value}}`,
  ],
  [
    /v1\/messages/,
    (value) =>
      `{"id":"m","type":"message","role":"assistant","model":"c","content":[{"type":"new","a":${value}}],"stop_reason":"end_turn","usage":{"input_tokens":1,"output_tokens":1}}`,
  ],
  [
    /enerateContent/,
    (value) =>
      `{"candidates":[{"content":{"role":"model","parts":[{"text":"Hi","more":${value}}]},"finishReason":"STOP"}]}`,
  ],
  [
    /api\/chat/,
    (value) => `{"model":"m","message":{"role":"assistant","content":"Hi","more":${value}},"done":true}`,
  ],
  [
    /converse/,
    (value) =>
      `{"output":{"message":{"role":"assistant","content":[{"text":"x","more":${value}}]}},"stopReason":"end_turn","usage":{"inputTokens":1,"outputTokens":1,"totalTokens":2}}`,
  ],
];

function reply({ socket, head, body: asked }: ReceivedRequest): void {
  const path = head.split(' ')[1] ?? '';
  const [, answer] = answers.find(([pattern]) => pattern.test(path)) ?? [];
  const refused = answered === '' || answer === undefined;
  const body = refused ? '{"error":{"message":"heard"}}' : answer(answered);
  const framed =
    !refused && /chat\/completions|alt=sse/.test(path) && /"stream":true|alt=sse/.test(path + asked);
  const text = framed ? `data: ${body}\n\ndata: [DONE]\n\n` : body;
  const type = framed ? 'text/event-stream' : 'application/json';
  const status = refused ? '400 Bad Request' : '200 OK';
  socket.write(`HTTP/1.1 ${status}\r\ncontent-type: ${type}\r\ncontent-length: ${text.length}\r\n\r\n`);
  socket.write(text);
}

async function post(path: string, model: string, members: string): Promise<number> {
  const body = `{"model":"${model}","max_tokens":9,${members}}`;
  const response = await fetch(`${gateway.url}${path}`, { method: 'POST', body });
  await response.arrayBuffer();
  return response.status;
}

describe.each(models)('of %s', (model) => {
  test.each(Object.entries(values))('requests with %s are taken or refused', async (_what, value) => {
    answered = '';
    const statuses = [
      ...(await Promise.all(chatBodies.map((body) => post('/v1/chat/completions', model, body(value))))),
      ...(await Promise.all(messagesBodies.map((body) => post('/v1/messages', model, body(value))))),
    ];
    expect(statuses.filter((status) => status !== 200 && status !== 400)).toEqual([]);
  });

  test.each(Object.entries(values))(
    'answers with %s are taken, or are the fault of the provider',
    async (_what, value) => {
      answered = value;
      for (const path of ['/v1/chat/completions', '/v1/messages']) {
        for (const stream of [false, true]) {
          const status = await post(path, model, `"messages":[${hello}],"stream":${stream}`);
          expect([200, 502]).toContain(status);
        }
      }
    },
  );
});
