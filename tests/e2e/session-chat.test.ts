import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { Role } from '../../gen/llmgateway/v1/message_pb.js';
import {
  answered,
  chunked,
  type ReceivedRequest,
  type ScriptedUpstream,
  STREAM_HEAD,
  startUpstream,
} from '../http/support/upstream.ts';
import { type ChatFace, chatFaces } from '../support/faces.ts';
import { chatClient, openaiClient, type RunningGateway, startGateway } from '../support/gateway.ts';
import { until } from '../support/redis.ts';
import { type RestError, say, sessionsAt, user } from '../support/sessions.ts';

type Json = Record<string, unknown>;

let upstream: ScriptedUpstream;
let gateway: RunningGateway;
let sessions: ReturnType<typeof sessionsAt>;
/** Bodies that the upstream got, in order. */
const asked: Json[] = [];
/** What it answers with next; then it says "answer n". */
let answers: ((request: ReceivedRequest) => void)[] = [];

const completion = (message: Json, finish = 'stop'): string =>
  answered(
    JSON.stringify({
      id: 'c',
      object: 'chat.completion',
      created: 1,
      model: 'm',
      choices: [{ index: 0, message: { role: 'assistant', ...message }, finish_reason: finish }],
      usage: { prompt_tokens: 1, completion_tokens: 1, total_tokens: 2, queue_time: 0.5 },
    }),
  ).replace('text/plain', 'application/json');
const chunk = (delta: Json, finish: string | null = null): string =>
  chunked(
    `data: ${JSON.stringify({ id: 'c', object: 'chat.completion.chunk', created: 1, model: 'm', choices: [{ index: 0, delta, finish_reason: finish }] })}\n\n`,
  );
const streamEnd = `${chunked('data: [DONE]\n\n')}0\r\n\r\n`;
const reply = (text: string) => (request: ReceivedRequest) => void request.socket.write(text);

beforeAll(async () => {
  upstream = await startUpstream();
  let n = 0;
  upstream.answerAll((request) => {
    // A list of models is asked for, too.
    if (request.body === '') {
      return void request.socket.end('HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n');
    }
    const body = JSON.parse(request.body) as Json;
    asked.push(body);
    n++;
    const next = answers.shift();
    if (next !== undefined) return next(request);
    const content = `answer ${n}`;
    if (body['stream'] !== true) return void request.socket.write(completion({ content }));
    request.socket.write(
      STREAM_HEAD +
        chunk({ role: 'assistant', content: 'answer' }) +
        chunk({ content: ` ${n}` }, 'stop') +
        streamEnd,
    );
  });
  const base = `${upstream.origin}/v1`;
  gateway = await startGateway({
    OPENAI_API_KEY: 'k',
    LLM_GATEWAY_OPENAI_BASE_URL: base,
    OPENROUTER_API_KEY: 'k',
    LLM_GATEWAY_OPENROUTER_BASE_URL: base,
    LLM_GATEWAY_SESSION_WAIT_SECONDS: '5s',
    LLM_GATEWAY_SESSION_MAX_BYTES: '4KiB',
  });
  sessions = sessionsAt(gateway.url);
});
afterAll(async () => {
  await gateway.stop();
  upstream.close();
});
beforeEach(() => {
  answers = [];
  asked.length = 0;
});

const chat = async (body: Json): Promise<Json> => {
  const response = await sessions.chat({ model: 'openai/m', ...body });
  expect(response.status).toBe(200);
  return (await response.json()) as Json;
};
const lastAsked = () => asked[asked.length - 1]?.['messages'];

