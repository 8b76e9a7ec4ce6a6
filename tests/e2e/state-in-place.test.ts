import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Message, Role } from '../../gen/llmgateway/v1/message_pb.js';
import { Assembler } from '../../src/model/assemble.ts';
import * as build from '../../src/model/build.ts';
import { type ScriptedUpstream, startUpstream } from '../http/support/upstream.ts';
import {
  anthropicClient,
  chatClient,
  openaiClient,
  type RpcFace,
  type RunningGateway,
  startGateway,
} from '../support/gateway.ts';

// Providers want their own state back where it was: thinking between the texts and calls where the model thought it, each
// thought signature on the part that it came on.

type Json = Record<string, unknown>;

let upstream: ScriptedUpstream;
let gateway: RunningGateway;
/** The body that is answered with, once; after it comes a word in the same form, whole. */
let answer: { type: string; text: string } | null;
/** The last body that the provider was asked with. */
let asked: { messages: Json[]; contents: { parts: Json[] }[] };

beforeAll(async () => {
  upstream = await startUpstream();
  upstream.answerAll(({ socket, body }) => {
    // A list of models is asked for, too.
    if (body === '') return void socket.end('HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n');
    asked = JSON.parse(body);
    const { type, text } = answer ?? json(done);
    answer = null;
    socket.write(
      `HTTP/1.1 200 OK\r\ncontent-type: ${type}\r\ncontent-length: ${Buffer.byteLength(text)}\r\n\r\n${text}`,
    );
  });
  gateway = await startGateway({
    ANTHROPIC_API_KEY: 'k',
    GOOGLE_API_KEY: 'k',
    OPENROUTER_API_KEY: 'k',
    LLM_GATEWAY_ANTHROPIC_BASE_URL: upstream.origin,
    LLM_GATEWAY_GOOGLE_BASE_URL: upstream.origin,
    LLM_GATEWAY_OPENROUTER_BASE_URL: upstream.origin,
  });
});
afterAll(async () => {
  await gateway?.stop();
  upstream?.close();
});

const json = (value: object) => ({ type: 'application/json', text: JSON.stringify(value) });
const sse = (events: readonly object[], end = '') => ({
  type: 'text/event-stream',
  text: `${events.map((event) => `data: ${JSON.stringify(event)}\n\n`).join('')}${end}`,
});

/** An answer that is one in every form. */
const done = {
  id: 'a',
  created: 1,
  model: 'm',
  type: 'message',
  role: 'assistant',
  content: [{ type: 'text', text: 'done' }],
  stop_reason: 'end_turn',
  stop_sequence: null,
  choices: [{ index: 0, message: { role: 'assistant', content: 'done' }, finish_reason: 'stop' }],
  candidates: [{ content: { role: 'model', parts: [{ text: 'done' }] }, finishReason: 'STOP' }],
};

let calls = 0;
const newId = (): string => `toolu_${++calls}`;

const question = { role: 'user' as const, content: 'q' };
const tools = [{ type: 'function' as const, function: { name: 'f', parameters: {} } }];
const rpcTools = [build.tool({ case: 'function', value: build.functionTool('f') })];
const asks = (): Message => build.message(Role.USER, [build.textPart('q')]);
const resultOf = (id: string): Message =>
  build.message(Role.TOOL, [
    build.part({ case: 'toolResult', value: build.toolResult(id, [build.textPart('done')]) }),
  ]);

/** What a client of OpenAI's API holds of an answer. */
async function chatted(model: string, stream: boolean): Promise<Json> {
  const client = openaiClient(gateway.url);
  const body = { model, messages: [question], tools };
  const completion = stream
    ? await client.chat.completions.stream(body).finalChatCompletion()
    : await client.chat.completions.create(body);
  return completion.choices[0]?.message as unknown as Json;
}

const chatAgain = (model: string, message: Json, ids: readonly string[]) =>
  openaiClient(gateway.url).chat.completions.create({
    model,
    tools,
    messages: [
      question,
      message as never,
      ...ids.map((id) => ({ role: 'tool' as const, tool_call_id: id, content: 'done' })),
    ],
  });

/** What a typed client holds of an answer. */
async function called(face: RpcFace, model: string, stream: boolean): Promise<Message> {
  const client = chatClient(face, gateway.url);
  const body = { model, messages: [asks()], tools: rpcTools };
  if (!stream) {
    const { choices } = await client.createChatCompletion(body);
    return choices[0]?.message as Message;
  }
  const assembler = new Assembler();
  for await (const event of client.streamChatCompletion(body)) assembler.add([event]);
  return assembler.message(0) as Message;
}

