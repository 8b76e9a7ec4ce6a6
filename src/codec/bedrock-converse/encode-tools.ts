import type { CreateChatCompletionRequest } from '../../../gen/llmgateway/v1/chat_service_pb.js';
import { type Tool, type ToolChoice, ToolChoice_Mode } from '../../../gen/llmgateway/v1/generation_pb.js';
import { foreignTools } from '../foreign-tools.ts';
import { quote, rest, splitMembers } from '../json.ts';
import { allowedNames, isForced, takeTools } from '../tool-choice.ts';
import { dialectName } from './dialect.ts';
import type { EncodeContext } from './encode-context.ts';
import type { EncodedMessages } from './encode-messages.ts';

export interface EncodedToolConfig {
  /** JSON text; '' for none. */
  readonly json: string;
  /** The model has to call a tool. */
  readonly forced: boolean;
}

const nothing: EncodedToolConfig = { json: '', forced: false };

/**
 * The `toolConfig` of a request.
 *
 * Converse has no "none" among its choices: without a history of calls the tools are then left out, with one they have to stay (the provider
 * refuses tool blocks without tools), and the model is free to call them, which is reported.
 * @param inner further members of it
 * @throws GatewayError UNSUPPORTED_PARAMETER for tools that Bedrock does not have
 */
export function encodeToolConfig(
  request: CreateChatCompletionRequest,
  { calledTools, hasToolBlocks }: EncodedMessages,
  inner: string,
  context: EncodeContext,
): EncodedToolConfig {
  const none = request.toolChoice?.mode === ToolChoice_Mode.NONE;
  if (none && !hasToolBlocks) {
    foreignTools(request, dialectName, 'the provider', context);
    return nothing;
  }
  const allowed = allowedNames(request.toolChoice, context);
  const target = { dialect: dialectName, provider: 'the provider' };
  const { tools, choice } = takeTools(request, allowed, target, context);
  let list = '';
  for (const { tool, at } of tools) {
    const item = encodeTool(tool, context, at);
    list += list === '' ? item : `,${item}`;
  }
  if (list === '' && hasToolBlocks && calledTools.length > 0) {
    context.warn(
      'tools_from_history',
      'tools',
      'tools that were called before are named, because the provider refuses their calls otherwise',
    );
    list = calledTools.map(bareTool).join(',');
    return { json: `{"tools":[${list}]${rest(inner)}}`, forced: false };
  }
  if (list === '') return nothing;
  if (none) {
    context.hint(
      'tool_choice_not_enforced',
      'tool_choice',
      'the provider cannot be told to call no tool: it may call one',
    );
  }
  const chosen = choice === undefined ? '' : encodeToolChoice(choice);
  const json = `{"tools":[${list}]${chosen === '' ? '' : `,"toolChoice":${chosen}`}${rest(inner)}}`;
  return { json, forced: isForced(choice) };
}

const bareTool = (name: string): string =>
  `{"toolSpec":{"name":${quote(name)},"inputSchema":{"json":{"type":"object"}}}}`;

/** One tool, with the cache point after it. */
function encodeTool(tool: Tool, context: EncodeContext, at: string): string {
  const point = context.cachePoint(tool.cacheBreakpoint, at, 'tools');
  return `${encodeSpec(tool, context, at)}${point === '' ? '' : `,${point}`}`;
}

function encodeSpec({ kind, extras }: Tool, context: EncodeContext, at: string): string {
  if (kind.case === 'hosted') return kind.value.json;
  if (kind.case !== 'function') return '';
  const { name, description, parametersJson, strict } = kind.value;
  const { inner, outer } = splitMembers(
    context.extraMembers(extras, at, ['cachePoint', 'systemTool']),
    'toolSpec',
  );
  let json = `{"toolSpec":{"name":${quote(name)}`;
  if (description !== '') json += `,"description":${quote(description)}`;
  json += `,"inputSchema":{"json":${parametersJson === '' ? '{"type":"object","properties":{}}' : parametersJson}}`;
  // Models that know nothing of it refuse it, and false is what it is anyway.
  if (strict === true) json += ',"strict":true';
  return `${json}${rest(inner)}}${rest(outer)}}`;
}

/** '' where the model decides by itself, as it does when nothing is said. */
function encodeToolChoice(choice: ToolChoice): string {
  switch (choice.mode) {
    case ToolChoice_Mode.AUTO:
      return '{"auto":{}}';
    case ToolChoice_Mode.REQUIRED:
      return '{"any":{}}';
    case ToolChoice_Mode.NAMED:
      return `{"tool":{"name":${quote(choice.name)}}}`;
    case ToolChoice_Mode.ALLOWED:
      return choice.allowedRequired ? '{"any":{}}' : '{"auto":{}}';
    default:
      return '';
  }
}
