import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { ConnectError, createClient } from '@connectrpc/connect';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { ErrorDetailSchema } from '../../gen/llmgateway/v1/error_pb.js';
import { ModelCapability, ModelsService, SecurityLevel } from '../../gen/llmgateway/v1/models_service_pb.js';
import { openaiClient, type RunningGateway, rpcTransports, startGateway } from '../support/gateway.ts';
import { type JsonServer, startJsonServer } from '../support/json-server.ts';

interface RestModel {
  id: string;
  created: number;
  context_window?: number;
  max_output_tokens?: number;
  llm_gateway: Record<string, unknown>;
}

let folder: string;
let server: JsonServer;
let gateway: RunningGateway;
beforeAll(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'models-'));
});
afterAll(() => rmSync(folder, { recursive: true }));
beforeEach(async () => {
  server = await startJsonServer();
});
afterEach(async () => {
  await gateway?.stop();
  server.close();
});

const yaml = `
providers:
  keyed: { base_url: SERVER/keyed, api_key: k, api_key_env: KEYED_KEY, discovery: true, prefixes: [k/] }
models:
  - { id: openrouter/mini, provider: openrouter, context_window: 1000 }
  - { id: openrouter/full, provider: openrouter, context_window: 1000, price: { input: 7 }, capabilities: [chat] }
  - { id: ollama/tiny, provider: ollama, aliases: [smallest] }
`;

/** A gateway whose providers are all on the server, OpenRouter with a key. */
async function start(env: Record<string, string> = {}): Promise<void> {
  const file = path.join(folder, 'gateway.yaml');
  writeFileSync(file, yaml.replace('SERVER', server.origin));
  gateway = await startGateway({
    LLM_GATEWAY_CONFIG: file,
    KEYED_KEY: 'k',
    OPENROUTER_API_KEY: 'key-0123456789',
    LLM_GATEWAY_OPENROUTER_BASE_URL: `${server.origin}/openrouter`,
    LLM_GATEWAY_OLLAMA_BASE_URL: `${server.origin}/ollama`,
    LLM_GATEWAY_LLAMACPP_BASE_URL: `${server.origin}/llamacpp`,
    LLM_GATEWAY_INFERENCE_BASE_URL: `${server.origin}/inference`,
    ...env,
  });
}

async function listed(query = ''): Promise<Map<string, RestModel>> {
  const { data } = (await (await fetch(`${gateway.url}/v1/models${query}`)).json()) as { data: RestModel[] };
  return new Map(data.map((model) => [model.id, model]));
}
const asked = (path: string) => server.got.filter((one) => one.path === path);
const rpc = () => createClient(ModelsService, rpcTransports.gRPC(gateway.url));

const price = { prompt: '0.000001', completion: '0.000002' };
const everything = () => {
  server.routes['/openrouter/models'] = () => ({
    data: [
      {
        id: 'qwen/qwen3-coder:free',
        created: 1_753_230_546,
        context_length: 262_144,
        architecture: { input_modalities: ['text'], output_modalities: ['text'] },
        pricing: price,
        top_provider: { max_completion_tokens: 65_536 },
        supported_parameters: ['tools'],
      },
      { id: 'mini', context_length: 2_000, pricing: price, supported_parameters: ['tools'] },
      { id: 'full', context_length: 2_000, pricing: price, supported_parameters: ['tools'] },
    ],
  });
  server.routes['/ollama/api/tags'] = () => ({
    models: [
      { name: 'tiny:latest' },
      { name: 'big:70b' },
      { name: 'huge-cloud', remote_host: 'https://ollama.com' },
    ],
  });
  server.routes['/ollama/api/show'] = () => ({
    capabilities: ['completion', 'vision'],
    model_info: { 'llama.context_length': 8_192 },
  });
  server.routes['/llamacpp/models'] = () => ({ data: [{ id: 'x.gguf', meta: { n_ctx_train: 4_096 } }] });
  server.routes['/inference/v1/models'] = () => ({ data: [{ id: 'new-local', context_length: 512 }] });
  server.routes['/keyed/models'] = () => ({ data: [{ id: 'm' }] });
};
const complete = () =>
  expect
    .poll(async () => [...(await listed()).keys()])
    .toEqual(
      expect.arrayContaining([
        'openrouter/mini',
        'ollama/big:70b',
        'llamacpp/x.gguf',
        'inference/new-local',
        'k/m',
      ]),
    );

