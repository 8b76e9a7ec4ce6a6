import { type Message, type Part, Role, type ToolResult } from '../../../gen/llmgateway/v1/message_pb.js';
import type { EncodeWarnings } from '../encode-warnings.ts';
import { dialectName, stateFormat } from './dialect.ts';

/**
 * Messages without what this API has no place for: other providers' reasoning and state, other dialects' keys and parts. Everything that
 * is left out is reported.
 */
export function fitMessages(messages: readonly Message[], warnings: EncodeWarnings): Message[] {
  const custom = customCalls(messages);
  return messages.map((message, i) => {
    const at = `messages[${i}]`;
    warnings.members(message.extras, at);
    if (message.name !== '' && message.role !== Role.FUNCTION) {
      warnings.warn('dropped_name', at, 'participants have no names here');
    }
    const parts = message.parts.flatMap((part) => fitPart(part, custom, at, warnings));
    return { ...message, parts };
  });
}

/** Ids of calls of custom tools: their results are items of another type. */
function customCalls(messages: readonly Message[]): ReadonlySet<string> {
  const ids = new Set<string>();
  for (const { parts } of messages) {
    for (const { content } of parts) {
      if (content.case === 'toolCall' && content.value.custom) ids.add(content.value.id);
    }
  }
  return ids;
}

function fitPart(part: Part, custom: ReadonlySet<string>, at: string, warnings: EncodeWarnings): Part[] {
  const { content } = part;
  warnings.members(part.extras, at);
  switch (content.case) {
    case 'reasoning': {
      const { format, id, text, signature, encrypted } = content.value;
      // Without an id it is none of this API's items.
      if (id !== '' && (format === stateFormat || (signature === '' && encrypted === ''))) return [part];
      const hasState = signature !== '' || encrypted !== '';
      if (text !== '') warnings.warn('dropped_reasoning', at, 'the provider takes only reasoning of its own');
      if (hasState)
        warnings.warn('dropped_reasoning_state', at, `state of ${format} is not for this provider`);
      return [];
    }
    case 'toolResult':
      return [
        { ...part, content: { case: 'toolResult', value: fitResult(content.value, custom, at, warnings) } },
      ];
    case 'opaque':
      if (content.value.dialect === dialectName) return [part];
      warnings.warn('dropped_part', at, `a part of ${content.value.dialect} has no place in ${dialectName}`);
      return [];
    default:
      return [part];
  }
}

function fitResult(
  result: ToolResult,
  custom: ReadonlySet<string>,
  at: string,
  warnings: EncodeWarnings,
): ToolResult {
  if (result.isError)
    warnings.warn('dropped_is_error', at, 'that a tool failed can only be said in its text');
  const parts = result.parts.flatMap((part) => fitPart(part, custom, at, warnings));
  return { ...result, parts, custom: result.custom || custom.has(result.toolCallId) };
}
