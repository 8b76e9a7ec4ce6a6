import type { Part } from '../../../gen/llmgateway/v1/message_pb.js';
import * as build from '../../model/build.ts';
import { addMember, addNested, isObject, type Json } from '../json.ts';
import { dialectName, signatureFormat } from './dialect.ts';
import { toExtras } from './extras.ts';

/** A part of an answer, read. */
export interface DecodedPart {
  /** What it says: a text, a thought, sound, or a part that is whole. */
  readonly kind: 'text' | 'thought' | 'audio' | 'whole' | 'nothing';
  /** Of a text or a thought. */
  readonly text: string;
  /** The part; of a text and a thought with the whole text in it. */
  readonly part: Part;
  /** Thought signature that belongs to it and has no place in it yet. */
  readonly signature: string;
}

/** Keys of a part that are read from every kind. */
const common: ReadonlySet<string> = new Set(['thought', 'thoughtSignature']);

/** @param callId makes an id for a call without one */
export function decodePart(json: unknown, callId: () => string): DecodedPart {
  if (!isObject(json)) return whole(opaquePart('', json), '');
  const signature = typeof json['thoughtSignature'] === 'string' ? json['thoughtSignature'] : '';
  if (typeof json['text'] === 'string') return decodeText(json, json['text'], signature);
  const { functionCall, inlineData, fileData } = json;
  // A picture that was only thought of is no part of the answer.
  if (json['thought'] === true) return whole(opaquePart('thought', json), '');
  if (isObject(functionCall) && typeof functionCall['name'] === 'string' && functionCall['name'] !== '') {
    return whole(decodeCall(json, functionCall, signature, callId), '');
  }
  if (isObject(inlineData) && typeof inlineData['data'] === 'string') {
    return decodeMedia(json, inlineData, inlineData['data'], signature);
  }
  if (isObject(fileData) && typeof fileData['fileUri'] === 'string') {
    const mediaType = typeof fileData['mimeType'] === 'string' ? fileData['mimeType'] : '';
    const source = { case: 'url', value: fileData['fileUri'] } as const;
    const part = mediaType.startsWith('image/')
      ? build.part({ case: 'image', value: build.image(source, { mediaType }) })
      : build.part({ case: 'file', value: build.file(source, { mediaType }) });
    keepRest(part, json, 'fileData', restOf(fileData, ['fileUri', 'mimeType']));
    return whole(part, signature);
  }
  const kind = Object.keys(json).find((key) => !common.has(key));
  // A signature may come by itself.
  if (kind === undefined) return { kind: 'nothing', text: '', part: build.textPart(''), signature };
  return whole(opaquePart(kind, json), '');
}

const whole = (part: Part, signature: string): DecodedPart => ({ kind: 'whole', text: '', part, signature });

/** A kind that the model does not know, such as code that Gemini ran, with its signature in it. */
const opaquePart = (kind: string, json: unknown): Part =>
  build.part({ case: 'opaque', value: build.opaque(dialectName, kind, JSON.stringify(json)) });

function decodeText(json: Json, text: string, signature: string): DecodedPart {
  if (json['thought'] === true) {
    const value = build.reasoning(text);
    if (signature !== '') Object.assign(value, { signature, format: signatureFormat });
    return { kind: 'thought', text, part: build.part({ case: 'reasoning', value }), signature };
  }
  const part = build.textPart(text);
  keepRest(part, json, 'text', '');
  return { kind: 'text', text, part, signature };
}

/** The part that carries the signature of the text or picture before it. */
export const signaturePart = (signature: string): Part =>
  build.part({ case: 'reasoning', value: build.reasoning('', { signature, format: signatureFormat }) });

function decodeCall(json: Json, call: Json, signature: string, callId: () => string): Part {
  const id = typeof call['id'] === 'string' && call['id'] !== '' ? call['id'] : callId();
  const args = isObject(call['args']) ? JSON.stringify(call['args']) : '{}';
  const value = build.toolCall(id, String(call['name']), args, { signature });
  const part = build.part({ case: 'toolCall', value });
  keepRest(part, json, 'functionCall', restOf(call, ['id', 'name', 'args']));
  return part;
}

/** The base64 of pictures and files passes as it is, as a data: URL. */
function decodeMedia(json: Json, blob: Json, data: string, signature: string): DecodedPart {
  const mediaType = typeof blob['mimeType'] === 'string' ? blob['mimeType'] : '';
  const more = restOf(blob, ['mimeType', 'data']);
  if (mediaType.startsWith('audio/')) {
    const part = build.part({ case: 'audio', value: build.audio({ case: 'base64', value: data }) });
    if (part.content.case === 'audio') part.content.value.format = audioFormat(mediaType);
    keepRest(part, json, 'inlineData', addMember(more, 'mimeType', mediaType));
    return { kind: 'audio', text: data, part, signature };
  }
  const source = { case: 'url', value: `data:${mediaType};base64,${data}` } as const;
  const part = mediaType.startsWith('image/')
    ? build.part({ case: 'image', value: build.image(source, { mediaType }) })
    : build.part({ case: 'file', value: build.file(source, { mediaType }) });
  keepRest(part, json, 'inlineData', more);
  return whole(part, signature);
}

/** Gemini speaks in raw samples of 16 bits, which it calls `audio/L16;codec=pcm;rate=24000`. */
function audioFormat(mediaType: string): string {
  const name = (mediaType.slice('audio/'.length).split(';')[0] ?? '').trim().toLowerCase();
  return name === 'l16' || name === 'pcm' ? 'pcm16' : name;
}

function restOf(json: Json, known: readonly string[]): string {
  let members = '';
  for (const key in json)
    if (!known.includes(key) && json[key] !== null) members = addMember(members, key, json[key]);
  return members;
}

function keepRest(part: Part, json: Json, key: string, inner: string): void {
  const outer = restOf(json, [key, 'thoughtSignature', ...(json['thought'] === false ? ['thought'] : [])]);
  const members = addNested(outer, key, inner);
  if (members !== '') part.extras = toExtras(members);
}
