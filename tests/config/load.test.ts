import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { inspect } from 'node:util';
import { afterAll, describe, expect, test } from 'vitest';
import { type Config, loadConfig } from '../../src/config/load.ts';
import { ConfigError } from '../../src/config/problems.ts';

const folder = mkdtempSync(path.join(tmpdir(), 'config-'));
afterAll(() => rmSync(folder, { recursive: true }));

let number = 0;
function load(yaml: string | null, env: Record<string, string> = {}): Config {
  if (yaml === null) return loadConfig({ env, cwd: folder });
  const file = path.join(folder, `${number++}.yaml`);
  writeFileSync(file, yaml);
  return loadConfig({ env: { ...env, LLM_GATEWAY_CONFIG: file }, cwd: folder });
}

function mistakes(yaml: string | null, env: Record<string, string> = {}): readonly string[] {
  try {
    load(yaml, env);
    return [];
  } catch (error) {
    if (error instanceof ConfigError) return error.lines;
    throw error;
  }
}

describe('values', () => {
  test('defaults', () => {
    expect(load(null)).toMatchObject({
      host: '0.0.0.0',
      port: 8080,
      maxBodyBytes: 33_554_432,
      logLevel: 'INFO',
      totalTimeoutMs: 600_000,
      defaultProvider: 'inference',
      file: null,
      warnings: [],
    });
  });

  test('the environment wins over the file', () => {
    const yaml = 'server:\n  port: 1234\n  max_body_bytes: 10MB\nlog:\n  level: debug';
    expect(load(yaml)).toMatchObject({ port: 1234, maxBodyBytes: 10_000_000, logLevel: 'DEBUG' });
    expect(load(yaml, { LLM_GATEWAY_PORT: '99' }).port).toBe(99);
  });

  test('an empty variable is not set', () => {
    expect(load(null, { LLM_GATEWAY_PORT: '' }).port).toBe(8080);
  });

  test.each([
    ['2.5', 2_500],
    ['150ms', 150],
    ['10s', 10_000],
    ['5m', 300_000],
  ])('a time of %s', (text, ms) => {
    expect(load(null, { LLM_GATEWAY_UPSTREAM_IDLE_TIMEOUT_SECONDS: text }).idleTimeoutMs).toBe(ms);
  });

  test('variables are expanded in the file', () => {
    const yaml = 'service:\n  name: ${NAME}-${ROLE:-main}';
    expect(load(yaml, { NAME: 'gw' }).serviceName).toBe('gw-main');
    expect(mistakes(yaml)).toEqual([expect.stringMatching(/\$\{NAME\} is used but NAME is not set$/)]);
  });
});

