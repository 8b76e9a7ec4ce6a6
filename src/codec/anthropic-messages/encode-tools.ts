import type { CreateChatCompletionRequest } from '../../../gen/llmgateway/v1/chat_service_pb.js';
import {
  type FunctionTool,
  type Tool,
  type ToolChoice,
  ToolChoice_Mode,
} from '../../../gen/llmgateway/v1/generation_pb.js';
import { invalidRequest } from '../../errors/gateway-error.ts';
import { foreignTools } from '../foreign-tools.ts';
import { isObject, quote, rest } from '../json.ts';
import { dialectName } from './dialect.ts';
import type { EncodeContext } from './encode-context.ts';

/**
 * The tools as items of a JSON list, without brackets. Where only some may be called, only those are sent.
 * @throws GatewayError INVALID_REQUEST for a tool that Anthropic does not have
 */
export function encodeTools(request: CreateChatCompletionRequest, context: EncodeContext): string {
  const { tools, toolChoice } = request;
  const foreign = foreignTools(request, dialectName, 'Anthropic', context);
  const allowed = toolChoice?.mode === ToolChoice_Mode.ALLOWED ? allowedNames(toolChoice) : null;
  let list = '';
  for (let i = 0; i < tools.length; i++) {
    const tool = tools[i] as Tool;
    if (foreign.has(tool) || (allowed !== null && !allowed.has(nameOf(tool)))) continue;
    const item = encodeTool(tool, context, `tools[${i}]`);
    list += list === '' ? item : `,${item}`;
  }
  if (allowed !== null && list === '') {
    throw invalidRequest('tool_choice', "Invalid 'tool_choice': none of the allowed tools is in 'tools'.");
  }
  return list;
}

function encodeTool(tool: Tool, context: EncodeContext, at: string): string {
  const { kind } = tool;
  switch (kind.case) {
    case 'function': {
      const { name, description, strict } = kind.value;
      const members = context.members(tool.extras, at);
      let json = `{"name":${quote(name)}`;
      if (description !== '') json += `,"description":${quote(description)}`;
      json += `,"input_schema":${schemaOf(kind.value)}`;
      if (strict !== undefined) json += `,"strict":${strict}`;
      return `${json}${context.marker(tool.cacheBreakpoint, at)}${rest(members)}}`;
    }
    case 'hosted':
      return kind.value.json;
    default:
      throw invalidRequest(at, `Invalid '${at}': Anthropic takes no tools with free text as input.`);
  }
}

/** Anthropic refuses a schema that does not begin by saying that it is an object's. */
function schemaOf({ parametersJson: schema }: FunctionTool): string {
  if (schema === '') return '{"type":"object","properties":{}}';
  if (/^\s*\{\s*"type"\s*:/.test(schema)) return schema;
  const json: unknown = JSON.parse(schema);
  if (!isObject(json) || Object.hasOwn(json, 'type')) return schema;
  const members = schema.trim().slice(1, -1).trim();
  return `{"type":"object"${members === '' ? ',"properties":{}' : `,${members}`}}`;
}

/**
 * The tool choice as JSON text; '' for none.
 * @param parallel whether several tools may be called at once; undefined when it was not said
 * @param tools whether there are any: without them Anthropic takes no choice
 * @param members unknown members of it
 */
export function encodeToolChoice(
  choice: ToolChoice | undefined,
  parallel: boolean | undefined,
  tools: boolean,
  members: string,
): string {
  if (choice === undefined) {
    // One of a kind that the model does not know.
    if (members.includes('"type"')) return `{${members}}`;
    return tools && parallel === false ? '{"type":"auto","disable_parallel_tool_use":true}' : '';
  }
  if (!tools && !isForced(choice)) return '';
  const parallelism =
    parallel === undefined || choice.mode === ToolChoice_Mode.NONE
      ? ''
      : `,"disable_parallel_tool_use":${!parallel}`;
  return `{${modeOf(choice)}${parallelism}${rest(members)}}`;
}

/** Whether some tool has to be called. */
export const isForced = (choice: ToolChoice | undefined): boolean =>
  choice !== undefined &&
  (choice.mode === ToolChoice_Mode.REQUIRED ||
    choice.mode === ToolChoice_Mode.NAMED ||
    (choice.mode === ToolChoice_Mode.ALLOWED && choice.allowedRequired));

function modeOf(choice: ToolChoice): string {
  if (choice.mode === ToolChoice_Mode.NAMED) return `"type":"tool","name":${quote(choice.name)}`;
  if (isForced(choice)) return '"type":"any"';
  return choice.mode === ToolChoice_Mode.NONE ? '"type":"none"' : '"type":"auto"';
}

/** Names in OpenAI's list of allowed tools: `{type, function: {name}}`, or flat as its newer API has it. */
function allowedNames({ allowedJson }: ToolChoice): Set<string> {
  const names = new Set<string>();
  const list: unknown = allowedJson === '' ? [] : JSON.parse(allowedJson);
  for (const item of Array.isArray(list) ? list : []) {
    const inner = isObject(item) && typeof item['type'] === 'string' ? item[item['type']] : undefined;
    const name = isObject(inner) ? inner['name'] : isObject(item) ? item['name'] : undefined;
    if (typeof name !== 'string') {
      throw invalidRequest(
        'tool_choice',
        "Invalid 'tool_choice': Anthropic takes only functions as allowed tools.",
      );
    }
    names.add(name);
  }
  return names;
}

function nameOf({ kind }: Tool): string {
  if (kind.case === 'function' || kind.case === 'custom') return kind.value.name;
  if (kind.case !== 'hosted') return '';
  const json: unknown = JSON.parse(kind.value.json);
  return isObject(json) && typeof json['name'] === 'string' ? json['name'] : '';
}
