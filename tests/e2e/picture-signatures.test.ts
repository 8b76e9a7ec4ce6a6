import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type ScriptedUpstream, startUpstream } from '../http/support/upstream.ts';
import { openaiClient, type RunningGateway, startGateway } from '../support/gateway.ts';

// Clients of OpenAI's API lose pictures of answers: their SDK keeps the last of a list that comes in pieces, and others keep none.
// A signature goes back on what it is of, or not at all.

type Json = Record<string, unknown>;

const model = 'google/gemini-3-pro-preview';
const question = { role: 'user' as const, content: 'q' };
const tools = [{ type: 'function' as const, function: { name: 'f', parameters: {} } }];

let upstream: ScriptedUpstream;
let gateway: RunningGateway;
/** The parts that are answered with. */
let parts: Json[];
let asked: { contents: { parts: Json[] }[] };

beforeAll(async () => {
  upstream = await startUpstream();
  upstream.answerAll(({ socket, body, head }) => {
    // A list of models is asked for, too.
    if (body === '') return void socket.end('HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n');
    asked = JSON.parse(body);
    const chunk = (some: readonly Json[], more: object = {}) => ({
      candidates: [{ content: { role: 'model', parts: some }, index: 0, ...more }],
      modelVersion: 'm',
      responseId: 'r',
    });
    const chunks = [...parts.map((part) => chunk([part])), chunk([{ text: '' }], { finishReason: 'STOP' })];
    const stream = head.includes('streamGenerateContent');
    const text = stream
      ? chunks.map((one) => `data: ${JSON.stringify(one)}\n\n`).join('')
      : JSON.stringify(chunk(parts, { finishReason: 'STOP' }));
    const type = stream ? 'text/event-stream' : 'application/json';
    socket.write(
      `HTTP/1.1 200 OK\r\ncontent-type: ${type}\r\ncontent-length: ${Buffer.byteLength(text)}\r\n\r\n${text}`,
    );
  });
  gateway = await startGateway({ GOOGLE_API_KEY: 'k', LLM_GATEWAY_GOOGLE_BASE_URL: upstream.origin });
});
afterAll(async () => {
  await gateway?.stop();
  upstream?.close();
});

let calls = 0;
const png = { inlineData: { mimeType: 'image/png', data: 'AAAA' }, thoughtSignature: 'IS0' };
const jpeg = { inlineData: { mimeType: 'image/jpeg', data: 'BBBB' }, thoughtSignature: 'IS1' };
const cap = { text: 'cap' };
const end = { text: 'end', thoughtSignature: 'TS' };
const bare = ({ thoughtSignature: _, ...part }: Json): Json => part;
const listed = (data: string, type = 'jpeg') => ({
  type: 'image_url',
  image_url: { url: `data:image/${type};base64,${data}` },
});

/** An answer of pictures and texts, then a call. @returns what the client holds of it, the call's id, and the call upstream */
async function answered(stream: boolean, more: readonly Json[] = [png, cap, jpeg, end]) {
  const id = `toolu_${++calls}`;
  const called = { functionCall: { id, name: 'f', args: {} }, thoughtSignature: 'FS' };
  parts = [{ text: 'hm', thought: true }, ...more, called];
  const client = openaiClient(gateway.url);
  const body = { model, messages: [question], tools };
  const completion = stream
    ? await client.chat.completions.stream(body).finalChatCompletion()
    : await client.chat.completions.create(body);
  return { message: completion.choices[0]?.message as unknown as Json, id, called };
}

/** Sends an answer back with its result. @returns its parts upstream, and whether signatures were left out */
async function back(message: Json, id: string) {
  const { response } = await openaiClient(gateway.url)
    .chat.completions.create({
      model,
      tools,
      messages: [question, message as never, { role: 'tool', tool_call_id: id, content: 'done' }],
    })
    .withResponse();
  const warnings = response.headers.get('x-warnings') ?? '';
  return { sent: asked.contents[1]?.parts, lost: warnings.includes('dropped_reasoning_state') };
}

