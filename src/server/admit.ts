import type { Readable } from 'node:stream';
import type { Admission } from '../overload/admission.ts';
import { onceOver } from './exchanges.ts';
import { isHttp2, type Request, type Response } from './types.ts';

/** Calls by their paths on REST, without `/v1`. All that a model or a tool answers. */
const restCalls: ReadonlySet<string> = new Set([
  '/chat/completions',
  '/messages',
  '/messages/count_tokens',
  '/responses',
  '/responses/input_tokens',
  '/responses/compact',
  '/embeddings',
  '/tools/execute',
  '/mcp',
  '/query',
  '/chat',
  '/stream',
  '/enhanced-query',
  '/workflow-query',
  '/contextual-query',
]);
const rpcCalls: ReadonlySet<string> = new Set([
  '/llmgateway.v1.ChatService/CreateChatCompletion',
  '/llmgateway.v1.ChatService/StreamChatCompletion',
  '/llmgateway.v1.ChatService/CountTokens',
  '/llmgateway.v1.EmbeddingsService/CreateEmbeddings',
  '/llmgateway.v1.ResponsesService/CreateResponse',
  '/llmgateway.v1.ResponsesService/StreamResponse',
  '/llmgateway.v1.ResponsesService/CountInputTokens',
  '/llmgateway.v1.ResponsesService/CompactResponse',
  '/llmgateway.v1.ToolService/ExecuteTool',
  '/llmgateway.v1.QueryService/Query',
  '/llmgateway.v1.QueryService/Chat',
  '/llmgateway.v1.QueryService/StreamQuery',
  '/llmgateway.v1.QueryService/EmbedText',
  '/llmgateway.v1.QueryService/EnhancedQuery',
  '/llmgateway.v1.QueryService/WorkflowQuery',
  '/llmgateway.v1.QueryService/ContextualQuery',
  '/llmgateway.v1.IntegrationService/CallIntegration',
]);
/** RPCs that an operator needs most when there is no memory left. */
const alwaysServed = ['/grpc.', '/llmgateway.v1.AdminService/'];

export function isCall(method: string | undefined, path: string): boolean {
  if (method !== 'POST') return false;
  if (rpcCalls.has(path)) return true;
  if (path.startsWith('/integrations/')) return true;
  const plain = path.startsWith('/v1/') ? path.slice(3) : path;
  return restCalls.has(plain.length > 1 && plain.endsWith('/') ? plain.slice(0, -1) : plain);
}

/** Compressed bodies are larger than they look. */
const compression = 4;

/**
 * Takes a request in, or refuses it, before its body is read. Only calls have places and wait for them; short of memory, everything is
 * refused that brings a body.
 * @returns when it may go on; null: at once
 * @throws GatewayError OVERLOADED
 */
export function admit(admission: Admission, req: Request, res: Response, path: string): Promise<void> | null {
  const { method } = req;
  if (!isCall(method, path)) {
    const isLight = method === 'GET' || method === 'HEAD' || method === 'DELETE' || method === 'OPTIONS';
    if (!isLight && !alwaysServed.some((prefix) => path.startsWith(prefix))) admission.checkMemory();
    return null;
  }
  const length = bodyLength(req);
  const place = admission.enter(length ?? 0);
  onceOver(req, res, () => place.leave());
  if (length === null) countBody(req, (bytes) => place.grow(bytes));
  return place.ready;
}

/** Bytes that the body is going to have in memory; null when that is not known yet. */
function bodyLength(req: Request): number | null {
  const { headers } = req;
  const factor = headers['content-encoding'] === undefined ? 1 : compression;
  const declared = headers['content-length'];
  if (declared !== undefined) return Number(declared) * factor;
  if (isHttp2(req)) return req.stream.endAfterHeaders ? 0 : null;
  return headers['transfer-encoding'] === undefined ? 0 : null;
}

/** Tells of the body's bytes as they come, whoever reads them. */
function countBody(req: Request, onBytes: (bytes: number) => void): void {
  const source: Readable = isHttp2(req) ? req.stream : req;
  if (source.readableLength > 0) onBytes(source.readableLength);
  const push = source.push;
  source.push = function counted(chunk: Buffer | null, encoding?: BufferEncoding) {
    if (chunk !== null) onBytes(chunk.length);
    return push.call(this, chunk, encoding);
  };
}
