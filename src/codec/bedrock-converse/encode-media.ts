import { Buffer } from 'node:buffer';
import type { AudioPart, FilePart, ImagePart } from '../../../gen/llmgateway/v1/message_pb.js';
import { type GatewayError, invalidRequest } from '../../errors/gateway-error.ts';
import { quote, rest } from '../json.ts';
import type { EncodeContext } from './encode-context.ts';

/** Formats by media type. Source: ImageBlock, DocumentBlock and AudioBlock in the API reference of Converse. */
const imageFormats: ReadonlyMap<string, string> = new Map([
  ['image/png', 'png'],
  ['image/jpeg', 'jpeg'],
  ['image/jpg', 'jpeg'],
  ['image/gif', 'gif'],
  ['image/webp', 'webp'],
]);
const documentFormats: ReadonlyMap<string, string> = new Map([
  ['application/pdf', 'pdf'],
  ['text/csv', 'csv'],
  ['application/msword', 'doc'],
  ['application/vnd.openxmlformats-officedocument.wordprocessingml.document', 'docx'],
  ['application/vnd.ms-excel', 'xls'],
  ['application/vnd.openxmlformats-officedocument.spreadsheetml.sheet', 'xlsx'],
  ['text/html', 'html'],
  ['text/plain', 'txt'],
  ['text/markdown', 'md'],
]);
const documentExtensions: ReadonlySet<string> = new Set(documentFormats.values());
const audioFormats: ReadonlyMap<string, string> = new Map([['pcm16', 'pcm']]);

/** Bytes and what they are, or a place in S3. */
interface Media {
  readonly mediaType: string;
  /** As JSON text: `{"bytes": …}` or `{"s3Location": …}`. */
  readonly source: string;
}

/** A picture as a block's inside. @throws GatewayError INVALID_REQUEST for one that Bedrock cannot take */
export function encodeImage(image: ImagePart, inner: string, context: EncodeContext, at: string): string {
  const { source, mediaType, detail } = image;
  if (detail !== '' && detail !== 'auto') {
    context.warn('dropped_detail', at, 'how closely to look at a picture cannot be said to the provider');
  }
  const media = mediaOf(source, mediaType, 'a picture', at);
  const format = imageFormats.get(media.mediaType) ?? extensionFormat(source.value, imageExtensions);
  if (format === undefined) throw wrongType('a picture', media.mediaType, [...imageFormats.keys()], at);
  return `{"format":"${format}","source":${media.source}${rest(inner)}}`;
}

const imageExtensions: ReadonlySet<string> = new Set(imageFormats.values());

/** A document as a block's inside. @throws GatewayError INVALID_REQUEST for one that Bedrock cannot take */
export function encodeDocument(file: FilePart, inner: string, context: EncodeContext, at: string): string {
  const { source, filename } = file;
  const media: Media =
    source.case === 'text'
      ? {
          mediaType: file.mediaType || 'text/plain',
          source: bytesSource(Buffer.from(source.value).toString('base64')),
        }
      : mediaOf(source, file.mediaType, 'a document', at);
  const format =
    documentFormats.get(media.mediaType) ??
    extensionFormat(filename, documentExtensions) ??
    extensionFormat(source.case === 'url' ? source.value : '', documentExtensions);
  if (format === undefined) throw wrongType('a document', media.mediaType, [...documentFormats.keys()], at);
  return `{"format":"${format}","name":${quote(context.documentName(filename))},"source":${media.source}${rest(inner)}}`;
}

/** Sound as a block's inside; '' for a spoken answer that another provider keeps, and for sound whose format is not known. */
export function encodeAudio({ source, format }: AudioPart, inner: string): string {
  if ((source.case !== 'base64' && source.case !== 'data') || format === '') return '';
  const bytes = source.case === 'data' ? base64(source.value) : source.value;
  const name = audioFormats.get(format) ?? format;
  return `{"format":${quote(name)},"source":${bytesSource(bytes)}${rest(inner)}}`;
}

const base64 = (bytes: Uint8Array): string =>
  Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('base64');

const bytesSource = (bytes: string): string => `{"bytes":${quote(bytes)}}`;

function mediaOf(
  source: { case: string | undefined; value?: unknown },
  mediaType: string,
  what: string,
  at: string,
): Media {
  if (source.case === 'data') {
    return { mediaType: plainType(mediaType), source: bytesSource(base64(source.value as Uint8Array)) };
  }
  const url = source.case === 'url' ? String(source.value) : '';
  if (url.startsWith('data:')) return dataUrl(url, mediaType, at);
  if (url.startsWith('s3://')) {
    return { mediaType: plainType(mediaType), source: `{"s3Location":{"uri":${quote(url)}}}` };
  }
  const given = source.case === 'url' ? 'by a URL' : 'by the id of a file';
  throw invalidRequest(
    at,
    `Invalid '${at}': the provider does not take ${what} ${given}; give it as a data: URL, or as an s3:// address`,
  );
}

/** `image/PNG; charset=…` is image/png. */
const plainType = (mediaType: string): string => (mediaType.split(';')[0] ?? '').trim().toLowerCase();

function dataUrl(url: string, mediaType: string, at: string): Media {
  const comma = url.indexOf(',');
  if (comma === -1) throw invalidRequest(at, `Invalid '${at}': a data: URL without data`);
  const head = url.slice('data:'.length, comma);
  const data = url.slice(comma + 1);
  const type = plainType(head) || plainType(mediaType) || 'text/plain';
  if (/;\s*base64\s*$/i.test(head)) return { mediaType: type, source: bytesSource(data) };
  try {
    return { mediaType: type, source: bytesSource(Buffer.from(decodeURIComponent(data)).toString('base64')) };
  } catch {
    throw invalidRequest(at, `Invalid '${at}': the data: URL is not well-formed`);
  }
}

/** The format that the end of a file's name or address says. */
function extensionFormat(name: unknown, formats: ReadonlySet<string>): string | undefined {
  const [, extension = ''] =
    (typeof name === 'string' && name.length < 4_096 && /\.([A-Za-z]{2,5})$/.exec(name)) || [];
  const format = extension.toLowerCase() === 'jpg' ? 'jpeg' : extension.toLowerCase();
  return formats.has(format) ? format : undefined;
}

const wrongType = (what: string, type: string, types: readonly string[], at: string): GatewayError =>
  invalidRequest(
    at,
    `Invalid '${at}': the provider does not take ${what} of type ${quote(type.slice(0, 100))}; it takes ${types.join(', ')}`,
  );
