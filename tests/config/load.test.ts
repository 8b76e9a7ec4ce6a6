// biome-ignore-all lint/suspicious/noTemplateCurlyInString: this is how the file names variables
import path from 'node:path';
import { describe, expect, test } from 'vitest';
import { loadConfig } from '../../src/config/load.ts';
import { settings } from '../../src/config/settings.ts';
import { folder, load, mistakes, provider } from './support/load.ts';

describe('where values come from', () => {
  test('defaults', () => {
    expect(load(null)).toMatchObject({
      host: '0.0.0.0',
      port: 8080,
      tlsCert: '',
      tlsKey: '',
      corsOrigins: ['*'],
      maxBodyBytes: 33_554_432,
      maxConnections: 0,
      headersTimeoutMs: 30_000,
      requestTimeoutMs: 300_000,
      keepAliveTimeoutMs: 75_000,
      sseKeepAliveMs: 15_000,
      drainTimeoutMs: 30_000,
      environment: 'development',
      serviceName: 'llm-gateway',
      version: expect.stringMatching(/^\d+\.\d+\.\d+/),
      logLevel: 'INFO',
      logModules: {},
      defaultProvider: 'inference',
      modelsFile: expect.stringMatching(/config\/models\.yaml$/),
      connectTimeoutMs: 10_000,
      firstByteTimeoutMs: 120_000,
      idleTimeoutMs: 120_000,
      totalTimeoutMs: 600_000,
      discoveryIntervalMs: 60_000,
      models: undefined,
      file: null,
      warnings: [],
    });
  });

  test('the environment wins over the file', () => {
    const yaml =
      'server:\n  port: 1234\n  max_body_bytes: 10MB\nlog:\n  level: debug\n  modules: { calls: warn }';
    expect(load(yaml)).toMatchObject({
      port: 1234,
      maxBodyBytes: 10_000_000,
      logLevel: 'DEBUG',
      logModules: { calls: 'WARN' },
      file: `${folder}/config/gateway.yaml`,
    });
    expect(load(yaml, { LLM_GATEWAY_PORT: '99' }).port).toBe(99);
  });

  test('a wrong value of the file does not matter where the environment wins', () => {
    expect(load('server: { port: x }', { LLM_GATEWAY_PORT: '99' }).port).toBe(99);
  });

  test('the first of several variables wins', () => {
    const env = { LLM_GATEWAY_ENVIRONMENT: 'staging', LLM_GATEWAY_ENV: 'production' };
    expect(load(null, env).environment).toBe('staging');
    expect(load(null, { LLM_GATEWAY_ENV: 'production' }).environment).toBe('production');
  });

  test('an empty variable or value is not set', () => {
    expect(load(null, { LLM_GATEWAY_PORT: '' }).port).toBe(8080);
    expect(load('server: { port: "", host: }').port).toBe(8080);
    expect(load('server:\nlog:\nproviders:\nmodels:\n').port).toBe(8080);
    expect(load('').port).toBe(8080);
  });

  test('the case of our variables does not matter', () => {
    expect(load(null, { llm_gateway_port: '99' }).port).toBe(99);
    expect(load(null, { llm_gateway_port: '99', LLM_GATEWAY_PORT: '98' }).port).toBe(98);
  });

  test('another file', () => {
    const env = { LLM_GATEWAY_CONFIG: 'other.yaml' };
    expect(load('server: { port: 1 }', env, { 'other.yaml': 'server: { port: 2 }' }).port).toBe(2);
  });

  test('the version', () => {
    expect(load(null, { LLM_GATEWAY_VERSION: '7.0' }).version).toBe('7.0');
  });

  test('origins: all in development, none elsewhere, or those that are given', () => {
    expect(load('environment: production').corsOrigins).toEqual([]);
    const env = { LLM_GATEWAY_CORS_ORIGINS: 'https://a.example,https://b.example' };
    expect(load(null, env).corsOrigins).toEqual(['https://a.example', 'https://b.example']);
  });

  test.each(Object.values(settings).flatMap(({ env, path }) => env.map((name) => [name, path] as const)))(
    '%s and %s are read',
    (name, place) => {
      const [line] = mistakes(null, { [name]: '\u0000' });
      expect(line).toMatch(new RegExp(`^(?:${name}|LLM_GATEWAY_DEFAULT_PROVIDER or .*): is "`));
      const nested = place.split('.').reduceRight<unknown>((value, key) => ({ [key]: value }), '\u0000');
      expect(mistakes(JSON.stringify(nested))[0]).toMatch(new RegExp(`^${place}: is "`));
    },
  );
});

