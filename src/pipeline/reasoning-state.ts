import type { CreateChatCompletionRequest } from '../../gen/llmgateway/v1/chat_service_pb.js';
import {
  type Message,
  type Part,
  type ReasoningPart,
  Role,
  type ToolCall,
} from '../../gen/llmgateway/v1/message_pb.js';
import { type StreamEvent, tapEvents } from '../model/events.ts';
import { attachPictureSignatures, detachPictureSignatures } from '../model/picture-signatures.ts';
import { inOrder, orderOf } from '../reasoning/answer-order.ts';
import { callKey } from '../reasoning/call-key.ts';
import type { CallState, StateMemory } from '../reasoning/state-memory.ts';
import type { ChatCall, Stage } from './call.ts';

/**
 * Keeps the state of answers with tool calls, and gives it back to the same provider where a client sends the calls without it:
 * providers refuse, or understand worse, a history from which their own signatures are missing.
 */
export function reasoningStateStage(memory: StateMemory): Stage {
  return (next) => async (call) => {
    if (call.kind !== 'chat') return next(call);
    const provider = call.route?.provider.name ?? '';
    const { tenant } = call.principal;
    if (memory.isShared) await learn(call.request.messages, tenant, provider, memory);
    call.request = restored(call.request, tenant, provider, memory);
    const said: Said = { tenant, provider, memory, messages: call.request.messages };
    const reply = await next(call);
    if (reply.kind === 'unary') {
      const kept: Promise<void>[] = [];
      for (const { message } of reply.response.choices) kept.push(...remember(message?.parts ?? [], said));
      if (kept.length > 0) await Promise.all(kept);
      return reply;
    }
    if (reply.kind !== 'stream' || !mayCallTools(call)) return reply;
    const gathered: Part[][] = [];
    const events = tapEvents(reply.events, {
      events(batch) {
        for (let i = 0; i < batch.length; i++) gather(gathered, batch[i] as StreamEvent);
        if (batch[batch.length - 1]?.event.case !== 'finished') return undefined;
        const kept: Promise<void>[] = [];
        for (const parts of gathered)
          kept.push(...remember(parts?.filter((part) => part !== undefined) ?? [], said));
        return kept.length > 0 ? Promise.all(kept) : undefined;
      },
    });
    return { kind: 'stream', events };
  };
}

const mayCallTools = ({ request }: ChatCall): boolean =>
  request.tools.length > 0 || (request.options?.gatewayTools.length ?? 0) > 0;

/** An answer's place: who gave it, and after what. */
interface Said {
  readonly tenant: string;
  readonly provider: string;
  readonly memory: StateMemory;
  readonly messages: readonly Message[];
}

/** Has other processes' knowledge of the calls of a conversation. */
function learn(
  messages: readonly Message[],
  tenant: string,
  provider: string,
  memory: StateMemory,
): Promise<void> | null {
  const keys: string[] = [];
  messages.forEach(({ role, parts }, i) => {
    if (role !== Role.ASSISTANT) return;
    for (const { content } of parts)
      if (content.case === 'toolCall') keys.push(callKey(content.value, messages, i));
  });
  return keys.length === 0 ? null : memory.learn(tenant, provider, keys);
}

/** @returns what resolves when other processes know it, too */
function remember(given: readonly Part[], { tenant, provider, memory, messages }: Said): Promise<void>[] {
  // The client may lose some of the pictures.
  const parts = detachPictureSignatures(given);
  const states: { call: ToolCall; signature: string; reasoning: Part[] }[] = [];
  let reasoning: Part[] = [];
  for (const part of parts) {
    const { content } = part;
    if (content.case === 'reasoning') reasoning.push(part);
    if (content.case !== 'toolCall') continue;
    states.push({ call: content.value, signature: content.value.signature, reasoning });
    reasoning = [];
  }
  const [first] = states;
  if (first === undefined) return [];
  const kept: Promise<void>[] = [];
  // Opaque state is told at the end of a stream, and belongs before the calls as well.
  first.reasoning.push(...reasoning);
  const order = orderOf(parts);
  for (const { call, ...state } of states) {
    const isFirst = order !== undefined && call.id === first.call.id;
    const isEmpty = !isFirst && state.reasoning.length === 0 && state.signature === '';
    if (isEmpty && !memory.isShared) continue;
    const key = callKey(call, messages, messages.length);
    if (isEmpty) {
      memory.nothing(tenant, provider, key);
      continue;
    }
    const known = memory.remember(tenant, provider, key, isFirst ? { ...state, order } : state);
    if (known !== null) kept.push(known);
  }
  return kept;
}

/** Characters of an answer's text that are kept to know it again. Of a longer one the order is not known. */
const maxText = 4 * 1024 * 1024;

