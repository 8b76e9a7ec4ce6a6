// The forms of an answer as Gemini really writes them.

import { MARKER } from '../lib/marker.ts';
import { ANSWER, event, jsonReply, LAST_HTTP_CHUNK, STREAM_HEAD } from './replies.ts';

const usageMetadata = {
  promptTokenCount: 212,
  candidatesTokenCount: 102,
  totalTokenCount: 314,
  promptTokensDetails: [{ modality: 'TEXT', tokenCount: 212 }],
};
const tail = { usageMetadata, modelVersion: 'gemini-2.5-flash', responseId: 'BvJ2h8bYc0nq3kXw5TzR7m' };

const candidate = (text: string, finishReason?: string): object => ({
  content: { parts: [{ text }], role: 'model' },
  ...(finishReason === undefined ? {} : { finishReason }),
  index: 0,
});

/** A whole HTTP reply. */
export const geminiUnary: Buffer = jsonReply({ candidates: [candidate(ANSWER, 'STOP')], ...tail });

/** A whole streamed reply of `chunks` chunks. */
export function geminiBurst(chunks: number): Buffer {
  const parts = [STREAM_HEAD];
  for (let i = 0; i < chunks; i++) {
    const finish = i === chunks - 1 ? 'STOP' : undefined;
    parts.push(event({ candidates: [candidate(` ${MARKER}${i}`, finish)], ...tail }));
  }
  parts.push(LAST_HTTP_CHUNK);
  return Buffer.concat(parts);
}
