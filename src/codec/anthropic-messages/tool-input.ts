import type { ToolCall } from '../../../gen/llmgateway/v1/message_pb.js';
import { isObject, quote } from '../json.ts';

/**
 * The `input` of a call as JSON text, byte for byte where it is an object. A custom tool's free text becomes its member `input`,
 * and what is no object, which a model may write by mistake, its member `invalid_arguments`.
 */
export function inputText({ arguments: args, custom }: ToolCall): string {
  if (custom) return `{"input":${quote(args)}}`;
  if (args.trim() === '') return '{}';
  try {
    if (isObject(JSON.parse(args))) return args;
  } catch {}
  return `{"invalid_arguments":${quote(args)}}`;
}
