import type { CreateChatCompletionRequest } from '../../gen/llmgateway/v1/chat_service_pb.js';
import { type Message, type Part, Role } from '../../gen/llmgateway/v1/message_pb.js';
import { type StreamEvent, tapEvents } from '../model/events.ts';
import type { StateMemory } from '../reasoning/state-memory.ts';
import type { ChatCall, Stage } from './call.ts';

/**
 * Keeps the state of answers with tool calls, and gives it back to the same provider where a client sends the calls without it:
 * providers refuse, or understand worse, a history from which their own signatures are missing.
 */
export function reasoningStateStage(memory: StateMemory): Stage {
  return (next) => async (call) => {
    if (call.kind !== 'chat') return next(call);
    const provider = call.route?.provider.name ?? '';
    call.request = restored(call.request, provider, memory);
    if (!mayCallTools(call)) return next(call);
    const reply = await next(call);
    if (reply.kind === 'unary') {
      for (const { message } of reply.response.choices) remember(message?.parts ?? [], provider, memory);
      return reply;
    }
    if (reply.kind !== 'stream') return reply;
    const gathered: Part[][] = [];
    const events = tapEvents(reply.events, {
      events(batch) {
        for (let i = 0; i < batch.length; i++) gather(gathered, batch[i] as StreamEvent);
        if (batch[batch.length - 1]?.event.case !== 'finished') return;
        for (const parts of gathered) remember(parts ?? [], provider, memory);
      },
    });
    return { kind: 'stream', events };
  };
}

const mayCallTools = ({ request }: ChatCall): boolean =>
  request.tools.length > 0 || (request.options?.gatewayTools.length ?? 0) > 0;

function remember(parts: readonly Part[], provider: string, memory: StateMemory): void {
  const states: { id: string; signature: string; reasoning: Part[] }[] = [];
  let reasoning: Part[] = [];
  for (const part of parts) {
    const content = part?.content;
    if (content?.case === 'reasoning') reasoning.push(part);
    if (content?.case !== 'toolCall') continue;
    const { id, signature } = content.value;
    states.push({ id, signature, reasoning });
    reasoning = [];
  }
  // Opaque state is told at the end of a stream, and belongs before the calls as well.
  states[0]?.reasoning.push(...reasoning);
  for (const { id, ...state } of states) {
    if (state.reasoning.length > 0 || state.signature !== '') memory.remember(provider, id, state);
  }
}

/** Puts together the parts of streamed answers that matter here, by choice and number. */
function gather(gathered: Part[][], { event }: StreamEvent): void {
  switch (event.case) {
    case 'partStarted': {
      const { choice, part, content } = event.value;
      const kind = content?.content;
      if (kind?.case !== 'reasoning' && kind?.case !== 'toolCall') return;
      const parts = (gathered[choice] ??= []);
      // The event is the client's as well: what grows here is a copy.
      parts[part] =
        kind.case === 'reasoning'
          ? ({ ...content, content: { case: 'reasoning', value: { ...kind.value } } } as Part)
          : ({ ...content, content: { case: 'toolCall', value: { ...kind.value, arguments: '' } } } as Part);
      return;
    }
    case 'delta': {
      const content = gathered[event.value.choice]?.[event.value.part]?.content;
      if (content?.case === 'reasoning') content.value.text += event.value.text;
      return;
    }
    case 'partEnded': {
      const { choice, part, final } = event.value;
      const known = gathered[choice]?.[part];
      if (known === undefined || final === undefined) return;
      const { content } = known;
      if (content.case === 'reasoning' && final.content.case === 'reasoning') {
        known.content = { case: 'reasoning', value: { ...final.content.value, text: content.value.text } };
        if (final.extras !== undefined) known.extras = final.extras;
      } else if (content.case === 'toolCall' && final.content.case === 'toolCall') {
        content.value.signature = final.content.value.signature;
      }
      return;
    }
    default:
  }
}

/** The request with what its provider's earlier answers had and the client left out. */
function restored(
  request: CreateChatCompletionRequest,
  provider: string,
  memory: StateMemory,
): CreateChatCompletionRequest {
  let messages: Message[] | null = null;
  for (let i = 0; i < request.messages.length; i++) {
    const message = request.messages[i] as Message;
    if (message.role !== Role.ASSISTANT) continue;
    const parts = withState(message.parts, provider, memory);
    if (parts === message.parts) continue;
    messages ??= [...request.messages];
    messages[i] = { ...message, parts };
  }
  return messages === null ? request : { ...request, messages };
}

const hasState = ({ content }: Part): boolean =>
  content.case === 'reasoning' && (content.value.signature !== '' || content.value.encrypted !== '');

/** How many pieces of state belong to an answer's calls. */
function knownStates(parts: readonly Part[], provider: string, memory: StateMemory): number {
  let count = 0;
  for (const { content } of parts) {
    if (content.case !== 'toolCall') continue;
    count += memory.recall(provider, content.value.id)?.reasoning.filter(hasState).length ?? 0;
  }
  return count;
}

/** The parts of an answer with the state of its calls; the same list where nothing is missing or known. */
function withState(parts: Part[], provider: string, memory: StateMemory): Part[] {
  if (!parts.some(({ content }) => content.case === 'toolCall')) return parts;
  // Some clients keep a part of it only: their SDKs overwrite lists that come in pieces.
  const kept = parts.filter(hasState).length;
  if (kept > 0 && kept >= knownStates(parts, provider, memory)) return parts;
  const out: Part[] = [];
  let changed = false;
  let first = true;
  for (const part of parts) {
    const { content } = part;
    if (content.case !== 'toolCall') {
      out.push(part);
      continue;
    }
    const state = memory.recall(provider, content.value.id);
    if (state !== undefined && state.reasoning.length > 0) {
      changed = true;
      // Reasoning comes before what is said because of it.
      if (first) out.unshift(...state.reasoning);
      else out.push(...state.reasoning);
    }
    first = false;
    if (state !== undefined && state.signature !== '' && content.value.signature === '') {
      changed = true;
      const value = { ...content.value, signature: state.signature };
      out.push({ ...part, content: { case: 'toolCall', value } });
    } else out.push(part);
  }
  if (!changed) return parts;
  // Reasoning that the client did keep is part of what was restored.
  const given = new Set(parts);
  const hasRestored = out.some((part) => part.content.case === 'reasoning' && !given.has(part));
  return hasRestored ? out.filter((part) => part.content.case !== 'reasoning' || !given.has(part)) : out;
}
