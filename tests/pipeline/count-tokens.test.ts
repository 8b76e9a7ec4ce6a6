import { describe, expect, test } from 'vitest';
import { ErrorReason } from '../../gen/llmgateway/v1/error_pb.js';
import { Role } from '../../gen/llmgateway/v1/message_pb.js';
import { anonymous } from '../../src/auth/principal.ts';
import { GatewayError } from '../../src/errors/gateway-error.ts';
import * as build from '../../src/model/build.ts';
import type { Call } from '../../src/pipeline/call.ts';
import { countTokens } from '../../src/pipeline/count-tokens.ts';
import type { Provider } from '../../src/providers/provider.ts';

const handle = countTokens((_request, model) => ({ tokens: model.upstreamModel.length, method: 'by name' }));

function callOf(count: Provider['countTokens'], signal = new AbortController().signal): Call {
  const provider: Provider = { name: 'p', missing: null, unsupported: () => new Set() };
  if (count !== undefined) provider.countTokens = count;
  return {
    id: 'req_1',
    face: 'rpc',
    principal: anonymous,
    kind: 'chat',
    stream: false,
    signal,
    request: build.chatRequest('p/four', [build.message(Role.USER, [build.textPart('x')])]),
    route: {
      provider,
      upstreamModel: 'four',
      timeouts: { connectMs: 1, firstByteMs: 1, idleMs: 1 },
      names: [],
    },
    report: build.callReport('', ''),
  };
}

const failing = (reason: ErrorReason, facts = {}) =>
  callOf(() => Promise.reject(new GatewayError(reason, 'no', facts)));

test('the provider counts where it can', async () => {
  const call = callOf(({ upstreamModel }) => Promise.resolve(upstreamModel === 'four' ? 17 : 0));
  expect(await handle(call)).toEqual({
    kind: 'count',
    count: { tokens: 17, estimated: false, method: 'provider' },
  });
  expect(call.report).toMatchObject({ provider: 'p', upstreamModel: 'four', attempts: 1 });
});

describe('the gateway counts', () => {
  test.each([
    ['when the provider cannot', callOf(undefined)],
    ['when it is not reached', failing(ErrorReason.UPSTREAM_UNREACHABLE)],
    ['when it is overloaded', failing(ErrorReason.UPSTREAM_OVERLOADED)],
    ['when its answer is odd', failing(ErrorReason.UPSTREAM_INVALID)],
    ['when its server has no such route', failing(ErrorReason.UPSTREAM_REJECTED, { upstreamStatus: 404 })],
  ])('%s', async (_when, call) => {
    expect(await handle(call)).toEqual({
      kind: 'count',
      count: { tokens: 4, estimated: true, method: 'by name' },
    });
  });
});

describe('it fails', () => {
  test.each([
    ['when the request is at fault', failing(ErrorReason.INVALID_REQUEST)],
    ['when the provider says so', failing(ErrorReason.UPSTREAM_REJECTED, { upstreamStatus: 400 })],
  ])('%s', async (_when, call) => {
    await expect(handle(call)).rejects.toBeInstanceOf(GatewayError);
  });

  test('when nobody waits any more', async () => {
    const reason = new GatewayError(ErrorReason.CANCELLED, 'the client has left');
    const call = callOf(() => Promise.reject(reason), AbortSignal.abort(reason));
    await expect(handle(call)).rejects.toBe(reason);
  });
});
