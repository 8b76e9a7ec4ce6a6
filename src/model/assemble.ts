import type { CreateChatCompletionResponse } from '../../gen/llmgateway/v1/chat_service_pb.js';
import type {
  Choice,
  Logprobs,
  OpaqueEvent,
  StreamFinished,
  StreamStarted,
} from '../../gen/llmgateway/v1/completion_pb.js';
import { FinishReason } from '../../gen/llmgateway/v1/completion_pb.js';
import { type Message, type Part, Role } from '../../gen/llmgateway/v1/message_pb.js';
import * as build from './build.ts';
import type { StreamEvent } from './events.ts';
import { grow, growingCopy } from './growing-part.ts';
import { mergeMembers } from './merge-members.ts';

/** Unknown members of a streamed answer's message, or of one of its parts. */
export interface UnknownMembers {
  readonly choice: number;
  /** Number of the part that they are of; without it, and without `call`, they are the message's. */
  readonly part?: number;
  /** Number of the call that they are of, among the calls of the choice. */
  readonly call?: number;
  readonly members: Readonly<Record<string, unknown>>;
}

/** Reads an opaque event of one dialect; other dialects' say nothing. */
export type OpaqueReader = (event: OpaqueEvent) => readonly UnknownMembers[];

interface Assembled {
  readonly parts: Part[];
  finishReason: FinishReason;
  nativeFinishReason: string;
  logprobs: Logprobs | undefined;
  unknown: { readonly dialect: string; readonly members: Record<string, unknown> } | null;
}

/**
 * Puts a streamed answer together: the reverse of completion-events.ts. Events are read, never changed or kept; late and odd ones are
 * passed over. What it holds is what the stream said, so a bounded stream gives a bounded answer.
 */
export class Assembler {
  readonly #readOpaque: OpaqueReader;
  readonly #choices: (Assembled | undefined)[] = [];
  #started: StreamStarted | undefined;
  #finished: StreamFinished | undefined;

  /** @param readOpaque says which members of opaque events are a message's; without it they are left out */
  constructor(readOpaque: OpaqueReader = () => []) {
    this.#readOpaque = readOpaque;
  }

  /** Whether the stream came to its proper end. */
  get finished(): boolean {
    return this.#finished !== undefined;
  }

  add(events: readonly StreamEvent[]): void {
    for (let i = 0; i < events.length; i++) this.#add((events[i] as StreamEvent).event);
  }

  /** The answer of a choice as far as it came; undefined when there is none of it. */
  message(index: number): Message | undefined {
    const assembled = this.#choices[index];
    if (assembled === undefined) return undefined;
    const parts = assembled.parts.filter((part) => part !== undefined);
    const message = build.message(Role.ASSISTANT, parts);
    if (assembled.unknown !== null) {
      const { dialect, members } = assembled.unknown;
      message.extras = build.extras(dialect, JSON.stringify(members));
    }
    return message;
  }

