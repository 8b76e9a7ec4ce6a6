import { expect, test } from 'vitest';
import { Role } from '../../gen/llmgateway/v1/message_pb.js';
import { anonymous } from '../../src/auth/principal.ts';
import * as build from '../../src/model/build.ts';
import type { ChatCall, Reply } from '../../src/pipeline/call.ts';
import { truncationStage } from '../../src/pipeline/truncation.ts';

test('as much is left out as it takes, whatever every request counts besides its messages', async () => {
  const words = ({ parts }: { parts: readonly { content: { case?: string | undefined } }[] }) =>
    parts.length * 100;
  const messages = Array.from({ length: 9 }, (_, i) =>
    build.message(i % 2 === 0 ? Role.USER : Role.ASSISTANT, [build.textPart(`${i}`)]),
  );
  const call = {
    kind: 'chat',
    principal: anonymous,
    truncates: true,
    request: { ...build.chatRequest('m', messages), parameters: build.parameters({ maxOutputTokens: 100 }) },
    route: { provider: { name: 'p' }, upstreamModel: 'up' },
    report: build.callReport('', ''),
  } as unknown as ChatCall;
  const count = (request: { messages: readonly Parameters<typeof words>[0][] }) => ({
    tokens: 500 + request.messages.reduce((sum, message) => sum + words(message), 0),
    estimated: false,
  });
  const stage = truncationStage(() => 1_300, count as never);
  await stage(async () => ({ kind: 'unary' }) as Reply)(call);
  // 500 besides, 100 for the answer: seven messages of 100 are left.
  expect(call.request.messages.length).toBe(7);
});
