import { create } from '@bufbuild/protobuf';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import type { CreateChatCompletionRequest } from '../../gen/llmgateway/v1/chat_service_pb.js';
import { ErrorReason } from '../../gen/llmgateway/v1/error_pb.js';
import { ReasoningPartSchema, Role } from '../../gen/llmgateway/v1/message_pb.js';
import { Secret } from '../../src/config/secret.ts';
import { createUpstreamClient, type UpstreamClient } from '../../src/http/client.ts';
import * as build from '../../src/model/build.ts';
import { messagesOf } from '../../src/model/items.ts';
import { KeyAffinity } from '../../src/providers/key-affinity.ts';
import type { Provider, ProviderCall } from '../../src/providers/provider.ts';
import { createProviders } from '../../src/providers/registry.ts';
import { load } from '../config/support/load.ts';
import { type Answer, type JsonServer, send, startJsonServer } from '../support/json-server.ts';

const keys = ['planted-provider-key-a', 'planted-provider-key-b', 'planted-provider-key-c'];
/** What the provider does with each key: a status, or a text that it says. */
let replies: Record<
  string,
  number | string | { status: number; body: unknown; headers?: Record<string, string> }
>;
let server: JsonServer;
let client: UpstreamClient;
let told: string[];
let now: number;
let next: number;
beforeEach(async () => {
  replies = {};
  told = [];
  now = 1_000;
  next = 0;
  client = createUpstreamClient();
  server = await startJsonServer({
    '/chat/completions': ({ headers }, response) => {
      const reply = replies[String(headers.authorization).slice(7)] ?? 'fine';
      if (typeof reply === 'number') return send(response, reply, { error: { message: 'no' } });
      if (typeof reply === 'object') {
        for (const [name, value] of Object.entries(reply.headers ?? {})) response.setHeader(name, value);
        return send(response, reply.status, reply.body);
      }
      return {
        id: 'x',
        object: 'chat.completion',
        created: 1,
        model: 'm',
        choices: [{ index: 0, message: { role: 'assistant', content: reply }, finish_reason: 'stop' }],
      };
    },
    '/responses/compact': ({ headers }) => ({
      id: 'resp_c',
      object: 'response.compaction',
      created_at: 1,
      output: [{ type: 'compaction', id: 'cmp', encrypted_content: `compacted by ${headers.authorization}` }],
    }),
    '/responses': ({ headers }, response) => {
      const key = String(headers.authorization).slice(7);
      const reply = replies[key];
      if (typeof reply === 'number') return send(response, reply, { error: { message: 'no' } });
      return {
        id: 'resp',
        object: 'response',
        status: 'completed',
        model: 'm',
        output: [
          { type: 'reasoning', id: 'rs', summary: [], encrypted_content: `made by ${key}` },
          {
            type: 'message',
            id: 'msg',
            role: 'assistant',
            status: 'completed',
            content: [{ type: 'output_text', text: 'ok', annotations: [] }],
          },
        ],
      };
    },
  });
});
afterEach(async () => {
  server.close();
  await client.destroy();
});

function provider(
  list: readonly string[] = keys,
  affinity = new KeyAffinity(),
  baseUrl = server.origin,
): Provider {
  const yaml = `providers:\n  many:\n    base_url: ${baseUrl}\n    responses: true\n    compaction: true\n    api_keys: ${JSON.stringify(list)}\n`;
  const { providers } = load(yaml);
  const options = {
    restMs: 60_000,
    onChange: (name: string, key: string, why: string | null) => void told.push(`${name} ${key}: ${why}`),
    now: () => now,
    // The first of those that are left.
    random: () => next,
  };
  const made = createProviders(providers, client, options, affinity);
  return made.get('many') as Provider;
}
const request = (text = 'hi') => build.chatRequest('m', [build.message(Role.USER, [build.textPart(text)])]);
const ask = (one: Provider, model = 'm', asked = request()) => one.createChat?.(callOf(asked, model));
const callOf = (asked: CreateChatCompletionRequest, model = 'm'): ProviderCall => ({
  request: asked,
  upstreamModel: model,
  requestId: 'r',
  signal: new AbortController().signal,
  timeouts: { connectMs: 5_000, firstByteMs: 5_000, idleMs: 5_000 },
  warn: () => {},
});
const used = (): string[] => server.got.map(({ headers }) => String(headers.authorization).slice(-1));

