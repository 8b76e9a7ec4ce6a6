import type { Extras } from '../../../gen/llmgateway/v1/message_pb.js';
import { isObject, membersAsExtras, membersOf } from '../json.ts';
import { dialectName } from './dialect.ts';

/** Unknown members as extras of this dialect. */
export const toExtras = (members: string): Extras => membersAsExtras(dialectName, members);

/** The members of extras of this dialect, as JSON; none of others'. */
export function ownJson(extras: Extras | undefined): Readonly<Record<string, unknown>> {
  const members = membersOf(dialectName, extras);
  if (members === '') return {};
  const json: unknown = JSON.parse(`{${members}}`);
  return isObject(json) ? json : {};
}