const callAgain = (face: RpcFace, model: string, message: Message, ids: readonly string[]) =>
  chatClient(face, gateway.url).createChatCompletion({
    model,
    messages: [asks(), message, ...ids.map(resultOf)],
    tools: rpcTools,
  });

const ways = [
  ['whole', false],
  ['streamed', true],
] as const;

describe.each(ways)('thinking of Claude’s between texts and calls, %s', (_way, stream) => {
  const model = 'anthropic/claude-sonnet-4-5';
  const thinking = (text: string, signature: string) => ({ type: 'thinking', thinking: text, signature });
  const text = (said: string) => ({ type: 'text', text: said });
  const use = (id: string) => ({ type: 'tool_use', id, name: 'f', input: {} });

  const claude = (content: readonly Json[]) => {
    const message = { id: 'msg_1', type: 'message', role: 'assistant', model: 'm', stop_sequence: null };
    const usage = { input_tokens: 1, output_tokens: 1 };
    if (!stream) return json({ ...message, content, stop_reason: 'tool_use', usage });
    const blocks = content.flatMap((block, index) => {
      const { type, thinking: thought = '', signature = '', text: said = '' } = block;
      const begun = { ...block, ...('thinking' in block ? { thinking: '', signature: '' } : {}) };
      const deltas =
        type === 'thinking'
          ? [
              { type: 'thinking_delta', thinking: thought },
              { type: 'signature_delta', signature },
            ]
          : type === 'text'
            ? [{ type: 'text_delta', text: said }]
            : [];
      return [
        {
          type: 'content_block_start',
          index,
          content_block: type === 'text' ? { ...block, text: '' } : begun,
        },
        ...deltas.map((delta) => ({ type: 'content_block_delta', index, delta })),
        { type: 'content_block_stop', index },
      ];
    });
    return sse([
      { type: 'message_start', message: { ...message, content: [], stop_reason: null, usage } },
      ...blocks,
      { type: 'message_delta', delta: { stop_reason: 'tool_use', stop_sequence: null }, usage },
      { type: 'message_stop' },
    ]);
  };
  const contentSent = () => asked.messages[1]?.['content'];

  /** Answers with the content, and has it held by a client of OpenAI's API. */
  const told = (content: readonly Json[]) => {
    answer = claude(content);
    return chatted(model, stream);
  };
  const interleaved = (id: string) => [thinking('t1', 'S1'), text('A'), thinking('t2', 'S2'), use(id)];

  test('is in its place when the client sends the message as it is', async () => {
    const id = newId();
    const message = await told(interleaved(id));
    await chatAgain(model, message, [id]);
    expect(contentSent()).toEqual(interleaved(id));
  });

  test('is in its place when the client kept nothing of it', async () => {
    const id = newId();
    const { tool_calls } = await told(interleaved(id));
    await chatAgain(model, { role: 'assistant', content: 'A', tool_calls }, [id]);
    expect(contentSent()).toEqual(interleaved(id));
  });

  test('is in its place between several texts and calls, opaque thinking too', async () => {
    const [first, second] = [newId(), newId()];
    const content = [
      text('A'),
      { type: 'redacted_thinking', data: 'R1' },
      thinking('t1', 'S1'),
      use(first),
      thinking('t2', 'S2'),
      text('B'),
      thinking('t3', 'S3'),
      use(second),
    ];
    const message = await told(content);
    await chatAgain(model, message, [first, second]);
    expect(contentSent()).toEqual(content);
  });

  test('comes before what is said where the client has changed that', async () => {
    const id = newId();
    const { tool_calls } = await told(interleaved(id));
    await chatAgain(model, { role: 'assistant', content: 'a', tool_calls }, [id]);
    expect(contentSent()).toEqual([thinking('t1', 'S1'), thinking('t2', 'S2'), text('a'), use(id)]);
  });

  test('of another answer, with a call of the same id, stays as the client has it', async () => {
    const id = newId();
    await told(interleaved(id));
    const [first, second] = ['O1', 'O2'].map((signature, index) => ({
      type: 'reasoning.text',
      text: 'other',
      signature,
      format: 'anthropic-claude-v1',
      index,
    }));
    const { tool_calls } = {
      tool_calls: [{ id, type: 'function', function: { name: 'f', arguments: '{}' } }],
    };
    const details = { reasoning_details: [first, second] };
    await chatAgain(model, { role: 'assistant', content: 'A', tool_calls, ...details }, [id]);
    expect(contentSent()).toEqual([thinking('other', 'O1'), thinking('other', 'O2'), text('A'), use(id)]);
  });

  test.each<RpcFace>(['gRPC', 'Connect JSON over HTTP/1.1'])(
    'is in its place for typed clients, kept or not, over %s',
    async (face) => {
      const id = newId();
      answer = claude(interleaved(id));
      const message = await called(face, model, stream);
      await callAgain(face, model, message, [id]);
      expect(contentSent()).toEqual(interleaved(id));
      const parts = message.parts.filter(({ content }) => content.case !== 'reasoning');
      await callAgain(face, model, { ...message, parts }, [id]);
      expect(contentSent()).toEqual(interleaved(id));
    },
  );

  test('is in its place for a client of Anthropic’s API that dropped some', async () => {
    const id = newId();
    answer = claude(interleaved(id));
    const client = anthropicClient(gateway.url);
    const body = {
      model,
      max_tokens: 100,
      messages: [question],
      tools: [{ name: 'f', input_schema: { type: 'object' as const } }],
    };
    if (stream) await client.messages.stream(body).finalMessage();
    else await client.messages.create(body);
    const [first, said, , called] = interleaved(id);
    for (const kept of [
      [said, called],
      [first, said, called],
    ]) {
      await client.messages.create({
        ...body,
        messages: [
          question,
          { role: 'assistant', content: kept as never },
          { role: 'user', content: [{ type: 'tool_result', tool_use_id: id, content: 'done' }] },
        ],
      });
      expect(contentSent()).toEqual(interleaved(id));
    }
  });
});

