import { toBinary } from '@bufbuild/protobuf';
import { Role } from '../../gen/llmgateway/v1/message_pb.js';
import { type Item, ItemSchema } from '../../gen/llmgateway/v1/responses_service_pb.js';

/** Messages of the user's that are kept besides the summary, in bytes. */
const maxKeptBytes = 256 * 1024;

/** What the user said, as it was said: the newest first, as far as there is room. One that has none is left out, and older ones may still have some. */
export function userMessages(items: readonly Item[]): Item[] {
  const kept: Item[] = [];
  let room = maxKeptBytes;
  for (const item of items.toReversed()) {
    if (item.kind.case !== 'message' || item.kind.value.role !== Role.USER) continue;
    const size = toBinary(ItemSchema, item).length;
    if (size > room) continue;
    room -= size;
    kept.push(item);
  }
  return kept.reverse();
}

/** The items of an answer from its last compaction on, which stands for all before it; null when it has none. */
export function sinceCompaction(output: readonly Item[]): Item[] | null {
  const at = output.findLastIndex(({ kind }) => kind.case === 'opaque' && kind.value.type === 'compaction');
  return at < 0 ? null : output.slice(at);
}
