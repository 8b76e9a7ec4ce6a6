import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { maxText, redactText, rememberSecret, secretName } from '../../src/observability/redact.ts';

const planted: readonly (readonly [what: string, secret: string])[] = [
  ['OpenAI', 'sk-abcdefghijklmnop1234'],
  ['OpenAI, of a project', 'sk-proj-Abc_def-ghijklmnop'],
  ['OpenAI, half masked', 'sk-proj-********************wxyz'],
  ['Anthropic', 'sk-ant-api03-abcdefghijklmnop'],
  ['OpenRouter', 'sk-or-v1-0123456789abcdef'],
  ['Google', 'AIzaSyA1234567890abcdefghijklmnopqrstu'],
  ['xAI', 'xai-abcdefghijklmnopqrst'],
  ['Groq', 'gsk_abcdefghijklmnopqrst'],
  ['Hugging Face', 'hf_abcdefghijklmnopqrst'],
  ['Perplexity', 'pplx-abcdefghijklmnop'],
  ['GitHub', 'ghp_abcdefghijklmnopqrstuvwxyz0123456789'],
  ['GitHub, fine-grained', 'github_pat_11ABCDEFG0abcdefghijkl_mnopqrstuvwxyz'],
  ['AWS', 'AKIAIOSFODNN7EXAMPLE'],
  ['AWS, for a session', 'ASIAIOSFODNN7EXAMPLE'],
  ['JWT', 'eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0aaaa.c2lnbmF0dXJl'],
  ['PEM', '-----BEGIN RSA PRIVATE KEY-----\nMIIEowIBAAKCAQEA\nabc=\n-----END RSA PRIVATE KEY-----'],
];

describe('keys of vendors', () => {
  test.each(planted)('%s', (_what, secret) => {
    for (const text of [
      secret,
      `a ${secret} b`,
      `"${secret}"`,
      `(${secret})`,
      `url?x=${secret}&y=1`,
      `${secret}\n${secret}`,
    ]) {
      expect(redactText(text)).not.toContain(secret.slice(0, 12));
      expect(redactText(text)).toContain('[redacted]');
    }
  });
});

test.each([
  ['Bearer abc123def', 'Bearer [redacted]'],
  ['bearer  a.b-c_d~e/f+g==', 'bearer [redacted]'],
  ['sent Bearer abcd and more', 'sent Bearer [redacted] and more'],
  ['Basic dXNlcjpwYXNz', 'Basic [redacted]'],
  ['Authorization: Digest username="x", response="y"\nhost: z', 'Authorization: [redacted]\nhost: z'],
  ['{\\"api_key\\":\\"abc\\",\\"a\\":1}', '{\\"api_key\\":\\"[redacted]\\",\\"a\\":1}'],
  ['{"authorization":"anything at all","a":1}', '{"authorization":"[redacted]","a":1}'],
  ['cookie: a=b; c=d\nhost: x', 'cookie: [redacted]\nhost: x'],
  ['set-cookie=a=b', 'set-cookie=[redacted]'],
  ['redis://user:hunter2@host/0', 'redis://user:[redacted]@host/0'],
  ['redis://:hunter2@host/0', 'redis://:[redacted]@host/0'],
  ['GET /v1?key=abc&x=1', 'GET /v1?key=abc&x=1'],
  ['GET /v1?api_key=abc&x=1', 'GET /v1?api_key=[redacted]&x=1'],
  ['access_token=abc; x', 'access_token=[redacted]; x'],
  ['{"password":"p","x":1}', '{"password":"[redacted]","x":1}'],
  ["{'client_secret': 'a b'}", "{'client_secret': '[redacted]'}"],
  ['x-api-key: 0123abcdef', 'x-api-key: [redacted]'],
])('%j becomes %j', (text, clean) => {
  expect(redactText(text)).toBe(clean);
});

