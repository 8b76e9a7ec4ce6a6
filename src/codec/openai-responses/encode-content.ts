import { Buffer } from 'node:buffer';
import type { AudioPart, FilePart, ImagePart, Part } from '../../../gen/llmgateway/v1/message_pb.js';
import * as build from '../../model/build.ts';
import { quote, rest, splitMembers } from '../json.ts';
import { encodeAnnotations } from './annotations.ts';
import { encodeCacheMarker } from './cache-markers.ts';
import { dialectName } from './dialect.ts';
import { ownMembers } from './extras.ts';

/** On which side of the conversation a part stands: texts have another name on each. */
export type Side = 'input' | 'output';

const base64 = (bytes: Uint8Array): string =>
  Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('base64');

const dataUrl = (mediaType: string, bytes: Uint8Array): string =>
  `data:${mediaType === '' ? 'application/octet-stream' : mediaType};base64,${base64(bytes)}`;

/** Members of a part that are not its own but its item's: see encode-item. */
const itemKey = 'item';

/** One part of a message as JSON text. */
export function encodeContentPart(part: Part, side: Side): string {
  const { content } = part;
  const { outer } = splitMembers(ownMembers(part.extras), itemKey);
  const marker = part.cacheBreakpoint === undefined ? '' : rest(encodeCacheMarker(part.cacheBreakpoint));
  switch (content.case) {
    case 'text': {
      if (side === 'input')
        return `{"type":"input_text","text":${quote(content.value.text)}${marker}${rest(outer)}}`;
      const probabilities = outer.includes('"logprobs"') ? '' : ',"logprobs":[]';
      const annotations = encodeAnnotations(content.value.annotations);
      return `{"type":"output_text","annotations":${annotations}${probabilities},"text":${quote(content.value.text)}${rest(outer)}}`;
    }
    case 'refusal':
      return `{"type":"refusal","refusal":${quote(content.value.text)}${rest(outer)}}`;
    case 'image': {
      return `{"type":"input_image",${encodeImage(content.value)}${marker}${rest(outer)}}`;
    }
    case 'file':
      return `{"type":"input_file",${encodeFile(content.value)}${marker}${rest(outer)}}`;
    case 'audio':
      return encodeAudio(content.value, outer, side);
    case 'opaque':
      // Others' are items by themselves, or what they say in plain text.
      if (content.value.dialect === dialectName) return content.value.json;
      return encodeContentPart(
        { ...part, content: { case: 'text', value: build.text(content.value.text) } },
        side,
      );
    default:
      return `{"type":"${side}_text","text":""}`;
  }
}

function encodeImage({ source, mediaType, detail }: ImagePart): string {
  const fine = detail === '' ? '' : `,"detail":${quote(detail)}`;
  if (source.case === 'fileId') return `"file_id":${quote(source.value)}${fine}`;
  const url = source.case === 'data' ? dataUrl(mediaType, source.value) : source.value;
  return `"image_url":${quote(url ?? '')}${fine}`;
}

function encodeFile({ source, mediaType, filename }: FilePart): string {
  const named = filename === '' ? '' : `,"filename":${quote(filename)}`;
  switch (source.case) {
    case 'fileId':
      return `"file_id":${quote(source.value)}${named}`;
    case 'url':
      // The API takes an address and a data: URL under different names, and the latter only with a file name.
      return source.value.startsWith('data:')
        ? `"file_data":${quote(source.value)}${named === '' ? ',"filename":"document"' : named}`
        : `"file_url":${quote(source.value)}${named}`;
    default: {
      const bytes = source.case === 'data' ? source.value : Buffer.from(source.value ?? '');
      const url = dataUrl(source.case === 'data' ? mediaType : mediaType || 'text/plain', bytes);
      return `"file_data":${quote(url)}${named === '' ? ',"filename":"document"' : named}`;
    }
  }
}

function encodeAudio({ source, format, transcript }: AudioPart, members: string, side: Side): string {
  const { inner, outer } = splitMembers(members, 'input_audio');
  const data = source.case === 'data' ? base64(source.value) : source.case === 'base64' ? source.value : '';
  if (side === 'output') {
    return `{"type":"output_audio","data":${quote(data)},"transcript":${quote(transcript)}${rest(outer)}}`;
  }
  return `{"type":"input_audio","input_audio":{"data":${quote(data)},"format":${quote(format)}${rest(inner)}}${rest(outer)}}`;
}
