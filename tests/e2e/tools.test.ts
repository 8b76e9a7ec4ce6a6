import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { Code, ConnectError, createClient } from '@connectrpc/connect';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ErrorDetailSchema, ErrorReason } from '../../gen/llmgateway/v1/error_pb.js';
import { ToolService, ToolSource } from '../../gen/llmgateway/v1/tool_service_pb.js';
import { loadConfig } from '../../src/config/load.ts';
import { type ScriptedUpstream, startUpstream } from '../http/support/upstream.ts';
import { type RpcFace, type RunningGateway, rpcTransports, startGateway } from '../support/gateway.ts';
import { until } from '../support/redis.ts';
import { type RestError, sessionsAt } from '../support/sessions.ts';
import { builtInNames, makeTool, registration, toolsAt } from '../support/tools.ts';

const oddJson = '{ "b": 1.0,\n  "a": 12345678901234567890, "ä": [ ] }';
const ownTools = [
  makeTool('odd', {}, () => ({ kind: 'result', json: oddJson })),
  makeTool('broken', {}, () => {
    throw new Error('connect ECONNREFUSED 10.0.0.7:5432');
  }),
];

const known = [...builtInNames, ...ownTools.map(({ name }) => name)];

let gateway: RunningGateway;
let upstream: ScriptedUpstream;
let folder: string;
let tools: ReturnType<typeof toolsAt>;
beforeAll(async () => {
  upstream = await startUpstream();
  folder = mkdtempSync(path.join(tmpdir(), 'tools-'));
  const file = path.join(folder, 'gateway.yaml');
  writeFileSync(
    file,
    `tools:
  - name: configured
    description: From the file
    parameters: { type: object }
    handler: { type: http, url: "${upstream.origin}/configured" }
`,
  );
  gateway = await startGateway(
    {
      LLM_GATEWAY_CONFIG: file,
      LLM_GATEWAY_TOOL_ALLOWED_HOSTS: `127.0.0.1:${upstream.port}, *.example.com`,
      LLM_GATEWAY_TOOL_PRIVATE_ADDRESSES: 'true',
      LLM_GATEWAY_TOOL_TIMEOUT_SECONDS: '20',
    },
    { tools: ownTools },
  );
  tools = toolsAt(gateway.url);
});
afterAll(async () => {
  await gateway.stop();
  upstream.close();
  rmSync(folder, { recursive: true });
});

const http = (status: number, body: string, type = 'application/json'): string =>
  `HTTP/1.1 ${status} X\r\ncontent-type: ${type}\r\ncontent-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`;
const errorOf = async (response: Response) => ((await response.json()) as RestError).error;

describe('GET /v1/tools', () => {
  test('is a bare array, built-in tools first', async () => {
    const response = await tools.list();
    expect([response.status, response.headers.get('content-type')]).toEqual([200, 'application/json']);
    const list = (await response.json()) as Record<string, unknown>[];
    expect(list[0]).toMatchObject({
      name: 'echo',
      parameters: {
        type: 'object',
        properties: { message: { type: 'string' } },
        required: ['message'],
      },
    });
    expect(list.map(({ name }) => name)).toEqual([...known, 'configured']);
    expect(await (await fetch(`${gateway.url}/tools`)).json()).toEqual(list);
  });
});

