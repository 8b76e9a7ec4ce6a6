import { describe, expect, test } from 'vitest';
import { decodeChatRequest } from '../../../src/codec/openai-chat/decode-request.ts';
import { decodeChatResponse, unknownOfChoice } from '../../../src/codec/openai-chat/decode-response.ts';
import { ChatStreamDecoder } from '../../../src/codec/openai-chat/decode-stream.ts';
import { dialect } from '../../../src/codec/openai-chat/dialect.ts';
import { encodeChatRequest } from '../../../src/codec/openai-chat/encode-request.ts';
import { encodeChatResponse } from '../../../src/codec/openai-chat/encode-response.ts';
import { ChatStreamEncoder } from '../../../src/codec/openai-chat/encode-stream.ts';
import { completionEvents } from '../../../src/model/completion-events.ts';
import type { StreamEvent } from '../../../src/model/events.ts';

// What answers hold besides text and calls: pictures, sound, and state of the provider that is tied to a call.

const picture = {
  type: 'image_url',
  image_url: { url: 'data:image/png;base64,iVBORw0KGgo=' },
  index: 0,
};
const completion = (message: object, more: object = {}) => ({
  id: 'c1',
  object: 'chat.completion',
  created: 1,
  model: 'm',
  choices: [
    {
      index: 0,
      message: { role: 'assistant', content: 'Here', refusal: null, ...message },
      logprobs: null,
      finish_reason: 'stop',
      ...more,
    },
  ],
});

const upstream = { provider: 'p' };

function decodeStream(deltas: readonly object[]): StreamEvent[] {
  const decoder = new ChatStreamDecoder(upstream);
  const events: StreamEvent[] = [];
  for (const delta of [...deltas.map((d) => ({ delta: d })), { delta: {}, finish_reason: 'stop' }]) {
    const chunk = {
      id: 'c1',
      created: 1,
      model: 'm',
      choices: [{ index: 0, finish_reason: null, ...delta }],
    };
    decoder.push(JSON.stringify(chunk), events);
  }
  decoder.push('[DONE]', events);
  return events;
}

const encodeStream = (events: readonly StreamEvent[]): { choices: { delta: Record<string, unknown> }[] }[] =>
  new ChatStreamEncoder({ includeUsage: false })
    .encode(events)
    .split('\n\n')
    .filter((frame) => frame.startsWith('data: {'))
    .map((frame) => JSON.parse(frame.slice(6)));

describe('pictures in answers', () => {
  test('stay in an answer', () => {
    const json = completion({ images: [picture] });
    const response = decodeChatResponse(json, upstream);
    expect(response.choices[0]?.message?.parts[1]?.content.case).toBe('image');
    expect(JSON.parse(encodeChatResponse(response))).toEqual(json);
  });

  test('stay in a stream', () => {
    const events = decodeStream([{ role: 'assistant', content: 'Here' }, { images: [picture] }]);
    const started = events.flatMap(({ event }) => (event.case === 'partStarted' ? [event.value] : []));
    expect(started.map(({ part, content }) => [part, content?.content.case])).toEqual([
      [0, 'text'],
      [1, 'image'],
    ]);
    const images = encodeStream(events).flatMap(({ choices }) => choices[0]?.delta['images'] ?? []);
    expect(images).toEqual([picture]);
  });

  test('go back to a provider that takes them, and are reported where it does not', () => {
    const { request } = decodeChatRequest({
      model: 'm',
      messages: [
        { role: 'user', content: 'Draw' },
        { role: 'assistant', content: 'Here', images: [picture] },
      ],
    });
    const options = { model: 'm', stream: false };
    const sent = encodeChatRequest(request, { ...options, dialect: dialect({ historyImages: 'send' }) });
    expect(JSON.parse(sent.body).messages[1].images).toEqual([picture]);
    const dropped = encodeChatRequest(request, { ...options, dialect: dialect({}) });
    expect(JSON.parse(dropped.body).messages[1]).toEqual({ role: 'assistant', content: 'Here' });
    expect(dropped.warnings.map(({ code }) => code)).toEqual(['dropped_part']);
  });

  test('that are none are kept as they came', () => {
    const json = completion({ images: ['?', { type: 'image_url', image_url: 7 }] });
    expect(JSON.parse(encodeChatResponse(decodeChatResponse(json, upstream)))).toEqual(json);
  });
});

