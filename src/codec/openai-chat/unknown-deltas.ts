import type { OpaqueEvent } from '../../../gen/llmgateway/v1/completion_pb.js';
import type { UnknownMembers } from '../../model/assemble.ts';
import { isObject } from '../json.ts';
import { dialectName } from './dialect.ts';

/**
 * The unknown members of deltas in an opaque event of this dialect: those that a whole answer has in the extras of its message and of its
 * calls.
 */
export function unknownDeltas({ dialect, json }: OpaqueEvent): UnknownMembers[] {
  if (dialect !== dialectName || !json.includes('"choices"')) return [];
  const chunk: unknown = JSON.parse(json);
  const choices = isObject(chunk) && Array.isArray(chunk['choices']) ? chunk['choices'] : [];
  const found: UnknownMembers[] = [];
  for (const choice of choices) {
    if (!isObject(choice) || !isObject(choice['delta'])) continue;
    const index = typeof choice['index'] === 'number' ? choice['index'] : 0;
    const { tool_calls: calls, ...members } = choice['delta'];
    if (Object.keys(members).length > 0) found.push({ choice: index, members });
    for (const fragment of Array.isArray(calls) ? calls : []) {
      if (!isObject(fragment) || typeof fragment['index'] !== 'number') continue;
      const { index: call, ...unknown } = fragment;
      found.push({ choice: index, call: Number(call), members: unknown });
    }
  }
  return found;
}
