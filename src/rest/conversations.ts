import { ErrorReason } from '../../gen/llmgateway/v1/error_pb.js';
import type { Conversation } from '../../gen/llmgateway/v1/responses_service_pb.js';
import { readArray } from '../codec/fields.ts';
import { readMetadata } from '../codec/openai-parameters.ts';
import { decodeItem } from '../codec/openai-responses/decode-item.ts';
import { encodeItem } from '../codec/openai-responses/encode-item.ts';
import { GatewayError } from '../errors/gateway-error.ts';
import type { Conversations } from '../responses/conversations.ts';
import { checkItems } from '../rpc/check-response.ts';
import { type Exchange, type RestHandler, readMembers, sendJson, unescaped } from './exchange.ts';
import { encodePage, pageQuery } from './responses.ts';

/** What the routes of conversations are made of. */
export interface ConversationRoutes {
  readonly conversations: Conversations;
  /** Largest request body in bytes. */
  readonly maxBodyBytes: () => number;
}

const maxItems = 20;
const form = { complete: true, withState: true };

/** POST /v1/conversations. */
export const createConversation =
  ({ conversations, maxBodyBytes }: ConversationRoutes): RestHandler =>
  async (exchange) => {
    const body = await readMembers(exchange, maxBodyBytes(), ['metadata', 'items']);
    const { metadata = null, items = null } = body;
    const given = items === null ? [] : decodeItems(items);
    const made = await conversations.create(exchange.principal.tenant, labelsIn(metadata), given);
    sendJson(exchange, 200, encodeConversation(made));
  };

/** Everything below /v1/conversations/. */
export const oneConversation = (
  routes: ConversationRoutes,
): Readonly<Record<'GET' | 'POST' | 'DELETE', RestHandler>> => {
  const { conversations, maxBodyBytes } = routes;
  return {
    async GET(exchange) {
      const { id, hasItems, item } = placeOf(exchange);
      const tenant = exchange.principal.tenant;
      if (!hasItems) return sendJson(exchange, 200, encodeConversation(await conversations.get(tenant, id)));
      if (item !== '') {
        return sendJson(exchange, 200, encodeItem(await conversations.getItem(tenant, id, item), form));
      }
      const query = pageQuery(new URLSearchParams(exchange.query));
      sendJson(exchange, 200, encodePage(await conversations.listItems(tenant, id, query, 'after')));
    },
    async POST(exchange) {
      const { id, hasItems, item } = placeOf(exchange);
      if (item !== '') throw noRoute(exchange);
      const tenant = exchange.principal.tenant;
      const body = await readMembers(exchange, maxBodyBytes(), [hasItems ? 'items' : 'metadata']);
      if (hasItems) {
        const items = await conversations.addItems(tenant, id, decodeItems(body['items']));
        return sendJson(exchange, 200, encodePage({ items, hasMore: false }));
      }
      const { metadata = null } = body;
      const updated = await conversations.update(tenant, id, labelsIn(metadata));
      sendJson(exchange, 200, encodeConversation(updated));
    },
    async DELETE(exchange) {
      const { id, hasItems, item } = placeOf(exchange);
      const tenant = exchange.principal.tenant;
      if (item !== '') {
        const conversation = await conversations.deleteItem(tenant, id, item);
        return sendJson(exchange, 200, encodeConversation(conversation));
      }
      if (hasItems) throw noRoute(exchange);
      await conversations.delete(tenant, id);
      sendJson(exchange, 200, `{"id":${JSON.stringify(id)},"object":"conversation.deleted","deleted":true}`);
    },
  };
};

function decodeItems(value: unknown) {
  const items = readArray(value, 'items', maxItems).map((json, i) => decodeItem(json, `items[${i}]`));
  checkItems(items, 'items');
  return items;
}

const labelsIn = (metadata: unknown): Record<string, string> =>
  metadata === null ? {} : readMetadata(metadata, 'metadata');

const encodeConversation = ({ id, createdAt, metadata }: Conversation): string =>
  JSON.stringify({ id, object: 'conversation', created_at: createdAt, metadata });

/** `/conversations/{id}`, `/conversations/{id}/items` or `/conversations/{id}/items/{item}`. */
function placeOf(exchange: Exchange): {
  readonly id: string;
  readonly hasItems: boolean;
  readonly item: string;
} {
  const [id = '', verb = '', item = '', ...more] = exchange.path
    .replace(/^(\/v1)?\/conversations\//, '')
    .split('/')
    .map(unescaped);
  if ((verb !== '' && verb !== 'items') || more.length > 0) throw noRoute(exchange);
  return { id, hasItems: verb === 'items', item };
}

const noRoute = ({ path }: Exchange): GatewayError =>
  new GatewayError(ErrorReason.NOT_FOUND, `there is no route ${path.slice(0, 200)}`);
