import { type Item, ResponseStatus } from '../../gen/llmgateway/v1/responses_service_pb.js';

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