describe('models that providers report', () => {
  beforeEach(async () => {
    everything();
    await start();
    await complete();
  });

  test('are listed with everything that is known of them', async () => {
    const models = await listed();
    expect(models.get('openrouter/qwen/qwen3-coder:free')).toEqual({
      id: 'openrouter/qwen/qwen3-coder:free',
      object: 'model',
      created: 1_753_230_546,
      owned_by: 'openrouter',
      context_window: 262_144,
      max_output_tokens: 65_536,
      llm_gateway: {
        upstream_id: 'qwen/qwen3-coder:free',
        capabilities: ['chat', 'streaming', 'tools'],
        price: { input: 1, output: 2 },
        security_level: 'medium',
        discovered: true,
      },
    });
    expect(models.get('ollama/big:70b')).toMatchObject({
      context_window: 8_192,
      llm_gateway: {
        capabilities: ['chat', 'streaming', 'vision', 'structured_output'],
        security_level: 'high',
      },
    });
    // Ollama hands these on.
    expect(models.get('ollama/huge-cloud')?.llm_gateway).toMatchObject({ security_level: 'medium' });
    expect(models.get('llamacpp/x.gguf')).toMatchObject({ context_window: 4_096 });
    expect(models.get('inference/new-local')).toMatchObject({ context_window: 512 });
    expect(models.get('k/m')?.llm_gateway).toMatchObject({ capabilities: ['chat', 'streaming'] });
    expect(asked('/openrouter/models')[0]?.headers.authorization).toBe('Bearer key-0123456789');
  });

  test('complete the catalogue, which wins', async () => {
    const models = await listed();
    expect(models.get('openrouter/mini')).toMatchObject({
      context_window: 1_000,
      llm_gateway: {
        capabilities: ['chat', 'streaming', 'tools'],
        price: { input: 1, output: 2 },
        discovered: false,
      },
    });
    expect(models.get('openrouter/full')?.llm_gateway).toMatchObject({
      capabilities: ['chat'],
      price: { input: 7 },
    });
    // The same model by another of its names is not listed twice.
    expect(models.get('ollama/tiny')).toMatchObject({
      context_window: 8_192,
      llm_gateway: { aliases: ['smallest'] },
    });
    expect(models.has('ollama/tiny:latest')).toBe(false);
  });

  test.each([
    ['ollama/big:70b', 'ollama/big:70b'],
    ['OLLAMA/big:70b', 'ollama/big:70b'],
    ['smallest', 'ollama/tiny'],
    ['ollama/tiny:latest', 'ollama/tiny'],
    ['new-local', 'inference/new-local'],
    ['k/m', 'k/m'],
    ['openrouter/qwen/qwen3-coder:free', 'openrouter/qwen/qwen3-coder:free'],
  ])('%s is %s', async (name, id) => {
    const response = await fetch(`${gateway.url}/v1/models/${name}`);
    expect(await response.json()).toEqual((await listed()).get(id));
    expect((await rpc().getModel({ id: name })).model?.id).toBe(id);
  });

  test.each(['ollama/none', 'openai/'])(
    '%s is none, and the error names the id as the face does',
    async (name) => {
      const response = await fetch(`${gateway.url}/v1/models/${name}`);
      expect(response.status).toBe(name === 'openai/' ? 400 : 404);
      expect(await response.json()).toMatchObject({ error: { param: 'model' } });
      const error = await rpc()
        .getModel({ id: name })
        .catch((cause: unknown) => ConnectError.from(cause));
      const [detail] = (error as ConnectError).findDetails(ErrorDetailSchema);
      expect(detail?.field).toBe('id');
    },
  );

  test('are the same on RPC', async () => {
    const { models } = await rpc().listModels({});
    expect(models.map(({ id }) => id)).toEqual([...(await listed()).keys()]);
    expect(models.find(({ id }) => id === 'openrouter/qwen/qwen3-coder:free')).toMatchObject({
      provider: 'openrouter',
      upstreamId: 'qwen/qwen3-coder:free',
      contextWindow: 262_144,
      maxOutputTokens: 65_536,
      createdAt: 1_753_230_546,
      capabilities: [ModelCapability.CHAT, ModelCapability.STREAMING, ModelCapability.TOOLS],
      securityLevel: SecurityLevel.MEDIUM,
      price: { input: 1, output: 2 },
      discovered: true,
    });
  });

  test('are what the official SDK reads', async () => {
    const ids: string[] = [];
    for await (const { id, object, created, owned_by: owner } of openaiClient(gateway.url).models.list()) {
      expect([typeof id, object, typeof created, typeof owner]).toEqual([
        'string',
        'model',
        'number',
        'string',
      ]);
      ids.push(id);
    }
    expect(ids).toEqual([...(await listed()).keys()]);
    expect((await openaiClient(gateway.url).models.retrieve('ollama/big:70b')).id).toBe('ollama/big:70b');
  });

  test('count for health and belong to their provider', async () => {
    const health = (await (await fetch(`${gateway.url}/health`)).json()) as { models_available: number };
    expect(health.models_available).toBe((await listed()).size);
    expect([...(await listed('?provider=llamacpp')).keys()]).toEqual(['llamacpp/x.gguf']);
    const { providers } = await rpc().listProviders({});
    expect(providers.find(({ name }) => name === 'llamacpp')?.models).toEqual(['llamacpp/x.gguf']);
  });
});

