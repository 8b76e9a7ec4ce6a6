import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { answered, STREAM_HEAD } from '../http/support/upstream.ts';
import { isRest } from '../support/faces.ts';
import { type RunningGateway, startGateway } from '../support/gateway.ts';
import { until } from '../support/redis.ts';
import { chunkOf, type Json, type ScriptedModel, startModel } from '../support/scripted-model.ts';
import { sessionsAt, user } from '../support/sessions.ts';
import { ask, toolEvents, toolFaces } from '../support/tool-faces.ts';
import { type TestToolbox, testToolbox } from '../support/toolbox.ts';

// Turns that the gateway and the client share: calls of both, and calls that wait for the client's word.

let model: ScriptedModel;
let toolbox: TestToolbox;
let gateway: RunningGateway;
/** One that remembers no turns: as another replica, or after a restart. */
let forgetful: RunningGateway;
let sessions: ReturnType<typeof sessionsAt>;

beforeAll(async () => {
  model = await startModel();
  toolbox = testToolbox();
  const env = { OPENAI_API_KEY: 'k', LLM_GATEWAY_OPENAI_BASE_URL: `${model.upstream.origin}/v1` };
  gateway = await startGateway(env, { toolbox });
  forgetful = await startGateway({ ...env, LLM_GATEWAY_TOOL_STATE_MAX_BYTES: '0' }, { toolbox });
  sessions = sessionsAt(gateway.url);
});
afterAll(async () => {
  await gateway?.stop();
  await forgetful?.stop();
  model?.close();
});
beforeEach(() => {
  model.script = [];
  model.asked.length = 0;
  toolbox.runs.length = 0;
});
afterEach(() => expect(model.script).toEqual([]));

let ids = 0;
const fresh = (): string => `id${++ids}`;
const call = (id: string, name: string, args: string) => ({
  id,
  type: 'function',
  function: { name, arguments: args },
});
const result = (id: string, content: string) => ({ role: 'tool', tool_call_id: id, content });
const assistant = (content: string | null, ...calls: object[]) => ({
  role: 'assistant',
  content,
  ...(calls.length === 0 ? {} : { tool_calls: calls }),
});
const lookup = { type: 'function', function: { name: 'lookup', parameters: { type: 'object' } } };
const mixing = { model: 'openai/m', gateway_tools: ['add', 'echo'], tools: [lookup] };
const approving = { model: 'openai/m', gateway_tools: ['add', 'echo'], tool_approval: true };

