import { Buffer } from 'node:buffer';
import type { OpaquePart } from '../../../gen/llmgateway/v1/message_pb.js';
import * as build from '../../model/build.ts';
import { compactionOf } from '../../model/compaction.ts';
import { isObject, type Json, quote } from '../json.ts';

// What stands for a conversation that was compacted has an `encrypted_content` that clients do not look into. The gateway's own is a summary,
// which any model understands; a provider's can be read by that provider alone. OpenAI's stays as it is, others' say whose they are.

const ownPrefix = 'llmgateway.v1.compaction.';
const originPrefix = 'llmgateway.v1.of.';

/** The gateway's own compaction as members of an item, without its id. */
export const encodeCompaction = ({ text }: OpaquePart): string =>
  `"type":"compaction","encrypted_content":${quote(ownPrefix + Buffer.from(text).toString('base64'))}`;

/** The same read back; null for a provider's. */
export function decodeCompaction(json: Json): OpaquePart | null {
  const { encrypted_content: content } = json;
  if (typeof content !== 'string' || !content.startsWith(ownPrefix)) return null;
  return compactionOf(Buffer.from(content.slice(ownPrefix.length), 'base64').toString());
}

/** A compaction that a provider made, as clients and other providers see it. Other items stay as they are. */
export function ofProvider(item: OpaquePart, provider: string): OpaquePart {
  if (item.type !== 'compaction' || provider === 'openai') return item;
  return changed(item, (content) => `${originPrefix}${provider}.${content}`);
}

/** A compaction as the provider that made it wants it back; null when another provider made it. Other items stay as they are. */
export function forProvider(item: OpaquePart, provider: string): OpaquePart | null {
  if (item.type !== 'compaction') return item;
  const prefix = `${originPrefix}${provider}.`;
  const content = compactedIn(item);
  if (content.startsWith(prefix)) return changed(item, () => content.slice(prefix.length));
  return provider === 'openai' && !content.startsWith(originPrefix) ? item : null;
}

/** What a provider's compaction holds; '' for nothing. */
export function compactedIn({ json }: OpaquePart): string {
  const item: unknown = JSON.parse(json);
  const content = isObject(item) ? item['encrypted_content'] : undefined;
  return typeof content === 'string' ? content : '';
}

function changed(item: OpaquePart, change: (content: string) => string): OpaquePart {
  const json = { ...(JSON.parse(item.json) as object), encrypted_content: change(compactedIn(item)) };
  return build.opaque(item.dialect, item.type, JSON.stringify(json), item.text);
}
