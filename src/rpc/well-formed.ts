import type { CreateChatCompletionResponse } from '../../gen/llmgateway/v1/chat_service_pb.js';
import type { Logprobs, PartDelta } from '../../gen/llmgateway/v1/completion_pb.js';
import type { Part } from '../../gen/llmgateway/v1/message_pb.js';
import type { StreamEvent } from '../model/events.ts';

// JSON may hold halves of surrogate pairs, and providers cut answers between the halves. Protobuf's strings are UTF-8, which has
// no place for a half alone.

/** Makes the texts of an answer such that UTF-8 can carry them. */
export function makeWellFormed({ choices, toolMessages }: CreateChatCompletionResponse): void {
  for (const { parts } of toolMessages) for (const part of parts) mend(part);
  for (const { message, logprobs } of choices) {
    for (const part of message?.parts ?? []) mend(part);
    mendLogprobs(logprobs);
  }
}

function mend({ content }: Part): void {
  switch (content.case) {
    case 'text':
    case 'reasoning':
    case 'refusal':
      if (!content.value.text.isWellFormed()) content.value.text = content.value.text.toWellFormed();
      return;
    case 'toolCall':
      if (!content.value.arguments.isWellFormed()) {
        content.value.arguments = content.value.arguments.toWellFormed();
      }
      return;
    case 'toolResult':
      for (const part of content.value.parts) mend(part);
      return;
    default:
  }
}

function mendLogprobs(logprobs: Logprobs | undefined): void {
  if (logprobs === undefined) return;
  for (const token of [...logprobs.content, ...logprobs.refusal]) {
    for (const one of [token, ...token.topLogprobs]) one.token = one.token.toWellFormed();
  }
}

const isFirstHalf = (code: number): boolean => code >= 0xd800 && code < 0xdc00;

/** Does the same to the events of a stream: halves that come apart are put together. */
export class WellFormedStream {
  /** First halves that wait for their second, by choice and part. */
  readonly #halves = new Map<string, string>();

  /** Changes the event. */
  mend({ event }: StreamEvent): void {
    if (event.case === 'delta') {
      const { value } = event;
      mendLogprobs(value.logprobs);
      if (this.#halves.size > 0 || !value.text.isWellFormed()) this.#delta(value);
    } else if (event.case === 'partStarted' && event.value.content !== undefined) mend(event.value.content);
    else if (event.case === 'toolExecutionStarted' && event.value.call !== undefined) {
      const { call } = event.value;
      call.arguments = call.arguments.toWellFormed();
    } else if (event.case === 'toolExecutionFinished') {
      for (const part of event.value.result?.parts ?? []) mend(part);
    }
  }

  #delta(delta: PartDelta): void {
    const key = `${delta.choice}/${delta.part}`;
    let text = (this.#halves.get(key) ?? '') + delta.text;
    this.#halves.delete(key);
    if (isFirstHalf(text.charCodeAt(text.length - 1))) {
      this.#halves.set(key, text.slice(-1));
      text = text.slice(0, -1);
    }
    delta.text = text.toWellFormed();
  }
}
