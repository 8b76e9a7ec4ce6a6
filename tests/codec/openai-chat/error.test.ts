import { describe, expect, test } from 'vitest';
import { ErrorReason } from '../../../gen/llmgateway/v1/error_pb.js';
import { errorHeaders } from '../../../src/codec/error-headers.ts';
import { decodeChatError } from '../../../src/codec/openai-chat/decode-error.ts';
import { encodeChatError } from '../../../src/codec/openai-chat/encode-error.ts';

const decode = (status: number, body: unknown, headers: Record<string, string> = {}) =>
  decodeChatError({
    status,
    headers,
    body: typeof body === 'string' ? body : JSON.stringify(body),
    provider: 'p',
  });

describe('statuses', () => {
  test.each([
    [400, ErrorReason.UPSTREAM_REJECTED, 400],
    [401, ErrorReason.UPSTREAM_AUTH, 502],
    [402, ErrorReason.UPSTREAM_AUTH, 502],
    [403, ErrorReason.UPSTREAM_AUTH, 502],
    [404, ErrorReason.UPSTREAM_REJECTED, 404],
    [408, ErrorReason.UPSTREAM_TIMEOUT, 504],
    [409, ErrorReason.UPSTREAM_REJECTED, 409],
    [413, ErrorReason.UPSTREAM_REJECTED, 413],
    [422, ErrorReason.UPSTREAM_REJECTED, 422],
    [429, ErrorReason.UPSTREAM_RATE_LIMITED, 429],
    [500, ErrorReason.UPSTREAM_FAILED, 502],
    [502, ErrorReason.UPSTREAM_FAILED, 502],
    [503, ErrorReason.UPSTREAM_OVERLOADED, 503],
    [504, ErrorReason.UPSTREAM_TIMEOUT, 504],
    [529, ErrorReason.UPSTREAM_OVERLOADED, 503],
    [302, ErrorReason.UPSTREAM_INVALID, 502],
  ])('%i', (status, reason, told) => {
    const error = decode(status, { error: { message: 'm' } });
    expect([error.reason, error.status]).toEqual([reason, told]);
  });
});

describe('bodies', () => {
  test.each<[string, unknown, string]>([
    ['OpenAI', { error: { message: 'words', type: 't', param: 'x', code: 'c' } }, 'words'],
    ['a text', { error: 'words' }, 'words'],
    ['a message', { message: 'words' }, 'words'],
    ['a detail', { detail: 'words' }, 'words'],
    ['a list', [{ error: { message: 'words' } }], 'words'],
    [
      'OpenRouter',
      {
        error: {
          message: 'Provider returned error',
          code: 400,
          metadata: { raw: 'words', provider_name: 'q' },
        },
      },
      'words',
    ],
    ['HTML', '<html><head><style>x{}</style></head><body><h1>words</h1></body></html>', 'words'],
    ['text', 'words', 'words'],
    ['nothing', '', 'status 400'],
  ])('%s', (_form, body, words) => {
    const error = decode(400, body);
    expect(error.rawMessage).toContain('provider p');
    expect(error.rawMessage).toContain(words);
    expect(error.rawMessage).not.toContain('<');
  });

  test('what the provider says of a rejected request reaches the client', () => {
    const error = decode(400, {
      error: { message: 'm', type: 'invalid_request_error', param: 'stop', code: 'bad' },
    });
    expect(JSON.parse(encodeChatError(error)).error).toMatchObject({
      type: 'invalid_request_error',
      param: 'stop',
      code: 'bad',
    });
  });

  test.each([
    'sk-proj-abcdefghijklmnop',
    'sk-12345****6789abcd',
    'xai-abcdefghijklmn',
    'gsk_abcdefghijklmn',
    'AIzaSyD-abcdefghijklmn',
    'eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0.abc123',
  ])('the key %s does not', (key) => {
    const error = decode(401, {
      error: { message: `Incorrect API key provided: ${key}. Find yours at …` },
    });
    expect(encodeChatError(error)).not.toContain(key);
  });

  test.each(['<', '<script', 'key '])('a page of %s takes no time', (piece) => {
    const started = performance.now();
    decode(500, piece.repeat(262_144 / piece.length));
    decode(500, { error: { message: piece.repeat(262_144 / piece.length) } });
    expect(performance.now() - started).toBeLessThan(500);
  });

  test('a content policy is a reason of its own', () => {
    expect(decode(400, { error: { code: 'content_policy_violation' } }).reason).toBe(
      ErrorReason.CONTENT_FILTERED,
    );
  });
});

describe('waiting', () => {
  test.each([
    [{ 'retry-after': '7' }, '7', '7000'],
    [{ 'retry-after': '0.5' }, '1', '500'],
    [{ 'retry-after-ms': '1500', 'retry-after': '9' }, '2', '1500'],
    [{ 'retry-after': 'soon' }, undefined, undefined],
    [{ 'retry-after': '-3' }, '0', '0'],
    [{ 'retry-after': '99999999' }, '86400', '86400000'],
  ])('%o', (headers, seconds, ms) => {
    const told = errorHeaders(decode(429, {}, headers as Record<string, string>));
    expect([told['retry-after'], told['retry-after-ms']]).toEqual([seconds, ms]);
  });

  test('a date', () => {
    const at = new Date(Date.now() + 60_000).toUTCString();
    const seconds = Number(errorHeaders(decode(429, {}, { 'retry-after': at }))['retry-after']);
    expect(seconds).toBeGreaterThan(50);
    expect(seconds).toBeLessThanOrEqual(60);
  });

  test('an exhausted quota does not come back by waiting', () => {
    expect(errorHeaders(decode(429, { error: { code: 'insufficient_quota' } }))['x-should-retry']).toBe(
      'false',
    );
  });

  test.each(['true', 'false'])('is of use or not, as the provider says: %s', (verdict) => {
    for (const status of [400, 429, 500, 503]) {
      const told = errorHeaders(decode(status, { error: { message: 'm' } }, { 'x-should-retry': verdict }));
      expect(told['x-should-retry']).toBe(verdict);
    }
    const quota = decode(429, { error: { code: 'insufficient_quota' } }, { 'x-should-retry': verdict });
    expect(quota.facts.retryable).toBe(verdict === 'true');
  });

  test('is of use or not by the status where the provider says something else', () => {
    const told = errorHeaders(decode(500, { error: { message: 'm' } }, { 'x-should-retry': 'maybe' }));
    expect(told).not.toHaveProperty('x-should-retry');
  });
});
