import type { CreateChatCompletionRequest } from '../../../gen/llmgateway/v1/chat_service_pb.js';
import { type Tool, type ToolChoice, ToolChoice_Mode } from '../../../gen/llmgateway/v1/generation_pb.js';
import { invalidRequest } from '../../errors/gateway-error.ts';
import { foreignTools } from '../foreign-tools.ts';
import { isObject, quote, rest, splitMembers } from '../json.ts';
import { dialectName } from './dialect.ts';
import type { EncodeContext } from './encode-context.ts';
import type { EncodedMessages } from './encode-messages.ts';

/**
 * The `toolConfig` of a request as JSON text, or '' for none.
 *
 * Converse has no "none" among its choices: without a history of calls the tools are then left out, with one they have to stay (the provider
 * refuses tool blocks without tools), and the model is free to call them, which is reported.
 * @param inner further members of it
 * @throws GatewayError INVALID_REQUEST for tools that Bedrock does not have
 */
export function encodeToolConfig(
  request: CreateChatCompletionRequest,
  { calledTools, hasToolBlocks }: EncodedMessages,
  inner: string,
  context: EncodeContext,
): string {
  const { tools, toolChoice: choice } = request;
  const foreign = foreignTools(request, dialectName, 'the provider', context);
  const mode = choice?.mode ?? ToolChoice_Mode.UNSPECIFIED;
  if (mode === ToolChoice_Mode.NONE && !hasToolBlocks) return '';
  const allowed = choice !== undefined && mode === ToolChoice_Mode.ALLOWED ? allowedNames(choice) : null;
  let list = '';
  for (let i = 0; i < tools.length; i++) {
    const tool = tools[i] as Tool;
    if (foreign.has(tool)) continue;
    if (allowed !== null && !(tool.kind.case === 'function' && allowed.has(tool.kind.value.name))) continue;
    const item = encodeTool(tool, context, `tools[${i}]`);
    list += list === '' ? item : `,${item}`;
  }
  if (list === '' && hasToolBlocks && calledTools.length > 0) {
    context.warn(
      'tools_from_history',
      'tools',
      'tools that were called before are named, because the provider refuses their calls otherwise',
    );
    list = calledTools.map(bareTool).join(',');
    return `{"tools":[${list}]${rest(inner)}}`;
  }
  if (list === '') return '';
  if (mode === ToolChoice_Mode.NONE) {
    context.warn(
      'tool_choice_not_enforced',
      'tool_choice',
      'the provider cannot be told to call no tool: it may call one',
    );
  }
  const chosen = choice === undefined ? '' : encodeToolChoice(choice);
  return `{"tools":[${list}]${chosen === '' ? '' : `,"toolChoice":${chosen}`}${rest(inner)}}`;
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
  if (kind.case !== 'function') {
    throw invalidRequest(at, `Invalid '${at}': the provider does not have a tool with free-text input`);
  }
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

/** Whether the model has to call a tool. */
export const isForced = (choice: ToolChoice | undefined): boolean =>
  choice !== undefined &&
  (choice.mode === ToolChoice_Mode.REQUIRED ||
    choice.mode === ToolChoice_Mode.NAMED ||
    (choice.mode === ToolChoice_Mode.ALLOWED && choice.allowedRequired));

/** Names of the functions in OpenAI's list of allowed tools. */
function allowedNames({ allowedJson }: ToolChoice): ReadonlySet<string> {
  const list: unknown = allowedJson === '' ? [] : JSON.parse(allowedJson);
  const names = new Set<string>();
  for (const item of Array.isArray(list) ? list : []) {
    if (!isObject(item)) continue;
    const inner = isObject(item['function']) ? item['function'] : item;
    if (typeof inner['name'] === 'string') names.add(inner['name']);
  }
  return names;
}