/** Codes of the warnings of a call in a session. */
async function warningsOf(
  face: ChatFace,
  { sessionId, model, stream }: { sessionId: string; model: string; stream: boolean },
): Promise<string[]> {
  if (face === 'REST') {
    const response = await sessions.chat({ model, session_id: sessionId, stream, messages: [user('x')] });
    await response.text();
    return response.headers.get('x-warnings')?.split(', ') ?? [];
  }
  const client = chatClient(face, gateway.url);
  const parts = [{ content: { case: 'text' as const, value: { text: 'x' } } }];
  const request = { model, options: { sessionId }, messages: [{ role: Role.USER, parts }] };
  if (!stream) {
    const { callReport } = await client.createChatCompletion(request);
    return callReport?.warnings.map(({ code }) => code) ?? [];
  }
  const codes: string[] = [];
  for await (const { event } of client.streamChatCompletion(request)) {
    if (event.case === 'finished')
      codes.push(...(event.value.callReport?.warnings ?? []).map(({ code }) => code));
  }
  return codes;
}

describe.each(chatFaces)('a session on %s', (face: ChatFace) => {
  test.each([false, true])(
    'goes before the new messages and takes them and the answer; streamed: %s',
    async (stream) => {
      const { id } = await sessions.make();
      const model = 'openai/m';
      const first = await say(face, gateway.url, { sessionId: id, text: 'one', model, stream });
      expect(first.failure).toBe('');
      expect(lastAsked()).toEqual([user('one')]);
      // At once: when the client has its answer the session has it, too.
      const second = await say(face, gateway.url, { sessionId: id, text: 'two', model, stream });
      expect(lastAsked()).toEqual([user('one'), { role: 'assistant', content: first.text }, user('two')]);
      expect(await sessions.said(id)).toEqual([
        'user: one',
        `assistant: ${first.text}`,
        'user: two',
        `assistant: ${second.text}`,
      ]);
    },
  );

  test('that is not there is not found', async () => {
    const sessionId = '00000000-0000-4000-8000-000000000000';
    for (const stream of [false, true]) {
      const { failure } = await say(face, gateway.url, { sessionId, text: 'x', stream });
      expect(failure).toBe(
        face === 'REST' ? '404 not_found session_id' : 'NotFound NOT_FOUND options.session_id',
      );
    }
  });

  test('keeps nothing of a call that fails before or within its answer, and is free for the next', async () => {
    const { id } = await sessions.make();
    const model = 'openai/m';
    answers = [reply(answered('{"error":{"message":"no"}}', '500 Oops'))];
    expect((await say(face, gateway.url, { sessionId: id, text: 'one', model })).failure).not.toBe('');
    answers = [(request) => void request.socket.end(STREAM_HEAD + chunk({ content: 'half' }))];
    const cut = await say(face, gateway.url, { sessionId: id, text: 'two', model, stream: true });
    expect(cut.failure).not.toBe('');
    const began = performance.now();
    const { text } = await say(face, gateway.url, { sessionId: id, text: 'three', model });
    expect(performance.now() - began).toBeLessThan(1_000);
    expect(lastAsked()).toEqual([user('three')]);
    expect(await sessions.said(id)).toEqual(['user: three', `assistant: ${text}`]);
  });

  test.each([false, true])(
    'keeps nothing of a call whose answer a content filter stopped, and says so; streamed: %s',
    async (stream) => {
      const { id } = await sessions.make();
      const filtered = 'fake/echo?finish=content_filter';
      const { text, failure } = await say(face, gateway.url, {
        sessionId: id,
        text: 'bad',
        model: filtered,
        stream,
      });
      expect([text, failure]).toEqual(['bad', '']);
      expect(await sessions.said(id)).toEqual([]);
      expect((await say(face, gateway.url, { sessionId: id, text: 'good', stream })).failure).toBe('');
      expect(await sessions.said(id)).toEqual(['user: good', 'assistant: good']);
      expect(await warningsOf(face, { sessionId: id, model: filtered, stream })).toEqual(
        // The head of a stream has gone by then; its end says why the answer ended.
        face === 'REST' && stream ? [] : ['session_not_saved'],
      );
      expect(await warningsOf(face, { sessionId: id, model: 'fake/echo', stream })).toEqual([]);
    },
  );

  test.each([false, true])(
    'keeps nothing of a call that is left, and is free at once; streamed: %s',
    async (stream) => {
      const { id } = await sessions.make();
      const leave = new AbortController();
      let arrived: (request: ReceivedRequest) => void = () => {};
      const request = new Promise<ReceivedRequest>((resolve) => {
        arrived = resolve;
      });
      let spoken = () => {};
      const text = new Promise<void>((resolve) => {
        spoken = resolve;
      });
      answers = [arrived];
      const call = say(face, gateway.url, {
        sessionId: id,
        text: 'one',
        model: 'openai/m',
        stream,
        signal: leave.signal,
        onText: spoken,
      });
      const { socket } = await request;
      if (stream) {
        socket.write(STREAM_HEAD + chunk({ content: 'half' }));
        await text;
      }
      const left = performance.now();
      leave.abort();
      const next = await say(face, gateway.url, { sessionId: id, text: 'two', model: 'openai/m' });
      expect(performance.now() - left).toBeLessThan(1_000);
      expect(next.failure).toBe('');
      await call;
      expect(await sessions.said(id)).toEqual(['user: two', `assistant: ${next.text}`]);
    },
  );
});

