import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type RedisAddress, redisAddress } from '../../src/config/redis-url.ts';
import { Wrong } from '../../src/config/values.ts';
import { redactText } from '../../src/observability/redact.ts';
import { load, mistakes } from './support/load.ts';

const plain = { kind: 'single', master: '', tls: false, username: '', password: null, database: 0 };
const node = (host: string, port = 6379) => ({ host, port });

describe('a Redis URL', () => {
  test.each([
    ['redis://r', { nodes: [node('r')] }],
    ['REDIS://r.example.com:7000/3', { nodes: [node('r.example.com', 7000)], database: 3 }],
    ['rediss://10.0.0.1/', { nodes: [node('10.0.0.1')], tls: true }],
    ['redis://[::1]:7000', { nodes: [node('::1', 7000)] }],
    ['redis://me@r', { nodes: [node('r')], username: 'me' }],
    [
      'redis+sentinel://a,b:1,[::1]:2/my-master',
      { kind: 'sentinel', nodes: [node('a', 26_379), node('b', 1), node('::1', 2)], master: 'my-master' },
    ],
    [
      'rediss+sentinel://a/m/5',
      { kind: 'sentinel', nodes: [node('a', 26_379)], master: 'm', database: 5, tls: true },
    ],
    ['redis+cluster://a,b:7001', { kind: 'cluster', nodes: [node('a'), node('b', 7001)] }],
    ['rediss+cluster://a', { kind: 'cluster', nodes: [node('a')], tls: true }],
  ])('%s', (url, wanted) => {
    expect(redisAddress(url)).toEqual({ ...plain, ...wanted });
  });

  test('has user and password percent-encoded, and nobody sees the password', () => {
    const address = redisAddress('redis://u%40x:p%40ss%2Fhunter@r') as RedisAddress;
    expect(address.username).toBe('u@x');
    expect(address.password?.reveal()).toBe('p@ss/hunter');
    expect(JSON.stringify(address)).not.toContain('hunter');
    expect(redactText('it said p@ss/hunter, p%40ss%2Fhunter')).not.toContain('hunter');
  });

  test.each([
    '',
    'r:6379',
    'http://r',
    'redis://',
    'redis://a,b',
    'redis://r/x',
    'redis://r/1/2',
    'redis://r?x=1',
    'redis://r#x',
    'redis://r:0',
    'redis://r:70000',
    'redis://%zz@r',
    'redis+sentinel://a',
    'redis+sentinel://a/',
    'redis+sentinel://a/m/x',
    'redis+cluster://a/1',
    'redis+cluster://a,,b',
    'redis+other://a',
  ])('is not %j', (url) => {
    expect(redisAddress(url)).toBeInstanceOf(Wrong);
  });

  test('may be anything without a crash', () => {
    fc.assert(
      fc.property(
        fc.oneof(
          fc.anything(),
          fc.string().map((text) => `redis://${text}`),
        ),
        (value) => {
          const read = redisAddress(value);
          expect(read instanceof Wrong || read.nodes.length > 0).toBe(true);
        },
      ),
    );
  });

  test('that is wrong is told without its password', () => {
    const lines = mistakes(null, { LLM_GATEWAY_REDIS_URL: 'redis://:hunter2-secret@r/x' });
    expect(lines.join('\n')).toContain('LLM_GATEWAY_REDIS_URL');
    expect(lines.join('\n')).not.toContain('hunter2');
  });

  test('is nowhere by default', () => {
    expect(load(null).redisUrl).toBeNull();
  });
});

test('what a wrong URL has to be is told whole, also in a log', () => {
  const [line = ''] = mistakes(null, { LLM_GATEWAY_REDIS_URL: 'http://me:hunter22@r' });
  expect(line).toContain('user:password@host');
  expect(redactText(line)).toBe(line);
  expect(line).not.toContain('redacted');
  expect(line).not.toContain('hunter22');
});
