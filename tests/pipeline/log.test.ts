import { expect, test } from 'vitest';
import { ErrorReason } from '../../gen/llmgateway/v1/error_pb.js';
import { GatewayError } from '../../src/errors/gateway-error.ts';
import { UpstreamError } from '../../src/http/errors.ts';
import { loggedOf } from '../../src/pipeline/log.ts';

const unreachable = (cause: unknown): GatewayError =>
  new GatewayError(ErrorReason.UPSTREAM_UNREACHABLE, 'provider p could not be reached', {
    provider: 'p',
    cause,
  });

test.each(['ECONNREFUSED', 'ENOTFOUND', 'DEPTH_ZERO_SELF_SIGNED_CERT'])(
  "a provider that cannot be reached is logged with the system's %s",
  (code) => {
    const cause = Object.assign(new Error('words that may name addresses'), { code });
    expect(loggedOf(unreachable(new UpstreamError('connect', 'connect', 'x', cause)))).toEqual({
      error: 'provider p could not be reached',
      cause: code,
    });
  },
);

test('what has no code is logged without one', () => {
  const around = new Error('around itself');
  around.cause = around;
  for (const cause of [undefined, 'text', new Error('plain'), around])
    expect(loggedOf(unreachable(cause))).toEqual({ error: 'provider p could not be reached' });
});
