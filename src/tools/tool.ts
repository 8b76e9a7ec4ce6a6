import type { Part } from '../../gen/llmgateway/v1/message_pb.js';
import type { ToolSource } from '../../gen/llmgateway/v1/tool_service_pb.js';
import type { TraceContext } from '../observability/trace.ts';

/** What is told of a tool: to models, and to clients that ask for the list. */
export interface ToolDefinition {
  /** Unique in the gateway: letters, digits, "_" and "-", 1 to 64 characters, as providers want it. */
  readonly name: string;
  readonly description: string;
  /** JSON Schema of the arguments, as JSON text; its root is of type "object". */
  readonly parametersJson: string;
  readonly source: ToolSource;
}

/** What a run of a tool belongs to. */
export interface ToolContext {
  readonly tenant: string;
  /** Id of the client's request. */
  readonly requestId: string;
  /** Aborts when the client leaves or its deadline passes; the tool stops then, and rejects with the signal's reason. */
  readonly signal: AbortSignal;
  /** Trace context of the client's request, as `readTrace` gives it; it is handed on to services. */
  readonly trace?: TraceContext | undefined;
}

/** What a tool came to. A tool that fails is an outcome, not an exception: the model, or the client, is told the text. */
export type ToolOutcome =
  | {
      readonly kind: 'result';
      /** The result as JSON text, as the tool gave it: the gateway does not interpret it. */
      readonly json: string;
      /** The result as a model reads it, where that is more than the JSON text: pictures, say. */
      readonly parts?: readonly Part[];
    }
  | { readonly kind: 'error'; readonly message: string };

/** Something that the gateway can run. */
export interface Tool extends ToolDefinition {
  /** Longest run in milliseconds; the general bound where it is not set. */
  readonly timeoutMs?: number;
  /**
   * Runs it. The arguments have been checked against the schema. For tools that are not built in, numbers that a double cannot hold are
   * there as their text (JSON.rawJSON), which JSON.stringify writes as it came. Rejects only with what `context.signal` aborts with; everything else that
   * can go wrong is an outcome.
   */
  run(args: Readonly<Record<string, unknown>>, context: ToolContext): Promise<ToolOutcome>;
}

/** Where tools come from: the gateway itself, a store, MCP servers. */
export interface ToolProvider {
  /** All of its tools that a tenant may see, as far as they are known now; a source that is out of reach does not delay the list. */
  list(tenant: string): Promise<readonly Tool[]>;
  find(tenant: string, name: string): Promise<Tool | null>;
}
