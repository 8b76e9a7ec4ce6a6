import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { FinishReason } from '../../../gen/llmgateway/v1/completion_pb.js';
import { decodeResult } from '../../../src/codec/cli-claude/decode-result.ts';
import { encodeTurn } from '../../../src/codec/cli-claude/encode-turn.ts';
import { readFrame } from '../../../src/codec/cli-claude/frames.ts';
import type { StreamEvent } from '../../../src/model/events.ts';
import { ClaudeAnswerDecoder } from '../../../src/providers/cli/claude-answer.ts';

const options = { mark: () => 'm1' };
const turn = (conversation: { system?: unknown; messages: unknown[] }): Record<string, unknown>[] =>
  encodeTurn(conversation, options)
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as Record<string, unknown>);
const content = (messages: unknown[]): unknown => {
  const message = turn({ messages }).at(-1)?.['message'] as { content: unknown } | undefined;
  return message?.content;
};

describe('what is asked', () => {
  test('is the system prompt where there is one, and one message', () => {
    const blocks = [
      { type: 'text', text: 'Be brief.', cache_control: { type: 'ephemeral' } },
      { type: 'text', text: 'Be kind.' },
    ];
    expect(turn({ system: blocks, messages: [{ role: 'user', content: 'Hello' }] })).toMatchObject([
      { type: 'control_request', request: { subtype: 'initialize', systemPrompt: 'Be brief.\n\nBe kind.' } },
      { type: 'user', message: { role: 'user', content: [{ type: 'text', text: 'Hello' }] } },
    ]);
    expect(turn({ messages: [{ role: 'user', content: 'Hello' }] }).length).toBe(1);
  });

  test('keeps pictures in their places, and tells calls of tools and their results in words', () => {
    const picture = { type: 'image', source: { type: 'base64', media_type: 'image/png', data: 'AAAA' } };
    expect(content([{ role: 'user', content: [{ type: 'text', text: 'See' }, picture] }])).toEqual([
      { type: 'text', text: 'See' },
      picture,
    ]);
    const told = content([
      { role: 'user', content: [{ type: 'text', text: 'See' }, picture] },
      {
        role: 'assistant',
        content: [
          { type: 'thinking', thinking: 'secretly', signature: 's' },
          { type: 'tool_use', id: '1', name: 'look', input: { at: 'it' } },
        ],
      },
      { role: 'user', content: [{ type: 'tool_result', tool_use_id: '1', content: 'a lamp' }] },
    ]) as { type: string; text?: string }[];
    expect(told.map(({ type }) => type)).toEqual(['text', 'image', 'text']);
    expect(told[2]?.text).toContain('[called the tool look with {"at":"it"}]');
    expect(told[2]?.text).toContain('a lamp');
    expect(JSON.stringify(told)).not.toContain('secretly');
  });

  test('never begins a text with a slash', () => {
    fc.assert(
      fc.property(fc.array(fc.string(), { minLength: 1, maxLength: 4 }), (texts) => {
        const blocks = content([{ role: 'user', content: texts.map((text) => ({ type: 'text', text })) }]);
        for (const { text } of blocks as { text: string }[]) expect(text.startsWith('/')).toBe(false);
      }),
    );
    expect(content([{ role: 'user', content: '/exit' }])).toEqual([{ type: 'text', text: '\n/exit' }]);
  });
});

const names = { provider: 'cli', id: 'id', model: 'claude-sonnet', createdAt: 1 };
const stream = (event: object): Record<string, unknown> => ({ type: 'stream_event', event });
const message = (text: string, stop: string | null): Record<string, unknown>[] => [
  stream({ type: 'message_start', message: { id: 'm', model: 'x' } }),
  stream({ type: 'content_block_start', index: 0, content_block: { type: 'text', text: '' } }),
  stream({ type: 'content_block_delta', index: 0, delta: { type: 'text_delta', text } }),
  stream({ type: 'content_block_stop', index: 0 }),
  stream({ type: 'message_delta', delta: { stop_reason: stop } }),
  stream({ type: 'message_stop' }),
];
const decode = (frames: readonly Record<string, unknown>[]): StreamEvent[] => {
  const decoder = new ClaudeAnswerDecoder(names);
  const out: StreamEvent[] = [];
  for (const frame of frames) decoder.push(frame, out);
  return out;
};
const result = {
  type: 'result',
  subtype: 'success',
  is_error: false,
  usage: { input_tokens: 5, output_tokens: 3 },
};

