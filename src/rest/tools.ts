import type { GatewayTool } from '../../gen/llmgateway/v1/tool_service_pb.js';
import {
  readInteger,
  readName,
  readObject,
  readObjectText,
  readOptionalString,
  readString,
} from '../codec/fields.ts';
import { invalidRequest } from '../errors/gateway-error.ts';
import type { ToolApi } from '../rpc/tool-api.ts';
import { handlerBounds } from '../tools/http-handler.ts';
import { maxDescriptionChars, timeoutRangeMs } from '../tools/new-tool.ts';
import {
  clientOf,
  type Exchange,
  header,
  type RestHandler,
  readMembers,
  refuseOthers,
  sendJson,
} from './exchange.ts';
import { sameSession } from './gateway-headers.ts';

/** What the tool routes are made of. */
export interface ToolRoutes {
  readonly api: ToolApi;
  /** Largest request body in bytes. */
  readonly maxBodyBytes: () => number;
}

/** GET /v1/tools: a bare array. */
export const listTools =
  ({ api }: ToolRoutes): RestHandler =>
  async (exchange) => {
    const tools = await api.listTools(exchange.principal.tenant);
    sendJson(exchange, 200, `[${tools.map(toolText).join(',')}]`);
  };

/** POST /v1/tools. */
export const registerTool =
  ({ api, maxBodyBytes }: ToolRoutes): RestHandler =>
  async (exchange) => {
    const body = await readMembers(exchange, maxBodyBytes(), [
      'name',
      'description',
      'parameters',
      'handler',
    ]);
    const handler = readObject(body['handler'], 'handler');
    refuseOthers(Object.keys(handler), ['type', 'url', 'method', 'headers', 'timeout_ms'], 'handler.');
    if (handler['type'] !== 'http') {
      throw invalidRequest('handler.type', `Invalid 'handler.type': it has to be "http".`);
    }
    const { method = null, headers = null, timeout_ms: timeout = null } = handler;
    const { least, most } = timeoutRangeMs;
    const tool = await api.registerTool(exchange.principal.tenant, {
      name: readName(body['name'], 'name', 64),
      description: readName(body['description'], 'description', maxDescriptionChars),
      parametersJson: readObjectText(body['parameters'], 'parameters'),
      parametersField: 'parameters',
      handler: {
        url: readName(handler['url'], 'handler.url', handlerBounds.urlChars),
        method: readOptionalString(method, 'handler.method', 16),
        headers: headers === null ? {} : readHeaders(headers),
        timeoutMs: timeout === null ? null : readInteger(timeout, 'handler.timeout_ms', least, most),
      },
    });
    sendJson(exchange, 201, toolText(tool));
  };

/** DELETE /v1/tools/{name}. */
export const deleteTool =
  ({ api }: ToolRoutes): RestHandler =>
  async (exchange) => {
    await api.deleteTool(exchange.principal.tenant, nameOf(exchange));
    if (exchange.res.destroyed) return;
    exchange.res.writeHead(204, { 'x-request-id': exchange.requestId });
    exchange.res.end();
  };

/** POST /v1/tools/execute. */
export const executeTool =
  ({ api, maxBodyBytes }: ToolRoutes): RestHandler =>
  async (exchange) => {
    const body = await readMembers(exchange, maxBodyBytes(), ['name', 'arguments', 'session_id']);
    const { arguments: args = null, session_id: session = null } = body;
    const wanted = {
      name: readName(body['name'], 'name', 128),
      argumentsJson: args === null ? '' : readObjectText(args, 'arguments'),
      argumentsField: 'arguments',
      sessionId: sameSession(
        header(exchange, 'x-session-id') ?? '',
        readOptionalString(session, 'session_id'),
      ),
    };
    const context = { requestId: exchange.requestId, face: 'tools', ...clientOf(exchange) };
    const { name, resultJson, success, error } = await api.executeTool(
      exchange.principal.tenant,
      wanted,
      context,
    );
    // The result goes out as the tool gave it.
    const result = success ? resultJson : 'null';
    const why = success ? 'null' : JSON.stringify(error);
    sendJson(
      exchange,
      200,
      `{"name":${JSON.stringify(name)},"result":${result},"success":${success},"error":${why}}`,
    );
  };

const nameOf = ({ path }: Exchange): string => path.replace(/^(\/v1)?\/tools\//, '').replace(/\/$/, '');

const toolText = ({ name, description, parametersJson }: GatewayTool): string =>
  `{"name":${JSON.stringify(name)},"description":${JSON.stringify(description)},"parameters":${parametersJson}}`;

function readHeaders(given: unknown): Record<string, string> {
  const headers = readObject(given, 'handler.headers');
  return Object.fromEntries(
    Object.entries(headers).map(([name, value]) => [
      name,
      readString(value, `handler.headers.${name.slice(0, 128)}`, handlerBounds.headerChars),
    ]),
  );
}
