import { type Message, type Part, Role, type ToolResult } from '../../../gen/llmgateway/v1/message_pb.js';
import { quote, rest, splitMembers } from '../json.ts';
import { encodeArguments } from '../tool-arguments.ts';
import type { EncodeContext } from './encode-context.ts';
import { type Content, encodeContent, encodeHeard } from './encode-parts.ts';

/** The `messages` of a request as JSON text. */
export function encodeMessages(messages: readonly Message[], context: EncodeContext): string {
  const list: string[] = [];
  for (let i = 0; i < messages.length; i++) {
    encodeMessage(messages[i] as Message, `messages[${i}]`, context, list);
  }
  return `[${list.join(',')}]`;
}

/** Tool results stand between other parts in some dialects; here each is a message, right after the calls. */
function encodeMessage(message: Message, at: string, context: EncodeContext, list: string[]): void {
  const { role, parts } = message;
  if (message.name !== '' && role !== Role.TOOL && role !== Role.FUNCTION) {
    context.warn('dropped_name', at, 'Ollama does not tell participants of one role apart');
  }
  if (role === Role.ASSISTANT) {
    list.push(encodeAssistant(message, context, at));
    pushResults(message, context, at, list);
    return;
  }
  pushResults(message, context, at, list);
  const said = parts.filter((part) => part.content.case !== 'toolResult');
  const onlyResults = said.length === 0 && (said.length < parts.length || role === Role.TOOL);
  if (onlyResults) return;
  const content = encodeHeard(said, context, at);
  if (role === Role.FUNCTION) list.push(encodeTool(content, message.name, '', ''));
  else {
    const members = role === Role.TOOL ? '' : context.members(message.extras, at);
    list.push(`{"role":"${roleName(role)}",${encodeSaid(content)}${rest(members)}}`);
  }
}

const roleName = (role: Role): string =>
  role === Role.SYSTEM || role === Role.DEVELOPER ? 'system' : 'user';

const encodeSaid = ({ text, images }: Content): string =>
  `"content":${quote(text)}${images === '' ? '' : `,"images":[${images}]`}`;

function encodeAssistant(message: Message, context: EncodeContext, at: string): string {
  const said: Part[] = [];
  let thought = '';
  let calls = '';
  for (const part of message.parts) {
    const { content } = part;
    switch (content.case) {
      case 'reasoning': {
        const { text, signature, encrypted } = content.value;
        thought += text;
        if (part.extras !== undefined) context.members(part.extras, at);
        if (signature !== '' || encrypted !== '') {
          context.warn('dropped_reasoning_state', at, 'Ollama takes back the text of reasoning only');
        }
        break;
      }
      case 'toolCall':
        calls += `${calls === '' ? '' : ','}${encodeToolCall(part, context, at)}`;
        break;
      case 'toolResult':
        break;
      default:
        said.push(part);
    }
  }
  let json = `{"role":"assistant",${encodeSaid(encodeContent(said, true, context, at))}`;
  if (thought !== '') json += `,"thinking":${quote(thought)}`;
  if (calls !== '') json += `,"tool_calls":[${calls}]`;
  return `${json}${rest(context.members(message.extras, at))}}`;
}

function encodeToolCall(part: Part, context: EncodeContext, at: string): string {
  if (part.content.case !== 'toolCall') return '';
  const { id, name, signature } = part.content.value;
  context.toolNames.set(id, name);
  if (signature !== '') {
    context.warn('dropped_reasoning_state', at, 'Ollama takes back the text of reasoning only');
  }
  const { inner, outer } = splitMembers(context.members(part.extras, at), 'function');
  const given = id === '' ? '' : `"id":${quote(id)},`;
  const args = encodeArguments(part.content.value, context, at);
  return `{${given}"function":{"name":${quote(name)},"arguments":${args}${rest(inner)}}${rest(outer)}}`;
}

function pushResults(message: Message, context: EncodeContext, at: string, list: string[]): void {
  for (const { content, extras, cacheBreakpoint } of message.parts) {
    if (content.case !== 'toolResult') continue;
    if (extras !== undefined) context.members(extras, at);
    if (cacheBreakpoint !== undefined) {
      context.warn(
        'dropped_cache_breakpoint',
        at,
        'Ollama caches prompts by itself and takes no breakpoints',
      );
    }
    list.push(encodeResult(content.value, message, context, at));
  }
}

function encodeResult(result: ToolResult, message: Message, context: EncodeContext, at: string): string {
  const { toolCallId, isError } = result;
  if (isError)
    context.warn('dropped_is_error', at, 'Ollama is only told what a tool said, not that it failed');
  const own = message.role === Role.TOOL || message.role === Role.FUNCTION;
  const name = result.name || context.toolNames.get(toolCallId) || (own ? message.name : '');
  const members = own ? context.members(message.extras, at) : '';
  return encodeTool(encodeHeard(result.parts, context, at), name, toolCallId, members);
}

function encodeTool(content: Content, name: string, id: string, members: string): string {
  const named = name === '' ? '' : `,"tool_name":${quote(name)}`;
  const given = id === '' ? '' : `,"tool_call_id":${quote(id)}`;
  return `{"role":"tool",${encodeSaid(content)}${named}${given}${rest(members)}}`;
}
