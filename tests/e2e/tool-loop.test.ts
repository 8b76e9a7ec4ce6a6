import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { Role } from '../../gen/llmgateway/v1/message_pb.js';
import { answered, type ReceivedRequest, STREAM_HEAD } from '../http/support/upstream.ts';
import { isRest } from '../support/faces.ts';
import { type RunningGateway, startGateway } from '../support/gateway.ts';
import { until } from '../support/redis.ts';
import { chunkOf, completionOf, type ScriptedModel, startModel } from '../support/scripted-model.ts';
import { user } from '../support/sessions.ts';
import { ask, toolEvents, toolFaces } from '../support/tool-faces.ts';
import { type TestToolbox, testToolbox } from '../support/toolbox.ts';

let model: ScriptedModel;
let gateway: RunningGateway;
let toolbox: TestToolbox;

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
  model.script = [];
  model.asked.length = 0;
  toolbox.runs.length = 0;
});
afterEach(() => expect(model.script).toEqual([]));

const question = { model: 'openai/m', messages: [user('How much is it?')] };
const both = ['add', 'echo'];
const call = (id: string, name: string, args: string) => ({
  id,
  type: 'function',
  function: { name, arguments: args },
});
const result = (id: string, content: string) => ({ role: 'tool', tool_call_id: id, content });

