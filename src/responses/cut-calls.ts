import { type Item, ResponseStatus } from '../../gen/llmgateway/v1/responses_service_pb.js';

/**
 * Items without the calls that were cut off, by a limit or by a client that left: their arguments are no JSON, and nobody answers them, so
 * providers refuse a conversation that has them. The thought that ended in such a call goes with it: some take none that leads to nothing.
 * One that the client answered stays.
 */
export function withoutCutCalls(items: readonly Item[]): Item[] {
  const kept: Item[] = [];
  const answered = new Set<string>();
  let leftOut = false;
  for (const item of items.toReversed()) {
    const { kind, status } = item;
    if (leftOut && kind.case === 'reasoning') continue;
    leftOut = false;
    if (kind.case === 'toolResult') answered.add(kind.value.toolCallId);
    if (kind.case === 'toolCall') {
      leftOut = status === ResponseStatus.INCOMPLETE && !answered.has(kind.value.id);
      // Some models number their calls in each turn.
      answered.delete(kind.value.id);
      if (leftOut) continue;
    }
    kept.push(item);
  }
  return kept.reverse();
}
