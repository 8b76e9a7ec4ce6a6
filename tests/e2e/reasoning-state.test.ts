import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { type ScriptedUpstream, startUpstream } from '../http/support/upstream.ts';
import { openaiClient, type RunningGateway, startGateway } from '../support/gateway.ts';

// A client of OpenAI's API sends back tool calls and their results, and nothing of the reasoning before them.

let upstream: ScriptedUpstream;
let gateway: RunningGateway;
let asked: { messages: Record<string, unknown>[] };
let message: Record<string, unknown>;

beforeAll(async () => {
  upstream = await startUpstream();
  upstream.answerAll(({ socket, body }) => {
    // A list of models is asked for, too.
    if (body === '') return void socket.end('HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n');
    asked = JSON.parse(body);
    const { stream } = asked as { stream?: boolean };
    const choice = { index: 0, finish_reason: 'tool_calls' };
    const head = { id: `c-${callId}`, created: 1, model: 'm' };
    const text = stream
      ? [message, {}]
          .map((delta, i) => ({
            ...head,
            choices: [{ ...choice, delta, finish_reason: i === 0 ? null : 'tool_calls' }],
          }))
          .map((chunk) => `data: ${JSON.stringify(chunk)}\n\n`)
          .concat('data: [DONE]\n\n')
          .join('')
      : JSON.stringify({ ...head, object: 'chat.completion', choices: [{ ...choice, message }] });
    const type = stream ? 'text/event-stream' : 'application/json';
    socket.write(
      `HTTP/1.1 200 OK\r\ncontent-type: ${type}\r\ncontent-length: ${Buffer.byteLength(text)}\r\n\r\n${text}`,
    );
  });
  gateway = await startGateway({
    DEEPSEEK_API_KEY: 'k',
    OPENROUTER_API_KEY: 'k',
    OPENAI_API_KEY: 'k',
    LLM_GATEWAY_DEEPSEEK_BASE_URL: upstream.origin,
    LLM_GATEWAY_OPENROUTER_BASE_URL: `${upstream.origin}/api/v1`,
    LLM_GATEWAY_OPENAI_BASE_URL: `${upstream.origin}/v1`,
  });
});
afterAll(async () => {
  await gateway?.stop();
  upstream?.close();
});

let callId = '';
let calls = 0;
beforeEach(() => {
  callId = `call_${++calls}`;
});

const tools = [{ type: 'function' as const, function: { name: 'f', parameters: {} } }];
const answer = (more: object): Record<string, unknown> => ({
  role: 'assistant',
  content: null,
  tool_calls: [{ index: 0, id: callId, type: 'function', function: { name: 'f', arguments: '{}' } }],
  ...more,
});

/** Asks once, then sends back what a plain client of OpenAI's keeps. @returns the assistant's message upstream */
async function secondTurn(model: string, stream: boolean, again = model, kept: object = {}) {
  const client = openaiClient(gateway.url);
  const messages = [{ role: 'user' as const, content: 'Hello' }];
  if (stream) await client.chat.completions.stream({ model, messages, tools }).finalChatCompletion();
  else await client.chat.completions.create({ model, messages, tools });
  const call = { id: callId, type: 'function' as const, function: { name: 'f', arguments: '{}' } };
  await client.chat.completions.create({
    model: again,
    messages: [
      ...messages,
      { role: 'assistant', content: null, tool_calls: [call], ...kept } as never,
      { role: 'tool', tool_call_id: callId, content: 'done' },
    ],
  });
  return asked.messages[1];
}

describe.each([
  ['whole', false],
  ['streamed', true],
])('reasoning of a %s answer', (_name, stream) => {
  test('DeepSeek gets it back with its call', async () => {
    message = answer({ reasoning_content: 'I think' });
    expect(await secondTurn('deepseek/deepseek-reasoner', stream)).toMatchObject({
      reasoning_content: 'I think',
      tool_calls: [{ id: callId }],
    });
  });

  test('what the client kept of it is not said twice', async () => {
    message = answer({ reasoning_content: 'I think' });
    const kept = { reasoning_content: 'I think' };
    const sent = await secondTurn('deepseek/deepseek-reasoner', stream, undefined, kept);
    expect(sent).toMatchObject({ reasoning_content: 'I think' });
  });

  test('DeepSeek gets an empty one where there was none', async () => {
    message = answer({});
    expect(await secondTurn('deepseek/deepseek-reasoner', stream)).toMatchObject({ reasoning_content: '' });
  });

  test('OpenRouter gets its opaque state back byte for byte', async () => {
    const details = [
      {
        type: 'reasoning.text',
        text: 'I think',
        signature: 'c2ln+/=',
        format: 'anthropic-claude-v1',
        index: 0,
      },
      { type: 'reasoning.encrypted', data: 'ZGF0YQ==', format: 'anthropic-claude-v1', index: 1 },
    ];
    message = answer({ reasoning: 'I think', reasoning_details: details });
    const sent = await secondTurn('openrouter/anthropic/claude', stream);
    expect(sent?.['reasoning_details']).toEqual(details);
  });

  test('a client that kept a piece of the opaque state gets the whole of it sent', async () => {
    const details = [
      { type: 'reasoning.text', text: 'I think', signature: 'c2ln', format: 'anthropic-claude-v1', index: 0 },
      { type: 'reasoning.encrypted', data: 'ZGF0YQ==', format: 'anthropic-claude-v1', index: 1 },
    ];
    message = answer({ reasoning: 'I think', reasoning_details: details });
    const kept = { reasoning_content: 'I think', reasoning_details: details.slice(1) };
    const sent = await secondTurn('openrouter/anthropic/claude', stream, undefined, kept);
    expect(sent?.['reasoning_details']).toEqual(details);
  });

  test('no other provider gets it', async () => {
    message = answer({ reasoning_content: 'I think' });
    const sent = await secondTurn('deepseek/deepseek-reasoner', stream, 'openrouter/some/model');
    expect(sent).not.toHaveProperty('reasoning');
    expect(sent).not.toHaveProperty('reasoning_details');
    expect(JSON.stringify(sent)).not.toContain('I think');
  });
});
