import { type Message, type Part, Role } from '../../../gen/llmgateway/v1/message_pb.js';
import * as build from '../../model/build.ts';
import { attachSignatures } from '../../model/picture-signatures.ts';
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
import { addNested, isObject, type Json } from '../json.ts';
import { decodeAnnotations } from './annotations.ts';
import { decodeAnswerImage } from './answer-images.ts';
import type { CacheMarkers } from './cache-markers.ts';
import { adoptSignedId, decodeFunctionCall } from './decode-functions.ts';
import { type DecodedContent, decodeContent } from './decode-parts.ts';
import { toExtras } from './extras.ts';
import { decodeDetail, mergeReasoning } from './reasoning.ts';

const maxMessages = 10_000;
const maxName = 256;
const maxCallId = 512;
const maxCalls = 1024;

const roles: ReadonlyMap<unknown, Role> = new Map([
  ['system', Role.SYSTEM],
  ['developer', Role.DEVELOPER],
  ['user', Role.USER],
  ['assistant', Role.ASSISTANT],
  ['tool', Role.TOOL],
  ['function', Role.FUNCTION],
]);

/** What the messages of a request have to know of each other. */
interface Context {
  readonly markers: CacheMarkers;
  /** How many calls in the older form there were so far. */
  functionCalls: number;
}

/** @throws GatewayError INVALID_REQUEST */
export function decodeMessages(value: unknown, field: string, markers: CacheMarkers): Message[] {
  const items = readArray(value, field, maxMessages);
  const messages: Message[] = [];
  const context: Context = { markers, functionCalls: 0 };
  for (let i = 0; i < items.length; i++) messages.push(decodeMessage(items[i], `${field}[${i}]`, context));
  return messages;
}

function decodeMessage(value: unknown, at: string, context: Context): Message {
  const json = readObject(value, at);
  const role = roles.get(json['role']);
  if (role === undefined) {
    const expected = "one of 'system', 'developer', 'user', 'assistant', 'tool' and 'function'";
    throw typeof json['role'] === 'string'
      ? invalid(`${at}.role`, expected, value, 'another string')
      : invalid(`${at}.role`, expected, json['role']);
  }
  if (role === Role.ASSISTANT) return decodeAssistant(json, at, context);
  const message = build.message(role, []);
  let toolCallId = '';
  let unknown = '';
  for (const key in json) {
    if (key === 'role' || key === 'content') continue;
    const member = json[key];
    if (key === 'name') message.name = readOptionalString(member, `${at}.name`, maxName);
    else if (key === 'tool_call_id' && role === Role.TOOL) {
      toolCallId = readName(member, `${at}.tool_call_id`, maxCallId);
    } else unknown = keepMember(unknown, key, member, `${at}.${key}`);
  }
  if (unknown !== '') message.extras = toExtras(unknown);
  if (role === Role.TOOL && toolCallId === '') throw invalid(`${at}.tool_call_id`, 'a string', undefined);
  if (role === Role.FUNCTION && message.name === '') throw invalid(`${at}.name`, 'a string', undefined);

  const empty = role === Role.FUNCTION && (json['content'] ?? null) === null;
  const { parts, multipart } = empty
    ? nothing()
    : decodeContent(json['content'], `${at}.content`, context.markers);
  if (role === Role.TOOL || role === Role.FUNCTION) {
    const result = build.toolResult(toolCallId, parts, { name: message.name, multipart });
    message.parts.push(build.part({ case: 'toolResult', value: result }));
  } else {
    message.parts = parts;
    message.multipart = multipart;
  }
  return message;
}

/** A new one each time: what follows is added to its parts. */
const nothing = (): DecodedContent => ({ parts: [], multipart: false });