describe.each(toolFaces)('on %s', (face) => {
  describe.each([
    ['whole', false],
    ['streamed', true],
  ])('%s', (_how, stream) => {
    const at = (url: string) => (body: Json) => ask(face, url, body, { stream });
    const say = (body: Json) => at(gateway.url)(body);

    /** A turn with calls of both sides. */
    const mixedTurn = (args = '{"q": "x"}') => {
      const [g1, c1, g2] = [fresh(), fresh(), fresh()];
      const turn = {
        text: 'Both.',
        calls: [
          [g1, 'add', '{"a": 1,"b":2}'],
          [c1, 'lookup', args],
          [g2, 'echo', '{"message":"hi"}'],
        ] as const,
      };
      const whole = assistant('Both.', ...turn.calls.map(([id, name, args]) => call(id, name, args)));
      const results = [result(g1, '{"sum":3}'), result(g2, '{"echoed":"hi"}')];
      const shown = assistant('Both.', call(c1, 'lookup', args));
      return { turn, whole, results, shown, c1 };
    };

    test('a client gets its own calls only; the others are back in their places when it returns', async () => {
      const { turn, whole, results, shown, c1 } = mixedTurn();
      model.script = [turn];
      const asked = user('Do both');
      const seen = await say({ ...mixing, messages: [asked] });
      expect([seen.text, seen.finish, seen.calls]).toEqual([
        'Both.',
        'tool_calls',
        [[c1, 'lookup', { q: 'x' }]],
      ]);
      expect(toolbox.runs.map(({ tool }) => tool)).toEqual(['add', 'echo']);
      if (stream && !isRest(face)) {
        expect(toolEvents(seen.events).length).toBe(4);
        expect(seen.events.slice(-2).map(({ event }) => event.case)).toEqual(['choiceFinished', 'finished']);
      }
      const back = [asked, shown, result(c1, 'found')];
      expect((await say({ ...mixing, messages: back })).text).toBe('done');
      expect(model.messages()).toEqual([asked, whole, ...results, result(c1, 'found')]);
      // In every later turn as well: the prefix stays the same.
      await say({ ...mixing, messages: [...back, assistant('done'), user('Thanks')] });
      expect(model.messages()).toEqual([
        asked,
        whole,
        ...results,
        result(c1, 'found'),
        assistant('done'),
        user('Thanks'),
      ]);
    });

    test('so are the rounds before them', async () => {
      const { turn, whole, results, c1 } = mixedTurn();
      const g0 = fresh();
      model.script = [{ text: 'First. ', calls: [[g0, 'echo', '{"message":"0"}']] }, turn];
      const asked = user('Do more');
      const seen = await say({ ...mixing, messages: [asked] });
      expect(seen.text).toBe(stream ? 'First. Both.' : 'Both.');
      const shown = assistant(seen.text, call(c1, 'lookup', '{"q": "x"}'));
      await say({ ...mixing, messages: [asked, shown, result(c1, 'found')] });
      expect(model.messages()).toEqual([
        asked,
        assistant('First. ', call(g0, 'echo', '{"message":"0"}')),
        result(g0, '{"echoed":"0"}'),
        whole,
        ...results,
        result(c1, 'found'),
      ]);
    });

    test('what a client changed in its history stays changed, and another conversation gets nothing', async () => {
      const { turn, whole, results, shown, c1 } = mixedTurn('{"q":"x"}');
      model.script = [turn];
      const asked = user('Do it');
      await say({ ...mixing, messages: [asked] });
      const found = result(c1, 'found');
      await say({ ...mixing, messages: [asked, { ...shown, content: 'Less.' }, found] });
      expect(model.messages()).toEqual([asked, { ...whole, content: 'Less.' }, ...results, found]);
      const others = [
        [user('Something else'), shown, found],
        [asked, assistant('Both.', call(c1, 'lookup', '{"q":"y"}')), found],
      ];
      for (const messages of others) {
        await say({ ...mixing, messages });
        expect(model.messages()).toEqual(messages);
      }
    });

    test('without the memory of the turn the conversation goes on with what the client has', async () => {
      const { turn, shown, c1 } = mixedTurn('{"q":"x"}');
      model.script = [turn];
      const ask = at(forgetful.url);
      const asked = user('Do both');
      await ask({ ...mixing, messages: [asked] });
      const back = [asked, shown, result(c1, 'found')];
      expect((await ask({ ...mixing, messages: back })).text).toBe('done');
      expect(model.messages()).toEqual(back);
    });

    test('a session has the whole turn', async () => {
      const { turn, whole, results, c1 } = mixedTurn();
      const { id } = await sessions.make();
      const g0 = fresh();
      model.script = [{ calls: [[g0, 'echo', '{"message":"0"}']] }, turn];
      const seen = await say({ ...mixing, session_id: id, messages: [user('Do both')] });
      expect(seen.calls.map(([one]) => one)).toEqual([c1]);
      await say({ ...mixing, session_id: id, messages: [result(c1, 'found')] });
      const history = [
        user('Do both'),
        assistant(null, call(g0, 'echo', '{"message":"0"}')),
        result(g0, '{"echoed":"0"}'),
        whole,
        ...results,
        result(c1, 'found'),
      ];
      expect(model.messages()).toEqual(history);
      expect(await kept(id)).toEqual([...history, assistant('done')]);
    });

    test('a call of a tool that nobody has goes to a client that has tools', async () => {
      const id = fresh();
      model.script = [{ calls: [[id, 'invented', '{}']] }];
      const seen = await say({ ...mixing, messages: [user('x')] });
      expect(seen.calls).toEqual([[id, 'invented', {}]]);
    });

    test('turns of a model that numbers its calls stay apart', async () => {
      const lookedUp = (args: string) => ({
        calls: [
          ['g0', 'add', args],
          ['c0', 'lookup', '{}'],
        ] as const,
      });
      const whole = (args: string) => assistant(null, call('g0', 'add', args), call('c0', 'lookup', '{}'));
      const shown = assistant(null, call('c0', 'lookup', '{}'));
      const asked = user(`Poll ${face} ${stream}`);
      model.script = [lookedUp('{"a":1,"b":1}')];
      await say({ ...mixing, messages: [asked] });
      model.script = [lookedUp('{"a":9,"b":9}')];
      const pending = [asked, shown, result('c0', 'pending')];
      await say({ ...mixing, messages: pending });
      await say({ ...mixing, messages: [...pending, shown, result('c0', 'found')] });
      expect(model.messages()).toEqual([
        asked,
        whole('{"a":1,"b":1}'),
        result('g0', '{"sum":2}'),
        result('c0', 'pending'),
        whole('{"a":9,"b":9}'),
        result('g0', '{"sum":18}'),
        result('c0', 'found'),
      ]);
    });

    test('a request with approved calls can be sent again after it failed', async () => {
      const id = fresh();
      const turn = assistant(null, call(id, 'add', '{"a":1,"b":2}'));
      const body = { ...approving, messages: [user(`Try ${id}`), turn], approved_tool_calls: [id] };
      const no = answered('{"error":{"message":"no"}}', '400 Bad Request');
      model.script = [({ socket }) => void socket.write(no)];
      expect((await say(body)).failure).not.toBe('');
      const seen = await say(body);
      expect([seen.text, seen.failure]).toEqual(['done', '']);
      expect(toolbox.runs.length).toBe(1);
      expect(model.messages()).toEqual([user(`Try ${id}`), turn, result(id, '{"sum":3}')]);
    });

    test('a user passes over calls that a limit cut off', async () => {
      const { id } = await sessions.make();
      const cut = fresh();
      model.script = [{ calls: [[cut, 'add', '{"a":1']], finish: 'length' }];
      const inSession = { model: 'openai/m', gateway_tools: ['add'], session_id: id };
      await say({ ...inSession, messages: [user('Add')] });
      const seen = await say({ ...inSession, messages: [user('Never mind')] });
      expect([seen.text, seen.failure]).toEqual(['done', '']);
      expect(model.messages().slice(2)).toEqual([
        result(cut, 'Tool error: the result is not available any more'),
        user('Never mind'),
      ]);
      expect(toolbox.runs).toEqual([]);
      expect((await say({ ...inSession, messages: [user('Go on')] })).text).toBe('done');
    });

    test('approved calls are run, denied ones not, and the conversation goes on', async () => {
      const [g1, g2] = [fresh(), fresh()];
      const calls = [call(g1, 'add', '{"a":1,"b":2}'), call(g2, 'echo', '{"message":"hi"}')];
      model.script = [
        {
          calls: [
            [g1, 'add', '{"a":1,"b":2}'],
            [g2, 'echo', '{"message":"hi"}'],
          ],
        },
      ];
      const asked = user(`Do ${g1}`);
      const pending = await say({ ...approving, messages: [asked] });
      expect([pending.finish, pending.calls.map(([id]) => id)]).toEqual(['tool_calls', [g1, g2]]);
      expect(toolbox.runs).toEqual([]);

      const turn = assistant(null, ...calls);
      const bad = async (body: Json) => (await say({ ...approving, ...body })).failure;
      const field = isRest(face) ? '' : 'options.approved_tool_calls';
      expect(await bad({ messages: [asked, turn] })).toContain(isRest(face) ? '400' : field);
      expect(await bad({ messages: [asked, turn], approved_tool_calls: [g1] })).toMatch(/400|INVALID/);
      expect(await bad({ messages: [asked, turn], approved_tool_calls: [g1, g2, 'other'] })).toMatch(
        isRest(face) ? /400/ : /approved_tool_calls\[2\]$/,
      );
      expect(toolbox.runs).toEqual([]);
      expect(model.asked.length).toBe(1);

      const denied = [asked, turn, result(g2, 'The user said no.')];
      const seen = await say({ ...approving, messages: denied, approved_tool_calls: [g1] });
      expect([seen.text, seen.failure]).toEqual(['done', '']);
      expect(toolbox.runs.map(({ tool }) => tool)).toEqual(['add']);
      const told = [asked, turn, result(g1, '{"sum":3}'), result(g2, 'The user said no.')];
      expect(model.messages()).toEqual(told);
      if (!isRest(face)) {
        if (stream) {
          expect(seen.events[0]?.event.case).toBe('started');
          expect(toolEvents(seen.events)).toEqual(['1 > add({"a":1,"b":2})', '1 < {"sum":3}']);
        } else expect(seen.toolMessages.length).toBe(1);
      }

      // The client of a chat never saw the result.
      const later = [...denied, assistant('done'), user('And now?')];
      await say({ ...approving, messages: later });
      expect(model.messages()).toEqual([...told, assistant('done'), user('And now?')]);
      await at(forgetful.url)({ ...approving, messages: later });
      expect(model.messages()[2]).toEqual(result(g1, 'Tool error: the result is not available any more'));
    });

    test('in a session an approval needs no messages', async () => {
      const { id } = await sessions.make();
      const [g1, g2] = [fresh(), fresh()];
      model.script = [
        { calls: [[g1, 'echo', '{"message":"1"}']] },
        { calls: [[g2, 'echo', '{"message":"2"}']] },
      ];
      const inSession = { ...approving, session_id: id };
      await say({ ...inSession, messages: [user('go')] });
      const again = await say({ ...inSession, messages: [], approved_tool_calls: ['*'] });
      expect(again.calls.map(([one]) => one)).toEqual([g2]);
      expect((await say({ ...inSession, messages: [user('and?')] })).failure).toMatch(/400|INVALID/);
      const last = await say({ ...inSession, messages: [user('well?')], approved_tool_calls: [g2] });
      expect([last.text, last.failure]).toEqual(['done', '']);
      const history = [
        user('go'),
        assistant(null, call(g1, 'echo', '{"message":"1"}')),
        result(g1, '{"echoed":"1"}'),
        assistant(null, call(g2, 'echo', '{"message":"2"}')),
        result(g2, '{"echoed":"2"}'),
        user('well?'),
      ];
      expect(model.messages()).toEqual(history);
      expect(await kept(id)).toEqual([...history, assistant('done')]);
      const nothing = await say({ ...inSession, messages: [], approved_tool_calls: ['*'] });
      expect(nothing.failure).toMatch(isRest(face) ? /400/ : /INVALID_REQUEST messages/);
    });

    test('a session keeps nothing of a call that fails in a later round, or is left in one', async () => {
      const { id } = await sessions.make();
      const inSession = { ...mixing, session_id: id, gateway_tools: ['echo', 'wait'], messages: [user('x')] };
      model.script = [
        { calls: [[fresh(), 'echo', '{"message":"x"}']] },
        ({ socket }) => void socket.write(answered('{"error":{"message":"no"}}', '500 Oops')),
      ];
      expect((await say(inSession)).failure).not.toBe('');
      if (stream) {
        model.script = [
          { calls: [[fresh(), 'echo', '{"message":"x"}']] },
          ({ socket }) => void socket.end(STREAM_HEAD + chunkOf({ content: 'half' })),
        ];
        const cut = await say(inSession);
        expect([cut.complete, cut.failure === '']).toEqual([false, false]);
      }
      model.script = [{ calls: [[fresh(), 'wait', '{}']] }];
      const leave = new AbortController();
      const left = ask(face, gateway.url, inSession, { stream, signal: leave.signal });
      await until(() => toolbox.waiting === 1);
      leave.abort();
      await left;
      const { failure } = await say({ ...inSession, messages: [user('y')] });
      expect(failure).toBe('');
      expect(await kept(id)).toEqual([user('y'), assistant('done')]);
    });
  });
});