test('calls go to keys by their weights', async () => {
  const one = provider();
  for (next of [0, 0.3, 0.34, 0.6, 0.67, 0.99]) await ask(one);
  expect(used().join('')).toBe('aabbcc');
  const { providers } = load(
    `providers:\n  many:\n    base_url: http://x\n    api_keys: [{ key: first, weight: 3 }, { key: second }]\n`,
  );
  const weights = providers.find(({ name }) => name === 'many')?.apiKeys;
  expect(weights?.map(({ key, weight }) => [key.reveal(), weight])).toEqual([
    ['first', 3],
    ['second', 1],
  ]);
});

test('several keys may stand in the variable', () => {
  const keysOf = (value: string) =>
    load(null, { OPENAI_API_KEY: value })
      .providers.find(({ name }) => name === 'openai')
      ?.apiKeys.map(({ key }) => key.reveal());
  expect(keysOf('one, two\nthree,')).toEqual(['one', 'two', 'three']);
  expect(keysOf('one')).toEqual(['one']);
  expect(String(new Secret('x'))).toBe('[secret]');
});

test('a refused key is set aside at once and told of once; the call goes on with another', async () => {
  replies[keys[0]!] = 401;
  const one = provider();
  expect((await ask(one))?.choices[0]?.message?.parts[0]?.content.value).toMatchObject({ text: 'fine' });
  await ask(one);
  expect(used().join('')).toBe('abb');
  expect(told).toEqual(['many 1 (…ey-a): the provider answers 401']);
  now += 60_000;
  replies = {};
  await ask(one);
  expect(used().at(-1)).toBe('a');
  expect(told.at(-1)).toBe('many 1 (…ey-a): null');
});

test('an answer to what was asked before the key was refused does not bring it back', async () => {
  const answerNow = server.routes['/chat/completions'] as Answer;
  let answerEarly: (() => void) | null = null;
  server.routes['/chat/completions'] = (got, response) => {
    const answer = answerNow(got, response);
    answerEarly = () => send(response, 200, answer);
    server.routes['/chat/completions'] = answerNow;
    return null;
  };
  const one = provider([keys[0]!, keys[1]!]);
  const early = ask(one);
  await vi.waitFor(() => expect(answerEarly).not.toBeNull());
  now += 1_000;
  replies[keys[0]!] = 401;
  await ask(one);
  expect(told).toEqual(['many 1 (…ey-a): the provider answers 401']);
  now += 1_000;
  answerEarly!();
  await early;
  await ask(one);
  expect(told).toHaveLength(1);
  expect(used().join('')).toBe('aabb');
  // After its rest it is tried again, and that counts.
  now += 60_000;
  replies = {};
  await ask(one);
  expect(told.at(-1)).toBe('many 1 (…ey-a): null');
});

test('when all are refused that is said, and the provider is not asked any more', async () => {
  for (const key of keys) replies[key] = 401;
  const one = provider();
  const refused = { reason: ErrorReason.UPSTREAM_AUTH, status: 502 };
  await expect(ask(one)).rejects.toMatchObject(refused);
  expect(server.got.length).toBe(3);
  await expect(ask(one)).rejects.toMatchObject({
    ...refused,
    rawMessage: 'provider many refuses all 3 keys that are configured for it',
  });
  expect(server.got.length).toBe(3);
});

test('a request that every key is refused for sets none aside', async () => {
  for (const status of [402, 403]) {
    for (const key of keys) replies[key] = status;
    const one = provider();
    await expect(ask(one)).rejects.toMatchObject({ reason: ErrorReason.UPSTREAM_AUTH });
    replies = {};
    await ask(one);
    expect(used().at(-1)).toBe('a');
  }
  expect(told).toEqual([]);
});

test('a key that may not ask a model is set aside for that model', async () => {
  replies[keys[0]!] = 403;
  const one = provider();
  await ask(one, 'rare');
  await ask(one, 'rare');
  expect(used().join('')).toBe('abb');
  replies = {};
  await ask(one, 'common');
  expect(used().at(-1)).toBe('a');
  expect(told).toEqual(['many 1 (…ey-a): the provider answers 403 for model rare']);
});

test('a key whose quota is used up is set aside', async () => {
  replies[keys[0]!] = { status: 429, body: { error: { message: 'x', code: 'insufficient_quota' } } };
  const one = provider();
  await ask(one);
  await ask(one);
  expect(used().join('')).toBe('abb');
});

test('a key with too many requests rests as long as it is told to', async () => {
  replies[keys[0]!] = { status: 429, body: {}, headers: { 'retry-after': '7' } };
  const one = provider();
  await ask(one);
  now += 6_000;
  await ask(one);
  replies = {};
  now += 1_000;
  await ask(one);
  expect(used().join('')).toBe('abba');
  expect(told).toEqual([]);
});

