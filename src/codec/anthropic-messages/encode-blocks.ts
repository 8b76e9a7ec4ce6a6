import type { Annotation, Part, ReasoningPart, ToolResult } from '../../../gen/llmgateway/v1/message_pb.js';
import { quote, rest } from '../json.ts';
import { encodeArguments } from '../tool-arguments.ts';
import { encodeCitations } from './citations.ts';
import { dialectName, reasoningFormat } from './dialect.ts';
import type { EncodeContext } from './encode-context.ts';
import { encodeDocument, encodeImage } from './encode-media.ts';
import { ownMembers } from './extras.ts';

/** A part that is nothing but text, so that it can be said without a list. */
export const isPlainText = ({ content, cacheBreakpoint, extras }: Part): boolean =>
  content.case === 'text' &&
  cacheBreakpoint === undefined &&
  extras === undefined &&
  content.value.annotations.length === 0;

export const textOf = ({ content }: Part): string => (content.case === 'text' ? content.value.text : '');

/**
 * Content blocks as items of a JSON list, without brackets. Blank texts among others, which Anthropic refuses, are left out.
 * @param answered see encodeBlock
 */
export function encodeBlocks(
  parts: readonly Part[],
  context: EncodeContext,
  at: string,
  answered = false,
): string {
  let items = '';
  for (let i = 0; i < parts.length; i++) {
    const part = parts[i] as Part;
    if (parts.length > 1 && isPlainText(part) && textOf(part).trim() === '') continue;
    const item = encodeBlock(part, context, `${at}[${i}]`, answered);
    if (item !== '') items += items === '' ? item : `,${item}`;
  }
  return items;
}

/**
 * The same of what the model has to hear: a user's words, or a tool's.
 * @throws GatewayError INVALID_REQUEST when nothing of it is left because there is no place for it
 */
export function encodeHeard(parts: readonly Part[], context: EncodeContext, at: string): string {
  const items = encodeBlocks(parts, context, at);
  if (items === '' && !parts.every(isPlainText)) throw context.emptied(at);
  return items;
}

/**
 * A part of a request as a content block; '' when this form has no place for it, which is reported.
 * @param at place in the request, such as `messages[0].content[1]`
 * @param answered it is of an earlier answer: what cannot be said again of those is left out
 * @throws GatewayError INVALID_REQUEST for what the request would mean nothing without
 */
export function encodeBlock(given: Part, context: EncodeContext, at: string, answered = false): string {
  const part = context.simplified(given, at);
  const { content } = part;
  if (content.case === 'opaque') {
    // It has its marker and all its members within.
    if (content.value.dialect === dialectName) return content.value.json;
    context.warn('dropped_part', at, `a part of ${content.value.dialect} has no place in ${dialectName}`);
    return '';
  }
  const members = context.members(part.extras, at);
  if (content.case === 'reasoning') {
    if (part.cacheBreakpoint !== undefined) {
      context.warn('dropped_cache_breakpoint', at, 'thinking cannot be marked');
    }
    return encodeReasoning(content.value, members, context, at);
  }
  const marker = context.marker(part.cacheBreakpoint, at);
  switch (content.case) {
    case 'text': {
      const { text, annotations } = content.value;
      const items = encodeCitations(ownCitations(annotations, context, at), text);
      const citations = items === '' ? '' : `,"citations":[${items}]`;
      return `{"type":"text","text":${quote(text)}${citations}${marker}${rest(members)}}`;
    }
    case 'refusal':
      return `{"type":"text","text":${quote(content.value.text)}${marker}${rest(members)}}`;
    case 'image':
      if (!answered) return encodeImage(content.value, marker, members, context, at);
      context.warn('dropped_part', at, 'Anthropic takes no pictures of earlier answers');
      return '';
    case 'file':
      return context.spared(answered, at, () => encodeDocument(content.value, marker, members, at)) ?? '';
    case 'toolCall': {
      const { id, name, signature } = content.value;
      if (signature !== '') {
        context.warn(
          'dropped_reasoning_state',
          at,
          "Anthropic does not take another provider's signature of a call",
        );
      }
      return (
        `{"type":"tool_use","id":${quote(context.callId(id))},"name":${quote(name)},` +
        `"input":${encodeArguments(content.value, context, at)}${marker}${rest(members)}}`
      );
    }
    case 'toolResult':
      return encodeToolResult(content.value, marker, members, context, at);
    case 'audio': {
      const transcript = context.transcribed(content.value, at, answered, 'Anthropic takes no sound');
      return transcript === '' ? '' : `{"type":"text","text":${quote(transcript)}${marker}}`;
    }
    default:
      context.warn('dropped_part', at, 'a part without content');
      return '';
  }
}

/** Thoughts come back to Claude with its own signature or not at all. */
function encodeReasoning(value: ReasoningPart, members: string, context: EncodeContext, at: string): string {
  const { text, signature, encrypted, format } = value;
  if (format === reasoningFormat) {
    if (encrypted !== '') return `{"type":"redacted_thinking","data":${quote(encrypted)}${rest(members)}}`;
    if (signature !== '') {
      return `{"type":"thinking","thinking":${quote(text)},"signature":${quote(signature)}${rest(members)}}`;
    }
  }
  context.warn('dropped_reasoning', at, 'Anthropic takes back only reasoning that Claude has signed');
  return '';
}

/** Citations with what Anthropic wants back of them. */
function ownCitations(annotations: readonly Annotation[], context: EncodeContext, at: string): Annotation[] {
  const own = annotations.filter(({ kind, extras }) =>
    kind.case === 'opaque' ? kind.value.dialect === dialectName : ownMembers(extras) !== '',
  );
  if (own.length < annotations.length) {
    context.warn('dropped_annotations', at, 'Anthropic takes back only sources that it cited itself');
  }
  return own;
}

function encodeToolResult(
  result: ToolResult,
  marker: string,
  members: string,
  context: EncodeContext,
  at: string,
): string {
  const { toolCallId, parts, isError, multipart } = result;
  let content = '';
  const [only] = parts;
  if (only === undefined) content = multipart ? ',"content":[]' : '';
  else if (!multipart && parts.length === 1 && isPlainText(only))
    content = `,"content":${quote(textOf(only))}`;
  else content = `,"content":[${encodeHeard(parts, context, `${at}.content`)}]`;
  return (
    `{"type":"tool_result","tool_use_id":${quote(context.callId(toolCallId))}${content}` +
    `${isError ? ',"is_error":true' : ''}${marker}${rest(members)}}`
  );
}
