import { type Tool, type ToolChoice, ToolChoice_Mode } from '../../../gen/llmgateway/v1/generation_pb.js';
import * as build from '../../model/build.ts';
import { mayEnable, mayEnableTool } from '../../model/gateway-tools.ts';
import {
  invalid,
  keepMember,
  readArray,
  readBoolean,
  readName,
  readObject,
  readObjectText,
  readOptionalString,
  writeJson,
} from '../fields.ts';
import { isObject, type Json } from '../json.ts';
import { type RequestContext, takeCacheControl } from './decode-request-context.ts';
import { dialectName } from './dialect.ts';
import { toExtras } from './extras.ts';

const maxTools = 1024;
const maxName = 128;

/** @throws GatewayError INVALID_REQUEST */
export function decodeTools(value: unknown, field: string, context: RequestContext): Tool[] {
  const items = readArray(value, field, maxTools);
  const tools: Tool[] = [];
  for (let i = 0; i < items.length; i++) tools.push(decodeTool(items[i], `${field}[${i}]`, context));
  return tools;
}

function decodeTool(value: unknown, at: string, context: RequestContext): Tool {
  const json = readObject(value, at);
  context.count(json, at);
  const given = json['type'] ?? null;
  const type = given === null ? 'custom' : readName(given, `${at}.type`, 256);
  if (type === 'custom') return decodeFunction(json, at);
  // A tool that Anthropic runs, or of which it knows the schema.
  return build.tool({ case: 'hosted', value: build.opaque(dialectName, type, writeJson(json, at)) });
}

function decodeFunction(json: Json, at: string): Tool {
  const definition = build.functionTool(readName(json['name'], `${at}.name`, maxName));
  definition.parametersJson = readObjectText(json['input_schema'], `${at}.input_schema`);
  const tool = build.tool({ case: 'function', value: definition });
  let unknown = '';
  for (const key in json) {
    const member = json[key];
    switch (key) {
      case 'name':
      case 'input_schema':
        break;
      case 'description':
        definition.description = readOptionalString(member, `${at}.description`);
        break;
      case 'strict':
        if (member !== null) definition.strict = readBoolean(member, `${at}.strict`);
        break;
      case 'cache_control':
        unknown = takeCacheControl(tool, member, unknown, at);
        break;
      case 'type':
        // `custom` may be said or not.
        if (member !== null) unknown = keepMember(unknown, key, member, `${at}.type`);
        break;
      default:
        unknown = keepMember(unknown, key, member, `${at}.${key}`);
    }
  }
  if (unknown !== '') tool.extras = toExtras(unknown);
  return tool;
}

/** What `tool_choice` says. */
export interface DecodedToolChoice {
  /** Undefined for a choice of a kind that the model does not know; the whole of it is then in `unknown`. */
  readonly choice: ToolChoice | undefined;
  /** Whether several tools may be called at once; undefined when it says nothing of that. */
  readonly parallel: boolean | undefined;
  readonly unknown: string;
}

const modes: ReadonlyMap<string, ToolChoice_Mode> = new Map([
  ['auto', ToolChoice_Mode.AUTO],
  ['any', ToolChoice_Mode.REQUIRED],
  ['tool', ToolChoice_Mode.NAMED],
  ['none', ToolChoice_Mode.NONE],
]);

/**
 * @param gatewayTools names of the gateway's own tools that the request enables
 * @throws GatewayError INVALID_REQUEST
 */
export function decodeToolChoice(
  value: unknown,
  field: string,
  tools: readonly Tool[],
  gatewayTools: readonly string[],
): DecodedToolChoice {
  const json = readObject(value, field);
  const mode = modes.get(readName(json['type'], `${field}.type`, 256));
  if (mode === undefined) {
    let unknown = '';
    for (const key in json) unknown = keepMember(unknown, key, json[key], `${field}.${key}`);
    return { choice: undefined, parallel: undefined, unknown };
  }
  const choice = build.toolChoice(mode);
  if (mode === ToolChoice_Mode.NAMED) {
    choice.name = readName(json['name'], `${field}.name`, maxName);
    if (!mayEnableTool(gatewayTools, choice.name) && !tools.some((tool) => nameOf(tool) === choice.name)) {
      throw invalid(`${field}.name`, "the name of a tool in 'tools'", value, 'another name');
    }
  } else if (mode === ToolChoice_Mode.REQUIRED && tools.length === 0 && !mayEnable(gatewayTools)) {
    throw invalid(field, "'tools' beside it", undefined, 'no tools');
  }
  let parallel: boolean | undefined;
  let unknown = '';
  for (const key in json) {
    const member = json[key];
    if (key === 'type' || (key === 'name' && mode === ToolChoice_Mode.NAMED)) continue;
    if (key === 'disable_parallel_tool_use') {
      if (member !== null) parallel = !readBoolean(member, `${field}.${key}`);
    } else unknown = keepMember(unknown, key, member, `${field}.${key}`);
  }
  return { choice, parallel, unknown };
}

function nameOf({ kind }: Tool): string {
  if (kind.case === 'function' || kind.case === 'custom') return kind.value.name;
  if (kind.case !== 'hosted') return '';
  const json: unknown = JSON.parse(kind.value.json);
  return isObject(json) && typeof json['name'] === 'string' ? json['name'] : '';
}
