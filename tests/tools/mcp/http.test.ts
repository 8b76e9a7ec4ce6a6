import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect, onTestFinished, test, vi } from 'vitest';
import { listToolbox, slowTool, startMcpFace, testTool } from '../../support/mcp-face.ts';
import { connect, connected, http, server, until } from './support/tools.ts';

type Answer = (
  message: { id?: number; method: string; params?: Record<string, unknown> },
  res: ServerResponse,
) => unknown;

interface Scripted {
  readonly url: string;
  readonly requests: { method: string; headers: IncomingMessage['headers']; rpc?: string }[];
}

/** A server on streamable HTTP of the revisions with `initialize`; what it does with calls is up to the test. */
async function scriptedHttp(onCall: Answer, { session = '' } = {}): Promise<Scripted> {
  const requests: Scripted['requests'] = [];
  const answers: Record<string, unknown> = {
    initialize: {
      protocolVersion: '2025-06-18',
      capabilities: { tools: { listChanged: true } },
      serverInfo: { name: 'scripted', version: '1' },
    },
    'tools/list': { tools: [{ name: 'do', inputSchema: { type: 'object' } }] },
    ping: {},
  };
  const listener = createServer(async (req, res) => {
    let body = '';
    for await (const chunk of req) body += chunk;
    if (req.method !== 'POST') {
      requests.push({ method: req.method ?? '', headers: req.headers });
      return res.writeHead(405).end();
    }
    const message = JSON.parse(body) as Parameters<Answer>[0];
    requests.push({ method: 'POST', headers: req.headers, rpc: message.method });
    if (message.id === undefined) {
      if (message.method === 'notifications/cancelled') onCall(message, res);
      return res.headersSent ? undefined : res.writeHead(202).end();
    }
    if (message.method === 'tools/call') return onCall(message, res);
    const result = answers[message.method];
    const answer =
      result === undefined ? { error: { code: -32601, message: 'Method not found' } } : { result };
    res.writeHead(200, {
      'content-type': 'application/json',
      ...(session === '' ? {} : { 'mcp-session-id': session }),
    });
    return res.end(JSON.stringify({ jsonrpc: '2.0', id: message.id, ...answer }));
  });
  listener.listen(0, '127.0.0.1');
  await once(listener, 'listening');
  onTestFinished(() => {
    listener.closeAllConnections();
    listener.close();
  });
  return { url: `http://127.0.0.1:${(listener.address() as AddressInfo).port}/mcp`, requests };
}

const sse = { 'content-type': 'text/event-stream' };

test('headers go with every request, and the session is ended', async () => {
  const { url, requests } = await scriptedHttp(() => {}, { session: 'abc' });
  const running = await connected([server('s', http(url, { authorization: 'Bearer hush-hush' }))]);
  await running.tools.close();
  expect(requests.length).toBeGreaterThan(3);
  for (const { headers } of requests) expect(headers.authorization).toBe('Bearer hush-hush');
  expect(requests.at(-1)).toMatchObject({ method: 'DELETE', headers: { 'mcp-session-id': 'abc' } });
  expect(requests.at(-1)?.headers['mcp-protocol-version']).toBe('2025-06-18');
  expect(JSON.stringify(running.log)).not.toContain('hush');
});

test('a call whose stream breaks before the answer fails at once', async () => {
  const { url } = await scriptedHttp((_message, res) => {
    res.writeHead(200, sse);
    res.write(': working\n\n');
    setImmediate(() => res.destroy());
  });
  const running = await connected([server('s', http(url))]);
  expect(await running.call('s__do')).toEqual({ kind: 'error', message: 'MCP server s is not available' });
});

test('so does one whose stream ends without an answer', async () => {
  const { url } = await scriptedHttp((_message, res) => res.writeHead(200, sse).end(': nothing\n\n'));
  const running = await connected([server('s', http(url))]);
  expect(await running.call('s__do')).toEqual({ kind: 'error', message: 'MCP server s is not available' });
});

