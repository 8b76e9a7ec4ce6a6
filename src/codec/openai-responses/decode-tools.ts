import { type Tool, type ToolChoice, ToolChoice_Mode } from '../../../gen/llmgateway/v1/generation_pb.js';
import * as build from '../../model/build.ts';
import { readCustom, readFunction } from '../definitions.ts';
import { invalid, readArray, readName, readObject, writeJson } from '../fields.ts';
import { isObject, type Json } from '../json.ts';
import { dialectName } from './dialect.ts';
import { toExtras } from './extras.ts';

const maxTools = 1024;
const maxName = 128;

/** @throws GatewayError INVALID_REQUEST */
export function decodeTools(value: unknown, field: string): Tool[] {
  const names = new Set<string>();
  return readArray(value, field, maxTools).map((item, i) => {
    const at = `${field}[${i}]`;
    const tool = decodeTool(item, at);
    if (tool.kind.case === 'function' || tool.kind.case === 'custom') {
      const { name } = tool.kind.value;
      if (names.has(name))
        throw invalid(`${at}.name`, 'names of tools to be unique', name, 'the same name twice');
      names.add(name);
    }
    return tool;
  });
}

function decodeTool(value: unknown, at: string): Tool {
  const json = readObject(value, at);
  const type = readName(json['type'], `${at}.type`, 256);
  switch (type) {
    case 'function':
      return decodeFunction(json, at);
    case 'custom':
      return decodeCustom(json, at);
    default:
      return build.tool({ case: 'hosted', value: build.opaque(dialectName, type, writeJson(json, at)) });
  }
}

function decodeFunction(json: Json, at: string): Tool {
  const definition = build.functionTool(readName(json['name'], `${at}.name`, maxName));
  const unknown = readFunction(definition, json, at, 'parameters', ['type', 'name']);
  return withUnknown(build.tool({ case: 'function', value: definition }), unknown);
}

function decodeCustom(json: Json, at: string): Tool {
  const definition = build.customTool(readName(json['name'], `${at}.name`, maxName));
  const unknown = readCustom(definition, json, at, ['type', 'name']);
  return withUnknown(build.tool({ case: 'custom', value: definition }), unknown);
}

function withUnknown(tool: Tool, members: string): Tool {
  if (members !== '') tool.extras = toExtras(members);
  return tool;
}

const modes: ReadonlyMap<string, ToolChoice_Mode> = new Map([
  ['auto', ToolChoice_Mode.AUTO],
  ['none', ToolChoice_Mode.NONE],
  ['required', ToolChoice_Mode.REQUIRED],
]);

/**
 * @returns undefined for a choice of a kind that the model does not know, such as one of a hosted tool
 * @throws GatewayError INVALID_REQUEST
 */
export function decodeToolChoice(value: unknown, field: string): ToolChoice | undefined {
  if (typeof value === 'string') {
    const mode = modes.get(value);
    if (mode !== undefined) return build.toolChoice(mode);
    throw invalid(field, "'none', 'auto', 'required' or an object", value, 'another string');
  }
  const json = readObject(value, field);
  const type = readName(json['type'], `${field}.type`, 256);
  switch (type) {
    case 'function':
    case 'custom': {
      const name = readName(json['name'], `${field}.name`, maxName);
      return build.toolChoice(ToolChoice_Mode.NAMED, { name, custom: type === 'custom' });
    }
    case 'allowed_tools': {
      const mode = readName(json['mode'], `${field}.mode`, 16);
      if (mode !== 'auto' && mode !== 'required') {
        throw invalid(`${field}.mode`, "'auto' or 'required'", mode, 'another string');
      }
      const list = readArray(json['tools'], `${field}.tools`, maxTools).map(nested);
      return build.toolChoice(ToolChoice_Mode.ALLOWED, {
        allowedRequired: mode === 'required',
        allowedJson: writeJson(list, `${field}.tools`),
      });
    }
    default:
      return undefined;
  }
}

/** A tool's name as the chat API has it: within an object under its type. */
function nested(tool: unknown): unknown {
  if (!isObject(tool)) return tool;
  const { type, name, ...others } = tool;
  if ((type !== 'function' && type !== 'custom') || name === undefined) return tool;
  return { type, [type]: { name }, ...others };
}
