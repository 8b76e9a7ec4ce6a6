import { createClient } from '@connectrpc/connect';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { QueryService } from '../../gen/llmgateway/v1/query_service_pb.js';
import { type RunningGateway, rpcTransports, startGateway } from '../support/gateway.ts';
import { bodyOf, type Platform, startPlatform } from '../support/platform.ts';
import { answer } from '../support/platform-service.ts';
import { type ScriptedModel, startModel } from '../support/scripted-model.ts';

let model: ScriptedModel;
let local: ScriptedModel;
let platform: Platform;
let gateway: RunningGateway;
beforeAll(async () => {
  [model, local] = await Promise.all([startModel(), startModel()]);
  platform = await startPlatform();
  gateway = await startGateway({
    ...platform.env,
    OPENAI_API_KEY: 'sk-test',
    LLM_GATEWAY_OPENAI_BASE_URL: `${model.upstream.origin}/v1`,
  });
});
afterEach(() => {
  for (const one of [model, local]) {
    one.script = [];
    one.asked.length = 0;
  }
  platform.reset();
});
afterAll(async () => {
  await gateway?.stop();
  model?.close();
  local?.close();
  platform?.close();
});

const post = (path: string, body: unknown, headers: Record<string, string> = {}): Promise<Response> =>
  fetch(`${gateway.url}${path}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: JSON.stringify(body),
  });

/** All subsets of a list. */
const subsets = <T>(items: readonly T[]): T[][] =>
  Array.from({ length: 2 ** items.length }, (_, bits) => items.filter((_item, i) => (bits >> i) & 1));

const down = (names: readonly string[]): void => {
  for (const name of names) platform.of(name).instead = (_asked, response) => response.destroy();
};
const detailsOf = async (response: Response) =>
  (await bodyOf(response))['details'] as { services_used: string[]; services_skipped: string[] };

const forEnhanced = ['interpreter', 'prompt_store', 'memory_agent', 'secure_analyzer', 'doc_store'];

test.each(subsets(forEnhanced).map((away) => [away]))(
  'an enhanced query without %j is answered',
  async (away) => {
    down(away);
    const response = await post('/enhanced-query', { prompt: 'What is it?', user_id: 'u' });
    expect(response.status).toBe(200);
    const { services_used: used, services_skipped: skipped } = await detailsOf(response);
    expect(skipped.toSorted()).toEqual(away.toSorted());
    expect(used.toSorted()).toEqual(forEnhanced.filter((name) => !away.includes(name)).toSorted());
    expect(model.asked).toHaveLength(1);
    expect(JSON.stringify(model.messages())).toContain('What is it?');
  },
);

const forContextual = ['prompt_store', 'memory_agent', 'doc_store'];

test.each(subsets(forContextual).map((away) => [away]))(
  'a contextual query without %j is answered',
  async (away) => {
    down(away);
    const asked = { prompt: 'What is it?', context: { search_terms: 'it' } };
    const response = await post('/contextual-query', asked);
    expect(response.status).toBe(200);
    const { services_skipped: skipped } = await detailsOf(response);
    expect(skipped.toSorted()).toEqual(away.toSorted());
    expect(JSON.stringify(model.messages())).toContain('What is it?');
  },
);

test('a workflow query without its orchestrator fails', async () => {
  down(['orchestrator']);
  const response = await post('/workflow-query', { prompt: 'Do it' });
  expect(response.status).toBe(502);
  expect(await bodyOf(response)).toMatchObject({
    error_code: 'provider_error',
    details: { provider: 'orchestrator' },
  });
});

test('slow services hold an answer up for their bound only, also when all are slow', async () => {
  for (const name of forEnhanced) platform.of(name).instead = () => {};
  const began = performance.now();
  const { services_skipped: skipped } = await detailsOf(await post('/enhanced-query', { prompt: 'Hi' }));
  expect(skipped).toHaveLength(5);
  // Three steps of a second each.
  expect(performance.now() - began).toBeLessThan(4_500);
});

describe('an enhanced query', () => {
  test('is made of what the services say, and kept by them', async () => {
    platform.answers.set('interpreter /interpret', { success: true, data: { intent: 'explain' } });
    platform.answers.set('memory_agent /memory/u/context', { summary: 'We spoke of cats.' });
    platform.answers.set('prompt_store /prompts/optimized', { content: 'Explain well:' });
    platform.answers.set('secure_analyzer /detect', { sensitive: false, matches: [], topics: [] });
    model.script = [{ text: 'Because.' }];
    await post('/enhanced-query', { prompt: 'Why?', user_id: 'u', context: { where: 'here' } });
    expect(platform.of('prompt_store').asked[0]?.body).toEqual({
      task_type: 'explain',
      context: { where: 'here' },
    });
    const [system, user] = model.messages() as { content: string }[];
    expect(JSON.parse(system?.content ?? '')).toMatchObject({
      where: 'here',
      conversation_history: { summary: 'We spoke of cats.' },
      interpretation: { intent: 'explain' },
      security_analysis: { sensitive: false },
    });
    expect(user?.content).toBe('Explain well:\n\nWhy?');
    expect(platform.of('memory_agent').asked.at(-1)).toMatchObject({
      path: '/memory',
      body: { user_id: 'u', content: { prompt: 'Why?', response: 'Because.', provider: 'openai' } },
    });
    expect(platform.of('doc_store').asked.at(-1)).toMatchObject({
      path: '/documents',
      body: { content: 'Why?\n\nBecause.' },
    });
  });

  test('that is sensitive only ever reaches secure providers, and is kept nowhere', async () => {
    platform.answers.set('secure_analyzer /detect', { sensitive: true, matches: ['key'], topics: [] });
    const refused = await post('/enhanced-query', { prompt: 'My key', provider: 'openai' });
    expect(refused.status).toBe(503);
    expect(await bodyOf(refused)).toMatchObject({
      error_code: 'service_unavailable',
      details: { reason: 'no_secure_provider' },
    });
    expect(model.asked).toEqual([]);
    const secure = await startGateway({
      ...platform.env,
      OPENAI_API_KEY: 'sk-test',
      LLM_GATEWAY_OPENAI_BASE_URL: `${model.upstream.origin}/v1`,
      BEDROCK_ENDPOINT: 'http://127.0.0.1:9/invoke',
      LLM_GATEWAY_QUERY_PROVIDERS: 'openai,fake',
      LLM_GATEWAY_CACHE: 'true',
    });
    try {
      const response = await fetch(`${secure.url}/enhanced-query`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ prompt: 'My key', provider: 'openai', model: 'gpt-4o' }),
      });
      expect(await bodyOf(response)).toMatchObject({ provider: 'fake', response: 'My key' });
      expect(model.asked).toEqual([]);
      for (const name of ['memory_agent', 'doc_store']) {
        expect(platform.of(name).asked.filter(({ path }) => /^\/(memory|documents)$/.test(path))).toEqual([]);
      }
    } finally {
      await secure.stop();
    }
  });

  test('is what /query becomes by its header', async () => {
    const response = await post('/query', { prompt: 'Hi' }, { 'x-use-enhanced-processing': 'true' });
    expect(await bodyOf(response)).toMatchObject({
      correlation_id: expect.stringMatching(/^enhanced-/),
      details: { services_skipped: [] },
    });
  });

  test('ends with its client', async () => {
    const asked = Promise.withResolvers<void>();
    const closed = Promise.withResolvers<void>();
    platform.of('interpreter').instead = (_asked, response) => {
      response.on('close', closed.resolve);
      asked.resolve();
    };
    const abort = new AbortController();
    const request = fetch(`${gateway.url}/enhanced-query`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ prompt: 'Hi' }),
      signal: abort.signal,
    });
    request.catch(() => {});
    await asked.promise;
    abort.abort();
    await closed.promise;
    await expect(request).rejects.toThrow();
    expect(model.asked).toEqual([]);
  });
});

test('an envelope that says that it failed counts as a failure', async () => {
  platform.of('interpreter').instead = (_asked, response) =>
    answer(response, 200, { success: false, message: 'not today' });
  const body = await bodyOf(await post('/enhanced-query', { prompt: 'Hi' }));
  expect(body['details']).toMatchObject({
    services_skipped: ['interpreter'],
    skipped_reasons: { interpreter: 'not today' },
  });
});

test('plain queries are told to the memory agent, and on demand to the document store', async () => {
  const memory = platform.of('memory_agent').next();
  const documents = platform.of('doc_store').next();
  model.script = [{ text: 'Hello!' }];
  const response = await post('/query', { prompt: 'Hi', user_id: 'u' }, { 'x-store-interaction': 'true' });
  expect(response.status).toBe(200);
  expect(await memory).toMatchObject({
    path: '/memory',
    body: { user_id: 'u', content: { prompt: 'Hi', response: 'Hello!' } },
  });
  expect(await documents).toMatchObject({ path: '/documents', body: { content: 'Hi\n\nHello!' } });
});

describe('by RPC', () => {
  test('all three are there', async () => {
    const client = createClient(QueryService, rpcTransports.gRPC(gateway.url));
    down(['doc_store']);
    const query = { prompt: 'Hi', userId: 'u' };
    const { answer: enhanced } = await client.enhancedQuery({ query });
    expect(enhanced).toMatchObject({ response: 'done', provider: 'openai' });
    expect(enhanced?.services?.skipped).toMatchObject([
      { service: 'doc_store', reason: 'the connection broke' },
    ]);
    const { answer: contextual } = await client.contextualQuery({ query });
    expect(contextual?.services?.used).toEqual(['memory_agent', 'prompt_store']);
    const { resultJson } = await client.workflowQuery({ query, workflowType: 'w' });
    expect(JSON.parse(resultJson)).toMatchObject({ body: { workflow_type: 'w' } });
  });
});
