import type { CreateChatCompletionRequest } from '../../../gen/llmgateway/v1/chat_service_pb.js';
import { type Tool, ToolChoice_Mode } from '../../../gen/llmgateway/v1/generation_pb.js';
import { foreignTools } from '../foreign-tools.ts';
import { quote, rest, splitMembers } from '../json.ts';
import { allowedNames, isForced, takeTools } from '../tool-choice.ts';
import { dialectName } from './dialect.ts';
import type { EncodeContext } from './encode-context.ts';

/**
 * The tools as items of a JSON list, without brackets. Ollama has no tool choice: that none may be called, or only some, is said
 * by leaving the others out.
 * @throws GatewayError UNSUPPORTED_PARAMETER when the model would have to be made to call one, or for a tool that Ollama lacks
 */
export function encodeTools(request: CreateChatCompletionRequest, context: EncodeContext): string {
  if (request.toolChoice?.mode === ToolChoice_Mode.NONE) {
    foreignTools(request, dialectName, 'Ollama', context);
    return '';
  }
  const allowed = allowedNames(request.toolChoice, context);
  const target = { dialect: dialectName, provider: 'Ollama' };
  const { tools, choice } = takeTools(request, allowed, target, context);
  if (isForced(choice)) {
    const why = 'Ollama cannot make a model call a tool; leave it out, or "auto"';
    context.refuse('tool_choice', 'tool_choice', why);
  }
  let list = '';
  for (const { tool, at } of tools) list += `${list === '' ? '' : ','}${encodeTool(tool, context, at)}`;
  return list;
}

function encodeTool(tool: Tool, context: EncodeContext, at: string): string {
  const { kind } = tool;
  if (tool.cacheBreakpoint !== undefined) {
    context.warn('dropped_cache_breakpoint', at, 'Ollama caches prompts by itself and takes no breakpoints');
  }
  switch (kind.case) {
    case 'function': {
      const { name, description, parametersJson, strict } = kind.value;
      if (strict === true) context.hint('dropped_strict', at, 'Ollama does not hold arguments to the schema');
      const { inner, outer } = splitMembers(context.members(tool.extras, at), 'function');
      const described = description === '' ? '' : `,"description":${quote(description)}`;
      // Templates of models read the members of the schema: none at all would be null there.
      const parameters = parametersJson === '' ? '{"type":"object","properties":{}}' : parametersJson;
      return `{"type":"function","function":{"name":${quote(name)}${described},"parameters":${parameters}${rest(inner)}}${rest(outer)}}`;
    }
    case 'hosted':
      return kind.value.json;
    default:
      return '';
  }
}
