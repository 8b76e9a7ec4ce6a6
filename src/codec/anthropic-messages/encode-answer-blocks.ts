import { Buffer } from 'node:buffer';
import type { ImagePart, Part, ReasoningPart, ToolCall } from '../../../gen/llmgateway/v1/message_pb.js';
import { quote, rest } from '../json.ts';
import { objectArguments } from '../tool-arguments.ts';
import { encodeCitations } from './citations.ts';
import { dialectName, reasoningFormat } from './dialect.ts';
import { ownMembers } from './extras.ts';

/**
 * A part of an answer of any provider as a content block; '' for what this dialect has no place for: another provider's opaque
 * parts, reasoning that nobody but its provider can read, and a text without a character. Claude makes no pictures; those of
 * others have the form of a picture in a request.
 */
export function encodeAnswerBlock(part: Part): string {
  const { content } = part;
  const members = ownMembers(part.extras);
  switch (content.case) {
    case 'text': {
      const { text, annotations } = content.value;
      const items = encodeCitations(annotations, text);
      if (text === '' && items === '' && members === '') return '';
      return textBlock(text, `${items === '' ? '' : `,"citations":[${items}]`}${rest(members)}`);
    }
    case 'refusal':
      return content.value.text === '' ? '' : textBlock(content.value.text, rest(members));
    case 'audio':
      return content.value.transcript === '' ? '' : textBlock(content.value.transcript, '');
    case 'image':
      return encodeImage(content.value, members);
    case 'reasoning':
      return encodeReasoning(content.value, members);
    case 'toolCall':
      return encodeToolUse(content.value, objectArguments(content.value).json, members);
    case 'opaque':
      return content.value.dialect === dialectName ? content.value.json : '';
    default:
      return '';
  }
}

const textBlock = (text: string, members: string): string =>
  `{"type":"text","text":${quote(text)}${members}}`;

/** Claude's signature of a thought; '' for another provider's, which would not be known for what it is when it comes back. */
export const signatureOf = ({ signature, format }: ReasoningPart): string =>
  format === reasoningFormat ? signature : '';

/** The whole block of thoughts that only Claude can read; '' for others. */
export const redactedBlock = ({ encrypted, format }: ReasoningPart, members: string): string =>
  encrypted === '' || format !== reasoningFormat
    ? ''
    : `{"type":"redacted_thinking","data":${quote(encrypted)}${rest(members)}}`;

function encodeImage({ source, mediaType }: ImagePart, members: string): string {
  let from = '';
  if (source.case === 'fileId') from = `"file","file_id":${quote(source.value)}`;
  else if (source.case === 'data')
    from = base64Source(mediaType, Buffer.from(source.value).toString('base64'));
  else if (source.case === 'url') {
    const [, type, data] = /^data:([^;,]*);base64,(.*)$/s.exec(source.value) ?? [];
    from = data === undefined ? `"url","url":${quote(source.value)}` : base64Source(type ?? '', data);
  }
  return from === '' ? '' : `{"type":"image","source":{"type":${from}}${rest(members)}}`;
}

const base64Source = (mediaType: string, data: string): string =>
  `"base64","media_type":${quote(mediaType)},"data":${quote(data)}`;

function encodeReasoning(value: ReasoningPart, members: string): string {
  const redacted = redactedBlock(value, members);
  if (redacted !== '') return redacted;
  const signature = signatureOf(value);
  if (value.text === '' && signature === '') return '';
  return `{"type":"thinking","thinking":${quote(value.text)},"signature":${quote(signature)}${rest(members)}}`;
}

/** A call of a tool with an input that is JSON text. */
export const encodeToolUse = ({ id, name }: ToolCall, input: string, members: string): string =>
  `{"type":"tool_use","id":${quote(id)},"name":${quote(name)},"input":${input}${rest(members)}}`;
