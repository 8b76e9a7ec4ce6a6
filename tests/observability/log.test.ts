import { describe, expect, test } from 'vitest';
import { createLogger, type Level } from '../../src/observability/log.ts';
import { redact, redactText } from '../../src/observability/redact.ts';

const secrets = [
  'sk-proj-abcdefghijklmnop',
  'sk-ant-api03-abcdefghijklmnop',
  'AIzaSyA1234567890abcdefghijklmnopqrstu',
  'xai-abcdefghijklmnopqrst',
  'gsk_abcdefghijklmnopqrst',
  'AKIAIOSFODNN7EXAMPLE',
  'eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0aaaa.c2lnbmF0dXJl',
];

function capture(level: Level, modules: Record<string, Level> = {}) {
  const lines: Record<string, unknown>[] = [];
  const sink = (line: string) => void lines.push(JSON.parse(line));
  const now = () => new Date(0);
  return { lines, log: createLogger({ service: 's', level, modules, sink, now }) };
}

describe('secrets', () => {
  test.each(secrets)('%s is masked wherever it stands', (secret) => {
    const { lines, log } = capture('DEBUG');
    const cause = new Error(`inner ${secret}`);
    log.error(`message ${secret}`, {
      plain: secret,
      deep: { list: [{ text: `a ${secret} b` }] },
      error: new Error(`outer ${secret}`, { cause }),
    });
    expect(JSON.stringify(lines)).not.toContain(secret);
  });

  test.each(['authorization', 'Api-Key', 'x-api-key', 'cookie', 'password', 'refresh_token', 'apiKey'])(
    'a field named %s is masked',
    (name) => {
      expect(redact({ [name]: 'harmless' })).toEqual({ [name]: '[redacted]' });
    },
  );

  test('bearer tokens and credentials in addresses', () => {
    expect(redactText('Bearer abcdefgh12345')).toBe('Bearer [redacted]');
    expect(redactText('redis://user:hunter2@host/0')).toBe('redis://user:[redacted]@host/0');
  });

  test('counts of tokens are no secrets', () => {
    expect(redact({ prompt_tokens: 3, max_tokens: 4 })).toEqual({ prompt_tokens: 3, max_tokens: 4 });
  });
});

test('bounds', () => {
  const loop: Record<string, unknown> = {};
  loop['self'] = loop;
  expect(JSON.stringify(redact(loop)).length).toBeLessThan(1_000);
  expect((redact('x'.repeat(100_000)) as string).length).toBeLessThan(9_000);
  expect((redact(Array.from({ length: 1_000 })) as unknown[]).length).toBe(100);
});

test('one JSON object a line, by level and module', () => {
  const { lines, log } = capture('WARN', { chatty: 'DEBUG' });
  log.info('left out');
  log.warn('kept', { a: 1 });
  log.module('chatty').debug('also kept');
  expect(lines).toEqual([
    {
      timestamp: '1970-01-01T00:00:00.000Z',
      level: 'WARN',
      service: 's',
      module: 'main',
      message: 'kept',
      a: 1,
    },
    {
      timestamp: '1970-01-01T00:00:00.000Z',
      level: 'DEBUG',
      service: 's',
      module: 'chatty',
      message: 'also kept',
    },
  ]);
});
