import { expect, test } from 'vitest';
import { loadConfig } from '../../src/config/load.ts';
import { shareOf } from '../../src/workers/share.ts';

const config = loadConfig({
  env: {
    LLM_GATEWAY_UPSTREAM_MAX_CONNECTIONS: '10',
    LLM_GATEWAY_TOOL_MAX_CONCURRENT: '2',
    LLM_GATEWAY_MAX_CONNECTIONS: '0',
  },
  cwd: import.meta.dirname,
});

test('the parts of all workers are the whole', () => {
  const parts = [1, 2, 3].map((number) => shareOf(config, number, 3).upstreamConnections);
  expect(parts).toEqual([4, 3, 3]);
});

test('no part is nothing, and what has no bound gets none', () => {
  const parts = [1, 2, 3].map((number) => shareOf(config, number, 3));
  expect(parts.map(({ toolMaxConcurrent }) => toolMaxConcurrent)).toEqual([1, 1, 1]);
  expect(parts.map(({ maxConnections }) => maxConnections)).toEqual([0, 0, 0]);
});

test('one process has it all', () => {
  expect(shareOf(config, 1, 1)).toBe(config);
});

test('a cache in Redis is one for all', () => {
  const shared = loadConfig({
    env: { LLM_GATEWAY_REDIS_URL: 'redis://127.0.0.1:1' },
    cwd: import.meta.dirname,
  });
  expect(shareOf(shared, 1, 2).cacheMaxSize).toBe(shared.cacheMaxSize);
  expect(shareOf(config, 1, 2).cacheMaxSize).toBe(config.cacheMaxSize / 2);
});
