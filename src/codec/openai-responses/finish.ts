import { FinishReason } from '../../../gen/llmgateway/v1/completion_pb.js';
import { isObject, type Json } from '../json.ts';

export interface Finish {
  readonly reason: FinishReason;
  /** The provider's own word where it says more. */
  readonly native: string;
}

/** Why an answer ended, from the response as it is at its end. */
export function decodeFinish(response: Json, hasToolCalls: boolean): Finish {
  const { status, incomplete_details: details } = response;
  if (status !== 'incomplete') {
    return { reason: hasToolCalls ? FinishReason.TOOL_CALLS : FinishReason.STOP, native: 'completed' };
  }
  const word = isObject(details) && typeof details['reason'] === 'string' ? details['reason'] : 'incomplete';
  return {
    reason: word === 'content_filter' ? FinishReason.CONTENT_FILTER : FinishReason.LENGTH,
    native: word,
  };
}

/** Keys of a response that the typed model has fields for. */
const knownKeys: ReadonlySet<string> = new Set([
  'id',
  'object',
  'created_at',
  'completed_at',
  'status',
  'error',
  'incomplete_details',
  'model',
  'output',
  'output_text',
  'usage',
]);

/** What else a response says: what it was asked, as the provider understood it, and keys that the model has no field for. */
export function otherMembers(response: Json): Json {
  const others: Json = {};
  for (const key in response) {
    if (!knownKeys.has(key) && response[key] !== null) others[key] = response[key];
  }
  return others;
}
