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
import { type CacheMarkers, decodeCacheMarker } from './cache-markers.ts';
import { dialectName } from './dialect.ts';
import { toExtras } from './extras.ts';

const maxParts = 10_000;

/** What a message's `content` holds. */
export interface DecodedContent {
  readonly parts: Part[];
  readonly multipart: boolean;
}

/** @throws GatewayError INVALID_REQUEST */
export function decodeContent(value: unknown, field: string, markers: CacheMarkers): DecodedContent {
  if (typeof value === 'string') return { parts: [build.textPart(value)], multipart: false };
  if (!Array.isArray(value)) throw invalid(field, 'a string or an array of parts', value);
  const items = readArray(value, field, maxParts);
  const parts: Part[] = [];
  for (let i = 0; i < items.length; i++) parts.push(decodePart(items[i], `${field}[${i}]`, markers));
  return { parts, multipart: true };
}

/** Members of a part that the part's decoder has not read. */
interface Leftover {
  /** Key of the object within. */
  readonly nested: string;
  /** Unknown members of that object. */
  readonly inner: string;
}

const nothing: Leftover = { nested: '', inner: '' };

function decodePart(value: unknown, at: string, markers: CacheMarkers): Part {
  const json = readObject(value, at);
  const type = readName(json['type'], `${at}.type`, 256);
  const part = build.part({ case: undefined });
  const leftover = decodeKind(part, type, json, at);
  if (leftover === null) {
    part.content = { case: 'opaque', value: build.opaque(dialectName, type, writeJson(json, at)) };
    return part;
  }
  let unknown = '';
  for (const key in json) {
    if (key === 'type' || key === contentKeys[type as keyof typeof contentKeys]) continue;
    const member = json[key];
    if (!decodeCacheMarker(part, key, member, at, markers)) {
      unknown = keepMember(unknown, key, member, `${at}.${key}`);
    }
  }
  if (leftover.inner !== '') unknown = addNested(unknown, leftover.nested, leftover.inner);
  if (unknown !== '') part.extras = toExtras(unknown);
  return part;
}

const contentKeys = {
  text: 'text',
  refusal: 'refusal',
  image_url: 'image_url',
  input_audio: 'input_audio',
  file: 'file',
} as const;

/** @returns null for a part of an unknown kind */
function decodeKind(part: Part, type: string, json: Json, at: string): Leftover | null {
  switch (type) {
    case 'text':
      part.content = { case: 'text', value: build.text(readString(json['text'], `${at}.text`)) };
      return nothing;
    case 'refusal':
      part.content = { case: 'refusal', value: build.refusal(readString(json['refusal'], `${at}.refusal`)) };
      return nothing;
    case 'image_url':
      return decodeImage(part, readObject(json['image_url'], `${at}.image_url`), `${at}.image_url`);
    case 'input_audio':
      return decodeAudio(part, readObject(json['input_audio'], `${at}.input_audio`), `${at}.input_audio`);
    case 'file':
      return decodeFile(part, readObject(json['file'], `${at}.file`), `${at}.file`);
    default:
      return null;
  }
}

function decodeImage(part: Part, json: Json, at: string): Leftover {
  const url = readName(json['url'], `${at}.url`, Number.POSITIVE_INFINITY);
  const image = build.image({ case: 'url', value: url });
  let inner = '';
  for (const key in json) {
    if (key === 'url') continue;
    if (key === 'detail') image.detail = readOptionalString(json[key], `${at}.detail`, 64);
    else inner = keepMember(inner, key, json[key], `${at}.${key}`);
  }
  part.content = { case: 'image', value: image };
  return { nested: 'image_url', inner };
}

function decodeAudio(part: Part, json: Json, at: string): Leftover {
  const data = readString(json['data'], `${at}.data`);
  const format = readName(json['format'], `${at}.format`, 64);
  let inner = '';
  for (const key in json) {
    if (key !== 'data' && key !== 'format') inner = keepMember(inner, key, json[key], `${at}.${key}`);
  }
  part.content = { case: 'audio', value: build.audio({ case: 'base64', value: data }, { format }) };
  return { nested: 'input_audio', inner };
}

function decodeFile(part: Part, json: Json, at: string): Leftover {
  const data = readOptionalString(json['file_data'] ?? null, `${at}.file_data`);
  const id = readOptionalString(json['file_id'] ?? null, `${at}.file_id`);
  const filename = readOptionalString(json['filename'] ?? null, `${at}.filename`);
  if (data === '' && id === '') throw invalid(at, "'file_data' or 'file_id' in it", json, 'neither');
  if (data !== '' && id !== '') throw invalid(at, "'file_data' or 'file_id' in it", json, 'both');
  let inner = '';
  for (const key in json) {
    if (key === 'file_data' || key === 'file_id' || key === 'filename') continue;
    inner = keepMember(inner, key, json[key], `${at}.${key}`);
  }
  const value = build.file(id === '' ? { case: 'url', value: data } : { case: 'fileId', value: id }, {
    filename,
  });
  part.content = { case: 'file', value };
  return { nested: 'file', inner };
}
