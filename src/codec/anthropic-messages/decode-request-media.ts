import type { Part } from '../../../gen/llmgateway/v1/message_pb.js';
import * as build from '../../model/build.ts';
import { invalid, keepMember, readName, readObject, readString, writeJson } from '../fields.ts';
import { addNested, type Json } from '../json.ts';
import { dialectName } from './dialect.ts';
import { plainText } from './plain-text.ts';

/** Longest URL that is no data: URL, and longest id of a file. */
const maxReference = 65_536;

const mediaType = /^[\w.+-]+\/[\w.+-]+$/;

/** A part, and its members that the model has no field for. */
export interface DecodedPart {
  readonly part: Part;
  readonly unknown: string;
}

/** Where a picture or document is, and the source's unknown members. */
interface Source {
  readonly kind: 'url' | 'fileId' | 'text';
  readonly value: string;
  readonly unknown: string;
}

/** `image`: its source becomes a URL or the id of a file. A source of another kind keeps the block whole. */
export function decodeImage(json: Json, at: string): DecodedPart {
  const source = decodeSource(json['source'], `${at}.source`);
  if (source === null || source.kind === 'text') return whole(json, at);
  const value = build.image({ case: source.kind, value: source.value });
  let unknown = '';
  for (const key in json) {
    if (key === 'type' || key === 'source' || key === 'cache_control') continue;
    unknown = keepMember(unknown, key, json[key], `${at}.${key}`);
  }
  return {
    part: build.part({ case: 'image', value }),
    unknown: addNested(unknown, 'source', source.unknown),
  };
}

/** `document`: likewise, and its source may be plain text. */
export function decodeDocument(json: Json, at: string): DecodedPart {
  const source = decodeSource(json['source'], `${at}.source`);
  if (source === null) return whole(json, at);
  const value = build.file({ case: source.kind, value: source.value });
  if (source.kind === 'text') value.mediaType = 'text/plain';
  let unknown = '';
  for (const key in json) {
    const member = json[key];
    if (key === 'type' || key === 'source' || key === 'cache_control') continue;
    if (key === 'title' && typeof member === 'string') value.filename = member;
    else if (key !== 'title' || member !== null) unknown = keepMember(unknown, key, member, `${at}.${key}`);
  }
  return {
    part: build.part({ case: 'file', value }),
    unknown: addNested(unknown, 'source', source.unknown),
  };
}

/** A block of a kind that the model does not know. */
export function whole(json: Json, at: string): DecodedPart {
  const type = typeof json['type'] === 'string' ? json['type'] : '';
  const value = build.opaque(dialectName, type, writeJson(json, at), plainText(json));
  return { part: build.part({ case: 'opaque', value }), unknown: '' };
}

/** @returns null for a source of a kind that the model does not know */
function decodeSource(value: unknown, at: string): Source | null {
  const json = readObject(value, at);
  switch (readName(json['type'], `${at}.type`, 256)) {
    case 'base64': {
      const type = readName(json['media_type'], `${at}.media_type`, 256);
      if (!mediaType.test(type)) throw invalid(`${at}.media_type`, 'a media type', type, 'another string');
      const data = readString(json['data'], `${at}.data`);
      return source('url', `data:${type};base64,${data}`, json, ['media_type', 'data'], at);
    }
    case 'url':
      return source('url', readName(json['url'], `${at}.url`, maxReference), json, ['url'], at);
    case 'file':
      return source(
        'fileId',
        readName(json['file_id'], `${at}.file_id`, maxReference),
        json,
        ['file_id'],
        at,
      );
    case 'text':
      if (json['media_type'] !== undefined && json['media_type'] !== 'text/plain') {
        throw invalid(`${at}.media_type`, "'text/plain'", json['media_type'], 'another value');
      }
      return source('text', readString(json['data'], `${at}.data`), json, ['media_type', 'data'], at);
    default:
      return null;
  }
}

function source(
  kind: Source['kind'],
  value: string,
  json: Json,
  known: readonly string[],
  at: string,
): Source {
  let unknown = '';
  for (const key in json) {
    if (key === 'type' || known.includes(key)) continue;
    unknown = keepMember(unknown, key, json[key], `${at}.${key}`);
  }
  return { kind, value, unknown };
}