test('an approval without messages takes the session of X-Session-Id, and needs one', async () => {
  const { id } = await sessions.make();
  model.script = [{ calls: [['h1', 'echo', '{"message":"1"}']] }];
  await ask('REST', gateway.url, { ...approving, session_id: id, messages: [user('go')] });
  const body = { ...approving, messages: [], approved_tool_calls: ['h1'] };
  expect((await ask('REST', gateway.url, body)).failure).toBe('400 invalid_request_error messages');
  const { text } = await ask('REST', gateway.url, body, { headers: { 'x-session-id': id } });
  expect(text).toBe('done');
});

test("functions of the older form are the client's, whatever their names", async () => {
  model.script = [{ calls: [['f1', 'add', '{"a":1,"b":2}']] }];
  const body = { model: 'openai/m', functions: [{ name: 'add', parameters: {} }], messages: [user('go')] };
  const reply = await fetch(`${gateway.url}/v1/chat/completions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
  });
  const { choices } = (await reply.json()) as { choices: { message: Json }[] };
  expect(choices[0]?.message['function_call']).toEqual({ name: 'add', arguments: '{"a":1,"b":2}' });
  expect(toolbox.runs).toEqual([]);
});

/** A session's messages without members that are null. */
const kept = async (id: string) =>
  (await sessions.read(id)).messages.map((message) => ({ ...message, content: message['content'] ?? null }));
