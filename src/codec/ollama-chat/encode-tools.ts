import type { CreateChatCompletionRequest } from '../../../gen/llmgateway/v1/chat_service_pb.js';
import { ErrorReason } from '../../../gen/llmgateway/v1/error_pb.js';
import { type Tool, type ToolChoice, ToolChoice_Mode } from '../../../gen/llmgateway/v1/generation_pb.js';
import { GatewayError, invalidRequest } from '../../errors/gateway-error.ts';
import { foreignTools } from '../foreign-tools.ts';
import { isObject, quote, rest, splitMembers } from '../json.ts';
import { dialectName } from './dialect.ts';
import type { EncodeContext } from './encode-context.ts';

/**
 * The tools as items of a JSON list, without brackets. Ollama has no tool choice: that none may be called, or only some, is said
 * by leaving the others out.
 * @throws GatewayError that names the field when the model would have to be made to call one, or for a tool that Ollama lacks
 */
export function encodeTools(request: CreateChatCompletionRequest, context: EncodeContext): string {
  const foreign = foreignTools(request, dialectName, 'Ollama', context);
  const offered = toolFilter(request, context);
  let list = '';
  request.tools.forEach((tool, i) => {
    if (!foreign.has(tool) && offered(tool))
      list += `${list === '' ? '' : ','}${encodeTool(tool, context, `tools[${i}]`)}`;
  });
  return list;
}

type ToolFilter = (tool: Tool) => boolean;

function toolFilter(
  { toolChoice, options }: CreateChatCompletionRequest,
  context: EncodeContext,
): ToolFilter {
  if (toolChoice === undefined) return () => true;
  const { mode, allowedRequired } = toolChoice;
  const forced =
    mode === ToolChoice_Mode.REQUIRED ||
    mode === ToolChoice_Mode.NAMED ||
    (mode === ToolChoice_Mode.ALLOWED && allowedRequired);
  if (forced) {
    const why = 'Ollama cannot make a model call a tool';
    if (options?.dropParams !== true) {
      throw new GatewayError(ErrorReason.UNSUPPORTED_PARAMETER, `${why}; leave tool_choice out, or "auto"`, {
        field: 'tool_choice',
      });
    }
    context.warn('dropped_tool_choice', 'tool_choice', why);
  }
  if (mode === ToolChoice_Mode.NONE) return () => false;
  if (mode !== ToolChoice_Mode.ALLOWED) return () => true;
  const names = allowedNames(toolChoice);
  return ({ kind }) => kind.case === 'function' && names.has(kind.value.name);
}

/** Names of OpenAI's `allowed_tools.tools`: `{type, function: {name}}`, or flat as in its newer API. */
function allowedNames({ allowedJson }: ToolChoice): ReadonlySet<unknown> {
  const list: unknown = allowedJson === '' ? [] : JSON.parse(allowedJson);
  const items = Array.isArray(list) ? list.filter(isObject) : [];
  return new Set(items.map(({ function: called, name }) => (isObject(called) ? called['name'] : name)));
}

function encodeTool(tool: Tool, context: EncodeContext, at: string): string {
  const { kind } = tool;
  if (tool.cacheBreakpoint !== undefined) {
    context.warn('dropped_cache_breakpoint', at, 'Ollama caches prompts by itself and takes no breakpoints');
  }
  switch (kind.case) {
    case 'function': {
      const { name, description, parametersJson, strict } = kind.value;
      if (strict === true) context.warn('dropped_strict', at, 'Ollama does not hold arguments to the schema');
      const { inner, outer } = splitMembers(context.members(tool.extras, at), 'function');
      const described = description === '' ? '' : `,"description":${quote(description)}`;
      // Templates of models read the members of the schema: none at all would be null there.
      const parameters = parametersJson === '' ? '{"type":"object","properties":{}}' : parametersJson;
      return `{"type":"function","function":{"name":${quote(name)}${described},"parameters":${parameters}${rest(inner)}}${rest(outer)}}`;
    }
    case 'hosted':
      return kind.value.json;
    default:
      throw invalidRequest(at, `Invalid '${at}': Ollama takes functions only.`);
  }
}
