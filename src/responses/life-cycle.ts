import { type CallReport, FinishReason, type StreamFinished } from '../../gen/llmgateway/v1/completion_pb.js';
import type { ErrorDetail } from '../../gen/llmgateway/v1/error_pb.js';
import type { Part, ToolCall } from '../../gen/llmgateway/v1/message_pb.js';
import {
  type Item,
  ItemPartKind,
  type Response,
  type ResponseEvent,
  ResponseStatus,
} from '../../gen/llmgateway/v1/responses_service_pb.js';
import { dialectName } from '../codec/openai-responses/dialect.ts';
import { includesState } from '../codec/openai-responses/encode-response.ts';
import * as build from '../model/build.ts';
import { item as buildItem, reasoningItem } from '../model/build-responses.ts';
import type { StreamEvent } from '../model/events.ts';
import { isItem, itemExtras, withoutItem } from '../model/items.ts';
import { itemOfPicture } from '../model/picture-items.ts';
import { thoughtSignatureFormat } from '../model/picture-signatures.ts';
import { beginningOf, breakOff, complete, continues, fill, itemFor } from './item-parts.ts';
import { type EventKind, isOwn, kindOf, OpenItem } from './open-item.ts';

type Delta = Extract<StreamEvent['event'], { case: 'delta' }>['value'];

export interface LifeCycleOptions {
  /** The response as it begins: its id, what was asked, QUEUED or IN_PROGRESS. It grows. */
  readonly response: Response;
  /** Makes an id of an item, for providers that give none. @param prefix "msg", "rs", "fc", "ctc", "gc", "it" */
  readonly newId: (prefix: string) => string;
  /** Unix seconds. */
  readonly now: () => number;
  /** Number of the first event. Default 0. */
  readonly from?: number;
  /** Number of the first item. Default: how many the response has. */
  readonly fromItem?: number;
}

/** What a response becomes by the reason for which its answer ended. */
const outcomes: Readonly<Partial<Record<FinishReason, string>>> = {
  [FinishReason.LENGTH]: 'max_output_tokens',
  [FinishReason.CONTENT_FILTER]: 'content_filter',
};

/**
 * Makes the events of a response of those of an answer, whatever the provider's dialect: the one place where items begin and end. Every
 * delta's item and part have been announced, ids stay the same, numbers rise by one. Only the first choice counts.
 */
export class LifeCycle {
  readonly #response: Response;
  readonly #newId: (prefix: string) => string;
  readonly #now: () => number;
  #number: number;
  /** Items that have begun and not ended, in their order. */
  #open: OpenItem[] = [];
  /** One that is complete, unless the answer turns out to have been cut right here. */
  #settled: OpenItem | null = null;
  /** Whose a part of the answer is. */
  readonly #owners = new Map<number, OpenItem>();
  #itemCount: number;
  /** Where the opaque items of the provider's own are, by their ids. */
  readonly #places = new Map<string, number>();

  constructor({ response, newId, now, from = 0, fromItem = response.output.length }: LifeCycleOptions) {
    this.#response = response;
    this.#newId = newId;
    this.#now = now;
    this.#number = from;
    this.#itemCount = fromItem;
  }

  /** As far as it came; the same object until the end. */
  get response(): Response {
    return this.#response;
  }

  /** Whether it came to an end of any kind. */
  get over(): boolean {
    return this.#response.status > ResponseStatus.IN_PROGRESS;
  }

