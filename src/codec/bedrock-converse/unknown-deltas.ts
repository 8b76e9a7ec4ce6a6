import type { OpaqueEvent } from '../../../gen/llmgateway/v1/completion_pb.js';
import type { UnknownMembers } from '../../model/assemble.ts';
import { isObject, type Json } from '../json.ts';
import { dialectName } from './dialect.ts';

/**
 * The unknown members of the message and its blocks in an opaque event of this dialect: those that a whole answer has in their extras.
 * Blocks come one after the other, so that a block's index is the number of its part.
 */
export function unknownDeltas({ dialect, json }: OpaqueEvent): UnknownMembers[] {
  if (dialect !== dialectName) return [];
  const event: unknown = JSON.parse(json);
  if (!isObject(event)) return [];
  const { messageStart, contentBlockStart, contentBlockDelta } = event;
  if (isObject(messageStart)) return [{ choice: 0, members: messageStart }];
  const block = isObject(contentBlockStart) ? contentBlockStart : contentBlockDelta;
  if (!isObject(block) || typeof block['contentBlockIndex'] !== 'number') return [];
  const members = { ...((block['start'] ?? block['delta']) as Json) };
  // A piece of a call that never began.
  delete members['toolUse'];
  return Object.keys(members).length === 0 ? [] : [{ choice: 0, part: block['contentBlockIndex'], members }];
}
