import { expect, test } from 'vitest';
import { describeSettings } from '../../src/config/describe.ts';
import { takeRestart } from '../../src/config/reload.ts';
import { load } from './support/load.ts';

const changed = (before: string, next: string): string[] => takeRestart(load(before), load(next));

test('what a reload takes is not told of', () => {
  expect(changed('', 'upstream: { idle_timeout: 7s }\nmetrics: { token: planted-token }')).toEqual([]);
  expect(changed('', '')).toEqual([]);
});

test.each([
  ['server: { cors: { origins: [https://a.example] } }', 'server.cors.origins'],
  ['service: { version: 1.2.3 }', 'service.version'],
  ['store: { data_max_bytes: 1GiB }', 'store.data_max_bytes'],
  ['audit: { path: audit.jsonl }', 'audit.path'],
  ['audit: { max_file_bytes: 1MiB }', 'audit.max_file_bytes'],
  ['audit: { max_held_bytes: 1MiB }', 'audit.max_held_bytes'],
  ['audit: { collector: http://localhost:9 }', 'audit.collector'],
  ['audit: { collector_held: 7 }', 'audit.collector_held'],
  ['traces: { endpoint: http://localhost:4318 }', 'traces.endpoint'],
])('%s takes a restart', (yaml, setting) => {
  expect(changed('', yaml)).toEqual([setting]);
});

test('secrets are compared by what they hold', () => {
  const headers = (value: string): string => `traces: { headers: 'authorization=${value}' }`;
  expect(changed(headers('planted-1'), headers('planted-2'))).toEqual(['traces.headers']);
  expect(changed(headers('planted-1'), headers('planted-1'))).toEqual([]);
  const redis = (password: string): string => `store: { redis: { url: 'redis://:${password}@localhost' } }`;
  expect(changed(redis('planted-1'), redis('planted-2'))).toEqual(['store.redis.url']);
  expect(changed(redis('planted-1'), redis('planted-1'))).toEqual([]);
});

test('TLS is turned on and off by a restart; another certificate takes none', () => {
  const tls = (name: string): string => `server: { tls: { cert: ${name}.pem, key: key.pem } }`;
  const files = { 'one.pem': '', 'two.pem': '', 'key.pem': '' };
  const [one, two] = [load(tls('one'), {}, files), load(tls('two'), {}, files)];
  expect(takeRestart(one, two)).toEqual([]);
  expect(takeRestart(load(''), one)).toEqual(['server.tls.cert']);
  expect(takeRestart(one, load(''))).toEqual(['server.tls.cert']);
});

test('the documentation says so of each', () => {
  const late = describeSettings().filter(({ doc }) => doc.includes('akes a restart'));
  const names = late.map(({ yaml }) => yaml);
  expect(names).toEqual(
    expect.arrayContaining(['server.port', 'server.tls.cert', 'audit.path', 'cache.enabled']),
  );
  expect(names).not.toContain('log.level');
});
