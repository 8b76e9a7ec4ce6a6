import { expect } from 'vitest';
import { FinishReason, type TokenLogprob, type Usage } from '../../../../gen/llmgateway/v1/completion_pb.js';
import type { Message } from '../../../../gen/llmgateway/v1/message_pb.js';
import type { StreamEvent } from '../../../../src/model/events.ts';

/** An answer reduced to what a recording tells of it. */
export interface Seen {
  text: string;
  thinking: string;
  calls: { id: string; name: string; args: string }[];
  finish: string;
  native: string;
  usage: Usage | undefined;
  tokens: TokenLogprob[];
  opaque: string[];
}

const nothing = (): Seen => ({
  text: '',
  thinking: '',
  calls: [],
  finish: '',
  native: '',
  usage: undefined,
  tokens: [],
  opaque: [],
});

/** What the events add up to, with the life cycle checked on the way. */
export function collect(events: readonly StreamEvent[]): Seen {
  const seen = nothing();
  const parts: { kind: string; call: Seen['calls'][number] | null; open: boolean }[] = [];
  expect(events[0]?.event.case).toBe('started');
  expect(events.at(-1)?.event.case).toBe('finished');
  expect(events.filter(({ event }) => event.case === 'started')).toHaveLength(1);
  expect(events.filter(({ event }) => event.case === 'choiceFinished')).toHaveLength(1);
  for (const { event } of events) {
    switch (event.case) {
      case 'partStarted': {
        const content = event.value.content?.content;
        expect(event.value.part).toBe(parts.length);
        const call =
          content?.case === 'toolCall' ? { id: content.value.id, name: content.value.name, args: '' } : null;
        if (call !== null) seen.calls.push(call);
        parts.push({ kind: content?.case ?? '', call, open: true });
        break;
      }
      case 'delta': {
        const part = parts[event.value.part];
        expect(part?.open).toBe(true);
        const { text, logprobs } = event.value;
        if (part?.kind === 'text') seen.text += text;
        if (part?.kind === 'reasoning') seen.thinking += text;
        if (part?.call) part.call.args += text;
        seen.tokens.push(...(logprobs?.content ?? []));
        break;
      }
      case 'partEnded': {
        const part = parts[event.value.part] as (typeof parts)[number];
        expect(part.open).toBe(true);
        part.open = false;
        break;
      }
      case 'choiceFinished':
        expect(parts.every(({ open }) => !open)).toBe(true);
        seen.finish = FinishReason[event.value.finishReason].toLowerCase();
        seen.native = event.value.nativeFinishReason;
        break;
      case 'finished':
        seen.usage = event.value.usage;
        break;
      case 'opaque':
        seen.opaque.push(event.value.json);
        break;
      default:
    }
  }
  return seen;
}

/** The same of a whole answer. */
export function collectMessage({ parts }: Message): Pick<Seen, 'text' | 'thinking' | 'calls'> {
  const seen = nothing();
  for (const { content } of parts) {
    if (content.case === 'text') seen.text += content.value.text;
    if (content.case === 'reasoning') seen.thinking += content.value.text;
    if (content.case === 'toolCall') {
      const { id, name, arguments: args } = content.value;
      seen.calls.push({ id, name, args });
    }
  }
  const { text, thinking, calls } = seen;
  return { text, thinking, calls };
}
