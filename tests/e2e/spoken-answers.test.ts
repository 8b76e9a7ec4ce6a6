import { Code } from '@connectrpc/connect';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { Role } from '../../gen/llmgateway/v1/message_pb.js';
import type { Answer } from '../golden/answers.ts';
import { chatClient } from '../support/gateway.ts';
import {
  type Played,
  type PlayedGateway,
  playedModels,
  startPlayedGateway,
} from '../support/played-gateway.ts';
import { sessionsAt, user } from '../support/sessions.ts';

// A spoken answer comes without the format of its sound, and goes on with providers that want to know it, or take no sound.

type Json = Record<string, unknown>;

let gateway: PlayedGateway;
beforeAll(async () => {
  gateway = await startPlayedGateway();
});
afterAll(() => gateway.stop());
beforeEach(() => gateway.play(null));

/** A spoken answer of OpenAI's. */
function spoken(audio: Json): Answer {
  const head = { id: 'c', created: 1, model: 'm' };
  const choice = { index: 0, finish_reason: null };
  const { data, transcript, ...rest } = audio;
  const deltas = [
    { role: 'assistant', audio: { id: rest['id'], data } },
    { audio: { ...rest, transcript } },
    {},
  ];
  const chunks = deltas.map((delta, i) => ({
    ...head,
    choices: [{ ...choice, delta, finish_reason: i === 2 ? 'stop' : null }],
  }));
  const message = { role: 'assistant', content: null, refusal: null, audio };
  return {
    type: 'application/json',
    whole: JSON.stringify({ ...head, choices: [{ ...choice, message, finish_reason: 'stop' }] }),
    streamType: 'text/event-stream',
    stream: Buffer.from(
      `${chunks.map((one) => `data: ${JSON.stringify(one)}\n\n`).join('')}data: [DONE]\n\n`,
    ),
  };
}

const sound = { id: 'aud1', data: 'SUQz', transcript: 'so it is', expires_at: 2_000_000_000 };
const warnings = (response: Response): string[] => response.headers.get('x-warnings')?.split(', ') ?? [];

async function chat(model: Played, body: Json): Promise<Response> {
  const response = await sessionsAt(gateway.url).chat({ model: playedModels[model], ...body });
  await response.clone().text();
  return response;
}

/** What a provider was asked with instead of the spoken answer, as JSON text. */
function answerSent(): string {
  const asked = JSON.parse(gateway.asked()) as { messages?: Json[]; contents?: Json[] };
  const said = (asked.messages ?? asked.contents ?? []).filter(({ role }) => role !== 'user');
  return JSON.stringify(said);
}

const silent = ['anthropic', 'ollama'] as const;
const listening = ['google', 'bedrock-claude'] as const;

describe.each([
  ['whole', false],
  ['streamed', true],
])('a %s spoken answer in a session', (_way, stream) => {
  const begun = async (more: Json): Promise<string> => {
    const { id } = await sessionsAt(gateway.url).make();
    gateway.play(spoken(sound));
    const asked = { session_id: id, stream, modalities: ['text', 'audio'], ...more };
    expect((await chat('openai', { ...asked, messages: [user('Speak')] })).status).toBe(200);
    gateway.play(null);
    return id;
  };
  const next = async (model: Played, session_id: string) => {
    const response = await chat(model, { session_id, messages: [user('And?')] });
    expect(response.status).toBe(200);
    return { sent: answerSent(), warnings: warnings(response) };
  };

  test('goes on in the format that was asked for', async () => {
    const id = await begun({ audio: { voice: 'alloy', format: 'mp3' } });
    const google = await next('google', id);
    expect(google.sent).toContain('{"inlineData":{"mimeType":"audio/mp3","data":"SUQz"}}');
    expect(google.warnings).not.toContain('dropped_part');
    const bedrock = await next('bedrock-claude', id);
    expect(bedrock.sent).toContain('{"audio":{"format":"mp3","source":{"bytes":"SUQz"}}}');
    expect((await next('openai', id)).sent).toContain('"audio":{"id":"aud1"}');
  });

  test.each([...silent, ...listening])(
    'goes on as what it says, with %s, where its format is not known',
    async (model) => {
      const id = await begun({});
      const { sent, warnings } = await next(model, id);
      expect(sent).toContain('so it is');
      expect(sent).not.toContain('SUQz');
      expect(warnings).toContain('dropped_part');
    },
  );
});

describe.each([...silent, ...listening])('%s', (model) => {
  const history = (audio: Json) => [user('Speak'), { role: 'assistant', content: null, audio }, user('And?')];

  test('is not sent a spoken answer by its id, but what it says', async () => {
    const response = await chat(model, { messages: history({ id: 'aud1', transcript: 'so it is' }) });
    expect([response.status, warnings(response)]).toEqual([200, ['dropped_part']]);
    expect(answerSent()).toContain('so it is');
  });

  test('is not sent one of which nothing is known', async () => {
    const response = await chat(model, { messages: history({ id: 'aud1' }) });
    expect([response.status, warnings(response)[0]]).toEqual([200, 'dropped_part']);
    expect(gateway.asked()).not.toContain('aud1');
  });

  test('is not sent an answer’s picture that it cannot fetch', async () => {
    const url = 'ftp://a.example/1.png';
    const images = [{ type: 'image_url', image_url: { url } }];
    const answer = { role: 'assistant', content: 'There.', images };
    const response = await chat(model, { messages: [user('Paint'), answer, user('And?')] });
    expect([response.status, warnings(response)]).toEqual([200, ['dropped_part']]);
    expect(answerSent()).toContain('There.');
    expect(gateway.asked()).not.toContain(url);
    const shown = [{ type: 'image_url', image_url: { url } }];
    const refused = await chat(model, { messages: [{ role: 'user', content: shown }] });
    expect(refused.status).toBe(400);
  });
});

describe.each(Object.values(playedModels))('%s, from a typed client', (model) => {
  const audio = (more: object) => ({
    content: {
      case: 'audio' as const,
      value: { source: { case: 'base64' as const, value: 'SUQz' }, ...more },
    },
  });
  const words = (text: string) => ({ content: { case: 'text' as const, value: { text } } });
  const say = (...messages: readonly { role: Role; parts: ReturnType<typeof audio | typeof words>[] }[]) =>
    chatClient('gRPC', gateway.url).createChatCompletion({ model, messages: [...messages] });

  test('is not sent a user’s sound in a format that nobody named', async () => {
    const unnamed = say({ role: Role.USER, parts: [words('Listen'), audio({})] });
    await expect(unnamed).rejects.toMatchObject({ code: Code.InvalidArgument });
    const { callReport } = await say({ role: Role.USER, parts: [audio({ transcript: 'so it is' })] });
    expect(callReport?.warnings.map(({ code }) => code)).toEqual(['dropped_part']);
    expect(gateway.asked()).toContain('so it is');
    expect(gateway.asked()).not.toContain('SUQz');
  });

  test('is not sent an answer’s sound in a format that nobody named', async () => {
    const user = (text: string) => ({ role: Role.USER, parts: [words(text)] });
    const answer = { role: Role.ASSISTANT, parts: [words('There.'), audio({})] };
    const { callReport } = await say(user('Speak'), answer, user('And?'));
    expect(callReport?.warnings.map(({ code }) => code)).toEqual(['dropped_part']);
    expect(gateway.asked()).not.toContain('SUQz');
  });
});
