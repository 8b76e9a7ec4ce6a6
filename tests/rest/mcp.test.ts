import { connect as connectHttp2 } from 'node:http2';
import {
  type CallToolResult,
  Client,
  ProtocolError,
  StreamableHTTPClientTransport,
} from '@modelcontextprotocol/client';
import { Client as OldClient } from '@modelcontextprotocol/sdk/client/index.js';
import { StreamableHTTPClientTransport as OldTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { ErrorReason } from '../../gen/llmgateway/v1/error_pb.js';
import { ToolSource } from '../../gen/llmgateway/v1/tool_service_pb.js';
import { GatewayError, toGatewayError } from '../../src/errors/gateway-error.ts';
import type { Tool } from '../../src/tools/tool.ts';
import type { Toolbox } from '../../src/tools/toolbox.ts';
import { listToolbox, type McpFace, slowTool, startMcpFace, testTool } from '../support/mcp-face.ts';

const mcpResult = { content: [{ type: 'text', text: 'from afar' }], structuredContent: { far: true } };
const tools: Tool[] = [
  testTool('give', async ({ json }) => String(json)),
  testTool('echo', async (args) => JSON.stringify(args)),
  testTool('needs', async () => '1', { parametersJson: '{"type":"object","required":["city"]}' }),
  testTool('fails', async () => '', { run: async () => ({ kind: 'error', message: 'it broke' }) }),
  testTool('bug', async () => {
    throw new TypeError('the secret inside');
  }),
  testTool('far__tool', async () => JSON.stringify(mcpResult), { source: ToolSource.MCP }),
];

async function face(
  box: Toolbox = listToolbox(tools),
  more?: Parameters<typeof startMcpFace>[1],
): Promise<McpFace> {
  const started = await startMcpFace(box, more);
  onTestFinished(() => started.stop());
  return started;
}

interface AnyClient {
  listTools(): Promise<{ tools: { name: string }[] }>;
  callTool(
    params: { name: string; arguments?: Record<string, unknown> },
    options?: { signal?: AbortSignal },
  ): Promise<CallToolResult>;
  close(): Promise<void>;
}

const clients: Record<string, (url: string) => Promise<AnyClient>> = {
  'the SDK, revisions with initialize': async (url) => {
    const client = new Client({ name: 'test', version: '1' });
    await client.connect(new StreamableHTTPClientTransport(new URL(url)));
    return client;
  },
  'the SDK, newest revision': async (url) => {
    const client = new Client({ name: 'test', version: '1' }, { versionNegotiation: { mode: 'auto' } });
    await client.connect(new StreamableHTTPClientTransport(new URL(url)));
    expect(client.getProtocolEra()).toBe('modern');
    return client;
  },
  'the SDK before it': async (url) => {
    const client = new OldClient({ name: 'test', version: '1' });
    await client.connect(new OldTransport(new URL(url)) as never);
    const old = client as unknown as AnyClient & {
      callTool: (...args: unknown[]) => Promise<CallToolResult>;
    };
    return {
      listTools: () => old.listTools(),
      callTool: (params, options) => old.callTool(params, undefined, options),
      close: () => old.close(),
    };
  },
};

describe.each(Object.entries(clients))('by %s', (_name, open) => {
  async function client(url: string): Promise<AnyClient> {
    const opened = await open(url);
    onTestFinished(() => opened.close());
    return opened;
  }

  test('the tools are listed, but for those of other MCP servers', async () => {
    const { tools: listed } = await (await client((await face()).url)).listTools();
    expect(listed.map(({ name }) => name)).toEqual(['give', 'echo', 'needs', 'fails', 'bug']);
    expect(listed[1]).toEqual({
      name: 'echo',
      description: 'does echo',
      inputSchema: { type: 'object', properties: { x: { type: 'string' } } },
    });
  });

  test.each([
    ['{"b":1,"a":[1.50,null]}', { b: 1, a: [1.5, null] }],
    ['[1,2]', undefined],
    ['"words"', undefined],
    ['null', undefined],
    ['no JSON', undefined],
  ])('a result is its JSON, unchanged: %s', async (json, structuredContent) => {
    const mcp = await client((await face()).url);
    const result = await mcp.callTool({ name: 'give', arguments: { json } });
    expect(result.content).toEqual([{ type: 'text', text: json }]);
    expect(result.structuredContent).toEqual(structuredContent);
    expect(result.isError ?? false).toBe(false);
  });

  test('what goes wrong in a tool, arguments included, is told as a result', async () => {
    const mcp = await client((await face()).url);
    expect(await mcp.callTool({ name: 'fails' })).toMatchObject({
      isError: true,
      content: [{ type: 'text', text: 'it broke' }],
    });
    expect(await mcp.callTool({ name: 'needs', arguments: {} })).toMatchObject({
      isError: true,
      content: [{ type: 'text', text: 'city is missing' }],
    });
  });

  test('an unknown tool is an error of the protocol, and so is one that is not offered', async () => {
    const mcp = await client((await face()).url);
    for (const name of ['nothing', 'far__tool'])
      await expect(mcp.callTool({ name })).rejects.toMatchObject({
        code: -32602,
        message: expect.stringContaining(`Unknown tool: ${name}`),
      });
  });

  test('tools of other MCP servers are offered when that is wanted, their results as they were', async () => {
    const mcp = await client((await face(undefined, { expose: () => 'all' })).url);
    expect((await mcp.listTools()).tools.map(({ name }) => name)).toContain('far__tool');
    expect(await mcp.callTool({ name: 'far__tool' })).toMatchObject(mcpResult);
  });

  test('a fault of the gateway is told without what is inside', async () => {
    const { url, errors } = await face();
    const mcp = await client(url);
    const call = mcp.callTool({ name: 'bug' });
    await expect(call).rejects.toMatchObject({
      code: -32603,
      message: expect.stringContaining('internal error'),
    });
    await expect(call).rejects.not.toThrow('secret');
    expect(errors.map(({ message }) => message)).toContain('the secret inside');
  });

  test('a store that is away is an error of the protocol', async () => {
    const away = async () => {
      throw new GatewayError(ErrorReason.DEPENDENCY_UNAVAILABLE, 'the store is not available');
    };
    const { url } = await face({ ...listToolbox([]), find: away });
    await expect((await client(url)).callTool({ name: 'echo' })).rejects.toMatchObject({
      code: -32603,
      message: expect.stringContaining('the store is not available'),
    });
  });

  test('many calls run at a time', async () => {
    const mcp = await client((await face()).url);
    const calls = Array.from({ length: 30 }, (_, x) => mcp.callTool({ name: 'echo', arguments: { x } }));
    for (const [x, { structuredContent }] of (await Promise.all(calls)).entries())
      expect(structuredContent).toEqual({ x });
  });

  test('a tool stops when its client leaves', async () => {
    const notes: string[] = [];
    const mcp = await client((await face(listToolbox([slowTool('slow', notes)]))).url);
    const call = mcp.callTool({ name: 'slow' });
    call.catch(() => {});
    await vi.waitFor(() => expect(notes).toEqual(['running']));
    await mcp.close();
    await vi.waitFor(() => expect(notes).toEqual(['running', 'stopped']));
    await expect(call).rejects.toThrow();
  });

  test('a call that the gateway ends is told so', async () => {
    const notes: string[] = [];
    const { url, open } = await face(listToolbox([slowTool('slow', notes)]));
    const call = (await client(url)).callTool({ name: 'slow' });
    call.catch(() => {});
    await vi.waitFor(() => expect(notes).toEqual(['running']));
    open.abortAll(new GatewayError(ErrorReason.DRAINING, 'the gateway is shutting down'));
    await expect(call).rejects.toThrow('the gateway is shutting down');
  });
});

describe('on the wire', () => {
  const initialize = {
    jsonrpc: '2.0',
    id: 1,
    method: 'initialize',
    params: { protocolVersion: '2025-06-18', capabilities: {}, clientInfo: { name: 'x', version: '1' } },
  };
  const accept = 'application/json, text/event-stream';
  const post = (url: string, body: unknown, headers: Record<string, string> = {}): Promise<Response> =>
    fetch(url, {
      method: 'POST',
      headers: { 'content-type': 'application/json', accept, ...headers },
      body: typeof body === 'string' ? body : JSON.stringify(body),
    });
  const dataOf = async (response: Response) =>
    JSON.parse(/^data: (.*)$/m.exec(await response.text())?.[1] ?? '{}');

  test.each(['2024-11-05', '2025-03-26', '2025-06-18', '2025-11-25'])(
    'revision %s is agreed on',
    async (version) => {
      const { url } = await face();
      const params = { ...initialize.params, protocolVersion: version };
      const response = await post(url, { ...initialize, params });
      expect(response.status).toBe(200);
      expect(response.headers.get('mcp-session-id')).toBeNull();
      expect(response.headers.get('x-request-id')).not.toBeNull();
      expect((await dataOf(response)).result).toMatchObject({
        protocolVersion: version,
        serverInfo: { name: 'test-gateway', version: '1.2.3' },
        capabilities: { tools: {} },
      });
    },
  );

  test('numbers that a double cannot hold pass as they are, both ways', async () => {
    const given: string[] = [];
    const { url } = await face({
      ...listToolbox(tools),
      async run(_tool, argumentsJson) {
        given.push(argumentsJson);
        return { kind: 'result', json: argumentsJson };
      },
    });
    const params = '{"name":"echo","arguments":{"n":12345678901234567890}}';
    const response = await post(url, `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":${params}}`);
    expect(await response.text()).toContain('"structuredContent":{"n":12345678901234567890}');
    expect(given).toEqual(['{"n":12345678901234567890}']);
  });

  test('notifications are accepted without an answer', async () => {
    const response = await post((await face()).url, { jsonrpc: '2.0', method: 'notifications/initialized' });
    expect([response.status, await response.text()]).toEqual([202, '']);
  });

  test.each(['GET', 'DELETE', 'PUT'])('%s is not served', async (method) => {
    const response = await fetch((await face()).url, { method, headers: { accept: 'text/event-stream' } });
    expect([response.status, response.headers.get('allow')]).toEqual([405, 'POST']);
    expect(await response.json()).toMatchObject({ jsonrpc: '2.0', id: null, error: { code: -32000 } });
  });

  test.each<[string, number, number, unknown, Record<string, string>]>([
    ['no JSON', 400, -32700, '{"jsonrpc"', {}],
    ['nothing', 400, -32700, '', {}],
    ['no JSON-RPC', 400, -32600, { hello: 1 }, {}],
    ['a body that is too large', 413, -32000, { ...initialize, more: 'x'.repeat(70_000) }, {}],
    ['an answer that the client does not take', 406, -32000, initialize, { accept: 'application/json' }],
    ['another content type', 415, -32000, initialize, { 'content-type': 'text/plain' }],
    [
      'an unknown revision',
      400,
      -32000,
      { jsonrpc: '2.0', id: 1, method: 'tools/list' },
      { 'mcp-protocol-version': '1999-01-01' },
    ],
    ['a wrong time limit', 400, -32600, initialize, { 'x-request-timeout-ms': 'soon' }],
  ])('%s is refused', async (_what, status, code, body, headers) => {
    const response = await post((await face()).url, body, headers);
    expect(response.status).toBe(status);
    expect(await response.json()).toMatchObject({ jsonrpc: '2.0', error: { code } });
  });

  test('pages of other origins are refused before anything runs', async () => {
    const { url } = await face(undefined, { origins: ['https://console.example.com'] });
    const evil = await post(url, initialize, { origin: 'https://evil.example.com' });
    expect(evil.status).toBe(403);
    expect(await evil.json()).toMatchObject({ jsonrpc: '2.0', id: null, error: { code: -32000 } });
    const own = await post(url, initialize, { origin: 'https://console.example.com' });
    expect(own.status).toBe(200);
  });

  test('it is not there when nothing is to be offered', async () => {
    const response = await post((await face(undefined, { expose: () => 'none' })).url, initialize);
    expect(response.status).toBe(404);
  });

  test('subscriptions, which would never end, are refused', async () => {
    const { url } = await face();
    const client = new Client({ name: 'test', version: '1' }, { versionNegotiation: { mode: 'auto' } });
    await client.connect(new StreamableHTTPClientTransport(new URL(url)));
    onTestFinished(() => client.close());
    await expect(client.listen({ toolsListChanged: true })).rejects.toThrow(ProtocolError);
  });

  test('it is served on HTTP/2', async () => {
    const { url } = await face();
    const session = connectHttp2(new URL(url).origin);
    onTestFinished(() => session.close());
    const stream = session.request({
      ':method': 'POST',
      ':path': '/mcp',
      'content-type': 'application/json',
      accept,
    });
    stream.end(JSON.stringify(initialize));
    let text = '';
    for await (const chunk of stream) text += chunk;
    expect(text).toContain('"serverInfo"');
  });

  test('a client that leaves in the middle leaves nothing running', async () => {
    const notes: string[] = [];
    const { url, open, errors } = await face(listToolbox([slowTool('slow', notes)]));
    const leaving = new AbortController();
    const request = fetch(url, {
      method: 'POST',
      headers: { 'content-type': 'application/json', accept },
      body: '{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"slow"}}',
      signal: leaving.signal,
    });
    await vi.waitFor(() => expect(notes).toEqual(['running']));
    leaving.abort();
    await request.then((response) => response.text()).catch(() => {});
    await vi.waitFor(() => expect(notes).toEqual(['running', 'stopped']));
    expect(errors.filter((error) => toGatewayError(error).reason === ErrorReason.INTERNAL)).toEqual([]);
    const aborted: unknown[] = [];
    open.add({ slot: -1, abort: (reason) => void aborted.push(reason) });
    open.abortAll('only this one is open');
    expect(aborted).toHaveLength(1);
  });
});
