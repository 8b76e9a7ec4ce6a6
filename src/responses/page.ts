import type { Item } from '../../gen/llmgateway/v1/responses_service_pb.js';
import { invalidRequest } from '../errors/gateway-error.ts';

/** Which items of a list. */
export interface PageQuery {
  /** At most, 1 to 100. */
  readonly limit: number;
  /** Id of the item to start after; '' for none. */
  readonly after: string;
  /** Oldest first. */
  readonly ascending: boolean;
}

/** A page of items, and whether there are more. */
export interface Page {
  readonly items: Item[];
  readonly hasMore: boolean;
}

/**
 * @param all in order, the oldest first
 * @param field where the client wrote what to start after
 * @throws GatewayError INVALID_REQUEST when there is no such item
 */
export function pageOf(all: readonly Item[], { limit, after, ascending }: PageQuery, field: string): Page {
  const ordered = ascending ? [...all] : all.toReversed();
  const start = after === '' ? 0 : ordered.findIndex(({ id }) => id === after) + 1;
  if (after !== '' && start === 0) throw invalidRequest(field, `Invalid '${field}': there is no such item.`);
  return { items: ordered.slice(start, start + limit), hasMore: ordered.length > start + limit };
}