describe('POST /v1/tools/execute', () => {
  test('gives the result', async () => {
    const response = await tools.execute({ name: 'calculator', arguments: { a: 1, b: 2 } });
    expect(response.status).toBe(200);
    expect(await response.json()).toEqual({
      name: 'calculator',
      result: { result: 3, operation: 'add', a: 1, b: 2 },
      success: true,
      error: null,
    });
  });

  test('gives it byte for byte', async () => {
    const response = await tools.execute({ name: 'odd' });
    expect(await response.text()).toBe(`{"name":"odd","result":${oddJson},"success":true,"error":null}`);
  });

  test.each([
    [{ name: 'calculator', arguments: { a: 1, b: 0, operation: 'divide' } }, 'Division by zero'],
    [{ name: 'calculator', arguments: { a: 1, b: 0, operation: 'power' } }, 'Unknown operation: power'],
    [{ name: 'broken', arguments: null }, 'Tool execution failed: internal error'],
  ])('tells of a failure in a reply that succeeds: %j', async (body, error) => {
    const response = await tools.execute(body);
    expect(response.status).toBe(200);
    expect(await response.json()).toEqual({ name: body.name, result: null, success: false, error });
  });

  test.each<[number, string, string, unknown]>([
    [404, 'name', 'Tool not found: none', { name: 'none' }],
    [422, 'arguments.b', 'Missing required argument: b', { name: 'calculator', arguments: { a: 1 } }],
    [422, 'arguments.c', 'Unknown argument: c', { name: 'calculator', arguments: { a: 1, b: 1, c: 1 } }],
    [
      422,
      'arguments.a',
      "Invalid type for 'a': expected number",
      { name: 'calculator', arguments: { a: '1', b: 1 } },
    ],
  ])('%d names %s: %s', async (status, param, message, body) => {
    const response = await tools.execute(body);
    expect(response.status).toBe(status);
    const code = status === 404 ? 'not_found' : 'tool_arguments_invalid';
    expect(await errorOf(response)).toEqual({ message, type: 'invalid_request_error', param, code });
  });

  test.each<[string, unknown]>([
    ['name', {}],
    ['name', { name: 5 }],
    ['name', { name: '' }],
    ['name', { name: 'x'.repeat(129) }],
    ['arguments', { name: 'echo', arguments: [] }],
    ['arguments', { name: 'echo', arguments: '{"message":"x"}' }],
    ['session_id', { name: 'echo', arguments: { message: 'x' }, session_id: 5 }],
    ['args', { name: 'echo', args: {} }],
    ['body', []],
    ['body', '{'],
  ])('400 names %s: %j', async (param, body) => {
    const response = await tools.execute(body);
    expect([response.status, (await errorOf(response)).param]).toEqual([400, param]);
  });

  test('wants a session that is there', async () => {
    const body = { name: 'echo', arguments: { message: 'x' } };
    const { id } = await sessionsAt(gateway.url).make({ context: { taxonomy: 'ai' } });
    expect(await (await tools.execute({ ...body, session_id: id })).json()).toMatchObject({
      result: { echoed: 'x' },
    });
    const gone = await tools.execute({ ...body, session_id: id.replace(/^.{8}/, '00000000') });
    expect([gone.status, (await errorOf(gone)).param]).toEqual([404, 'session_id']);
  });

  test('takes the session from X-Session-Id as well', async () => {
    const body = { name: 'echo', arguments: { message: 'x' } };
    const { id } = await sessionsAt(gateway.url).make({});
    const other = id.replace(/^.{8}/, '00000000');
    const at = (session: string, more = {}) =>
      tools.execute({ ...body, ...more }, { headers: { 'x-session-id': session } });
    expect([(await at(id)).status, (await at(id, { session_id: id })).status]).toEqual([200, 200]);
    expect((await at(other)).status).toBe(404);
    const two = await at(id, { session_id: other });
    expect([two.status, (await errorOf(two)).param]).toEqual([400, 'X-Session-Id']);
  });
});

