import type { CreateChatCompletionRequest } from '../../../gen/llmgateway/v1/chat_service_pb.js';
import { type Tool, type ToolChoice, ToolChoice_Mode } from '../../../gen/llmgateway/v1/generation_pb.js';
import { quote, rest, splitMembers } from '../json.ts';
import { takeTools } from '../tool-choice.ts';
import { dialectName } from './dialect.ts';
import type { EncodeContext } from './encode-context.ts';
import { cacheMarker } from './encode-parts.ts';

/** The tools of a request. */
export interface EncodedTools {
  /** Items of a JSON list, without brackets. */
  readonly list: string;
  /** What the model is to choose among them. */
  readonly choice: ToolChoice | undefined;
}

/** @throws GatewayError UNSUPPORTED_PARAMETER for a tool that only another provider has, where the request means nothing without it */
export function encodeTools(request: CreateChatCompletionRequest, context: EncodeContext): EncodedTools {
  const target = { dialect: dialectName, provider: 'the provider', customTools: true };
  const { tools, choice } = takeTools(request, null, target, context);
  let list = '';
  for (const { tool, at } of tools) {
    const item = encodeTool(tool, context, at);
    if (item !== '') list += list === '' ? item : `,${item}`;
  }
  return { list, choice };
}

function encodeTool(tool: Tool, context: EncodeContext, at: string): string {
  const { kind } = tool;
  const members = context.members(tool.extras, at);
  switch (kind.case) {
    case 'function': {
      const { name, description, parametersJson, strict } = kind.value;
      const { inner, outer } = splitMembers(members, 'function');
      let json = `{"type":"function","function":{"name":${quote(name)}`;
      if (description !== '') json += `,"description":${quote(description)}`;
      if (parametersJson !== '') json += `,"parameters":${parametersJson}`;
      if (strict !== undefined) json += `,"strict":${strict}`;
      return `${json}${rest(inner)}}${toolMarker(tool, context, at)}${rest(outer)}}`;
    }
    case 'custom': {
      const { name, description, formatJson } = kind.value;
      const { inner, outer } = splitMembers(members, 'custom');
      let json = `{"type":"custom","custom":{"name":${quote(name)}`;
      if (description !== '') json += `,"description":${quote(description)}`;
      if (formatJson !== '') json += `,"format":${formatJson}`;
      return `${json}${rest(inner)}}${toolMarker(tool, context, at)}${rest(outer)}}`;
    }
    case 'hosted':
      return kind.value.json;
    default:
      return '';
  }
}

/** OpenAI's own marker stands on parts of messages only. */
function toolMarker(tool: Tool, context: EncodeContext, at: string): string {
  if (tool.cacheBreakpoint === undefined) return '';
  if (context.dialect.cacheMarker !== 'prompt_cache_breakpoint') {
    return cacheMarker(tool.cacheBreakpoint, context, at);
  }
  context.warn('dropped_cache_breakpoint', at, 'the provider takes no cache breakpoints on tools');
  return '';
}

/** The tool choice as JSON text. */
export function encodeToolChoice(choice: ToolChoice): string {
  switch (choice.mode) {
    case ToolChoice_Mode.NONE:
      return '"none"';
    case ToolChoice_Mode.REQUIRED:
      return '"required"';
    case ToolChoice_Mode.NAMED: {
      const type = choice.custom ? 'custom' : 'function';
      return `{"type":"${type}","${type}":{"name":${quote(choice.name)}}}`;
    }
    case ToolChoice_Mode.ALLOWED: {
      const mode = choice.allowedRequired ? 'required' : 'auto';
      const tools = choice.allowedJson === '' ? '[]' : choice.allowedJson;
      return `{"type":"allowed_tools","allowed_tools":{"mode":"${mode}","tools":${tools}}}`;
    }
    default:
      return '"auto"';
  }
}
