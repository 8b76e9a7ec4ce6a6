import { expect, test } from 'vitest';
import { ErrorReason } from '../../gen/llmgateway/v1/error_pb.js';
import { GatewayError, invalidRequest, unsupportedParameter } from '../../src/errors/gateway-error.ts';
import * as build from '../../src/model/build.ts';
import { inOwnWords } from '../../src/responses/own-words.ts';

const told = (error: unknown) => {
  const { rawMessage, facts } = inOwnWords(error, { input: 'input' }) as GatewayError;
  return [facts.field, rawMessage];
};

test('a refusal of a message is one of the input', () => {
  const field = 'messages[3].content[1]';
  expect(told(invalidRequest(field, `Invalid '${field}': it takes no files.`))).toEqual([
    'input',
    "Invalid 'input': it takes no files.",
  ]);
});

test("parameters have this API's names", () => {
  expect(told(unsupportedParameter('response_format', "Unsupported 'response_format': it is odd"))).toEqual([
    'text.format',
    "Unsupported 'text.format': it is odd",
  ]);
});

test('what else is known of the refusal stays, and it is the same one to the log', () => {
  const error = unsupportedParameter('response_format', "Unsupported 'response_format'");
  error.sensitivity = build.sensitivityReport('report');
  error.rateLimits = { limits: [] } as never;
  const { sensitivity, rateLimits, cause } = inOwnWords(error, { input: 'input' }) as GatewayError;
  expect(sensitivity).toBe(error.sensitivity);
  expect(rateLimits).toBe(error.rateLimits);
  expect(cause).toBe(error);
});

test.each([
  invalidRequest('tools[0]', "Invalid 'tools[0]'"),
  new GatewayError(ErrorReason.UPSTREAM_REJECTED, 'no', { field: 'messages' }),
  new Error('messages'),
])('anything else stays as it is: %s', (error) => {
  expect(inOwnWords(error, { input: 'input' })).toBe(error);
});
