import { describe, expect, test } from 'vitest';
import { ErrorReason } from '../../../gen/llmgateway/v1/error_pb.js';
import { decodeGeminiError } from '../../../src/codec/gemini/decode-error.ts';

const decode = (status: number, body: unknown, headers: Record<string, string> = {}) =>
  decodeGeminiError({
    status,
    headers,
    body: typeof body === 'string' ? body : JSON.stringify(body),
    provider: 'google',
  });

const detail = (type: string, members: object) => ({
  '@type': `type.googleapis.com/google.rpc.${type}`,
  ...members,
});

describe('statuses', () => {
  test.each([
    [400, 'INVALID_ARGUMENT', ErrorReason.UPSTREAM_REJECTED, 400],
    [401, 'UNAUTHENTICATED', ErrorReason.UPSTREAM_AUTH, 502],
    [403, 'PERMISSION_DENIED', ErrorReason.UPSTREAM_AUTH, 502],
    [404, 'NOT_FOUND', ErrorReason.UPSTREAM_REJECTED, 404],
    [413, '', ErrorReason.UPSTREAM_REJECTED, 413],
    [429, 'RESOURCE_EXHAUSTED', ErrorReason.UPSTREAM_RATE_LIMITED, 429],
    [500, 'INTERNAL', ErrorReason.UPSTREAM_FAILED, 502],
    [503, 'UNAVAILABLE', ErrorReason.UPSTREAM_OVERLOADED, 503],
    [504, 'DEADLINE_EXCEEDED', ErrorReason.UPSTREAM_TIMEOUT, 504],
  ])('%i %s', (status, word, reason, told) => {
    const error = decode(status, { error: { code: status, message: 'the words', status: word } });
    expect([error.reason, error.status]).toEqual([reason, told]);
    expect(error.rawMessage).toContain('the words');
    expect(error.facts).toMatchObject({ provider: 'google', upstreamStatus: status, upstreamType: word });
  });
});

describe('a wrong key', () => {
  test.each([
    [
      {
        message: 'API key not valid. Please pass a valid API key.',
        details: [detail('ErrorInfo', { reason: 'API_KEY_INVALID' })],
      },
    ],
    [{ message: 'API key expired. Please renew the API key.' }],
  ])('comes as a bad request and is the gateway’s own fault', (error) => {
    const failure = decode(400, { error: { code: 400, status: 'INVALID_ARGUMENT', ...error } });
    expect([failure.reason, failure.status]).toEqual([ErrorReason.UPSTREAM_AUTH, 502]);
  });

  test('is not what every bad request is', () => {
    const failure = decode(400, {
      error: { code: 400, status: 'INVALID_ARGUMENT', message: 'Unable to process input image.' },
    });
    expect(failure.reason).toBe(ErrorReason.UPSTREAM_REJECTED);
  });

  test('is not told', () => {
    const key = `AIza${'x'.repeat(35)}`;
    expect(decode(403, { error: { message: `key ${key} is blocked` } }).rawMessage).not.toContain(key);
  });
});

describe('details', () => {
  const limited = (...details: unknown[]) =>
    decode(429, [{ error: { code: 429, status: 'RESOURCE_EXHAUSTED', message: 'm', details } }]);

  test.each([
    ['17s', 17_000],
    ['3.25s', 3_250],
    ['0s', 0],
    ['999999999s', 86_400_000],
    ['-1s', undefined],
    ['soon', undefined],
    [5, undefined],
  ])('a wait of %s', (retryDelay, ms) => {
    expect(limited(detail('RetryInfo', { retryDelay })).facts.retryAfterMs).toBe(ms);
  });

  test('the header’s wait is the one that counts', () => {
    const body = { error: { details: [detail('RetryInfo', { retryDelay: '17s' })] } };
    expect(decode(429, body, { 'retry-after': '3' }).facts.retryAfterMs).toBe(3_000);
  });

  test('a quota of the day is not to be tried again', () => {
    const quota = (quotaId: string) =>
      detail('QuotaFailure', { violations: [{ quotaMetric: 'm', quotaId }] });
    expect(limited(quota('GenerateRequestsPerDayPerProjectPerModel-FreeTier')).facts.retryable).toBe(false);
    expect(limited(quota('GenerateRequestsPerMinutePerProjectPerModel')).facts.retryable).toBeUndefined();
  });

  test('name the field and the reason', () => {
    const error = decode(400, {
      error: {
        status: 'INVALID_ARGUMENT',
        details: [
          detail('BadRequest', {
            fieldViolations: [{ field: 'tools[0].function_declarations', description: 'd' }],
          }),
          detail('ErrorInfo', { reason: 'SOME_REASON' }),
        ],
      },
    });
    expect(error.facts).toMatchObject({
      field: 'tools[0].function_declarations',
      upstreamCode: 'SOME_REASON',
    });
  });

  test.each([
    [
      [
        null,
        1,
        {},
        { '@type': 5 },
        detail('QuotaFailure', { violations: 5 }),
        detail('BadRequest', {}),
        detail('RetryInfo', {}),
      ],
    ],
    ['x'],
    [null],
  ])('that are odd do not matter: %j', (details) =>
    expect(decode(429, { error: { details } }).reason).toBe(ErrorReason.UPSTREAM_RATE_LIMITED),
  );
});

test.each([
  ['', ''],
  ['<html><title>Error 404</title><p>Not found', 'Error 404 Not found'],
  ['{"error":"text"}', 'text'],
  ['[]', '[]'],
  ['null', 'null'],
])('a body of %j is told as %j', (body, told) => {
  expect(decode(500, body).rawMessage).toContain(told);
});