describe.each(ways)('thought signatures of Gemini, %s', (_way, stream) => {
  const model = 'google/gemini-3-pro-preview';
  const gemini = (parts: readonly Json[]) => {
    const chunk = (some: readonly Json[], more: object = {}) => ({
      candidates: [{ content: { role: 'model', parts: some }, index: 0, ...more }],
      modelVersion: 'm',
      responseId: `r${calls}`,
    });
    if (!stream) return json(chunk(parts, { finishReason: 'STOP' }));
    return sse([...parts.map((part) => chunk([part])), chunk([{ text: '' }], { finishReason: 'STOP' })]);
  };
  const call = (id: string, more: Json = {}) => ({ functionCall: { id, name: 'f', args: {} }, ...more });
  const partsSent = () => asked.contents[1]?.parts;

  /** An answer, and how it goes back: what was thought stays with Google, but for its signature. */
  function signedAnswer() {
    const ids = [newId(), newId()] as const;
    const rest = [
      { text: 'visible', thoughtSignature: 'SIGV' },
      call(ids[0], { thoughtSignature: 'SIGF' }),
      call(ids[1]),
    ];
    const thought = { text: 'hm', thought: true, thoughtSignature: 'SIGT' };
    return { ids, parts: [thought, ...rest], back: [{ text: '', thoughtSignature: 'SIGT' }, ...rest] };
  }

  test.each<RpcFace>(['gRPC', 'Connect JSON over HTTP/1.1'])(
    'go back on the parts that they came on, over %s',
    async (face) => {
      const { ids, parts, back } = signedAnswer();
      answer = gemini(parts);
      const message = await called(face, model, stream);
      await callAgain(face, model, message, ids);
      expect(partsSent()).toEqual(back);
      const bare = message.parts.filter(({ content }) => content.case !== 'reasoning');
      await callAgain(face, model, { ...message, parts: bare }, ids);
      expect(partsSent()).toEqual(back);
    },
  );

  test('go back on the parts that they came on, over OpenAI’s form', async () => {
    const { ids, parts, back } = signedAnswer();
    answer = gemini(parts);
    const message = await chatted(model, stream);
    await chatAgain(model, message, ids);
    expect(partsSent()).toEqual(back);
    const { content, tool_calls } = message;
    await chatAgain(model, { role: 'assistant', content, tool_calls }, ids);
    expect(partsSent()).toEqual(back);
  });

  test('between calls and texts go back there', async () => {
    const ids = [newId(), newId()] as const;
    const parts = [
      { text: 'a', thoughtSignature: 'S1' },
      call(ids[0], { thoughtSignature: 'S2' }),
      { text: 'b', thoughtSignature: 'S3' },
      call(ids[1]),
    ];
    answer = gemini(parts);
    const message = await chatted(model, stream);
    await chatAgain(model, message, ids);
    expect(partsSent()).toEqual(parts);
  });

  const picture = (data: string, thoughtSignature?: string) => ({
    inlineData: { mimeType: 'image/png', data },
    ...(thoughtSignature === undefined ? {} : { thoughtSignature }),
  });

  test.each([
    ['alone', [picture('AAAA', 'IS')]],
    ['after a text', [{ text: 'a' }, picture('AAAA', 'IS')]],
    ['after a signed text', [{ text: 'a', thoughtSignature: 'TS' }, picture('AAAA', 'IS')]],
  ])('of a picture %s go back on it', async (_where, parts) => {
    answer = gemini(parts);
    const message = await chatted(model, stream);
    // The SDK's stream helper keeps the last of a list that comes in pieces.
    if (stream) parts = parts.map((part) => ('text' in part ? { text: part.text } : part));
    await chatAgain(model, message, []);
    expect(partsSent()).toEqual(parts);
    answer = gemini(parts);
    await callAgain('gRPC', model, await called('gRPC', model, stream), []);
    expect(partsSent()).toEqual(parts);
  });

  test('of several pictures go back on theirs', async () => {
    const parts = [picture('AAAA', 'I1'), picture('BBBB'), picture('CCCC', 'I3')];
    answer = gemini(parts);
    const whole: Json = { role: 'assistant', content: null };
    if (stream) {
      const chunks = await openaiClient(gateway.url).chat.completions.create({
        model,
        messages: [question],
        stream,
      });
      const lists: Record<string, unknown[]> = { images: [], reasoning_details: [] };
      for await (const { choices } of chunks) {
        const delta = (choices[0]?.delta ?? {}) as Json;
        for (const key in lists) lists[key]?.push(...((delta[key] as unknown[] | undefined) ?? []));
      }
      Object.assign(whole, lists);
    } else Object.assign(whole, await chatted(model, stream));
    await chatAgain(model, whole, []);
    expect(partsSent()).toEqual(parts);
    await chatAgain(model, { ...whole, content: 'a', images: undefined }, []);
    expect(partsSent()).toEqual([{ text: 'a' }]);
    const { images } = whole as { images: unknown[] };
    for (const [kept, left] of [
      [images.slice(2), parts.slice(2)],
      [images.slice(1), parts.slice(1)],
      [images.slice(0, 1), parts.slice(0, 1)],
      [images.toReversed(), parts.toReversed()],
    ]) {
      await chatAgain(model, { ...whole, images: kept }, []);
      expect(partsSent()).toEqual(left);
    }
  });
});

