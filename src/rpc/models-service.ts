import { create } from '@bufbuild/protobuf';
import type { HandlerContext, ServiceImpl } from '@connectrpc/connect';
import {
  GetModelRequestSchema,
  GetModelResponseSchema,
  ListModelsRequestSchema,
  ListModelsResponseSchema,
  ListProvidersResponseSchema,
  type ModelsService,
} from '../../gen/llmgateway/v1/models_service_pb.js';
import { toGatewayError } from '../errors/gateway-error.ts';
import { principalKey } from './call-context.ts';
import type { ModelsApi } from './models-api.ts';
import { validateMessage } from './validate.ts';

/** ModelsService for Connect, gRPC and gRPC-Web. */
export function modelsService(api: ModelsApi): ServiceImpl<typeof ModelsService> {
  return {
    listModels: (request, context) =>
      answer(context, () => {
        validateMessage(ListModelsRequestSchema, request);
        return create(ListModelsResponseSchema, { models: api.listModels(request, principalOf(context)) });
      }),
    getModel: (request, context) =>
      answer(context, () => {
        validateMessage(GetModelRequestSchema, request);
        return create(GetModelResponseSchema, {
          model: api.getModel(request.id, 'id', principalOf(context)),
        });
      }),
    listProviders: (_request, context) =>
      answer(context, () =>
        create(ListProvidersResponseSchema, { providers: api.listProviders(principalOf(context)) }),
      ),
  };
}

const principalOf = ({ values }: HandlerContext) => values.get(principalKey);

function answer<T>(context: HandlerContext, make: () => T): T {
  try {
    return make();
  } catch (error) {
    throw toGatewayError(error).withDetails(context.requestHeader.get('x-request-id') ?? '');
  }
}
