// biome-ignore-all lint/suspicious/noTemplateCurlyInString: this is how the file names variables
import { format, inspect } from 'node:util';
import { describe, expect, test } from 'vitest';
import { Secret } from '../../src/config/secret.ts';
import { redactText } from '../../src/observability/redact.ts';
import { load, mistakes, provider } from './support/load.ts';

const planted = 'planted"value\\1';
const quoted = JSON.stringify(planted);

describe('no secret in any error line, wherever it was put by mistake', () => {
  test.each<[string, string | null, Record<string, string>]>([
    ['a key that is a list', `providers: { openai: { api_key: [${quoted}] } }`, {}],
    ['a key that is a map', `providers: { openai: { api_key: { a: ${quoted} } } }`, {}],
    [
      'a key that cannot be sent',
      `providers: { openai: { api_key: ${JSON.stringify(`${planted} x`)} } }`,
      {},
    ],
    ['a key in a wrong place of the same name', `server: { api_key: ${quoted}, port: ${quoted} }`, {}],
    ['a header', `providers: { openai: { headers: { x-key: [${quoted}] } } }`, {}],
    ['a password', `redis: { password: ${quoted} }\nlog: { level: ${quoted} }`, {}],
    ['a variable as a number', 'server: { port: "${MY_SECRET}" }', { MY_SECRET: planted }],
    ['a variable as a key', `${quoted}: 1`, { MY_API_KEY: planted }],
    ['a variable in a word', 'log: { level: "x${OPENAI_API_KEY}x" }', { OPENAI_API_KEY: planted }],
    ['a key as another setting', null, { LLM_GATEWAY_PORT: planted, DB_PASSWORD: planted }],
    ['a key as an address', null, { LLM_GATEWAY_OPENAI_BASE_URL: planted, OPENAI_API_KEY: planted }],
    [
      'a key that is cut',
      'log: { level: "${LONG}${OPENAI_API_KEY}" }',
      { LONG: 'x'.repeat(70), OPENAI_API_KEY: planted },
    ],
    [
      'a key at the end of the environment',
      null,
      { LLM_GATEWAY_CONFIG: planted, AWS_SECRET_ACCESS_KEY: planted },
    ],
  ])('%s', (_what, yaml, env) => {
    const lines = mistakes(yaml, env);
    expect(lines.length).toBeGreaterThan(0);
    expect(lines.join('\n')).not.toMatch(/planted|value\\/);
  });

  test.each(['sk-proj-abcdefghijklmnop', 'xai-abcdefghijklmnop', 'AIzaSyA1234567890abcdefghijklmnopqrstu'])(
    '%s is known by its form alone',
    (key) => {
      for (const lines of [
        mistakes(null, { LLM_GATEWAY_PORT: key }),
        mistakes(`server: { port: ${key}, ${key}: 1 }`),
        mistakes(null, { LLM_GATEWAY_HOST: `http://user:${key}@x` }),
      ]) {
        expect(lines.length).toBeGreaterThan(0);
        expect(lines.join('\n')).not.toContain(key);
      }
    },
  );

  test('settings that only sound like secrets are shown', () => {
    expect(
      mistakes(null, { LLM_GATEWAY_TLS_CERT: 'a.pem', LLM_GATEWAY_TLS_KEY: 'none.pem' }, { 'a.pem': '' }),
    ).toEqual(['LLM_GATEWAY_TLS_KEY: is "none.pem", has to be a file that exists']);
  });
});

describe('a loaded secret', () => {
  const key = 'a-key-of-no-known-form';
  const yaml = `providers: { mine: { base_url: "http://x", api_key: ${key}, headers: { X-Key: ${key}-too } } }`;
  const config = load(yaml, { XAI_API_KEY: `${key}-env` });

  test('is in no dump', () => {
    for (const text of [
      JSON.stringify(config),
      JSON.stringify({ ...config }),
      inspect(config, { depth: 9, showHidden: true }),
      format('%o %O %j', config, config, config),
      `${provider(config, 'mine')?.apiKey}`,
    ]) {
      expect(text).not.toContain(key);
    }
    expect(JSON.stringify(provider(config, 'mine'))).toContain('"x-key":"[secret]"');
  });

  test('is there for who sends it', () => {
    expect(provider(config, 'mine')?.apiKey?.reveal()).toBe(key);
    expect({ ...provider(config, 'mine')?.headers }).toEqual({ 'x-key': `${key}-too` });
  });

  test('is masked in every log line from now on', () => {
    expect(redactText(`wrong key ${key}!`)).toBe('wrong key [redacted]!');
  });
});

test('a Secret has one way out', () => {
  const secret = new Secret('a-key-of-no-known-form');
  expect([
    `${secret}`,
    JSON.stringify({ secret }),
    inspect({ secret }),
    Object.keys(secret),
    { ...secret },
  ]).toEqual(['[secret]', '{"secret":"[secret]"}', '{ secret: [secret] }', [], {}]);
});
