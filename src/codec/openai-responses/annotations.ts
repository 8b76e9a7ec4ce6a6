import type { Annotation } from '../../../gen/llmgateway/v1/message_pb.js';
import * as build from '../../model/build.ts';
import { isObject, type Json, quote } from '../json.ts';
import { dialectName } from './dialect.ts';
import { decodeForeignAnnotation, encodeForeignAnnotation } from './foreign.ts';

const index = (value: unknown): number =>
  typeof value === 'number' && value >= 0 && value <= 0xffff_ffff ? Math.floor(value) : 0;

const keysOfUrl = new Set(['type', 'url', 'title', 'start_index', 'end_index']);

/** Whether a citation is one of a web page and says nothing that the model has no field for. */
const isPlain = (json: Json): boolean =>
  json['type'] === 'url_citation' &&
  typeof json['url'] === 'string' &&
  Object.keys(json).every((key) => keysOfUrl.has(key));

/** One source that a text cites; undefined for what is no object. */
export function decodeAnnotation(json: unknown): Annotation | undefined {
  if (!isObject(json)) return undefined;
  const foreign = decodeForeignAnnotation(json);
  if (foreign !== null) return build.annotation({ case: 'opaque', value: foreign });
  if (!isPlain(json)) {
    const type = typeof json['type'] === 'string' ? json['type'] : '';
    return build.annotation({
      case: 'opaque',
      value: build.opaque(dialectName, type, JSON.stringify(json)),
    });
  }
  const { url, title, start_index, end_index } = json;
  const value = build.urlCitation({
    url: url as string,
    title: typeof title === 'string' ? title : '',
    startIndex: index(start_index),
    endIndex: index(end_index),
  });
  return build.annotation({ case: 'urlCitation', value });
}

/** The sources that a text cites; what is no object is left out. */
export function decodeAnnotations(list: unknown): Annotation[] {
  if (!Array.isArray(list)) return [];
  return list.map(decodeAnnotation).filter((annotation) => annotation !== undefined);
}

/** One citation as JSON text. */
export function encodeAnnotation({ kind }: Annotation): string {
  if (kind.case === 'opaque') {
    return kind.value.dialect === dialectName ? kind.value.json : encodeForeignAnnotation(kind.value);
  }
  if (kind.case !== 'urlCitation') return '{}';
  const { url, title, startIndex, endIndex } = kind.value;
  return (
    `{"type":"url_citation","url":${quote(url)},"title":${quote(title)},` +
    `"start_index":${startIndex},"end_index":${endIndex}}`
  );
}

/** Citations as a JSON list. */
export const encodeAnnotations = (annotations: readonly Annotation[]): string =>
  annotations.length === 0 ? '[]' : `[${annotations.map(encodeAnnotation).join(',')}]`;