describe.each(toolFaces)('on %s', (face) => {
  describe.each([
    ['whole', false],
    ['streamed', true],
  ])('%s', (_how, stream) => {
    const say = (body: object, more = {}) =>
      ask(face, gateway.url, { ...question, ...body }, { stream, ...more });

    test('calls of gateway tools are run side by side, and the model is asked again with what it said', async () => {
      model.script = [
        {
          text: 'Let me see. ',
          calls: [
            ['c1', 'add', '{"a": 1, "b": 2}'],
            ['c2', 'echo', '{"message":"hi"}'],
          ],
        },
        { calls: [['c3', 'add', '{"a":3,"b":4}']] },
        { text: 'It is 7.' },
      ];
      const seen = await say({ gateway_tools: both });
      expect(seen.failure).toBe('');
      expect([seen.text, seen.finish, seen.calls]).toEqual([
        stream ? 'Let me see. It is 7.' : 'It is 7.',
        'stop',
        [],
      ]);
      expect(seen.usage).toEqual({ input: 30, output: 6 });
      expect(model.asked.length).toBe(3);
      expect(model.messages().filter(({ role }) => role !== 'user')).toEqual([
        {
          role: 'assistant',
          content: 'Let me see. ',
          tool_calls: [call('c1', 'add', '{"a": 1, "b": 2}'), call('c2', 'echo', '{"message":"hi"}')],
        },
        result('c1', '{"sum":3}'),
        result('c2', '{"echoed":"hi"}'),
        { role: 'assistant', content: null, tool_calls: [call('c3', 'add', '{"a":3,"b":4}')] },
        result('c3', '{"sum":7}'),
      ]);
      const names = (body: Record<string, unknown>) =>
        (body['tools'] as { function: { name: string } }[]).map((tool) => tool.function.name);
      expect(model.asked.map(names)).toEqual([both, both, both]);
      expect(gateway.log.findLast(({ message }) => message === 'call')).toMatchObject({
        attempts: 3,
        tool_rounds: 2,
        tools: 'add, echo',
        prompt_tokens: 30,
      });
    });

    test('what goes wrong with a tool is told to the model', async () => {
      model.script = [
        {
          calls: [
            ['c1', 'fail', '{}'],
            ['c2', 'late', '{}'],
            ['c3', 'echo', '{}'],
            ['c4', 'echo', '{"message":1}'],
            ['c5', 'echo', 'not json'],
            ['c6', 'nobodys', '{}'],
          ],
        },
      ];
      const seen = await say({ gateway_tools: ['fail', 'late', 'echo'] });
      expect([seen.failure, seen.text]).toEqual(['', 'done']);
      expect(model.messages().slice(2)).toEqual([
        result('c1', 'Tool execution failed: the disk is full'),
        result('c2', 'Tool execution timeout after 30.0s'),
        result('c3', 'Tool error: Missing required argument: message'),
        result('c4', "Tool error: Invalid type for 'message': expected string, got number"),
        result('c5', 'Tool error: Missing required argument: message'),
        result('c6', 'Tool error: Tool not found: nobodys'),
      ]);
    });

    test('after ten rounds the answer is returned with its calls, and a warning', async () => {
      const again = { calls: [['c', 'echo', '{"message":"again"}']] as const };
      model.script = Array(11).fill(again);
      const seen = await say({ gateway_tools: ['echo'] });
      expect(seen.failure).toBe('');
      expect([seen.finish, seen.calls]).toEqual(['tool_calls', [['c', 'echo', { message: 'again' }]]]);
      expect(toolbox.runs.length).toBe(10);
      expect(model.asked.length).toBe(11);
      expect(seen.usage).toEqual({ input: 110, output: 22 });
    });

    test('a tool has to be called for the first answer only', async () => {
      model.script = [{ calls: [['c', 'echo', '{"message":"x"}']] }];
      await say({ gateway_tools: ['echo'], tool_choice: 'required' });
      expect(model.asked.map((body) => body['tool_choice'])).toEqual(['required', 'auto']);
    });

    test('calls that a limit cut off are not run', async () => {
      model.script = [{ text: 'I', calls: [['c', 'echo', '{"message":"x"}']], finish: 'length' }];
      const seen = await say({ gateway_tools: ['echo'] });
      expect([seen.text, seen.finish, seen.calls.length]).toEqual(['I', 'length', 1]);
      expect(toolbox.runs).toEqual([]);
    });

    test('a later answer that fails before its first output fails the call with its own reason', async () => {
      model.script = [
        { text: 'First.', calls: [['c', 'echo', '{"message":"x"}']] },
        ({ socket }) => void socket.write(answered('{"error":{"message":"slow down"}}', '429 Too Many')),
      ];
      const seen = await say({ gateway_tools: ['echo'] });
      expect(seen.failure).toMatch(
        isRest(face)
          ? stream
            ? /^200 (?:upstream_rate_limited|rate_limit_error)/
            : /^429/
          : /UPSTREAM_RATE_LIMITED/,
      );
      expect(seen.complete).toBe(false);
      if (stream) expect(seen.text).toBe('First.');
    });

    test('a client that leaves while a tool runs ends the tool, and the model is not asked again', async () => {
      model.script = [{ calls: [['c', 'wait', '{}']] }];
      const leave = new AbortController();
      const seen = say({ gateway_tools: ['wait'] }, { signal: leave.signal });
      await until(() => toolbox.runs.length === 1);
      const { signal } = toolbox.runs[0]!.context;
      expect(signal.aborted).toBe(false);
      leave.abort();
      await until(() => signal.aborted);
      await seen;
      await until(() => gateway.gateway.port.inFlight === 0);
      expect(model.asked.length).toBe(1);
      expect(gateway.log.findLast(({ message }) => message === 'call')).toMatchObject({
        status: 'cancelled',
      });
    });
  });

  test.each([false, true])(
    'a client that leaves while the model is asked again ends that request; streamed: %s',
    async (stream) => {
      let second: ReceivedRequest | undefined;
      model.script = [{ calls: [['c', 'echo', '{"message":"x"}']] }, (request) => void (second = request)];
      const leave = new AbortController();
      const body = { ...question, gateway_tools: ['echo'] };
      const seen = ask(face, gateway.url, body, { stream, signal: leave.signal });
      await until(() => second !== undefined);
      const left = performance.now();
      leave.abort();
      expect((await second!.gone) - left).toBeLessThan(1_000);
      await seen;
      await until(() => gateway.gateway.port.inFlight === 0);
      expect(model.asked.length).toBe(2);
    },
  );

  test('the parts of a stream come as the model makes them, and events or silence tell of the tools', async () => {
    let release = (): void => {};
    model.script = [
      ({ socket }) => {
        socket.write(STREAM_HEAD + chunkOf({ content: 'One' }));
        release = () =>
          socket.write(
            `${chunkOf({ tool_calls: [{ index: 0, id: 'c', type: 'function', function: { name: 'wait', arguments: '{}' } }] }, 'tool_calls')}0\r\n\r\n`,
          );
      },
      { text: 'Two' },
    ];
    const events: unknown[] = [];
    let text = '';
    const seen = ask(
      face,
      gateway.url,
      { ...question, gateway_tools: ['wait'] },
      {
        stream: true,
        onEvent: (event) => {
          events.push(event);
          text += JSON.stringify(event).match(/One|Two/)?.[0] ?? '';
        },
      },
    );
    await until(() => text === 'One');
    release();
    await until(() => toolbox.runs.length === 1);
    if (!isRest(face)) {
      await until(() => JSON.stringify(events).includes('toolExecutionStarted'));
      expect(JSON.stringify(events)).not.toContain('toolExecutionFinished');
    }
    toolbox.finish('{"ok":true}');
    const { events: all, frames, complete } = await seen;
    expect([text, complete]).toEqual(['OneTwo', true]);
    expect(JSON.stringify(frames)).not.toContain('wait');
    if (isRest(face)) return;
    expect(all.map(({ event }) => event.case)).toEqual([
      'started',
      'partStarted',
      'delta',
      'partEnded',
      'toolExecutionStarted',
      'toolExecutionFinished',
      'partStarted',
      'delta',
      ...all.slice(8, -3).map(() => 'delta'),
      'partEnded',
      'choiceFinished',
      'finished',
    ]);
    expect(toolEvents(all)).toEqual(['1 > wait({})', '1 < {"ok":true}']);
    const parts = all.flatMap(({ event }) => (event.case === 'partStarted' ? [event.value.part] : []));
    expect(parts).toEqual([0, 1]);
  });
});

