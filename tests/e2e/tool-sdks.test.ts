import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { anthropicClient, openaiClient, type RunningGateway, startGateway } from '../support/gateway.ts';
import { type ScriptedModel, startModel } from '../support/scripted-model.ts';
import { type TestToolbox, testToolbox } from '../support/toolbox.ts';

// Helpers of the official SDKs that run the client's own tools, beside tools that the gateway runs.

let model: ScriptedModel;
let gateway: RunningGateway;
let toolbox: TestToolbox;
let asked: string[] = [];

beforeAll(async () => {
  model = await startModel();
  toolbox = testToolbox();
  gateway = await startGateway(
    { OPENAI_API_KEY: 'k', LLM_GATEWAY_OPENAI_BASE_URL: `${model.upstream.origin}/v1` },
    { toolbox },
  );
});
afterAll(async () => {
  await gateway?.stop();
  model?.close();
});
beforeEach(() => {
  model.asked.length = 0;
  toolbox.runs.length = 0;
  asked = [];
  model.script = [
    { text: 'One. ', calls: [['g1', 'add', '{"a":1,"b":2}']] },
    {
      text: 'Two. ',
      calls: [
        ['g2', 'echo', '{"message":"x"}'],
        ['c1', 'weather', '{"city":"Bern"}'],
      ],
    },
    { calls: [['c2', 'weather', '{"city":"Rom"}']] },
    { text: 'Warm.' },
  ];
});

const ran = () => toolbox.runs.map(({ tool }) => tool);
/** Ids of the calls and results that the model sees at the end. */
const seen = () =>
  model
    .messages()
    .flatMap(({ tool_calls: calls, tool_call_id: id }) =>
      calls === undefined
        ? id === undefined
          ? []
          : [`< ${id}`]
        : (calls as { id: string }[]).map((call) => `> ${call.id}`),
    );
const wholeStory = ['> g1', '< g1', '> g2', '> c1', '< g2', '< c1', '> c2', '< c2'];
const city = { type: 'object' as const, properties: { city: { type: 'string' } }, required: ['city'] };

describe.each([
  ['whole', false],
  ['streamed', true],
])('%s', (_how, stream) => {
  test("OpenAI's runTools", async () => {
    const weather = {
      type: 'function' as const,
      function: {
        name: 'weather',
        description: 'Weather',
        parameters: city,
        parse: JSON.parse,
        function: (args: { city: string }) => {
          asked.push(args.city);
          return 'warm';
        },
      },
    };
    const params = {
      model: 'openai/m',
      messages: [{ role: 'user' as const, content: 'How warm?' }],
      tools: [weather],
      ...{ gateway_tools: ['add', 'echo'] },
    };
    const { completions } = openaiClient(gateway.url).chat;
    const runner = stream
      ? completions.runTools({ ...params, stream: true })
      : completions.runTools({ ...params, stream: false });
    expect(await runner.finalContent()).toBe('Warm.');
    expect([asked, ran(), seen()]).toEqual([['Bern', 'Rom'], ['add', 'echo'], wholeStory]);
  });

  test("Anthropic's tool runner", async () => {
    const runner = anthropicClient(gateway.url).beta.messages.toolRunner({
      model: 'openai/m',
      max_tokens: 100,
      messages: [{ role: 'user', content: 'How warm?' }],
      tools: [
        {
          type: 'custom',
          name: 'weather',
          description: 'Weather',
          input_schema: city,
          parse: (args: unknown) => args as { city: string },
          run: (args: { city: string }) => {
            asked.push(args.city);
            return 'warm';
          },
        },
      ],
      stream,
      ...{ gateway_tools: ['add', 'echo'] },
    } as never);
    const last = await runner.runUntilDone();
    expect((last as { content: unknown[] }).content).toMatchObject([{ type: 'text', text: 'Warm.' }]);
    expect([asked, ran(), seen()]).toEqual([['Bern', 'Rom'], ['add', 'echo'], wholeStory]);
  });
});

describe("a thread of Anthropic's", () => {
  const message = { model: 'fake/echo', max_tokens: 9, messages: [{ role: 'user', content: 'Hello' }] };
  const post = (path: string, body: object) =>
    fetch(`${gateway.url}/v1/${path}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ ...message, ...body }),
    });

  test.each(['messages', 'messages/count_tokens'])('is refused where nobody keeps it: %s', async (path) => {
    const response = await post(path, { thread: { type: 'create' } });
    expect(response.status).toBe(400);
    expect(await response.json()).toMatchObject({
      error: {
        type: 'invalid_request_error',
        details: { error_code: 'thread_unsupported_request', unsupported: ['thread'] },
      },
    });
    expect((await post(path, { thread: null })).status).toBe(200);
  });

  test('goes along to an upstream that keeps it, but not where the gateway has turns of its own', async () => {
    const other = await startGateway(
      { ANTHROPIC_API_KEY: 'k', LLM_GATEWAY_ANTHROPIC_BASE_URL: model.upstream.origin },
      { toolbox },
    );
    const ask = (body: object) =>
      fetch(`${other.url}/v1/messages`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ ...message, model: 'claude-x', thread: { type: 'create' }, ...body }),
      });
    model.script = [({ socket }) => void socket.end('HTTP/1.1 418 x\r\ncontent-length: 0\r\n\r\n')];
    await ask({});
    expect(model.asked.map(({ thread }) => thread)).toEqual([{ type: 'create' }]);
    expect((await ask({ gateway_tools: ['echo'] })).status).toBe(400);
    expect(model.asked.length).toBe(1);
    await other.stop();
  });
});
