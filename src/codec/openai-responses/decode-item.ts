import { Role } from '../../../gen/llmgateway/v1/message_pb.js';
import type { Item } from '../../../gen/llmgateway/v1/responses_service_pb.js';
import * as build from '../../model/build.ts';
import { item as buildItem, itemReference, reasoningItem } from '../../model/build-responses.ts';
import {
  invalid,
  keepMember,
  readArray,
  readName,
  readObject,
  readOptionalString,
  readString,
  writeJson,
} from '../fields.ts';
import type { Json } from '../json.ts';
import { decodeCompaction } from './compaction.ts';
import { decodeContent } from './decode-content.ts';
import { dialectName, gatewayLabel, stateFormat } from './dialect.ts';
import { toExtras } from './extras.ts';
import { decodeForeignItem, foreignItemKeys } from './foreign.ts';
import { unwrapState } from './foreign-state.ts';
import { decodeStatus } from './status.ts';

const maxItems = 10_000;
const maxId = 256;

/** The input of a request: a text is one message of the user's. @throws GatewayError INVALID_REQUEST */
export function decodeInput(value: unknown, field: string): Item[] {
  if (value === '') return [];
  if (typeof value === 'string') {
    const message = build.message(Role.USER, [build.textPart(value)]);
    return [buildItem('', { case: 'message', value: message })];
  }
  if (!Array.isArray(value)) throw invalid(field, 'a string or an array of items', value);
  return readArray(value, field, maxItems).map((json, i) => decodeItem(json, `${field}[${i}]`));
}

/** One item, of a request or of an answer. @throws GatewayError INVALID_REQUEST */
export function decodeItem(value: unknown, at: string): Item {
  const json = readObject(value, at);
  const type = typeOf(json, at);
  const id = readOptionalString(json['id'] ?? null, `${at}.id`, maxId);
  const item = buildItem(id, { case: undefined }, decodeStatus(json['status']));
  const known = decodeKind(item, type, json, at);
  if (known === null) {
    item.kind = { case: 'opaque', value: build.opaque(dialectName, type, writeJson(json, at)) };
    return item;
  }
  let unknown = '';
  for (const key in json) {
    if (key === 'type' || key === 'id' || key === 'status' || known.includes(key)) continue;
    unknown = keepMember(unknown, key, json[key], `${at}.${key}`);
  }
  if (unknown !== '') item.extras = toExtras(unknown);
  return item;
}

/** A message needs no type, nor does a reference. */
function typeOf(json: Json, at: string): string {
  const { type = null } = json;
  if (type !== null) return readName(type, `${at}.type`, 256);
  if (json['role'] !== undefined) return 'message';
  if (json['id'] !== undefined) return 'item_reference';
  throw invalid(`${at}.type`, 'a string', type);
}

const roles: ReadonlyMap<unknown, Role> = new Map([
  ['user', Role.USER],
  ['assistant', Role.ASSISTANT],
  ['system', Role.SYSTEM],
  ['developer', Role.DEVELOPER],
]);

/** @returns the keys that were read; null for an item of an unknown kind */
function decodeKind(item: Item, type: string, json: Json, at: string): readonly string[] | null {
  switch (type) {
    case 'message':
      return decodeMessage(item, json, at);
    case 'function_call':
    case 'custom_tool_call':
      return decodeCall(item, type === 'custom_tool_call', json, at);
    case 'function_call_output':
    case 'custom_tool_call_output':
      return decodeOutput(item, type === 'custom_tool_call_output', json, at);
    case 'reasoning':
      return decodeReasoning(item, json, at);
    case 'item_reference':
      item.id = '';
      item.kind = {
        case: 'reference',
        value: itemReference(readName(json['id'], `${at}.id`, maxId)),
      };
      return [];
    case 'compaction': {
      const value = decodeCompaction(json);
      if (value === null) return null;
      item.kind = { case: 'opaque', value };
      return Object.keys(json);
    }
    case 'mcp_call': {
      if (json['server_label'] === gatewayLabel) return decodeGatewayCall(item, json, at);
      const value = decodeForeignItem(json);
      if (value === null) return null;
      item.kind = { case: 'opaque', value };
      return foreignItemKeys;
    }
    default:
      return null;
  }
}

/** What the gateway itself has said: a tool that it ran. */
function decodeGatewayCall(item: Item, json: Json, at: string): readonly string[] {
  const call = build.toolCall(
    readName(json['call_id'] ?? json['id'], `${at}.call_id`, 512),
    readName(json['name'], `${at}.name`, 256),
    readString(json['arguments'], `${at}.arguments`),
  );
  const error = readOptionalString(json['error'] ?? null, `${at}.error`);
  const output = readOptionalString(json['output'] ?? null, `${at}.output`);
  const result = build.toolResult(call.id, [build.textPart(error || output)], { isError: error !== '' });
  const value = { $typeName: 'llmgateway.v1.GatewayCall', call, result, round: 0, durationMs: 0 } as const;
  item.kind = { case: 'gatewayCall', value };
  return ['server_label', 'call_id', 'name', 'arguments', 'output', 'error', 'approval_request_id'];
}

function decodeMessage(item: Item, json: Json, at: string): readonly string[] | null {
  const role = roles.get(json['role']);
  if (role === undefined) {
    // Roles of other kinds of models ("critic") are not ours to judge; what is no text at all is a mistake.
    readName(json['role'], `${at}.role`, 64);
    return null;
  }
  const { parts, multipart } = decodeContent(json['content'], `${at}.content`);
  item.kind = { case: 'message', value: build.message(role, parts, { multipart }) };
  return ['role', 'content'];
}

function decodeCall(item: Item, custom: boolean, json: Json, at: string): readonly string[] {
  const body = custom ? 'input' : 'arguments';
  const id = readName(json['call_id'], `${at}.call_id`, 512);
  const name = readName(json['name'], `${at}.name`, 256);
  const args = readString(json[body], `${at}.${body}`);
  item.kind = { case: 'toolCall', value: build.toolCall(id, name, args, { custom }) };
  return ['call_id', 'name', body];
}

function decodeOutput(item: Item, custom: boolean, json: Json, at: string): readonly string[] {
  const id = readName(json['call_id'], `${at}.call_id`, 512);
  const { parts, multipart } = decodeContent(json['output'], `${at}.output`);
  item.kind = { case: 'toolResult', value: build.toolResult(id, parts, { multipart, custom }) };
  return ['call_id', 'output'];
}

function decodeReasoning(item: Item, json: Json, at: string): readonly string[] {
  const texts = (key: 'summary' | 'content'): string[] => {
    const list = json[key] ?? [];
    return readArray(list, `${at}.${key}`, maxItems).map((part, i) =>
      readString(readObject(part, `${at}.${key}[${i}]`)['text'], `${at}.${key}[${i}].text`),
    );
  };
  const known = { id: item.id, format: stateFormat };
  const summaries = texts('summary').map((text) => build.reasoning(text, { ...known, summary: true }));
  const contents = texts('content').map((text) => build.reasoning(text, known));
  const encrypted = readOptionalString(json['encrypted_content'] ?? null, `${at}.encrypted_content`);
  const foreign = unwrapState(encrypted);
  const value = foreign ?? reasoningItem([...summaries, ...contents], encrypted);
  item.kind = { case: 'reasoning', value };
  return ['summary', 'content', 'encrypted_content'];
}
