import { describe, expect, test } from 'vitest';
import { ErrorReason } from '../../gen/llmgateway/v1/error_pb.js';
import { ToolSource } from '../../gen/llmgateway/v1/tool_service_pb.js';
import { GatewayError } from '../../src/errors/gateway-error.ts';
import { ServiceError } from '../../src/integrations/service.ts';
import { createLogger } from '../../src/observability/log.ts';
import { AllTools, type ToolLimits } from '../../src/tools/all-tools.ts';
import { FixedTools } from '../../src/tools/fixed-tools.ts';
import type { Tool, ToolProvider } from '../../src/tools/tool.ts';
import { calculator, echo, makeTool, result } from '../support/tools.ts';

const limits: ToolLimits = { timeoutMs: 30_000, maxResultBytes: 1_024, maxConcurrent: 2 };

function box(sources: readonly ToolProvider[] = [], more: Partial<ToolLimits> = {}) {
  const lines: Record<string, unknown>[] = [];
  const sink = (line: string) => void lines.push(JSON.parse(line));
  const log = createLogger({ service: 't', level: 'DEBUG', sink });
  return { tools: new AllTools(sources, () => ({ ...limits, ...more }), log), lines };
}
const of = (...tools: Tool[]): ToolProvider => new FixedTools(() => tools);
const context = (signal = new AbortController().signal) => ({ tenant: '', requestId: 'r', signal });
const never = () => new Promise<never>(() => {});
const failure = (message: string) => ({ kind: 'error', message });

describe('the tools of several sources', () => {
  const other = makeTool('other', {}, () => result(1));
  const shadowed = { ...echo, description: 'Another echo', source: ToolSource.MCP };
  const away: ToolProvider = {
    list: () =>
      Promise.reject(new GatewayError(ErrorReason.DEPENDENCY_UNAVAILABLE, 'redis is not available')),
    find: () =>
      Promise.reject(new GatewayError(ErrorReason.DEPENDENCY_UNAVAILABLE, 'redis is not available')),
  };

  test('are one list, in the order of the sources, the first of a name', async () => {
    const { tools } = box([of(echo, calculator), of(shadowed, other)]);
    expect(await tools.list('')).toEqual([echo, calculator, other]);
    expect(await tools.find('', 'echo')).toBe(echo);
    expect(await tools.find('', 'other')).toBe(other);
    expect(await tools.find('', 'none')).toBeNull();
  });

  test('are known as far as the first sources go when a later one is away, and the list is not shortened', async () => {
    const { tools } = box([of(echo), away, of(other)]);
    expect(await tools.find('', 'echo')).toBe(echo);
    await expect(tools.find('', 'other')).rejects.toThrow('redis is not available');
    await expect(tools.list('')).rejects.toThrow('redis is not available');
  });
});

