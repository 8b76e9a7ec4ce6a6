import type { OpaquePart } from '../../../gen/llmgateway/v1/message_pb.js';
import * as build from '../../model/build.ts';
import { isObject, type Json, quote } from '../json.ts';
import { isObjectText } from '../tool-arguments.ts';

// What another dialect says and this one has no place for is shown as the nearest thing that clients know: they check what they get, and some
// refuse a whole answer for one type of item or annotation that they do not know. It is all in there, and is read back.

const dialects: ReadonlySet<unknown> = new Set([
  'openai.chat',
  'anthropic.messages',
  'google.gemini',
  'aws.converse',
  'ollama.chat',
]);

/**
 * An item of another dialect as JSON text. Nearly all of them are about tools that the provider ran itself, which is how they look.
 * @param id member with the item's id and a comma, or nothing
 */
export function encodeForeignItem(
  { dialect, type, json, text }: OpaquePart,
  id: string,
  status: string,
): string {
  return (
    `{${id}"type":"mcp_call","status":"${status}","server_label":${quote(dialect)},"name":${quote(type)},` +
    `"arguments":${quote(json)},"output":${text === '' ? 'null' : quote(text)},"error":null,"approval_request_id":null}`
  );
}

/** Members of such an item that are read. */
export const foreignItemKeys = [
  'server_label',
  'name',
  'arguments',
  'output',
  'error',
  'approval_request_id',
] as const;

/** The same read back; null for anything else. */
export function decodeForeignItem(item: Json): OpaquePart | null {
  const { server_label: dialect, name, arguments: json, output = null } = item;
  if (!dialects.has(dialect) || typeof name !== 'string' || typeof json !== 'string' || !isObjectText(json))
    return null;
  return build.opaque(dialect as string, name, json, typeof output === 'string' ? output : '');
}

/** An annotation of another dialect as JSON text: something in a document that is cited. */
export function encodeForeignAnnotation({ dialect, type, json }: OpaquePart): string {
  const value: unknown = JSON.parse(json);
  const { file_id: id, document_title: document, title, source } = isObject(value) ? value : {};
  const names = [document, title, source].filter((name) => typeof name === 'string');
  const file = `"file_id":${quote(typeof id === 'string' ? id : '')},"filename":${quote(names[0] ?? '')}`;
  return `{"type":"file_citation",${file},"index":0,"citation":{"dialect":${quote(dialect)},"type":${quote(type)},"value":${json}}}`;
}

/** The same read back; null for anything else. */
export function decodeForeignAnnotation(annotation: Json): OpaquePart | null {
  const { type, citation } = annotation;
  if (type !== 'file_citation' || !isObject(citation)) return null;
  const { dialect, type: kind, value } = citation;
  if (!dialects.has(dialect) || typeof kind !== 'string' || !isObject(value)) return null;
  return build.opaque(dialect as string, kind, JSON.stringify(value));
}
