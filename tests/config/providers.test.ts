// biome-ignore-all lint/suspicious/noTemplateCurlyInString: this is how the file names variables
import { describe, expect, test } from 'vitest';
import { openaiDialect } from '../../src/codec/openai-chat/dialect.ts';
import { builtinProviders } from '../../src/config/builtin-providers.ts';
import { camelCase, dialectFields } from '../../src/config/provider-fields.ts';
import { foreignPrefixes, namePatterns } from '../../src/config/provider-names.ts';
import { requestParameters } from '../../src/config/request-parameters.ts';
import { embeddingsParameters, parameters } from '../../src/pipeline/params.ts';
import { load, provider } from './support/load.ts';

describe('built-in providers', () => {
  test.each([
    ['openai', 'https://api.openai.com/v1', 'openai/'],
    ['deepseek', 'https://api.deepseek.com', 'deepseek/ deepseek-api/'],
    ['openrouter', 'https://openrouter.ai/api/v1', 'openrouter/'],
    ['xai', 'https://api.x.ai/v1', 'xai/ grok/'],
    ['llamacpp', 'http://localhost:8087/v1', 'llamacpp/ llamacpp: gguf/'],
    ['inference', 'http://localhost:8085/v1', 'inference/ local/'],
    ['fake', '', 'fake/'],
  ])('%s', (name, baseUrl, prefixes) => {
    expect(provider(load(null), name)).toMatchObject({
      baseUrl,
      prefixes: prefixes.split(' '),
      apiKey: null,
    });
  });

  test('none has the port that is our own', () => {
    for (const { baseUrl } of Object.values(builtinProviders)) expect(baseUrl).not.toContain(':8080');
  });

  test.each([
    ['openai', 'http://x/v1', 'http://x/v1'],
    ['openrouter', 'http://x/v1', 'http://x/v1'],
    ['xai', 'http://x/v1', 'http://x/v1'],
    ['llamacpp', 'http://x/v1', 'http://x/v1'],
    ['deepseek', 'http://x', 'http://x'],
    ['inference', 'http://x', 'http://x/v1'],
    // Said too much, but meant the same.
    ['inference', 'http://x/v1/', 'http://x/v1'],
  ])('the address of %s is moved in the meaning of its SDK', (name, given, baseUrl) => {
    const env = { [`LLM_GATEWAY_${name.toUpperCase()}_BASE_URL`]: given };
    expect(provider(load(null, env), name)?.baseUrl).toBe(baseUrl);
    expect(provider(load(`providers: { ${name}: { base_url: ${given} } }`), name)?.baseUrl).toBe(baseUrl);
  });

  test('the address of inference: prefixed, older, file', () => {
    const yaml = 'providers: { inference: { base_url: "http://file" } }';
    const older = { INFERENCE_SERVICE_URL: 'http://older' };
    expect(provider(load(yaml), 'inference')?.baseUrl).toBe('http://file/v1');
    expect(provider(load(yaml, older), 'inference')?.baseUrl).toBe('http://older/v1');
    const both = { ...older, LLM_GATEWAY_INFERENCE_BASE_URL: 'http://new' };
    expect(provider(load(yaml, both), 'inference')?.baseUrl).toBe('http://new/v1');
  });
});

test('the address of ollama: prefixed, older, oldest, file', () => {
  const yaml = 'providers: { ollama: { base_url: "http://file" } }';
  const url = (env: Record<string, string>) => provider(load(yaml, env), 'ollama')?.baseUrl;
  const oldest = { OLLAMA_URL: 'http://oldest' };
  const older = { ...oldest, LLM_GATEWAY_OLLAMA_URL: 'http://older' };
  expect(provider(load(null), 'ollama')?.baseUrl).toBe('http://localhost:11434');
  expect(url({})).toBe('http://file');
  expect(url(oldest)).toBe('http://oldest');
  expect(url(older)).toBe('http://older');
  expect(url({ ...older, LLM_GATEWAY_OLLAMA_BASE_URL: 'http://new/' })).toBe('http://new');
});

describe('keys', () => {
  test.each([
    ['openai', ['LLM_GATEWAY_OPENAI_API_KEY', 'OPENAI_API_KEY']],
    ['deepseek', ['LLM_GATEWAY_DEEPSEEK_API_KEY', 'DEEPSEEK_API_KEY']],
    ['openrouter', ['LLM_GATEWAY_OPENROUTER_API_KEY', 'OPENROUTER_API_KEY']],
    ['xai', ['LLM_GATEWAY_XAI_API_KEY', 'LLM_GATEWAY_GROK_API_KEY', 'XAI_API_KEY', 'GROK_API_KEY']],
    ['inference', ['LLM_GATEWAY_INFERENCE_API_KEY']],
    ['llamacpp', ['LLM_GATEWAY_LLAMACPP_API_KEY']],
    ['ollama', ['LLM_GATEWAY_OLLAMA_API_KEY', 'OLLAMA_API_KEY']],
  ])('of %s: prefixed before plain, each by itself, all before the file', (name, variables) => {
    const yaml = `providers: { ${name}: { api_key: from-the-file } }`;
    const key = (env: Record<string, string>) => provider(load(yaml, env), name)?.apiKey?.reveal();
    expect(key({})).toBe('from-the-file');
    for (const variable of variables) expect(key({ [variable]: ' the-key\n' })).toBe('the-key');
    for (let at = 0; at < variables.length; at++) {
      const later = variables.slice(at).map((variable) => [variable, `key-of-${variable}`]);
      expect(key(Object.fromEntries(later))).toBe(`key-of-${variables[at]}`);
    }
  });

  test('the usual variable is named last; none for who needs no key', () => {
    const config = load(null);
    expect(provider(config, 'openai')?.keyNames.at(-1)).toBe('OPENAI_API_KEY');
    expect(provider(config, 'xai')?.keyNames.at(-1)).toBe('XAI_API_KEY');
    for (const name of ['inference', 'llamacpp', 'ollama', 'fake'])
      expect(provider(config, name)?.keyNames).toEqual([]);
  });
});

