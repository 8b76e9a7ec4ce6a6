import type { Part, TextPart, ToolCall, ToolResult } from '../../../gen/llmgateway/v1/message_pb.js';
import { quote, rest, splitMembers } from '../json.ts';
import { encodeArguments } from '../tool-arguments.ts';
import { encodeCitation, isOwnCitation } from './citations.ts';
import { dialectName } from './dialect.ts';
import { type EncodeContext, toolUseId } from './encode-context.ts';
import { encodeAudio, encodeDocument, encodeImage } from './encode-media.ts';
import { encodeReasoning } from './encode-reasoning.ts';

/** Kinds of blocks: as keys of extras they would be a second block in the same object. */
const blockKinds = ['text', 'toolResult', 'cachePoint'];

/**
 * One part as a block, or several with `,` between; '' when nothing is left of it, which is reported unless it said nothing.
 * @param at place in the request, such as `messages[0].content[1]`
 * @param answered it is of an earlier answer: what cannot be said again of those is left out
 * @throws GatewayError INVALID_REQUEST for what the request would be meaningless without
 */
export function encodePart(given: Part, context: EncodeContext, at: string, answered: boolean): string {
  const part = context.simplified(given, at);
  const { content } = part;
  switch (content.case) {
    case 'text':
      return encodeText(content.value, part, context, at);
    case 'refusal':
      return content.value.text.trim() === ''
        ? ''
        : block('text', quote(content.value.text), part, context, at);
    case 'image':
    case 'file': {
      const kind = content.case === 'image' ? 'image' : 'document';
      const { inner, outer } = splitMembers(context.extraMembers(part.extras, at, blockKinds), kind);
      const json = context.spared(answered, at, () =>
        content.case === 'image'
          ? encodeImage(content.value, inner, context, at)
          : encodeDocument(content.value, inner, context, at),
      );
      return json === undefined ? '' : `{"${kind}":${json}${rest(outer)}}`;
    }
    case 'audio': {
      const { inner, outer } = splitMembers(context.extraMembers(part.extras, at, blockKinds), 'audio');
      const json = encodeAudio(content.value, inner);
      if (json !== '') return `{"audio":${json}${rest(outer)}}`;
      const why = 'the provider takes sound only by value and with its format';
      const transcript = context.transcribed(content.value, at, answered, why);
      return transcript.trim() === '' ? '' : `{"text":${quote(transcript)}}`;
    }
    case 'reasoning':
      return encodeReasoning(content.value, part.extras, context, at);
    case 'toolCall':
      return encodeToolCall(content.value, part, context, at);
    case 'toolResult':
      return encodeToolResult(content.value, part, context, at);
    case 'opaque':
      if (content.value.dialect === dialectName) return content.value.json;
      context.warn('dropped_part', at, `a part of ${content.value.dialect} has no place in ${dialectName}`);
      return '';
    default:
      context.warn('dropped_part', at, 'a part of an unknown kind has no place here');
      return '';
  }
}

/** A block of one kind around its JSON text. */
function block(kind: string, json: string, part: Part, context: EncodeContext, at: string): string {
  return `{"${kind}":${json}${rest(context.extraMembers(part.extras, at, blockKinds))}}`;
}

/** Text; one that cites sources of this dialect goes back with them. Converse refuses blank text, which says nothing. */
function encodeText({ text, annotations }: TextPart, part: Part, context: EncodeContext, at: string): string {
  if (annotations.length > 0) {
    if (annotations.some((annotation) => !isOwnCitation(annotation))) {
      context.warn('dropped_annotations', at, 'the provider takes back only sources that it cited itself');
    }
    const citations = annotations.map(encodeCitation).filter((json) => json !== '');
    if (citations.length > 0) {
      const { inner, outer } = splitMembers(
        context.extraMembers(part.extras, at, blockKinds),
        'citationsContent',
      );
      const cited = `{"content":[{"text":${quote(text)}}],"citations":[${citations.join(',')}]${rest(inner)}}`;
      return `{"citationsContent":${cited}${rest(outer)}}`;
    }
  }
  return text.trim() === '' ? '' : block('text', quote(text), part, context, at);
}

function encodeToolCall(call: ToolCall, part: Part, context: EncodeContext, at: string): string {
  if (call.signature !== '') {
    context.warn('dropped_reasoning_state', at, "another provider's state of a tool call is not taken");
  }
  const { inner, outer } = splitMembers(context.extraMembers(part.extras, at, blockKinds), 'toolUse');
  const input = encodeArguments(call, context, at);
  return (
    `{"toolUse":{"toolUseId":${quote(toolUseId(call.id))},"name":${quote(call.name)},"input":${input}${rest(inner)}}` +
    `${rest(outer)}}`
  );
}

function encodeToolResult(result: ToolResult, part: Part, context: EncodeContext, at: string): string {
  let list = '';
  let markers = '';
  result.parts.forEach((inner, i) => {
    const item = encodePart(inner, context, `${at}.content[${i}]`, false);
    if (item !== '') list += list === '' ? item : `,${item}`;
    // A cache point cannot stand inside of a result.
    const marker = context.cachePoint(inner.cacheBreakpoint, at);
    if (marker !== '') markers += `,${marker}`;
  });
  if (list === '' && !result.parts.every(isText)) throw context.emptied(`${at}.content`);
  const { inner, outer } = splitMembers(
    context.extraMembers(part.extras, at, ['text', 'cachePoint']),
    'toolResult',
  );
  const status = result.isError ? encodeStatus(context, at) : '';
  return (
    `{"toolResult":{"toolUseId":${quote(toolUseId(result.toolCallId))},"content":[${list}]${status}${rest(inner)}}` +
    `${rest(outer)}}${markers}`
  );
}

const isText = ({ content }: Part): boolean => content.case === 'text' || content.case === 'refusal';

/** Only Claude and Nova know it; the text says what failed in any case. */
function encodeStatus(context: EncodeContext, at: string): string {
  const { vendor } = context.traits;
  if (vendor === 'anthropic' || vendor === 'nova' || vendor === 'unknown') return ',"status":"error"';
  context.warn('dropped_status', at, 'the model does not take the failure of a tool but as text');
  return '';
}
