import type { Part, ReasoningPart } from '../../../gen/llmgateway/v1/message_pb.js';
import * as build from '../../model/build.ts';
import {
  isPicture,
  isPictureSignature,
  pictureId,
  thoughtSignatureFormat,
} from '../../model/picture-signatures.ts';
import { addMember, addText, isObject, type Json, number, quote, rest } from '../json.ts';
import { dialectName } from './dialect.ts';
import { ownMembers, toExtras } from './extras.ts';

// Reasoning is a plain string (`reasoning_content`, `reasoning`) and, where it has state of the provider's, a list of details in
// OpenRouter's form: {type: "reasoning.text" | "reasoning.summary" | "reasoning.encrypted", text | summary | data, signature, id,
// format, index}.

/** Format of the details that are signatures of tool calls or pictures; their `id` says of which. */
export const callSignatureFormat = thoughtSignatureFormat;

/** Where a detail of each type has its content. */
const contentKeys: ReadonlyMap<unknown, 'text' | 'summary' | 'data'> = new Map([
  ['reasoning.text', 'text'],
  ['reasoning.summary', 'summary'],
  ['reasoning.encrypted', 'data'],
]);

/**
 * One detail.
 * @param position its place in the list; an `index` that says so is not kept
 * @returns a part of an unknown kind for a type that is not known, null for what is no detail at all
 * @throws RangeError when an unknown member is nested too deeply
 */
export function decodeDetail(json: unknown, position: number): Part | null {
  if (!isObject(json) || typeof json['type'] !== 'string') return null;
  const contentKey = contentKeys.get(json['type']);
  if (contentKey === undefined) {
    const type = json['type'].startsWith('reasoning.') ? json['type'] : `reasoning.${json['type']}`;
    return build.part({ case: 'opaque', value: build.opaque(dialectName, type, JSON.stringify(json)) });
  }
  const value = build.reasoning('', { summary: contentKey === 'summary' });
  let unknown = '';
  for (const key in json) {
    const member = json[key];
    if (key === 'type' || (key === 'index' && member === position)) continue;
    if (!readDetailMember(value, key, member, contentKey)) unknown = addMember(unknown, key, member);
  }
  const part = build.part({ case: 'reasoning', value });
  if (unknown !== '') part.extras = toExtras(unknown);
  return part;
}

function readDetailMember(into: ReasoningPart, key: string, value: unknown, contentKey: string): boolean {
  if (value === null) return true;
  if (typeof value !== 'string') return false;
  if (key === contentKey) {
    if (contentKey === 'data') into.encrypted = value;
    else into.text = value;
    return true;
  }
  switch (key) {
    case 'signature':
      into.signature = value;
      return true;
    case 'id':
      into.id = value;
      return true;
    case 'format':
      into.format = value;
      return true;
    default:
      return false;
  }
}

const isReasoning = (part: Part): part is Part & { content: { case: 'reasoning' } } =>
  part.content.case === 'reasoning';

/** The readable reasoning of parts. */
export function reasoningText(parts: readonly Part[]): string {
  let text = '';
  for (const { content } of parts) if (content.case === 'reasoning') text += content.value.text;
  return text;
}

const withoutSpace = (text: string): string => text.replace(/\s+/g, '');

/**
 * The parts of a message's reasoning: its details, and the plain text where the details do not say the same. Details of one id
 * that follow each other are one part.
 */
export function mergeReasoning(text: string, details: readonly Part[]): Part[] {
  const parts: Part[] = [];
  for (const part of details) {
    const last = parts[parts.length - 1];
    if (last === undefined || !mergeDetail(last, part)) parts.push(part);
  }
  if (text === '') return parts;
  const detailed = reasoningText(parts);
  if (detailed === text || (detailed !== '' && withoutSpace(detailed) === withoutSpace(text))) return parts;
  return [build.part({ case: 'reasoning', value: build.reasoning(text) }), ...parts];
}

function mergeDetail(into: Part, part: Part): boolean {
  if (!isReasoning(into) || !isReasoning(part) || part.extras !== undefined) return false;
  const [first, second] = [into.content.value, part.content.value];
  const together =
    first.id !== '' && first.id === second.id && first.format === second.format && first.encrypted === '';
  if (!together || second.encrypted === '' || second.signature !== '') return false;
  first.encrypted = second.encrypted;
  return true;
}

