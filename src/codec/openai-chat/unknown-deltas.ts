import type { OpaqueEvent } from '../../../gen/llmgateway/v1/completion_pb.js';
import type { UnknownMembers } from '../../model/assemble.ts';
import { isObject } from '../json.ts';
import { dialectName } from './dialect.ts';

/** The unknown members of deltas in an opaque event of this dialect: those that a whole answer has in its message's extras. */
export function unknownDeltas({ dialect, json }: OpaqueEvent): UnknownMembers[] {
  if (dialect !== dialectName || !json.includes('"choices"')) return [];
  const chunk: unknown = JSON.parse(json);
  const choices = isObject(chunk) && Array.isArray(chunk['choices']) ? chunk['choices'] : [];
  const found: UnknownMembers[] = [];
  for (const choice of choices) {
    if (!isObject(choice) || !isObject(choice['delta'])) continue;
    const index = typeof choice['index'] === 'number' ? choice['index'] : 0;
    // Fragments of calls that have no event would be calls without a name.
    const { tool_calls: _, ...members } = choice['delta'];
    if (Object.keys(members).length > 0) found.push({ choice: index, members });
  }
  return found;
}
