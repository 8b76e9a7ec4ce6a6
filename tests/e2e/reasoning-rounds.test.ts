import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { type RunningGateway, startGateway } from '../support/gateway.ts';
import { type Json, type ScriptedModel, startModel } from '../support/scripted-model.ts';
import { user } from '../support/sessions.ts';
import { ask, toolFaces } from '../support/tool-faces.ts';
import { type TestToolbox, testToolbox } from '../support/toolbox.ts';

// Reasoning belongs to one answer of one conversation, also where a model numbers its calls from 0 each time.

let model: ScriptedModel;
let toolbox: TestToolbox;
let gateway: RunningGateway;

beforeAll(async () => {
  model = await startModel();
  toolbox = testToolbox();
  const env = { DEEPSEEK_API_KEY: 'k', LLM_GATEWAY_DEEPSEEK_BASE_URL: model.upstream.origin };
  gateway = await startGateway(env, { toolbox });
});
afterAll(async () => {
  await gateway?.stop();
  model?.close();
});
beforeEach(() => {
  model.script = [];
  model.asked.length = 0;
});

const thinking = (text: string) => ({ more: { reasoning_content: text } });
const thought = () =>
  model
    .messages()
    .filter(({ role }) => role === 'assistant')
    .map((message) => message['reasoning_content']);
const own = { type: 'function', function: { name: 'lookup', parameters: { type: 'object' } } };
const asked = (id: string, args: string) => ({
  role: 'assistant',
  content: null,
  tool_calls: [{ id, type: 'function', function: { name: 'lookup', arguments: args } }],
});
const result = (id: string) => ({ role: 'tool', tool_call_id: id, content: 'found' });

describe.each(toolFaces)('on %s', (face) => {
  describe.each([
    ['whole', false],
    ['streamed', true],
  ])('%s', (_how, stream) => {
    const say = (body: Json) => ask(face, gateway.url, { model: 'deepseek/m', ...body }, { stream });

    test.each([
      ['with ids of their own', 'call_aBcDeFgHiJkLmNoP1', 'call_aBcDeFgHiJkLmNoP2'],
      ['with the same id', 'call_0', 'call_0'],
    ])('rounds %s each keep their reasoning', async (_ids, one, other) => {
      model.script = [
        { ...thinking('AAA'), calls: [[one, 'echo', '{"message":"m"}']] },
        { ...thinking('BBB'), calls: [[other, 'echo', '{"message":"m"}']] },
      ];
      const { text } = await say({ gateway_tools: ['echo'], messages: [user(`${face} ${stream} ${one}`)] });
      expect(text).toBe('done');
      expect(thought()).toEqual(['AAA', 'BBB']);
    });

    test('a call of the same id in another conversation gets none of it', async () => {
      const ann = user(`Ann ${face} ${stream}`);
      model.script = [{ ...thinking('AAA'), calls: [['functions.lookup:0', 'lookup', '{}']] }];
      await say({ tools: [own], messages: [ann] });
      const mine = [ann, asked('functions.lookup:0', '{}'), result('functions.lookup:0')];
      await say({ tools: [own], messages: mine });
      expect(thought()).toEqual(['AAA']);
      const others = [
        [user('Bob'), asked('functions.lookup:0', '{}'), result('functions.lookup:0')],
        [ann, asked('functions.lookup:0', '{"q":1}'), result('functions.lookup:0')],
      ];
      for (const messages of others) {
        await say({ tools: [own], messages });
        expect(thought()).toEqual(['']);
      }
    });
  });
});
