import { describe, expect, test } from 'vitest';
import { ErrorReason } from '../../../gen/llmgateway/v1/error_pb.js';
import { decodeConverseError } from '../../../src/codec/bedrock-converse/decode-error.ts';
import { recordedBedrock } from '../../support/bedrock-recordings.ts';

const decode = (status: number, type: string, message: string, headers: Record<string, string> = {}) =>
  decodeConverseError({
    status,
    headers: { ...(type === '' ? {} : { 'x-amzn-errortype': type }), ...headers },
    body: JSON.stringify({ message }),
    provider: 'bedrock',
  });

const recorded = recordedBedrock().filter(({ status }) => status !== 200);

test.skipIf(recorded.length === 0).each(recorded.map((exchange) => [exchange.title, exchange] as const))(
  'recorded: %s',
  (_title, { status, headers, body, derived }) => {
    const error = decodeConverseError({
      status,
      headers: { ...headers },
      body: body.toString('utf8'),
      provider: 'bedrock',
    });
    expect(error.message).toContain(derived.error?.message);
    expect(error.facts.upstreamStatus).toBe(status);
    expect(error.facts.upstreamType).toMatch(/^(?:ValidationException|AccessDeniedException)$/);
    expect(error.status).toBe(status === 403 ? 502 : status);
  },
);

test.each([
  [
    400,
    'ValidationException:http://internal.amazon.com/coral/com.amazon.bedrock/',
    ErrorReason.UPSTREAM_REJECTED,
    400,
  ],
  [403, 'AccessDeniedException', ErrorReason.UPSTREAM_AUTH, 502],
  [403, 'UnrecognizedClientException', ErrorReason.UPSTREAM_AUTH, 502],
  [404, 'ResourceNotFoundException', ErrorReason.UPSTREAM_REJECTED, 404],
  [408, 'ModelTimeoutException', ErrorReason.UPSTREAM_TIMEOUT, 504],
  [424, 'ModelErrorException', ErrorReason.UPSTREAM_FAILED, 502],
  [424, 'ModelStreamErrorException', ErrorReason.UPSTREAM_FAILED, 502],
  [429, 'ThrottlingException', ErrorReason.UPSTREAM_RATE_LIMITED, 429],
  [429, 'ModelNotReadyException', ErrorReason.UPSTREAM_RATE_LIMITED, 429],
  [400, 'ServiceQuotaExceededException', ErrorReason.UPSTREAM_RATE_LIMITED, 429],
  [500, 'InternalServerException', ErrorReason.UPSTREAM_FAILED, 502],
  [503, 'ServiceUnavailableException', ErrorReason.UPSTREAM_OVERLOADED, 503],
  [503, '', ErrorReason.UPSTREAM_OVERLOADED, 503],
])('%i %s', (status, type, reason, told) => {
  const error = decode(status, type, 'Because');
  expect([error.reason, error.status]).toEqual([reason, told]);
  expect(error.message).toContain('Because');
});

test('how long to wait is passed on', () => {
  expect(decode(429, 'ThrottlingException', 'Slow down', { 'retry-after': '7' }).facts.retryAfterMs).toBe(
    7_000,
  );
});

test('a type may be in the body', () => {
  const body = JSON.stringify({ __type: 'com.amazon.coral.service#ThrottlingException', Message: 'Slow' });
  const error = decodeConverseError({ status: 400, headers: {}, body, provider: 'bedrock' });
  expect(error.reason).toBe(ErrorReason.UPSTREAM_RATE_LIMITED);
});

test('a body that is no JSON is told as it is', () => {
  const body = '<UnknownOperationException><Message>What?</Message></UnknownOperationException>';
  const error = decodeConverseError({ status: 404, headers: {}, body, provider: 'bedrock' });
  expect(error.message).toContain('What?');
});

describe('what can be done about a refused signature is said', () => {
  const expired =
    'Signature expired: 20150830T123600Z is now earlier than 20150830T130000Z (20150830T130500Z - 5 min.)';

  test('how wrong the clock is, where the reply tells', () => {
    const date = new Date(Date.now() + 3_600_000).toUTCString();
    const { message } = decode(403, 'InvalidSignatureException', expired, { date });
    expect(message).toMatch(/the gateway's clock is (?:3599|3600|3601) s behind the provider's/);
    const early = decode(403, 'InvalidSignatureException', 'Signature not yet current: …', {
      date: new Date(Date.now() - 600_000).toUTCString(),
    });
    expect(early.message).toMatch(/clock is (?:599|600|601) s ahead of/);
  });

  test('that it may be wrong, where it does not', () => {
    expect(decode(403, 'InvalidSignatureException', expired).message).toContain(
      "the gateway's clock may be wrong",
    );
  });

  test('that the session token is old', () => {
    const { message } = decode(
      403,
      'ExpiredTokenException',
      'The security token included in the request is expired',
    );
    expect(message).toContain('AWS_SESSION_TOKEN');
  });

  test('nothing where it is something else', () => {
    const { message } = decode(
      403,
      'SignatureDoesNotMatch',
      'The request signature we calculated does not match',
    );
    expect(message).not.toContain('clock');
  });
});

test('no key gets into a message', () => {
  const { message } = decode(403, 'AccessDenied', 'User AKIAIOSFODNN7EXAMPLE may not');
  expect(message).not.toContain('AKIAIOSFODNN7EXAMPLE');
});
