// What the upstream answers, as bytes ready to send: the forms of a chat completion as OpenAI really writes them.

import { MARKER } from '../lib/marker.ts';

const ID = 'chatcmpl-BvJ2h8bYc0nq3kXw5TzR7mLpQeSdF';
const MODEL = 'gpt-4o-mini-2024-07-18';
const CREATED = 1_752_000_000;
const FINGERPRINT = 'fp_34a54ae93c';
/** Texts that differ, so that no parser profits from meeting the same string again. */
const VARIANTS = 100;

const usage = {
  prompt_tokens: 212,
  completion_tokens: 102,
  total_tokens: 314,
  prompt_tokens_details: { cached_tokens: 0, audio_tokens: 0 },
  completion_tokens_details: {
    reasoning_tokens: 0,
    audio_tokens: 0,
    accepted_prediction_tokens: 0,
    rejected_prediction_tokens: 0,
  },
};

export const STREAM_HEAD: Buffer = Buffer.from(
  'HTTP/1.1 200 OK\r\ncontent-type: text/event-stream; charset=utf-8\r\ncache-control: no-cache\r\n' +
    'openai-processing-ms: 12\r\nx-request-id: req_bench\r\ntransfer-encoding: chunked\r\n\r\n',
);

/** A text of about 600 characters. */
export const ANSWER: string = Array.from({ length: 100 }, (_, i) => `word${i}`).join(' ');

/** A whole HTTP reply with that as completion. */
export const unaryReply: Buffer = jsonReply({
  id: ID,
  object: 'chat.completion',
  created: CREATED,
  model: MODEL,
  choices: [
    {
      index: 0,
      message: {
        role: 'assistant',
        content: ANSWER,
        refusal: null,
        annotations: [],
      },
      logprobs: null,
      finish_reason: 'stop',
    },
  ],
  usage,
  service_tier: 'default',
  system_fingerprint: FINGERPRINT,
});

/** Whatever else a system asks at start (a list of models, say). */
export const emptyListReply: Buffer = jsonReply({ object: 'list', data: [] });

/** Head of a streamed reply and the chunk that names the role: what the client sees first. */
export const openingReply: Buffer = Buffer.concat([
  STREAM_HEAD,
  event(chunk({ role: 'assistant', content: '', refusal: null }, null)),
]);

const contents = Array.from({ length: VARIANTS }, (_, i) =>
  event(chunk({ content: ` ${MARKER}${i}` }, null)),
);

/** The i-th content chunk, from 0. */
export function contentChunk(i: number): Buffer {
  return contents[i % VARIANTS]!;
}

/** Finish reason, usage when asked for, end of stream. */
export function closing(withUsage: boolean): Buffer {
  return withUsage ? closingWithUsage : closingWithoutUsage;
}

const finish = event(chunk({}, 'stop'));
const end = Buffer.concat([httpChunk('data: [DONE]\n\n'), Buffer.from('0\r\n\r\n')]);
const closingWithoutUsage = Buffer.concat([finish, end]);
const closingWithUsage = Buffer.concat([finish, event({ ...chunk({}, null), choices: [], usage }), end]);

/** A whole streamed reply of `chunks` content chunks. */
export function burstReply(chunks: number, withUsage: boolean): Buffer {
  const parts = [openingReply];
  for (let i = 0; i < chunks; i++) parts.push(contentChunk(i));
  parts.push(closing(withUsage));
  return Buffer.concat(parts);
}

function chunk(delta: object, finishReason: string | null): object {
  return {
    id: ID,
    object: 'chat.completion.chunk',
    created: CREATED,
    model: MODEL,
    service_tier: 'default',
    system_fingerprint: FINGERPRINT,
    choices: [{ index: 0, delta, logprobs: null, finish_reason: finishReason }],
  };
}

export function event(data: object): Buffer {
  return httpChunk(`data: ${JSON.stringify(data)}\n\n`);
}

/** The end of a body in HTTP chunks. */
export const LAST_HTTP_CHUNK: Buffer = Buffer.from('0\r\n\r\n');

// Real upstreams flush every event, so that each is an HTTP chunk of its own also when many arrive in one read.
export function httpChunk(text: string): Buffer {
  return Buffer.from(`${Buffer.byteLength(text).toString(16)}\r\n${text}\r\n`);
}

export function jsonReply(body: object): Buffer {
  const text = JSON.stringify(body);
  return Buffer.from(
    'HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nopenai-processing-ms: 12\r\nx-request-id: req_bench\r\n' +
      `content-length: ${Buffer.byteLength(text)}\r\n\r\n${text}`,
  );
}
