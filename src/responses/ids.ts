import { randomUUID } from 'node:crypto';

const hex = (): string => randomUUID().replaceAll('-', '');

export const newResponseId = (): string => `resp_${hex()}`;
export const newConversationId = (): string => `conv_${hex()}`;
/** An id of an item that belongs to no response. */
export const newItemId = (prefix: string): string => `${prefix}_${hex()}`;

const responseId = /^resp_[0-9a-f]{32}$/;
const conversationId = /^conv_[0-9a-f]{32}$/;

/** Whether an id can be one that the gateway gave. */
export const isResponseId = (id: string): boolean => responseId.test(id);
export const isConversationId = (id: string): boolean => conversationId.test(id);

/** Gives the items of a response ids that say whose they are. */
export function itemIds(response: string, from = 0): (prefix: string) => string {
  const own = response.slice('resp_'.length);
  let count = from;
  return (prefix) => `${prefix}_${own}${(count++).toString(16).padStart(4, '0')}`;
}

/** The first number that none of the items of a response has. @param itemIds theirs, and others */
export function nextItemNumber(response: string, itemIds: readonly string[]): number {
  let next = 0;
  for (const id of itemIds) {
    if (responseOfItem(id) === response) next = Math.max(next, Number.parseInt(id.slice(-4), 16) + 1);
  }
  return next;
}

/** The response that an item belongs to by its id; null for an id that another gave. */
export function responseOfItem(itemId: string): string | null {
  const [, own] = /^[a-z]+_([0-9a-f]{32})[0-9a-f]{4}$/.exec(itemId) ?? [];
  return own === undefined ? null : `resp_${own}`;
}
