import type { Annotation } from '../../../gen/llmgateway/v1/message_pb.js';
import * as build from '../../model/build.ts';
import { addMember, isObject, type Json, rest } from '../json.ts';
import { dialectName } from './dialect.ts';
import { toExtras } from './extras.ts';

/**
 * A source that an answer cites. A web page is one in the model's terms, with what else is said of it as extras; other places are kept whole.
 * @param end length of the citing text
 */
export function decodeCitation(json: Json, end: number): Annotation {
  const location = isObject(json['location']) ? json['location'] : {};
  const web = location['web'];
  if (!isObject(web) || typeof web['url'] !== 'string') {
    const [type = ''] = Object.keys(location);
    return build.annotation({ case: 'opaque', value: build.opaque(dialectName, type, JSON.stringify(json)) });
  }
  const title = typeof json['title'] === 'string' ? json['title'] : '';
  const value = build.urlCitation({ url: web['url'], title, endIndex: end });
  const annotation = build.annotation({ case: 'urlCitation', value });
  let unknown = '';
  for (const key in json) {
    if (key !== 'location' && !(key === 'title' && title !== ''))
      unknown = addMember(unknown, key, json[key]);
  }
  const { url: _url, ...more } = web;
  if (Object.keys(more).length > 0) unknown = addMember(unknown, 'location', { web: more });
  if (unknown !== '') annotation.extras = toExtras(unknown);
  return annotation;
}

/** Whether a citation is of this dialect, so that it can be written again. */
export const isOwnCitation = ({ kind, extras }: Annotation): boolean =>
  kind.case === 'opaque' ? kind.value.dialect === dialectName : extras?.dialect === dialectName;

/** One citation as JSON text; '' for one of another dialect. */
export function encodeCitation(annotation: Annotation): string {
  if (!isOwnCitation(annotation)) return '';
  const { kind, extras } = annotation;
  if (kind.case === 'opaque') return kind.value.json;
  if (kind.case !== 'urlCitation') return '';
  const { url, title } = kind.value;
  const { location, ...more } = JSON.parse(extras?.json ?? '{}') as Json;
  const web = isObject(location) && isObject(location['web']) ? location['web'] : {};
  const members = JSON.stringify(more).slice(1, -1);
  return `{"title":${JSON.stringify(title)}${rest(members)},"location":${JSON.stringify({ web: { url, ...web } })}}`;
}