describe('what a session keeps', () => {
  test('tool calls and results with their ids and names, and all that the client or the provider said besides', async () => {
    const { id } = await sessions.make();
    const calls = [
      { id: 'call_1', type: 'function', function: { name: 'f', arguments: '{"a": 1}' } },
      { id: 'call_2', type: 'function', function: { name: 'g', arguments: 'not json' }, x_call: true },
    ];
    const tools = ['f', 'g'].map((name) => ({ type: 'function', function: { name } }));
    answers = [reply(completion({ content: null, tool_calls: calls, x_message: { kept: 1 } }, 'tool_calls'))];
    const question = [
      { role: 'system', content: 'Be brief.', name: 'boss' },
      { role: 'user', content: [{ type: 'text', text: 'Do it' }], name: 'ann', x_turn: 7 },
    ];
    await chat({ session_id: id, messages: question, tools });
    const results = [
      { role: 'tool', tool_call_id: 'call_1', content: '' },
      { role: 'tool', tool_call_id: 'call_2', content: [{ type: 'text', text: 'done' }] },
    ];
    answers = [
      reply(
        completion({
          content: 'Done.',
          annotations: [
            {
              type: 'url_citation',
              url_citation: { url: 'https://a.b', title: 'A', start_index: 0, end_index: 4 },
            },
          ],
        }),
      ),
    ];
    await chat({ session_id: id, messages: results, tools });
    await chat({ session_id: id, messages: [user('Thanks')], tools });
    expect(lastAsked()).toEqual([
      ...question,
      { role: 'assistant', content: null, tool_calls: calls, x_message: { kept: 1 } },
      ...results,
      {
        role: 'assistant',
        content: 'Done.',
        annotations: [
          {
            type: 'url_citation',
            url_citation: { url: 'https://a.b', title: 'A', start_index: 0, end_index: 4 },
          },
        ],
      },
      user('Thanks'),
    ]);
    const shown = (await sessions.read(id)).messages;
    expect(shown.slice(0, -1)).toEqual(lastAsked());
    expect(JSON.stringify(shown)).not.toContain('queue_time');
  });

  test('streamed calls, reasoning, its state and unknown keys, as a whole answer would', async () => {
    const { id } = await sessions.make();
    const detail = { type: 'reasoning.text', format: 'anthropic-claude-v1', index: 0 };
    const call = (part: Json) => ({ tool_calls: [{ index: 0, ...part }] });
    answers = [
      reply(
        STREAM_HEAD +
          chunk({
            role: 'assistant',
            content: '',
            reasoning: 'Let me',
            reasoning_details: [{ ...detail, text: 'Let me' }],
          }) +
          chunk({ reasoning: ' think', reasoning_details: [{ ...detail, text: ' think' }] }) +
          chunk({ reasoning_details: [{ ...detail, signature: 'sig==' }] }) +
          chunk({ content: 'I ' }) +
          chunk({ content: 'call', x_note: 'un' }) +
          chunk({
            x_note: 'known',
            ...call({ id: 'call_1', type: 'function', function: { name: 'f', arguments: '' } }),
          }) +
          chunk(call({ function: { arguments: '{"a"' } })) +
          chunk(call({ function: { arguments: ':1}' } }), 'tool_calls') +
          streamEnd,
      ),
    ];
    const tools = [{ type: 'function', function: { name: 'f' } }];
    const streamed = await sessions.chat({
      model: 'openrouter/m',
      session_id: id,
      stream: true,
      messages: [user('go')],
      tools,
    });
    expect(await streamed.text()).toContain('[DONE]');
    await chat({
      model: 'openrouter/m',
      session_id: id,
      messages: [{ role: 'tool', tool_call_id: 'call_1', content: '2' }],
      tools,
    });
    const said = {
      role: 'assistant',
      content: 'I call',
      reasoning_details: [
        {
          type: 'reasoning.text',
          text: 'Let me think',
          signature: 'sig==',
          format: 'anthropic-claude-v1',
          index: 0,
        },
      ],
      tool_calls: [{ id: 'call_1', type: 'function', function: { name: 'f', arguments: '{"a":1}' } }],
      x_note: 'unknown',
    };
    expect(lastAsked()).toEqual([user('go'), said, { role: 'tool', tool_call_id: 'call_1', content: '2' }]);
    expect((await sessions.read(id)).messages[1]).toEqual({ ...said, reasoning_content: 'Let me think' });
  });

  test('the same words as often as they were said', async () => {
    const { id } = await sessions.make();
    for (let i = 0; i < 3; i++) await chat({ model: 'fake/echo', session_id: id, messages: [user('again')] });
    expect(await sessions.said(id)).toEqual(Array(3).fill(['user: again', 'assistant: again']).flat());
  });

  test('the first of several answers, and says so', async () => {
    const { id } = await sessions.make();
    for (const stream of [false, true]) {
      const response = await sessions.chat({ session_id: id, n: 2, stream, messages: [user('x')] });
      expect(response.status).toBe(200);
      await response.text();
    }
    expect(await sessions.said(id)).toEqual(['user: x', 'assistant: x', 'user: x', 'assistant: x']);
  });

  test('no answer that says nothing at all, which providers would refuse in a history', async () => {
    const { id } = await sessions.make();
    answers = [reply(completion({ content: null })), reply(STREAM_HEAD + chunk({}, 'stop') + streamEnd)];
    await chat({ session_id: id, messages: [user('one')] });
    const streamed = { model: 'openai/m', session_id: id, stream: true, messages: [user('two')] };
    expect(await (await sessions.chat(streamed)).text()).toContain('[DONE]');
    await chat({ session_id: id, messages: [user('three')] });
    expect(lastAsked()).toEqual([user('one'), user('two'), user('three')]);
  });

  test.each([false, true])(
    'nothing of rounds of tools whose last answer was filtered; streamed: %s',
    async (stream) => {
      const { id } = await sessions.make();
      const calls = [
        {
          index: 0,
          id: 'call_1',
          type: 'function',
          function: { name: 'echo', arguments: '{"message":"m"}' },
        },
      ];
      const answer = (message: Json, finish: string) =>
        reply(
          stream
            ? STREAM_HEAD + chunk({ role: 'assistant', ...message }, finish) + streamEnd
            : completion(message, finish),
        );
      answers = [
        answer({ content: null, tool_calls: calls }, 'tool_calls'),
        answer({ content: 'Bad' }, 'content_filter'),
      ];
      const body = { model: 'openai/m', session_id: id, stream, gateway_tools: ['echo'] };
      const response = await sessions.chat({ ...body, messages: [user('one')] });
      expect(await response.text()).toContain('content_filter');
      expect(asked).toHaveLength(2);
      expect(await sessions.said(id)).toEqual([]);
      await chat({ session_id: id, messages: [user('two')] });
      expect(lastAsked()).toEqual([user('two')]);
    },
  );

  test('what the official SDK says with session_id', async () => {
    const { id } = await sessions.make();
    const client = openaiClient(gateway.url);
    const stream = client.chat.completions.stream({
      model: 'fake/echo',
      messages: [{ role: 'user', content: 'hello there' }],
      ...{ session_id: id },
    });
    expect((await stream.finalChatCompletion()).choices[0]?.message.content).toBe('hello there');
    expect(await sessions.said(id)).toEqual(['user: hello there', 'assistant: hello there']);
  });
});

