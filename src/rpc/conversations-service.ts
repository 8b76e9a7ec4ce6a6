import { create, type DescMessage, type MessageShape } from '@bufbuild/protobuf';
import type { HandlerContext, ServiceImpl } from '@connectrpc/connect';
import {
  CreateConversationItemsRequestSchema,
  CreateConversationItemsResponseSchema,
  CreateConversationRequestSchema,
  CreateConversationResponseSchema,
  DeleteConversationItemRequestSchema,
  DeleteConversationItemResponseSchema,
  DeleteConversationRequestSchema,
  DeleteConversationResponseSchema,
  GetConversationItemRequestSchema,
  GetConversationItemResponseSchema,
  GetConversationRequestSchema,
  GetConversationResponseSchema,
  ListConversationItemsRequestSchema,
  ListConversationItemsResponseSchema,
  type ResponsesService,
  UpdateConversationRequestSchema,
  UpdateConversationResponseSchema,
} from '../../gen/llmgateway/v1/responses_service_pb.js';
import type { Conversations } from '../responses/conversations.ts';
import { contextOf, failing, type OnFailure, tenantOf } from './call-context.ts';
import { checkItems } from './check-response.ts';
import { validateMessage } from './validate.ts';

type Methods = ServiceImpl<typeof ResponsesService>;

/** The methods of ResponsesService about conversations. */
export type ConversationMethods = Pick<Methods, Extract<keyof Methods, `${string}Conversation${string}`>>;

/** */
export function conversationMethods(conversations: Conversations, onFailure: OnFailure): ConversationMethods {
  async function answer<D extends DescMessage, T>(
    context: HandlerContext,
    schema: D,
    request: MessageShape<D>,
    make: (tenant: string) => Promise<T>,
  ): Promise<T> {
    try {
      validateMessage(schema, request);
      return await make(tenantOf(context));
    } catch (error) {
      throw failing(contextOf(context), context, onFailure)(error);
    }
  }

  return {
    createConversation: (request, context) =>
      answer(context, CreateConversationRequestSchema, request, async (tenant) => {
        checkItems(request.items, 'items');
        const conversation = await conversations.create(tenant, request.metadata, request.items);
        return create(CreateConversationResponseSchema, { conversation });
      }),
    getConversation: (request, context) =>
      answer(context, GetConversationRequestSchema, request, async (tenant) =>
        create(GetConversationResponseSchema, { conversation: await conversations.get(tenant, request.id) }),
      ),
    updateConversation: (request, context) =>
      answer(context, UpdateConversationRequestSchema, request, async (tenant) => {
        const conversation = await conversations.update(tenant, request.id, request.metadata);
        return create(UpdateConversationResponseSchema, { conversation });
      }),
    deleteConversation: (request, context) =>
      answer(context, DeleteConversationRequestSchema, request, async (tenant) => {
        await conversations.delete(tenant, request.id);
        return create(DeleteConversationResponseSchema);
      }),
    createConversationItems: (request, context) =>
      answer(context, CreateConversationItemsRequestSchema, request, async (tenant) => {
        checkItems(request.items, 'items');
        const items = await conversations.addItems(tenant, request.conversationId, request.items);
        return create(CreateConversationItemsResponseSchema, { items });
      }),
    listConversationItems: (request, context) =>
      answer(context, ListConversationItemsRequestSchema, request, async (tenant) => {
        const { limit = 0, after = '', ascending = false } = request.page ?? {};
        const query = { limit: limit || 20, after, ascending };
        return create(
          ListConversationItemsResponseSchema,
          await conversations.listItems(tenant, request.conversationId, query, 'page.after'),
        );
      }),
    getConversationItem: (request, context) =>
      answer(context, GetConversationItemRequestSchema, request, async (tenant) => {
        const item = await conversations.getItem(tenant, request.conversationId, request.itemId);
        return create(GetConversationItemResponseSchema, { item });
      }),
    deleteConversationItem: (request, context) =>
      answer(context, DeleteConversationItemRequestSchema, request, async (tenant) => {
        const conversation = await conversations.deleteItem(tenant, request.conversationId, request.itemId);
        return create(DeleteConversationItemResponseSchema, { conversation });
      }),
  };
}
