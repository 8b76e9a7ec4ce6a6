import {
  type Item,
  ItemPartKind,
  type Response,
  type ResponseEvent,
  ResponseStatus,
} from '../../gen/llmgateway/v1/responses_service_pb.js';
import { type EventKind, isOwn, OpenItem, settle } from './open-item.ts';

/** What a log says of its response. */
export interface Rebuilt {
  /** The response in progress, with all its output; items that had not ended are incomplete. */
  readonly response: Response;
  /** What ends those items for whoever follows. */
  readonly endings: readonly EventKind[];
  /** How many items had begun. */
  readonly itemCount: number;
}

/** @param begun the response as it was stored when it began @param events its log, from the first on */
export function rebuilt(begun: Response, events: readonly ResponseEvent[]): Rebuilt {
  const output: Item[] = [...begun.output];
  const open = new Map<number, OpenItem>();
  let itemCount = output.length;
  for (const { event } of events) {
    switch (event.case) {
      case 'itemStarted': {
        const { outputIndex, item } = event.value;
        itemCount = Math.max(itemCount, outputIndex + 1);
        if (item !== undefined) open.set(outputIndex, begin(item, outputIndex));
        break;
      }
      case 'partStarted': {
        const { outputIndex, contentIndex, kind, part } = event.value;
        const item = open.get(outputIndex);
        if (part !== undefined) item?.started(item.open(placeOf(kind, contentIndex), part, kind));
        break;
      }
      case 'delta': {
        const { outputIndex, kind, delta } = event.value;
        const item = open.get(outputIndex);
        const part = item?.parts.get(placeOf(kind, delta?.part ?? 0));
        if (item !== undefined && part !== undefined && delta !== undefined) item.grown(part, delta);
        break;
      }
      case 'textEnded':
      case 'partEnded': {
        const { outputIndex, contentIndex, kind, part: whole } = event.value;
        const item = open.get(outputIndex);
        const part = item?.parts.get(placeOf(kind, contentIndex));
        if (item === undefined || part === undefined || whole === undefined) break;
        // The text ends before its part does.
        if (event.case === 'textEnded' && !isOwn(kind)) break;
        part.ended = true;
        settle(item.item, { ...part, part: whole });
        break;
      }
      case 'itemEnded':
        open.delete(event.value.outputIndex);
        if (event.value.item !== undefined) output[event.value.outputIndex] = event.value.item;
        break;
      default:
    }
  }
  const endings: EventKind[] = [];
  for (const one of open.values()) {
    for (const part of one.parts.values()) {
      if (part.ended) continue;
      endings.push(...one.ended(part));
      settle(one.item, part);
    }
    one.item.status = ResponseStatus.INCOMPLETE;
    output[one.outputIndex] = one.item;
    const value = {
      $typeName: 'llmgateway.v1.ItemEnded',
      outputIndex: one.outputIndex,
      item: one.item,
    } as const;
    endings.push({ case: 'itemEnded', value });
  }
  const whole = output.filter((item) => item !== undefined);
  return { response: { ...begun, output: whole, status: ResponseStatus.IN_PROGRESS }, endings, itemCount };
}

function begin(item: Item, outputIndex: number): OpenItem {
  const open = new OpenItem({ ...item }, outputIndex);
  if (item.kind.case === 'toolCall') {
    const call = { $typeName: 'llmgateway.v1.Part', content: item.kind } as const;
    const kind = item.kind.value.custom ? ItemPartKind.INPUT : ItemPartKind.ARGUMENTS;
    open.open(placeOf(kind, 0), call, kind);
  }
  return open;
}

/** A name for a part within its item: summaries are numbered apart. */
const placeOf = (kind: ItemPartKind, index: number): number =>
  index * 2 + (kind === ItemPartKind.SUMMARY ? 1 : 0);
