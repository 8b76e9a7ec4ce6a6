import type { CreateChatCompletionRequest } from '../../../gen/llmgateway/v1/chat_service_pb.js';
import { type Tool, type ToolChoice, ToolChoice_Mode } from '../../../gen/llmgateway/v1/generation_pb.js';
import { quote, rest } from '../json.ts';
import { allowedNames, takeTools } from '../tool-choice.ts';
import { dialectName } from './dialect.ts';
import type { EncodeContext } from './encode-context.ts';
import { encodeParametersSchema } from './encode-schema.ts';

/** The tools of a request. */
export interface EncodedTools {
  /** Items of a JSON list, without brackets: all functions in one, before those that Gemini runs itself. */
  readonly list: string;
  /** What the model is to choose among them. */
  readonly choice: ToolChoice | undefined;
}

/** @throws GatewayError UNSUPPORTED_PARAMETER for a tool that Gemini does not have */
export function encodeTools(request: CreateChatCompletionRequest, context: EncodeContext): EncodedTools {
  const target = { dialect: dialectName, provider: 'Gemini' };
  const { tools, choice } = takeTools(request, null, target, context);
  let functions = '';
  let hosted = '';
  for (const { tool, at } of tools) {
    if (tool.cacheBreakpoint !== undefined) {
      context.warn('dropped_cache_breakpoint', at, 'Gemini finds cached prefixes by itself');
    }
    const { kind } = tool;
    if (kind.case === 'function') {
      functions += `${functions === '' ? '' : ','}${encodeFunction(tool, context, at)}`;
    } else if (kind.case === 'hosted') hosted += `${hosted === '' ? '' : ','}${kind.value.json}`;
  }
  const declared = functions === '' ? '' : `{"functionDeclarations":[${functions}]}`;
  const list = declared !== '' && hosted !== '' ? `${declared},${hosted}` : `${declared}${hosted}`;
  return { list, choice };
}

function encodeFunction({ kind, extras }: Tool, context: EncodeContext, at: string): string {
  if (kind.case !== 'function') return '';
  const { name, description, parametersJson, strict } = kind.value;
  if (strict === true) {
    context.hint('dropped_strict', at, 'Gemini follows schemas as far as it can, and takes no strict');
  }
  let json = `{"name":${quote(name)}`;
  if (description !== '') json += `,"description":${quote(description)}`;
  json += rest(encodeParametersSchema(parametersJson, at));
  return `${json}${rest(context.members(extras, at))}}`;
}

/**
 * The `functionCallingConfig` as JSON text. VALIDATED is the mode in which the model may call some of a list or none.
 * @throws GatewayError UNSUPPORTED_PARAMETER for a tool among the allowed ones that has no name
 */
export function encodeToolChoice(choice: ToolChoice, context: EncodeContext): string {
  switch (choice.mode) {
    case ToolChoice_Mode.NONE:
      return '{"mode":"NONE"}';
    case ToolChoice_Mode.REQUIRED:
      return '{"mode":"ANY"}';
    case ToolChoice_Mode.NAMED:
      return `{"mode":"ANY","allowedFunctionNames":[${quote(choice.name)}]}`;
    case ToolChoice_Mode.ALLOWED: {
      const mode = choice.allowedRequired ? 'ANY' : 'VALIDATED';
      const names = [...(allowedNames(choice, context) ?? [])];
      return `{"mode":"${mode}","allowedFunctionNames":${JSON.stringify(names)}}`;
    }
    default:
      return '{"mode":"AUTO"}';
  }
}