describe.each(ways)('details of OpenRouter’s, %s', (_way, stream) => {
  const model = 'openrouter/anthropic/claude-sonnet-4.5';
  const detail = (index: number, signature: string) => ({
    type: 'reasoning.text',
    text: `t${index}`,
    signature,
    format: 'anthropic-claude-v1',
    index,
  });
  const hidden = (index: number) => ({
    type: 'reasoning.encrypted',
    data: `R${index}`,
    format: 'anthropic-claude-v1',
    index,
  });
  const details = [hidden(0), detail(1, 'S1'), hidden(2), detail(3, 'S3'), detail(4, 'S4')];

  test('go back as they were, in their order', async () => {
    const id = newId();
    const head = { id: 'c', created: 1, model: 'm' };
    const used = { index: 0, id, type: 'function', function: { name: 'f', arguments: '{}' } };
    const readable = ({ text = '' }: { text?: string }) => (text === '' ? {} : { reasoning: text });
    if (stream) {
      // Each piece has its text first, its signature after it.
      const deltas = details.flatMap((one): Json[] => {
        if (!('signature' in one)) return [{ reasoning_details: [one] }];
        const { signature, ...bare } = one;
        const { text: _text, ...signed } = one;
        return [{ ...readable(one), reasoning_details: [bare] }, { reasoning_details: [signed] }];
      });
      const chunks = [...deltas, { content: 'A' }, { tool_calls: [used] }].map((delta) => ({
        ...head,
        choices: [{ index: 0, delta, finish_reason: null }],
      }));
      const last = { ...head, choices: [{ index: 0, delta: {}, finish_reason: 'tool_calls' }] };
      answer = sse([...chunks, last], 'data: [DONE]\n\n');
    } else {
      const message = {
        role: 'assistant',
        content: 'A',
        reasoning: 't1t3t4',
        reasoning_details: details,
        tool_calls: [used],
      };
      answer = json({ ...head, choices: [{ index: 0, message, finish_reason: 'tool_calls' }] });
    }
    const given = answer;
    const message = await chatted(model, stream);
    const { content, tool_calls } = message;
    for (const kept of [message, { role: 'assistant', content, tool_calls }]) {
      await chatAgain(model, kept, [id]);
      expect(asked.messages[1]).toMatchObject({ content: 'A', reasoning_details: details });
    }
    answer = given;
    const rpc = await called('gRPC', model, stream);
    await callAgain('gRPC', model, rpc, [id]);
    expect(asked.messages[1]).toMatchObject({ content: 'A', reasoning_details: details });
  });
});