test('when all have too many requests the provider’s own word is passed on', async () => {
  for (const key of keys) replies[key] = { status: 429, body: {}, headers: { 'retry-after': '7' } };
  const one = provider();
  const limited = { reason: ErrorReason.UPSTREAM_RATE_LIMITED, facts: { retryAfterMs: 7_000 } };
  await expect(ask(one)).rejects.toMatchObject(limited);
  await expect(ask(one)).rejects.toMatchObject(limited);
});

test('a single key is never set aside', async () => {
  replies[keys[0]!] = 401;
  const one = provider([keys[0]!]);
  await expect(ask(one)).rejects.toMatchObject({ reason: ErrorReason.UPSTREAM_AUTH });
  await expect(ask(one)).rejects.toMatchObject({ reason: ErrorReason.UPSTREAM_AUTH });
  expect(server.got.length).toBe(2);
});

test('other failures are not the key’s', async () => {
  replies[keys[0]!] = 400;
  const one = provider();
  await expect(ask(one)).rejects.toMatchObject({ reason: ErrorReason.UPSTREAM_REJECTED });
  replies[keys[0]!] = 500;
  await expect(ask(one)).rejects.toMatchObject({ reason: ErrorReason.UPSTREAM_FAILED });
  expect(used().join('')).toBe('aa');
});

test('encrypted reasoning goes back by the key that made it, or not at all', async () => {
  const made = provider();
  const one = { ...made, ...made.responses } as Provider;
  next = 0.5;
  const answer = await ask(one);
  const message = answer?.choices[0]?.message;
  expect(used().join('')).toBe('b');
  next = 0;
  const goOn = () => {
    const history = request();
    if (message !== undefined) history.messages.push(message);
    history.messages.push(build.message(Role.USER, [build.textPart('and?')]));
    return history;
  };
  await ask(one, 'm', goOn());
  expect(used().join('')).toBe('bb');
  replies[keys[1]!] = 401;
  await expect(ask(one, 'm', goOn())).rejects.toMatchObject({
    reason: ErrorReason.UPSTREAM_AUTH,
    rawMessage: expect.stringContaining('no other key can read it'),
  });
  await expect(ask(one, 'm', goOn())).rejects.toMatchObject({ reason: ErrorReason.UPSTREAM_AUTH });
  expect(used().join('')).toBe('bbb');
  await ask(one);
  expect(used().at(-1)).toBe('a');
});

test('state that others can read as well goes to another key when its own is refused', async () => {
  const part = build.part({
    case: 'reasoning',
    value: create(ReasoningPartSchema, { text: 'hm', signature: 'sig', format: 'anthropic-claude-v1' }),
  });
  const history = request();
  history.messages.push(build.message(Role.ASSISTANT, [part, build.textPart('a')]));
  history.messages.push(build.message(Role.USER, [build.textPart('b')]));
  replies[keys[0]!] = 401;
  await ask(provider(), 'm', history);
  expect(used().join('')).toBe('ab');
});

test('the key that made encrypted reasoning is known after a reload, wherever it stands now', async () => {
  const affinity = new KeyAffinity();
  const first = provider(keys, affinity);
  next = 0.5;
  const answer = await ask({ ...first, ...first.responses } as Provider);
  expect(used().join('')).toBe('b');
  next = 0;
  const history = request();
  history.messages.push(answer?.choices[0]?.message as never);
  const goOn = (list: readonly string[], baseUrl?: string) => {
    const made = provider(list, affinity, baseUrl);
    return ask({ ...made, ...made.responses } as Provider, 'm', history);
  };
  await goOn([keys[0]!, keys[2]!, keys[1]!]);
  expect(used().join('')).toBe('bb');
  // Of a key that is not there any more nothing is known.
  await goOn([keys[0]!, keys[2]!]);
  expect(used().join('')).toBe('bba');
  // The same key is another account's at another address.
  await goOn(keys, server.origin.replace('127.0.0.1', 'localhost'));
  expect(used().join('')).toBe('bbaa');
});

test('a compaction goes back by the key that made it, and what is compacted by the key that made it', async () => {
  const made = provider();
  const one = { ...made, ...made.responses } as Provider;
  next = 0.5;
  const answer = await ask(one);
  next = 0;
  const history = request();
  history.messages.push(answer?.choices[0]?.message as never);
  const compacted = await made.responses?.compact?.(callOf(history));
  expect(used().join('')).toBe('bb');
  const shorter = build.chatRequest('m', messagesOf(compacted?.output ?? []));
  shorter.messages.push(build.message(Role.USER, [build.textPart('and?')]));
  next = 0.99;
  await ask(one, 'm', shorter);
  expect(used().join('')).toBe('bbb');
});
