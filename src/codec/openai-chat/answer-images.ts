import type { Part } from '../../../gen/llmgateway/v1/message_pb.js';
import * as build from '../../model/build.ts';
import { addMember, addNested, isObject, quote, rest, splitMembers } from '../json.ts';
import { dialectName } from './dialect.ts';
import { imageUrl } from './encode-parts.ts';
import { ownMembers, toExtras } from './extras.ts';

// OpenAI's chat completions have no pictures in answers. OpenRouter and others put them beside the text, as `images`:
// [{type: "image_url", image_url: {url}}]; so does this gateway.

/** One of `images`. What is none is kept whole. */
export function decodeAnswerImage(json: unknown): Part {
  const image = isObject(json) && isObject(json['image_url']) ? json['image_url'] : {};
  const url = image['url'];
  if (!isObject(json) || typeof url !== 'string' || url === '') {
    return build.part({ case: 'opaque', value: build.opaque(dialectName, 'images', JSON.stringify(json)) });
  }
  const part = build.part({ case: 'image', value: build.image({ case: 'url', value: url }) });
  let inner = '';
  for (const key in image) if (key !== 'url') inner = addMember(inner, key, image[key]);
  let unknown = '';
  for (const key in json) {
    if (key !== 'type' && key !== 'image_url') unknown = addMember(unknown, key, json[key]);
  }
  unknown = addNested(unknown, 'image_url', inner);
  if (unknown !== '') part.extras = toExtras(unknown);
  return part;
}

/** A picture as one of `images`; '' for one that only its provider can show. */
export function encodeAnswerImage(part: Part): string {
  if (part.content.case !== 'image') return '';
  const url = imageUrl(part.content.value);
  if (url === '') return '';
  const { inner, outer } = splitMembers(ownMembers(part.extras), 'image_url');
  return `{"type":"image_url","image_url":{"url":${quote(url)}${rest(inner)}}${rest(outer)}}`;
}