describe.each([
  ['whole', false],
  ['streamed', true],
])('after a %s answer', (_way, stream) => {
  test('what the official SDK keeps goes back signed as it was', async () => {
    const { message, id, called } = await answered(stream);
    const { sent, lost } = await back(message, id);
    // Of a stream it has the last picture only.
    expect(sent).toEqual([...(stream ? [] : [png]), cap, jpeg, end, called]);
    expect(lost).toBe(stream);
  });

  test('signatures of pictures that are not there are left out', async () => {
    const { message, id, called } = await answered(stream);
    const { images: _, ...imageless } = message;
    expect(await back(imageless, id)).toEqual({ sent: [cap, end, called], lost: true });
    const { reasoning_details: __, ...plain } = imageless;
    expect(await back(plain, id)).toEqual({ sent: [cap, end, called], lost: true });
  });

  test.each([
    ['first', listed('AAAA', 'png'), [png, cap, end]],
    ['second', listed('BBBB'), [cap, jpeg, end]],
  ])('the %s picture alone has its own signature', async (_which, image, left) => {
    const { message, id, called } = await answered(stream);
    const { content, tool_calls, reasoning_details } = message;
    const kept = { role: 'assistant', content, tool_calls, images: [image] };
    const expected = { sent: [...left, called], lost: true };
    expect(await back(kept, id)).toEqual(expected);
    expect(await back({ ...kept, reasoning_details }, id)).toEqual(expected);
  });

  test('a picture that is none of the answer’s has no signature', async () => {
    const { message, id, called } = await answered(stream);
    const { sent, lost } = await back({ ...message, images: [listed('CCCC')] }, id);
    const changed = { inlineData: { mimeType: 'image/jpeg', data: 'CCCC' } };
    expect(sent).toContainEqual(changed);
    expect(sent?.map((part) => part['thoughtSignature']).filter(Boolean)).toEqual(['TS', 'FS']);
    expect(sent).toContainEqual(called);
    expect(lost).toBe(true);
  });

  test('where the client changed the text, each picture keeps its own', async () => {
    const { message, id } = await answered(stream);
    const { sent } = await back({ ...message, content: 'other', images: [listed('BBBB')] }, id);
    expect(sent).toContainEqual(jpeg);
    const signed = sent?.filter(
      (part) => part['thoughtSignature'] !== undefined && !('functionCall' in part),
    );
    expect(signed).toEqual(expect.arrayContaining([jpeg]));
    expect(JSON.stringify(sent)).not.toContain('IS0');
  });
});

test('a picture that the client has put elsewhere is signed where all are there', async () => {
  const { message, id } = await answered(false, [png, jpeg]);
  const at = (name: string) => ({ type: 'image_url', image_url: { url: `https://a.example/${name}` } });
  const files = (await back({ ...message, images: [at('1.png'), at('2.jpg')] }, id)).sent?.slice(0, 2);
  expect(files).toMatchObject([
    { fileData: { fileUri: 'https://a.example/1.png' }, thoughtSignature: 'IS0' },
    { fileData: { fileUri: 'https://a.example/2.jpg' }, thoughtSignature: 'IS1' },
  ]);
  const { sent, lost } = await back({ ...message, images: [at('2.jpg')] }, id);
  expect(sent?.[0]).toEqual(bare({ ...sent?.[0] }));
  expect(JSON.stringify(sent)).not.toMatch(/IS0|IS1/);
  expect(lost).toBe(true);
});

test('of an answer without calls a signature finds its picture by its data, or by its place where that is all there is', async () => {
  parts = [png, jpeg];
  const { choices } = await openaiClient(gateway.url).chat.completions.create({
    model,
    messages: [question],
  });
  const message = choices[0]?.message as unknown as Json;
  const details = message['reasoning_details'] as { id: string }[];
  expect(details.map(({ id }) => id)).toEqual([
    expect.stringMatching(/^image:0:[\w-]{16}$/),
    expect.stringMatching(/^image:1:[\w-]{16}$/),
  ]);
  const send = async (images: unknown[], kept: unknown[]) => {
    await openaiClient(gateway.url).chat.completions.create({
      model,
      messages: [question, { ...message, images, reasoning_details: kept } as never, question],
    });
    return asked.contents[1]?.parts;
  };
  expect(await send([listed('BBBB')], details)).toEqual([jpeg]);
  expect(await send([listed('BBBB')], details.slice(1))).toEqual([jpeg]);
  expect(await send([listed('BBBB')], details.slice(0, 1))).toEqual([bare(jpeg)]);
  const placed = details.map((one, i) => ({ ...one, id: `image:${i}` }));
  expect(await send([listed('AAAA', 'png'), listed('BBBB')], placed)).toEqual([png, jpeg]);
  expect(await send([listed('BBBB')], placed)).toEqual([bare(jpeg)]);
  expect(await send([listed('BBBB')], placed.slice(1))).toEqual([bare(jpeg)]);
});
