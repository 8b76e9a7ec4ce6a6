import { LRUCache } from 'lru-cache';
import type { Part } from '../../gen/llmgateway/v1/message_pb.js';

/** State of a provider that belongs to one tool call. */
export interface CallState {
  /** Reasoning between the call and the one before it, or the beginning of the answer. */
  readonly reasoning: readonly Part[];
  /** The call's own signature; '' for none. */
  readonly signature: string;
}

export interface StateMemoryOptions {
  /** Characters that are kept in all, about. The longest unused are forgotten first. */
  readonly maxSize: number;
  /** How long a state is kept after it was last written or read, in milliseconds. */
  readonly ttlMs: number;
  /** Milliseconds on any clock that only goes forward. Default: the process's. */
  readonly now?: () => number;
}

/** More than this share of the memory is not kept for a single call. */
const maxShare = 1 / 16;

/**
 * What providers want back with the next turn and clients of another API have no place for: thinking with its signature, thought
 * signatures, reasoning text. It is found by the id of a tool call, which every client sends back.
 */
export class StateMemory {
  readonly #states: LRUCache<string, CallState>;
  readonly #maxEntry: number;

  constructor({ maxSize, ttlMs, now = () => performance.now() }: StateMemoryOptions) {
    this.#maxEntry = Math.floor(maxSize * maxShare);
    this.#states = new LRUCache({
      maxSize,
      ttl: ttlMs,
      updateAgeOnGet: true,
      ttlResolution: 0,
      perf: { now },
      sizeCalculation: (state, key) => key.length + sizeOf(state),
    });
  }

  /** @param provider whose state it is: others must not get it */
  remember(provider: string, callId: string, state: CallState): void {
    if (sizeOf(state) <= this.#maxEntry) this.#states.set(keyOf(provider, callId), state);
  }

  recall(provider: string, callId: string): CallState | undefined {
    return this.#states.get(keyOf(provider, callId));
  }
}

const keyOf = (provider: string, callId: string): string => `${provider}\n${callId}`;

/** Characters of a state, and what its objects take besides. */
function sizeOf({ reasoning, signature }: CallState): number {
  let size = 256 + signature.length;
  for (const { content, extras } of reasoning) {
    size += 256 + (extras?.json.length ?? 0);
    if (content.case === 'reasoning') {
      const { text, signature: proof, encrypted, id } = content.value;
      size += text.length + proof.length + encrypted.length + id.length;
    }
  }
  return size;
}