describe('tools registered on REST', () => {
  test('are listed, run, and deleted; their headers are never seen again', async () => {
    const url = `${upstream.origin}/items/{q}?k=v`;
    const handler = {
      type: 'http',
      url,
      method: 'PUT',
      headers: { 'X-Key': 'hush-hush' },
      timeout_ms: 5_000,
    };
    const parameters = { type: 'object', properties: { q: {}, n: {} }, required: ['q'] };
    const made = await tools.register(registration(url, { handler, parameters }));
    expect(made.status).toBe(201);
    expect(await made.json()).toEqual({ name: 'lookup', description: 'Looks something up', parameters });
    const list = await (await tools.list()).text();
    expect(JSON.parse(list).at(-1)).toEqual({
      name: 'lookup',
      description: 'Looks something up',
      parameters,
    });
    const running = tools.execute({ name: 'lookup', arguments: { q: 'a b', n: 1 } });
    const { head, body, socket } = await upstream.request();
    expect(head).toMatch(/^PUT \/items\/a%20b\?k=v HTTP/);
    expect(head.toLowerCase()).toContain('x-key: hush-hush');
    expect(body).toBe('{"n":1}');
    socket.write(http(200, oddJson));
    expect(await (await running).text()).toBe(
      `{"name":"lookup","result":${oddJson},"success":true,"error":null}`,
    );
    expect((await tools.delete('lookup')).status).toBe(204);
    expect((await tools.execute({ name: 'lookup', arguments: { q: 'a' } })).status).toBe(404);
    const again = await tools.delete('lookup');
    expect([again.status, (await errorOf(again)).param]).toEqual([404, 'name']);
    expect(list + JSON.stringify(gateway.log)).not.toContain('hush');
  });

  test('may fail, which is no failure of the call', async () => {
    await tools.register(registration(`${upstream.origin}/`, { name: 'failing' }));
    const running = tools.execute({ name: 'failing', arguments: { q: 'a' } });
    (await upstream.request()).socket.write(http(503, 'secret details'));
    expect(await (await running).json()).toEqual({
      name: 'failing',
      result: null,
      success: false,
      error: 'Tool execution failed: HTTP 503',
    });
    await tools.delete('failing');
  });

  test('may have the name of a route', async () => {
    await tools.register(registration(`${upstream.origin}/`, { name: 'execute' }));
    expect((await tools.delete('execute')).status).toBe(204);
  });

  test.each(['echo', 'configured'])('cannot take the place of %s, nor delete it', async (name) => {
    const taken = await tools.register(registration(`${upstream.origin}/`, { name }));
    expect([taken.status, (await errorOf(taken)).code]).toEqual([409, 'already_exists']);
    const kept = await tools.delete(name);
    expect([kept.status, (await errorOf(kept)).code]).toEqual([409, 'tool_not_removable']);
    expect(await tools.names()).toContain(name);
  });

  test('have one name each', async () => {
    expect((await tools.register(registration(`${upstream.origin}/`, { name: 'twice' }))).status).toBe(201);
    expect((await tools.register(registration(`${upstream.origin}/`, { name: 'twice' }))).status).toBe(409);
    await tools.delete('twice');
  });

  const url = 'https://api.example.com/x';
  const handler = (changes: Record<string, unknown>) => ({ handler: { type: 'http', url, ...changes } });
  const deep = (depth: number): unknown => (depth === 0 ? {} : { items: deep(depth - 1) });
  test.each<[string, Record<string, unknown> | string]>([
    ['name', { name: 'a b' }],
    ['name', { name: '' }],
    ['name', { name: 'x'.repeat(65) }],
    ['name', { name: null }],
    ['description', { description: '' }],
    ['description', { description: ' ' }],
    ['description', { description: 'x'.repeat(4_097) }],
    ['parameters', { parameters: null }],
    ['parameters', { parameters: '{}' }],
    ['parameters', { parameters: {} }],
    ['parameters', { parameters: { type: 'string' } }],
    ['parameters', { parameters: { type: 'object', properties: { a: { type: 'strin' } } } }],
    ['parameters', { parameters: { type: 'object', properties: { a: { pattern: '(' } } } }],
    ['parameters', { parameters: { type: 'object', $ref: 'https://example.com/s' } }],
    ['parameters', { parameters: { type: 'object', title: 'x'.repeat(65_536) } }],
    ['parameters', { parameters: { type: 'object', items: deep(50) } }],
    ['handler', { handler: null }],
    ['handler.type', { handler: { url } }],
    ['handler.type', handler({ type: 'grpc' })],
    ['handler.url', handler({ url: undefined })],
    ['handler.url', handler({ url: 'nonsense' })],
    ['handler.url', handler({ url: 'file:///etc/passwd' })],
    ['handler.url', handler({ url: 'https://user:pass@api.example.com/' })],
    ['handler.url', handler({ url: 'https://api.example.com/#x' })],
    ['handler.url', handler({ url: 'https://api.example.com/{none}' })],
    ['handler.url', handler({ url: `https://api.example.com/${'x'.repeat(2_048)}` })],
    ['handler.method', handler({ method: 'TRACE' })],
    ['handler.method', handler({ method: 5 })],
    ['handler.headers', handler({ headers: [] })],
    [
      'handler.headers',
      handler({ headers: Object.fromEntries(Array.from({ length: 33 }, (_, i) => [`h${i}`, ''])) }),
    ],
    ['handler.headers.host', handler({ headers: { host: 'x' } })],
    ['handler.headers.Transfer-Encoding', handler({ headers: { 'Transfer-Encoding': 'chunked' } })],
    ['handler.headers.a b', handler({ headers: { 'a b': 'x' } })],
    ['handler.headers.a', handler({ headers: { a: 'x\r\nb: y' } })],
    ['handler.headers.a', handler({ headers: { a: 5 } })],
    ['handler.headers.a', handler({ headers: { a: 'x'.repeat(4_097) } })],
    ['handler.headers.A', handler({ headers: { a: 'x', A: 'y' } })],
    ['handler.timeout_ms', handler({ timeout_ms: 99 })],
    ['handler.timeout_ms', handler({ timeout_ms: 300_001 })],
    ['handler.timeout_ms', handler({ timeout_ms: 1.5 })],
    ['handler.timeout', handler({ timeout: 5 })],
    ['source', { source: 'x' }],
    ['body', '[]'],
    ['body', '{'],
    ['body', ''],
  ])('are refused by the name of %s, and nothing is kept: %j', async (param, changes) => {
    const response = await tools.register(
      typeof changes === 'string' ? changes : registration(url, { name: 'wrong', ...changes }),
    );
    const error = await errorOf(response);
    expect([response.status, error.param]).toEqual([400, param]);
    expect(error.message).not.toBe('');
    expect(await tools.names()).toEqual([...known, 'configured']);
  });

  test.each(['https://evil.com/', 'http://127.0.0.1:1/', 'http://169.254.169.254/', 'https://example.com/'])(
    'may not be at %s',
    async (elsewhere) => {
      const response = await tools.register(registration(elsewhere));
      const { param, message, code } = await errorOf(response);
      expect([response.status, code, param]).toEqual([403, 'permission_denied', 'handler.url']);
      expect(message).toContain('LLM_GATEWAY_TOOL_ALLOWED_HOSTS');
      expect(await tools.names()).not.toContain('lookup');
    },
  );
});

