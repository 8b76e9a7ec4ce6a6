import type { CreateChatCompletionRequest } from '../../gen/llmgateway/v1/chat_service_pb.js';
import { type Message, Role } from '../../gen/llmgateway/v1/message_pb.js';
import * as build from '../model/build.ts';
import type { ChatCall, Stage } from './call.ts';
import type { Route } from './route.ts';

/** Counts the input tokens of a request. */
type TokenCounter = (
  request: CreateChatCompletionRequest,
  model: { readonly provider: string; readonly upstreamModel: string },
) => { readonly tokens: number };

/** Room for an answer whose length was not bounded: so many tokens, or an eighth of a smaller window. */
const usualAnswer = 4_096;

/**
 * Leaves out the oldest messages of a call that allows it (`truncation: "auto"`) where the model's context does not take all of them.
 * Instructions stay, so do the last user's message and all after it; a call of a tool goes together with its results.
 * @param windowOf tokens that a model takes
 */
export function truncationStage(windowOf: (model: string) => number, counter: TokenCounter): Stage {
  return (next) => (call) => {
    if (call.kind === 'chat' && call.truncates === true)
      truncate(call, windowOf(call.request.model), counter);
    return next(call);
  };
}

function truncate(call: ChatCall, window: number, counter: TokenCounter): void {
  const { request, route } = call;
  const { provider, upstreamModel } = route as Route;
  const model = { provider: provider.name, upstreamModel };
  const answer = request.parameters?.maxOutputTokens ?? Math.min(usualAnswer, Math.floor(window / 8));
  const budget = Math.max(0, window - answer);
  let tokens = counter(request, model).tokens;
  if (tokens <= budget) return;
  const { messages } = request;
  // What is counted however few messages there are.
  const frame = counter({ ...request, tools: [], messages: [] }, model).tokens;
  const left = new Set(messages);
  for (const group of groupsOf(messages)) {
    if (tokens <= budget) break;
    tokens -= counter({ ...request, tools: [], messages: group }, model).tokens - frame;
    for (const message of group) left.delete(message);
  }
  const dropped = messages.length - left.size;
  if (dropped === 0) return;
  call.request = { ...request, messages: messages.filter((message) => left.has(message)) };
  const explanation = `the ${dropped} oldest messages were left out: the model takes ${window} tokens`;
  call.report.warnings.push(build.warning('truncated_input', explanation, 'input'));
}

/** What may be left out, the oldest first; what belongs together is one group. */
function groupsOf(messages: readonly Message[]): Message[][] {
  const lastUser = messages.findLastIndex(({ role }) => role === Role.USER);
  const groups: Message[][] = [];
  for (const message of messages.slice(0, Math.max(0, lastUser))) {
    const { role } = message;
    if (role === Role.SYSTEM || role === Role.DEVELOPER) continue;
    const group = groups.at(-1);
    // Results follow their calls.
    if ((role === Role.TOOL || role === Role.FUNCTION) && group !== undefined) group.push(message);
    else groups.push([message]);
  }
  return groups;
}
