import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Role } from '../../gen/llmgateway/v1/message_pb.js';
import {
  anthropicClient,
  chatClient,
  type RpcFace,
  type RunningGateway,
  rpcTransports,
  startGateway,
} from '../support/gateway.ts';

let gateway: RunningGateway;
beforeAll(async () => {
  gateway = await startGateway();
});
afterAll(() => gateway.stop());

const words = 'word '.repeat(400).trim();

test("the SDK's count grows with what is said, and needs no limit of the answer", async () => {
  const { messages } = anthropicClient(gateway.url);
  const count = async (more: object) =>
    (
      await messages.countTokens({
        model: 'fake/echo',
        messages: [{ role: 'user', content: words }],
        ...more,
      })
    ).input_tokens;
  const plain = await count({});
  expect(plain).toBeGreaterThan(300);
  expect(plain).toBeLessThan(800);
  expect(await count({ system: words })).toBeGreaterThan(plain * 1.5);
  const tools = [{ name: 'f', description: words, input_schema: { type: 'object' } }];
  expect(await count({ tools })).toBeGreaterThan(plain * 1.5);
});

test('a model of no provider here is refused as for an answer', async () => {
  const { messages } = anthropicClient(gateway.url);
  const counting = messages.countTokens({ model: 'grok-4', messages: [{ role: 'user', content: 'x' }] });
  await expect(counting).rejects.toMatchObject({ status: 400, type: 'invalid_request_error' });
});

test('the call is logged', async () => {
  const from = gateway.log.length;
  await anthropicClient(gateway.url).messages.countTokens({
    model: 'fake/echo',
    messages: [{ role: 'user', content: 'x' }],
  });
  expect(gateway.log.slice(from).find(({ message }) => message === 'call')).toMatchObject({
    face: 'anthropic.messages',
    kind: 'count_tokens',
    status: 'success',
    provider: 'fake',
  });
});

describe.each(Object.keys(rpcTransports) as RpcFace[])('%s', (face) => {
  const request = {
    model: 'fake/echo',
    messages: [{ role: Role.USER, parts: [{ content: { case: 'text' as const, value: { text: words } } }] }],
  };

  test('says how many tokens, and that it is a guess', async () => {
    const answer = await chatClient(face, gateway.url).countTokens({ request });
    expect(answer.inputTokens).toBeGreaterThan(300);
    expect(answer.estimated).toBe(true);
    expect(answer.method).not.toBe('');
  });

  test('names the field of a wrong request', async () => {
    const client = chatClient(face, gateway.url);
    await expect(client.countTokens({})).rejects.toThrow(/request/);
    await expect(client.countTokens({ request: { ...request, messages: [] } })).rejects.toThrow(/messages/);
  });
});
