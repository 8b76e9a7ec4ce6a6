import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createUpstreamClient } from '../../src/http/client.ts';
import type { Service } from '../../src/integrations/service.ts';
import { createServices, type Services } from '../../src/integrations/services.ts';
import { createLogger } from '../../src/observability/log.ts';
import { load, mistakes } from '../config/support/load.ts';
import {
  type PlatformService,
  startAiAgents,
  startCms,
  startCodeOrchestrator,
  startInference,
  startSemanticSearch,
} from '../support/services.ts';

const client = createUpstreamClient();
const log = createLogger({ service: 'test', level: 'DEBUG', sink: () => {} });
const running: PlatformService[] = [];
let urls: Record<keyof Services, string>;
beforeAll(async () => {
  running.push(
    await startSemanticSearch(),
    await startAiAgents(),
    await startCodeOrchestrator(),
    await startInference(),
    await startCms(),
  );
  const [semanticSearch, aiAgents, codeOrchestrator, inference, cms] = running.map(({ origin }) => origin);
  urls = { semanticSearch, aiAgents, codeOrchestrator, inference, cms } as typeof urls;
});
afterAll(async () => {
  await client.destroy();
  for (const one of running) one.close();
});

const services = (env: Record<string, string>, yaml: string | null = null): Services =>
  createServices(load(yaml, env), client, log);

const health = (service: Service | null) =>
  service?.call({
    method: 'GET',
    path: '/health',
    requestId: 'req_1',
    signal: new AbortController().signal,
  });

describe('the services of the platform', () => {
  const prefixed = () => ({
    LLM_GATEWAY_SEMANTIC_SEARCH_URL: urls.semanticSearch,
    LLM_GATEWAY_AI_AGENTS_URL: urls.aiAgents,
    LLM_GATEWAY_CODE_ORCHESTRATOR_URL: urls.codeOrchestrator,
    LLM_GATEWAY_INFERENCE_SERVICE_URL: urls.inference,
    LLM_GATEWAY_CMS_URL: urls.cms,
  });

  test('are asked at their addresses, under the name of the gateway', async () => {
    const all = services({ ...prefixed(), LLM_GATEWAY_VERSION: '7.1 büro' });
    for (const service of Object.values(all)) expect((await health(service))?.status).toBe(200);
    for (const { asked } of running) {
      expect(asked.splice(0).map(({ path, headers }) => [path, headers['user-agent']])).toEqual([
        ['/health', 'llm-gateway/7.1-b-ro'],
      ]);
    }
  });

  test('have plain names for their variables, where they had them before', async () => {
    const plain = {
      CODE_ORCHESTRATOR_URL: urls.codeOrchestrator,
      INFERENCE_SERVICE_URL: urls.inference,
      CMS_URL: urls.cms,
    };
    const { codeOrchestrator, inference, cms } = services(plain);
    for (const service of [codeOrchestrator, inference, cms]) {
      expect((await health(service))?.status).toBe(200);
    }
  });

  test('the prefixed variable comes first', async () => {
    const nowhere = 'http://127.0.0.1:9';
    const env = {
      ...prefixed(),
      CODE_ORCHESTRATOR_URL: nowhere,
      INFERENCE_SERVICE_URL: nowhere,
      CMS_URL: nowhere,
    };
    for (const service of Object.values(services(env))) expect((await health(service))?.status).toBe(200);
  });

  test('the inference service is asked below the address of its provider, without /v1', async () => {
    const { inference } = services({ LLM_GATEWAY_INFERENCE_BASE_URL: `${urls.inference}/v1` });
    expect((await health(inference))?.text).toContain('inference-service');
    expect(
      services({}, 'providers: { inference: { enabled: false } }\ndefault_provider: fake').inference,
    ).toBeNull();
  });

  test('there is no context management without an address', () => {
    expect(services({}).cms).toBeNull();
  });

  test('defaults', () => {
    const config = load(null);
    expect(config).toMatchObject({
      semanticSearchUrl: 'http://localhost:8081',
      semanticSearchTimeoutMs: 30_000,
      searchTaxonomyEnabled: false,
      aiAgentsUrl: 'http://localhost:8082',
      codeOrchestratorUrl: 'http://localhost:8083',
      codeOrchestratorTimeoutMs: 30_000,
      cmsUrl: '',
      cmsTimeoutMs: 5_000,
      serviceMaxAnswerBytes: 16 * 2 ** 20,
      breakerFailures: 5,
      breakerRecoveryMs: 30_000,
    });
    expect(config.providers.find(({ name }) => name === 'inference')?.baseUrl).toBe(
      'http://localhost:8085/v1',
    );
  });

  test('time limits', () => {
    const env = {
      LLM_GATEWAY_SEMANTIC_SEARCH_TIMEOUT_SECONDS: '7',
      LLM_GATEWAY_CODE_ORCHESTRATOR_TIMEOUT_SECONDS: '8.5',
      LLM_GATEWAY_CMS_TIMEOUT_SECONDS: '0.5',
      CMS_URL: urls.cms,
    };
    const { semanticSearch, aiAgents, codeOrchestrator, cms } = services(env);
    expect([semanticSearch, aiAgents, codeOrchestrator, cms].map((service) => service?.timeoutMs)).toEqual([
      7_000, 7_000, 8_500, 500,
    ]);
  });

  test.each([
    ['LLM_GATEWAY_SEMANTIC_SEARCH_URL', 'ftp://x'],
    ['LLM_GATEWAY_SEMANTIC_SEARCH_TIMEOUT_SECONDS', '0.9'],
    ['LLM_GATEWAY_CODE_ORCHESTRATOR_TIMEOUT_SECONDS', '301'],
    ['LLM_GATEWAY_CMS_TIMEOUT_SECONDS', '0.4'],
    ['LLM_GATEWAY_CMS_TIMEOUT_SECONDS', '31'],
    ['LLM_GATEWAY_CIRCUIT_BREAKER_FAILURE_THRESHOLD', '0'],
    ['LLM_GATEWAY_CIRCUIT_BREAKER_FAILURE_THRESHOLD', '101'],
    ['LLM_GATEWAY_CIRCUIT_BREAKER_RECOVERY_TIMEOUT_SECONDS', '0.5'],
    ['LLM_GATEWAY_CIRCUIT_BREAKER_RECOVERY_TIMEOUT_SECONDS', '601'],
    ['LLM_GATEWAY_SEARCH_TAXONOMY_ENABLED', 'maybe'],
    ['CMS_URL', 'nowhere'],
  ])('%s cannot be %s', (name, value) => {
    expect(mistakes(null, { [name]: value })).toEqual([expect.stringContaining(`${name}: is "${value}"`)]);
  });

  test('the breaker follows its settings', async () => {
    const { codeOrchestrator } = services({
      CODE_ORCHESTRATOR_URL: 'http://127.0.0.1:9',
      LLM_GATEWAY_CIRCUIT_BREAKER_FAILURE_THRESHOLD: '3',
    });
    const kinds: unknown[] = [];
    for (let n = 0; n < 4; n++) await health(codeOrchestrator)?.catch(({ kind }) => kinds.push(kind));
    expect(kinds).toEqual(['unavailable', 'unavailable', 'unavailable', 'circuit_open']);
  });
});
