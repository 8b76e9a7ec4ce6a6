import { type Item, ResponseStatus } from '../../gen/llmgateway/v1/responses_service_pb.js';
import { dialectName } from '../codec/openai-responses/dialect.ts';
import { encodeItem } from '../codec/openai-responses/encode-item.ts';
import { isCompaction } from '../model/compaction.ts';

/** What the ids of items begin with, by their kind. */
const prefixes: Readonly<Record<string, string>> = {
  message: 'msg',
  reasoning: 'rs',
  toolCall: 'fc',
  toolResult: 'fco',
  gatewayCall: 'mcp',
  opaque: 'it',
};

const prefixOf = ({ kind }: Item): string =>
  kind.case === 'opaque' && isCompaction(kind.value) ? 'cmp' : (prefixes[kind.case ?? 'opaque'] ?? 'it');

/** Items as they are kept: each has an id, and is complete. */
export const withIds = (items: readonly Item[], newId: (prefix: string) => string): Item[] =>
  items.map((item) => ({
    ...item,
    id: item.id === '' ? newId(prefixOf(item)) : item.id,
    status: item.status === ResponseStatus.UNSPECIFIED ? ResponseStatus.COMPLETED : item.status,
  }));

/**
 * Items of which each can be told by its id: one whose id another has already gets a new one.
 * @param taken ids of items that are not among these
 */
export function withDistinctIds(
  items: readonly Item[],
  newId: (prefix: string) => string,
  taken: Iterable<string> = [],
): Item[] {
  const ids = new Set(taken);
  return items.map((item) => {
    const distinct = ids.has(item.id) ? renamed(item, newId) : item;
    if (distinct.id !== '') ids.add(distinct.id);
    return distinct;
  });
}

/** The same item under a new id. */
export function renamed(item: Item, newId: (prefix: string) => string): Item {
  const { kind } = item;
  const id = newId(prefixOf(item));
  if (kind.case !== 'opaque' || kind.value.dialect !== dialectName) return { ...item, id };
  // It says its id itself, too.
  const { id: _, ...json } = JSON.parse(kind.value.json) as Record<string, unknown>;
  return { ...item, id, kind: { case: kind.case, value: { ...kind.value, json: JSON.stringify(json) } } };
}

/** Whether a client that gives an item means one that is there: it was told so, with or without the state of reasoning. */
export function isSame(given: Item, there: Item | undefined): boolean {
  if (there === undefined || given.id !== there.id) return false;
  const json = encodeItem(given, { complete: true, withState: true });
  return [true, false].some((withState) => json === encodeItem(there, { complete: true, withState }));
}
