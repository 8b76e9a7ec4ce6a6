import { Buffer } from 'node:buffer';
import { describe, expect, test } from 'vitest';
import type { Message, Part } from '../../gen/llmgateway/v1/message_pb.js';
import { decodeMessagesResponse } from '../../src/codec/anthropic-messages/decode-response.ts';
import { MessagesStreamDecoder } from '../../src/codec/anthropic-messages/decode-stream.ts';
import { decodeConverseResponse } from '../../src/codec/bedrock-converse/decode-response.ts';
import { ConverseStreamDecoder } from '../../src/codec/bedrock-converse/decode-stream.ts';
import { decodeGeminiResponse } from '../../src/codec/gemini/decode-response.ts';
import { GeminiStreamDecoder } from '../../src/codec/gemini/decode-stream.ts';
import { decodeChatResponse as decodeOllama } from '../../src/codec/ollama-chat/decode-response.ts';
import { ChatStreamDecoder as OllamaStream } from '../../src/codec/ollama-chat/decode-stream.ts';
import { decodeChatResponse as decodeOpenai } from '../../src/codec/openai-chat/decode-response.ts';
import { ChatStreamDecoder as OpenaiStream } from '../../src/codec/openai-chat/decode-stream.ts';
import { unknownMembers } from '../../src/codec/unknown-members.ts';
import { Assembler } from '../../src/model/assemble.ts';
import type { StreamEvent } from '../../src/model/events.ts';
import { recordings } from '../support/recordings.ts';
import {
  converseEvents,
  geminiChunks,
  type Json,
  messagesFrames,
  ollamaLines,
  openaiChunks,
} from '../support/restream.ts';

// What a session keeps of an answer is the same whether it was streamed or not.

const upstream = { provider: 'p', model: 'anthropic.claude-sonnet-4-5-20250929-v1:0' };

interface Decoder<T> {
  push(data: T, out: StreamEvent[]): void;
  end(out: StreamEvent[]): void;
}

function assembled<T>(decoder: Decoder<T>, pieces: readonly T[]): Message | undefined {
  const assembler = new Assembler(unknownMembers);
  const events: StreamEvent[] = [];
  for (const piece of pieces) decoder.push(piece, events);
  decoder.end(events);
  assembler.add(events);
  expect(assembler.finished).toBe(true);
  return assembler.message(0);
}

interface Dialect {
  /** Recordings of it: `provider/endpoint`. */
  readonly of: RegExp;
  readonly whole: (answer: Json) => Message | undefined;
  readonly streamed: (answer: Json) => Message | undefined;
  /** Adds members that nobody knows wherever a message of this dialect may have them. */
  readonly note: (answer: Json) => void;
}

const texts = (frames: readonly Json[]): string[] => frames.map((frame) => JSON.stringify(frame));
const note = { x: [1, { y: 'z' }], text: 'known elsewhere' };
const noteAll = (list: unknown): void => {
  for (const one of (list as Json[] | undefined) ?? []) one['x_note'] = note;
};

