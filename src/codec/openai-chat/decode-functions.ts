import { type Tool, type ToolChoice, ToolChoice_Mode } from '../../../gen/llmgateway/v1/generation_pb.js';
import type { Part } from '../../../gen/llmgateway/v1/message_pb.js';
import * as build from '../../model/build.ts';
import { isPictureId } from '../../model/picture-signatures.ts';
import { invalid, keepMember, readArray, readName, readObject, readString } from '../fields.ts';
import { callId } from '../ids.ts';
import { addNested, type Json } from '../json.ts';
import { decodeFunction, maxName, maxTools, UniqueNames } from './decode-tools.ts';
import { toExtras } from './extras.ts';
import { callSignatureFormat } from './reasoning.ts';

// OpenAI's older form of tools: `functions` and `function_call` for `tools` and `tool_choice`, one `function_call` without an id in an
// answer, and its result in a message of role `function` by the function's name.

/** Tools and their choice in the older form. */
export interface DecodedFunctions {
  readonly tools: Tool[];
  readonly choice: ToolChoice | undefined;
}

/** Members of a request that are `functions` and what goes with it. */
export const functionKeys = ['functions', 'function_call'];

/**
 * @param body a request's body
 * @returns null when it has no `functions`
 * @throws GatewayError INVALID_REQUEST
 */
export function decodeFunctions(body: Json): DecodedFunctions | null {
  const given = body['functions'] ?? null;
  const choice = body['function_call'] ?? null;
  if (given === null) {
    checkLoneChoice(choice);
    return null;
  }
  for (const key of ['tools', 'tool_choice', 'gateway_tools']) {
    const other = body[key] ?? null;
    if (other === null || (Array.isArray(other) && other.length === 0)) continue;
    throw invalid('functions', `'tools' in place of it where there is '${key}'`, given, 'both');
  }
  const names = new UniqueNames();
  const tools = readArray(given, 'functions', maxTools).map((item, i) => {
    const at = `functions[${i}]`;
    const tool = build.tool({ case: undefined });
    const unknown = decodeFunction(tool, readObject(item, at), at);
    names.add(tool, at);
    if (unknown !== '') tool.extras = toExtras(addNested('', 'function', unknown));
    return tool;
  });
  return { tools, choice: decodeChoice(choice, tools) };
}

const choiceField = 'function_call';

/** A choice among no functions: as with `tool_choice`, one that asks for nothing is taken. */
function checkLoneChoice(value: unknown): void {
  if (typeof value !== 'object') decodeChoice(value, []);
  else if (value !== null) throw invalid(choiceField, "'functions' beside it", undefined, 'no functions');
}

function decodeChoice(value: unknown, tools: readonly Tool[]): ToolChoice | undefined {
  if (value === null) return undefined;
  if (value === 'none') return build.toolChoice(ToolChoice_Mode.NONE);
  if (value === 'auto') return build.toolChoice(ToolChoice_Mode.AUTO);
  if (typeof value === 'string') {
    throw invalid(choiceField, "'none', 'auto' or an object", value, 'another string');
  }
  const name = readName(readObject(value, choiceField)['name'], `${choiceField}.name`, maxName);
  if (!tools.some(({ kind }) => kind.case === 'function' && kind.value.name === name)) {
    throw invalid(`${choiceField}.name`, "the name of a function in 'functions'", value, 'another name');
  }
  return build.toolChoice(ToolChoice_Mode.NAMED, { name });
}

/**
 * The one call of an earlier answer. Its id is the gateway's: the same for the same history.
 * @param position number of such calls before it
 */
export function decodeFunctionCall(value: unknown, at: string, position: number): Part {
  const json = readObject(value, at);
  const name = readName(json['name'], `${at}.name`, 256);
  const args = readString(json['arguments'], `${at}.arguments`);
  const call = build.toolCall(callId('history', 0, position), name, args, { legacy: true });
  const part = build.part({ case: 'toolCall', value: call });
  let inner = '';
  for (const key in json) {
    if (key !== 'name' && key !== 'arguments') inner = keepMember(inner, key, json[key], `${at}.${key}`);
  }
  if (inner !== '') part.extras = toExtras(addNested('', 'function_call', inner));
  return part;
}

/**
 * A call in the older form has no id on the wire, but a signature of it that came along names one: the provider's, by which all that is
 * known of the call is found again.
 */
export function adoptSignedId(calls: readonly Part[], details: readonly Part[]): void {
  for (const { content } of calls) {
    if (content.case !== 'toolCall' || !content.value.legacy) continue;
    for (const { content: detail } of details) {
      if (detail.case !== 'reasoning' || detail.value.format !== callSignatureFormat) continue;
      const { id, encrypted } = detail.value;
      if (encrypted !== '' && id !== '' && !isPictureId(id)) content.value.id = id;
    }
  }
}
