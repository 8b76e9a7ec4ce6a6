import { isObject, type Json } from '../json.ts';

/**
 * The lines that `claude --input-format stream-json --output-format stream-json` writes. Source of the names: the frames of versions 2.0 and 2.1 as they are sent,
 * and the Agent SDK, which is made of them.
 */
export type ClaudeFrame =
  | { readonly kind: 'control_response'; readonly id: string; readonly error: string | null }
  | { readonly kind: 'control_request'; readonly id: string }
  | { readonly kind: 'answer'; readonly json: Json; readonly output: boolean; readonly last: boolean }
  | { readonly kind: 'other' };

/** @throws SyntaxError, TypeError when the line is no frame */
export function readFrame(line: string): ClaudeFrame {
  const json: unknown = JSON.parse(line);
  if (!isObject(json)) throw new TypeError('a line is not an object');
  switch (json['type']) {
    case 'control_response': {
      const { response } = json;
      if (!isObject(response) || typeof response['request_id'] !== 'string') return { kind: 'other' };
      const failed = response['subtype'] === 'error';
      return {
        kind: 'control_response',
        id: response['request_id'],
        error: failed ? String(response['error'] ?? 'refused') : null,
      };
    }
    case 'control_request':
      return { kind: 'control_request', id: String(json['request_id'] ?? '') };
    case 'stream_event': {
      // What agents below say is none of the answer.
      if (typeof json['parent_tool_use_id'] === 'string') return { kind: 'other' };
      return { kind: 'answer', json, output: hasOutput(json['event']), last: false };
    }
    // What the program says itself instead of the model: that there is no account, and the like. Its words are in the last frame as well.
    case 'assistant':
      return typeof json['error'] === 'string'
        ? { kind: 'answer', json, output: false, last: false }
        : { kind: 'other' };
    case 'system':
      return { kind: 'answer', json, output: false, last: false };
    case 'result':
      return { kind: 'answer', json, output: true, last: true };
    default:
      return { kind: 'other' };
  }
}

/** Whether a client is told something by it. */
const hasOutput = (event: unknown): boolean =>
  isObject(event) && (event['type'] === 'content_block_start' || event['type'] === 'content_block_delta');
