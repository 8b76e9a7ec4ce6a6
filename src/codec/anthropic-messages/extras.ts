import type { Extras } from '../../../gen/llmgateway/v1/message_pb.js';
import { membersAsExtras, membersOf } from '../json.ts';
import { dialectName } from './dialect.ts';

/** Unknown members as extras of this dialect. `repeated`: keys of those that the model has fields for as well. */
export const toExtras = (members: string, repeated?: string[]): Extras =>
  membersAsExtras(dialectName, members, repeated);

/** The members of extras of this dialect; none of others'. */
export const ownMembers = (extras: Extras | undefined): string => membersOf(dialectName, extras);
