import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { answered, type ScriptedUpstream, STREAM_HEAD, startUpstream } from '../http/support/upstream.ts';
import { type EmulatedGateway, emulated, emulatedNames, startEmulated } from '../support/emulator.ts';
import { type RunningGateway, startGateway } from '../support/gateway.ts';
import { type Json, type ScriptedModel, startModel } from '../support/scripted-model.ts';
import { user } from '../support/sessions.ts';
import { ask, toolEvents, toolFaces } from '../support/tool-faces.ts';
import { type TestToolbox, testToolbox } from '../support/toolbox.ts';

// Rounds over every provider's own form.

const ways = [
  ['whole', false],
  ['streamed', true],
] as const;

describe('over an emulator', () => {
  let gateway: EmulatedGateway;
  let toolbox: TestToolbox;
  beforeAll(async () => {
    toolbox = testToolbox();
    gateway = await startEmulated({}, { toolbox });
    gateway.mock.on({ userMessage: 'sum' }, ({ messages }) => {
      const results = messages.filter(({ role }) => role === 'tool').map(({ content }) => content);
      if (results.length > 0) return { content: `Results: ${results.join(' and ')}.` };
      return {
        toolCalls: [
          { name: 'add', arguments: '{"a":1,"b":2}' },
          { name: 'echo', arguments: '{"message":"hi"}' },
        ],
      };
    });
  });
  afterAll(() => gateway?.stop());
  beforeEach(() => {
    toolbox.runs.length = 0;
  });

  describe.each(emulatedNames)('of %s', (name) => {
    describe.each(toolFaces)('on %s', (face) => {
      test.each(ways)('the tools are run and the model goes on: %s', async (_how, stream) => {
        const body = { model: emulated[name], messages: [user('sum')], gateway_tools: ['add', 'echo'] };
        const seen = await ask(face, gateway.url, body, { stream });
        expect(seen.failure).toBe('');
        const results = [seen.text.includes('"sum":3'), seen.text.includes('"echoed":"hi"')];
        expect([...results, seen.finish, seen.calls]).toEqual([true, true, 'stop', []]);
        expect(toolbox.runs.map(({ tool, args }) => [tool, args])).toEqual([
          ['add', { a: 1, b: 2 }],
          ['echo', { message: 'hi' }],
        ]);
        if (stream && face === 'gRPC') expect(toolEvents(seen.events).length).toBe(4);
      });
    });
  });
});

describe("Claude's thoughts", () => {
  let upstream: ScriptedUpstream;
  let gateway: RunningGateway;
  const asked: Json[] = [];
  let turns: Json[][] = [];
  beforeAll(async () => {
    upstream = await startUpstream();
    upstream.answerAll(({ socket, body }) => {
      if (body === '') return void socket.end('HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n');
      const request = JSON.parse(body) as Json;
      asked.push(request);
      const content = turns.shift() ?? [];
      socket.write(request['stream'] === true ? streamed(content) : whole(content));
    });
    gateway = await startGateway(
      { ANTHROPIC_API_KEY: 'k', LLM_GATEWAY_ANTHROPIC_BASE_URL: upstream.origin },
      { toolbox: testToolbox() },
    );
  });
  afterAll(async () => {
    await gateway?.stop();
    upstream?.close();
  });

  const thought = (n: number) => ({ type: 'thinking', thinking: `thought ${n}`, signature: `c2ln${n}+/==` });
  const redacted = { type: 'redacted_thinking', data: 'ZGF0YQ+/==' };
  const use = (id: string) => ({ type: 'tool_use', id, name: 'echo', input: { message: id } });
  const result = (id: string) => ({
    type: 'tool_result',
    tool_use_id: id,
    content: `{"echoed":"${id}"}`,
  });

  test.each(toolFaces.flatMap((face) => ways.map(([how, stream]) => [face, how, stream] as const)))(
    'come back to it byte for byte, round after round: on %s, %s',
    async (face, _how, stream) => {
      asked.length = 0;
      const one = [thought(1), redacted, { type: 'text', text: 'Hm' }, use('toolu_1'), use('toolu_2')];
      const two = [thought(2), use('toolu_3')];
      turns = [one, two, [{ type: 'text', text: 'Done' }]];
      const seen = await ask(
        face,
        gateway.url,
        { model: 'anthropic/claude-sonnet-4-5', messages: [user('Think')], gateway_tools: ['echo'] },
        { stream },
      );
      expect(seen.failure).toBe('');
      expect(seen.text).toBe(stream ? 'HmDone' : 'Done');
      const { messages } = asked.at(-1) as { messages: Json[] };
      expect(messages.slice(1)).toEqual([
        { role: 'assistant', content: one },
        { role: 'user', content: [result('toolu_1'), result('toolu_2')] },
        { role: 'assistant', content: two },
        { role: 'user', content: [result('toolu_3')] },
      ]);
      if (stream && face === "Anthropic's messages") {
        const types = seen.frames.flatMap((frame) =>
          frame['type'] === 'content_block_start' ? [(frame['content_block'] as Json)['type']] : [],
        );
        expect(types).toEqual(['thinking', 'redacted_thinking', 'text', 'thinking', 'text']);
        const kinds = seen.frames.map(({ type }) => type);
        for (const kind of ['message_start', 'message_delta', 'message_stop']) {
          expect(kinds.filter((one) => one === kind).length).toBe(1);
        }
        expect(seen.frames.at(-2)).toMatchObject({
          delta: { stop_reason: 'end_turn', stop_sequence: null, container: { id: 'c' } },
          usage: { input_tokens: 9, output_tokens: 6 },
        });
      }
    },
  );
});