describe('a session', () => {
  test('is named by X-Session-Id as well', async () => {
    const { id } = await sessions.make();
    const other = await sessions.make();
    const header = { headers: { 'x-session-id': id } };
    expect((await sessions.chat({ messages: [user('a')] }, header)).status).toBe(200);
    expect((await sessions.chat({ session_id: id, messages: [user('b')] }, header)).status).toBe(200);
    const both = await sessions.chat({ session_id: other.id, messages: [user('c')] }, header);
    expect(both.status).toBe(400);
    expect(((await both.json()) as RestError).error.param).toBe('X-Session-Id');
    expect(await sessions.said(id)).toEqual(['user: a', 'assistant: a', 'user: b', 'assistant: b']);
  });

  test('that would be too large is refused before anyone is asked, or when the answer is', async () => {
    const { id } = await sessions.make();
    const refused = async (response: Response) => {
      expect(response.status).toBe(413);
      const { error } = (await response.json()) as RestError;
      expect(error).toMatchObject({ code: 'request_too_large', param: 'session_id' });
    };
    await refused(
      await sessions.chat({ model: 'openai/m', session_id: id, messages: [user('x'.repeat(4_096))] }),
    );
    expect(asked).toEqual([]);
    await refused(await sessions.chat({ session_id: id, messages: [user('x'.repeat(2_500))] }));
    const stream = { session_id: id, stream: true, messages: [user('x'.repeat(2_500))] };
    const text = await (await sessions.chat(stream)).text();
    expect(text).toContain('request_too_large');
    expect(text).not.toContain('[DONE]');
    expect(await sessions.said(id)).toEqual([]);
    expect((await sessions.chat({ session_id: id, messages: [user('short')] })).status).toBe(200);
  });

  test('that is deleted during a call makes it fail', async () => {
    const { id } = await sessions.make();
    answers = [
      async (request) => {
        await sessions.delete(id);
        request.socket.write(completion({ content: 'too late' }));
      },
    ];
    const response = await sessions.chat({ model: 'openai/m', session_id: id, messages: [user('x')] });
    expect(response.status).toBe(404);
    expect((await sessions.get(id)).status).toBe(404);
  });

  test('sends no more cache breakpoints than providers take, the latest ones', async () => {
    const { id } = await sessions.make();
    const marked = (text: string) => ({
      role: 'user',
      content: [{ type: 'text', text, cache_control: { type: 'ephemeral' } }],
    });
    for (const text of ['1', '2', '3', '4', '5', '6']) {
      await chat({ model: 'openrouter/m', session_id: id, messages: [marked(text)] });
    }
    const sent = (lastAsked() as { role: string; content: unknown }[]).filter(({ role }) => role === 'user');
    expect(sent.map(({ content }) => JSON.stringify(content).includes('cache_control'))).toEqual([
      false,
      false,
      true,
      true,
      true,
      true,
    ]);
  });

  test('of another model or provider goes on', async () => {
    const { id } = await sessions.make();
    await chat({ model: 'fake/reasoning', session_id: id, messages: [user('one')] });
    await chat({ model: 'openai/m', session_id: id, messages: [user('two')] });
    expect((lastAsked() as Json[]).map(({ role }) => role)).toEqual(['user', 'assistant', 'user']);
    await chat({ model: 'fake/echo', session_id: id, messages: [user('three')] });
    expect((await sessions.read(id)).messages.length).toBe(6);
  });
});

