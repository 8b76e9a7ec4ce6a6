import type { StreamEvent } from '../model/events.ts';

/** What an event takes besides its texts. */
const eventCost = 200;
/** And a log probability. */
const logprobCost = 400;

/** What events take in memory, about, in bytes. */
export function eventBytes(batch: readonly StreamEvent[]): number {
  let sum = 0;
  for (let i = 0; i < batch.length; i++) {
    const { event } = batch[i] as StreamEvent;
    sum += eventCost;
    if (event.case === 'delta') {
      const { text, transcript, annotations, logprobs } = event.value;
      sum += 2 * (text.length + transcript.length);
      if (annotations.length > 0) sum += textBytes(annotations);
      if (logprobs !== undefined) sum += logprobCost * (logprobs.content.length + logprobs.refusal.length);
    } else sum += textBytes(event.value);
  }
  return sum;
}

/** Of all texts and bytes in a value. */
function textBytes(value: unknown): number {
  if (typeof value === 'string') return 2 * value.length;
  if (typeof value !== 'object' || value === null) return 8;
  if (value instanceof Uint8Array) return value.length;
  let sum = 0;
  for (const key in value) sum += textBytes((value as Readonly<Record<string, unknown>>)[key]);
  return sum;
}
