import { ToolSource } from '../../../gen/llmgateway/v1/tool_service_pb.js';
import { type Service, ServiceError } from '../../integrations/service.ts';
import type { Tool, ToolContext, ToolOutcome } from '../tool.ts';

/** Arguments of a tool, checked against its schema. */
export type Arguments = Readonly<Record<string, unknown>>;

/** Arguments of a tool as a JSON Schema. */
export interface Parameters {
  readonly properties: Readonly<Record<string, object>>;
  readonly required?: readonly string[];
}

/** What is asked of a service for a run. */
export interface Question {
  readonly method: 'GET' | 'POST';
  readonly path: string;
  /** Sent as JSON, its members in this order; those that are undefined are left out. */
  readonly body?: object;
}

/** A tool that asks a service. */
export interface ServiceTool {
  readonly name: string;
  readonly description: string;
  readonly parameters: Parameters;
  readonly service: Service;
  /** Breaker that its calls count for. */
  readonly breaker: string;
  /** Longest wait in milliseconds. Default: the service's. */
  readonly timeoutMs?: number;
  /** What is asked; an outcome where nothing has to be. */
  readonly ask: (args: Arguments) => Question | ToolOutcome;
  /** What the tool comes to with an answer. Default: the answer's own JSON text. */
  readonly answered?: (json: string) => string;
  /** What the tool comes to when the service gives no answer, or one that is no JSON. */
  readonly failed: (error: ServiceError, args: Arguments, timeoutMs: number) => ToolOutcome;
}

/** The service's own limit comes first, because it says more. In milliseconds. */
const grace = 1_000;

export const failedWith = (message: string): ToolOutcome => ({ kind: 'error', message });
export const resultOf = (value: unknown): ToolOutcome => ({ kind: 'result', json: JSON.stringify(value) });

/** The schema of arguments as JSON text. Arguments that it does not name are not forbidden by it: whoever checks decides. */
export const schemaText = ({ properties, required = [] }: Parameters): string =>
  JSON.stringify({ type: 'object', properties, ...(required.length === 0 ? {} : { required }) });

export function serviceTool(tool: ServiceTool): Tool {
  const { name, description, parameters, service, breaker, ask, answered, failed } = tool;
  const timeoutMs = tool.timeoutMs ?? service.timeoutMs;
  return {
    name,
    description,
    parametersJson: schemaText(parameters),
    source: ToolSource.BUILT_IN,
    timeoutMs: timeoutMs + grace,
    async run(args, context) {
      const question = ask(args);
      if ('kind' in question) return question;
      try {
        const json = await jsonOf(service, question, { breaker, timeoutMs }, context);
        return { kind: 'result', json: answered === undefined ? json : answered(json) };
      } catch (error) {
        if (error instanceof ServiceError) return failed(error, args, timeoutMs);
        throw error;
      }
    },
  };
}

async function jsonOf(
  service: Service,
  { method, path, body }: Question,
  limits: { readonly breaker: string; readonly timeoutMs: number },
  { requestId, signal, trace }: ToolContext,
): Promise<string> {
  const { text } = await service.call({
    method,
    path,
    ...limits,
    ...trace,
    ...(body === undefined ? {} : { json: JSON.stringify(body) }),
    requestId,
    signal,
  });
  try {
    JSON.parse(text);
  } catch {
    // The parser's own message quotes the text.
    throw new ServiceError('unavailable', `${service.name}: ${noJson}`, { reason: noJson });
  }
  return text;
}

/** Why an answer that came is of no use. */
export const noJson = 'its answer is not JSON';
