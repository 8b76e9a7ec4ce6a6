import { create, type DescMessage, type MessageShape } from '@bufbuild/protobuf';
import type { HandlerContext, ServiceImpl } from '@connectrpc/connect';
import {
  CancelResponseRequestSchema,
  CancelResponseResponseSchema,
  CompactResponseRequestSchema,
  CountInputTokensRequestSchema,
  CountInputTokensResponseSchema,
  CreateResponseRequestSchema,
  CreateResponseResponseSchema,
  DeleteResponseRequestSchema,
  DeleteResponseResponseSchema,
  GetResponseRequestSchema,
  GetResponseResponseSchema,
  ListInputItemsRequestSchema,
  ListInputItemsResponseSchema,
  type ResponseEvent,
  type ResponseParameters,
  type ResponsesService,
  ResumeResponseRequestSchema,
  StreamResponseRequestSchema,
} from '../../gen/llmgateway/v1/responses_service_pb.js';
import * as build from '../model/build.ts';
import type { ResponseEventStream } from '../responses/event-stream.ts';
import { pageOf } from '../responses/page.ts';
import { contextOf, failing, type OnFailure, tenantOf } from './call-context.ts';
import { checkResponseParameters } from './check-response.ts';
import { sendContext } from './context-metadata.ts';
import { type ResponseCallContext, type ResponsesApi, rpcFields } from './responses-api.ts';
import { singly } from './singly.ts';
import { validateMessage } from './validate.ts';

type Methods = ServiceImpl<typeof ResponsesService>;

/** The methods about responses; those about conversations are in conversations-service.ts. */
export type ResponseMethods = Pick<
  Methods,
  | 'createResponse'
  | 'streamResponse'
  | 'getResponse'
  | 'resumeResponse'
  | 'deleteResponse'
  | 'cancelResponse'
  | 'listInputItems'
  | 'countInputTokens'
  | 'compactResponse'
>;

/** ResponsesService for Connect, gRPC and gRPC-Web. */
export function responseMethods(api: ResponsesApi, onFailure: OnFailure): ResponseMethods {
  const callOf = (context: HandlerContext): ResponseCallContext => ({
    ...contextOf(context),
    tenant: tenantOf(context),
    fields: rpcFields,
  });

  async function answer<D extends DescMessage, T>(
    context: HandlerContext,
    schema: D,
    request: MessageShape<D>,
    make: (call: ResponseCallContext) => Promise<T>,
  ): Promise<T> {
    const call = callOf(context);
    const failed = failing(call, context, onFailure);
    try {
      validateMessage(schema, request);
      return await make(call);
    } catch (error) {
      throw failed(error);
    }
  }

  const stream = (
    context: HandlerContext,
    open: (call: ResponseCallContext) => Promise<ResponseEventStream>,
  ): AsyncIterableIterator<{ event: ResponseEvent }> => {
    const call = callOf(context);
    return singly(open(call), failing(call, context, onFailure), { told: (event) => ({ event }) });
  };

  return {
    createResponse: (request, context) =>
      answer(context, CreateResponseRequestSchema, request, async (call) => {
        const asked = request.parameters as ResponseParameters;
        checkResponseParameters(asked);
        return create(CreateResponseResponseSchema, { response: await api.createResponse(asked, call) });
      }),
    streamResponse: (request, context) =>
      stream(context, async (call) => {
        validateMessage(StreamResponseRequestSchema, request);
        const asked = request.parameters as ResponseParameters;
        checkResponseParameters(asked);
        return api.streamResponse(asked, call);
      }),
    getResponse: (request, context) =>
      answer(context, GetResponseRequestSchema, request, async ({ tenant }) =>
        create(GetResponseResponseSchema, { response: await api.getResponse(tenant, request.id) }),
      ),
    resumeResponse: (request, context) =>
      stream(context, async (call) => {
        validateMessage(ResumeResponseRequestSchema, request);
        const { id, startingAfter } = request;
        return api.resumeResponse(id, startingAfter === undefined ? 0 : startingAfter + 1, call);
      }),
    deleteResponse: (request, context) =>
      answer(context, DeleteResponseRequestSchema, request, async ({ tenant }) => {
        await api.deleteResponse(tenant, request.id);
        return create(DeleteResponseResponseSchema);
      }),
    cancelResponse: (request, context) =>
      answer(context, CancelResponseRequestSchema, request, async (call) =>
        create(CancelResponseResponseSchema, { response: await api.cancelResponse(request.id, call) }),
      ),
    listInputItems: (request, context) =>
      answer(context, ListInputItemsRequestSchema, request, async ({ tenant }) => {
        const items = await api.listInputItems(tenant, request.responseId);
        const { limit = 0, after = '', ascending = false } = request.page ?? {};
        return create(
          ListInputItemsResponseSchema,
          pageOf(items, { limit: limit || 20, after, ascending }, 'page.after'),
        );
      }),
    countInputTokens: (request, context) =>
      answer(context, CountInputTokensRequestSchema, request, async (call) => {
        const asked = request.parameters as ResponseParameters;
        checkResponseParameters(asked);
        const report = build.callReport('', '');
        const { tokens: inputTokens, estimated } = await api.countInputTokens(asked, { ...call, report });
        sendContext(report, context.responseHeader);
        return create(CountInputTokensResponseSchema, { inputTokens, estimated });
      }),
    compactResponse: (request, context) =>
      answer(context, CompactResponseRequestSchema, request, (call) => {
        const asked = request.parameters as ResponseParameters;
        checkResponseParameters(asked);
        return api.compactResponse(asked, call);
      }),
  };
}
