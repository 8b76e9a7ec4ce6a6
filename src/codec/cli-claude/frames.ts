import { isObject, type Json } from '../json.ts';

/**
 * The lines that `claude --input-format stream-json --output-format stream-json` writes. Source of the names: the frames of versions 2.0 and 2.1 as they are sent,
 * and the Agent SDK, which is made of them.
 */
export type ClaudeFrame =
  | {
      readonly kind: 'control_response';
      readonly id: string;
      readonly error: string | null;
      /** The error says nothing of what was asked for: something else was in the way. */
      readonly unsettled: boolean;
    }
  | { readonly kind: 'control_request'; readonly id: string }
  | { readonly kind: 'answer'; readonly json: Json; readonly output: boolean; readonly last: boolean }
  /** Of the session, or of what goes on besides the answer. */
  | { readonly kind: 'note'; readonly json: Json }
  | { readonly kind: 'other' };

/**
 * Why a model is not set although nothing is known against it. Source: the program's own description of `error_code` (2.1.329). Others, and answers of versions
 * that tell of none, are about the model.
 */
const unsettled: ReadonlySet<string> = new Set([
  'check_failed',
  'check_unreachable',
  'check_server_error',
  'check_rejected',
  'hooks_unchecked',
  'hooks_unchecked_plugin_not_loaded',
  'credits_required',
  'rate_limit',
  'auth_failed',
  'oauth_org_not_allowed',
  'model_not_current',
  'verdict_pending',
  'internal_error',
]);

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
        unsettled: failed && unsettled.has(String(response['error_code'] ?? '')),
      };
    }
    case 'control_request':
      return { kind: 'control_request', id: String(json['request_id'] ?? '') };
    case 'stream_event': {
      // What agents below say is none of the answer.
      if (typeof json['parent_tool_use_id'] === 'string') return { kind: 'other' };
      if (isObject(json['event']) && json['event']['type'] === 'ping') return { kind: 'other' };
      return { kind: 'answer', json, output: hasOutput(json['event']), last: false };
    }
    // What the program says itself instead of the model: that there is no account, and the like. Its words are in the last frame as well.
    case 'assistant':
      return typeof json['error'] === 'string'
        ? { kind: 'answer', json, output: false, last: false }
        : { kind: 'other' };
    case 'system':
      return { kind: 'note', json };
    case 'result':
      return { kind: 'answer', json, output: true, last: true };
    default:
      return { kind: 'other' };
  }
}

/** Whether a client is told something by it. */
const hasOutput = (event: unknown): boolean =>
  isObject(event) && (event['type'] === 'content_block_start' || event['type'] === 'content_block_delta');
