import type { CreateChatCompletionRequest } from '../../gen/llmgateway/v1/chat_service_pb.js';
import { type Tool, ToolChoice_Mode } from '../../gen/llmgateway/v1/generation_pb.js';
import { type Message, type Part, Role } from '../../gen/llmgateway/v1/message_pb.js';
import { invalidRequest } from '../errors/gateway-error.ts';
import { mayEnable, mayEnableTool } from '../model/gateway-tools.ts';

/** As many cache breakpoints as providers take. */
const maxBreakpoints = 4;

/**
 * Checks what the rules of the proto files cannot say: how the fields of a request go together. The REST faces check the same
 * while they decode.
 * @throws GatewayError INVALID_REQUEST that names the field
 */
export function checkChatRequest(request: CreateChatCompletionRequest): void {
  checkMessages(request);
  checkTogether(request);
}

/** The same for a request that need not say anything by itself. @throws GatewayError INVALID_REQUEST that names the field */
export function checkTogether(request: CreateChatCompletionRequest): void {
  const { messages, tools, parameters } = request;
  const seed = parameters?.seed;
  if (seed !== undefined && !Number.isSafeInteger(seed)) {
    throw wrong('parameters.seed', 'a whole number that a double holds exactly');
  }
  if (parameters?.topLogprobs !== undefined && parameters.logprobs !== true) {
    throw wrong('parameters.top_logprobs', '`logprobs` beside it');
  }
  let breakpoints = 0;
  const count = (marked: { cacheBreakpoint?: unknown }, field: string): void => {
    if (marked.cacheBreakpoint !== undefined && ++breakpoints > maxBreakpoints) {
      throw wrong(`${field}.cache_breakpoint`, `one of at most ${maxBreakpoints} in a request`);
    }
  };
  for (let i = 0; i < messages.length; i++) checkMessage(messages[i] as Message, `messages[${i}]`, count);
  checkTools(tools, count);
  checkToolChoice(request);
}

const wrong = (field: string, expected: string) =>
  invalidRequest(field, `Invalid '${field}': expected ${expected}.`);

/**
 * Makes sure that a request says something. It need not where a session says it and the call only lets tools run.
 * @param at where the request stands
 * @throws GatewayError INVALID_REQUEST
 */
export function checkMessages({ messages, options }: CreateChatCompletionRequest, at = ''): void {
  if (messages.length > 0) return;
  if (options !== undefined && options.sessionId !== '' && options.approvedToolCalls.length > 0) return;
  throw wrong(`${at}messages`, 'at least one message');
}

type Count = (marked: { cacheBreakpoint?: unknown }, field: string) => void;

function checkMessage({ role, parts }: Message, at: string, count: Count): void {
  if (role === Role.TOOL && parts.length === 0) throw wrong(`${at}.parts`, 'tool results');
  for (let i = 0; i < parts.length; i++) {
    const part = parts[i] as Part;
    const field = `${at}.parts[${i}]`;
    const { content } = part;
    count(part, field);
    if (role === Role.TOOL && content.case !== 'toolResult') {
      throw wrong(field, 'a tool result, as in every message of ROLE_TOOL');
    }
    if (content.case === 'toolCall') {
      if (role !== Role.ASSISTANT) throw wrong(field, 'no tool call but in messages of ROLE_ASSISTANT');
      if (content.value.id === '') throw wrong(`${field}.tool_call.id`, 'an id');
      if (content.value.name === '') throw wrong(`${field}.tool_call.name`, 'a name');
    } else if (content.case === 'toolResult') {
      if (role === Role.ASSISTANT || role === Role.SYSTEM || role === Role.DEVELOPER) {
        throw wrong(field, 'no tool result but in messages of ROLE_TOOL, ROLE_USER and ROLE_FUNCTION');
      }
      if (role !== Role.FUNCTION && content.value.toolCallId === '') {
        throw wrong(`${field}.tool_result.tool_call_id`, 'the id of the call that is answered');
      }
    }
  }
}

const nameOf = ({ kind }: Tool): string | undefined =>
  kind.case === 'function' || kind.case === 'custom' ? kind.value.name : undefined;

function checkTools(tools: readonly Tool[], count: Count): void {
  const names = new Set<string>();
  for (let i = 0; i < tools.length; i++) {
    const tool = tools[i] as Tool;
    count(tool, `tools[${i}]`);
    const name = nameOf(tool);
    if (name === undefined) continue;
    if (names.has(name)) throw wrong(`tools[${i}].${tool.kind.case}.name`, 'a name that no other tool has');
    names.add(name);
  }
}

function checkToolChoice({ tools, toolChoice, options }: CreateChatCompletionRequest): void {
  if (toolChoice === undefined) return;
  const { mode, name, custom } = toolChoice;
  if (mode === ToolChoice_Mode.AUTO || mode === ToolChoice_Mode.NONE) return;
  const gatewayTools = options?.gatewayTools ?? [];
  if (tools.length === 0 && !mayEnable(gatewayTools)) throw wrong('tool_choice', '`tools` beside it');
  if (mode !== ToolChoice_Mode.NAMED) return;
  const kind = custom ? 'custom' : 'function';
  const known = tools.some((tool) => tool.kind.case === kind && tool.kind.value.name === name);
  if (!known && (custom || !mayEnableTool(gatewayTools, name))) {
    throw wrong('tool_choice.name', `the name of a ${kind} tool in \`tools\``);
  }
}