  /** How a response begins: that it was made, and where one waits for its turn, that it does. */
  open(out: ResponseEvent[]): void {
    this.announce(out);
    if (this.#response.status === ResponseStatus.QUEUED) this.announce(out);
  }

  /** Tells what was found out elsewhere. */
  tell(events: readonly EventKind[], out: ResponseEvent[]): void {
    this.#push(out, ...events);
  }

  /** Tells the status as it is. */
  announce(out: ResponseEvent[]): void {
    this.#push(out, { case: 'status', value: this.#snapshot() });
  }

  /** From queued, or just made, to being worked at. */
  begin(out: ResponseEvent[]): void {
    this.#response.status = ResponseStatus.IN_PROGRESS;
    this.announce(out);
  }

  add(events: readonly StreamEvent[], out: ResponseEvent[]): void {
    for (const { event } of events) this.#add(event, out);
  }

  /** It failed. @param error with the request's id @param withOutput whether it keeps what there is of its output */
  fail(error: ErrorDetail, message: string, out: ResponseEvent[], withOutput = true): void {
    if (this.over) return;
    if (!withOutput) {
      this.#open = [];
      this.#response.output = [];
    }
    this.#response.error = error;
    this.#response.errorMessage = message;
    this.#finish(ResponseStatus.FAILED, out);
  }

  /** Takes back its end, the last event that was made: it could not be kept. */
  retract(): void {
    this.#number--;
    this.#response.status = ResponseStatus.IN_PROGRESS;
    this.#response.completedAt = 0;
  }

  /** A client stopped it. */
  cancel(out: ResponseEvent[]): void {
    if (!this.over) this.#finish(ResponseStatus.CANCELLED, out);
  }

  #add(event: StreamEvent['event'], out: ResponseEvent[]): void {
    if (this.over) return;
    if (event.case !== 'choiceFinished' && event.case !== 'finished') this.#closeWaiting(out);
    switch (event.case) {
      case 'started': {
        const { model, serviceTier, callReport } = event.value;
        if (model !== '') this.#response.model = model;
        if (serviceTier !== '') this.#response.serviceTier = serviceTier;
        if (callReport !== undefined) this.#response.callReport = callReport;
        return;
      }
      case 'partStarted':
        if (event.value.choice === 0 && event.value.content !== undefined) {
          this.#startPart(event.value.part, event.value.content, out);
        }
        return;
      case 'delta':
        if (event.value.choice === 0) this.#grow(event.value, out);
        return;
      case 'partEnded':
        if (event.value.choice === 0) this.#endPart(event.value.part, event.value.final, out);
        return;
      case 'choiceFinished':
        if (event.value.choice === 0) {
          this.#response.incompleteReason = outcomes[event.value.finishReason] ?? '';
          if (this.#response.incompleteReason === '') this.#closeWaiting(out);
        }
        return;
      case 'opaque': {
        const { dialect, json } = event.value;
        // What other APIs say beside their answers has no place in this one.
        if (dialect !== dialectName) return;
        if (!('type' in (JSON.parse(json) as object))) {
          // Not an event: what else the provider says of the response.
          this.#response.extras = build.extras(dialect, json);
          return;
        }
        const value = { $typeName: 'llmgateway.v1.OpaqueEvent', dialect, json: this.#placed(json) } as const;
        this.#push(out, { case: 'opaque', value });
        return;
      }
      case 'toolExecutionStarted':
      case 'toolExecutionFinished':
        this.#runTool(event, out);
        return;
      case 'finished':
        this.#complete(event.value, out);
        return;
      default:
    }
  }

  #startPart(number: number, given: Part, out: ResponseEvent[]): void {
    const content =
      given.content.case === 'image' ? itemOfPicture(given.content.value, this.#newId('ig')) : given;
    const { content: kind } = content;
    let owner = this.#open.at(-1);
    if (owner === undefined || !continues(owner, content)) {
      this.#closeSettled(out);
      owner = this.#startItem(content, out);
    }
    this.#owners.set(number, owner);
    if (kind.case === 'toolCall' || isItem(kind)) {
      owner.open(number, content, kindOf(content, owner.item));
      return;
    }
    const part = owner.open(number, withoutItem(content), kindOf(content, owner.item));
    // Reasoning may turn out to be nothing that can be read.
    if (kind.case !== 'reasoning' || kind.value.text !== '') this.#push(out, owner.started(part));
  }

  #startItem(content: Part, out: ResponseEvent[]): OpenItem {
    const asked = this.#response.parameters?.reasoningSummary ?? '';
    const item = itemFor(content, this.#newId, asked !== '');
    item.status = ResponseStatus.IN_PROGRESS;
    const extras = itemExtras(content);
    if (extras !== undefined) item.extras = extras;
    return this.#openItem(item, out);
  }

  #openItem(item: Item, out: ResponseEvent[]): OpenItem {
    const open = new OpenItem(item, this.#itemCount++);
    this.#open.push(open);
    this.#places.set(item.id, open.outputIndex);
    this.#push(out, {
      case: 'itemStarted',
      value: {
        $typeName: 'llmgateway.v1.ItemStarted',
        outputIndex: open.outputIndex,
        item: { ...item, kind: beginningOf(item.kind) },
      },
    });
    return open;
  }

