import { isDeepStrictEqual } from 'node:util';
import { fromBinary, toBinary } from '@bufbuild/protobuf';
import { LRUCache } from 'lru-cache';
import {
  type Message,
  MessageSchema,
  Role,
  type ToolCall,
  ToolCallSchema,
} from '../../gen/llmgateway/v1/message_pb.js';
import type { SharedMemory } from '../memory/shared-memory.ts';
import { promptOf } from '../model/prompt.ts';
import { callsOf, textOf } from './loop-calls.ts';
import { parsedArguments } from './loop-run.ts';

/** What of a turn of the model's its client does not know. */
export interface HiddenTurn {
  /** Turns before it that were the gateway's alone, with their results. */
  readonly before: readonly Message[];
  /** The turn as the model made it; null where the client has it whole. */
  readonly message: Message | null;
  /** Its text as the client got it. */
  readonly given: string;
  /** Results of the gateway's calls in it. */
  readonly results: readonly Message[];
}

export interface TurnMemoryOptions {
  /** Bytes that are kept in all, about. The longest unused are forgotten first. */
  readonly maxSize: number;
  /** How long a turn is kept after it was last written or read, in milliseconds. */
  readonly ttlMs: number;
  /** Milliseconds on any clock that only goes forward. Default: the process's. */
  readonly now?: () => number;
  /** Where other processes find it, and their turns are found. Default: nowhere. */
  readonly shared?: SharedMemory | null;
}

interface Kept {
  readonly calls: readonly ToolCall[];
  readonly before: readonly Uint8Array[];
  readonly message: Uint8Array | null;
  readonly given: string;
  readonly results: readonly Uint8Array[];
  readonly size: number;
}

/** More than this share of the memory is not kept for a single turn. */
const maxShare = 1 / 16;

/**
 * Turns in which the gateway ran calls and the client has others to answer, for conversations that are kept by their clients. A turn
 * is found by the ids of the calls that the client knows. Some models number their calls, so the calls and what they answer have to
 * be the same, too.
 */
export class TurnMemory {
  readonly #turns: LRUCache<string, Kept>;
  readonly #maxEntry: number;
  readonly #shared: SharedMemory | null;

