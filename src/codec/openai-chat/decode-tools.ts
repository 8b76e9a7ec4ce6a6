import {
  type CustomTool,
  type FunctionTool,
  type Tool,
  type ToolChoice,
  ToolChoice_Mode,
} from '../../../gen/llmgateway/v1/generation_pb.js';
import * as build from '../../model/build.ts';
import { mayEnable, mayEnableTool } from '../../model/gateway-tools.ts';
import { readCustom, readFunction } from '../definitions.ts';
import { invalid, keepMember, readArray, readName, readObject, writeJson } from '../fields.ts';
import { addNested, type Json } from '../json.ts';
import { type CacheMarkers, decodeCacheMarker } from './cache-markers.ts';
import { dialectName } from './dialect.ts';
import { toExtras } from './extras.ts';

/** Tools of a request at most, and characters of a tool's name. */
export const maxTools = 1024;
export const maxName = 128;

/** Names of functions and custom tools that a request has so far. */
export class UniqueNames {
  readonly #names = new Set<string>();

  /** @param at place of the tool's definition @throws GatewayError INVALID_REQUEST when there is one of that name */
  add({ kind }: Tool, at: string): void {
    if (kind.case !== 'function' && kind.case !== 'custom') return;
    const { name } = kind.value;
    if (this.#names.has(name)) {
      throw invalid(`${at}.name`, 'names of tools to be unique', name, 'the same name twice');
    }
    this.#names.add(name);
  }
}

/** @throws GatewayError INVALID_REQUEST */
export function decodeTools(value: unknown, field: string, markers: CacheMarkers): Tool[] {
  const items = readArray(value, field, maxTools);
  const names = new UniqueNames();
  const tools: Tool[] = [];
  for (let i = 0; i < items.length; i++) {
    const at = `${field}[${i}]`;
    const tool = decodeTool(items[i], at, markers);
    names.add(tool, `${at}.${tool.kind.case}`);
    tools.push(tool);
  }
  return tools;
}

function decodeTool(value: unknown, at: string, markers: CacheMarkers): Tool {
  const json = readObject(value, at);
  const type = readName(json['type'], `${at}.type`, 256);
  if (type !== 'function' && type !== 'custom') {
    const hosted = build.opaque(dialectName, type, writeJson(json, at));
    return build.tool({ case: 'hosted', value: hosted });
  }
  const tool = build.tool({ case: undefined });
  let unknown = '';
  let inner = '';
  for (const key in json) {
    const member = json[key];
    if (key === 'type') continue;
    if (key === type) {
      const definition = readObject(member, `${at}.${type}`);
      const decode = type === 'function' ? decodeFunction : decodeCustom;
      inner = decode(tool, definition, `${at}.${type}`);
    } else if (!decodeCacheMarker(tool, key, member, at, markers)) {
      unknown = keepMember(unknown, key, member, `${at}.${key}`);
    }
  }
  if (tool.kind.case === undefined) throw invalid(`${at}.${type}`, 'an object', undefined);
  unknown = addNested(unknown, type, inner);
  if (unknown !== '') tool.extras = toExtras(unknown);
  return tool;
}

/** @param at place of the definition @returns its unknown members */
export function decodeFunction(tool: Tool, json: Json, at: string): string {
  const definition: FunctionTool = build.functionTool(readName(json['name'], `${at}.name`, maxName));
  const unknown = readFunction(definition, json, at, 'parameters', ['name']);
  tool.kind = { case: 'function', value: definition };
  return unknown;
}

/** @returns its unknown members */
function decodeCustom(tool: Tool, json: Json, at: string): string {
  const definition: CustomTool = build.customTool(readName(json['name'], `${at}.name`, maxName));
  const unknown = readCustom(definition, json, at, ['name']);
  tool.kind = { case: 'custom', value: definition };
  return unknown;
}

const modes: ReadonlyMap<string, ToolChoice_Mode> = new Map([
  ['auto', ToolChoice_Mode.AUTO],
  ['none', ToolChoice_Mode.NONE],
  ['required', ToolChoice_Mode.REQUIRED],
]);

/**
 * @param gatewayTools names of the gateway's own tools that the request enables
 * @returns undefined for a choice of a kind that the model does not know, such as one of a hosted tool
 * @throws GatewayError INVALID_REQUEST
 */
export function decodeToolChoice(
  value: unknown,
  field: string,
  tools: readonly Tool[],
  gatewayTools: readonly string[],
): ToolChoice | undefined {
  const needTools = (): void => {
    if (tools.length > 0 || mayEnable(gatewayTools)) return;
    throw invalid(field, "'tools' beside it", undefined, 'no tools');
  };
  if (typeof value === 'string') {
    const mode = modes.get(value);
    if (mode === undefined) {
      throw invalid(field, "'none', 'auto', 'required' or an object", value, 'another string');
    }
    if (mode === ToolChoice_Mode.REQUIRED) needTools();
    return build.toolChoice(mode);
  }
  const json = readObject(value, field);
  const type = readName(json['type'], `${field}.type`, 256);
  switch (type) {
    case 'function':
    case 'custom': {
      const target = readObject(json[type], `${field}.${type}`);
      const name = readName(target['name'], `${field}.${type}.name`, maxName);
      needTools();
      const known =
        tools.some((tool) => tool.kind.case === type && tool.kind.value.name === name) ||
        (type === 'function' && mayEnableTool(gatewayTools, name));
      if (!known) {
        throw invalid(field, `the name of a ${type} in 'tools'`, value, 'another name');
      }
      return build.toolChoice(ToolChoice_Mode.NAMED, { name, custom: type === 'custom' });
    }
    case 'allowed_tools': {
      const at = `${field}.allowed_tools`;
      const allowed = readObject(json['allowed_tools'], at);
      const mode = readName(allowed['mode'], `${at}.mode`, 16);
      if (mode !== 'auto' && mode !== 'required') {
        throw invalid(`${at}.mode`, "'auto' or 'required'", mode, 'another string');
      }
      const list = readArray(allowed['tools'], `${at}.tools`, maxTools);
      needTools();
      const allowedJson = writeJson(list, `${at}.tools`);
      return build.toolChoice(ToolChoice_Mode.ALLOWED, { allowedRequired: mode === 'required', allowedJson });
    }
    default:
      needTools();
      return undefined;
  }
}
