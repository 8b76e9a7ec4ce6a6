// biome-ignore-all lint/suspicious/noTemplateCurlyInString: this is how the file names variables
import { describe, expect, test } from 'vitest';
import { didYouMean } from '../../src/config/problems.ts';
import { load, mistakes } from './support/load.ts';

type Case = [what: string, yaml: string | null, env: Record<string, string>, line: RegExp];

describe('each mistake is one line that names the thing', () => {
  test.each<Case>([
    [
      'a wrong number',
      null,
      { LLM_GATEWAY_PORT: '70000' },
      /^LLM_GATEWAY_PORT: is "70000", has to be a whole number from 0 to 65535$/,
    ],
    [
      'a wrong number in the file',
      'server: { port: -1 }',
      {},
      /^server\.port: is -1, has to be a whole number from 0 to 65535$/,
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
      /^LLM_GATEWAY_MAX_BODY_BYTES: is "5 elephants", has to be a size from 1KiB to 1GiB/,
    ],
    [
      'too small a size',
      'server: { max_body_bytes: 1 }',
      {},
      /^server\.max_body_bytes: is 1, has to be a size from 1KiB/,
    ],
    [
      'a wrong time',
      'upstream: { idle_timeout: soon }',
      {},
      /^upstream\.idle_timeout: is "soon", has to be a time from 1ms to 1h, /,
    ],
    [
      'too long a time',
      'upstream: { idle_timeout: 2h }',
      {},
      /^upstream\.idle_timeout: is "2h", has to be a time from 1ms to 1h, /,
    ],
    [
      'a wrong level',
      null,
      { LLM_GATEWAY_LOG_LEVEL: 'loud' },
      /^LLM_GATEWAY_LOG_LEVEL: is "loud", has to be one of DEBUG, INFO, WARN, ERROR$/,
    ],
    [
      'a wrong origin',
      null,
      { LLM_GATEWAY_CORS_ORIGINS: 'example.com' },
      /^LLM_GATEWAY_CORS_ORIGINS: is "example\.com", has to be \*, or web origins/,
    ],
    [
      'a wrong host',
      'server: { host: "a b" }',
      {},
      /^server\.host: is "a b", has to be an IP address or a host name$/,
    ],
    [
      'a map for a value',
      'server: { port: { a: 1 } }',
      {},
      /^server\.port: is \{"a":1\}, has to be a whole number/,
    ],
    ['a value for a section', 'server: 5', {}, /^server: is 5, has to be a map of settings$/],
    ['a list for a section', 'log: [a]', {}, /^log: is \["a"\], has to be a map of settings$/],
    [
      'an unknown setting',
      'server: { prot: 1 }',
      {},
      /^server\.prot: is not a setting; did you mean server\.port\?$/,
    ],
    ['an unknown section', 'sevrer: { port: 1 }', {}, /^sevrer: is not a setting; did you mean server\?$/],
    ['a path as a key', '"server.port": 1', {}, /^server\.port: is not a setting/],
    ['a name that every object has', 'constructor: 1', {}, /^constructor: is not a setting$/],
    [
      'a wrong module level',
      'log: { modules: { rest: LOUD } }',
      {},
      /^log\.modules\.rest: is "LOUD", has to be one of DEBUG/,
    ],
    [
      'modules that are no map',
      'log: { modules: DEBUG }',
      {},
      /^log\.modules: is "DEBUG", has to be a map from modules to levels$/,
    ],
    [
      'a key without certificate',
      null,
      { LLM_GATEWAY_TLS_KEY: 'key.pem' },
      /^LLM_GATEWAY_TLS_CERT: is missing, has to be set since LLM_GATEWAY_TLS_KEY is$/,
    ],
    [
      'a certificate without key',
      'server: { tls: { cert: key.pem } }',
      {},
      /^LLM_GATEWAY_TLS_KEY: is missing, has to be set since LLM_GATEWAY_TLS_CERT is$/,
    ],
    [
      'a file that is not there',
      null,
      { LLM_GATEWAY_CONFIG: 'none.yaml' },
      /^LLM_GATEWAY_CONFIG: is "none\.yaml", has to be a file that exists$/,
    ],
    [
      'a file that cannot be read',
      null,
      { LLM_GATEWAY_CONFIG: 'folder' },
      /^LLM_GATEWAY_CONFIG: is "folder", has to be a file that can be read \(EISDIR\)$/,
    ],
    [
      'a catalogue that is not there',
      null,
      { LLM_GATEWAY_MODELS: 'none.yaml' },
      /^LLM_GATEWAY_MODELS: is "none\.yaml", has to be a file that exists$/,
    ],
    [
      'a default provider that is not there',
      null,
      { LLM_GATEWAY_DEFAULT_PROVIDER: 'opnai' },
      /^LLM_GATEWAY_DEFAULT_PROVIDER or default_provider: is "opnai", has to be one of openai, /,
    ],
    [
      'a default provider that is switched off',
      'default_provider: xai\nproviders: { xai: { enabled: false } }',
      {},
      /has to be one of (?!.*xai)/,
    ],
    ['text that is not YAML', 'a: [', {}, /gateway\.yaml: .* at line 1, column \d+$/],
    [
      'a key that is there twice',
      'server: {}\nserver: {}',
      {},
      /gateway\.yaml: Map keys must be unique at line 2, column 1$/,
    ],
    ['an unknown tag', 'server: !thing {}', {}, /gateway\.yaml: Unresolved tag: !thing at line 1/],
    [
      'a bomb of aliases',
      `a: &a [x]\nb: &b [${'*a,'.repeat(9)}]\nc: &c [${'*b,'.repeat(9)}]\nd: [${'*c,'.repeat(9)}]`,
      {},
      /gateway\.yaml: Excessive alias count/,
    ],
    ['a list of settings', '- a', {}, /gateway\.yaml: has to be a map of settings$/],
  ])('%s', (_what, yaml, env, line) => {
    const EISDIR = Object.assign(new Error('x'), { code: 'EISDIR' });
    expect(mistakes(yaml, env, { 'key.pem': '', folder: EISDIR })).toEqual([expect.stringMatching(line)]);
  });
});