  /** With a `maxSize` of 0 nothing is kept. */
  constructor({ maxSize, ttlMs, now = () => performance.now(), shared = null }: TurnMemoryOptions) {
    this.#shared = maxSize > 0 ? shared : null;
    this.#maxEntry = Math.floor(maxSize * maxShare);
    this.#turns = new LRUCache({
      maxSize: Math.max(maxSize, 1),
      ttl: ttlMs,
      updateAgeOnGet: true,
      ttlResolution: 0,
      perf: { now },
      sizeCalculation: ({ size }, key) => key.length + size,
    });
  }

  /** Forgets half, the longest unused. */
  shrink(): void {
    const left = this.#turns.calculatedSize / 2;
    while (this.#turns.calculatedSize > left) this.#turns.pop();
  }

  get isEmpty(): boolean {
    return this.#turns.size === 0;
  }

  /**
   * @param prompt see promptOf
   * @param calls those of the turn that the client knows; without any it is not kept
   * @returns resolves when other processes know it as well, as far as that can be; null where there are none
   */
  remember(
    tenant: string,
    prompt: string,
    calls: readonly ToolCall[],
    turn: HiddenTurn,
  ): Promise<unknown> | null {
    const encode = (message: Message): Uint8Array => toBinary(MessageSchema, message);
    const before = turn.before.map(encode);
    const message = turn.message === null ? null : encode(turn.message);
    const results = turn.results.map(encode);
    let bytes = 512 + turn.given.length + (message?.length ?? 0);
    for (const { length } of [...before, ...results]) bytes += length;
    for (const { id, name, arguments: args } of calls) bytes += id.length + name.length + args.length;
    if (bytes > this.#maxEntry || calls.length === 0) return null;
    // The turn is one, under as many keys as there are calls.
    const size = Math.ceil(bytes / calls.length);
    const kept: Kept = { calls, before, message, given: turn.given, results, size };
    const keys = calls.map(({ id }) => keyOf(tenant, prompt, id));
    for (const key of keys) this.#turns.set(key, kept);
    const shared = this.#shared;
    if (shared === null) return null;
    const form = encodeKept(kept);
    return Promise.all(keys.map((key) => shared.keep(key, form)));
  }

  /** Learns from other processes what they know of a conversation's turns. @param from the first message that matters */
  learn(tenant: string, messages: readonly Message[], from: number): Promise<void> | null {
    const shared = this.#shared;
    if (shared === null) return null;
    const keys: string[] = [];
    for (let i = from; i < messages.length; i++) {
      const message = messages[i] as Message;
      const calls = message.role === Role.ASSISTANT ? callsOf(message) : [];
      if (calls.length === 0) continue;
      const prompt = promptOf(messages, i);
      for (const { id } of calls) keys.push(keyOf(tenant, prompt, id));
    }
    const asked = shared.possible(keys.filter((key) => !this.#turns.has(key)));
    if (asked.length === 0) return null;
    return shared.find(asked).then((found) => {
      for (const [key, bytes] of found) {
        const kept = decodeKept(bytes);
        if (kept !== null) this.#turns.set(key, kept);
      }
    });
  }

  /** @param calls calls as the client sends them: all of its turn's, or any of those whose results it does not have */
  recall(tenant: string, prompt: string, calls: readonly ToolCall[]): HiddenTurn | null {
    const [first] = calls;
    const kept = first === undefined ? undefined : this.#turns.get(keyOf(tenant, prompt, first.id));
    if (kept === undefined) return null;
    if (kept.message !== null && kept.calls.length !== calls.length) return null;
    if (!calls.every((call) => kept.calls.some((known) => isSame(call, known)))) return null;
    const decode = (bytes: Uint8Array): Message => fromBinary(MessageSchema, bytes);
    return {
      before: kept.before.map(decode),
      message: kept.message === null ? null : decode(kept.message),
      given: kept.given,
      results: kept.results.map(decode),
    };
  }
}

/** How turns are kept where other processes find them: JSON, with messages as in the contract. */
interface StoredTurn {
  readonly calls: readonly string[];
  readonly before: readonly string[];
  readonly message: string | null;
  readonly given: string;
  readonly results: readonly string[];
  readonly size: number;
}

const toText = (bytes: Uint8Array): string => Buffer.from(bytes).toString('base64');
const toBytes = (text: string): Uint8Array => Buffer.from(text, 'base64');

function encodeKept({ calls, before, message, results, ...kept }: Kept): Uint8Array {
  const stored: StoredTurn = {
    ...kept,
    calls: calls.map((call) => toText(toBinary(ToolCallSchema, call))),
    before: before.map(toText),
    message: message === null ? null : toText(message),
    results: results.map(toText),
  };
  return Buffer.from(JSON.stringify(stored));
}

/** Null for what a gateway of another version wrote in another form. */
function decodeKept(bytes: Uint8Array): Kept | null {
  try {
    const { calls, before, message, results, ...kept } = JSON.parse(
      Buffer.from(bytes).toString(),
    ) as StoredTurn;
    return {
      ...kept,
      calls: calls.map((call) => fromBinary(ToolCallSchema, toBytes(call))),
      before: before.map(toBytes),
      message: message === null ? null : toBytes(message),
      results: results.map(toBytes),
    };
  } catch {
    return null;
  }
}

const keyOf = (tenant: string, prompt: string, callId: string): string => `${tenant}\n${prompt}\n${callId}`;

const isSame = (one: ToolCall, other: ToolCall): boolean =>
  one.id === other.id &&
  one.name === other.name &&
  (one.arguments === other.arguments ||
    isDeepStrictEqual(parsedArguments(one.arguments) ?? 0, parsedArguments(other.arguments) ?? 1));

/** The turn as the client sends it, with what it does not know. */
export function restoredTurn(sent: Message, { message, given, results }: HiddenTurn): Message[] {
  if (message === null) return [sent, ...results];
  // A client that changed what was said means it; otherwise the provider gets its own words, byte for byte.
  const changed = textOf(sent) !== given;
  const parts = changed
    ? [
        ...sent.parts.filter(({ content }) => content.case !== 'toolCall'),
        ...message.parts.filter(({ content }) => content.case === 'toolCall'),
      ]
    : message.parts;
  return [changed ? { ...sent, parts } : { ...message, parts }, ...results];
}
