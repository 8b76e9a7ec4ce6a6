import { toBinary } from '@bufbuild/protobuf';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  type CreateChatCompletionResponse,
  CreateChatCompletionResponseSchema,
} from '../../gen/llmgateway/v1/chat_service_pb.js';
import { FinishReason } from '../../gen/llmgateway/v1/completion_pb.js';
import { type Part, Role } from '../../gen/llmgateway/v1/message_pb.js';
import { decodeChatResponse } from '../../src/codec/openai-chat/decode-response.ts';
import { unknownDeltas } from '../../src/codec/openai-chat/unknown-deltas.ts';
import { Assembler } from '../../src/model/assemble.ts';
import * as build from '../../src/model/build.ts';
import * as buildEvent from '../../src/model/build-events.ts';
import { completionEvents } from '../../src/model/completion-events.ts';
import { mergeMembers } from '../../src/model/merge-members.ts';
import { recordedChats } from '../support/chat-recordings.ts';

async function through(response: CreateChatCompletionResponse): Promise<CreateChatCompletionResponse> {
  const assembler = new Assembler(unknownDeltas);
  const events = completionEvents(response);
  for (let next = await events.next(); !next.done; next = await events.next()) assembler.add(next.value);
  expect(assembler.finished).toBe(true);
  return assembler.response();
}

const parts: Part[] = [
  build.part(
    {
      case: 'reasoning',
      value: build.reasoning('Hm', { summary: true, signature: 's', id: 'r', format: 'f' }),
    },
    { extras: build.extras('openai.chat', '{"x":1}') },
  ),
  build.part({ case: 'reasoning', value: build.reasoning('', { encrypted: 'e', id: 'r2' }) }),
  build.textPart('He', {
    annotations: [build.annotation({ case: 'urlCitation', value: build.urlCitation({ url: 'u' }) })],
  }),
  build.textPart('llo'),
  build.part({ case: 'refusal', value: build.refusal('No') }),
  build.part({ case: 'opaque', value: build.opaque('anthropic.messages', 'new_block', '{"a":[1]}') }),
  build.part({ case: 'image', value: build.image({ case: 'url', value: 'data:image/png;base64,AA==' }) }),
  build.part(
    { case: 'toolCall', value: build.toolCall('c1', 'f', '{"a":1}', { signature: 'g' }) },
    { extras: build.extras('google.gemini', '{"y":2}') },
  ),
  build.part({ case: 'toolCall', value: build.toolCall('c2', 'g', 'free', { custom: true }) }),
];

