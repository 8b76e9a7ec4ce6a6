import { hash } from 'node:crypto';
import { LRUCache } from 'lru-cache';
import type { CreateChatCompletionRequest } from '../../gen/llmgateway/v1/chat_service_pb.js';
import type { Part } from '../../gen/llmgateway/v1/message_pb.js';
import { compactedIn } from '../codec/openai-responses/compaction.ts';
import { isProvidersCompaction } from '../model/compaction.ts';
import { isPrivate } from '../model/encrypted.ts';
import { type EventStream, type StreamEvent, tapEvents } from '../model/events.ts';
import { messagesOf } from '../model/items.ts';
import type { KeyChoice, KeyPool } from './key-pool.ts';
import type { ChatWay, Provider, ProviderCall } from './provider.ts';

/** States whose keys are remembered; the longest unused are forgotten first. */
const maxStates = 100_000;

/**
 * Which key made which state: signatures and encrypted reasoning may belong to the account of a key. It outlives the pools of keys, which a new
 * configuration makes anew.
 */
export class KeyAffinity {
  /** Prints of keys; see KeyPool. */
  readonly #states = new LRUCache<string, string>({ max: maxStates });

  remember(state: string, print: string): void {
    this.#states.set(digestOf(state), print);
  }

  /** The key of the latest state in the conversation that is known. */
  choiceFor({ messages }: CreateChatCompletionRequest, keys: KeyPool): KeyChoice {
    let preferred: number | null = null;
    if (this.#states.size > 0) {
      for (let i = messages.length - 1; i >= 0; i--) {
        for (const part of messages[i]?.parts ?? []) {
          for (const { text, pins } of statesOf(part)) {
            const print = this.#states.get(digestOf(text));
            const key = print === undefined ? undefined : keys.indexOf(print);
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

function statesOf(part: Part): State[] {
  const { content } = part;
  if (content.case === 'toolCall') {
    const { signature } = content.value;
    return signature === '' ? [] : [{ text: signature, pins: false }];
  }
  if (content.case === 'opaque') {
    const text = isProvidersCompaction(part) ? compactedIn(content.value) : '';
    return text === '' ? [] : [{ text, pins: true }];
  }
  if (content.case !== 'reasoning') return [];
  const { encrypted, signature, format } = content.value;
  const states: State[] = [];
  if (encrypted !== '') states.push({ text: encrypted, pins: isPrivate(format) });
  if (signature !== '') states.push({ text: signature, pins: false });
  return states;
}

/** The provider, with each conversation's state going back by the key that made it. */
export function withAffinity(provider: Provider, keys: KeyPool, affinity: KeyAffinity): Provider {
  const of = { keys, affinity };
  const made: Provider = { ...provider, ...wayWith(provider, of) };
  return provider.responses === undefined
    ? made
    : { ...made, responses: { ...provider.responses, ...wayWith(provider.responses, of) } };
}

interface Remembered {
  readonly keys: KeyPool;
  readonly affinity: KeyAffinity;
}

function wayWith<W extends Partial<ChatWay>>(way: W, of: Remembered): Partial<ChatWay> {
  const { createChat, streamChat, compact } = way;
  const withKeys = (call: ProviderCall) => {
    const choice = of.affinity.choiceFor(call.request, of.keys);
    return { choice, call: { ...call, keys: choice, warn: call.warn.bind(call) } };
  };
  return {
    ...(createChat === undefined
      ? {}
      : {
          async createChat(asked) {
            const { choice, call } = withKeys(asked);
            const response = await createChat(call);
            for (const { message } of response.choices) note(message?.parts ?? [], choice, of);
            return response;
          },
        }),
    ...(streamChat === undefined
      ? {}
      : {
          async streamChat(asked: ProviderCall): Promise<EventStream> {
            const { choice, call } = withKeys(asked);
            return watched(await streamChat(call), choice, of);
          },
        }),
    ...(compact === undefined
      ? {}
      : {
          async compact(asked: ProviderCall) {
            const { choice, call } = withKeys(asked);
            const response = await compact(call);
            for (const { parts } of messagesOf(response.output)) note(parts, choice, of);
            return response;
          },
        }),
  };
}

function note(parts: readonly Part[], { used }: KeyChoice, { keys, affinity }: Remembered): void {
  const print = used === null ? undefined : keys.prints[used];
  if (print === undefined) return;
  for (const part of parts) for (const { text } of statesOf(part)) affinity.remember(text, print);
}

const watched = (events: EventStream, choice: KeyChoice, of: Remembered): EventStream =>
  tapEvents(events, {
    events(batch) {
      for (const { event } of batch as readonly StreamEvent[]) {
        if (event.case === 'partStarted' && event.value.content !== undefined)
          note([event.value.content], choice, of);
        else if (event.case === 'partEnded' && event.value.final !== undefined)
          note([event.value.final], choice, of);
      }
    },
  });
