import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { ErrorReason } from '../../../gen/llmgateway/v1/error_pb.js';
import { decodeMessagesError, upstreamError } from '../../../src/codec/anthropic-messages/decode-error.ts';
import { GatewayError } from '../../../src/errors/gateway-error.ts';

const decode = (status: number, body: unknown, headers: Record<string, string> = {}) =>
  decodeMessagesError({
    status,
    headers,
    body: typeof body === 'string' ? body : JSON.stringify(body),
    provider: 'p',
  });
const body = (type: string, message = 'm', more: object = {}) => ({
  type: 'error',
  error: { type, message, ...more },
  request_id: 'req_1',
});

describe('a reply with an error status', () => {
  test.each([
    [400, 'invalid_request_error', ErrorReason.UPSTREAM_REJECTED, 400],
    [401, 'authentication_error', ErrorReason.UPSTREAM_AUTH, 502],
    [402, 'billing_error', ErrorReason.UPSTREAM_AUTH, 502],
    [403, 'permission_error', ErrorReason.UPSTREAM_AUTH, 502],
    [404, 'not_found_error', ErrorReason.UPSTREAM_REJECTED, 404],
    [413, 'request_too_large', ErrorReason.UPSTREAM_REJECTED, 413],
    [429, 'rate_limit_error', ErrorReason.UPSTREAM_RATE_LIMITED, 429],
    [500, 'api_error', ErrorReason.UPSTREAM_FAILED, 502],
    [504, 'timeout_error', ErrorReason.UPSTREAM_TIMEOUT, 504],
    [529, 'overloaded_error', ErrorReason.UPSTREAM_OVERLOADED, 503],
  ])('%i %s', (status, type, reason, told) => {
    const error = decode(status, body(type));
    expect(error).toMatchObject({ reason, status: told });
    expect(error.facts).toMatchObject({ provider: 'p', upstreamStatus: status, upstreamType: type });
    expect(error.rawMessage).toBe('provider p answered with an error: m');
  });

  test('how long to wait, and whether to try again at all, are the words of the provider', () => {
    const limited = decode(429, body('rate_limit_error'), { 'retry-after': '7', 'x-should-retry': 'true' });
    expect(limited.facts).toMatchObject({ retryAfterMs: 7_000, retryable: true });
    expect(decode(529, body('overloaded_error'), { 'x-should-retry': 'false' }).facts.retryable).toBe(false);
    expect(
      decode(529, body('overloaded_error'), { 'x-should-retry': 'maybe' }).facts.retryable,
    ).toBeUndefined();
  });

  test('the code is that of the details', () => {
    const error = decode(
      429,
      body('rate_limit_error', 'm', { details: { error_code: 'ramp_limit_exceeded' } }),
    );
    expect(error.facts.upstreamCode).toBe('ramp_limit_exceeded');
  });

  test('the field is what the message begins with', () => {
    const field = (message: string) => decode(400, body('invalid_request_error', message)).facts.field;
    expect(field('messages.0.content.1.text: Field required')).toBe('messages.0.content.1.text');
    expect(field('max_tokens: 99 > 5')).toBe('max_tokens');
    expect(field('prompt is too long: 5 tokens > 4')).toBeUndefined();
    expect(decode(429, body('rate_limit_error', 'max_tokens: much')).facts.field).toBeUndefined();
  });

  test('an account without credit is not the fault of the client', () => {
    const message = 'Your credit balance is too low to access the Anthropic API.';
    const error = decode(400, body('invalid_request_error', message));
    expect(error).toMatchObject({ reason: ErrorReason.UPSTREAM_AUTH, status: 502 });
  });

  test('an answer that was held back for its content is told of as that', () => {
    const error = decode(400, body('invalid_request_error', 'Output blocked by content filtering policy'));
    expect(error.reason).toBe(ErrorReason.CONTENT_FILTERED);
  });

  test.each([
    [
      'Vertex',
      [{ error: { code: 429, message: 'Quota exceeded', status: 'RESOURCE_EXHAUSTED' } }],
      'Quota exceeded',
    ],
    ['Azure', { error: { code: 'DeploymentNotFound', message: 'No such deployment' } }, 'No such deployment'],
    ['Bedrock', { message: "You don't have access to the model" }, "You don't have access"],
    ['Bedrock, with a capital', { Message: 'User is not authorized' }, 'User is not authorized'],
    ['a proxy, as text', 'upstream connect error', 'upstream connect error'],
    ['a proxy, as a page', '<html><title>502</title><p>Bad gateway</p></html>', 'Bad gateway'],
    ['a word', { error: 'nope' }, 'nope'],
  ])('the form of %s', (_who, json, words) => {
    expect(decode(400, json).rawMessage).toContain(words);
  });

  test('a key in a message does not pass', () => {
    const error = decode(401, body('authentication_error', 'invalid x-api-key sk-ant-api03-abcdefghijkl'));
    expect(error.rawMessage).not.toContain('abcdefghijkl');
  });

  test('any body is an error that can be told', () => {
    fc.assert(
      fc.property(fc.json(), fc.integer({ min: 400, max: 599 }), (text, status) => {
        expect(decode(status, text)).toBeInstanceOf(GatewayError);
      }),
    );
  });
});

describe('an error inside a good reply', () => {
  test.each([
    ['overloaded_error', 529, ErrorReason.UPSTREAM_OVERLOADED],
    ['rate_limit_error', 429, ErrorReason.UPSTREAM_RATE_LIMITED],
    ['invalid_request_error', 400, ErrorReason.UPSTREAM_REJECTED],
    ['api_error', 500, ErrorReason.UPSTREAM_FAILED],
    ['constructor', 500, ErrorReason.UPSTREAM_FAILED],
  ])('%s has the status of its type', (type, upstreamStatus, reason) => {
    expect(upstreamError('p', { type, message: 'm' }, 200)).toMatchObject({
      reason,
      facts: { upstreamStatus },
    });
  });

  test('a code that is a status decides where the type says nothing', () => {
    expect(upstreamError('p', { code: 429, message: 'm' }, 200).reason).toBe(
      ErrorReason.UPSTREAM_RATE_LIMITED,
    );
  });
});
