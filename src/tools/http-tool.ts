import { isUtf8 } from 'node:buffer';
import { ToolSource } from '../../gen/llmgateway/v1/tool_service_pb.js';
import { type UpstreamClient, UpstreamError, type UpstreamResponse } from '../http/client.ts';
import { PrivateAddressError } from './addresses.ts';
import { fillPath, placeholdersOf } from './http-handler.ts';
import type { HttpHandler } from './store.ts';
import type { Tool, ToolContext, ToolDefinition, ToolOutcome } from './tool.ts';

/** What HTTP tools are called with. */
export interface HttpToolOptions {
  readonly client: UpstreamClient;
  /** Why an address may not be called now; null when it may. */
  readonly refusal: (url: URL) => string | null;
  /** Largest answer, in bytes. */
  readonly maxResultBytes: () => number;
}

type Args = Readonly<Record<string, unknown>>;

/** Longest wait for a connection, in milliseconds; the run as a whole is bounded by who runs it. */
const connectMs = 10_000;
/** Longest path with its query that is sent, in characters: what servers usually take. */
const maxTargetChars = 16_384;

/** A tool that is a call to an HTTP address: the arguments as JSON body, or as query with GET and DELETE. */
export function httpTool(
  { name, description, parametersJson }: Omit<ToolDefinition, 'source'>,
  handler: HttpHandler,
  options: HttpToolOptions,
): Tool {
  return {
    name,
    description,
    parametersJson,
    source: ToolSource.HTTP,
    ...(handler.timeoutMs === null ? {} : { timeoutMs: handler.timeoutMs }),
    async run(args, context) {
      const url = new URL(handler.url);
      const refusal = options.refusal(url);
      if (refusal !== null) return failed(refusal);
      try {
        return await call(url, handler, args, context, options);
      } catch (error) {
        if (context.signal.aborted) throw context.signal.reason;
        if (error instanceof UpstreamError) return failed(reasonOf(error));
        throw error;
      }
    },
  };
}

const failed = (why: string): ToolOutcome => ({ kind: 'error', message: `Tool execution failed: ${why}` });

async function call(
  url: URL,
  { url: template, method, headers }: HttpHandler,
  args: Args,
  { requestId, signal }: ToolContext,
  { client, maxResultBytes }: HttpToolOptions,
): Promise<ToolOutcome> {
  const path = fillPath(url.pathname, args);
  if (path === null) return failed('an argument cannot stand in the path of its address');
  const inPath = new Set(placeholdersOf(template));
  const others = Object.entries(args).filter(([name]) => !inPath.has(name));
  const hasBody = method !== 'GET' && method !== 'DELETE';
  const target = path + (hasBody ? url.search : withQuery(url, others));
  if (target.length > maxTargetChars) return failed('the arguments are too long for the query of an address');
  const response = await client.send({
    origin: url.origin,
    path: target,
    method,
    headers: {
      accept: 'application/json, text/plain;q=0.9, */*;q=0.5',
      'user-agent': 'llm-gateway',
      'x-request-id': requestId,
      ...(hasBody ? { 'content-type': 'application/json' } : {}),
      ...headers,
    },
    body: hasBody ? JSON.stringify(Object.fromEntries(others)) : null,
    signal,
    timeouts: { connectMs, firstByteMs: Number.POSITIVE_INFINITY, idleMs: Number.POSITIVE_INFINITY },
  });
  // A redirect would lead past the checks of the address.
  if (response.status < 200 || response.status > 299) {
    response.body.cancel();
    return failed(`HTTP ${response.status}`);
  }
  return resultOf(response, await response.body.bytes(maxResultBytes()));
}

/** A query with the arguments in it: a list as one entry for each item, what is nested as JSON; an argument that is null is left out. */
function withQuery(url: URL, args: readonly (readonly [string, unknown])[]): string {
  const query = new URLSearchParams(url.search);
  for (const [name, value] of args) {
    if (value === null) continue;
    for (const item of Array.isArray(value) ? value : [value])
      query.append(name, typeof item === 'string' ? item : JSON.stringify(item));
  }
  return query.size === 0 ? '' : `?${query}`;
}

/** JSON as it came; any other text as a JSON string; nothing as null. */
function resultOf({ headers }: UpstreamResponse, body: Buffer): ToolOutcome {
  if (!isUtf8(body)) return failed('the answer is not text in UTF-8');
  const text = body.toString('utf8');
  if (text.trim() === '') return { kind: 'result', json: 'null' };
  return { kind: 'result', json: isJson(headers['content-type'], text) ? text : JSON.stringify(text) };
}

/** A server that does not say what it sends is taken at its text. */
function isJson(type: string | undefined, text: string): boolean {
  if (type !== undefined) return /^[^;]*[/+]json\s*(?:;|$)/i.test(type);
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

/** Why a call came to nothing, without addresses. */
function reasonOf({ kind, cause }: UpstreamError): string {
  if (cause instanceof PrivateAddressError)
    return `${cause.message}, and LLM_GATEWAY_TOOL_PRIVATE_ADDRESSES is not true`;
  switch (kind) {
    case 'connect':
    case 'connect_timeout':
      return 'its server cannot be reached';
    case 'overloaded':
      return 'too many calls wait for its server';
    case 'too_large':
      return 'the result is larger than it may be';
    case 'protocol':
      return 'its server did not answer in HTTP';
    default:
      return 'its server broke off the answer';
  }
}
