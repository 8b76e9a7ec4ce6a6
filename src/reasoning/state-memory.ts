import { LRUCache } from 'lru-cache';
import type { Part } from '../../gen/llmgateway/v1/message_pb.js';
import type { SharedMemory } from '../memory/shared-memory.ts';
import type { AnswerOrder } from './answer-order.ts';
import { decodeState, encodeState } from './state-form.ts';

/** State of a provider that belongs to one tool call. */
export interface CallState {
  /** Reasoning between the call and the one before it, or the beginning of the answer. */
  readonly reasoning: readonly Part[];
  /** The call's own signature; '' for none. */
  readonly signature: string;
  /** Of the first call of an answer: in which order everything came, where that is not the common one. */
  readonly order?: AnswerOrder;
}

export interface StateMemoryOptions {
  /** Characters that are kept in all, about. The longest unused are forgotten first. */
  readonly maxSize: number;
  /** How long a state is kept after it was last written or read, in milliseconds. */
  readonly ttlMs: number;
  /** Milliseconds on any clock that only goes forward. Default: the process's. */
  readonly now?: () => number;
  /** Where other processes find it, and their states are found. Default: nowhere. */
  readonly shared?: SharedMemory | null;
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
  readonly #shared: SharedMemory | null;

  constructor({ maxSize, ttlMs, now = () => performance.now(), shared = null }: StateMemoryOptions) {
    this.#shared = shared;
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

  /**
   * @param tenant whose conversation it is: others must not get it
   * @param provider whose state it is: others must not get it
   * @param callId what the call is known by; see callKey
   * @returns resolves when other processes know it as well, as far as that can be; null where there are none
   */
  remember(tenant: string, provider: string, callId: string, state: CallState): Promise<void> | null {
    const { order: _order, ...bare } = state;
    // A state without its order is better than none.
    const kept = [state, bare].find((one) => sizeOf(one) <= this.#maxEntry);
    if (kept === undefined) return null;
    const key = keyOf(tenant, provider, callId);
    this.#states.set(key, kept);
    return this.#shared?.keep(key, encodeState(kept)) ?? null;
  }

  /** There is nothing to remember of a call. */
  nothing(tenant: string, provider: string, callId: string): void {
    this.#shared?.nothing(keyOf(tenant, provider, callId));
  }

  /** Whether there are other processes that may know more. */
  get isShared(): boolean {
    return this.#shared !== null;
  }

  /** Learns from other processes what they know of calls that this one knows nothing of. @returns null where nobody has to be asked */
  learn(tenant: string, provider: string, callIds: readonly string[]): Promise<void> | null {
    const shared = this.#shared;
    if (shared === null) return null;
    const names = callIds
      .map((callId) => keyOf(tenant, provider, callId))
      .filter((key) => !this.#states.has(key));
    const asked = shared.possible(names);
    if (asked.length === 0) return null;
    return shared.find(asked).then((found) => {
      for (const [key, bytes] of found) {
        const state = decodeState(bytes);
        if (state !== undefined) this.#states.set(key, state);
      }
    });
  }

  /** Forgets half, the longest unused. */
  shrink(): void {
    const left = this.#states.calculatedSize / 2;
    while (this.#states.calculatedSize > left) this.#states.pop();
  }

  recall(tenant: string, provider: string, callId: string): CallState | undefined {
    return this.#states.get(keyOf(tenant, provider, callId));
  }
}

/** Neither names of tenants nor of providers have line breaks. */
const keyOf = (tenant: string, provider: string, callId: string): string =>
  `${tenant}\n${provider}\n${callId}`;

/** Characters of a state, and what its objects take besides. */
function sizeOf({ reasoning, signature, order }: CallState): number {
  let size = 256 + signature.length;
  for (const part of reasoning) size += sizeOfPart(part);
  for (const step of order?.steps ?? []) {
    size += 64;
    if (step.kind === 'reasoning') size += sizeOfPart(step.part);
    if (step.kind === 'toolCall') size += step.id.length;
  }
  return size;
}

function sizeOfPart({ content, extras }: Part): number {
  const size = 256 + (extras?.json.length ?? 0);
  if (content.case !== 'reasoning') return size;
  const { text, signature, encrypted, id } = content.value;
  return size + text.length + signature.length + encrypted.length + id.length;
}
