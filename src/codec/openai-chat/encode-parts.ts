import { Buffer } from 'node:buffer';
import type {
  AudioPart,
  CacheBreakpoint,
  FilePart,
  ImagePart,
  Part,
} from '../../../gen/llmgateway/v1/message_pb.js';
import { invalidRequest } from '../../errors/gateway-error.ts';
import { quote, rest, splitMembers } from '../json.ts';
import { encodeCacheMarker } from './cache-markers.ts';
import { dialectName } from './dialect.ts';
import type { EncodeContext } from './encode-context.ts';

const base64 = (bytes: Uint8Array): string =>
  Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('base64');

const dataUrl = (mediaType: string, bytes: Uint8Array): string =>
  `data:${mediaType === '' ? 'application/octet-stream' : mediaType};base64,${base64(bytes)}`;

/** A list of no parts. OpenAI refuses it. */
export const nothing = '[]';

/**
 * The `content` of a message: plain text where that says all, else a list of parts, which is `nothing` where none of them has a place.
 * @param asText several texts are one text: what a model said, cut by nothing that matters
 */
export function encodeContent(
  given: readonly Part[],
  multipart: boolean,
  asText: boolean,
  context: EncodeContext,
  at: string,
): string {
  const parts = given.some(isOpaque) ? given.map((part) => context.simplified(part, at)) : given;
  if (!multipart) {
    const only = parts[0];
    if (only === undefined) return '""';
    if (parts.length === 1 ? isPlainText(only) : asText && parts.every(isPlainText)) {
      return quote(parts.length === 1 ? textOf(only) : parts.map(textOf).join(''));
    }
  }
  let list = '';
  for (const part of parts) {
    const item = encodePart(part, context, at, asText);
    if (item !== '') list += list === '' ? item : `,${item}`;
  }
  return `[${list}]`;
}

const isOpaque = ({ content }: Part): boolean => content.case === 'opaque';

const textOf = ({ content }: Part): string => (content.case === 'text' ? content.value.text : '');

const isPlainText = (part: Part): boolean =>
  part.content.case === 'text' && part.cacheBreakpoint === undefined && part.extras === undefined;

/**
 * One part of a list; '' when this form has no place for it, which is reported.
 * @param answered it is of an earlier answer: what cannot be said again of those is left out
 * @throws GatewayError INVALID_REQUEST for a picture or sound of the client's that has no place
 */
export function encodePart(part: Part, context: EncodeContext, at: string, answered: boolean): string {
  const { content } = part;
  const members = context.members(part.extras, at);
  const marker = cacheMarker(part.cacheBreakpoint, context, at);
  switch (content.case) {
    case 'text':
      return `{"type":"text","text":${quote(content.value.text)}${marker}${rest(members)}}`;
    case 'refusal':
      return `{"type":"refusal","refusal":${quote(content.value.text)}${marker}${rest(members)}}`;
    case 'image': {
      const { inner, outer } = splitMembers(members, 'image_url');
      const image = encodeImage(content.value, inner);
      if (image !== '') return `{"type":"image_url","image_url":${image}${marker}${rest(outer)}}`;
      return lost(context, at, answered, 'a picture by file id has no place in openai.chat');
    }
    case 'audio': {
      const { inner, outer } = splitMembers(members, 'input_audio');
      const audio = encodeAudio(content.value, inner);
      if (audio !== '') return `{"type":"input_audio","input_audio":${audio}${marker}${rest(outer)}}`;
      const why = 'sound has a place here only by value and with its format';
      const transcript = context.transcribed(content.value, at, answered || context.lenient, why);
      return transcript === '' ? '' : `{"type":"text","text":${quote(transcript)}${marker}}`;
    }
    case 'file': {
      const { source } = content.value;
      if (context.dialect.fileUrls === 'refuse' && source.case === 'url' && isAddress(source.value)) {
        return lost(
          context,
          at,
          answered,
          'the provider takes files by value or by id, not by their address',
        );
      }
      const { inner, outer } = splitMembers(members, 'file');
      return `{"type":"file","file":${encodeFile(content.value, inner)}${marker}${rest(outer)}}`;
    }
    case 'opaque':
      if (content.value.dialect === dialectName) return content.value.json;
      return lost(context, at, true, `a part of ${content.value.dialect} has no place in openai.chat`);
    default:
      return lost(context, at, true, `a part of kind ${content.case ?? 'unknown'} has no place here`);
  }
}

const isAddress = (url: string): boolean => /^https?:/i.test(url);

/** @param spare it may be missing where something else is said */
function lost(context: EncodeContext, at: string, spare: boolean, why: string): '' {
  if (!spare && !context.lenient) throw invalidRequest(at, `Invalid '${at}': ${why}.`);
  context.warn('dropped_part', at, why);
  return '';
}

/** `,` and the marker, or nothing. */
export function cacheMarker(
  breakpoint: CacheBreakpoint | undefined,
  context: EncodeContext,
  at: string,
): string {
  if (breakpoint === undefined) return '';
  const marker = encodeCacheMarker(breakpoint, context.dialect.cacheMarker);
  if (marker === '') context.warn('dropped_cache_breakpoint', at, 'the provider takes no cache breakpoints');
  else if (breakpoint.ttl !== '' && !marker.includes('"ttl"')) {
    context.warn('dropped_cache_ttl', at, `the provider does not keep a prefix for ${breakpoint.ttl}`);
  }
  return rest(marker);
}

/** Where a picture is: its URL or its bytes as one; '' for a provider's file. */
export function imageUrl({ source, mediaType }: ImagePart): string {
  if (source.case === 'url') return source.value;
  return source.case === 'data' ? dataUrl(mediaType, source.value) : '';
}

function encodeImage(image: ImagePart, inner: string): string {
  const url = imageUrl(image);
  if (url === '') return '';
  const detail = image.detail === '' ? '' : `,"detail":${quote(image.detail)}`;
  return `{"url":${quote(url)}${detail}${rest(inner)}}`;
}

function encodeAudio({ source, format }: AudioPart, inner: string): string {
  if ((source.case !== 'base64' && source.case !== 'data') || format === '') return '';
  const data = source.case === 'data' ? base64(source.value) : source.value;
  return `{"data":${quote(data)},"format":${quote(format)}${rest(inner)}}`;
}

function encodeFile({ source, mediaType, filename }: FilePart, inner: string): string {
  switch (source.case) {
    case 'url':
      return `{"file_data":${quote(source.value)}${named(filename)}${rest(inner)}}`;
    case 'fileId':
      return `{"file_id":${quote(source.value)}${named(filename)}${rest(inner)}}`;
    default: {
      const bytes = source.case === 'data' ? source.value : Buffer.from(source.value ?? '');
      const type = source.case === 'data' ? mediaType : mediaType || 'text/plain';
      return `{"file_data":${quote(dataUrl(type, bytes))}${named(filename || 'document')}${rest(inner)}}`;
    }
  }
}

const named = (filename: string): string => (filename === '' ? '' : `,"filename":${quote(filename)}`);
