import type { Part } from '../../../gen/llmgateway/v1/message_pb.js';
import * as build from '../../model/build.ts';
import { addMember, isObject, type Json } from '../json.ts';
import { decodeCitations } from './citations.ts';
import { dialectName, reasoningFormat } from './dialect.ts';
import { toExtras } from './extras.ts';
import { plainText } from './plain-text.ts';

/**
 * A content block of an answer as a part. What is of an unknown kind, or not of the form of its kind, is kept whole.
 * @param idOf makes an id for a call without one
 */
export function decodeBlock(json: unknown, idOf: () => string): Part {
  if (!isObject(json)) return wholeBlock(json);
  switch (json['type']) {
    case 'text': {
      const { text, citations } = json;
      if (typeof text !== 'string') return wholeBlock(json);
      const value = build.text(text);
      if (Array.isArray(citations)) value.annotations = decodeCitations(citations, text.length);
      return withOthers(build.part({ case: 'text', value }), json, textKeys);
    }
    case 'thinking': {
      const { thinking, signature } = json;
      if (typeof thinking !== 'string') return wholeBlock(json);
      const value = thought(thinking, signature);
      return withOthers(build.part({ case: 'reasoning', value }), json, thinkingKeys);
    }
    case 'redacted_thinking': {
      const { data } = json;
      if (typeof data !== 'string' || data === '') return wholeBlock(json);
      const value = build.reasoning('', { encrypted: data, format: reasoningFormat });
      return withOthers(build.part({ case: 'reasoning', value }), json, redactedKeys);
    }
    case 'tool_use':
      return decodeToolUse(json, idOf, inputOf(json['input']));
    default:
      return wholeBlock(json);
  }
}

/** A call, with its arguments as JSON text. */
export function decodeToolUse(json: Json, idOf: () => string, args: string): Part {
  const { id, name } = json;
  if (typeof name !== 'string' || name === '') return wholeBlock(json);
  const value = build.toolCall(typeof id === 'string' && id !== '' ? id : idOf(), name, args);
  return withOthers(build.part({ case: 'toolCall', value }), json, toolKeys);
}

/** Arguments as text; none at all are an empty object. */
export function inputOf(value: unknown): string {
  if (typeof value === 'string') return value === '' ? '{}' : value;
  return isObject(value) ? JSON.stringify(value) : '{}';
}

/** Reasoning, and the proof that Claude thought it. */
export function thought(text: string, signature: unknown) {
  const proof = typeof signature === 'string' ? signature : '';
  return build.reasoning(text, proof === '' ? {} : { signature: proof, format: reasoningFormat });
}

export function wholeBlock(json: unknown): Part {
  const type = isObject(json) && typeof json['type'] === 'string' ? json['type'] : '';
  const said = isObject(json) ? plainText(json) : '';
  return build.part({ case: 'opaque', value: build.opaque(dialectName, type, JSON.stringify(json), said) });
}

const textKeys: ReadonlySet<string> = new Set(['type', 'text', 'citations']);
const thinkingKeys: ReadonlySet<string> = new Set(['type', 'thinking', 'signature']);
const redactedKeys: ReadonlySet<string> = new Set(['type', 'data']);
const toolKeys: ReadonlySet<string> = new Set(['type', 'id', 'name', 'input']);

/** A part with the members of its block that it has no field for. */
function withOthers(part: Part, json: Json, known: ReadonlySet<string>): Part {
  let unknown = '';
  for (const key in json) {
    if (!known.has(key) && json[key] !== null) unknown = addMember(unknown, key, json[key]);
  }
  if (unknown !== '') part.extras = toExtras(unknown);
  return part;
}
