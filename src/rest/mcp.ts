import {
  type CallToolResult,
  createMcpHandler,
  ProtocolError,
  ProtocolErrorCode,
  Server,
} from '@modelcontextprotocol/server';
import { ErrorReason } from '../../gen/llmgateway/v1/error_pb.js';
import { ToolSource } from '../../gen/llmgateway/v1/tool_service_pb.js';
import { LightSignal } from '../base/light-signal.ts';
import { isObject, parseJson } from '../codec/json.ts';
import { GatewayError, toGatewayError } from '../errors/gateway-error.ts';
import { beginCall, type CallContext, type CallLimits } from '../rpc/call-context.ts';
import { asServiceCall, type OnServiceCall } from '../rpc/service-calls.ts';
import type { Tool, ToolContext, ToolDefinition } from '../tools/tool.ts';
import type { CheckedOutcome, Toolbox } from '../tools/toolbox.ts';
import { clientOf, type Exchange, header, type RestHandler, readJson } from './exchange.ts';
import { sendResponse } from './web-response.ts';

/** What the MCP face is made of. */
export interface McpRouteOptions {
  readonly toolbox: Toolbox;
  /** Which tools are offered: all but those of MCP servers, all, or none: then the route is not there. */
  readonly expose: () => 'own' | 'all' | 'none';
  /** Largest request body in bytes. */
  readonly maxBodyBytes: () => number;
  readonly limits: CallLimits;
  /** Name and version that clients are told. */
  readonly service: string;
  readonly version: string;
  /** Told of faults of the gateway itself, of which the client learns no more than that. */
  readonly onFault: (error: Error, requestId: string) => void;
  /** Told of each tool that a client runs. */
  readonly onOver?: OnServiceCall;
  /** Told of messages that the protocol does not allow. */
  readonly onRefused: (error: Error, requestId: string) => void;
}

/**
 * POST /mcp: the gateway's tools for MCP clients, on streamable HTTP. Without sessions, so that each request may go to another gateway; GET and
 * DELETE, which are about sessions, are not served. The SDK speaks the protocol: all revisions that have it.
 */
export function mcpEndpoint(options: McpRouteOptions): RestHandler {
  return async (exchange) => {
    if (options.expose() === 'none') throw new GatewayError(ErrorReason.NOT_FOUND, 'there is no route /mcp');
    const context = { requestId: exchange.requestId, face: 'mcp', ...clientOf(exchange) };
    const parsedBody = await readJson(exchange, options.maxBodyBytes());
    const call = beginCall(context, options.limits);
    const of: ToolContext = {
      tenant: exchange.principal.tenant,
      requestId: exchange.requestId,
      signal: call.signal,
      trace: context.trace,
    };
    // Of the reasons to abort only this one leaves nobody to answer.
    const leaving = new AbortController();
    const unwatch = context.client((reason) => leaving.abort(reason));
    const handler = createMcpHandler(() => createServer(options, of, context), {
      onerror: (error) => options.onRefused(error, exchange.requestId),
      // The list of tools is not announced as one that changes; without that there is nothing to subscribe to.
      maxSubscriptions: 0,
    });
    try {
      const response = await Promise.race([
        handler.fetch(webRequest(exchange, leaving.signal), { parsedBody }),
        aborted(leaving.signal),
      ]);
      await sendResponse(exchange, response, leaving.signal);
    } finally {
      unwatch();
      call.release();
      await handler.close();
    }
  };
}

/** The head alone: the body has been read. */
function webRequest(exchange: Exchange, signal: AbortSignal): Request {
  const headers = new Headers();
  for (const name of ['accept', 'content-type', 'mcp-protocol-version', 'mcp-method', 'mcp-name']) {
    const value = header(exchange, name);
    if (value !== undefined) headers.set(name, value);
  }
  return new Request('http://gateway/mcp', { method: 'POST', headers, signal });
}