describe('variables in the file', () => {
  test('are expanded', () => {
    const yaml = 'service:\n  name: ${NAME}-${ROLE:-main}-${EMPTY:-}-$${NAME}-$NAME';
    expect(load(yaml, { NAME: 'gw' }).serviceName).toBe('gw-main--${NAME}-$NAME');
  });

  test('become numbers and lists as the environment does', () => {
    const yaml = 'server:\n  port: ${P}\n  cors: { origins: ["${O}"] }';
    expect(load(yaml, { P: '7', O: 'https://a.example' })).toMatchObject({
      port: 7,
      corsOrigins: ['https://a.example'],
    });
  });

  test('are not expanded again', () => {
    expect(load('service: { name: "${A}" }', { A: '${B}', B: 'x' }).serviceName).toBe('${B}');
  });

  test('without a value are a mistake', () => {
    expect(mistakes('service: { name: "${A}/${B}/${A}" }')).toEqual([
      expect.stringMatching(/: \$\{A\} is used but A is not set; set it or write \$\{A:-\}$/),
      expect.stringMatching(/: \$\{B\} is used but B is not set/),
    ]);
  });

  test('without a value, as a key, mean that there is none', () => {
    const config = load('providers: { mine: { base_url: "http://x", api_key: "${MINE_KEY}" } }');
    expect(provider(config, 'mine')).toMatchObject({
      apiKey: null,
      keyNames: ['LLM_GATEWAY_MINE_API_KEY', 'LLM_GATEWAY_MINE_KEY', 'MINE_KEY'],
    });
    const set = load('providers: { mine: { base_url: "http://x", api_key: "${MINE_KEY}" } }', {
      MINE_KEY: 'k-12345',
    });
    expect(provider(set, 'mine')?.apiKey?.reveal()).toBe('k-12345');
  });
});

describe('warnings', () => {
  test('a misspelt variable', () => {
    expect(load(null, { LLM_GATEWAY_PROT: '1', OTHER: '2' }).warnings).toEqual([
      'LLM_GATEWAY_PROT is set but is not a setting; did you mean LLM_GATEWAY_PORT?',
    ]);
    expect(load(null, { LLM_GATEWAY_OPNAI_API_KEY: 'k' }).warnings).toEqual([
      'LLM_GATEWAY_OPNAI_API_KEY is set but is not a setting; did you mean LLM_GATEWAY_OPENAI_API_KEY?',
    ]);
  });

  test('none for variables of a provider in the file', () => {
    const yaml = 'providers: { my-own: { base_url: "http://x" } }';
    const env = { LLM_GATEWAY_MY_OWN_API_KEY: 'k-12345', LLM_GATEWAY_MY_OWN_BASE_URL: 'http://y' };
    const config = load(yaml, env);
    expect(config.warnings).toEqual([]);
    expect(provider(config, 'my-own')).toMatchObject({ baseUrl: 'http://y', keyNames: [] });
  });

  test('never the value', () => {
    expect(load(null, { LLM_GATEWAY_SECRET_THING: 'planted-value' }).warnings.join()).not.toContain(
      'planted',
    );
  });
});

test('nothing can be changed afterwards', () => {
  const config = load('models: [{ id: a }]');
  for (const part of [config, config.providers, config.providers[0], config.corsOrigins, config.models]) {
    expect(Object.isFrozen(part)).toBe(true);
  }
});

test('the example', () => {
  const cwd = path.resolve(import.meta.dirname, '../../config');
  const config = loadConfig({ env: { LLM_GATEWAY_CONFIG: 'gateway.example.yaml' }, cwd });
  expect(config.file).toMatch(/config\/gateway\.example\.yaml$/);
  expect(provider(config, 'groq')).toMatchObject({ baseUrl: 'https://api.groq.com/openai/v1' });
});
