import { expect, test } from 'vitest';
import { Role } from '../../../gen/llmgateway/v1/message_pb.js';
import { CodexAnswerDecoder } from '../../../src/codec/cli-codex/decode-answer.ts';
import { encodeTurn } from '../../../src/codec/cli-codex/encode-turn.ts';
import { readFrame } from '../../../src/codec/cli-codex/frames.ts';
import * as build from '../../../src/model/build.ts';
import type { StreamEvent } from '../../../src/model/events.ts';

const names = { provider: 'cli', id: 'id', model: 'gpt', createdAt: 1 };

function decode(...lines: object[]): { events: StreamEvent[]; outputs: boolean[]; last: boolean } {
  const decoder = new CodexAnswerDecoder(names);
  const events: StreamEvent[] = [];
  const read = lines.map((line) => readFrame(JSON.stringify(line)));
  for (const { json } of read) decoder.push(json, events);
  return { events, outputs: read.map(({ output }) => output), last: read.at(-1)?.last ?? false };
}

test('items of a turn are parts of an answer; warnings are none of it', () => {
  const { events, outputs, last } = decode(
    { type: 'thread.started', thread_id: 't' },
    { type: 'item.completed', item: { id: '0', type: 'error', message: 'Model metadata not found.' } },
    { type: 'turn.started' },
    { type: 'item.completed', item: { id: '1', type: 'reasoning', text: 'Hm.' } },
    { type: 'item.completed', item: { id: '2', type: 'agent_message', text: 'Hello' } },
    {
      type: 'turn.completed',
      usage: { input_tokens: 10, cached_input_tokens: 2, output_tokens: 5, reasoning_output_tokens: 1 },
    },
  );
  expect(events.map(({ event }) => event.case)).toEqual([
    'started',
    'partStarted',
    'delta',
    'partEnded',
    'partStarted',
    'delta',
    'partEnded',
    'choiceFinished',
    'finished',
  ]);
  expect(events.at(-1)?.event.value).toMatchObject({
    usage: { promptTokens: 10, completionTokens: 5, cachedTokens: 2, reasoningTokens: 1 },
  });
  expect([outputs, last]).toEqual([[false, false, false, true, true, true], true]);
});

test('a turn that failed is an error with the status that its words have', () => {
  const failed = {
    type: 'turn.failed',
    error: { message: 'unexpected status 429 Too Many Requests: slow down' },
  };
  expect(() => decode({ type: 'error', message: 'Reconnecting…' }, failed)).toThrow(
    expect.objectContaining({ status: 429 }),
  );
});

test('one message is the prompt as it is; several are told with their roles; pictures are refused', () => {
  const user = (text: string) => build.message(Role.USER, [build.textPart(text)]);
  expect(encodeTurn([user('Hello')], () => 'm')).toBe('Hello');
  const told = encodeTurn(
    [build.message(Role.SYSTEM, [build.textPart('Be brief.')]), user('Hello')],
    () => 'm',
  );
  expect(told).toContain(
    '<turn-m role="system">\nBe brief.\n</turn-m>\n<turn-m role="user">\nHello\n</turn-m>',
  );
  const picture = build.part({
    case: 'image',
    value: build.image({ case: 'url', value: 'https://example.com/a.png' }),
  });
  expect(() => encodeTurn([build.message(Role.USER, [picture])], () => 'm')).toThrow(/texts only/);
});
