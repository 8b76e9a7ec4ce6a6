import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { ErrorReason } from '../../gen/llmgateway/v1/error_pb.js';
import { ModelCapability } from '../../gen/llmgateway/v1/models_service_pb.js';
import { createUpstreamClient, type UpstreamClient } from '../../src/http/client.ts';
import * as build from '../../src/model/build.ts';
import { ollamaProvider } from '../../src/providers/ollama/provider.ts';
import type { Provider, ProviderCall } from '../../src/providers/provider.ts';
import { type Got, type JsonServer, send, startJsonServer } from '../support/json-server.ts';

let server: JsonServer;
let client: UpstreamClient;
let provider: Provider;
/** What the server has, and says of it. */
let tags: Record<string, unknown>[];
let shows: Record<string, unknown>;

const tag = (name: string, more: object = {}) => ({
  name,
  model: name,
  modified_at: '2026-01-02T03:04:05.678+02:00',
  digest: `digest of ${name}`,
  details: { family: 'qwen3' },
  ...more,
});
const show = (capabilities: string[], context: number, more: object = {}) => ({
  capabilities,
  model_info: { 'general.architecture': 'qwen3', 'qwen3.context_length': context, 'qwen3.block_count': 28 },
  ...more,
});

beforeEach(async () => {
  tags = [];
  shows = {};
  server = await startJsonServer({
    '/api/tags': () => ({ models: tags }),
    '/api/show': ({ body }, response) => {
      const answer = shows[String(body?.['model'])];
      return answer === undefined ? send(response, 404, { error: 'not found' }) : answer;
    },
  });
  client = createUpstreamClient();
  provider = ollamaProvider(
    {
      name: 'ollama',
      baseUrl: server.origin,
      headers: {},
      missing: null,
      unsupported: ['n'],
      discovery: true,
    },
    client,
  );
});
afterEach(async () => {
  server.close();
  await client.destroy();
});

const list = (signal = new AbortController().signal) => provider.listModels!(signal);
const asked = (path: string): Got[] => server.got.filter((one) => one.path === path);
const call = <Request>(request: Request, upstreamModel: string): ProviderCall<Request> => ({
  request,
  upstreamModel,
  requestId: 'r',
  signal: new AbortController().signal,
  timeouts: { connectMs: 1_000, firstByteMs: 5_000, idleMs: 5_000 },
  warn: () => {},
});

describe('the models', () => {
  test('have what /api/show says of them', async () => {
    tags = [tag('qwen3:8b'), tag('llava:latest'), tag('nomic-embed-text:latest'), tag('old')];
    shows = {
      'qwen3:8b': show(['completion', 'tools', 'thinking'], 40_960),
      'llava:latest': show(['completion', 'vision', 'new thing'], 32_768, {
        parameters: 'stop "USER:"\nnum_ctx                        4096\ntemperature 0.7',
      }),
      'nomic-embed-text:latest': show(['embedding'], 2_048),
      // Before Ollama knew capabilities.
      old: { model_info: { 'llama.context_length': 4_096 } },
    };
    const { CHAT, STREAMING, TOOLS, VISION, STRUCTURED_OUTPUT, REASONING, EMBEDDINGS } = ModelCapability;
    const common = { createdAt: Date.parse('2026-01-02T01:04:05Z') / 1000, price: { input: 0, output: 0 } };
    expect(await list()).toEqual([
      {
        ...common,
        id: 'qwen3:8b',
        contextWindow: 40_960,
        capabilities: [CHAT, STREAMING, TOOLS, STRUCTURED_OUTPUT, REASONING],
      },
      {
        ...common,
        id: 'llava:latest',
        aliases: ['llava'],
        contextWindow: 4_096,
        capabilities: [CHAT, STREAMING, VISION, STRUCTURED_OUTPUT],
      },
      {
        ...common,
        id: 'nomic-embed-text:latest',
        aliases: ['nomic-embed-text'],
        contextWindow: 2_048,
        capabilities: [EMBEDDINGS],
      },
      { ...common, id: 'old', contextWindow: 4_096 },
    ]);
  });

  test('that run elsewhere say so', async () => {
    tags = [
      tag('gpt-oss:120b-cloud', { remote_model: 'gpt-oss:120b', remote_host: 'https://ollama.com:443' }),
    ];
    expect(await list()).toMatchObject([{ id: 'gpt-oss:120b-cloud', remote: true }]);
  });

  test('are asked about once for each version', async () => {
    tags = [tag('a'), tag('b')];
    shows = { a: show(['completion'], 100), b: show(['completion'], 200) };
    await list();
    await list();
    expect(asked('/api/show')).toHaveLength(2);
    tags = [tag('a'), tag('b', { digest: 'new' })];
    shows['b'] = show(['completion'], 300);
    expect((await list()).map(({ contextWindow }) => contextWindow)).toEqual([100, 300]);
    expect(asked('/api/show')).toHaveLength(3);
  });

  test('are listed without facts when there are none to be had, and asked about again', async () => {
    tags = [tag('a'), tag('b')];
    shows = { a: show(['completion'], 100), b: 'nonsense' };
    const [, b] = await list();
    expect(b).toMatchObject({ id: 'b' });
    expect(b).not.toHaveProperty('capabilities');
    shows['b'] = show(['completion'], 200);
    expect((await list())[1]).toMatchObject({ contextWindow: 200 });
  });

  test('are listed although the look-ups hang, and those that fail come last', async () => {
    tags = [tag('hangs'), ...Array.from({ length: 3 }, (_, i) => tag(`m${i}`))];
    shows = { hangs: null, m0: show([], 1), m1: show([], 1), m2: show([], 1) };
    const models = await list();
    expect(models.map(({ id, contextWindow }) => [id, contextWindow])).toEqual([
      ['hangs', undefined],
      ['m0', 1],
      ['m1', 1],
      ['m2', 1],
    ]);
  });

  test('are looked up in bounded numbers a round, all of them in the end', async () => {
    tags = Array.from({ length: 150 }, (_, i) => tag(`m${i}`));
    shows = Object.fromEntries(tags.map(({ name }) => [name, show(['completion'], 9)]));
    const known = async () => (await list()).filter(({ contextWindow }) => contextWindow === 9).length;
    expect([await known(), await known(), await known()]).toEqual([64, 128, 150]);
    expect(asked('/api/show')).toHaveLength(150);
  });

  test('are bounded, told apart by name, and nonsense is left out', async () => {
    tags = [{}, tag(''), tag('x'.repeat(1_000)), tag('a'), tag('a'), { name: 7, model: 'by-model' }];
    expect((await list()).map(({ id }) => id)).toEqual(['a', 'by-model']);
    tags = Array.from({ length: 10_500 }, (_, i) => tag(`m${i}`));
    expect(await list()).toHaveLength(10_000);
  });

  test.each(['<html>', '{}', '[]', '{"models": {}}'])('a list that is %s is a failure', async (body) => {
    server.routes['/api/tags'] = (_got, response) => send(response, 200, body);
    await expect(list()).rejects.toMatchObject({ reason: ErrorReason.UPSTREAM_INVALID });
  });

  test('waiting for the list ends with its signal', async () => {
    server.routes['/api/tags'] = () => null;
    const leaving = new AbortController();
    const pending = list(leaving.signal);
    await expect.poll(() => asked('/api/tags').length).toBe(1);
    leaving.abort(new Error('enough'));
    await expect(pending).rejects.toThrow('enough');
  });
});

