import { Buffer } from 'node:buffer';
import type { FilePart, ImagePart } from '../../../gen/llmgateway/v1/message_pb.js';
import { invalidRequest } from '../../errors/gateway-error.ts';
import { quote, rest, splitMembers } from '../json.ts';
import type { EncodeContext } from './encode-context.ts';

/** A picture as a block. `marker` and `members` are what the part has besides. */
export function encodeImage(
  image: ImagePart,
  marker: string,
  members: string,
  context: EncodeContext,
  at: string,
): string {
  const { source, mediaType, detail } = image;
  if (detail !== '' && detail !== 'auto') {
    context.warn('dropped_detail', at, 'Anthropic looks at all pictures alike');
  }
  const { inner, outer } = splitMembers(members, 'source');
  let json: string;
  switch (source.case) {
    case 'fileId':
      json = `{"type":"file","file_id":${quote(source.value)}`;
      break;
    case 'data':
      json = base64Source(imageType(mediaType), base64(source.value));
      break;
    default: {
      const url = source.value ?? '';
      const data = dataOf(url);
      json = data === null ? urlSource(url, at) : base64Source(imageType(data.type), data.base64());
    }
  }
  return `{"type":"image","source":${json}${rest(inner)}}${marker}${rest(outer)}}`;
}

/** A document as a block. */
export function encodeDocument(file: FilePart, marker: string, members: string, at: string): string {
  const { inner, outer } = splitMembers(members, 'source');
  const title = file.filename === '' ? '' : `,"title":${quote(file.filename)}`;
  return `{"type":"document","source":${documentSource(file, at)}${rest(inner)}}${title}${marker}${rest(outer)}}`;
}

function documentSource({ source, mediaType }: FilePart, at: string): string {
  switch (source.case) {
    case 'fileId':
      return `{"type":"file","file_id":${quote(source.value)}`;
    case 'text':
      return textSource(source.value);
    case 'data':
      return isText(mediaType)
        ? textSource(Buffer.from(source.value).toString())
        : base64Source(mediaType, base64(source.value));
    default: {
      const url = source.value ?? '';
      const data = dataOf(url);
      if (data === null) return urlSource(url, at);
      return isText(data.type) ? textSource(data.text()) : base64Source(data.type, data.base64());
    }
  }
}

/** Kinds of text, which Anthropic takes as text only. */
const isText = (type: string): boolean => /^(?:text\/|application\/(?:json|xml|yaml|x-yaml)$)/.test(type);

/** A name that many use, and Anthropic refuses. */
const imageType = (type: string): string => (type === 'image/jpg' ? 'image/jpeg' : type);

const base64Source = (type: string, data: string): string =>
  `{"type":"base64","media_type":${quote(type)},"data":"${data}"`;

const textSource = (text: string): string => `{"type":"text","media_type":"text/plain","data":${quote(text)}`;

function urlSource(url: string, at: string): string {
  if (/^https?:/i.test(url)) return `{"type":"url","url":${quote(url)}`;
  throw invalidRequest(at, `Invalid '${at}': Anthropic takes files by http:, https: and data: URLs only.`);
}

const base64 = (bytes: Uint8Array): string =>
  Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('base64');

interface Data {
  /** Media type without parameters, in lower case. */
  readonly type: string;
  base64(): string;
  text(): string;
}

/** What a data: URL holds; null for another URL. Base64 is taken as it is, so that it stays byte for byte. */
function dataOf(url: string): Data | null {
  const comma = url.indexOf(',');
  if (comma < 0 || url.slice(0, 5).toLowerCase() !== 'data:') return null;
  const [type = '', ...parameters] = url.slice(5, comma).split(';');
  const data = url.slice(comma + 1);
  const encoded = parameters.some((parameter) => parameter.trim().toLowerCase() === 'base64');
  // What could end the JSON string, or would be refused, is not base64.
  const clean = encoded && !/[^\w+/=-]/.test(data);
  const bytes = () => (encoded ? Buffer.from(data, 'base64') : Buffer.from(unescaped(data), 'latin1'));
  return {
    type: type.trim().toLowerCase() || 'text/plain',
    base64: () => (clean ? data : bytes().toString('base64')),
    text: () => bytes().toString(),
  };
}

/** Percent-encoded bytes, one character each. */
const unescaped = (text: string): string =>
  Buffer.from(text)
    .toString('latin1')
    .replace(/%([\da-f]{2})/gi, (_all, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)));