test('a tool of the file is called where the file says', async () => {
  const running = tools.execute({ name: 'configured', arguments: { any: 1 } });
  const { head, body, socket } = await upstream.request();
  expect([head.split(' ').slice(0, 2), body]).toEqual([['POST', '/configured'], '{"any":1}']);
  socket.write(http(200, '"ok"'));
  expect(await (await running).json()).toMatchObject({ result: 'ok', success: true });
});

test('the tools of the file change with it, and stay when it is wrong', async () => {
  const tool = (name: string) =>
    `tools: [{ name: ${name}, description: d, parameters: { type: object }, handler: { type: http, url: "https://x.example" } }]`;
  const file = path.join(folder, 'changing.yaml');
  const env = { LLM_GATEWAY_CONFIG: file };
  const reload = (gateway: RunningGateway, yaml: string): void => {
    writeFileSync(file, yaml);
    gateway.gateway.reload(loadConfig({ env }));
  };
  writeFileSync(file, tool('one'));
  const own = await startGateway(env);
  const names = () => toolsAt(own.url).names();
  expect(await names()).toEqual([...builtInNames, 'one']);
  reload(own, tool('two'));
  expect(await names()).toEqual([...builtInNames, 'two']);
  expect(() => reload(own, tool('echo'))).toThrow('tools[0].name: is "echo"');
  expect(await names()).toEqual([...builtInNames, 'two']);
  await own.stop();
});

describe('a client that does not wait', () => {
  const line = (from: number) => gateway.log.slice(from).find(({ message }) => message === 'tool');
  beforeAll(async () => {
    await tools.register(registration(`${upstream.origin}/slow`, { name: 'slow' }));
  });
  afterAll(() => tools.delete('slow'));
  const body = { name: 'slow', arguments: { q: 'x' } };

  test('on REST ends the call of the tool', async () => {
    const from = gateway.log.length;
    const leave = new AbortController();
    const running = tools.execute(body, { signal: leave.signal }).catch(() => 'left');
    const { gone } = await upstream.request();
    leave.abort();
    await gone;
    expect(await running).toBe('left');
    await until(() => line(from) !== undefined);
    expect(line(from)).toMatchObject({ tool: 'slow', status: 'cancelled' });
  });

  test('on REST has its deadline', async () => {
    const running = tools.execute(body, { headers: { 'x-request-timeout-ms': '200' } });
    const { gone } = await upstream.request();
    const response = await running;
    expect([response.status, (await errorOf(response)).code]).toEqual([504, 'deadline_exceeded']);
    await gone;
  });

  test.each(Object.keys(rpcTransports) as RpcFace[])('over %s ends the call of the tool', async (face) => {
    const client = createClient(ToolService, rpcTransports[face](gateway.url));
    const request = { name: 'slow', argumentsJson: '{"q":"x"}' };
    const leave = new AbortController();
    const running = client.executeTool(request, { signal: leave.signal }).catch(() => 'left');
    const first = await upstream.request();
    leave.abort();
    await first.gone;
    expect(await running).toBe('left');
    const late = client.executeTool(request, { timeoutMs: 300 }).catch((cause) => ConnectError.from(cause));
    await (await upstream.request()).gone;
    expect(await late).toMatchObject({ code: Code.DeadlineExceeded });
  });
});

