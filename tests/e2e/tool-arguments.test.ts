import type Anthropic from '@anthropic-ai/sdk';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type ScriptedUpstream, startUpstream } from '../http/support/upstream.ts';
import { anthropicClient, type RunningGateway, startGateway } from '../support/gateway.ts';

let upstream: ScriptedUpstream;
let gateway: RunningGateway;
let asked: { messages: { tool_calls?: { function: { arguments: string } }[] }[] };
/** What the model says the arguments are. */
let args = '';
beforeAll(async () => {
  upstream = await startUpstream();
  upstream.answerAll(({ socket, body }) => {
    asked = JSON.parse(body);
    const call = { id: 'call_1', type: 'function', function: { name: 'f', arguments: args } };
    const message = { role: 'assistant', content: null, tool_calls: [call] };
    const usage = { prompt_tokens: 1, completion_tokens: 1, total_tokens: 2 };
    const choices = [{ index: 0, message, finish_reason: 'tool_calls' }];
    const reply = JSON.stringify({
      id: 'c',
      object: 'chat.completion',
      created: 1,
      model: 'm',
      choices,
      usage,
    });
    socket.write(
      `HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: ${Buffer.byteLength(reply)}\r\n\r\n${reply}`,
    );
  });
  gateway = await startGateway({ OPENAI_API_KEY: 'k', LLM_GATEWAY_OPENAI_BASE_URL: `${upstream.origin}/v1` });
});
afterAll(async () => {
  await gateway?.stop();
  upstream?.close();
});

const question = { role: 'user' as const, content: 'x' };
const ask = (messages: Anthropic.MessageParam[]) =>
  anthropicClient(gateway.url).messages.create({
    model: 'openai/m',
    max_tokens: 9,
    messages,
    tools: [{ name: 'f', input_schema: { type: 'object' } }],
  });

/** What a provider whose arguments are texts is told of a call with this input. */
async function told(input: unknown): Promise<string | undefined> {
  await ask([
    question,
    { role: 'assistant', content: [{ type: 'tool_use', id: 'call_1', name: 'f', input }] },
    { role: 'user', content: [{ type: 'tool_result', tool_use_id: 'call_1', content: 'y' }] },
  ]);
  return asked.messages[1]?.tool_calls?.[0]?.function.arguments;
}

test.each(['{"a":', '[1]', 'null', ' nothing '])(
  'arguments %j come back to their model as it wrote them',
  async (text) => {
    args = text;
    const { content } = await ask([question]);
    const [call] = content;
    expect(call).toMatchObject({ type: 'tool_use', input: { invalid_arguments: text } });
    expect(await told((call as Anthropic.ToolUseBlock).input)).toBe(text);
  },
);

test('an input that only looks like those stays', async () => {
  for (const input of [
    { invalid_arguments: '{"a":1}' },
    { invalid_arguments: '{"a":', b: 1 },
    { invalid_arguments: 5 },
    { invalid_arguments: '' },
    { input: '{"a":' },
  ]) {
    expect(await told(input)).toBe(JSON.stringify(input));
  }
});
