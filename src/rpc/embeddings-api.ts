import type {
  CreateEmbeddingsRequest,
  CreateEmbeddingsResponse,
} from '../../gen/llmgateway/v1/embeddings_service_pb.js';
import * as build from '../model/build.ts';
import type { Handler } from '../pipeline/call.ts';
import { beginCall, type CallContext, type CallLimits } from './call-context.ts';

/** EmbeddingsService as an object: RPC and REST call the same one. Rejects with GatewayError. */
export interface EmbeddingsApi {
  createEmbeddings(request: CreateEmbeddingsRequest, context: CallContext): Promise<CreateEmbeddingsResponse>;
}

export function embeddingsApi(handle: Handler, limits: CallLimits): EmbeddingsApi {
  return {
    async createEmbeddings(request, context) {
      const { signal, deadline, release } = beginCall(context, limits);
      try {
        const reply = await handle({
          kind: 'embeddings',
          id: context.requestId,
          face: context.face,
          principal: context.principal,
          stream: false,
          signal,
          deadline,
          trace: context.trace,
          named: context.named,
          faceSecurity: context.faceSecurity,
          secureModels: context.secureModels,
          chosen: context.chosen,
          request,
          route: null,
          report: context.report ?? build.callReport('', ''),
        });
        if (reply.kind !== 'embeddings') throw new Error('an embeddings call was answered with no vectors');
        return reply.response;
      } finally {
        release();
      }
    },
  };
}
