import { Buffer } from 'node:buffer';
import type { AudioPart, FilePart, ImagePart } from '../../../gen/llmgateway/v1/message_pb.js';
import { invalidRequest } from '../../errors/gateway-error.ts';
import { quote } from '../json.ts';
import type { EncodeContext } from './encode-context.ts';

// Pictures, sound and documents: `inlineData` for bytes, whose base64 passes as it is, `fileData` for addresses that Gemini
// fetches. Source: ai.google.dev, "File input methods".

const base64 = (bytes: Uint8Array): string =>
  Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('base64');

/** One kind of data of a part: its key and its members as text, without braces. */
export interface Media {
  readonly key: 'inlineData' | 'fileData';
  readonly members: string;
}

const inline = (mediaType: string, data: string): Media => ({
  key: 'inlineData',
  members: `"mimeType":${quote(mediaType)},"data":"${data}"`,
});

/** @param at place of the message in the request, for errors */
export function encodeImage({ source, mediaType }: ImagePart, context: EncodeContext, at: string): Media {
  switch (source.case) {
    case 'url':
      return encodeUrl(source.value, mediaType, 'picture', context, at);
    case 'data':
      return inline(needed(mediaType, 'a picture', at), base64(source.value));
    case 'fileId':
      return encodeFileId(source.value, mediaType, context, at);
    default:
      throw invalidRequest(at, `Invalid '${at}': a picture has no source.`);
  }
}

/** A document given as plain text is one of type text/plain. */
export function encodeFile({ source, mediaType }: FilePart, context: EncodeContext, at: string): Media {
  switch (source.case) {
    case 'url':
      return encodeUrl(source.value, mediaType, 'file', context, at);
    case 'data':
      return inline(needed(mediaType, 'a file', at), base64(source.value));
    case 'fileId':
      return encodeFileId(source.value, mediaType, context, at);
    default:
      return inline(mediaType === '' ? 'text/plain' : mediaType, base64(Buffer.from(source.value ?? '')));
  }
}

/** Why sound is none that Gemini can be sent. */
export const unsentSound = 'Gemini takes sound only by value and with its format';

/** MIME types of the formats that the model names, where they are not `audio/` and the format. */
const audioTypes: ReadonlyMap<string, string> = new Map([
  ['pcm16', 'audio/l16;rate=24000'],
  ['opus', 'audio/ogg'],
]);

/** Whether sound can be sent: not what another provider keeps, nor what has no known format. */
export const isSendable = ({ source, format }: AudioPart): boolean =>
  (source.case === 'base64' || source.case === 'data') && format !== '';

/** @returns undefined for what cannot be sent */
export function encodeAudio(audio: AudioPart): Media | undefined {
  if (!isSendable(audio)) return undefined;
  const { source, format } = audio;
  const name = format.toLowerCase();
  const type = audioTypes.get(name) ?? (name.includes('/') ? name : `audio/${name}`);
  const data = source.case === 'data' ? base64(source.value) : String(source.value);
  if (!isBase64(data)) return inline(type, base64(Buffer.from(data, 'base64')));
  return inline(type, data);
}

function needed(mediaType: string, what: string, at: string): string {
  if (mediaType !== '') return mediaType;
  throw invalidRequest(at, `Invalid '${at}': ${what} given as bytes needs its media_type.`);
}

const isBase64 = (text: string): boolean => /^[\w+/-]*={0,2}$/.test(text);

function encodeUrl(url: string, mediaType: string, what: string, context: EncodeContext, at: string): Media {
  if (/^data:/i.test(url)) return encodeDataUrl(url, mediaType, at);
  if (!isFetched(url, context)) {
    throw invalidRequest(
      at,
      `Invalid '${at}': Gemini cannot fetch this ${what}. It takes data: URLs, files of its Files API, gs:// and YouTube addresses${
        context.family.publicUrls ? ', and public https: URLs' : '; public https: URLs from Gemini 2.5 on'
      }.`,
    );
  }
  return fileData(url, mediaType, context, at);
}