describe('a unary answer on RPC', () => {
  test('has the rounds before it', async () => {
    model.script = [{ text: 'Hm', calls: [['c1', 'picture', '{}']] }];
    const { toolMessages } = await ask('gRPC', gateway.url, { ...question, gateway_tools: ['picture'] });
    expect(toolMessages.map(({ role }) => role)).toEqual([Role.ASSISTANT, Role.TOOL]);
    expect(toolMessages[1]?.parts[0]?.content.value).toMatchObject({
      toolCallId: 'c1',
      name: 'picture',
      isError: false,
      parts: [{ content: { case: 'text' } }, { content: { case: 'image' } }],
    });
  });
});

describe('what a request enables', () => {
  const post = (body: object, headers = {}) =>
    ask('REST', gateway.url, { ...question, ...body }, { headers });
  const toolsAsked = () =>
    model.asked.at(-1)?.['tools'] as { function: Record<string, unknown> }[] | undefined;
  const named = () => toolsAsked()?.map((tool) => tool.function['name']);

  test('is named in the body or in X-Gateway-Tools, which wins, one by one or by their beginning', async () => {
    await post({ gateway_tools: ['everything__*', 'echo', 'everything__a'] });
    expect(named()).toEqual(['everything__a', 'everything__b', 'echo']);
    await post({ gateway_tools: ['echo'] }, { 'x-gateway-tools': ' add , everything__* ' });
    expect(named()).toEqual(['add', 'everything__a', 'everything__b']);
    expect(toolsAsked()?.[0]?.function).toEqual({
      name: 'add',
      description: 'does add',
      parameters: {
        type: 'object',
        properties: { a: { type: 'number' }, b: { type: 'number' } },
        required: ['a', 'b'],
      },
    });
    model.script = [{ calls: [['c', 'add', '{"a":1,"b":1}']] }];
    const choice = { type: 'function', function: { name: 'add' } };
    const seen = await post({ tool_choice: choice }, { 'x-gateway-tools': 'a*' });
    expect([seen.failure, model.asked.at(-2)?.['tool_choice']]).toEqual(['', choice]);
  });

  test('includes functions of the request by their names; what they leave out is filled in', async () => {
    const own = {
      name: 'echo',
      description: 'mine',
      parameters: { type: 'object', b: 1, a: 2 },
      strict: false,
    };
    model.script = [{ calls: [['c', 'echo', '{"message":"x"}']] }];
    await post({
      tools: [
        { type: 'function', function: own },
        { type: 'function', function: { name: 'add' } },
      ],
    });
    expect(toolbox.runs.map(({ tool }) => tool)).toEqual(['echo']);
    expect(JSON.stringify(toolsAsked()?.[0]?.function)).toBe(JSON.stringify(own));
    expect(toolsAsked()?.[1]?.function).toMatchObject({
      description: 'does add',
      parameters: { required: ['a', 'b'] },
    });
  });

  test.each([
    ['an empty list', { gateway_tools: [] }, {}],
    ['none', { gateway_tools: ['none'] }, {}],
    ['none in the header', {}, { 'x-gateway-tools': 'none' }],
  ])('is nothing with %s: the client keeps its functions', async (_what, body, headers) => {
    model.script = [{ calls: [['c', 'echo', '{"message":"x"}']] }];
    const seen = await post({ tools: [{ type: 'function', function: { name: 'echo' } }], ...body }, headers);
    expect([seen.finish, seen.calls]).toEqual(['tool_calls', [['c', 'echo', { message: 'x' }]]]);
    expect(toolbox.runs).toEqual([]);
    expect(toolsAsked()).toEqual([{ type: 'function', function: { name: 'echo' } }]);
  });

  test.each([
    [{ gateway_tools: ['add', 'nope'] }, '400 invalid_request_error gateway_tools[1]'],
    [{ gateway_tools: ['nope__*'] }, '400 invalid_request_error gateway_tools[0]'],
    [{ gateway_tools: ['none', 'add'] }, '400 invalid_request_error gateway_tools[0]'],
    [{ gateway_tools: ['add'], n: 2 }, '400 invalid_request_error n'],
    [{ gateway_tools: [], tool_choice: 'required' }, '400 invalid_request_error tool_choice'],
    [
      { gateway_tools: ['a*'], tool_choice: { type: 'function', function: { name: 'also' } } },
      '400 invalid_request_error tool_choice',
    ],
    [
      { gateway_tools: ['echo'], tools: [{ type: 'custom', custom: { name: 'echo' } }] },
      '400 invalid_request_error gateway_tools[0]',
    ],
    [{ approved_tool_calls: ['c'] }, '400 invalid_request_error approved_tool_calls[0]'],
    [{ messages: [], approved_tool_calls: ['*'] }, '400 invalid_request_error messages'],
  ])('%j is refused', async (body, failure) => {
    expect((await post(body)).failure).toBe(failure);
    expect(model.asked).toEqual([]);
  });

  test('is refused on RPC in the terms of the contract', async () => {
    const rpc = async (body: object) => (await ask('gRPC', gateway.url, { ...question, ...body })).failure;
    expect(await rpc({ gateway_tools: ['nope'] })).toBe(
      'InvalidArgument INVALID_REQUEST options.gateway_tools[0]',
    );
    expect(await rpc({ gateway_tools: ['add'], n: 2 })).toBe('InvalidArgument INVALID_REQUEST parameters.n');
    expect(await rpc({ messages: [], approved_tool_calls: ['*'] })).toBe(
      'InvalidArgument INVALID_REQUEST messages',
    );
  });

  test('is counted', async () => {
    const count = async (body: object) => {
      const response = await fetch(`${gateway.url}/v1/messages/count_tokens`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ ...question, ...body }),
      });
      return ((await response.json()) as { input_tokens: number }).input_tokens;
    };
    expect(await count({ gateway_tools: ['add'] })).toBeGreaterThan(await count({}));
  });
});

