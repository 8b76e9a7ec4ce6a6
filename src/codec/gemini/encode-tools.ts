import type { CreateChatCompletionRequest } from '../../../gen/llmgateway/v1/chat_service_pb.js';
import { type Tool, type ToolChoice, ToolChoice_Mode } from '../../../gen/llmgateway/v1/generation_pb.js';
import { invalidRequest } from '../../errors/gateway-error.ts';
import { foreignTools } from '../foreign-tools.ts';
import { isObject, quote, rest } from '../json.ts';
import { dialectName } from './dialect.ts';
import type { EncodeContext } from './encode-context.ts';
import { encodeParametersSchema } from './encode-schema.ts';

/**
 * The tools as items of a JSON list, without brackets: all functions in one item, before those that Gemini runs itself.
 * @throws GatewayError INVALID_REQUEST for a tool that Gemini does not have
 */
export function encodeTools(request: CreateChatCompletionRequest, context: EncodeContext): string {
  const { tools } = request;
  const foreign = foreignTools(request, dialectName, 'Gemini', context);
  let functions = '';
  let hosted = '';
  for (let i = 0; i < tools.length; i++) {
    const tool = tools[i] as Tool;
    if (foreign.has(tool)) continue;
    const at = `tools[${i}]`;
    if (tool.cacheBreakpoint !== undefined) {
      context.warn('dropped_cache_breakpoint', at, 'Gemini finds cached prefixes by itself');
    }
    const { kind } = tool;
    if (kind.case === 'function') {
      functions += `${functions === '' ? '' : ','}${encodeFunction(tool, context, at)}`;
    } else if (kind.case === 'hosted') {
      hosted += `${hosted === '' ? '' : ','}${kind.value.json}`;
    } else throw invalidRequest(at, `Invalid '${at}': Gemini does not have a tool with free-text input.`);
  }
  const declared = functions === '' ? '' : `{"functionDeclarations":[${functions}]}`;
  return declared !== '' && hosted !== '' ? `${declared},${hosted}` : `${declared}${hosted}`;
}

function encodeFunction({ kind, extras }: Tool, context: EncodeContext, at: string): string {
  if (kind.case !== 'function') return '';
  const { name, description, parametersJson, strict } = kind.value;
  if (strict === true) {
    context.warn('dropped_strict', at, 'Gemini follows schemas as far as it can, and takes no strict');
  }
  let json = `{"name":${quote(name)}`;
  if (description !== '') json += `,"description":${quote(description)}`;
  json += rest(encodeParametersSchema(parametersJson, at));
  return `${json}${rest(context.members(extras, at))}}`;
}

/**
 * The `functionCallingConfig` as JSON text. VALIDATED is the mode in which the model may call some of a list or none.
 * @throws GatewayError INVALID_REQUEST
 */
export function encodeToolChoice(choice: ToolChoice): string {
  switch (choice.mode) {
    case ToolChoice_Mode.NONE:
      return '{"mode":"NONE"}';
    case ToolChoice_Mode.REQUIRED:
      return '{"mode":"ANY"}';
    case ToolChoice_Mode.NAMED:
      return `{"mode":"ANY","allowedFunctionNames":[${quote(choice.name)}]}`;
    case ToolChoice_Mode.ALLOWED: {
      const mode = choice.allowedRequired ? 'ANY' : 'VALIDATED';
      return `{"mode":"${mode}","allowedFunctionNames":${JSON.stringify(allowedNames(choice.allowedJson))}}`;
    }
    default:
      return '{"mode":"AUTO"}';
  }
}

function allowedNames(json: string): string[] {
  const list: unknown = json === '' ? [] : JSON.parse(json);
  return (Array.isArray(list) ? list : []).map((tool: unknown) => {
    const named = isObject(tool) && isObject(tool['function']) ? tool['function']['name'] : undefined;
    const name = isObject(tool) ? (named ?? tool['name']) : undefined;
    if (typeof name === 'string') return name;
    throw invalidRequest(
      'tool_choice',
      "Invalid 'tool_choice': Gemini can be told of allowed functions only.",
    );
  });
}