describe('calls at once on one session', () => {
  test('come one after the other: none is lost, none gets between two messages of another', async () => {
    const { id } = await sessions.make();
    const calls = Array.from({ length: 20 }, (_, i) =>
      say(chatFaces[i % chatFaces.length]!, gateway.url, {
        sessionId: id,
        text: `${i}`,
        model: 'fake/echo?delay_ms=2',
        stream: i % 3 === 0,
      }),
    );
    expect((await Promise.all(calls)).map(({ failure }) => failure)).toEqual(Array(20).fill(''));
    const said = await sessions.said(id);
    expect(said.length).toBe(40);
    for (let i = 0; i < 40; i += 2) expect(said[i + 1]).toBe(said[i]!.replace('user', 'assistant'));
    expect(new Set(said.filter((line) => line.startsWith('user'))).size).toBe(20);
  });

  test('on different sessions do not wait for each other', async () => {
    const [one, two] = [await sessions.make(), await sessions.make()];
    let held: ReceivedRequest | undefined;
    answers = [(request) => void (held = request)];
    const slow = say('REST', gateway.url, { sessionId: one.id, text: 'x', model: 'openai/m' });
    await until(() => held !== undefined);
    expect((await say('REST', gateway.url, { sessionId: two.id, text: 'x' })).failure).toBe('');
    held?.socket.write(completion({ content: 'y' }));
    expect((await slow).text).toBe('y');
  });

  test.each(chatFaces)('on %s fail clearly when the others take too long', async (face) => {
    const own = await startGateway({
      OPENAI_API_KEY: 'k',
      LLM_GATEWAY_OPENAI_BASE_URL: `${upstream.origin}/v1`,
      LLM_GATEWAY_SESSION_WAIT_SECONDS: '50ms',
    });
    try {
      const { id } = await sessionsAt(own.url).make();
      let held: ReceivedRequest | undefined;
      answers = [(request) => void (held = request)];
      const slow = say('REST', own.url, { sessionId: id, text: 'slow', model: 'openai/m' });
      await until(() => held !== undefined);
      for (const stream of [false, true]) {
        const { failure } = await say(face, own.url, { sessionId: id, text: 'fast', stream });
        expect(failure).toBe(
          face === 'REST' ? '409 session_busy session_id' : 'Aborted SESSION_BUSY options.session_id',
        );
      }
      held?.socket.write(completion({ content: 'done' }));
      expect((await slow).text).toBe('done');
      expect(await sessionsAt(own.url).said(id)).toEqual(['user: slow', 'assistant: done']);
    } finally {
      await own.stop();
    }
  });

  test('that wait are gone when their client is', async () => {
    const { id } = await sessions.make();
    let held: ReceivedRequest | undefined;
    answers = [(request) => void (held = request)];
    const slow = say('REST', gateway.url, { sessionId: id, text: 'slow', model: 'openai/m' });
    await until(() => held !== undefined);
    const leave = new AbortController();
    const from = gateway.log.length;
    const waiting = say('REST', gateway.url, { sessionId: id, text: 'left', signal: leave.signal });
    const third = say('REST', gateway.url, { sessionId: id, text: 'third' });
    await until(() => gateway.gateway.port.inFlight === 3);
    leave.abort();
    await waiting;
    await until(() => gateway.log.slice(from).some(({ status }) => status === 'cancelled'));
    held?.socket.write(completion({ content: 'done' }));
    expect((await slow).failure + (await third).failure).toBe('');
    expect(await sessions.said(id)).toEqual([
      'user: slow',
      'assistant: done',
      'user: third',
      'assistant: third',
    ]);
  });
});