test.each([
  '',
  'nothing',
  'Bearer token is missing',
  'bearer authentication',
  'Basic authentication',
  'OPENAI_API_KEY: is missing',
  'provider openai has no key: set OPENAI_API_KEY',
  'providers.openai.api_key: is [secret], has to be text',
  'prompt_tokens: 123456789, max_tokens=100',
  'unexpected token: }',
  'token: 12345678',
  'task-scheduler and disk-usage-report',
  'https://example.com/path?x=1',
  'http://host:8080/a@b',
  'the model sk-1',
  'secret-santa',
])('%j stays', (text) => {
  expect(redactText(text)).toBe(text);
});

describe('secrets that the process knows', () => {
  test('are masked whatever they look like, the longest first', () => {
    rememberSecret('plain-words');
    rememberSecret('plain-words-and-more');
    rememberSecret('a.b*c[d]');
    expect(redactText('x plain-words-and-more y plain-words z a.b*c[d] axbbc')).toBe(
      'x [redacted] y [redacted] z [redacted] axbbc',
    );
  });

  test('short ones are not, since they would mask words', () => {
    rememberSecret('none');
    expect(redactText('none of these')).toBe('none of these');
  });

  test('are bounded', () => {
    for (let i = 0; i < 1_100; i++) rememberSecret(`known-number-${i}-`);
    expect(redactText('known-number-1099-')).toBe('[redacted]');
    expect(redactText('known-number-0-')).toBe('known-number-0-');
  });
});

describe('length', () => {
  test('a long text is cut, and says by how much', () => {
    expect(redactText('x'.repeat(maxText + 5))).toBe(`${'x'.repeat(maxText)}… [5 more characters]`);
    expect(redactText('x'.repeat(maxText))).toBe('x'.repeat(maxText));
  });

  test.each(planted)('no part of %s stands before the cut, wherever that is', (_what, secret) => {
    for (let at = 1; at < secret.length; at++) {
      const text = `${'x'.repeat(maxText - at - 1)} ${secret} and more`;
      expect(redactText(text)).not.toContain(secret.slice(0, 8));
    }
  });
});

test('a text without end is no hindrance', () => {
  const began = performance.now();
  for (const part of [
    'sk-',
    '://a:',
    'Bearer ',
    'password=',
    'eyJaaaaaa.',
    '"token": "',
    '-----BEGIN PRIVATE KEY-----',
    'cookie=',
  ]) {
    redactText(part.repeat(200_000));
  }
  expect(performance.now() - began).toBeLessThan(1_000);
});

test('whatever the text, the secret in it is masked, and again changes nothing', () => {
  fc.assert(
    fc.property(fc.string(), fc.constantFrom(...planted), fc.string(), (before, [, secret], after) => {
      const clean = redactText(`${before} ${secret} ${after}`);
      expect(clean).not.toContain(secret);
      expect(redactText(clean)).not.toContain(secret);
    }),
  );
});

describe('names', () => {
  test.each([
    'authorization',
    'Proxy-Authorization',
    'api-key',
    'apiKey',
    'X-Api-Key',
    'x-goog-api-key',
    'OPENAI_API_KEY',
    'cookie',
    'Set-Cookie',
    'password',
    'db_password',
    'passwd',
    'pwd',
    'passphrase',
    'secret',
    'clientSecret',
    'aws_secret_access_key',
    'credentials',
    'private_key',
    'AccessKeyId',
  ])('%s is a secret', (name) => {
    expect(secretName(name)).toBe('always');
  });

  test.each([
    'token',
    'access_token',
    'refreshToken',
    'AWS_SESSION_TOKEN',
    'prompt_tokens',
    'max_tokens',
    'tokens',
  ])('%s is one when it is a text', (name) => expect(secretName(name)).toBe('texts'));

  test.each([
    '',
    'key',
    'cache_key',
    'id',
    'request_id',
    'author',
    'tokenizer',
    'model',
    'keyboard',
    'session_id',
    'pwdx',
  ])('%j is none', (name) => expect(secretName(name)).toBeNull());
});