const usage = { input_tokens: 3, output_tokens: 2 };
const stopOf = (content: Json[]): string =>
  content.some(({ type }) => type === 'tool_use') ? 'tool_use' : 'end_turn';

function whole(content: Json[]): string {
  const message = { id: 'msg_1', type: 'message', role: 'assistant', model: 'c', content };
  const end = { stop_reason: stopOf(content), stop_sequence: null, usage };
  return answered(JSON.stringify({ ...message, ...end })).replace('text/plain', 'application/json');
}

function streamed(content: Json[]): string {
  const frame = (type: string, members: Json): string => {
    const text = `event: ${type}\ndata: ${JSON.stringify({ type, ...members })}\n\n`;
    return `${Buffer.byteLength(text).toString(16)}\r\n${text}\r\n`;
  };
  const message = { id: 'msg_1', type: 'message', role: 'assistant', model: 'c', content: [], usage };
  let out = STREAM_HEAD + frame('message_start', { message });
  content.forEach((block, index) => {
    const delta = (one: Json): string => frame('content_block_delta', { index, delta: one });
    const empty: Json = { ...block };
    let deltas = '';
    if (block['type'] === 'text') {
      empty['text'] = '';
      deltas = delta({ type: 'text_delta', text: block['text'] });
    } else if (block['type'] === 'thinking') {
      Object.assign(empty, { thinking: '', signature: '' });
      deltas =
        delta({ type: 'thinking_delta', thinking: block['thinking'] }) +
        delta({ type: 'signature_delta', signature: block['signature'] });
    } else if (block['type'] === 'tool_use') {
      empty['input'] = {};
      deltas = delta({ type: 'input_json_delta', partial_json: JSON.stringify(block['input']) });
    }
    out += frame('content_block_start', { index, content_block: empty });
    out += deltas + frame('content_block_stop', { index });
  });
  const end = { stop_reason: stopOf(content), stop_sequence: null, container: { id: 'c' } };
  out += frame('message_delta', { delta: end, usage: { output_tokens: 2 } }) + frame('message_stop', {});
  return `${out}0\r\n\r\n`;
}

describe('state that has no place in the client’s form', () => {
  let model: ScriptedModel;
  let gateway: RunningGateway;
  beforeAll(async () => {
    model = await startModel();
    gateway = await startGateway(
      { OPENROUTER_API_KEY: 'k', LLM_GATEWAY_OPENROUTER_BASE_URL: `${model.upstream.origin}/v1` },
      { toolbox: testToolbox() },
    );
  });
  afterAll(async () => {
    await gateway?.stop();
    model?.close();
  });

  test.each(toolFaces.flatMap((face) => ways.map(([how, stream]) => [face, how, stream] as const)))(
    'and unknown members of a message come back in later rounds: on %s, %s',
    async (face, _how, stream) => {
      const details = [
        { type: 'reasoning.text', text: 'Hm', signature: 'c2ln+/=', format: 'anthropic-claude-v1', index: 0 },
        { type: 'reasoning.encrypted', data: 'ZGF0YQ==', format: 'anthropic-claude-v1', index: 1 },
      ];
      const more = { reasoning: 'Hm', reasoning_details: details, x_note: 'kept' };
      model.script = [{ calls: [['c1', 'echo', '{"message": "x"}']], more }];
      const body = { model: 'openrouter/some/model', messages: [user('Think')], gateway_tools: ['echo'] };
      expect((await ask(face, gateway.url, body, { stream })).failure).toBe('');
      expect(model.messages()[1]).toMatchObject({
        reasoning_details: details,
        x_note: 'kept',
        tool_calls: [{ id: 'c1', function: { arguments: '{"message": "x"}' } }],
      });
    },
  );
});