describe('the file', () => {
  test('adds a provider by a few lines', () => {
    const yaml = `
providers:
  groq:
    base_url: https://api.groq.com/openai/v1/
    api_key_env: GROQ_API_KEY
    prefixes: [Groq/, "groq:"]
    headers: { X-Title: gateway }
    timeouts: { connect: 1, first_byte: 2s, idle: 300ms }
    security_level: low
    discovery: yes
    unsupported: [logprobs]
    dialect: { max_tokens: max_tokens, stream_usage: "false" }`;
    expect(provider(load(yaml, { GROQ_API_KEY: 'gsk_12345' }), 'groq')).toMatchObject({
      form: 'openai',
      baseUrl: 'https://api.groq.com/openai/v1',
      keyNames: ['LLM_GATEWAY_GROQ_API_KEY', 'GROQ_API_KEY'],
      prefixes: ['groq/', 'groq:'],
      headers: { 'x-title': 'gateway' },
      timeouts: { connectMs: 1_000, firstByteMs: 2_000, idleMs: 300 },
      securityLevel: 'low',
      discovery: true,
      unsupported: ['logprobs'],
      dialect: { maxTokens: 'max_tokens', streamUsage: false },
    });
  });

  test('a new provider has its name as prefix', () => {
    const config = load('providers: { mine: { base_url: "http://x/v1" } }');
    expect(provider(config, 'mine')).toMatchObject({
      prefixes: ['mine/'],
      securityLevel: 'medium',
      discovery: false,
    });
  });

  test('changes a built-in provider, and keeps what it does not say', () => {
    const config = load(
      'providers: { deepseek: { dialect: { stream_usage: false }, security_level: high } }',
    );
    expect(provider(config, 'deepseek')).toMatchObject({
      baseUrl: 'https://api.deepseek.com',
      securityLevel: 'high',
      dialect: { historyReasoning: 'required', streamUsage: false },
    });
  });

  test('switches one off', () => {
    expect(provider(load('providers: { xai: { enabled: false } }'), 'xai')).toBeUndefined();
  });

  test('may name a provider that this version does not have', () => {
    const yaml = 'providers: { anthropic: { base_url: "http://proxy/v1", prefixes: [anthropic/] } }';
    expect(provider(load(yaml), 'anthropic')?.prefixes).toEqual(['anthropic/']);
  });

  test('organization and project, also by the variables of the SDK', () => {
    const yaml = 'providers: { openai: { organization: org-1, project: proj-1 } }';
    expect(provider(load(yaml), 'openai')?.headers).toEqual({
      'openai-organization': 'org-1',
      'openai-project': 'proj-1',
    });
    const env = { OPENAI_ORG_ID: 'org-2', OPENAI_PROJECT_ID: 'no', LLM_GATEWAY_OPENAI_PROJECT_ID: 'proj-2' };
    expect(provider(load(yaml, env), 'openai')?.headers).toEqual({
      'openai-organization': 'org-2',
      'openai-project': 'proj-2',
    });
    expect(provider(load(null, env), 'openrouter')?.headers).toEqual({});
  });
});

test('how vectors are asked for', () => {
  const embeddings = (yaml: string | null, name: string) => provider(load(yaml), name)?.embeddings;
  for (const name of ['openai', 'openrouter', 'llamacpp']) expect(embeddings(null, name)).toBe('base64');
  for (const name of ['deepseek', 'xai']) expect(embeddings(null, name)).toBe('none');
  expect(embeddings('providers: { mine: { base_url: http://x } }', 'mine')).toBe('float');
  expect(embeddings('providers: { mine: { base_url: http://x, embeddings: none } }', 'mine')).toBe('none');
  expect(embeddings('providers: { openai: { embeddings: float } }', 'openai')).toBe('float');
});

describe('tables that have to agree', () => {
  test('dialects', () => {
    expect(Object.keys(dialectFields).map(camelCase).sort()).toEqual(Object.keys(openaiDialect).sort());
    for (const { dialect = {}, unsupported = [] } of Object.values(builtinProviders)) {
      for (const name of Object.keys(dialect)) expect(Object.keys(openaiDialect)).toContain(name);
      for (const name of unsupported) expect(requestParameters).toContain(name);
    }
  });

  test('request parameters', () => {
    expect([...requestParameters].sort()).toEqual(
      [...new Set([...Object.keys(parameters), ...Object.keys(embeddingsParameters)])].sort(),
    );
  });

  test('prefixes and patterns', () => {
    for (const prefix of Object.keys(foreignPrefixes)) expect(prefix).toMatch(/^[a-z-]+[/:]$/);
    for (const [beginning] of namePatterns) expect(beginning).toBe(beginning.toLowerCase());
  });
});
