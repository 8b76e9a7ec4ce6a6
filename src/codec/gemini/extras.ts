import type { Extras } from '../../../gen/llmgateway/v1/message_pb.js';
import { membersAsExtras } from '../json.ts';
import { dialectName } from './dialect.ts';

/** Unknown members as extras of this dialect. */
export const toExtras = (members: string): Extras => membersAsExtras(dialectName, members);
