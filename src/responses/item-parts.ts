import { type Part, Role } from '../../gen/llmgateway/v1/message_pb.js';
import type { Item } from '../../gen/llmgateway/v1/responses_service_pb.js';
import { dialectName } from '../codec/openai-responses/dialect.ts';
import * as build from '../model/build.ts';
import { item as buildItem, reasoningItem } from '../model/build-responses.ts';
import { isCompaction } from '../model/compaction.ts';
import { isPrivate } from '../model/encrypted.ts';
import { isItem } from '../model/items.ts';
import { begunPicture } from '../model/picture-items.ts';
import { type OpenItem, type OpenPart, settle } from './open-item.ts';

// What the parts of an answer have to do with the items of a response.

/**
 * The item that a part begins.
 * @param newId makes an id with a prefix
 * @param wantsSummaries clients that ask for summaries look nowhere else, and only providers of this API make some
 */
export function itemFor(
  { content, itemId = '' }: Part,
  newId: (prefix: string) => string,
  wantsSummaries: boolean,
): Item {
  const id = (prefix: string): string => itemId || newId(prefix);
  switch (content.case) {
    case 'toolCall':
      return buildItem(id(content.value.custom ? 'ctc' : 'fc'), {
        case: 'toolCall',
        value: { ...content.value },
      });
    case 'reasoning': {
      const asSummary = wantsSummaries && !isPrivate(content.value.format);
      return buildItem(content.value.id || id('rs'), {
        case: 'reasoning',
        value: reasoningItem([], '', asSummary),
      });
    }
    case 'opaque':
      if (isItem(content))
        return buildItem(id(isCompaction(content.value) ? 'cmp' : 'it'), {
          case: 'opaque',
          value: content.value,
        });
      break;
    default:
  }
  return buildItem(id('msg'), {
    case: 'message',
    value: build.message(Role.ASSISTANT, [], { multipart: true }),
  });
}

/** What an item is when nothing has been said of it: a copy, since the item grows. */
export function beginningOf(kind: Item['kind']): Item['kind'] {
  switch (kind.case) {
    case 'message':
      return { case: kind.case, value: { ...kind.value, parts: [] } };
    case 'reasoning':
      return { case: kind.case, value: { ...kind.value, parts: [] } };
    case 'toolCall':
      return { case: kind.case, value: { ...kind.value } };
    case 'opaque':
      return { case: kind.case, value: begunPicture(kind.value) };
    default:
      return kind;
  }
}

/** Whether a part goes on with an open item. */
export function continues({ item }: OpenItem, { content, itemId = '' }: Part): boolean {
  const { kind } = item;
  if (content.case === 'toolCall' || isItem(content)) return false;
  if (content.case === 'reasoning') {
    return kind.case === 'reasoning' && content.value.id !== '' && content.value.id === item.id;
  }
  return kind.case === 'message' && (itemId === '' || itemId === item.id);
}

/** Adds what is only known at the end; what has grown stays. */
export function complete({ part }: OpenPart, final: Part): void {
  const { content } = part;
  if (content.case === 'reasoning' && final.content.case === 'reasoning') {
    // It has been told as what it began as.
    const { text, id, summary } = content.value;
    content.value = {
      ...content.value,
      ...final.content.value,
      text,
      summary,
      id: final.content.value.id || id,
    };
  } else if (content.case === 'toolCall' && final.content.case === 'toolCall') {
    content.value = { ...content.value, signature: final.content.value.signature || content.value.signature };
  } else if (content.case === 'opaque' && final.content.case === 'opaque') {
    content.value = final.content.value;
  } else if (content.case === 'audio' && final.content.case === 'audio') {
    const { source, transcript } = content.value;
    content.value = { ...final.content.value, source, transcript };
  }
  if (final.extras !== undefined && part.extras === undefined) part.extras = final.extras;
}

/** Puts what has been said into the item. */
export function fill({ item, contents }: OpenItem): void {
  for (const part of contents) settle(item, part);
}

/** What a provider was doing by itself when the response ended is not done any more. */
export function breakOff(item: Item): void {
  if (item.kind.case !== 'opaque' || item.kind.value.dialect !== dialectName) return;
  const { value } = item.kind;
  const json = JSON.parse(value.json) as Record<string, unknown>;
  if (json['status'] === undefined || json['status'] === 'completed') return;
  item.kind = { case: 'opaque', value: { ...value, json: JSON.stringify({ ...json, status: 'failed' }) } };
}