describe('an assembled stream', () => {
  test('is the completion that it streams', async () => {
    const response = build.chatResponse(
      'id',
      'm',
      7,
      [
        build.choice(0, build.message(Role.ASSISTANT, parts), FinishReason.TOOL_CALLS, {
          nativeFinishReason: 'x',
        }),
        build.choice(1, build.message(Role.ASSISTANT, [build.textPart('')]), FinishReason.STOP),
      ],
      { usage: build.usage(1, 2), serviceTier: 't', systemFingerprint: 'fp' },
    );
    expect(await through(response)).toEqual(response);
  });

  test('is so for every recorded completion', async () => {
    const whole = recordedChats().filter(({ sse, response }) => !sse && response.status === 200);
    let compared = 0;
    for (const { provider, response } of whole) {
      const decoded = decodeChatResponse(JSON.parse(response.text), { provider, model: 'm' } as never);
      for (const choice of decoded.choices) {
        // Of a whole answer these have no event.
        delete choice.extras;
        delete choice.message?.extras;
        if (choice.message !== undefined) choice.message.multipart = false;
      }
      delete decoded.extras;
      const assembled = await through(decoded);
      const bytes = (of: CreateChatCompletionResponse) =>
        Buffer.from(toBinary(CreateChatCompletionResponseSchema, of)).toString('base64');
      expect(bytes(assembled)).toBe(bytes(decoded));
      compared++;
    }
    if (whole.length > 0) expect(compared).toBeGreaterThan(10);
  });

  test('leaves the events as they are, and does not change with later ones of others', () => {
    const start = buildEvent.partStarted(0, 0, build.textPart('a'));
    const frozen = JSON.stringify(start);
    const assembler = new Assembler();
    assembler.add([start, buildEvent.delta(0, 0, 'b')]);
    expect(JSON.stringify(start)).toBe(frozen);
    expect(assembler.message(0)?.parts[0]?.content.value).toMatchObject({ text: 'ab' });
    expect(assembler.finished).toBe(false);
    expect(assembler.message(1)).toBeUndefined();
  });

  test('has sound, its transcript, and what is known of it at the end', () => {
    const assembler = new Assembler();
    const audio = build.audio({ case: 'base64', value: '' });
    const final = build.audio({ case: 'base64', value: '' }, { answerId: 'a1', expiresAt: 9 });
    assembler.add([
      buildEvent.partStarted(0, 0, build.part({ case: 'audio', value: audio })),
      buildEvent.delta(0, 0, 'AA', { transcript: 'He' }),
      buildEvent.delta(0, 0, 'BB', { transcript: 'llo' }),
      buildEvent.partEnded(
        0,
        0,
        build.part({ case: 'audio', value: final }, { extras: build.extras('d', '{"z":1}') }),
      ),
    ]);
    expect(assembler.message(0)?.parts).toEqual([
      build.part(
        {
          case: 'audio',
          value: build.audio(
            { case: 'base64', value: 'AABB' },
            { transcript: 'Hello', answerId: 'a1', expiresAt: 9 },
          ),
        },
        { extras: build.extras('d', '{"z":1}') },
      ),
    ]);
  });

  test('has the log probabilities of all of its text', () => {
    const assembler = new Assembler();
    const logprobs = (token: string) => ({
      $typeName: 'llmgateway.v1.Logprobs' as const,
      content: [{ $typeName: 'llmgateway.v1.TokenLogprob' as const, token, logprob: -1, topLogprobs: [] }],
      refusal: [],
    });
    assembler.add([
      buildEvent.partStarted(0, 0, build.textPart('')),
      buildEvent.delta(0, 0, 'a', { logprobs: logprobs('a') }),
      buildEvent.delta(0, 0, 'b', { logprobs: logprobs('b') }),
    ]);
    const [choice] = assembler.response().choices;
    expect(choice?.logprobs?.content.map(({ token }) => token)).toEqual(['a', 'b']);
  });

  test('passes over deltas and ends of parts that never began', () => {
    const assembler = new Assembler();
    assembler.add([
      buildEvent.delta(3, 9, 'x'),
      buildEvent.partEnded(0, 1, build.textPart('')),
      buildEvent.partStarted(0, 2, build.textPart('')),
      buildEvent.delta(0, 2, 'only'),
    ]);
    expect(assembler.message(0)?.parts).toEqual([build.textPart('only')]);
  });

  test('has the unknown members of its dialect, merged', () => {
    const assembler = new Assembler(unknownDeltas);
    const told = (dialect: string, json: unknown) => buildEvent.opaqueEvent(dialect, JSON.stringify(json));
    assembler.add([
      buildEvent.partStarted(0, 0, build.textPart('')),
      told('openai.chat', {
        choices: [{ index: 0, delta: { function_call: { name: 'f', arguments: '{' } } }],
        x: 1,
      }),
      told('openai.chat', { choices: [{ index: 0, delta: { function_call: { arguments: '}' } } }] }),
      told('anthropic.messages', { choices: [{ index: 0, delta: { other: 1 } }] }),
      told('openai.chat', { choices: 7 }),
      told('openai.chat', { choices: [null, { delta: 1 }, { delta: { tool_calls: [{ index: 9 }] } }] }),
    ]);
    expect(assembler.message(0)?.extras).toEqual(
      build.extras('openai.chat', '{"function_call":{"name":"f","arguments":"{}"}}'),
    );
  });
});

describe('members of deltas', () => {
  const merge = (...deltas: Record<string, unknown>[]) => {
    const into: Record<string, unknown> = {};
    for (const delta of deltas) mergeMembers(into, delta);
    return into;
  };

  test('are appended, merged, or replaced, by what they are', () => {
    expect(
      merge(
        { s: 'a', n: 1, m: { x: 'p', y: null }, l: [{ index: 0, t: 'a' }, 5], z: null },
        {
          s: 'b',
          n: 2,
          m: { x: 'q', y: 1 },
          l: [
            { index: 0, t: 'b' },
            { index: 1, t: 'c' },
          ],
          z: true,
          s2: null,
        },
      ),
    ).toEqual({
      s: 'ab',
      n: 2,
      m: { x: 'pq', y: 1 },
      l: [{ index: 0, t: 'ab' }, 5, { index: 1, t: 'c' }],
      z: true,
      s2: null,
    });
  });

  test('may be anything that JSON says, of any depth and any name', () => {
    fc.assert(
      fc.property(fc.array(fc.dictionary(fc.string(), fc.jsonValue())), (deltas) => {
        const merged = merge(...(deltas as Record<string, unknown>[]));
        expect(Object.keys(merged).sort()).toEqual(
          [...new Set(deltas.flatMap((delta) => Object.keys(delta)))].sort(),
        );
      }),
    );
    let deep: unknown = 1;
    for (let i = 0; i < 5_000; i++) deep = { d: deep };
    expect(() => merge({ deep }, { deep })).not.toThrow();
    expect(JSON.stringify(merge(JSON.parse('{"__proto__": {"x": 1}}')))).toBe('{"__proto__":{"x":1}}');
    expect(({} as { x?: number }).x).toBeUndefined();
  });
});