describe('what a model is known not to do', () => {
  test('is said of it, by any of its names, and of no other', async () => {
    tags = [tag('plain:latest'), tag('able')];
    shows = { 'plain:latest': show(['completion'], 9), able: show(['completion', 'tools', 'thinking'], 9) };
    const unsupported = (name: string) => [...provider.unsupported(name)];
    expect(unsupported('plain')).toEqual(['n']);
    await list();
    for (const name of ['plain', 'plain:latest']) {
      expect(unsupported(name)).toEqual(['n', 'tools', 'reasoning_effort']);
    }
    for (const name of ['able', 'unknown']) expect(unsupported(name)).toEqual(['n']);
  });

  test('decides how it is told to think', async () => {
    tags = [tag('levels'), tag('off')];
    shows = {
      levels: show(['completion', 'thinking'], 9, {
        thinking: { values: [false, 'low', 'max'], default: 'low' },
      }),
      off: show(['completion'], 9, { thinking: { values: [false], default: false } }),
    };
    await list();
    server.routes['/api/chat'] = () => ({ model: 'm', message: { content: 'x' }, done: true });
    const parameters = build.parameters({ reasoningEffort: 'xhigh' });
    const request = build.chatRequest('levels', [], { parameters });
    await provider.createChat!(call(request, 'levels'));
    expect(asked('/api/chat')[0]?.body).toMatchObject({ think: 'max' });
    expect(provider.unsupported('off').has('reasoning_effort')).toBe(true);
  });
});

describe('embeddings', () => {
  const request = {
    $typeName: 'llmgateway.v1.CreateEmbeddingsRequest' as const,
    model: 'x',
    inputs: ['a', 'b'].map((value) => ({
      $typeName: 'llmgateway.v1.EmbeddingInput' as const,
      content: { case: 'text' as const, value },
    })),
    taskType: '',
    user: '',
  };

  test('come in order', async () => {
    server.routes['/api/embed'] = () => ({
      model: 'e',
      embeddings: [
        [1, 2],
        [3.5, 4],
      ],
      prompt_eval_count: 2,
    });
    const { embeddings, usage } = await provider.createEmbeddings!(call(request, 'e'));
    expect(asked('/api/embed')[0]?.body).toEqual({ model: 'e', input: ['a', 'b'] });
    expect(embeddings.map(({ values }) => values)).toEqual([
      [1, 2],
      [3.5, 4],
    ]);
    expect(usage).toMatchObject({ promptTokens: 2, totalTokens: 2 });
  });

  test('fail as chats do', async () => {
    server.routes['/api/embed'] = (_got, response) => send(response, 404, { error: 'model "e" not found' });
    await expect(provider.createEmbeddings!(call(request, 'e'))).rejects.toMatchObject({
      reason: ErrorReason.UPSTREAM_REJECTED,
      status: 404,
    });
  });
});
