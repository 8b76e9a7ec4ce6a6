import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { Code, type ConnectError } from '@connectrpc/connect';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ErrorDetailSchema, ErrorReason } from '../../gen/llmgateway/v1/error_pb.js';
import { Role } from '../../gen/llmgateway/v1/message_pb.js';
import { type ScriptedUpstream, startUpstream } from '../http/support/upstream.ts';
import { chatClient, type RunningGateway, startGateway } from '../support/gateway.ts';
import { testToolbox } from '../support/toolbox.ts';

let upstream: ScriptedUpstream;
let gateway: RunningGateway;
let folder: string;
let asked: Record<string, unknown>;
beforeAll(async () => {
  upstream = await startUpstream();
  upstream.answerAll(({ socket, body }) => {
    asked = JSON.parse(body);
    const reply = JSON.stringify({
      id: 'c',
      created: 1,
      model: 'm',
      choices: [
        { index: 0, message: { role: 'assistant', content: 'Hi', mood: 'good' }, finish_reason: 'stop' },
      ],
      x_custom: { a: 1 },
    });
    socket.write(
      `HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: ${reply.length}\r\n\r\n${reply}`,
    );
  });
  folder = mkdtempSync(path.join(tmpdir(), 'params-'));
  const file = path.join(folder, 'gateway.yaml');
  const limited = `  limited:\n    base_url: ${upstream.origin}/v1\n    unsupported: [seed, user, logprobs, response_format, n]\n`;
  const open = `  open:\n    base_url: ${upstream.origin}/v1\n`;
  const toolless = `  toolless:\n    base_url: ${upstream.origin}/v1\n    unsupported: [tools]\n`;
  writeFileSync(file, `providers:\n${limited}${open}${toolless}`);
  gateway = await startGateway({ LLM_GATEWAY_CONFIG: file }, { toolbox: testToolbox() });
});
afterAll(async () => {
  await gateway.stop();
  upstream.close();
  rmSync(folder, { recursive: true });
});

const post = (body: object, headers: Record<string, string> = {}) =>
  fetch(`${gateway.url}/v1/chat/completions`, {
    method: 'POST',
    headers,
    body: JSON.stringify({ model: 'limited/m', messages: [{ role: 'user', content: 'x' }], ...body }),
  });
const json = async (response: Response) =>
  (await response.json()) as { error: { param: string; code: string } };

describe('what a provider cannot take', () => {
  test('a hint is dropped and reported', async () => {
    const response = await post({ seed: 7, user: 'me', temperature: 0.5 });
    expect(response.status).toBe(200);
    expect(response.headers.get('x-dropped-params')).toBe('seed, user');
    expect(asked).toMatchObject({ temperature: 0.5 });
    expect(asked).not.toHaveProperty('seed');
    expect(asked).not.toHaveProperty('user');
  });

  test.each([
    ['response_format', { response_format: { type: 'json_object' } }],
    ['logprobs', { logprobs: true }],
    ['n', { n: 2 }],
  ])('%s is refused by name', async (param, body) => {
    const response = await post(body);
    expect(response.status).toBe(400);
    expect((await json(response)).error).toMatchObject({ param, code: 'unsupported_parameter' });
  });

  test('n of 1 is what happens anyway', async () => {
    expect((await post({ n: 1 })).status).toBe(200);
  });

  test('the client decides otherwise for all', async () => {
    const dropped = await post({ n: 2, seed: 7 }, { 'x-drop-params': 'true' });
    expect([dropped.status, dropped.headers.get('x-dropped-params')]).toEqual([200, 'seed, n']);
    const refused = await post({ seed: 7 }, { 'X-Drop-Params': 'false' });
    expect([refused.status, (await json(refused)).error.param]).toEqual([400, 'seed']);
    expect((await post({ seed: 7, drop_params: false })).status).toBe(400);
  });

  test('the same on RPC', async () => {
    const client = chatClient('gRPC', gateway.url);
    const request = {
      model: 'limited/m',
      messages: [{ role: Role.USER, parts: [{ content: { case: 'text' as const, value: { text: 'x' } } }] }],
    };
    const reply = await client.createChatCompletion({ ...request, parameters: { seed: 7 } });
    expect(reply.callReport?.droppedParams).toEqual(['seed']);
    const error = await client
      .createChatCompletion({ ...request, parameters: { logprobs: true } })
      .catch((cause: ConnectError) => cause);
    expect((error as ConnectError).code).toBe(Code.InvalidArgument);
    expect((error as ConnectError).findDetails(ErrorDetailSchema)[0]).toMatchObject({
      reason: ErrorReason.UNSUPPORTED_PARAMETER,
      field: 'parameters.logprobs',
      provider: 'limited',
    });
  });
});

test("the gateway's tools are tools: a model without any is not asked, unless they are to be left out", async () => {
  const body = { model: 'toolless/m', gateway_tools: ['echo'] };
  const response = await post(body);
  expect([response.status, (await json(response)).error]).toMatchObject([
    400,
    { param: 'tools', code: 'unsupported_parameter' },
  ]);
  const without = await post(body, { 'x-drop-params': 'true' });
  expect([without.status, without.headers.get('x-dropped-params')]).toEqual([200, 'tools']);
  expect(asked).not.toHaveProperty('tools');
});

test('tools in the older form have their older name', async () => {
  const body = { model: 'toolless/m', functions: [{ name: 'f' }] };
  const response = await post(body);
  expect([response.status, (await json(response)).error.param]).toEqual([400, 'functions']);
  const without = await post(body, { 'x-drop-params': 'true' });
  expect([without.status, without.headers.get('x-dropped-params')]).toEqual([200, 'functions']);
  expect(asked).not.toHaveProperty('functions');
});

describe('what this version does not serve', () => {
  test.each([['finish_when_abandoned', { finish_when_abandoned: true }]])(
    '%s is refused by name, not ignored',
    async (param, body) => {
      const response = await post(body);
      expect([response.status, (await json(response)).error.param]).toEqual([400, param]);
    },
  );
});

describe('what the gateway does not know', () => {
  test('passes to the provider and back', async () => {
    const response = await post({ model: 'open/m', min_p: 0.1, custom: { deep: [1, null] } });
    expect(asked).toMatchObject({ min_p: 0.1, custom: { deep: [1, null] } });
    expect(await response.json()).toMatchObject({
      x_custom: { a: 1 },
      choices: [{ message: { content: 'Hi', mood: 'good' } }],
    });
  });

  test('nothing of one call shows in another', async () => {
    const call = { id: 'call_1', type: 'function', function: { name: 'f', arguments: '{}' } };
    const messages = [
      { role: 'user', content: 'x' },
      { role: 'assistant', content: null, tool_calls: [call] },
      { role: 'tool', tool_call_id: 'call_1', content: 'y' },
    ];
    for (let i = 0; i < 3; i++) {
      await post({ model: 'open/m', messages });
      expect((asked['messages'] as { tool_calls?: unknown[] }[])[1]?.tool_calls).toEqual([call]);
    }
  });
});
