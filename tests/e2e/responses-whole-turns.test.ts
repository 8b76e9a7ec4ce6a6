import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { STREAM_HEAD } from '../http/support/upstream.ts';
import { type RunningGateway, startGateway } from '../support/gateway.ts';
import { readFrames } from '../support/response-streams.ts';
import { eventsIn, respond } from '../support/responses.ts';
import { message, type ResponsesUpstream, startResponsesUpstream } from '../support/responses-upstream.ts';
import { chunkOf, type Json, type ScriptedModel, startModel } from '../support/scripted-model.ts';

// What the next turn of a stored conversation is told. The gateway remembers nothing by itself here, as one that did not make the
// response: it has what is stored.

let model: ScriptedModel;
let upstream: ResponsesUpstream;
let gateway: RunningGateway;
beforeAll(async () => {
  model = await startModel();
  upstream = await startResponsesUpstream();
  gateway = await startGateway({
    ...upstream.env,
    LLM_GATEWAY_DEEPSEEK_BASE_URL: model.upstream.origin,
    LLM_GATEWAY_TOOL_STATE_MAX_BYTES: '0',
    LLM_GATEWAY_REASONING_STATE_MAX_BYTES: '0',
  });
});
afterAll(async () => {
  await gateway.stop();
  model.close();
  upstream.close();
});
beforeEach(() => {
  model.script = [];
});

const sum = '{"a":3,"b":4}';
const ask = async (body: Json, url = gateway.url): Promise<Json> => {
  const asked: Json = { model: 'deepseek/m', ...body };
  const response = await respond(url, asked);
  const text = await response.text();
  if (response.status !== 200) throw new Error(text);
  if (asked['stream'] !== true) return JSON.parse(text) as Json;
  return eventsIn(text).at(-1)?.['response'] as Json;
};
const output = (response: Json): Json[] => response['output'] as Json[];
const kinds = (response: Json): unknown[] => output(response).map(({ type }) => type);

/** What the model was told, in short. */
const told = (): string[] =>
  model.messages().map(({ role, content, tool_calls: calls = [] }) => {
    const names = (calls as Json[]).map(({ id }) => id).join('+');
    return [role, content, names].filter((word) => word !== null && word !== '').join(' ');
  });

describe.each([false, true])('calls of the gateway’s tools, stream: %s', (stream) => {
  const mixed = [
    ['u1', 'mine', '{}'],
    ['g1', 'calculator', sum],
  ] as const;

  test('beside the client’s own are kept, with their results', async () => {
    const tools = [{ type: 'function', name: 'mine', parameters: {} }];
    const more = { gateway_tools: ['calculator'], tools, stream };
    model.script = [{ text: 'Hm.', calls: mixed }];
    const first = await ask({ ...more, input: 'q' });
    expect(kinds(first)).toEqual(['message', 'function_call', 'mcp_call']);
    expect(output(first)[2]).toMatchObject({ status: 'completed', arguments: sum });
    const input = [{ type: 'function_call_output', call_id: 'u1', output: 'mine!' }];
    await ask({ ...more, input, previous_response_id: first['id'] });
    expect(told()).toEqual([
      'user q',
      'assistant Hm. u1+g1',
      expect.stringContaining('"result":7'),
      'tool mine!',
    ]);
  });

  test('after others of the gateway alone come after those', async () => {
    const tools = [{ type: 'function', name: 'mine', parameters: {} }];
    model.script = [{ calls: [['g0', 'calculator', sum]] }, { calls: mixed }];
    const first = await ask({ gateway_tools: ['calculator'], tools, stream, input: 'q' });
    expect(kinds(first)).toEqual(['mcp_call', 'function_call', 'mcp_call']);
    await ask({ input: 'next', previous_response_id: first['id'] });
    const seven = expect.stringContaining('"result":7');
    expect(told()).toEqual(['user q', 'assistant g0', seven, 'assistant u1+g1', seven, 'user next']);
  });

  test('that were approved are kept with their results, which stand behind the calls', async () => {
    const more = { gateway_tools: ['calculator'], tool_approval: true, stream };
    model.script = [
      {
        calls: [
          ['c1', 'calculator', sum],
          ['c2', 'calculator', sum],
        ],
      },
      { text: 'Seven.' },
    ];
    const first = await ask({ ...more, input: 'q' });
    expect(kinds(first)).toEqual(['function_call', 'function_call']);
    const approved = { approved_tool_calls: ['*'], previous_response_id: first['id'] };
    const second = await ask({ ...more, ...approved, input: [] });
    expect(kinds(second)).toEqual(['mcp_call', 'mcp_call', 'message']);
    await ask({ input: 'third', previous_response_id: second['id'], stream });
    const seven = expect.stringContaining('"result":7');
    expect(told()).toEqual(['user q', 'assistant c1+c2', seven, seven, 'assistant Seven.', 'user third']);
  });

  test('that were approved twice are kept by both responses', async () => {
    const remembers = await startGateway({
      DEEPSEEK_API_KEY: 'k',
      LLM_GATEWAY_DEEPSEEK_BASE_URL: model.upstream.origin,
    });
    try {
      const more = { gateway_tools: ['calculator'], tool_approval: true, stream };
      model.script = [{ calls: [['c1', 'calculator', sum]] }];
      const first = await ask({ ...more, input: 'q' }, remembers.url);
      for (let time = 0; time < 2; time++) {
        const approved = { approved_tool_calls: ['c1'], previous_response_id: first['id'] };
        const again = await ask({ ...more, ...approved, input: [] }, remembers.url);
        expect(kinds(again)).toEqual(['mcp_call', 'message']);
      }
    } finally {
      await remembers.stop();
    }
  });
});

