// The forms of a message as Anthropic really writes them.

import { MARKER } from '../lib/marker.ts';
import { ANSWER, httpChunk, jsonReply, LAST_HTTP_CHUNK, STREAM_HEAD } from './replies.ts';

const head = {
  id: 'msg_01BvJ2h8bYc0nq3kXw5TzR7m',
  type: 'message',
  role: 'assistant',
  model: 'claude-sonnet-4-5',
};
const usage = {
  input_tokens: 212,
  cache_creation_input_tokens: 0,
  cache_read_input_tokens: 0,
  cache_creation: { ephemeral_5m_input_tokens: 0, ephemeral_1h_input_tokens: 0 },
  output_tokens: 102,
  service_tier: 'standard',
};

/** A whole HTTP reply. */
export const anthropicUnary: Buffer = jsonReply({
  ...head,
  content: [{ type: 'text', text: ANSWER }],
  stop_reason: 'end_turn',
  stop_sequence: null,
  usage,
});

/** A whole streamed reply of `chunks` deltas. */
export function anthropicBurst(chunks: number): Buffer {
  const text = { type: 'text', text: '' };
  const start = {
    ...head,
    content: [],
    stop_reason: null,
    stop_sequence: null,
    usage: { ...usage, output_tokens: 1 },
  };
  const parts = [
    STREAM_HEAD,
    event('message_start', { message: start }),
    event('content_block_start', { index: 0, content_block: text }),
    event('ping', {}),
  ];
  for (let i = 0; i < chunks; i++) {
    parts.push(
      event('content_block_delta', { index: 0, delta: { type: 'text_delta', text: ` ${MARKER}${i}` } }),
    );
  }
  const end = { stop_reason: 'end_turn', stop_sequence: null };
  parts.push(event('content_block_stop', { index: 0 }));
  parts.push(event('message_delta', { delta: end, usage }), event('message_stop', {}), LAST_HTTP_CHUNK);
  return Buffer.concat(parts);
}

const event = (type: string, data: object): Buffer =>
  httpChunk(`event: ${type}\ndata: ${JSON.stringify({ type, ...data })}\n\n`);
