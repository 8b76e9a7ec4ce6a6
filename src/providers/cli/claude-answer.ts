import { FinishReason, type Usage } from '../../../gen/llmgateway/v1/completion_pb.js';
import { decodeStopReason } from '../../codec/anthropic-messages/decode-stop-reason.ts';
import { MessagesStreamDecoder } from '../../codec/anthropic-messages/decode-stream.ts';
import { decodeUsage } from '../../codec/anthropic-messages/decode-usage.ts';
import { decodeResult } from '../../codec/cli-claude/decode-result.ts';
import { isObject, type Json } from '../../codec/json.ts';
import { upstreamFailure } from '../../codec/upstream-error.ts';
import * as build from '../../model/build.ts';
import * as buildEvent from '../../model/build-events.ts';
import type { StreamEvent } from '../../model/events.ts';
import type { AnswerDecoder, AnswerNames } from './program.ts';

/** What the program calls it when an answer is longer than it may be. */
const tooLong = 'max_output_tokens';

/**
 * Turns the frames of a turn into an answer. There may be several messages in it: the program goes on by itself when one was cut, and has others tried again. They
 * are told as one; what it ends with, and what it has used, is in the last frame.
 */
export class ClaudeAnswerDecoder implements AnswerDecoder {
  readonly #names: AnswerNames;
  #messages: MessagesStreamDecoder | null = null;
  /** Parts of the messages before this one. */
  #before = 0;
  #parts = 0;
  #started = false;
  /** What the program called the error of its last message. */
  #error = '';
  #hasReason = false;
  #stop: { readonly reason: FinishReason; readonly word: string } | null = null;
  #usage: Usage | undefined;

  constructor(names: AnswerNames) {
    this.#names = names;
  }

  push(frame: Json, out: StreamEvent[]): void {
    if (frame['type'] === 'assistant') this.#error = String(frame['error'] ?? '');
    else if (frame['type'] === 'result') this.#finish(frame, out);
    else if (frame['type'] === 'stream_event' && isObject(frame['event'])) this.#event(frame['event'], out);
  }

  /** Of the latest message: the program tells of all of them together only at the turn's end. */
  usageSoFar(): Usage | undefined {
    const used = this.#messages?.usageSoFar();
    if (used !== undefined) used.estimated = true;
    return used;
  }

  #event(event: Json, out: StreamEvent[]): void {
    if (event['type'] === 'message_start' || this.#messages === null) {
      this.#messages = new MessagesStreamDecoder({ provider: this.#names.provider });
      this.#before = this.#parts;
      this.#hasReason = false;
    }
    // A message that was interrupted ends without a reason; the turn's last frame says what there is to say.
    if (event['type'] === 'message_delta' && isObject(event['delta'])) {
      this.#hasReason = typeof event['delta']['stop_reason'] === 'string';
    }
    if (event['type'] === 'message_stop' && !this.#hasReason) return;
    const events: StreamEvent[] = [];
    this.#messages.pushJson(event, events);
    for (const told of events) this.#tell(told, out);
  }

  #tell(told: StreamEvent, out: StreamEvent[]): void {
    const { event } = told;
    switch (event.case) {
      case 'started':
        this.#start(out);
        return;
      case 'partStarted':
      case 'delta':
      case 'partEnded':
        event.value.part += this.#before;
        this.#parts = Math.max(this.#parts, event.value.part + 1);
        out.push(told);
        return;
      case 'choiceFinished':
        this.#stop = { reason: event.value.finishReason, word: event.value.nativeFinishReason };
        return;
      case 'finished':
        this.#usage = event.value.usage;
        return;
      default:
    }
  }

  #start(out: StreamEvent[]): void {
    if (this.#started) return;
    this.#started = true;
    const { id, model, createdAt } = this.#names;
    out.push(buildEvent.started(id, model, createdAt));
  }

  #finish(frame: Json, out: StreamEvent[]): void {
    const { error, text, stopReason, usage } = decodeResult(frame, this.#error);
    // The program has asked for more several times already: no other try ends otherwise.
    const isCut = error !== null && this.#error === tooLong;
    if (error !== null && (!isCut || this.#parts === 0)) {
      throw upstreamFailure(this.#names.provider, { ...error, ...(isCut ? { retryable: false } : {}) });
    }
    this.#start(out);
    if (isCut) {
      out.push(buildEvent.choiceFinished(0, FinishReason.LENGTH, this.#stop?.word ?? tooLong));
      out.push(buildEvent.finished(decodeUsage(usage) ?? this.#usage));
      return;
    }
    // Versions that tell of no single events.
    if (this.#messages === null && text !== '') {
      out.push(
        buildEvent.partStarted(0, 0, build.textPart('')),
        buildEvent.delta(0, 0, text),
        buildEvent.partEnded(0, 0),
      );
    }
    const word = this.#stop?.word ?? stopReason ?? '';
    const reason = this.#stop?.reason ?? decodeStopReason(stopReason, false);
    out.push(
      buildEvent.choiceFinished(0, reason === FinishReason.UNSPECIFIED ? FinishReason.STOP : reason, word),
    );
    out.push(buildEvent.finished(decodeUsage(usage) ?? this.#usage));
  }
}