test('all mistakes at once, also those of several files and variables', () => {
  const yaml =
    'server: { prot: 1, port: x }\nlog: { level: "${LEVEL}" }\nproviders: { a: {}, openai: { x: 1, discovery: 7 } }';
  const lines = mistakes(yaml, { LLM_GATEWAY_MODELS: 'none', LLM_GATEWAY_HOST: ' ' });
  expect(lines.map((line) => line.replace(/^.*gateway\.yaml: /, '').split(/:? /)[0])).toEqual([
    '${LEVEL}',
    'server.prot',
    'LLM_GATEWAY_HOST',
    'server.port',
    'providers.openai.x',
    'providers.openai.discovery',
    'providers.a.base_url',
    'LLM_GATEWAY_MODELS',
  ]);
});

test('a missing file does not hide the other mistakes', () => {
  expect(mistakes(null, { LLM_GATEWAY_CONFIG: 'none', LLM_GATEWAY_PORT: 'x' })).toHaveLength(2);
});

test('a long value is cut, and stays on one line', () => {
  const [line] = mistakes(null, { LLM_GATEWAY_PORT: `a\nb${'x'.repeat(10_000)}` });
  expect(line).not.toContain('\n');
  expect(line?.length).toBeLessThan(200);
});

test('a name with line breaks stays on one line', () => {
  expect(mistakes('{ "a\\nb": 1, providers: { "c\\r\\nd": {} } }')).toEqual([
    expect.stringMatching(/^a b: is not a setting/),
    expect.stringMatching(/^providers\.c d: a provider's name has to be/),
  ]);
});

test('a provider that is switched off need not be whole', () => {
  expect(load('providers: { mine: { enabled: false } }').providers.map(({ name }) => name)).not.toContain(
    'mine',
  );
});

test.each([
  ['prot', 'port'],
  ['hots', 'host'],
  ['di', 'id'],
  ['provider', 'providers'],
  ['max_body_byte', 'max_body_bytes'],
  ['xyz', null],
  ['', null],
  ['completely_different', null],
])('did you mean: %s', (name, meant) => {
  const hint = didYouMean(name, ['id', 'host', 'port', 'providers', 'max_body_bytes']);
  expect(hint).toBe(meant === null ? '' : `; did you mean ${meant}?`);
});
