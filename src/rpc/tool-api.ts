import { create } from '@bufbuild/protobuf';
import { ErrorReason } from '../../gen/llmgateway/v1/error_pb.js';
import {
  type ExecuteToolResponse,
  ExecuteToolResponseSchema,
  type GatewayTool,
  GatewayToolSchema,
} from '../../gen/llmgateway/v1/tool_service_pb.js';
import { isObject, type Json, parseJson } from '../codec/json.ts';
import { GatewayError } from '../errors/gateway-error.ts';
import type { Sessions } from '../sessions/sessions.ts';
import type { NewTool } from '../tools/new-tool.ts';
import { type RegisteredTools, toolNotFound } from '../tools/registered-tools.ts';
import type { ToolDefinition } from '../tools/tool.ts';
import type { Toolbox } from '../tools/toolbox.ts';
import { beginCall, type CallContext, type CallLimits } from './call-context.ts';
import { asServiceCall, type OnServiceCall } from './service-calls.ts';

/** A tool to run. */
export interface Execution {
  readonly name: string;
  /** JSON object text; '' for none. */
  readonly argumentsJson: string;
  /** Where the client wrote the arguments. */
  readonly argumentsField: string;
  /** Session whose context gives defaults; '' for none. */
  readonly sessionId: string;
}

/** ToolService as an object: RPC and REST call the same one. Rejects with GatewayError. */
export interface ToolApi {
  listTools(tenant: string): Promise<GatewayTool[]>;
  registerTool(tenant: string, tool: NewTool): Promise<GatewayTool>;
  deleteTool(tenant: string, name: string): Promise<void>;
  executeTool(tenant: string, wanted: Execution, context: CallContext): Promise<ExecuteToolResponse>;
}

export interface ToolApiOptions {
  readonly toolbox: Toolbox;
  readonly registered: RegisteredTools;
  readonly sessions: Sessions;
  /** Arguments of a tool with what a session's context says where they say nothing. */
  readonly withDefaults: (tool: string, args: Json, context: Json) => Json;
  readonly limits: CallLimits;
  /** Told of each tool that a client runs. */
  readonly onOver?: OnServiceCall;
}

export function toolApi({
  toolbox,
  registered,
  sessions,
  withDefaults,
  limits,
  onOver = () => {},
}: ToolApiOptions): ToolApi {
  /** What is no JSON object stays as it is: the check says so. */
  async function argumentsOf(tenant: string, wanted: Execution): Promise<string> {
    const { name, argumentsJson, sessionId } = wanted;
    if (sessionId === '') return argumentsJson;
    const { contextJson } = await sessions.get(tenant, sessionId, 'session_id');
    let args: unknown;
    try {
      args = argumentsJson === '' ? {} : parseJson(argumentsJson);
    } catch {
      return argumentsJson;
    }
    if (!isObject(args)) return argumentsJson;
    return JSON.stringify(withDefaults(name, args, JSON.parse(contextJson) as Json));
  }

  return {
    async listTools(tenant) {
      return (await toolbox.list(tenant)).map(toolMessage);
    },
    async registerTool(tenant, tool) {
      return toolMessage(await registered.register(tenant, tool));
    },
    deleteTool: (tenant, name) => registered.delete(tenant, name),
    executeTool(tenant, wanted, context) {
      const { name, argumentsField } = wanted;
      const call = { kind: 'tool', context, service: 'tools', operation: name } as const;
      return asServiceCall(call, onOver, async (_found, failed) => {
        const { signal, release } = beginCall(context, limits);
        try {
          const tool = await toolbox.find(tenant, name);
          if (tool === null) throw toolNotFound(name);
          const text = await argumentsOf(tenant, wanted);
          const run = { tenant, requestId: context.requestId, signal, trace: context.trace };
          const outcome = await toolbox.run(tool, text, run, 'client');
          switch (outcome.kind) {
            case 'bad_arguments':
              throw new GatewayError(ErrorReason.TOOL_ARGUMENTS_INVALID, outcome.message, {
                field: below(argumentsField, outcome.field),
              });
            case 'error':
              failed();
              return create(ExecuteToolResponseSchema, { name, error: outcome.message });
            default:
              return create(ExecuteToolResponseSchema, { name, resultJson: outcome.json, success: true });
          }
        } finally {
          release();
        }
      });
    },
  };
}

const below = (field: string, path: string): string =>
  path === '' || path.startsWith('[') ? `${field}${path}` : `${field}.${path}`;

const toolMessage = ({ name, description, parametersJson, source }: ToolDefinition): GatewayTool =>
  create(GatewayToolSchema, { name, description, parametersJson, source });
