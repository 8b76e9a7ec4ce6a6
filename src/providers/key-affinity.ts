import { hash } from 'node:crypto';
import { LRUCache } from 'lru-cache';
import type { CreateChatCompletionRequest } from '../../gen/llmgateway/v1/chat_service_pb.js';
import type { Part } from '../../gen/llmgateway/v1/message_pb.js';
import { isPrivate } from '../model/encrypted.ts';
import { type EventStream, type StreamEvent, tapEvents } from '../model/events.ts';
import type { KeyChoice } from './key-pool.ts';
import type { ChatWay, Provider, ProviderCall } from './provider.ts';

/** States whose keys are remembered; the longest unused are forgotten first. */
const maxStates = 50_000;

/** Which of a provider's keys made which state: signatures and encrypted reasoning may belong to the account of a key. */
export class KeyAffinity {
  readonly #states = new LRUCache<string, number>({ max: maxStates });

  remember(state: string, key: number): void {
    this.#states.set(digestOf(state), key);
  }

  /** The key of the latest state in the conversation that is known. */
  choiceFor({ messages }: CreateChatCompletionRequest): KeyChoice {
    let preferred: number | null = null;
    if (this.#states.size > 0) {
      for (let i = messages.length - 1; i >= 0; i--) {
        for (const part of messages[i]?.parts ?? []) {
          for (const { text, pins } of statesOf(part)) {
            const key = this.#states.get(digestOf(text));
            if (key === undefined) continue;
            if (pins) return { preferred: key, pinned: true, used: null };
            preferred ??= key;
          }
        }
      }
    }
    return { preferred, pinned: false, used: null };
  }
}

/** States are long: what is kept is as good as they are. */
const digestOf = (state: string): string => hash('sha256', state, 'base64');

interface State {
  readonly text: string;
  /** Its account alone can read it. Other state may be read by any, but is better off where it was made. */
  readonly pins: boolean;
}

function statesOf({ content }: Part): State[] {
  if (content.case === 'toolCall') {
    const { signature } = content.value;
    return signature === '' ? [] : [{ text: signature, pins: false }];
  }
  if (content.case !== 'reasoning') return [];
  const { encrypted, signature, format } = content.value;
  const states: State[] = [];
  if (encrypted !== '') states.push({ text: encrypted, pins: isPrivate(format) });
  if (signature !== '') states.push({ text: signature, pins: false });
  return states;
}

/** The provider, with each conversation's state going back by the key that made it. */
export function withAffinity(provider: Provider): Provider {
  const affinity = new KeyAffinity();
  const made: Provider = { ...provider, ...wayWith(provider, affinity) };
  return provider.responses === undefined
    ? made
    : { ...made, responses: { ...provider.responses, ...wayWith(provider.responses, affinity) } };
}

function wayWith<W extends Partial<ChatWay>>(way: W, affinity: KeyAffinity): Partial<ChatWay> {
  const { createChat, streamChat } = way;
  return {
    ...(createChat === undefined
      ? {}
      : {
          async createChat(call) {
            const keys = affinity.choiceFor(call.request);
            const response = await createChat({ ...call, keys, warn: call.warn.bind(call) });
            for (const { message } of response.choices) note(message?.parts ?? [], keys, affinity);
            return response;
          },
        }),
    ...(streamChat === undefined
      ? {}
      : {
          async streamChat(call: ProviderCall): Promise<EventStream> {
            const keys = affinity.choiceFor(call.request);
            const events = await streamChat({ ...call, keys, warn: call.warn.bind(call) });
            return watched(events, keys, affinity);
          },
        }),
  };
}

function note(parts: readonly Part[], { used }: KeyChoice, affinity: KeyAffinity): void {
  if (used === null) return;
  for (const part of parts) for (const { text } of statesOf(part)) affinity.remember(text, used);
}

const watched = (events: EventStream, keys: KeyChoice, affinity: KeyAffinity): EventStream =>
  tapEvents(events, {
    events(batch) {
      for (const { event } of batch as readonly StreamEvent[]) {
        if (event.case === 'partStarted' && event.value.content !== undefined)
          note([event.value.content], keys, affinity);
        else if (event.case === 'partEnded' && event.value.final !== undefined)
          note([event.value.final], keys, affinity);
      }
    },
  });
