import { Buffer } from 'node:buffer';
import { fromBinary, toBinary } from '@bufbuild/protobuf';
import type { ReasoningPart } from '../../../gen/llmgateway/v1/message_pb.js';
import { type ReasoningItem, ReasoningItemSchema } from '../../../gen/llmgateway/v1/responses_service_pb.js';
import { reasoningItem } from '../../model/build-responses.ts';
import { stateFormat } from './dialect.ts';

// Clients of this API that keep their own history send reasoning back as `encrypted_content`, which they do not look into. So that other
// providers' signed and encrypted reasoning survives that, it travels there whole.

const prefix = 'llmgateway.v1.';

const isForeign = ({ format, signature, encrypted }: ReasoningPart): boolean =>
  format !== stateFormat && (signature !== '' || encrypted !== '');

/** What stands in `encrypted_content` for an item: OpenAI's own, or another provider's state, wrapped; '' for none. */
export function wrapState(item: ReasoningItem): string {
  const { parts, encryptedContent, shownAsSummary } = item;
  if (encryptedContent !== '' || !parts.some(isForeign)) return encryptedContent;
  const whole = reasoningItem(parts, '', shownAsSummary);
  return prefix + Buffer.from(toBinary(ReasoningItemSchema, whole)).toString('base64');
}

/** What another provider thought, as it was wrapped; null for what is OpenAI's own or was changed on the way. */
export function unwrapState(encryptedContent: string): ReasoningItem | null {
  if (!encryptedContent.startsWith(prefix)) return null;
  try {
    return fromBinary(ReasoningItemSchema, Buffer.from(encryptedContent.slice(prefix.length), 'base64'));
  } catch {
    return null;
  }
}
