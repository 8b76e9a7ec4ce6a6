import type { OpaqueEvent } from '../../../gen/llmgateway/v1/completion_pb.js';
import type { UnknownMembers } from '../../model/assemble.ts';
import { isObject } from '../json.ts';
import { dialectName } from './dialect.ts';

/** The unknown members of messages in an opaque event of this dialect: those that a whole answer has in its message's extras. */
export function unknownDeltas({ dialect, json }: OpaqueEvent): UnknownMembers[] {
  if (dialect !== dialectName || !json.includes('"message"')) return [];
  const line: unknown = JSON.parse(json);
  const members = isObject(line) ? line['message'] : undefined;
  return isObject(members) ? [{ choice: 0, members }] : [];
}