const ownStore =
  /^https:\/\/(?:[\w-]+\.)?generativelanguage\.googleapis\.com\/|^https:\/\/storage\.googleapis\.com\//i;
const youTube = /^https:\/\/(?:(?:www\.|m\.)?youtube\.com|youtu\.be)\//i;

function isFetched(url: string, { family, dialect }: EncodeContext): boolean {
  if (/^gs:\/\/./i.test(url) || youTube.test(url) || ownStore.test(url)) return true;
  if (dialect.filesUrl !== '' && url.startsWith(`${dialect.filesUrl}/files/`)) return true;
  return family.publicUrls && /^https:\/\/[^/]/i.test(url);
}

function encodeDataUrl(url: string, mediaType: string, at: string): Media {
  const comma = url.indexOf(',');
  if (comma < 0) throw invalidRequest(at, `Invalid '${at}': a data: URL has no data.`);
  const head = url.slice('data:'.length, comma);
  const encoded = /;\s*base64\s*$/i.test(head);
  const type = head.replace(/;\s*base64\s*$/i, '').trim();
  const data = url.slice(comma + 1);
  const known = mediaType !== '' ? mediaType : type === '' ? 'text/plain' : type;
  if (encoded && isBase64(data)) return inline(known, data);
  return inline(known, encoded ? base64(Buffer.from(data, 'base64')) : base64(unescaped(data, at)));
}

function unescaped(data: string, at: string): Buffer {
  try {
    return Buffer.from(decodeURIComponent(data));
  } catch {
    throw invalidRequest(at, `Invalid '${at}': a data: URL has a wrong escape.`);
  }
}

/** `files/…` of the Files API, or the whole address of a file. */
function encodeFileId(id: string, mediaType: string, context: EncodeContext, at: string): Media {
  const { filesUrl } = context.dialect;
  if (/^files\/[\w-]+$/.test(id) && filesUrl !== '') {
    return fileData(`${filesUrl}/${id}`, mediaType, context, at);
  }
  if (isFetched(id, context)) return fileData(id, mediaType, context, at);
  throw invalidRequest(
    at,
    `Invalid '${at}': the id of a file has to be one of Gemini's Files API (files/…), or a gs:// or https: address.`,
  );
}

const typesByEnding: ReadonlyMap<string, string> = new Map([
  ['png', 'image/png'],
  ['jpg', 'image/jpeg'],
  ['jpeg', 'image/jpeg'],
  ['webp', 'image/webp'],
  ['gif', 'image/gif'],
  ['heic', 'image/heic'],
  ['heif', 'image/heif'],
  ['pdf', 'application/pdf'],
  ['txt', 'text/plain'],
  ['md', 'text/markdown'],
  ['html', 'text/html'],
  ['csv', 'text/csv'],
  ['json', 'application/json'],
  ['mp3', 'audio/mp3'],
  ['wav', 'audio/wav'],
  ['flac', 'audio/flac'],
  ['ogg', 'audio/ogg'],
  ['mp4', 'video/mp4'],
  ['mov', 'video/mov'],
  ['webm', 'video/webm'],
]);

function fileData(uri: string, mediaType: string, { dialect }: EncodeContext, at: string): Media {
  const ending = /\.(\w+)(?:[?#].*)?$/.exec(uri)?.[1]?.toLowerCase() ?? '';
  const guessed = youTube.test(uri) ? 'video/mp4' : typesByEnding.get(ending);
  const type = mediaType === '' ? guessed : mediaType;
  if (type === undefined && dialect.fileTypes === 'required') {
    throw invalidRequest(at, `Invalid '${at}': a file by its address needs its media_type here.`);
  }
  const members = `"fileUri":${quote(uri)}`;
  return { key: 'fileData', members: type === undefined ? members : `${members},"mimeType":${quote(type)}` };
}
