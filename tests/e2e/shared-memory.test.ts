import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type RunningGateway, startGateway } from '../support/gateway.ts';
import { hasRedis, type RedisServer, startRedis } from '../support/redis.ts';
import { type Json, type ScriptedModel, startModel } from '../support/scripted-model.ts';
import { ask } from '../support/tool-faces.ts';
import { type TestToolbox, testToolbox } from '../support/toolbox.ts';

// Two gateways on one Redis: what clients cannot send back is found by the one that did not see it.

describe.skipIf(!hasRedis)('gateways on one Redis', () => {
  let server: RedisServer;
  let model: ScriptedModel;
  let toolbox: TestToolbox;
  let gateways: RunningGateway[];
  beforeAll(async () => {
    server = await startRedis();
    model = await startModel();
    toolbox = testToolbox();
    const env = {
      LLM_GATEWAY_REDIS_URL: server.url,
      OPENAI_API_KEY: 'k',
      LLM_GATEWAY_OPENAI_BASE_URL: `${model.upstream.origin}/v1`,
      DEEPSEEK_API_KEY: 'k',
      LLM_GATEWAY_DEEPSEEK_BASE_URL: model.upstream.origin,
    };
    gateways = await Promise.all([startGateway(env, { toolbox }), startGateway(env, { toolbox })]);
  });
  afterAll(async () => {
    await Promise.all((gateways ?? []).map((gateway) => gateway.stop()));
    model?.close();
    await server?.stop();
  });

  const user = { role: 'user', content: 'Do both' };
  const call = (id: string, name: string, args: string) => ({
    id,
    type: 'function',
    function: { name, arguments: args },
  });
  const result = (id: string, content: string) => ({ role: 'tool', tool_call_id: id, content });
  const f = { type: 'function', function: { name: 'f', parameters: { type: 'object' } } };
  let ids = 0;
  const fresh = (): string => `call_q8f3k2m9x1z7_${(++ids).toString(36)}e`;
  const say = (at: 0 | 1, body: Json, stream = false) => ask('REST', gateways[at]!.url, body, { stream });

  describe.each([
    ['whole', false],
    ['streamed', true],
  ])('%s', (_how, stream) => {
    test('reasoning goes back with its call, also where ids of calls are numbers', async () => {
      for (const id of [fresh(), 'call_0']) {
        model.script = [
          { text: '', calls: [[id, 'f', '{}']], more: { reasoning_content: `of ${id} ${stream}` } },
        ];
        const body = { model: 'deepseek/deepseek-reasoner', tools: [f] };
        const asked = { role: 'user', content: `Question ${id} ${stream}` };
        await say(0, { ...body, messages: [asked] }, stream);
        const back = { role: 'assistant', content: null, tool_calls: [call(id, 'f', '{}')] };
        await say(1, { ...body, messages: [asked, back, result(id, 'r')] }, stream);
        expect(model.messages()[1]).toMatchObject({ reasoning_content: `of ${id} ${stream}` });
      }
    });

    test('calls of the gateway beside the client’s own come back with their results', async () => {
      const [g, c] = [fresh(), fresh()];
      model.script = [
        {
          text: 'Both.',
          calls: [
            [g, 'add', '{"a": 1,"b":2}'],
            [c, 'f', '{"q": 1}'],
          ],
        },
      ];
      const body = { model: 'openai/m', gateway_tools: ['add'], tools: [f] };
      await say(0, { ...body, messages: [user] }, stream);
      const shown = { role: 'assistant', content: 'Both.', tool_calls: [call(c, 'f', '{"q": 1}')] };
      const runs = toolbox.runs.length;
      await say(1, { ...body, messages: [user, shown, result(c, 'found')] }, stream);
      expect(model.messages()).toEqual([
        user,
        {
          role: 'assistant',
          content: 'Both.',
          tool_calls: [call(g, 'add', '{"a": 1,"b":2}'), call(c, 'f', '{"q": 1}')],
        },
        result(g, '{"sum":3}'),
        result(c, 'found'),
      ]);
      expect(toolbox.runs.length).toBe(runs);
    });

    test('results of approved calls are known to the other one', async () => {
      const id = fresh();
      const body = { model: 'openai/m', gateway_tools: ['add'], tool_approval: true };
      model.script = [{ text: '', calls: [[id, 'add', '{"a":1,"b":2}']] }];
      const asked = { role: 'user', content: `Add ${stream}` };
      await say(0, { ...body, messages: [asked] }, stream);
      const shown = { role: 'assistant', content: null, tool_calls: [call(id, 'add', '{"a":1,"b":2}')] };
      const approved = { ...body, messages: [asked, shown], approved_tool_calls: [id] };
      await say(0, approved, stream);
      const runs = toolbox.runs.length;
      await say(1, approved, stream);
      expect(toolbox.runs.length).toBe(runs);
      expect(model.messages().at(-1)).toEqual(result(id, '{"sum":3}'));
    });
  });

  test('while it is away answers come as they would from one that knows nothing, and soon', async () => {
    const id = fresh();
    model.script = [{ text: '', calls: [[id, 'f', '{}']], more: { reasoning_content: 'lost' } }];
    const body = { model: 'deepseek/deepseek-reasoner', tools: [f] };
    server.signal('SIGSTOP');
    try {
      const began = performance.now();
      await say(0, { ...body, messages: [user] });
      const back = { role: 'assistant', content: null, tool_calls: [call(id, 'f', '{}')] };
      await say(1, { ...body, messages: [user, back, result(id, 'r')] });
      expect(model.messages()[1]).toMatchObject({ reasoning_content: '' });
      // The one that saw it knows it.
      await say(0, { ...body, messages: [user, back, result(id, 'r')] });
      expect(model.messages()[1]).toMatchObject({ reasoning_content: 'lost' });
      expect(performance.now() - began).toBeLessThan(3_000);
    } finally {
      server.signal('SIGCONT');
    }
  });
});