describe('a call that was cut off', () => {
  const cut = {
    more: { reasoning_content: 'Hm.' },
    calls: [['c1', 'f', '{"a":']],
    finish: 'length',
  } as const;

  test.each([false, true])('by a limit stays in the output and is not told, stream: %s', async (stream) => {
    model.script = [cut];
    const first = await ask({ input: 'q', stream });
    expect(output(first).at(-1)).toMatchObject({ type: 'function_call', status: 'incomplete' });
    await ask({ input: 'go on', previous_response_id: first['id'], stream });
    expect(told()).toEqual(['user q', 'user go on']);
    await ask({ input: [{ role: 'user', content: 'q' }, ...output(first), { role: 'user', content: 'on' }] });
    expect(told()).toEqual(['user q', 'user on']);
  });

  test('is told when the client answers it', async () => {
    model.script = [{ ...cut, more: {} }];
    const first = await ask({ input: 'q' });
    const input = [{ type: 'function_call_output', call_id: 'c1', output: 'no' }];
    await ask({ input, previous_response_id: first['id'] });
    expect(told()).toEqual(['user q', 'assistant c1', 'tool no']);
  });

  test('by its client’s leaving is not told', async () => {
    const call = { index: 0, id: 'c1', type: 'function', function: { name: 'f', arguments: '{"a"' } };
    model.script = [({ socket }) => void socket.write(STREAM_HEAD + chunkOf({ tool_calls: [call] }))];
    const reader = await readFrames(`${gateway.url}/v1/responses`, {
      model: 'deepseek/m',
      input: 'q',
      stream: true,
    });
    for (let count = 1; !reader.frames.some((frame) => frame.includes('arguments.delta')); count++)
      await reader.read(count);
    const [id] = /resp_[0-9a-f]{32}/.exec(reader.frames.join('')) ?? [];
    reader.leave();
    await expect
      .poll(async () => ((await (await fetch(`${gateway.url}/v1/responses/${id}`)).json()) as Json)['status'])
      .toBe('cancelled');
    await ask({ input: 'go on', previous_response_id: id });
    expect(told()).toEqual(['user q', 'user go on']);
  });
});

describe('reasoning that is sent back without its state', () => {
  const thought = (id: string): Json => ({
    id,
    type: 'reasoning',
    summary: [{ type: 'summary_text', text: 'Hm.' }],
    encrypted_content: 'STATE',
  });
  const input = (): Json[] => upstream.asked('/v1/responses')['input'] as Json[];
  const again = async (first: Json, more: Json = {}): Promise<void> => {
    expect(output(first)[0]).not.toHaveProperty('encrypted_content', 'STATE');
    const sent = [{ role: 'user', content: 'q' }, ...output(first), { role: 'user', content: 'next' }];
    await ask({ model: 'openai/gpt-5.2', input: sent, ...more });
  };

  test('gets it by its id from the response that is stored', async () => {
    upstream.output = [thought('rs_up1'), message('Yes.')];
    await again(await ask({ model: 'openai/gpt-5.2', input: 'q' }));
    expect(input()[1]).toMatchObject({ type: 'reasoning', encrypted_content: 'STATE' });
  });

  test('goes without it when its id is not known', async () => {
    upstream.output = [thought('rs_up2'), message('Yes.')];
    await again(await ask({ model: 'openai/gpt-5.2', input: 'q', store: false }));
    expect(JSON.stringify(input())).not.toContain('STATE');
  });

  test('goes without it with store: false, which needs no store', async () => {
    upstream.output = [thought('rs_up3'), message('Yes.')];
    await again(await ask({ model: 'openai/gpt-5.2', input: 'q' }), { store: false });
    expect(JSON.stringify(input())).not.toContain('STATE');
  });
});