describe('mistakes, one line each', () => {
  test.each<[string, string | null, Record<string, string>, RegExp]>([
    [
      'a wrong number',
      null,
      { LLM_GATEWAY_PORT: '70000' },
      /^LLM_GATEWAY_PORT: is "70000", has to be a whole number from 0 to 65535$/,
    ],
    [
      'a wrong word',
      null,
      { LLM_GATEWAY_ENVIRONMENT: 'test' },
      /^LLM_GATEWAY_ENVIRONMENT: is "test", has to be one of development, staging, production$/,
    ],
    [
      'a wrong size',
      null,
      { LLM_GATEWAY_MAX_BODY_BYTES: '5 elephants' },
      /^LLM_GATEWAY_MAX_BODY_BYTES: is "5 elephants", has to be a size/,
    ],
    [
      'a wrong time',
      'upstream:\n  idle_timeout: soon',
      {},
      /^upstream\.idle_timeout: is "soon", has to be a time/,
    ],
    [
      'an unknown setting',
      'server:\n  prot: 1',
      {},
      /server\.prot is not a setting; did you mean server\.port\?$/,
    ],
    ['half of TLS', null, { LLM_GATEWAY_TLS_CERT: 'x.pem' }, /only one is set/],
    [
      'a missing file',
      null,
      { LLM_GATEWAY_CONFIG: 'none.yaml' },
      /^LLM_GATEWAY_CONFIG: "none.yaml" does not exist$/,
    ],
    [
      'a missing catalogue',
      null,
      { LLM_GATEWAY_MODELS: 'none.yaml' },
      /^LLM_GATEWAY_MODELS: "none.yaml" does not exist$/,
    ],
    ['a file that is not YAML', 'a: [', {}, /\.yaml: /],
    ['a file that is a list', '- a', {}, /has to be a map of settings$/],
    [
      'a wrong address',
      null,
      { LLM_GATEWAY_OPENAI_BASE_URL: 'ftp://x' },
      /^LLM_GATEWAY_OPENAI_BASE_URL: is "ftp:\/\/x", has to be an http/,
    ],
    [
      'a provider without address',
      'providers:\n  mine: {}',
      {},
      /^providers\.mine\.base_url: is missing; set it, or LLM_GATEWAY_MINE_BASE_URL$/,
    ],
    [
      'an unknown setting of a provider',
      'providers:\n  openai: { bse_url: x }',
      {},
      /^providers\.openai\.bse_url: is not a setting; did you mean base_url\?$/,
    ],
    [
      'a provider with a bad name',
      'providers:\n  "My One": { base_url: "http://x" }',
      {},
      /^providers\.My One: a provider's name has to be/,
    ],
    [
      'a prefix that is taken',
      'providers:\n  mine: { base_url: "http://x", prefixes: [openai/] }',
      {},
      /"openai\/" belongs to provider openai already$/,
    ],
    [
      'a wrong dialect',
      'providers:\n  openai: { dialect: { max_tokens: many } }',
      {},
      /^providers\.openai\.dialect\.max_tokens: is "many", has to be one of/,
    ],
    [
      'a wrong header',
      'providers:\n  openai: { headers: { a: 1 } }',
      {},
      /^providers\.openai\.headers: is .*, has to be a map from header names to texts$/,
    ],
    [
      'a wrong provider time',
      'providers:\n  openai: { timeouts: { idle: -1 } }',
      {},
      /^providers\.openai\.timeouts\.idle: is -1, has to be a time/,
    ],
    [
      'a wrong module level',
      'log:\n  modules: { rest: LOUD }',
      {},
      /^log\.modules\.rest: is "LOUD", has to be one of/,
    ],
  ])('%s', (_what, yaml, env, line) => {
    expect(mistakes(yaml, env)).toEqual([expect.stringMatching(line)]);
  });

  test('all at once', () => {
    expect(
      mistakes('server: { prot: 1 }', { LLM_GATEWAY_PORT: 'x', LLM_GATEWAY_LOG_LEVEL: 'y' }),
    ).toHaveLength(3);
  });

  test('a misspelt variable is a warning', () => {
    expect(load(null, { LLM_GATEWAY_PROT: '1' }).warnings).toEqual([
      'LLM_GATEWAY_PROT is set but is not a setting; did you mean LLM_GATEWAY_PORT?',
    ]);
  });
});

describe('providers', () => {
  const provider = (config: Config, name: string) => config.providers.find((one) => one.name === name);

  test('prefixed keys win; addresses move', () => {
    const config = load(null, {
      OPENAI_API_KEY: 'plain',
      LLM_GATEWAY_OPENAI_API_KEY: 'prefixed',
      GROK_API_KEY: 'grok',
      INFERENCE_SERVICE_URL: 'http://inference:1/',
    });
    expect(provider(config, 'openai')?.apiKey?.reveal()).toBe('prefixed');
    expect(provider(config, 'xai')?.apiKey?.reveal()).toBe('grok');
    expect(provider(config, 'inference')?.baseUrl).toBe('http://inference:1/v1');
  });

  test('another one by a few lines', () => {
    const yaml =
      'providers:\n  groq:\n    base_url: https://api.groq.com/openai/v1\n    api_key_env: GROQ_API_KEY';
    expect(provider(load(yaml, { GROQ_API_KEY: 'gsk_1' }), 'groq')).toMatchObject({
      form: 'openai',
      baseUrl: 'https://api.groq.com/openai/v1',
      prefixes: ['groq/'],
    });
  });

  test('a provider can be left out', () => {
    expect(provider(load('providers: { xai: { enabled: false } }'), 'xai')).toBeUndefined();
  });

  test('keys never show', () => {
    const config = load('providers: { openai: { api_key: sk-in-the-file } }', {
      XAI_API_KEY: 'xai-in-the-env',
    });
    for (const text of [
      JSON.stringify(config),
      inspect(config, { depth: 9 }),
      String(provider(config, 'xai')?.apiKey),
    ]) {
      expect(text).not.toMatch(/in-the-(?:file|env)/);
    }
    expect(mistakes('providers: { openai: { api_key: [sk-secret] } }').join()).not.toContain('sk-secret');
  });
});
