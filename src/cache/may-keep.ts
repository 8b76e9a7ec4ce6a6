import type { CreateChatCompletionRequest } from '../../gen/llmgateway/v1/chat_service_pb.js';
import { type Extras, Role } from '../../gen/llmgateway/v1/message_pb.js';

/** Members of dialects by which something happens besides the answer, or the answer hangs on more than the request. */
const doMore: ReadonlySet<string> = new Set([
  'thread',
  'container',
  'mcp_servers',
  'plugins',
  'web_search',
  'search_parameters',
  'tools',
]);

/**
 * Whether the answer to a request may be kept at all: it hangs on the request alone, and asking does nothing else.
 * @param keptHere the gateway itself keeps what `store` asks to be kept
 */
export function mayKeep(request: CreateChatCompletionRequest, keptHere: boolean): boolean {
  const { messages, tools, parameters, options, extras } = request;
  if (tools.length > 0) return false;
  if (options !== undefined && (options.sessionId !== '' || options.approvedToolCalls.length > 0))
    return false;
  if (parameters !== undefined) {
    if (parameters.webSearchOptionsJson !== '') return false;
    if (parameters.store === true && !keptHere) return false;
  }
  if (extras !== undefined && doesMore(extras)) return false;
  for (let i = 0; i < messages.length; i++) {
    const { role, parts } = messages[i] as (typeof messages)[number];
    if (role === Role.TOOL || role === Role.FUNCTION) return false;
    for (let j = 0; j < parts.length; j++) {
      const kind = parts[j]?.content.case;
      if (kind === 'toolCall' || kind === 'toolResult') return false;
    }
  }
  return true;
}

function doesMore({ json }: Extras): boolean {
  try {
    return Object.keys(JSON.parse(json) as object).some((key) => doMore.has(key));
  } catch {
    return true;
  }
}

/** Whether the same request is to give the same answer. */
export const isDeterministic = ({ parameters }: CreateChatCompletionRequest): boolean =>
  parameters?.temperature === 0;
