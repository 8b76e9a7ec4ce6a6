import { expect, test } from 'vitest';
import { ConfigError } from '../../src/config/problems.ts';
import { load } from './support/load.ts';

test('the collector’s address and headers are taken from the variables of OpenTelemetry as well', () => {
  const config = load('', {
    OTEL_EXPORTER_OTLP_ENDPOINT: 'http://collector:4318/',
    OTEL_EXPORTER_OTLP_HEADERS: 'X-Key=a%20b, tenant=c',
  });
  expect(config.tracesEndpoint).toBe('http://collector:4318');
  expect(Object.entries(config.tracesHeaders).map(([name, value]) => [name, value.reveal()])).toEqual([
    ['x-key', 'a b'],
    ['tenant', 'c'],
  ]);
  expect(JSON.stringify(config)).not.toContain('a b');
});

test.each([
  ['LLM_GATEWAY_METRICS_TOKEN', 'hush hush 0123'],
  ['LLM_GATEWAY_METRICS_TOKEN', 'hush'],
  ['LLM_GATEWAY_OTLP_HEADERS', 'hush-hush-0123'],
])('a wrong %s is not repeated', (name, value) => {
  const wrong = (): unknown => load('', { [name]: value });
  expect(wrong).toThrow(ConfigError);
  expect(wrong).toThrow(name);
  expect(wrong).not.toThrow(value);
});

test.each(['-1', '1.5', 'half'])('a share of %s is none', (share) => {
  expect(() => load('', { LLM_GATEWAY_TRACES_SAMPLE_RATIO: share })).toThrow('a number from 0 to 1');
});
