import {
  type CompactResponseResponse,
  type Item,
  ResponseStatus,
} from '../../../gen/llmgateway/v1/responses_service_pb.js';
import * as build from '../../model/build.ts';
import { itemsOf, messagesOf } from '../../model/items.ts';
import { isObject } from '../json.ts';
import { notUnderstood, type Upstream } from '../upstream-error.ts';
import { ofProvider } from './compaction.ts';
import { errorIn, upstreamError } from './decode-error.ts';
import { decodeOutput, ofOrigin } from './decode-response.ts';
import { decodeUsage } from './decode-usage.ts';
import { dialectName } from './dialect.ts';

/** Keys that the typed model has fields for. */
const known: ReadonlySet<string> = new Set(['id', 'object', 'created_at', 'output', 'usage']);

/**
 * A conversation as a provider has compacted it.
 * @throws GatewayError when it is an error, although the status said otherwise, or makes no sense
 */
export function decodeCompacted(json: unknown, { provider }: Upstream): CompactResponseResponse {
  if (!isObject(json)) throw notUnderstood(provider, 'it is not an object');
  const error = errorIn(json);
  if (error !== undefined) throw upstreamError(provider, error, 200);
  const { id, created_at: createdAt, output } = json;
  if (!Array.isArray(output)) throw notUnderstood(provider, 'it has no output');
  const others = Object.entries(json).filter(([key, value]) => !known.has(key) && value !== null);
  const usage = decodeUsage(json['usage']);
  return {
    $typeName: 'llmgateway.v1.CompactResponseResponse',
    id: typeof id === 'string' ? id : '',
    createdAt:
      typeof createdAt === 'number' && createdAt > 0 && createdAt <= 0xffff_ffff ? Math.floor(createdAt) : 0,
    output: decodeOutput(output, provider).flatMap((item) => itemsOfOrigin(item, provider)),
    ...(usage === undefined ? {} : { usage }),
    ...(others.length === 0
      ? {}
      : { extras: build.extras(dialectName, JSON.stringify(Object.fromEntries(others))) }),
  };
}

/** An item that says whose it is, as items of answers do. */
function itemsOfOrigin(item: Item, provider: string): Item[] {
  const status = item.status === ResponseStatus.UNSPECIFIED ? ResponseStatus.COMPLETED : item.status;
  const { kind } = item;
  if (kind.case === 'opaque')
    return [{ ...item, status, kind: { case: 'opaque', value: ofProvider(kind.value, provider) } }];
  if (kind.case !== 'reasoning') return [{ ...item, status }];
  const marked = messagesOf([item]).map((message) => ({
    ...message,
    parts: message.parts.map((part) => ofOrigin(part, provider)),
  }));
  return itemsOf(marked).map((own) => ({ ...own, status }));
}