describe.each(Object.keys(rpcTransports) as RpcFace[])('ToolService over %s', (face) => {
  const client = () => createClient(ToolService, rpcTransports[face](gateway.url));
  const failure = async (promise: Promise<unknown>): Promise<[string, string, string]> => {
    const error = await promise.then(
      () => Promise.reject(new Error('it succeeded')),
      (cause: unknown) => ConnectError.from(cause),
    );
    const [detail] = error.findDetails(ErrorDetailSchema);
    return [String(Code[error.code]), String(ErrorReason[detail?.reason ?? 0]), detail?.field ?? ''];
  };
  const wanted = (changes: Record<string, unknown> = {}) => ({
    name: 'rpc-tool',
    description: 'd',
    parametersJson: '{ "type": "object" }',
    handler: { url: `${upstream.origin}/rpc`, headers: { authorization: 'hush-hush' } },
    ...changes,
  });

  test('lists, registers, runs and deletes', async () => {
    const { tool } = await client().registerTool(wanted());
    const listed = { name: 'rpc-tool', description: 'd', parametersJson: '{ "type": "object" }' };
    expect(tool).toMatchObject({ ...listed, source: ToolSource.HTTP });
    const { tools: all } = await client().listTools({});
    expect(all.map(({ name, source }) => [name, source])).toEqual([
      ...known.map((name) => [name, ToolSource.BUILT_IN]),
      ['configured', ToolSource.HTTP],
      ['rpc-tool', ToolSource.HTTP],
    ]);
    const running = client().executeTool({ name: 'rpc-tool', argumentsJson: '{"id": 12345678901234567890}' });
    const { body, socket } = await upstream.request();
    expect(body).toBe('{"id":12345678901234567890}');
    socket.write(http(200, oddJson));
    expect(await running).toMatchObject({ name: 'rpc-tool', resultJson: oddJson, success: true, error: '' });
    expect(await failure(client().registerTool(wanted()))).toEqual([
      'AlreadyExists',
      'ALREADY_EXISTS',
      'name',
    ]);
    await client().deleteTool({ name: 'rpc-tool' });
    expect(await failure(client().deleteTool({ name: 'rpc-tool' }))).toEqual([
      'NotFound',
      'NOT_FOUND',
      'name',
    ]);
  });

  test('tells of failures in replies, and of mistakes in errors', async () => {
    expect(
      await client().executeTool({ name: 'calculator', argumentsJson: '{"a":1,"b":0,"operation":"divide"}' }),
    ).toMatchObject({ success: false, resultJson: '', error: 'Division by zero' });
    const run = (argumentsJson: string, more = {}) =>
      failure(client().executeTool({ name: 'calculator', argumentsJson, ...more }));
    const wrong = (field: string) => ['InvalidArgument', 'TOOL_ARGUMENTS_INVALID', field];
    expect(await run('{"a":1}')).toEqual(wrong('arguments_json.b'));
    expect(await run('')).toEqual(wrong('arguments_json.a'));
    expect(await run('{')).toEqual(wrong('arguments_json'));
    expect(await run('[]')).toEqual(wrong('arguments_json'));
    expect(await run('{}', { name: 'none' })).toEqual(['NotFound', 'NOT_FOUND', 'name']);
    expect(await run('{}', { sessionId: 'none' })).toEqual(['NotFound', 'NOT_FOUND', 'session_id']);
    expect(await run('{}', { name: '' })).toEqual(['InvalidArgument', 'INVALID_REQUEST', 'name']);
    expect(await failure(client().deleteTool({ name: 'echo' }))).toEqual([
      'FailedPrecondition',
      'TOOL_NOT_REMOVABLE',
      'name',
    ]);
  });

  test.each<[string, Record<string, unknown>]>([
    ['name', { name: 'a b' }],
    ['description', { description: '' }],
    ['parameters_json', { parametersJson: '{' }],
    ['parameters_json', { parametersJson: '{"type":"object","properties":5}' }],
    ['handler', { handler: undefined }],
    ['handler.url', { handler: { url: 'x' } }],
    ['handler.method', { handler: { url: 'https://api.example.com/', method: 'HEAD' } }],
    ['handler.timeout_ms', { handler: { url: 'https://api.example.com/', timeoutMs: 1 } }],
    ['handler.headers.te', { handler: { url: 'https://api.example.com/', headers: { te: 'trailers' } } }],
  ])('names %s when it is wrong: %j', async (field, changes) => {
    expect(await failure(client().registerTool(wanted(changes)))).toEqual([
      'InvalidArgument',
      'INVALID_REQUEST',
      field,
    ]);
  });

  test('refuses hosts that are not allowed', async () => {
    const handler = { url: 'https://evil.com/' };
    expect(await failure(client().registerTool(wanted({ handler })))).toEqual([
      'PermissionDenied',
      'PERMISSION_DENIED',
      'handler.url',
    ]);
  });
});
