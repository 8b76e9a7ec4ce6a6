import { Buffer } from 'node:buffer';
import type { Part } from '../../../gen/llmgateway/v1/message_pb.js';
import * as build from '../../model/build.ts';
import { claudeReasoning } from '../claude-model.ts';
import { addMember, addNested, isObject, type Json, membersOf } from '../json.ts';
import { decodeCitation } from './citations.ts';
import { dialectName, otherReasoning } from './dialect.ts';
import { toExtras } from './extras.ts';
import type { ModelTraits } from './models.ts';

const textOr = (value: unknown, fallback: string): string => (typeof value === 'string' ? value : fallback);

/** Whose state a model's reasoning is. An ARN that does not tell its model is taken for Claude, which alone has such state by and large. */
export const reasoningFormat = ({ vendor }: ModelTraits): string =>
  vendor === 'anthropic' || vendor === 'unknown' ? claudeReasoning : otherReasoning;

export interface BlockContext {
  readonly traits: ModelTraits;
  /** An id for the n-th tool call, if it has none. */
  readonly idOf: (call: number) => string;
}

/**
 * One block of an answer's content. A block is an object with one member, whose name is its kind; what the model has no part for is kept whole.
 * @param calls tool calls before it
 */
export function decodeBlock(json: unknown, calls: number, context: BlockContext): Part {
  if (!isObject(json)) return opaque('', json);
  const kind = Object.keys(json).find((key) => decoders.has(key)) ?? Object.keys(json)[0] ?? '';
  const part = decoders.get(kind)?.(json[kind], calls, context) ?? null;
  if (part === null) return opaque(kind, json);
  let unknown = addNested('', kind, membersOf(dialectName, part.extras));
  for (const key in json) if (key !== kind) unknown = addMember(unknown, key, json[key]);
  if (unknown !== '') part.extras = toExtras(unknown);
  return part;
}

/** A block as a part of its own kind. */
export const opaque = (kind: string, json: unknown): Part =>
  build.part({ case: 'opaque', value: build.opaque(dialectName, kind, JSON.stringify(json ?? null)) });

/** Null stands for a block that the model has no part for. */
type Decoder = (value: unknown, calls: number, context: BlockContext) => Part | null;

const decoders: ReadonlyMap<string, Decoder> = new Map<string, Decoder>([
  ['text', (value) => (typeof value === 'string' ? build.textPart(value) : null)],
  ['toolUse', (value, calls, { idOf }) => decodeToolUse(value, calls, idOf)],
  ['reasoningContent', (value, _calls, { traits }) => decodeReasoning(value, traits)],
  ['citationsContent', decodeCitations],
  ['image', decodeImage],
  ['audio', decodeAudio],
]);

function decodeToolUse(value: unknown, calls: number, idOf: (call: number) => string): Part | null {
  // With a type it is a tool that the provider runs itself: no call for the client.
  if (!isObject(value) || typeof value['name'] !== 'string' || value['type'] !== undefined) return null;
  const id = textOr(value['toolUseId'], '');
  const call = build.toolCall(id === '' ? idOf(calls) : id, value['name'], argumentsOf(value['input']));
  return withUnknown(build.part({ case: 'toolCall', value: call }), value, toolUseKeys);
}

const toolUseKeys: ReadonlySet<string> = new Set(['toolUseId', 'name', 'input']);

/** Arguments as text; none at all are an empty object. */
export const argumentsOf = (input: unknown): string =>
  input === undefined || input === null
    ? '{}'
    : typeof input === 'string'
      ? input || '{}'
      : JSON.stringify(input);

function decodeReasoning(value: unknown, traits: ModelTraits): Part | null {
  if (!isObject(value)) return null;
  const { reasoningText, redactedContent } = value;
  if (typeof redactedContent === 'string') {
    const state = build.reasoning('', { encrypted: redactedContent, format: reasoningFormat(traits) });
    return withUnknown(build.part({ case: 'reasoning', value: state }), value, redactedKeys);
  }
  if (!isObject(reasoningText)) return null;
  for (const key in value) if (key !== 'reasoningText') return null;
  const signature = textOr(reasoningText['signature'], '');
  const thought = build.reasoning(textOr(reasoningText['text'], ''));
  if (signature !== '') {
    thought.signature = signature;
    thought.format = reasoningFormat(traits);
  }
  return withUnknown(build.part({ case: 'reasoning', value: thought }), reasoningText, reasoningKeys);
}

const redactedKeys: ReadonlySet<string> = new Set(['redactedContent']);
const reasoningKeys: ReadonlySet<string> = new Set(['text', 'signature']);

function decodeCitations(value: unknown): Part | null {
  if (!isObject(value) || !Array.isArray(value['content'])) return null;
  let said = '';
  for (const piece of value['content']) {
    if (!isObject(piece) || typeof piece['text'] !== 'string' || Object.keys(piece).length > 1) return null;
    said += piece['text'];
  }
  const list: unknown[] = Array.isArray(value['citations']) ? value['citations'] : [];
  if (!list.every(isObject)) return null;
  const annotations = list.map((json) => decodeCitation(json, said.length));
  return withUnknown(build.textPart(said, { annotations }), value, citationKeys);
}

const citationKeys: ReadonlySet<string> = new Set(['content', 'citations']);

function decodeImage(value: unknown): Part | null {
  if (!isObject(value) || typeof value['format'] !== 'string') return null;
  const bytes = soleBytes(value['source']);
  if (bytes === null) return null;
  const data = new Uint8Array(Buffer.from(bytes, 'base64'));
  const image = build.image({ case: 'data', value: data }, { mediaType: `image/${value['format']}` });
  return withUnknown(build.part({ case: 'image', value: image }), value, mediaKeys);
}

function decodeAudio(value: unknown): Part | null {
  if (!isObject(value) || typeof value['format'] !== 'string') return null;
  const bytes = soleBytes(value['source']);
  if (bytes === null) return null;
  const audio = build.audio({ case: 'base64', value: bytes }, { format: value['format'] });
  return withUnknown(build.part({ case: 'audio', value: audio }), value, mediaKeys);
}

const mediaKeys: ReadonlySet<string> = new Set(['format', 'source']);

/** The bytes of a source that has nothing else; null for a place in S3, say. */
function soleBytes(source: unknown): string | null {
  if (!isObject(source) || typeof source['bytes'] !== 'string') return null;
  return Object.keys(source).length === 1 ? source['bytes'] : null;
}

/** Keeps the unknown members of the object that a block holds. */
function withUnknown(part: Part, json: Json, known: ReadonlySet<string>): Part {
  let unknown = '';
  for (const key in json) {
    const value = json[key];
    if (!known.has(key) && value !== null && value !== undefined) unknown = addMember(unknown, key, value);
  }
  if (unknown !== '') part.extras = toExtras(unknown);
  return part;
}