/** Puts together the parts of streamed answers, as far as they matter here, by choice and number. */
function gather(gathered: Part[][], { event }: StreamEvent): void {
  switch (event.case) {
    case 'partStarted': {
      const { choice, part, content } = event.value;
      if (content === undefined) return;
      const kind = content.content;
      const parts = (gathered[choice] ??= []);
      // The event is the client's as well: what grows here is a copy.
      if (kind.case === 'reasoning') {
        parts[part] = { ...content, content: { case: 'reasoning', value: { ...kind.value } } };
      } else if (kind.case === 'toolCall') {
        parts[part] = { ...content, content: { case: 'toolCall', value: { ...kind.value, arguments: '' } } };
      } else if (kind.case === 'text') {
        parts[part] = { ...content, content: { case: 'text', value: { ...kind.value } } };
      } else parts[part] = content;
      return;
    }
    case 'delta': {
      const content = gathered[event.value.choice]?.[event.value.part]?.content;
      const { text } = event.value;
      if (content?.case === 'reasoning') content.value.text += text;
      else if (content?.case === 'text' && content.value.text.length < maxText) content.value.text += text;
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
  tenant: string,
  provider: string,
  memory: StateMemory,
): CreateChatCompletionRequest {
  let messages: Message[] | null = null;
  for (let i = 0; i < request.messages.length; i++) {
    const message = request.messages[i] as Message;
    if (message.role !== Role.ASSISTANT) continue;
    const recall = (call: ToolCall): CallState | undefined =>
      memory.recall(tenant, provider, callKey(call, request.messages, i));
    const parts = withState(message.parts, recall);
    if (parts === message.parts) continue;
    messages ??= [...request.messages];
    messages[i] = { ...message, parts };
  }
  return messages === null ? request : { ...request, messages };
}

const hasState = ({ content }: Part): boolean =>
  content.case === 'reasoning' && (content.value.signature !== '' || content.value.encrypted !== '');

/** The same state, be it a signature in its place or one that stands by itself. */
const sameState = (one: Part, other: Part): boolean =>
  one.content.case === 'reasoning' &&
  other.content.case === 'reasoning' &&
  stateOf(one.content.value) === stateOf(other.content.value);

const stateOf = ({ signature, encrypted }: ReasoningPart): string => `${signature}${encrypted}`;

/** The parts of an answer with the state of its calls, in its order; the same list where nothing is missing or known. */
function withState(parts: Part[], recall: (call: ToolCall) => CallState | undefined): Part[] {
  const states = new Map<Part, CallState>();
  for (const part of parts) {
    if (part.content.case !== 'toolCall') continue;
    const state = recall(part.content.value);
    if (state !== undefined) states.set(part, state);
  }
  if (states.size === 0) return parts;
  const signed = signedCalls(parts, states);
  const known = [...states.values()].flatMap(({ reasoning }) => reasoning).filter(hasState);
  const kept = parts.filter(hasState);
  // Some clients keep a part of it only: their SDKs overwrite lists that come in pieces.
  const complete = kept.length > 0 && kept.length >= known.length;
  // It is of another answer, which happens to have calls of the same ids.
  if (complete && !kept.every((part) => known.some((one) => sameState(one, part)))) return signed;
  const first = parts.find(({ content }) => content.case === 'toolCall');
  const order = first === undefined ? undefined : states.get(first)?.order;
  const ordered = order === undefined ? null : inOrder(signed, order);
  if (ordered !== null) {
    const placed = attachPictureSignatures(ordered);
    return isSame(placed, signed) ? signed : placed;
  }
  return complete || isOther(parts, states) ? signed : attachPictureSignatures(withReasoning(signed, states));
}

/** Whether the reasoning of the parts is another than what is known: not a piece of it that a client kept. */
function isOther(parts: readonly Part[], states: ReadonlyMap<Part, CallState>): boolean {
  const given = reasoningOf(parts);
  return (
    given !== '' && !reasoningOf([...states.values()].flatMap(({ reasoning }) => reasoning)).includes(given)
  );
}

function reasoningOf(parts: readonly Part[]): string {
  let text = '';
  for (const { content } of parts) if (content.case === 'reasoning') text += content.value.text;
  return text;
}

/** Whether parts are the given ones in their order. What is left out for saying nothing makes no difference. */
const isSame = (ordered: readonly Part[], given: readonly Part[]): boolean =>
  ordered.length === given.length &&
  ordered.every((part, i) => {
    const other = given[i] as Part;
    return part === other || (hasState(part) && sameState(part, other));
  });

/** The parts with what is known of the signatures of calls; the same list where that is nothing new. */
function signedCalls(parts: Part[], states: Map<Part, CallState>): Part[] {
  let changed = false;
  const signed = parts.map((part) => {
    const state = states.get(part);
    const { content } = part;
    if (state === undefined || content.case !== 'toolCall') return part;
    if (state.signature === '' || content.value.signature !== '') return part;
    changed = true;
    const value = { ...content.value, signature: state.signature };
    const whole: Part = { ...part, content: { case: 'toolCall', value } };
    states.set(whole, state);
    return whole;
  });
  return changed ? signed : parts;
}

/** The parts with the reasoning of each call before it, in place of what the client kept of it; the same list where there is none. */
function withReasoning(parts: Part[], states: ReadonlyMap<Part, CallState>): Part[] {
  const out: Part[] = [];
  let changed = false;
  let first = true;
  for (const part of parts) {
    const reasoning = states.get(part)?.reasoning ?? [];
    if (reasoning.length > 0) {
      changed = true;
      // Reasoning comes before what is said because of it.
      if (first) out.unshift(...reasoning);
      else out.push(...reasoning);
    }
    if (part.content.case === 'toolCall') first = false;
    if (part.content.case !== 'reasoning') out.push(part);
  }
  return changed ? out : parts;
}