describe('a run', () => {
  test('gives the result as the tool made it, and a line in the log without arguments', async () => {
    const { tools, lines } = box();
    const json = '{ "b": 1.0,\n "a": 12345678901234567890 }';
    const tool = makeTool('t', {}, () => ({ kind: 'result', json }));
    expect(await tools.run(tool, '{"secret":"hush"}', context())).toEqual({ kind: 'result', json });
    expect(lines).toMatchObject([
      { message: 'tool', tool: 't', status: 'ok', request_id: 'r', level: 'INFO' },
    ]);
    expect(JSON.stringify(lines)).not.toContain('hush');
  });

  test('does not begin with wrong arguments', async () => {
    const { tools, lines } = box();
    expect(await tools.run(calculator, '{"a":1}', context())).toEqual({
      kind: 'bad_arguments',
      message: 'Missing required argument: b',
      field: 'b',
    });
    expect(lines).toMatchObject([{ status: 'bad_arguments' }]);
  });

  test('refuses unknown arguments to clients and ignores them from models', async () => {
    const { tools } = box();
    const args = '{"message":"x","more":1}';
    expect(await tools.run(echo, args, context())).toEqual(result({ echoed: 'x' }));
    expect(await tools.run(echo, args, context(), 'client')).toMatchObject({
      kind: 'bad_arguments',
      message: 'Unknown argument: more',
      field: 'more',
    });
  });

  test.each<[string, unknown, string]>([
    ['an error', new Error('connect ECONNREFUSED 10.0.0.7:5432'), 'internal error'],
    ['a text', 'oops', 'internal error'],
    ['a fault of ours', new GatewayError(ErrorReason.INTERNAL, 'no luck'), 'no luck'],
    ['a fault of a service', new ServiceError('timeout', 'it slept'), 'it slept'],
  ])('of a tool that throws %s is an outcome and a log line', async (_what, error, message) => {
    const { tools, lines } = box();
    const later = makeTool('later', {}, () => Promise.reject(error));
    const once: Tool = {
      ...later,
      run() {
        throw error;
      },
    };
    for (const tool of [later, once])
      expect(await tools.run(tool, '{}', context())).toEqual(failure(`Tool execution failed: ${message}`));
    expect(lines.filter(({ level }) => level === 'ERROR').length).toBe(2);
    expect(lines.filter(({ message: text }) => text === 'tool')).toMatchObject([
      { status: 'failed' },
      { status: 'failed' },
    ]);
  });

  test('of a tool that takes too long ends in time, and stops the tool', async () => {
    const { tools } = box([], { timeoutMs: 100 });
    let stopped = false;
    const tool = makeTool('slow', {}, (_args, { signal }) => {
      signal.addEventListener('abort', () => {
        stopped = true;
      });
      return never();
    });
    expect(await tools.run(tool, '{}', context())).toEqual(failure('Tool execution timeout after 0.1s'));
    expect(stopped).toBe(true);
    const own = { ...tool, timeoutMs: 50 };
    expect(await tools.run(own, '{}', context())).toEqual(failure('Tool execution timeout after 0.05s'));
  });

  test('names whole seconds with a decimal', async () => {
    const { tools } = box([], { timeoutMs: 1_000 });
    expect(await tools.run(makeTool('slow', {}, never), '{}', context())).toEqual(
      failure('Tool execution timeout after 1.0s'),
    );
  });

  test('ends with the signal, whatever the tool does', async () => {
    const { tools, lines } = box();
    const leave = new AbortController();
    const reason = new GatewayError(ErrorReason.CANCELLED, 'the client has left');
    let heard: unknown;
    const run = tools.run(
      makeTool('t', {}, (_args, { signal }) => {
        signal.addEventListener('abort', () => {
          heard = signal.reason;
        });
        leave.abort(reason);
        return never();
      }),
      '{}',
      context(leave.signal),
    );
    await expect(run).rejects.toBe(reason);
    expect(heard).toBe(reason);
    expect(lines).toMatchObject([{ status: 'cancelled' }]);
    await expect(tools.run(echo, '{"message":"x"}', context(leave.signal))).rejects.toBe(reason);
  });

  test.each<[string, string, RegExp]>([
    ['too large', JSON.stringify('x'.repeat(1_023)), /larger than 1024 bytes/],
    ['no JSON', 'hello', /not valid JSON/],
  ])('with a result that is %s fails', async (_what, json, message) => {
    const { tools } = box();
    const outcome = await tools.run(
      makeTool('t', {}, () => ({ kind: 'result', json })),
      '{}',
      context(),
    );
    expect(outcome).toEqual(failure(expect.stringMatching(message) as unknown as string));
    const most = makeTool('t', {}, () => result('x'.repeat(1_022)));
    expect((await tools.run(most, '{}', context())).kind).toBe('result');
  });

  test('cuts endless words of an error', async () => {
    const { tools } = box();
    const outcome = await tools.run(
      makeTool('t', {}, () => ({ kind: 'error', message: 'x'.repeat(100_000) })),
      '{}',
      context(),
    );
    expect(outcome.kind === 'error' && outcome.message.length).toBe(8_193);
  });

  test('beyond the bound of running tools fails at once, until one has really ended', async () => {
    const { tools } = box([], { timeoutMs: 20 });
    const ends: (() => void)[] = [];
    const deaf = makeTool('deaf', {}, () => new Promise((resolve) => ends.push(() => resolve(result(1)))));
    const outcomes = await Promise.all([1, 2, 3].map(() => tools.run(deaf, '{}', context())));
    expect(outcomes).toEqual([
      failure('Tool execution timeout after 0.02s'),
      failure('Tool execution timeout after 0.02s'),
      failure('Tool execution failed: 2 tools are running, which is as many as may; try again later'),
    ]);
    const run = () => tools.run(echo, '{"message":"x"}', context());
    expect((await run()).kind).toBe('error');
    ends[0]!();
    await new Promise((resolve) => setImmediate(resolve));
    expect((await run()).kind).toBe('result');
  });

  test('hands exact numbers to tools outside of the gateway, and plain ones to its own', async () => {
    const { tools } = box();
    const seen: unknown[] = [];
    const own = makeTool('t', {}, ({ id }) => {
      seen.push(typeof id === 'number' ? 'number' : JSON.stringify(id));
      return result(null);
    });
    await tools.run(own, '{"id":12345678901234567890}', context());
    await tools.run({ ...own, source: ToolSource.MCP }, '{"id":12345678901234567890}', context());
    expect(seen).toEqual(['number', '12345678901234567890']);
  });
});