  /** The whole completion. */
  response(): CreateChatCompletionResponse {
    const {
      id = '',
      model = '',
      createdAt = 0,
      serviceTier = '',
      systemFingerprint = '',
    } = this.#started ?? {};
    const choices: Choice[] = [];
    this.#choices.forEach((assembled, index) => {
      if (assembled === undefined) return;
      const { finishReason, nativeFinishReason, logprobs } = assembled;
      const choice = build.choice(index, this.message(index) as Message, finishReason, {
        nativeFinishReason,
      });
      if (logprobs !== undefined) choice.logprobs = logprobs;
      choices.push(choice);
    });
    const response = build.chatResponse(id, model, createdAt, choices, { serviceTier, systemFingerprint });
    const { usage, callReport } = this.#finished ?? {};
    if (usage !== undefined) response.usage = usage;
    if (callReport !== undefined) response.callReport = callReport;
    return response;
  }

  #add(event: StreamEvent['event']): void {
    switch (event.case) {
      case 'started':
        this.#started = event.value;
        return;
      case 'partStarted': {
        const { choice, part, content } = event.value;
        if (content !== undefined) this.#choice(choice).parts[part] = growingCopy(content);
        return;
      }
      case 'delta': {
        const { choice, part, logprobs } = event.value;
        const grown = this.#choices[choice]?.parts[part];
        if (grown !== undefined) grow(grown, event.value);
        if (logprobs !== undefined) this.#addLogprobs(this.#choice(choice), logprobs);
        return;
      }
      case 'partEnded': {
        const { choice, part, final } = event.value;
        const ended = this.#choices[choice]?.parts[part];
        if (ended !== undefined && final !== undefined) end(ended, final);
        return;
      }
      case 'choiceFinished': {
        const choice = this.#choice(event.value.choice);
        choice.finishReason = event.value.finishReason;
        choice.nativeFinishReason = event.value.nativeFinishReason;
        return;
      }
      case 'opaque':
        for (const unknown of this.#readOpaque(event.value)) this.#addUnknown(event.value.dialect, unknown);
        return;
      case 'finished':
        this.#finished = event.value;
        return;
      default:
    }
  }

  #choice(index: number): Assembled {
    return (this.#choices[index] ??= {
      parts: [],
      finishReason: FinishReason.UNSPECIFIED,
      nativeFinishReason: '',
      logprobs: undefined,
      unknown: null,
    });
  }

  #addUnknown(dialect: string, { choice, part, call, members }: UnknownMembers): void {
    if (part !== undefined || call !== undefined) {
      const parts = this.#choices[choice]?.parts ?? [];
      const known = part === undefined ? parts.filter(isCall)[call ?? -1] : parts[part];
      if (known !== undefined) addMembers(known, dialect, members);
      return;
    }
    const into = (this.#choice(choice).unknown ??= { dialect, members: {} });
    if (into.dialect === dialect) mergeMembers(into.members, members);
  }

  #addLogprobs(into: Assembled, { content, refusal }: Logprobs): void {
    into.logprobs ??= { $typeName: 'llmgateway.v1.Logprobs', content: [], refusal: [] };
    into.logprobs.content.push(...content);
    into.logprobs.refusal.push(...refusal);
  }
}

const isCall = (part: Part | undefined): boolean => part?.content.case === 'toolCall';

/** Adds what is only known at the end. What has grown stays; what the end does not say stays as it began. */
function end(part: Part, final: Part): void {
  const { content } = part;
  if (content.case === 'reasoning' && final.content.case === 'reasoning') {
    const { text, ...known } = content.value;
    content.value = { ...known, ...saidIn(final.content.value), text };
  } else if (content.case === 'toolCall' && final.content.case === 'toolCall') {
    const { arguments: args, ...known } = content.value;
    content.value = { ...known, ...saidIn(final.content.value), arguments: args };
  } else if (content.case === 'audio' && final.content.case === 'audio') {
    const { source, transcript, ...known } = content.value;
    content.value = { ...known, ...saidIn(final.content.value), source, transcript };
  }
  if (final.cacheBreakpoint !== undefined) part.cacheBreakpoint = final.cacheBreakpoint;
  const { extras } = final;
  if (extras !== undefined) addMembers(part, extras.dialect, JSON.parse(extras.json) as Members);
}

type Members = Record<string, unknown>;

/** Adds unknown members to those of a part; those of another dialect take their place. */
function addMembers(part: Part, dialect: string, members: Readonly<Members>): void {
  const { extras } = part;
  const all = extras?.dialect === dialect ? (JSON.parse(extras.json) as Members) : {};
  mergeMembers(all, members);
  part.extras = build.extras(dialect, JSON.stringify(all));
}

/** The members that are not at their defaults. */
const saidIn = <T extends object>(value: T): T =>
  Object.fromEntries(
    Object.entries(value).filter(([, member]) => member !== '' && member !== false && member !== undefined),
  ) as T;
