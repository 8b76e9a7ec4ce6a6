import type { CreateChatCompletionRequest } from '../../../gen/llmgateway/v1/chat_service_pb.js';
import {
  type FunctionTool,
  type Tool,
  type ToolChoice,
  ToolChoice_Mode,
} from '../../../gen/llmgateway/v1/generation_pb.js';
import { invalidRequest } from '../../errors/gateway-error.ts';
import { isObject, quote, rest } from '../json.ts';
import { allowedNames, isForced, takeTools } from '../tool-choice.ts';
import { dialectName } from './dialect.ts';
import type { EncodeContext } from './encode-context.ts';

/** The tools of a request. */
export interface EncodedTools {
  /** Items of a JSON list, without brackets. */
  readonly list: string;
  /** What the model is to choose among them. */
  readonly choice: ToolChoice | undefined;
}

/**
 * The tools, and the choice among them. Where only some may be called, only those are sent.
 * @throws GatewayError UNSUPPORTED_PARAMETER for a tool that Anthropic does not have
 */
export function encodeTools(request: CreateChatCompletionRequest, context: EncodeContext): EncodedTools {
  const allowed = allowedNames(request.toolChoice, context);
  const target = { dialect: dialectName, provider: 'Anthropic' };
  const { tools, choice } = takeTools(request, allowed, target, context);
  let list = '';
  for (const { tool, at } of tools) {
    const item = encodeTool(tool, context, at);
    list += list === '' ? item : `,${item}`;
  }
  if (list === '' && choice?.mode === ToolChoice_Mode.ALLOWED) {
    throw invalidRequest('tool_choice', "Invalid 'tool_choice': none of the allowed tools is in 'tools'.");
  }
  return { list, choice };
}

function encodeTool({ kind, extras, cacheBreakpoint }: Tool, context: EncodeContext, at: string): string {
  if (kind.case === 'hosted') return kind.value.json;
  if (kind.case !== 'function') return '';
  const { name, description, strict } = kind.value;
  const members = context.members(extras, at);
  let json = `{"name":${quote(name)}`;
  if (description !== '') json += `,"description":${quote(description)}`;
  json += `,"input_schema":${schemaOf(kind.value)}`;
  if (strict !== undefined) json += `,"strict":${strict}`;
  return `${json}${context.marker(cacheBreakpoint, at)}${rest(members)}}`;
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

function modeOf(choice: ToolChoice): string {
  if (choice.mode === ToolChoice_Mode.NAMED) return `"type":"tool","name":${quote(choice.name)}`;
  if (isForced(choice)) return '"type":"any"';
  return choice.mode === ToolChoice_Mode.NONE ? '"type":"none"' : '"type":"auto"';
}
