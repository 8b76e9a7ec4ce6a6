// The calls that the load consists of.

import type { Call } from '../load/types.ts';

const SYSTEM =
  'You are a careful assistant of an online shop. Answer in the language of the customer, in at most three ' +
  'sentences. When an order number is missing, ask for it. Never promise a date that the carrier has not confirmed.';

const TURNS = [
  ['user', 'Hello! I ordered a pair of hiking boots last Tuesday and the page still says “in preparation”.'],
  ['assistant', 'I am sorry for the wait. Could you please give me the order number? It begins with “A-”.'],
  [
    'user',
    'It is A-20931-77. The boots are a birthday present, so it would be good to know if they come by Friday.',
  ],
  [
    'assistant',
    'Thank you. The parcel was handed to the carrier this morning; the carrier has not confirmed a day of delivery yet.',
  ],
  [
    'user',
    'Can I still change the address to my office, and what would that cost? Please answer as a short list.',
  ],
] as const;

export interface Conversation {
  role: 'system' | 'user' | 'assistant';
  content: string;
}

/** A conversation of six messages in about 1 KB; `repeat` lengthens it by that many rounds of the same turns. */
export function conversation(repeat = 1): Conversation[] {
  const messages: Conversation[] = [{ role: 'system', content: SYSTEM }];
  for (let i = 0; i < repeat; i++) for (const [role, content] of TURNS) messages.push({ role, content });
  return messages;
}

/** Rounds of turns that make a request of about 8 KB. */
export const LARGE = 12;

/** Where a number is written into each call. */
const NUMBER = '0000000000';

export interface RestOptions {
  port: number;
  model: string;
  headers?: Record<string, string>;
  stream?: boolean;
  repeat?: number;
  /** No two calls ask for the same. */
  varied?: boolean;
}

/** POST /v1/chat/completions. */
export function restCall(options: RestOptions): Call {
  const body = {
    model: options.model,
    messages: conversation(options.repeat),
    temperature: 0.7,
    max_tokens: 256,
    ...(options.varied ? { user: `caller-${NUMBER}` } : {}),
    ...(options.stream ? { stream: true, stream_options: { include_usage: true } } : {}),
  };
  const request = httpPost(options.port, '/v1/chat/completions', Buffer.from(JSON.stringify(body)), {
    'content-type': 'application/json',
    authorization: 'Bearer bench',
    ...options.headers,
  });
  return {
    port: options.port,
    request,
    ...(options.varied ? { varies: request.indexOf(NUMBER) } : {}),
    ...(options.stream ? { mustEndWith: '[DONE]' } : {}),
  };
}

/** A whole HTTP/1.1 request. */
export function httpPost(port: number, path: string, body: Buffer, headers: Record<string, string>): Buffer {
  const lines = Object.entries({ ...headers, 'content-length': String(body.length) });
  const head = lines.map(([name, value]) => `${name}: ${value}\r\n`).join('');
  return Buffer.concat([
    Buffer.from(`POST ${path} HTTP/1.1\r\nhost: 127.0.0.1:${port}\r\n${head}\r\n`),
    body,
  ]);
}