  #grow(delta: Delta, out: ResponseEvent[]): void {
    const owner = this.#owners.get(delta.part);
    const part = owner?.parts.get(delta.part);
    if (owner === undefined || part === undefined || part.ended) return;
    // A thought of no words is none that can be read.
    const says =
      delta.text !== '' || (part.kind !== ItemPartKind.REASONING && part.kind !== ItemPartKind.SUMMARY);
    if (!part.announced && !isOwn(part.kind) && says) this.#push(out, owner.started(part));
    this.#push(out, ...owner.grown(part, delta));
  }

  #endPart(number: number, final: Part | undefined, out: ResponseEvent[]): void {
    const owner = this.#owners.get(number);
    const part = owner?.parts.get(number);
    if (owner === undefined || part === undefined || part.ended) return;
    if (final !== undefined) complete(part, final);
    const { content } = part.part;
    if (content.case === 'opaque' && isItem(content)) {
      part.ended = true;
      owner.item.kind = { case: 'opaque', value: content.value };
      this.#close(owner, ResponseStatus.COMPLETED, out);
      return;
    }
    this.#push(out, ...owner.ended(part));
    if (content.case === 'toolCall' && content.value.signature !== '' && this.#tellsState) {
      this.#close(owner, ResponseStatus.COMPLETED, out);
      this.#tellSignature(content.value, out);
      return;
    }
    // Reasoning that has no id is of a provider that does not number its items.
    const isWhole =
      owner.item.kind.case === 'toolCall' || (content.case === 'reasoning' && content.value.id === '');
    if (isWhole) this.#settled = owner;
  }

  get #tellsState(): boolean {
    return includesState(this.#response.parameters?.include ?? []);
  }

  /** What only the call's provider can read comes as clients keep it: as reasoning. */
  #tellSignature({ id, signature }: ToolCall, out: ResponseEvent[]): void {
    const value = build.reasoning('', { id, encrypted: signature, format: thoughtSignatureFormat });
    const item = buildItem(this.#newId('rs'), { case: 'reasoning', value: reasoningItem([value]) });
    item.status = ResponseStatus.IN_PROGRESS;
    this.#close(this.#openItem(item, out), ResponseStatus.COMPLETED, out);
  }

  #closeWaiting(out: ResponseEvent[]): void {
    if (this.#settled !== null) this.#close(this.#settled, ResponseStatus.COMPLETED, out);
  }

  #runTool(
    event: Extract<StreamEvent['event'], { case: 'toolExecutionStarted' | 'toolExecutionFinished' }>,
    out: ResponseEvent[],
  ): void {
    if (event.case === 'toolExecutionStarted') {
      this.#closeSettled(out);
      const { call, round } = event.value;
      if (call === undefined) return;
      const value = { $typeName: 'llmgateway.v1.GatewayCall', call, round, durationMs: 0 } as const;
      const item = buildItem(this.#newId('mcp'), { case: 'gatewayCall', value });
      item.status = ResponseStatus.IN_PROGRESS;
      this.#openItem(item, out);
      return;
    }
    const { result, durationMs } = event.value;
    const owner = this.#open.find(
      ({ item: { kind } }) => kind.case === 'gatewayCall' && kind.value.call?.id === result?.toolCallId,
    );
    if (owner?.item.kind.case !== 'gatewayCall' || result === undefined) return;
    owner.item.kind = { case: 'gatewayCall', value: { ...owner.item.kind.value, result, durationMs } };
    this.#close(owner, result.isError ? ResponseStatus.FAILED : ResponseStatus.COMPLETED, out);
  }

  #complete({ usage, callReport }: StreamFinished, out: ResponseEvent[]): void {
    const cut = this.#response.incompleteReason !== '';
    for (const open of [...this.#open]) {
      // What was cut is the last item, and no other: an incomplete one is followed by none.
      const isLast = open.outputIndex === this.#itemCount - 1;
      this.#close(open, cut && isLast ? ResponseStatus.INCOMPLETE : ResponseStatus.COMPLETED, out);
    }
    if (usage !== undefined) this.#response.usage = usage;
    this.#report(callReport);
    this.#finish(cut ? ResponseStatus.INCOMPLETE : ResponseStatus.COMPLETED, out);
  }

  #report(report: CallReport | undefined): void {
    if (report !== undefined) this.#response.callReport = report;
  }

  #finish(status: ResponseStatus, out: ResponseEvent[]): void {
    this.#closeWaiting(out);
    for (const open of this.#open) {
      fill(open);
      open.item.status = ResponseStatus.INCOMPLETE;
      breakOff(open.item);
      this.#response.output[open.outputIndex] = open.item;
    }
    this.#open = [];
    // One that was begun anew has no items in the first places.
    this.#response.output = this.#response.output.filter((item) => item !== undefined);
    this.#response.status = status;
    if (status === ResponseStatus.COMPLETED) this.#response.completedAt = this.#now();
    this.announce(out);
  }

  #closeSettled(out: ResponseEvent[]): void {
    for (const open of [...this.#open]) {
      if (open.item.kind.case !== 'gatewayCall' && open.settled)
        this.#close(open, ResponseStatus.COMPLETED, out);
    }
  }

  #close(open: OpenItem, status: ResponseStatus, out: ResponseEvent[]): void {
    for (const part of open.parts.values()) {
      if (!part.ended) this.#push(out, ...open.ended(part));
    }
    fill(open);
    if (this.#settled === open) this.#settled = null;
    this.#open = this.#open.filter((other) => other !== open);
    const { item } = open;
    item.status = status;
    this.#response.output[open.outputIndex] = item;
    this.#push(out, {
      case: 'itemEnded',
      value: { $typeName: 'llmgateway.v1.ItemEnded', outputIndex: open.outputIndex, item },
    });
  }

  /** An event of the provider's own about one of its items, with that item's number here. */
  #placed(json: string): string {
    const event = JSON.parse(json) as Record<string, unknown>;
    const place = this.#places.get(String(event['item_id'] ?? ''));
    return place === undefined ? json : JSON.stringify({ ...event, output_index: place });
  }

  #snapshot(): Response {
    return { ...this.#response, output: this.#response.output.filter((item) => item !== undefined) };
  }

  #push(out: ResponseEvent[], ...events: EventKind[]): void {
    for (const event of events) {
      out.push({ $typeName: 'llmgateway.v1.ResponseEvent', sequenceNumber: this.#number++, event });
    }
  }
}
