import { create, type DescMessage, type MessageShape } from '@bufbuild/protobuf';
import type { HandlerContext, ServiceImpl } from '@connectrpc/connect';
import {
  type Answer,
  ChatRequestSchema,
  ChatResponseSchema,
  ContextualQueryRequestSchema,
  ContextualQueryResponseSchema,
  EmbedTextRequestSchema,
  EnhancedQueryRequestSchema,
  EnhancedQueryResponseSchema,
  type Prompt,
  QueryRequestSchema,
  QueryResponseSchema,
  type QueryService,
  StreamQueryRequestSchema,
  WorkflowQueryRequestSchema,
  WorkflowQueryResponseSchema,
} from '../../gen/llmgateway/v1/query_service_pb.js';
import * as build from '../model/build.ts';
import { cacheControl } from './cache-control.ts';
import { contextOf, failing, type OnFailure, rpcRoute } from './call-context.ts';
import type { ComposedQueries } from './composed-queries.ts';
import { sendContext } from './context-metadata.ts';
import { correlationHeader, correlationId } from './correlation.ts';
import type { QueryStream } from './query-answer.ts';
import type { QueryApi, QueryContext } from './query-api.ts';
import { singly } from './singly.ts';
import { validateMessage } from './validate.ts';

/** QueryService for Connect, gRPC and gRPC-Web. */
export function queryService(
  queries: QueryApi,
  composed: ComposedQueries,
  onFailure: OnFailure,
): ServiceImpl<typeof QueryService> {
  async function answer<Desc extends DescMessage, T>(
    schema: Desc,
    request: MessageShape<Desc>,
    handlerContext: HandlerContext,
    make: (context: QueryContext) => Promise<T>,
    kind = 'gw',
  ): Promise<T> {
    const context = queryContextOf(handlerContext, kind);
    const failed = failing(context, handlerContext, onFailure);
    handlerContext.responseHeader.set(correlationHeader, context.correlationId);
    try {
      validateMessage(schema, request);
      return await make(context);
    } catch (error) {
      throw failed(error);
    }
  }
  const told = (answered: Answer, { responseHeader }: HandlerContext): Answer => {
    sendContext(answered.callReport, responseHeader);
    return answered;
  };
  const promptOf = ({ query }: { query?: Prompt | undefined }, { requestHeader }: HandlerContext): Prompt => {
    const prompt = query as Prompt;
    const { forceRefresh } = cacheControl(requestHeader.get('cache-control') ?? undefined);
    return forceRefresh ? { ...prompt, forceRefresh } : prompt;
  };
  return {
    query: (request, handler) =>
      answer(
        QueryRequestSchema,
        request,
        handler,
        async (context) => {
          const prompt = promptOf(request, handler);
          const made = await (request.enhanced
            ? composed.enhanced(prompt, context)
            : queries.ask(prompt, context));
          return create(QueryResponseSchema, { answer: told(made, handler) });
        },
        request.enhanced ? 'enhanced' : 'gw',
      ),
    chat: (request, handler) =>
      answer(ChatRequestSchema, request, handler, async (context) =>
        create(ChatResponseSchema, {
          answer: told(await queries.ask(promptOf(request, handler), context), handler),
        }),
      ),
    streamQuery(request, handler) {
      const context = { ...queryContextOf(handler, 'gw'), report: build.callReport('', '') };
      const failed = failing(context, handler, onFailure);
      handler.responseHeader.set(correlationHeader, context.correlationId);
      const open = async (): Promise<QueryStream> => {
        validateMessage(StreamQueryRequestSchema, request);
        return queries.stream(promptOf(request, handler), context);
      };
      return singly(open(), failed, {
        onFirst: () => sendContext(context.report, handler.responseHeader),
        told: (piece) => piece,
      });
    },
    embedText: (request, handler) =>
      answer(EmbedTextRequestSchema, request, handler, async (context) => {
        const made = await queries.embed(request, context);
        sendContext(made.callReport, handler.responseHeader);
        return made;
      }),
    enhancedQuery: (request, handler) =>
      answer(
        EnhancedQueryRequestSchema,
        request,
        handler,
        async (context) =>
          create(EnhancedQueryResponseSchema, {
            answer: told(await composed.enhanced(promptOf(request, handler), context), handler),
          }),
        'enhanced',
      ),
    workflowQuery: (request, handler) =>
      answer(WorkflowQueryRequestSchema, request, handler, async (context) => {
        const { resultJson, report } = await composed.workflow(
          promptOf(request, handler),
          request.workflowType,
          context,
        );
        sendContext(report, handler.responseHeader);
        const { correlationId: correlation } = context;
        const made = create(WorkflowQueryResponseSchema, { resultJson, correlationId: correlation });
        made.callReport = report;
        return made;
      }),
    contextualQuery: (request, handler) =>
      answer(ContextualQueryRequestSchema, request, handler, async (context) =>
        create(ContextualQueryResponseSchema, {
          answer: told(await composed.contextual(promptOf(request, handler), context), handler),
        }),
      ),
  };
}

function queryContextOf(handler: HandlerContext, kind: string): QueryContext {
  const { requestHeader } = handler;
  const { noStore } = cacheControl(requestHeader.get('cache-control') ?? undefined);
  const correlation = correlationId(requestHeader.get(correlationHeader), kind);
  return {
    ...contextOf(handler),
    fieldsAt: 'query.',
    correlationId: correlation,
    named: { route: rpcRoute(handler), correlationId: correlation },
    ...(noStore ? { noStore } : {}),
  };
}
