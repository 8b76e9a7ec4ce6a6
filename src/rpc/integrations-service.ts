import { create } from '@bufbuild/protobuf';
import type { HandlerContext, ServiceImpl } from '@connectrpc/connect';
import {
  CallIntegrationRequestSchema,
  CallIntegrationResponseSchema,
  type IntegrationService,
  ListIntegrationsResponseSchema,
} from '../../gen/llmgateway/v1/integration_service_pb.js';
import { isObject, type Json, parseJson } from '../codec/json.ts';
import { invalidRequest } from '../errors/gateway-error.ts';
import * as build from '../model/build.ts';
import { tellSensitivity } from '../model/sensitivity-header.ts';
import { type CallContext, contextOf, failing, type OnFailure, rpcRoute } from './call-context.ts';
import { correlationHeader, correlationId } from './correlation.ts';
import type { IntegrationsApi } from './integrations-api.ts';
import { validateMessage } from './validate.ts';

function argumentsOf(text: string): Json {
  if (text.trim() === '') return {};
  let json: unknown;
  try {
    json = parseJson(text);
  } catch {
    json = null;
  }
  if (!isObject(json))
    throw invalidRequest('arguments_json', 'arguments_json has to be the text of a JSON object');
  return json;
}

/** IntegrationService for Connect, gRPC and gRPC-Web. */
export function integrationsService(
  api: IntegrationsApi,
  onFailure: OnFailure,
): ServiceImpl<typeof IntegrationService> {
  async function answer<T>(
    handler: HandlerContext,
    make: (context: CallContext) => Promise<T> | T,
  ): Promise<T> {
    const context = contextOf(handler);
    const failed = failing(context, handler, onFailure);
    handler.responseHeader.set(
      correlationHeader,
      correlationId(handler.requestHeader.get(correlationHeader)),
    );
    try {
      return await make(context);
    } catch (error) {
      throw failed(error);
    }
  }
  return {
    callIntegration: (request, handler) =>
      answer(handler, async (context) => {
        validateMessage(CallIntegrationRequestSchema, request);
        const { service, operation, argumentsJson } = request;
        const report = build.callReport('', '');
        const named = { ...context.named, route: rpcRoute(handler) };
        const own = { ...context, named, report };
        const resultJson = await api.call(service, operation, argumentsOf(argumentsJson), own);
        tellSensitivity(report.sensitivity, (name, value) => handler.responseHeader.set(name, value));
        return create(CallIntegrationResponseSchema, { resultJson });
      }),
    listIntegrations: (_request, handler) =>
      answer(handler, () => create(ListIntegrationsResponseSchema, { services: api.list() })),
    getServicesStatus: (_request, handler) => answer(handler, (context) => api.status(context)),
  };
}
