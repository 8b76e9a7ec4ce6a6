import type { OpaquePart } from '../../../gen/llmgateway/v1/message_pb.js';
import * as build from '../../model/build.ts';
import { isObject, type Json, quote } from '../json.ts';

// What another dialect says and this one has no place for is shown under a type of its own: the Open Responses specification has extensions
// named "<who>:<type>".

/** Something of another dialect as JSON text. @param members further members, without braces */
export function encodeForeign({ dialect, type, json }: OpaquePart, members = ''): string {
  const more = members === '' ? '' : `,${members}`;
  return `{"type":${quote(`${dialect}:${type}`)}${more},"value":${json}}`;
}

const dialects = /^(openai\.chat|anthropic\.messages|google\.gemini|aws\.converse|ollama\.chat):(.*)$/;

/** The same read back; null for anything else. */
export function decodeForeign(type: string, json: Json): OpaquePart | null {
  const [, dialect, kind] = dialects.exec(type) ?? [];
  const value = json['value'];
  if (dialect === undefined || kind === undefined || !isObject(value)) return null;
  return build.opaque(dialect, kind, JSON.stringify(value));
}