/** An answer of the model's in the history, with the reasoning that it may carry. */
function decodeAssistant(json: Json, at: string, context: Context): Message {
  const message = build.message(Role.ASSISTANT, []);
  let content = nothing();
  let thought = '';
  let details: Part[] = [];
  const calls: Part[] = [];
  let refusal: Part | undefined;
  let audio: Part | undefined;
  let images: Part[] = [];
  let citations: unknown[] = [];
  let unknown = '';
  for (const key in json) {
    const member = json[key];
    if (key === 'role' || (member === null && known.has(key))) continue;
    const field = `${at}.${key}`;
    switch (key) {
      case 'content':
        content = decodeContent(member, field, context.markers);
        break;
      case 'name':
        message.name = readString(member, field, maxName);
        break;
      case 'tool_calls':
        decodeCalls(member, field, calls);
        break;
      case 'function_call':
        calls.push(decodeFunctionCall(member, field, context.functionCalls++));
        break;
      case 'refusal':
        refusal = build.part({ case: 'refusal', value: build.refusal(readString(member, field)) });
        break;
      case 'audio':
        audio = decodeAudio(readObject(member, field), field);
        break;
      case 'reasoning_content':
      case 'reasoning': {
        const text = readString(member, field);
        if (thought === '' || thought === text) thought = text;
        else unknown = keepMember(unknown, key, member, field);
        break;
      }
      case 'reasoning_details':
        details = readDetails(member, field);
        break;
      case 'images':
        images = readImages(member, field);
        break;
      case 'annotations':
        citations = readArray(member, field, maxMessages);
        if (citations.length === 0) unknown = keepMember(unknown, key, member, field);
        else writeJson(citations, field); // too deep is the client's fault, to be found here
        break;
      default:
        unknown = keepMember(unknown, key, member, field);
    }
  }
  const said = content.parts[content.parts.length - 1];
  if (citations.length > 0) {
    if (said?.content.case === 'text') said.content.value.annotations = decodeAnnotations(citations);
    else unknown = keepMember(unknown, 'annotations', citations, `${at}.annotations`);
  }
  const parts = thought === '' && details.length === 0 ? content.parts : mergeReasoning(thought, details);
  if (parts !== content.parts) for (const part of content.parts) parts.push(part);
  if (refusal !== undefined) parts.push(refusal);
  if (audio !== undefined) parts.push(audio);
  for (const image of images) parts.push(image);
  for (const call of calls) parts.push(call);
  if (parts.length === 0 && json['content'] === undefined) {
    throw invalid(`${at}.content`, "a string or an array of parts, as there are no 'tool_calls'", undefined);
  }
  adoptSignedId(calls, details);
  message.parts = details.length > 0 ? attachSignatures(parts) : parts;
  message.multipart = content.multipart;
  if (unknown !== '') message.extras = toExtras(unknown);
  return message;
}

function readImages(value: unknown, field: string): Part[] {
  const items = readArray(value, field, maxMessages);
  try {
    return items.map(decodeAnswerImage);
  } catch {
    throw invalid(field, 'pictures that are not nested so deeply', value);
  }
}

/** Members of an assistant's message for which null is the same as none. */
const known: ReadonlySet<string> = new Set([
  'content',
  'name',
  'tool_calls',
  'refusal',
  'audio',
  'reasoning_content',
  'reasoning',
  'reasoning_details',
  'annotations',
  'function_call',
]);

function decodeCalls(value: unknown, field: string, into: Part[]): void {
  const items = readArray(value, field, maxCalls);
  for (let i = 0; i < items.length; i++) into.push(decodeCall(items[i], `${field}[${i}]`));
}

function decodeCall(value: unknown, at: string): Part {
  const json = readObject(value, at);
  const id = readName(json['id'], `${at}.id`, maxCallId);
  const type = readString(json['type'], `${at}.type`);
  if (type !== 'function' && type !== 'custom') {
    throw invalid(`${at}.type`, "'function' or 'custom'", type, 'another string');
  }
  const called = readObject(json[type], `${at}.${type}`);
  const name = readName(called['name'], `${at}.${type}.name`, maxName);
  const argumentsKey = type === 'function' ? 'arguments' : 'input';
  const args = readString(called[argumentsKey], `${at}.${type}.${argumentsKey}`);
  const call = build.toolCall(id, name, args);
  if (type === 'custom') call.custom = true;
  const part = build.part({ case: 'toolCall', value: call });
  let inner = '';
  for (const key in called) {
    if (key === 'name' || key === argumentsKey) continue;
    inner = keepMember(inner, key, called[key], `${at}.${type}.${key}`);
  }
  let unknown = '';
  for (const key in json) {
    if (key === 'id' || key === 'type' || key === type) continue;
    unknown = keepMember(unknown, key, json[key], `${at}.${key}`);
  }
  unknown = addNested(unknown, type, inner);
  if (unknown !== '') part.extras = toExtras(unknown);
  return part;
}

/** A spoken answer in the history; OpenAI takes its id. */
function decodeAudio(json: Json, at: string): Part {
  const audio = build.audio({ case: 'id', value: readName(json['id'], `${at}.id`, 1024) });
  if (typeof json['transcript'] === 'string') audio.transcript = json['transcript'];
  return build.part({ case: 'audio', value: audio });
}

function readDetails(value: unknown, field: string): Part[] {
  const parts: Part[] = [];
  const items = readArray(value, field, maxMessages);
  for (let i = 0; i < items.length; i++) {
    const at = `${field}[${i}]`;
    if (!isObject(items[i])) throw invalid(at, 'an object', items[i]);
    let part: Part | null;
    try {
      part = decodeDetail(items[i], i);
    } catch {
      throw invalid(at, 'a value that is not nested so deeply', items[i]);
    }
    if (part === null) throw invalid(`${at}.type`, 'a string', (items[i] as Json)['type']);
    parts.push(part);
  }
  return parts;
}