const dialects: Readonly<Record<string, Dialect>> = {
  anthropic: {
    of: /^(?:anthropic|vertex)\/messages$|^bedrock\/invoke$/,
    whole: (answer) => decodeMessagesResponse(answer, upstream).choices[0]?.message,
    streamed: (answer) => assembled(new MessagesStreamDecoder(upstream), texts(messagesFrames(answer))),
    note: ({ content }) => noteAll(content),
  },
  gemini: {
    of: /\/generateContent$/,
    whole: (answer) => decodeGeminiResponse(answer, upstream).choices[0]?.message,
    streamed: (answer) => assembled(new GeminiStreamDecoder(upstream), texts(geminiChunks(answer))),
    note({ candidates }) {
      for (const { content } of candidates as { content?: Json }[]) {
        // Pieces of texts with members of their own are parts of their own.
        noteAll(((content?.['parts'] ?? []) as Json[]).filter((part) => part['text'] === undefined));
      }
    },
  },
  bedrock: {
    of: /^bedrock\/converse$/,
    whole: (answer) => decodeConverseResponse(answer, upstream).choices[0]?.message,
    streamed: (answer) =>
      assembled(
        new ConverseStreamDecoder(upstream),
        converseEvents(answer).map(([type, event]) => ({
          headers: new Map([
            [':event-type', type],
            [':message-type', 'event'],
          ]),
          payload: Buffer.from(JSON.stringify(event)),
        })),
      ),
    note({ output }) {
      const { message } = output as { message: Json };
      message['x_note'] = note;
      noteAll(message['content']);
    },
  },
  ollama: {
    of: /^ollama\/api_chat$/,
    whole: (answer) => decodeOllama(answer, upstream).choices[0]?.message,
    streamed: (answer) => assembled(new OllamaStream(upstream), texts(ollamaLines(answer))),
    note({ message }) {
      (message as Json)['x_note'] = note;
    },
  },
  openai: {
    of: /\/chat$/,
    whole: (answer) => decodeOpenai(answer, upstream).choices[0]?.message,
    streamed: (answer) => assembled(new OpenaiStream(upstream), texts(openaiChunks(answer))),
    note({ choices }) {
      for (const { message } of choices as { message: Json }[]) {
        message['x_note'] = note;
        noteAll(message['tool_calls']);
      }
    },
  },
};

const isEmptyText = ({ content, extras }: Part): boolean =>
  content.case === 'text' && content.value.text === '' && extras === undefined;

/** Its place in the form of OpenAI's is a list of its own. */
const isState = ({ content }: Part): boolean =>
  content.case === 'reasoning' && content.value.format === 'xai-responses-v1';

/** A message with what does not matter made alike: generated ids, the order of unknown keys, whether a text stood in a list. */
function plain(message: Message | undefined, recorded: string): unknown {
  let calls = 0;
  return JSON.parse(
    JSON.stringify(message, (key, value: unknown) => {
      if (key === 'multipart') return undefined;
      // Texts of nothing beside calls are in whole answers only, and some state is told at the end of a stream.
      if (key === 'parts') {
        const parts = (value as Part[]).filter((part) => !isEmptyText(part));
        return parts.sort((a, b) => Number(isState(b)) - Number(isState(a)));
      }
      if (
        key === 'id' &&
        typeof value === 'string' &&
        value !== '' &&
        !recorded.includes(JSON.stringify(value))
      ) {
        return `made ${calls++}`;
      }
      if (key === 'json' && typeof value === 'string') return JSON.parse(value);
      return value instanceof Uint8Array ? Buffer.from(value).toString('base64') : value;
    }) ?? 'null',
  );
}

/** Some number the calls of whole answers, too, and some say that there are no sources. */
function withoutNumbers(key: string, value: unknown): unknown {
  if (key === 'annotations' && Array.isArray(value) && value.length === 0) return undefined;
  if (key === 'tool_calls' && Array.isArray(value)) return value.map(({ index: _, ...call }) => call);
  return value;
}

const all = recordings();

describe.skipIf(all.length === 0).each(Object.entries(dialects))(
  'a streamed answer in the form of %s',
  (_name, dialect) => {
    const { of, whole, streamed, note: addNotes } = dialect;
    const answers = all.filter(
      ({ provider, endpoint, stream, derived, response }) =>
        of.test(`${provider}/${endpoint}`) &&
        !stream &&
        derived.error === undefined &&
        response.status === 200,
    );

    test('is recorded', () => expect(answers.length).toBeGreaterThan(0));

    test.each(answers.map((recording) => [recording.title, recording] as const))(
      'is the message that a whole one is: %s',
      (_title, { response }) => {
        const recorded = response.bytes.toString();
        const answer = JSON.parse(recorded, withoutNumbers) as Json;
        expect(plain(streamed(answer), recorded)).toEqual(plain(whole(answer), recorded));
        addNotes(answer);
        const noted = plain(whole(answer), recorded);
        expect(plain(streamed(answer), recorded)).toEqual(noted);
        const places = JSON.stringify(answer).split('"x_note"').length - 1;
        expect(JSON.stringify(noted).split('"x_note"').length - 1).toBe(places);
      },
    );
  },
);
