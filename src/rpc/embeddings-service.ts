import type { ServiceImpl } from '@connectrpc/connect';
import {
  CreateEmbeddingsRequestSchema,
  type EmbeddingsService,
} from '../../gen/llmgateway/v1/embeddings_service_pb.js';
import { toGatewayError } from '../errors/gateway-error.ts';
import { contextOf } from './call-context.ts';
import type { EmbeddingsApi } from './embeddings-api.ts';
import { validateMessage } from './validate.ts';

/** EmbeddingsService for Connect, gRPC and gRPC-Web. */
export function embeddingsService(api: EmbeddingsApi): ServiceImpl<typeof EmbeddingsService> {
  return {
    async createEmbeddings(request, handlerContext) {
      const context = contextOf(handlerContext);
      try {
        validateMessage(CreateEmbeddingsRequestSchema, request);
        return await api.createEmbeddings(request, context);
      } catch (error) {
        throw toGatewayError(error).withDetails(context.requestId);
      }
    },
  };
}
