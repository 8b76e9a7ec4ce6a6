import type { Annotation } from '../../../gen/llmgateway/v1/message_pb.js';
import * as build from '../../model/build.ts';
import { isObject, quote } from '../json.ts';
import { dialectName } from './dialect.ts';

const index = (value: unknown): number =>
  typeof value === 'number' && value >= 0 && value <= 0xffff_ffff ? Math.floor(value) : 0;

const keysOfUrl = new Set(['url', 'title', 'start_index', 'end_index']);

/** Whether a citation is one of a web page and says nothing that the model has no field for. */
function isPlain(json: unknown): json is { url_citation: Record<string, unknown> } {
  if (!isObject(json) || json['type'] !== 'url_citation') return false;
  const citation = json['url_citation'];
  if (!isObject(citation) || typeof citation['url'] !== 'string') return false;
  for (const key in json) if (key !== 'type' && key !== 'url_citation') return false;
  for (const key in citation) if (!keysOfUrl.has(key)) return false;
  return true;
}

/**
 * The sources that an answer cites; what is no object is left out.
 */
export function decodeAnnotations(list: readonly unknown[]): Annotation[] {
  const annotations: Annotation[] = [];
  for (const json of list) {
    if (isPlain(json)) {
      const { url, title, start_index, end_index } = json.url_citation;
      const value = build.urlCitation({
        url: url as string,
        title: typeof title === 'string' ? title : '',
        startIndex: index(start_index),
        endIndex: index(end_index),
      });
      annotations.push(build.annotation({ case: 'urlCitation', value }));
    } else if (isObject(json)) {
      const type = typeof json['type'] === 'string' ? json['type'] : '';
      const value = build.opaque(dialectName, type, JSON.stringify(json));
      annotations.push(build.annotation({ case: 'opaque', value }));
    }
  }
  return annotations;
}

/** Whether a citation is of another dialect, and no web page. */
export const isForeign = ({ kind }: Annotation): boolean =>
  kind.case === 'opaque' && kind.value.dialect !== dialectName;

/**
 * Citations as items of a JSON list, without brackets; those of other dialects are left out.
 * @param shift characters of the answer before the text that they belong to
 */
export function encodeAnnotations(annotations: readonly Annotation[], shift: number): string {
  let items = '';
  for (const { kind } of annotations) {
    let item = '';
    if (kind.case === 'urlCitation') {
      const { url, title, startIndex, endIndex } = kind.value;
      item =
        `{"type":"url_citation","url_citation":{"end_index":${endIndex + shift},` +
        `"start_index":${startIndex + shift},"title":${quote(title)},"url":${quote(url)}}}`;
    } else if (kind.case === 'opaque' && kind.value.dialect === dialectName) item = kind.value.json;
    if (item !== '') items += items === '' ? item : `,${item}`;
  }
  return items;
}
