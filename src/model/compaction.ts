import { type Message, type OpaquePart, type Part, Role } from '../../gen/llmgateway/v1/message_pb.js';
import * as build from './build.ts';

/** Name, in opaque parts, of what the gateway itself makes and no dialect has. */
export const gatewayDialect = 'llmgateway';

/** A conversation that the gateway compacted: an opaque part whose text is the summary. */
export const compactionOf = (summary: string): OpaquePart =>
  build.opaque(gatewayDialect, 'compaction', '{}', summary);

export const isCompaction = ({ dialect, type }: OpaquePart): boolean =>
  dialect === gatewayDialect && type === 'compaction';

const introduction =
  'What was said before was compacted. This is a summary of the conversation so far, made by a model; go on from it:';

/** The same as a model is told of it. */
export const messageOfCompaction = ({ text }: OpaquePart): Message =>
  build.message(Role.USER, [build.textPart(`${introduction}\n\n${text}`)]);

const isOfApi = ({ content }: Part, type: string): boolean =>
  content.case === 'opaque' && content.value.dialect === 'openai.responses' && content.value.type === type;

/** Whether a part is a compaction that only the provider that made it can read. */
export const isProvidersCompaction = (part: Part): boolean => isOfApi(part, 'compaction');

/** Whether a part is the item that asks for the conversation before it to be compacted. */
export const isTrigger = (part: Part): boolean => isOfApi(part, 'compaction_trigger');
