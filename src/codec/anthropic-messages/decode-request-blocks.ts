import type { Part } from '../../../gen/llmgateway/v1/message_pb.js';
import * as build from '../../model/build.ts';
import {
  invalid,
  keepMember,
  readArray,
  readBoolean,
  readName,
  readObject,
  readObjectText,
  readString,
  writeJson,
} from '../fields.ts';
import { isObject, type Json } from '../json.ts';
import { unwrapArguments } from '../tool-arguments.ts';
import { decodeCitations } from './citations.ts';
import { type RequestContext, takeCacheControl } from './decode-request-context.ts';
import { type DecodedPart, decodeDocument, decodeImage, whole } from './decode-request-media.ts';
import { reasoningFormat } from './dialect.ts';
import { toExtras } from './extras.ts';

const maxBlocks = 10_000;
const maxCallId = 512;
const maxName = 256;

/** What a message, an instruction or a tool's result says: text, or a list of blocks. */
export interface DecodedContent {
  readonly parts: Part[];
  readonly multipart: boolean;
}

/** @throws GatewayError INVALID_REQUEST */
export function decodeContent(value: unknown, field: string, context: RequestContext): DecodedContent {
  if (typeof value === 'string') return { parts: [build.textPart(value)], multipart: false };
  const items = readArray(value, field, maxBlocks);
  const parts: Part[] = [];
  // Plain text would have done. With anything else among them it is a list anyway, and dialects that keep that elsewhere (tool
  // calls, thoughts) are free to write the text as text.
  let multipart = true;
  for (let i = 0; i < items.length; i++) {
    const part = decodeBlock(items[i], `${field}[${i}]`, context);
    multipart &&= part.content.case === 'text';
    parts.push(part);
  }
  return { parts, multipart };
}

function decodeBlock(value: unknown, at: string, context: RequestContext): Part {
  const json = readObject(value, at);
  context.count(json, at);
  const { part, unknown } = decodeByType(json, at, context);
  if (part.content.case === 'opaque') {
    // It has its marker and all its members inside; its text, which other providers get, is marked like any other.
    if (part.content.value.text !== '') takeCacheControl(part, json['cache_control'] ?? null, unknown, at);
    return part;
  }
  const members = takeCacheControl(part, json['cache_control'] ?? null, unknown, at);
  if (members !== '') part.extras = toExtras(members);
  return part;
}

function decodeByType(json: Json, at: string, context: RequestContext): DecodedPart {
  switch (readName(json['type'], `${at}.type`, 256)) {
    case 'text':
      return decodeText(json, at);
    case 'image':
      return decodeImage(json, at);
    case 'document':
      return decodeDocument(json, at);
    case 'tool_use':
      return decodeToolUse(json, at, context);
    case 'tool_result':
      return decodeToolResult(json, at, context);
    case 'thinking':
      return decodeThinking(json, at);
    case 'redacted_thinking':
      return decodeRedacted(json, at);
    default:
      return whole(json, at);
  }
}

/** Members that are neither `type`, `cache_control` nor in `known`. */
function others(json: Json, at: string, known: readonly string[]): string {
  let unknown = '';
  for (const key in json) {
    if (key === 'type' || key === 'cache_control' || known.includes(key)) continue;
    unknown = keepMember(unknown, key, json[key], `${at}.${key}`);
  }
  return unknown;
}

function decodeText(json: Json, at: string): DecodedPart {
  const value = build.text(readString(json['text'], `${at}.text`));
  let unknown = others(json, at, ['text', 'citations']);
  const citations = json['citations'] ?? null;
  if (citations !== null) {
    const list = readArray(citations, `${at}.citations`, maxBlocks);
    writeJson(list, `${at}.citations`); // too deep is the client's fault, to be found here
    if (list.length > 0 && list.every(isObject)) value.annotations = decodeCitations(list, value.text.length);
    else unknown = keepMember(unknown, 'citations', list, `${at}.citations`);
  }
  return { part: build.part({ case: 'text', value }), unknown };
}

function decodeToolUse(json: Json, at: string, context: RequestContext): DecodedPart {
  const id = readName(json['id'], `${at}.id`, maxCallId);
  const name = readName(json['name'], `${at}.name`, maxName);
  const given = readObjectText(json['input'], `${at}.input`);
  // What a model wrote amiss was put into an object for this dialect; others can be told it as it was.
  const value = build.toolCall(id, name, unwrapArguments(json['input'] as Json) ?? given);
  context.called(id, name);
  return {
    part: build.part({ case: 'toolCall', value }),
    unknown: others(json, at, ['id', 'name', 'input']),
  };
}

function decodeToolResult(json: Json, at: string, context: RequestContext): DecodedPart {
  const id = readName(json['tool_use_id'], `${at}.tool_use_id`, maxCallId);
  const given = json['content'] ?? null;
  if (Array.isArray(given)) refuseNested(given, `${at}.content`);
  const { parts, multipart } =
    given === null ? { parts: [], multipart: false } : decodeContent(given, `${at}.content`, context);
  const value = build.toolResult(id, parts, { multipart, name: context.nameOf(id) });
  let unknown = others(json, at, ['tool_use_id', 'content', 'is_error']);
  const failed = json['is_error'] ?? null;
  if (failed !== null) {
    value.isError = readBoolean(failed, `${at}.is_error`);
    // Said although it is the default.
    if (failed === false) unknown = keepMember(unknown, 'is_error', false, `${at}.is_error`);
  }
  return { part: build.part({ case: 'toolResult', value }), unknown };
}

/** A result within a result means nothing, and would let a body choose how deep this goes. */
function refuseNested(blocks: readonly unknown[], at: string): void {
  const nested = blocks.findIndex((block) => isObject(block) && block['type'] === 'tool_result');
  if (nested < 0) return;
  throw invalid(
    `${at}[${nested}].type`,
    "another type than 'tool_result' there",
    undefined,
    'one within another',
  );
}

function decodeThinking(json: Json, at: string): DecodedPart {
  const value = build.reasoning(readString(json['thinking'], `${at}.thinking`));
  const signature = json['signature'] ?? null;
  if (signature !== null) value.signature = readString(signature, `${at}.signature`);
  if (value.signature !== '') value.format = reasoningFormat;
  return {
    part: build.part({ case: 'reasoning', value }),
    unknown: others(json, at, ['thinking', 'signature']),
  };
}

function decodeRedacted(json: Json, at: string): DecodedPart {
  const encrypted = readName(json['data'], `${at}.data`, Number.POSITIVE_INFINITY);
  const value = build.reasoning('', { encrypted, format: reasoningFormat });
  return { part: build.part({ case: 'reasoning', value }), unknown: others(json, at, ['data']) };
}