test('an answer on a stream is taken', async () => {
  const { url } = await scriptedHttp(({ id }, res) => {
    const result = { content: [{ type: 'text', text: 'done' }] };
    res.writeHead(200, sse);
    res.write(': working\n\n');
    res.end(`data: ${JSON.stringify({ jsonrpc: '2.0', id, result })}\n\n`);
  });
  const running = await connected([server('s', http(url))]);
  expect(await running.call('s__do')).toMatchObject({ kind: 'result' });
});

test('a cancelled call is told to the server, and its stream is closed', async () => {
  const seen: unknown[] = [];
  const { url } = await scriptedHttp(({ method, params }, res) => {
    if (method === 'notifications/cancelled') return seen.push(params?.['reason']);
    res.writeHead(200, sse).flushHeaders();
    res.on('close', () => seen.push('closed'));
    return seen.push('running');
  });
  const running = await connected([server('s', http(url))]);
  const leaving = new AbortController();
  const call = running.call('s__do', {}, leaving.signal);
  await vi.waitFor(() => expect(seen).toEqual(['running']));
  leaving.abort(new Error('left'));
  await expect(call).rejects.toThrow('left');
  await vi.waitFor(() => expect(seen).toEqual(['running', 'the call was cancelled', 'closed']));
});

test.each([
  [401, 'MCP server s refused the call (HTTP 401)'],
  [403, 'MCP server s refused the call (HTTP 403)'],
  [500, 'MCP server s is not available'],
])('status %i is told without what the server says', async (status, message) => {
  const { url } = await scriptedHttp((_message, res) => res.writeHead(status).end('inner address 10.0.0.1'));
  const running = await connected([server('s', http(url))]);
  expect(await running.call('s__do')).toEqual({ kind: 'error', message });
});

test('an answer that is too large is none', async () => {
  const { url } = await scriptedHttp(({ id }, res) => {
    const result = { content: [{ type: 'text', text: 'x'.repeat(17 * 2 ** 20) }] };
    res.writeHead(200, { 'content-type': 'application/json' });
    res.end(JSON.stringify({ jsonrpc: '2.0', id, result }));
  });
  const running = await connected([server('s', http(url))]);
  expect((await running.call('s__do')).kind).toBe('error');
});

test('a redirect to another origin, which would get the headers, is not followed', async () => {
  const other = await scriptedHttp(() => {});
  const first = createServer((_req, res) => res.writeHead(307, { location: other.url }).end());
  first.listen(0, '127.0.0.1');
  await once(first, 'listening');
  onTestFinished(() => void first.close());
  const { port } = first.address() as AddressInfo;
  const running = connect([server('s', http(`http://127.0.0.1:${port}/`, { authorization: 'Bearer hush' }))]);
  await until(() => running.log.length > 0);
  expect(other.requests).toEqual([]);
  expect(await running.names()).toEqual([]);
});

test('a server of the newest revision, which another gateway is, is understood, cancelling included', async () => {
  const notes: string[] = [];
  const echo = testTool('echo', async (args) => JSON.stringify(args));
  const face = await startMcpFace(listToolbox([echo, slowTool('slow', notes)]));
  onTestFinished(() => face.stop());
  const running = await connected([server('gw', http(face.url))]);
  expect(await running.names()).toEqual(['gw__echo', 'gw__slow']);
  const outcome = await running.call('gw__echo', { a: 1 });
  expect(outcome).toMatchObject({ parts: [{ content: { value: { text: '{"a":1}' } } }] });
  const leaving = new AbortController();
  const call = running.call('gw__slow', {}, leaving.signal);
  await vi.waitFor(() => expect(notes).toEqual(['running']));
  leaving.abort(new Error('left'));
  await expect(call).rejects.toThrow('left');
  await vi.waitFor(() => expect(notes).toEqual(['running', 'stopped']));
  expect((await running.call('gw__echo', {})).kind).toBe('result');
});
