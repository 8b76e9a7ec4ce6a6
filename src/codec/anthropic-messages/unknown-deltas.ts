import type { OpaqueEvent } from '../../../gen/llmgateway/v1/completion_pb.js';
import type { UnknownMembers } from '../../model/assemble.ts';
import { isObject } from '../json.ts';
import { dialectName } from './dialect.ts';

/** Members of deltas that have an event of their own. */
const told: ReadonlySet<string> = new Set(['type', 'text', 'thinking', 'partial_json']);

/**
 * The unknown members of deltas in an opaque event of this dialect: those that a whole answer has in its blocks' extras. Blocks come one
 * after the other, so that a block's index is the number of its part.
 */
export function unknownDeltas({ dialect, json }: OpaqueEvent): UnknownMembers[] {
  if (dialect !== dialectName || !json.includes('"content_block_delta"')) return [];
  const frame: unknown = JSON.parse(json);
  if (!isObject(frame) || frame['type'] !== 'content_block_delta') return [];
  const { index, delta } = frame;
  if (typeof index !== 'number' || !isObject(delta)) return [];
  const members = Object.fromEntries(
    Object.entries(delta).filter(([key, value]) => !told.has(key) && value !== null),
  );
  return Object.keys(members).length === 0 ? [] : [{ choice: 0, part: index, members }];
}