test('warnings of what a provider cannot take are told once, not for each round', async () => {
  model.script = [{ calls: [['c', 'echo', '{"message":"x"}']] }];
  const response = await fetch(`${gateway.url}/v1/messages`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ ...question, max_tokens: 9, container: 'x', gateway_tools: ['echo'] }),
  });
  expect(response.headers.get('x-warnings')).toBe('dropped_extras');
});

test('rounds can be bounded', async () => {
  const bounded = await startGateway(
    {
      OPENAI_API_KEY: 'k',
      LLM_GATEWAY_OPENAI_BASE_URL: `${model.upstream.origin}/v1`,
      LLM_GATEWAY_TOOL_MAX_ROUNDS: '1',
    },
    { toolbox },
  );
  const again = { calls: [['c', 'echo', '{"message":"again"}']] as const };
  model.script = [again, again];
  const response = await fetch(`${bounded.url}/v1/chat/completions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ ...question, gateway_tools: ['echo'] }),
  });
  await bounded.stop();
  expect(response.headers.get('x-warnings')).toBe('tool_rounds_exhausted');
  expect(toolbox.runs.length).toBe(1);
});

test('the deadline of a call holds over its tools', async () => {
  model.script = [{ calls: [['c', 'wait', '{}']] }];
  const { failure } = await ask(
    'REST',
    gateway.url,
    { ...question, gateway_tools: ['wait'] },
    { headers: { 'x-request-timeout-ms': '50' } },
  );
  expect(failure).toBe('504 deadline_exceeded');
  expect(toolbox.runs[0]?.context.signal.aborted).toBe(true);
});

test('keep-alives go on while a tool runs', async () => {
  const alive = await startGateway(
    {
      OPENAI_API_KEY: 'k',
      LLM_GATEWAY_OPENAI_BASE_URL: `${model.upstream.origin}/v1`,
      LLM_GATEWAY_SSE_KEEP_ALIVE_SECONDS: '20ms',
    },
    { toolbox },
  );
  model.script = [{ text: 'One', calls: [['c', 'wait', '{}']] }, { text: 'Two' }];
  const response = await fetch(`${alive.url}/v1/chat/completions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ ...question, stream: true, gateway_tools: ['wait'] }),
  });
  let text = '';
  for await (const piece of response.body!.pipeThrough(new TextDecoderStream())) {
    text += piece;
    if (text.split(': keep-alive').length === 3) toolbox.finish('{}');
  }
  await alive.stop();
  expect(text.indexOf('One')).toBeLessThan(text.indexOf(': keep-alive'));
  expect(text.indexOf('Two')).toBeGreaterThan(text.lastIndexOf(': keep-alive'));
  expect(text.endsWith('data: [DONE]\n\n')).toBe(true);
});

test('usage is added up in all details', async () => {
  const usage = (n: number, more = {}) => ({
    prompt_tokens: n,
    completion_tokens: n,
    total_tokens: 2 * n,
    completion_tokens_details: { reasoning_tokens: n },
    cost: n / 2,
    ...more,
  });
  model.script = [
    {
      calls: [['c', 'echo', '{"message":"x"}']],
      usage: usage(1, { prompt_tokens_details: { cached_tokens: 1 } }),
    },
    ({ socket }) => void socket.write(completionOf({ text: 'x', usage: usage(2) })),
  ];
  const response = await fetch(`${gateway.url}/v1/chat/completions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ ...question, gateway_tools: ['echo'] }),
  });
  expect(((await response.json()) as { usage: unknown }).usage).toEqual({
    ...usage(3),
    prompt_tokens_details: { cached_tokens: 1 },
  });
});
