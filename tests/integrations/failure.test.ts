import { expect, test } from 'vitest';
import { UpstreamError, type UpstreamErrorKind } from '../../src/http/client.ts';
import { serviceFailure } from '../../src/integrations/failure.ts';

const of = (kind: UpstreamErrorKind, cause?: Error) =>
  serviceFailure('cms', new UpstreamError(kind, 'connect', 'to http://10.0.0.7:8086', cause), 500, 1_024);
const system = (code: string): Error => Object.assign(new Error(`${code} 10.0.0.7:8086`), { code });

test.each([
  [of('connect', system('ECONNREFUSED')), 'unavailable', 'connection refused'],
  [of('connect', system('ENOTFOUND')), 'unavailable', 'its host name is unknown'],
  [of('connect', system('EAI_AGAIN')), 'unavailable', 'its host name cannot be resolved now'],
  // One error for each address of the host.
  [
    of('connect', new AggregateError([system('EHOSTUNREACH'), system('ECONNREFUSED')], 'all of 10.0.0.7')),
    'unavailable',
    'its host cannot be reached',
  ],
  [of('connect', system('CERT_HAS_EXPIRED')), 'unavailable', 'no connection'],
  [of('connect'), 'unavailable', 'no connection'],
  [of('reset'), 'unavailable', 'the connection broke'],
  [of('aborted'), 'unavailable', 'the gateway is shutting down'],
  [of('overloaded'), 'unavailable', 'too many calls wait for a connection'],
  [of('connect_timeout'), 'timeout', 'no answer within 500 ms'],
  [of('too_large'), 'too_large', 'the answer is larger than 1024 bytes'],
])('%s: %s, %s', (error, kind, reason) => {
  expect(error).toMatchObject({ name: 'ServiceError', kind, reason, message: `cms: ${reason}` });
});

test.each([
  ['connect', 'connect', false],
  ['connect', 'headers', true],
  ['overloaded', 'connect', false],
  ['reset', 'body', true],
  ['protocol', 'headers', true],
  ['aborted', 'headers', true],
] as const)('%s while it waits for %s: may have arrived %s', (kind, phase, sent) => {
  const error = new UpstreamError(kind, phase, 'to http://10.0.0.7:8086');
  expect(serviceFailure('cms', error, 500, 1_024).sent).toBe(sent);
});
