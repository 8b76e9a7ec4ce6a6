import type { CompactResponseResponse } from '../../../gen/llmgateway/v1/responses_service_pb.js';
import { quote, rest } from '../json.ts';
import { encodeItems } from './encode-response.ts';
import { encodeUsage } from './encode-usage.ts';
import { ownMembers } from './extras.ts';

/** A compacted conversation as JSON text. */
export const encodeCompacted = ({ id, createdAt, output, usage, extras }: CompactResponseResponse): string =>
  `{"id":${quote(id)},"object":"response.compaction","created_at":${createdAt},` +
  `"output":${encodeItems(output, true)},"usage":${encodeUsage(usage)}${rest(ownMembers(extras))}}`;
