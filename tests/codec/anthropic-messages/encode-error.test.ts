import { expect, test } from 'vitest';
import { ErrorReason } from '../../../gen/llmgateway/v1/error_pb.js';
import {
  encodeMessagesError,
  encodeMessagesStreamError,
  messagesStatus,
} from '../../../src/codec/anthropic-messages/encode-error.ts';
import { type ErrorFacts, GatewayError } from '../../../src/errors/gateway-error.ts';

const told = (reason: ErrorReason, facts: ErrorFacts = {}) => {
  const error = new GatewayError(reason, 'why', facts);
  const { error: inner } = JSON.parse(encodeMessagesError(error, 'req_1'));
  return [messagesStatus(error), inner.type];
};

test.each<[keyof typeof ErrorReason, number, string]>([
  ['INVALID_REQUEST', 400, 'invalid_request_error'],
  ['UNSUPPORTED_PARAMETER', 400, 'invalid_request_error'],
  ['MODEL_NOT_FOUND', 404, 'not_found_error'],
  ['MODEL_NOT_SUPPORTED', 404, 'not_found_error'],
  ['PROVIDER_NOT_CONFIGURED', 400, 'invalid_request_error'],
  ['NOT_FOUND', 404, 'not_found_error'],
  ['METHOD_NOT_ALLOWED', 405, 'invalid_request_error'],
  ['UNSUPPORTED_MEDIA_TYPE', 415, 'invalid_request_error'],
  ['REQUEST_TOO_LARGE', 413, 'request_too_large'],
  ['UNAUTHENTICATED', 401, 'authentication_error'],
  ['PERMISSION_DENIED', 403, 'permission_error'],
  ['RATE_LIMITED', 429, 'rate_limit_error'],
  ['BUDGET_EXHAUSTED', 429, 'billing_error'],
  ['OVERLOADED', 529, 'overloaded_error'],
  ['DRAINING', 503, 'overloaded_error'],
  ['DEADLINE_EXCEEDED', 504, 'timeout_error'],
  ['UPSTREAM_UNREACHABLE', 502, 'api_error'],
  ['UPSTREAM_TIMEOUT', 504, 'timeout_error'],
  ['UPSTREAM_RATE_LIMITED', 429, 'rate_limit_error'],
  ['UPSTREAM_AUTH', 502, 'api_error'],
  ['UPSTREAM_REJECTED', 400, 'invalid_request_error'],
  ['UPSTREAM_FAILED', 502, 'api_error'],
  ['UPSTREAM_OVERLOADED', 529, 'overloaded_error'],
  ['UPSTREAM_INVALID', 502, 'api_error'],
  ['UPSTREAM_INTERRUPTED', 502, 'api_error'],
  ['CONTENT_FILTERED', 400, 'invalid_request_error'],
  ['DEPENDENCY_UNAVAILABLE', 503, 'api_error'],
  ['INTERNAL', 500, 'api_error'],
  ['UNIMPLEMENTED', 404, 'not_found_error'],
])('%s is %i %s', (reason, status, type) => {
  expect(told(ErrorReason[reason])).toEqual([status, type]);
});

test('a request that the provider rejected keeps the status, and a type of Anthropic', () => {
  const { UPSTREAM_REJECTED } = ErrorReason;
  expect(told(UPSTREAM_REJECTED, { upstreamStatus: 413, upstreamType: 'request_too_large' })).toEqual([
    413,
    'request_too_large',
  ]);
  expect(told(UPSTREAM_REJECTED, { upstreamStatus: 422, upstreamType: 'strange' })).toEqual([
    422,
    'invalid_request_error',
  ]);
  // OpenAI's word for every 4xx says less than the status.
  expect(told(UPSTREAM_REJECTED, { upstreamStatus: 404, upstreamType: 'invalid_request_error' })).toEqual([
    404,
    'not_found_error',
  ]);
});

test('the body, and the last frame of a stream', () => {
  const error = new GatewayError(ErrorReason.UPSTREAM_INTERRUPTED, 'the stream broke off');
  const body = {
    type: 'error',
    error: { type: 'api_error', message: 'the stream broke off' },
    request_id: 'req_1',
  };
  expect(JSON.parse(encodeMessagesError(error, 'req_1'))).toEqual(body);
  expect(encodeMessagesStreamError(error, 'req_1')).toBe(`event: error\ndata: ${JSON.stringify(body)}\n\n`);
});
