import type { ServiceImpl } from '@connectrpc/connect';
import {
  CreateEmbeddingsRequestSchema,
  type EmbeddingsService,
} from '../../gen/llmgateway/v1/embeddings_service_pb.js';
import { contextOf, failing, type OnFailure } from './call-context.ts';
import { sendContext } from './context-metadata.ts';
import type { EmbeddingsApi } from './embeddings-api.ts';
import { validateMessage } from './validate.ts';

/** EmbeddingsService for Connect, gRPC and gRPC-Web. */
export function embeddingsService(
  api: EmbeddingsApi,
  onFailure: OnFailure,
): ServiceImpl<typeof EmbeddingsService> {
  return {
    async createEmbeddings(request, handlerContext) {
      const context = contextOf(handlerContext);
      const failed = failing(context, handlerContext, onFailure);
      try {
        validateMessage(CreateEmbeddingsRequestSchema, request);
        const response = await api.createEmbeddings(request, context);
        sendContext(response.callReport, handlerContext.responseHeader);
        return response;
      } catch (error) {
        throw failed(error);
      }
    },
  };
}