test('lists are there at once while providers hang', async () => {
  const paths = [
    '/openrouter/models',
    '/ollama/api/tags',
    '/llamacpp/models',
    '/inference/v1/models',
    '/keyed/models',
  ];
  for (const one of paths) server.routes[one] = () => null;
  await start();
  await expect.poll(() => server.got.length).toBe(paths.length);
  const begun = performance.now();
  const models = await listed();
  await fetch(`${gateway.url}/v1/providers`);
  await fetch(`${gateway.url}/health`);
  // All of them are still being waited for.
  expect(performance.now() - begun).toBeLessThan(2_000);
  expect(models.has('fake/echo')).toBe(true);
  // A key says that a provider is there; without one only its answer does.
  expect(models.has('openrouter/mini')).toBe(true);
  expect(models.has('ollama/tiny')).toBe(false);
  expect((await listed('?include_unavailable=true')).has('ollama/tiny')).toBe(true);
});

test('providers that answer nonsense are not there, the others are', async () => {
  everything();
  server.routes['/ollama/api/tags'] = () => ({ models: 'none' });
  server.routes['/llamacpp/models'] = () => '<html>';
  await start();
  await expect.poll(async () => (await listed()).has('k/m')).toBe(true);
  await expect
    .poll(() => gateway.log.filter(({ message }) => message === 'provider does not answer').length)
    .toBe(2);
  const { providers } = await rpc().listProviders({});
  const reasons = new Map(providers.map(({ name, unavailableReason }) => [name, unavailableReason]));
  expect(reasons.get('ollama')).toBe(`provider ollama does not answer at ${server.origin}/ollama`);
  expect(reasons.get('llamacpp')).toContain('does not answer');
  expect([reasons.get('inference'), reasons.get('openrouter')]).toEqual(['', '']);
});

test('a reload does not lose what providers reported', async () => {
  everything();
  await start();
  await complete();
  for (const one of Object.keys(server.routes)) server.routes[one] = () => null;
  const before = [...(await listed()).keys()];
  gateway.gateway.reload(gateway.gateway.config);
  expect([...(await listed()).keys()]).toEqual(before);
});

test('OpenRouter is not asked without a key', async () => {
  everything();
  await start({ OPENROUTER_API_KEY: '' });
  await expect.poll(async () => (await listed()).has('inference/new-local')).toBe(true);
  expect(asked('/openrouter/models')).toEqual([]);
});

test('thousands of models are listed, none beyond the bound', async () => {
  everything();
  server.routes['/keyed/models'] = () => ({
    data: Array.from({ length: 12_000 }, (_, i) => ({ id: `m${String(i).padStart(5, '0')}` })),
  });
  await start();
  await expect.poll(async () => (await listed('?provider=keyed')).size, { timeout: 10_000 }).toBe(10_000);
  const ids = [...(await listed('?provider=keyed')).keys()];
  expect([ids[0], ids.at(-1)]).toEqual(['k/m00000', 'k/m09999']);
  expect((await rpc().listModels({ provider: 'keyed' })).models).toHaveLength(10_000);
});