describe('an answer', () => {
  test('of several messages is one, with the last reason and the usage of all', () => {
    const events = decode([...message('one ', 'max_tokens'), ...message('two', 'end_turn'), result]);
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
    expect(events.flatMap(({ event }) => (event.case === 'delta' ? [event.value.part] : []))).toEqual([0, 1]);
    expect(events.at(-2)?.event.value).toMatchObject({ nativeFinishReason: 'end_turn' });
    expect(events.at(-1)?.event.value).toMatchObject({ usage: { promptTokens: 5, completionTokens: 3 } });
  });

  test('says what its latest message has used so far', () => {
    const decoder = new ClaudeAnswerDecoder(names);
    expect(decoder.usageSoFar()).toBeUndefined();
    const usage = { input_tokens: 5, cache_read_input_tokens: 900, output_tokens: 1 };
    decoder.push(stream({ type: 'message_start', message: { id: 'm', usage } }), []);
    expect(decoder.usageSoFar()).toMatchObject({ promptTokens: 905, cachedTokens: 900, estimated: true });
  });

  test.each([
    ['rate_limit', 429],
    ['constructor', 500],
    ['__proto__', 500],
  ])('that failed with what the program calls %s has the status %i', (kind, status) => {
    expect(decodeResult({ type: 'result', is_error: true, result: 'no' }, kind).error?.status).toBe(status);
  });

  test('that is longer than it may be has what it has, and no other try is made where it has nothing', () => {
    const ends = [
      { type: 'assistant', error: 'max_output_tokens' },
      { ...result, is_error: true, result: 'exceeded the maximum' },
    ];
    const events = decode([...message('one ', 'max_tokens'), ...message('two', 'max_tokens'), ...ends]);
    expect(events.at(-2)?.event.value).toMatchObject({
      finishReason: FinishReason.LENGTH,
      nativeFinishReason: 'max_tokens',
    });
    expect(events.at(-1)?.event.value).toMatchObject({ usage: { completionTokens: 3 } });
    let error: unknown;
    try {
      decode(ends);
    } catch (caught) {
      error = caught;
    }
    expect(error).toMatchObject({ facts: { retryable: false } });
  });

  test('that is told only at its end is told then', () => {
    const events = decode([{ ...result, result: 'all of it', stop_reason: 'max_tokens' }]);
    expect(events.find(({ event }) => event.case === 'delta')?.event.value).toMatchObject({
      text: 'all of it',
    });
    expect(events.at(-2)?.event.value).toMatchObject({ nativeFinishReason: 'max_tokens' });
  });

  test('that failed is an error with its status, also where its subtype says success', () => {
    const failed = { ...result, is_error: true, api_error_status: 429, result: 'API Error: too much' };
    expect(() => decode([failed])).toThrow(/too much/);
    expect(decodeResult({ type: 'result', subtype: 'error_max_turns' }).error).toMatchObject({ status: 500 });
    expect(decodeResult(failed).error).toMatchObject({ status: 429 });
  });

  test('that the program gives itself, because there is no account, has the status of that', () => {
    const own = { type: 'assistant', error: 'authentication_failed', message: { content: [] } };
    expect(readFrame(JSON.stringify(own))).toMatchObject({ kind: 'answer', output: false, last: false });
    expect(readFrame(JSON.stringify({ type: 'assistant', message: {} }))).toEqual({ kind: 'other' });
    const end = { type: 'result', subtype: 'success', is_error: true, result: 'Not logged in' };
    expect(decodeResult(end, own.error).error).toEqual({
      status: 401,
      type: 'authentication_failed',
      message: 'Not logged in',
    });
    expect(decodeResult(end).error).toMatchObject({ status: 500 });
  });

  test('of an interrupted message ends with what the last frame says', () => {
    const cut = { ...result, subtype: 'error_during_execution', is_error: true, errors: ['aborted'] };
    expect(() => decode([...message('one', null), cut])).toThrow(/aborted/);
  });
});

test('any line is understood or refused', () => {
  fc.assert(
    fc.property(fc.oneof(fc.json(), fc.string()), (line) => {
      try {
        expect(readFrame(line).kind).toBeTypeOf('string');
      } catch (error) {
        expect(error instanceof SyntaxError || error instanceof TypeError).toBe(true);
      }
    }),
  );
  fc.assert(
    fc.property(
      fc.record(
        {
          type: fc.constantFrom(
            'result',
            'system',
            'stream_event',
            'control_request',
            'control_response',
            'x',
          ),
          event: fc.anything(),
          response: fc.jsonValue(),
          request_id: fc.jsonValue(),
          usage: fc.jsonValue(),
          errors: fc.jsonValue(),
          result: fc.jsonValue(),
          stop_reason: fc.jsonValue(),
        },
        { requiredKeys: ['type'] },
      ),
      (json) => {
        expect(readFrame(JSON.stringify(json)).kind).toBeTypeOf('string');
        decodeResult(JSON.parse(JSON.stringify(json)));
      },
    ),
  );
});
