import { create } from '@bufbuild/protobuf';
import type { HandlerContext, ServiceImpl } from '@connectrpc/connect';
import {
  DeleteToolRequestSchema,
  DeleteToolResponseSchema,
  ExecuteToolRequestSchema,
  ListToolsRequestSchema,
  ListToolsResponseSchema,
  RegisterToolRequestSchema,
  RegisterToolResponseSchema,
  type ToolService,
} from '../../gen/llmgateway/v1/tool_service_pb.js';
import { type CallContext, contextOf, failing, type OnFailure, tenantOf } from './call-context.ts';
import type { ToolApi } from './tool-api.ts';
import { validateMessage } from './validate.ts';

/** ToolService for Connect, gRPC and gRPC-Web. */
export function toolService(api: ToolApi, onFailure: OnFailure): ServiceImpl<typeof ToolService> {
  async function answer<T>(
    handlerContext: HandlerContext,
    make: (tenant: string, context: CallContext) => Promise<T>,
  ): Promise<T> {
    const context = contextOf(handlerContext);
    const failed = failing(context, handlerContext, onFailure);
    try {
      return await make(tenantOf(handlerContext), context);
    } catch (error) {
      throw failed(error);
    }
  }
  return {
    listTools: (request, context) =>
      answer(context, async (tenant) => {
        validateMessage(ListToolsRequestSchema, request);
        return create(ListToolsResponseSchema, { tools: await api.listTools(tenant) });
      }),
    registerTool: (request, context) =>
      answer(context, async (tenant) => {
        validateMessage(RegisterToolRequestSchema, request);
        const { name, description, parametersJson, handler } = request;
        const tool = await api.registerTool(tenant, {
          name,
          description,
          parametersJson,
          parametersField: 'parameters_json',
          handler: {
            url: handler?.url ?? '',
            method: handler?.method ?? '',
            headers: handler?.headers ?? {},
            timeoutMs: handler?.timeoutMs ?? null,
          },
        });
        return create(RegisterToolResponseSchema, { tool });
      }),
    deleteTool: (request, context) =>
      answer(context, async (tenant) => {
        validateMessage(DeleteToolRequestSchema, request);
        await api.deleteTool(tenant, request.name);
        return create(DeleteToolResponseSchema);
      }),
    executeTool: (request, context) =>
      answer(context, (tenant, callContext) => {
        validateMessage(ExecuteToolRequestSchema, request);
        const { name, argumentsJson, sessionId } = request;
        const wanted = { name, argumentsJson, argumentsField: 'arguments_json', sessionId };
        return api.executeTool(tenant, wanted, callContext);
      }),
  };
}