describe('spoken answers', () => {
  const sound = { id: 'audio_1', data: 'AAAA', transcript: 'Hello', expires_at: 2_000_000_000 };

  test('keep the id by which the next request names them', () => {
    const json = completion({ content: null, audio: sound });
    const response = decodeChatResponse(json, upstream);
    const audio = response.choices[0]?.message?.parts[0]?.content;
    expect(audio?.case === 'audio' && audio.value.answerId).toBe('audio_1');
    expect(JSON.parse(encodeChatResponse(response))).toEqual(json);
  });

  test('stream with their id and expiry', () => {
    const events = decodeStream([
      { role: 'assistant', audio: { id: 'audio_1', data: 'AA' } },
      { audio: { data: 'AA', transcript: 'Hello' } },
      { audio: { expires_at: 2_000_000_000 } },
    ]);
    const told = encodeStream(events).flatMap(({ choices }) => choices[0]?.delta['audio'] ?? []);
    expect(Object.assign({}, ...told, { data: 'AAAA' })).toEqual(sound);
  });
});

describe("a provider's state", () => {
  test("of a call belongs to the call, also when it streams as reasoning with the call's id", () => {
    const call = { index: 0, id: 'call_1', type: 'function', function: { name: 'f', arguments: '{}' } };
    const detail = {
      type: 'reasoning.encrypted',
      data: 'c2ln',
      format: 'google-gemini-v1',
      id: 'call_1',
      index: 0,
    };
    const events = decodeStream([{ role: 'assistant', reasoning_details: [detail] }, { tool_calls: [call] }]);
    const ended = events.flatMap(({ event }) => (event.case === 'partEnded' ? [event.value] : []));
    const final = ended[0]?.final?.content;
    expect(ended).toHaveLength(1);
    expect(final?.case === 'toolCall' && [final.value.id, final.value.signature]).toEqual(['call_1', 'c2ln']);
    const details = encodeStream(events).flatMap(
      ({ choices }) => choices[0]?.delta['reasoning_details'] ?? [],
    );
    expect(details).toEqual([detail]);
  });

  test('unknown members of a whole answer are in the stream that is made of it', async () => {
    const response = decodeChatResponse(completion({ mood: 'good' }, { score: 3 }), upstream);
    const stream = completionEvents(response, unknownOfChoice);
    const batch = (await stream.next()).value ?? [];
    const choices = encodeStream(batch).flatMap((chunk) => chunk.choices);
    expect(choices.find(({ delta }) => 'mood' in delta)).toMatchObject({ delta: { mood: 'good' }, score: 3 });
  });
});

describe('what else answers may hold', () => {
  const token = { token: 'a', logprob: -1, bytes: [97], rank: 3, top_logprobs: [] };

  test('unknown members of log probabilities and of parts stay', () => {
    const logprobs = {
      content: [{ ...token, top_logprobs: [{ token: 'b', logprob: -2, bytes: null, rank: 4 }] }],
    };
    const content = [{ type: 'text', text: 'Here', mood: 'good' }];
    const json = completion({ content }, { logprobs: { ...logprobs, refusal: null } });
    expect(JSON.parse(encodeChatResponse(decodeChatResponse(json, upstream)))).toEqual(json);
  });

  test('log probabilities of tool calls stream along', () => {
    const decoder = new ChatStreamDecoder(upstream);
    const events: StreamEvent[] = [];
    const call = { index: 0, id: 'call_1', type: 'function', function: { name: 'f', arguments: '{}' } };
    const choice = { index: 0, delta: { tool_calls: [call] }, logprobs: { content: [token] } };
    for (const one of [choice, { index: 0, delta: {}, finish_reason: 'tool_calls' }]) {
      decoder.push(JSON.stringify({ id: 'c1', created: 1, model: 'm', choices: [one] }), events);
    }
    decoder.push('[DONE]', events);
    const told = (
      encodeStream(events) as { choices: { logprobs?: { content: unknown[] } | null }[] }[]
    ).flatMap(({ choices }) => choices[0]?.logprobs?.content ?? []);
    expect(told).toEqual([token]);
  });

  test('an object in place of the text is its text', () => {
    const response = decodeChatResponse(completion({ content: { city: 'Bern' } }), upstream);
    expect(JSON.parse(encodeChatResponse(response)).choices[0].message.content).toBe('{"city":"Bern"}');
  });
});

test('log probabilities of a refusal stay', () => {
  const token = { token: 'no', logprob: -1, bytes: null, top_logprobs: [] };
  const json = completion(
    { content: null, refusal: 'no' },
    { logprobs: { content: null, refusal: [token] } },
  );
  const told = JSON.parse(encodeChatResponse(decodeChatResponse(json, upstream)));
  expect(told.choices[0].logprobs.refusal).toEqual([token]);
});

test('padding against eavesdroppers is of the hop to the provider', () => {
  const decoder = new ChatStreamDecoder(upstream);
  const events: StreamEvent[] = [];
  const choice = { index: 0, delta: { role: 'assistant', content: 'x' }, finish_reason: 'stop' };
  decoder.push(
    JSON.stringify({ id: 'c1', created: 1, model: 'm', obfuscation: 'aB3', choices: [choice] }),
    events,
  );
  decoder.push('[DONE]', events);
  expect(JSON.stringify(encodeStream(events))).not.toContain('obfuscation');
});