function aborted(signal: AbortSignal): Promise<never> {
  const promise = new Promise<never>((_resolve, reject) => {
    const onAbort = (): void => reject(signal.reason);
    if (signal.aborted) onAbort();
    else signal.addEventListener('abort', onAbort, { once: true });
  });
  promise.catch(() => {});
  return promise;
}

function createServer(options: McpRouteOptions, context: ToolContext, client: CallContext): Server {
  const { toolbox, expose, service, version, onOver = () => {} } = options;
  const server = new Server({ name: service, version }, { capabilities: { tools: {} } });
  const offered = ({ source }: ToolDefinition): boolean => expose() === 'all' || source !== ToolSource.MCP;
  /** Errors of the gateway have codes that mean something else in JSON-RPC. */
  const told = async <T>(promise: Promise<T>): Promise<T> => {
    try {
      return await promise;
    } catch (cause) {
      const { rawMessage, reason, reasonName } = toGatewayError(cause);
      const fault = cause instanceof GatewayError && cause.cause instanceof Error ? cause.cause : cause;
      if (reason === ErrorReason.INTERNAL && fault instanceof Error)
        options.onFault(fault, context.requestId);
      throw new ProtocolError(ProtocolErrorCode.InternalError, rawMessage, { reason: reasonName });
    }
  };
  server.setRequestHandler('tools/list', async () => {
    const tools = await told(toolbox.list(context.tenant));
    return { tools: tools.filter(offered).map(listed) };
  });
  server.setRequestHandler('tools/call', async ({ params }, { mcpReq }) => {
    const called = { kind: 'tool', context: client, service: 'tools', operation: params.name } as const;
    let unknown = '';
    const run = asServiceCall(called, onOver, async (_found, failed) => {
      const tool = await toolbox.find(context.tenant, params.name);
      if (tool === null || !offered(tool)) {
        unknown = `Unknown tool: ${params.name.slice(0, 200).toWellFormed()}`;
        throw new GatewayError(ErrorReason.NOT_FOUND, unknown);
      }
      // The SDK's own reason would be taken for a fault.
      const signal = new LightSignal();
      const unfollow = signal.follow(context.signal);
      const cancel = (): void =>
        signal.abort(new GatewayError(ErrorReason.CANCELLED, 'the client has cancelled the call'));
      mcpReq.signal.addEventListener('abort', cancel, { once: true });
      const args = JSON.stringify(params.arguments ?? {});
      try {
        const outcome = await toolbox.run(tool, args, { ...context, signal });
        if (outcome.kind !== 'result') failed();
        return resultOf(tool, outcome);
      } finally {
        unfollow();
      }
    });
    try {
      return await told(run);
    } catch (error) {
      throw unknown === '' ? error : new ProtocolError(ProtocolErrorCode.InvalidParams, unknown);
    }
  });
  return server;
}

type ListedTool = { name: string; description: string; inputSchema: { type: 'object' } };

/** Tools stay the same objects until their source changes: there may be thousands. */
const listings = new WeakMap<ToolDefinition, ListedTool>();

function listed(tool: ToolDefinition): ListedTool {
  let listing = listings.get(tool);
  if (listing === undefined) {
    const { name, description, parametersJson } = tool;
    listing = { name, description, inputSchema: JSON.parse(parametersJson) };
    listings.set(tool, listing);
  }
  return listing;
}

/**
 * Arguments that do not fit are an error that the model is told, as the protocol wants it, so that it can try again. What another MCP
 * server answered is passed on as it was.
 */
function resultOf({ source }: Tool, outcome: CheckedOutcome): CallToolResult {
  if (outcome.kind !== 'result') return { content: [{ type: 'text', text: outcome.message }], isError: true };
  const value = jsonOf(outcome.json);
  if (source === ToolSource.MCP && isObject(value) && Array.isArray(value['content']))
    return value as unknown as CallToolResult;
  return {
    content: [{ type: 'text', text: outcome.json }],
    ...(isObject(value) ? { structuredContent: value } : {}),
  };
}

function jsonOf(text: string): unknown {
  try {
    return parseJson(text);
  } catch {
    return undefined;
  }
}
