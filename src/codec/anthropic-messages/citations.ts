import type { Annotation } from '../../../gen/llmgateway/v1/message_pb.js';
import * as build from '../../model/build.ts';
import { addMember, isObject, type Json, quote, rest } from '../json.ts';
import { dialectName } from './dialect.ts';
import { ownMembers, toExtras } from './extras.ts';

/** The one kind of citation that names a web page and nothing of this conversation. */
const webPage = 'web_search_result_location';

/** The sources that a text of `end` characters cites, one by one; what is no object is left out. */
export function decodeCitations(list: readonly unknown[], end: number): Annotation[] {
  const annotations: Annotation[] = [];
  for (const json of list) if (isObject(json)) annotations.push(decodeCitation(json, end));
  return annotations;
}

/**
 * One source. A web page is typed, with what else is said of it in extras; every other kind is kept whole.
 * @param end how long the citing text is: all of its block, as far as it is known
 */
function decodeCitation(json: Json, end: number): Annotation {
  const type = typeof json['type'] === 'string' ? json['type'] : '';
  const { url, title } = json;
  if (type !== webPage || typeof url !== 'string') {
    return build.annotation({ case: 'opaque', value: build.opaque(dialectName, type, JSON.stringify(json)) });
  }
  const value = build.urlCitation({ url, title: typeof title === 'string' ? title : '', endIndex: end });
  let unknown = '';
  for (const key in json) {
    if (key === 'type' || key === 'url' || (key === 'title' && typeof title === 'string')) continue;
    unknown = addMember(unknown, key, json[key]);
  }
  const annotation = build.annotation({ case: 'urlCitation', value });
  if (unknown !== '') annotation.extras = toExtras(unknown);
  return annotation;
}

/**
 * Citations as items of a JSON list, without brackets; '' for none. Other dialects' own kinds are left out.
 * @param text the text that cites them; '' where it is not known
 */
export function encodeCitations(annotations: readonly Annotation[], text: string): string {
  let items = '';
  for (const annotation of annotations) {
    const item = encodeCitation(annotation, text);
    if (item !== '') items += items === '' ? item : `,${item}`;
  }
  return items;
}

/** One citation as JSON text; '' for another dialect's own kind. */
export function encodeCitation({ kind, extras }: Annotation, text: string): string {
  if (kind.case === 'opaque') return kind.value.dialect === dialectName ? kind.value.json : '';
  if (kind.case !== 'urlCitation') return '';
  const { url, title, startIndex, endIndex } = kind.value;
  let members = ownMembers(extras);
  if (members === '') {
    // The page's own words are not known; what is cited for them is.
    const cited = text.slice(startIndex, endIndex);
    members = `"cited_text":${quote(cited)},"encrypted_index":""`;
  }
  const named =
    title === '' && members.includes('"title"') ? '' : `,"title":${title === '' ? 'null' : quote(title)}`;
  return `{"type":"${webPage}","url":${quote(url)}${named}${rest(members)}}`;
}
