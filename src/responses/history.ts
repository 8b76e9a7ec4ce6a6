import type { Item, ResponseParameters } from '../../gen/llmgateway/v1/responses_service_pb.js';
import { sinceCompaction } from './compacted.ts';
import { conversationNotFound, itemNotFound, previousNotFound, previousNotOver } from './errors.ts';
import { isConversationId, isResponseId, responseOfItem } from './ids.ts';
import { decodeBody, decodeItems } from './items.ts';
import type { ResponseStore } from './store.ts';
import { isSame } from './with-ids.ts';

/** Names of fields as the client wrote them. */
export interface FieldNames {
  readonly previous: string;
  readonly conversation: string;
  readonly input: string;
  readonly store: string;
  readonly stream: string;
  readonly after: string;
}

/** What a request goes on from. */
export interface Context {
  /** Items before the new ones. */
  readonly history: Item[];
  /** The new ones, with those that were only referred to. */
  readonly input: Item[];
  /** The store was asked, and has answered. */
  readonly asked: boolean;
}

/**
 * The items that a request goes on from, and its own with references replaced by what they stand for, and with the state of
 * reasoning that they name by its id.
 * @throws GatewayError PREVIOUS_RESPONSE_NOT_FOUND, NOT_FOUND, INVALID_REQUEST, DEPENDENCY_UNAVAILABLE
 */
export async function resolveContext(
  store: ResponseStore,
  tenant: string,
  asked: ResponseParameters,
  fields: FieldNames,
): Promise<Context> {
  const history = await historyOf(store, tenant, asked, fields);
  let wasAsked = asked.previousResponseId !== '' || asked.conversationId !== '';
  const before = new Map<string, Item>();
  for (const item of history) if (item.id !== '') before.set(item.id, item);
  const known = new Map(before);
  const find = async (id: string): Promise<Item | undefined> => {
    const found = known.get(id);
    if (found !== undefined) return found;
    wasAsked = true;
    return findItem(store, tenant, id, known);
  };
  const input: Item[] = [];
  for (const [i, item] of asked.input.entries()) {
    if (item.kind.case !== 'reference') {
      if (item.id !== '' && isSame(item, before.get(item.id))) continue;
      const whole = asked.store !== false && lacksState(item) ? await find(item.id) : undefined;
      input.push(whole?.kind.case === 'reasoning' ? whole : item);
      continue;
    }
    const { id } = item.kind.value;
    const found = await find(id);
    if (found === undefined) throw itemNotFound(id, `${fields.input}[${i}].id`);
    // What is in the history already is not said twice.
    if (!history.includes(found)) input.push(found);
  }
  return { history, input, asked: wasAsked };
}

/** Reasoning that is sent back without what only its provider can read: its id stands for that. */
const lacksState = ({ id, kind }: Item): boolean =>
  id !== '' &&
  kind.case === 'reasoning' &&
  kind.value.encryptedContent === '' &&
  kind.value.parts.every(({ signature, encrypted }) => signature === '' && encrypted === '');

async function historyOf(
  store: ResponseStore,
  tenant: string,
  { previousResponseId: previous, conversationId: conversation }: ResponseParameters,
  fields: FieldNames,
): Promise<Item[]> {
  if (previous !== '') {
    const stored = isResponseId(previous) ? await store.read(tenant, previous) : null;
    if (stored === null) throw previousNotFound(previous, fields.previous);
    if (stored.open) throw previousNotOver(previous, fields.previous);
    const { output } = decodeBody(stored.body);
    return sinceCompaction(output) ?? [...decodeItems(stored.input), ...output];
  }
  if (conversation !== '') {
    const items = isConversationId(conversation) ? await store.conversationItems(tenant, conversation) : null;
    if (items === null) throw conversationNotFound(conversation, fields.conversation);
    return decodeItems(items.map(({ body }) => body));
  }
  return [];
}

/** An item of any stored response. All of that response's are then known. */
async function findItem(
  store: ResponseStore,
  tenant: string,
  id: string,
  known: Map<string, Item>,
): Promise<Item | undefined> {
  const response = responseOfItem(id) ?? (await store.findItem(tenant, id));
  const stored = response === null ? null : await store.read(tenant, response);
  if (stored === null) return undefined;
  for (const item of [...decodeItems(stored.input), ...decodeBody(stored.body).output]) {
    if (item.id !== '' && !known.has(item.id)) known.set(item.id, item);
  }
  return known.get(id);
}