const hasState = (part: Part): boolean => {
  if (part.content.case !== 'reasoning') return false;
  const { signature, encrypted, id, format } = part.content.value;
  return signature !== '' || encrypted !== '' || id !== '' || format !== '' || ownMembers(part.extras) !== '';
};

/** Whether an opaque part is a detail of an unknown type. */
export const isOpaqueDetail = ({ content }: Part): boolean =>
  content.case === 'opaque' &&
  content.value.dialect === dialectName &&
  content.value.type.startsWith('reasoning.');

/**
 * The `reasoning_details` of a message as JSON text; '' where there is no state to carry. Readable parts without state go along
 * when another readable one has some, so that the details say all or nothing.
 */
export function encodeDetails(parts: readonly Part[]): string {
  let readableState = false;
  for (const part of parts) {
    readableState ||= hasState(part) && part.content.case === 'reasoning' && part.content.value.text !== '';
  }
  let details = '';
  let position = 0;
  let pictures = 0;
  /** The picture right before. */
  let picture: Part | null = null;
  for (const part of parts) {
    const { content } = part;
    const signed: Part | null =
      content.case === 'reasoning' && isPictureSignature(content.value) ? picture : null;
    picture = isPicture(part) ? part : null;
    if (picture !== null) pictures++;
    else if (signed !== null && content.case === 'reasoning') {
      const id = pictureId(pictures - 1, signed);
      details += `${position === 0 ? '' : ','}${encodeSignature(id, content.value.signature, position)}`;
      position++;
    } else if (content.case === 'opaque' && isOpaqueDetail(part)) {
      details += `${position++ === 0 ? '' : ','}${content.value.json}`;
    } else if (content.case === 'toolCall' && content.value.signature !== '') {
      details += `${position === 0 ? '' : ','}${encodeSignature(content.value.id, content.value.signature, position)}`;
      position++;
    } else if (content.case === 'reasoning' && (hasState(part) || readableState)) {
      const text = encodeDetail(content.value, position, ownMembers(part.extras));
      details += `${position === 0 ? '' : ','}${text.json}`;
      position += text.count;
    }
  }
  return details === '' ? '' : `[${details}]`;
}

/** The signature of a tool call or a picture. @param id the call's, or what stands for the picture's */
export const encodeSignature = (id: string, signature: string, index: number): string =>
  `{"type":"reasoning.encrypted","data":${quote(signature)},"format":"${callSignatureFormat}","id":${quote(id)},"index":${index}}`;

/** A part as one detail, or as two when it is both readable and encrypted. */
export function encodeDetail(
  value: ReasoningPart,
  position: number,
  unknown = '',
): { readonly json: string; readonly count: number } {
  const { text, summary, signature, encrypted, id, format } = value;
  let state = '';
  if (format !== '') state = addText(state, 'format', quote(format));
  if (id !== '') state = addText(state, 'id', quote(id));
  const close = (index: number) =>
    `${rest(state)}${rest(unknown)}${unknown.includes('"index"') ? '' : `,"index":${number(index)}`}}`;
  let json = '';
  let count = 0;
  if (text !== '' || encrypted === '') {
    json = `{"type":"reasoning.${summary ? 'summary' : 'text'}"`;
    if (text !== '' || signature !== '') json += `,"${summary ? 'summary' : 'text'}":${quote(text)}`;
    if (signature !== '') json += `,"signature":${quote(signature)}`;
    json += close(position + count++);
  }
  if (encrypted !== '') {
    if (count > 0) json += ',';
    json += `{"type":"reasoning.encrypted","data":${quote(encrypted)}`;
    if (count === 0 && signature !== '') json += `,"signature":${quote(signature)}`;
    json += close(position + count++);
  }
  return { json, count };
}

/** Details of a message; what is no detail is left out. */
export function decodeDetails(list: readonly unknown[]): Part[] {
  const parts: Part[] = [];
  for (let i = 0; i < list.length; i++) {
    const part = decodeDetail(list[i] as Json, i);
    if (part !== null) parts.push(part);
  }
  return parts;
}
