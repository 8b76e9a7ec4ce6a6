import type { Part } from '../../../gen/llmgateway/v1/message_pb.js';
import * as build from '../../model/build.ts';
import {
  invalid,
  keepMember,
  readArray,
  readName,
  readObject,
  readOptionalString,
  readString,
  writeJson,
} from '../fields.ts';
import { addNested, type Json } from '../json.ts';
import { decodeAnnotations } from './annotations.ts';
import { decodeCacheMarker, markerKey } from './cache-markers.ts';
import { dialectName } from './dialect.ts';
import { toExtras } from './extras.ts';

const maxParts = 10_000;

/** What a message's `content`, or the `output` of a call, holds. */
export interface DecodedContent {
  readonly parts: Part[];
  readonly multipart: boolean;
}

/** @throws GatewayError INVALID_REQUEST */
export function decodeContent(value: unknown, field: string): DecodedContent {
  if (typeof value === 'string') return { parts: [build.textPart(value)], multipart: false };
  if (!Array.isArray(value)) throw invalid(field, 'a string or an array of parts', value);
  const items = readArray(value, field, maxParts);
  return { parts: items.map((item, i) => decodeContentPart(item, `${field}[${i}]`)), multipart: true };
}

/** Keys that each known kind has a place for in the model. */
const knownKeys: Readonly<Record<string, ReadonlySet<string>>> = {
  input_text: new Set(['text']),
  output_text: new Set(['text', 'annotations']),
  refusal: new Set(['refusal']),
  input_image: new Set(['image_url', 'file_id', 'detail']),
  input_file: new Set(['file_url', 'file_data', 'file_id', 'filename']),
  input_audio: new Set(['input_audio']),
};

/** One part of a list. @throws GatewayError INVALID_REQUEST */
export function decodeContentPart(value: unknown, at: string): Part {
  const json = readObject(value, at);
  const type = readName(json['type'], `${at}.type`, 256);
  const part = build.part({ case: undefined });
  const known = Object.hasOwn(knownKeys, type) ? knownKeys[type] : undefined;
  if (known === undefined) {
    part.content = { case: 'opaque', value: build.opaque(dialectName, type, writeJson(json, at)) };
    return part;
  }
  let unknown = decodeKind(part, type, json, at);
  for (const key in json) {
    if (key === 'type' || known.has(key)) continue;
    if (key === markerKey && decodeCacheMarker(part, json[key], `${at}.${key}`)) continue;
    // An empty list of probabilities says nothing.
    if (key === 'logprobs' && Array.isArray(json[key]) && (json[key] as unknown[]).length === 0) continue;
    unknown = keepMember(unknown, key, json[key], `${at}.${key}`);
  }
  if (unknown !== '') part.extras = toExtras(unknown);
  return part;
}

/** @returns members within the part that the model has no place for */
function decodeKind(part: Part, type: string, json: Json, at: string): string {
  switch (type) {
    case 'input_text':
      part.content = { case: 'text', value: build.text(readString(json['text'], `${at}.text`)) };
      return '';
    case 'output_text': {
      const annotations = decodeAnnotations(json['annotations']);
      const text = readString(json['text'], `${at}.text`);
      part.content = { case: 'text', value: build.text(text, { annotations }) };
      return '';
    }
    case 'refusal':
      part.content = { case: 'refusal', value: build.refusal(readString(json['refusal'], `${at}.refusal`)) };
      return '';
    case 'input_image':
      part.content = { case: 'image', value: decodeImage(json, at) };
      return '';
    case 'input_file':
      part.content = { case: 'file', value: decodeFile(json, at) };
      return '';
    default:
      return decodeAudio(part, readObject(json['input_audio'], `${at}.input_audio`), `${at}.input_audio`);
  }
}

/** The one of several keys that says where something is. */
function sourceOf(json: Json, keys: readonly string[], at: string): readonly [string, string] {
  const given = keys.flatMap((key) => {
    const text = readOptionalString(json[key] ?? null, `${at}.${key}`);
    return text === '' ? [] : [[key, text] as const];
  });
  const [source] = given;
  const all = keys.map((key) => `'${key}'`).join(', ');
  if (source === undefined) throw invalid(at, `one of ${all} in it`, json, 'none of them');
  if (given.length > 1) throw invalid(at, `one of ${all} in it`, json, 'several of them');
  return source;
}

function decodeImage(json: Json, at: string) {
  const [key, value] = sourceOf(json, ['image_url', 'file_id'], at);
  const detail = readOptionalString(json['detail'] ?? null, `${at}.detail`, 64);
  return build.image(key === 'image_url' ? { case: 'url', value } : { case: 'fileId', value }, { detail });
}

function decodeFile(json: Json, at: string) {
  const [key, value] = sourceOf(json, ['file_url', 'file_data', 'file_id'], at);
  const filename = readOptionalString(json['filename'] ?? null, `${at}.filename`);
  return build.file(key === 'file_id' ? { case: 'fileId', value } : { case: 'url', value }, { filename });
}

function decodeAudio(part: Part, json: Json, at: string): string {
  const data = readString(json['data'], `${at}.data`);
  const format = readName(json['format'], `${at}.format`, 64);
  let inner = '';
  for (const key in json) {
    if (key !== 'data' && key !== 'format') inner = keepMember(inner, key, json[key], `${at}.${key}`);
  }
  part.content = { case: 'audio', value: build.audio({ case: 'base64', value: data }, { format }) };
  return addNested('', 'input_audio', inner);
}
