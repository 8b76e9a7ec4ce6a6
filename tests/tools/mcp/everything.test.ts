import { spawn } from 'node:child_process';
import { createServer } from 'node:net';
import { describe, expect, onTestFinished, test } from 'vitest';
import type { McpTransport } from '../../../src/config/mcp-servers.ts';
import { connected, everything, http, type Running, server, stdio, until } from './support/tools.ts';

async function freePort(): Promise<number> {
  const probe = createServer();
  await new Promise<void>((resolve) => probe.listen(0, '127.0.0.1', resolve));
  const { port } = probe.address() as { port: number };
  await new Promise((resolve) => probe.close(resolve));
  return port;
}

/** The reference server on streamable HTTP. */
async function overHttp(port: number): Promise<() => Promise<void>> {
  const child = spawn(process.execPath, [everything, 'streamableHttp'], {
    env: { PATH: process.env['PATH'], PORT: String(port) },
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  const exit = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  const stop = async (): Promise<void> => {
    child.kill('SIGKILL');
    await exit;
  };
  onTestFinished(stop);
  await new Promise<void>((resolve) => {
    child.stderr.on('data', (chunk: Buffer) => {
      if (chunk.includes('listening on port')) resolve();
    });
  });
  return stop;
}

describe.each<[string, () => Promise<McpTransport>]>([
  ['standard input and output', async () => stdio([everything, 'stdio'])],
  [
    'streamable HTTP',
    async () => {
      const port = await freePort();
      await overHttp(port);
      return http(`http://127.0.0.1:${port}/mcp`);
    },
  ],
])('the reference server on %s', (_what, transport) => {
  const start = async (): Promise<Running> => connected([server('every', await transport())]);

  test('has its tools listed', async () => {
    const { tools } = await start();
    const listed = await tools.list('');
    expect(listed.length).toBeGreaterThan(10);
    const echo = listed.find(({ name }) => name === 'every__echo');
    expect(echo).toMatchObject({ description: 'Echoes back the input string', timeoutMs: 10_000 });
    expect(JSON.parse(echo?.parametersJson ?? '')).toMatchObject({
      type: 'object',
      properties: { message: { type: 'string' } },
      required: ['message'],
    });
  });

  test('gives text, pictures, structure and links', async () => {
    const running = await start();
    expect(await running.call('every__echo', { message: 'hi' })).toMatchObject({
      kind: 'result',
      json: '{"content":[{"type":"text","text":"Echo: hi"}]}',
    });
    const cases = async (name: string, args = {}) => {
      const outcome = await running.call(`every__${name}`, args);
      return outcome.kind === 'result' ? outcome.parts?.map(({ content }) => content.case) : outcome.message;
    };
    expect(await cases('get-tiny-image')).toEqual(['text', 'image', 'text']);
    expect(await cases('get-resource-links', { count: 2 })).toEqual(['text', 'text', 'text']);
    const weather = await running.call('every__get-structured-content', { location: 'Chicago' });
    if (weather.kind !== 'result') throw new Error(weather.message);
    expect(JSON.parse(weather.json).structuredContent).toEqual({
      temperature: 36,
      conditions: expect.any(String),
      humidity: 82,
    });
  });

  test('says what is wrong with arguments', async () => {
    const running = await start();
    expect(await running.call('every__echo', { message: 7 })).toEqual({
      kind: 'error',
      message: expect.stringMatching(/expected string/i),
    });
  });

  test('runs several calls at a time, and none that is cancelled holds up the others', async () => {
    const running = await start();
    const leaving = new AbortController();
    const args = { duration: 60, steps: 60 };
    const slow = running.call('every__trigger-long-running-operation', args, leaving.signal);
    const many = Array.from({ length: 20 }, (_, i) => running.call('every__echo', { message: String(i) }));
    for (const [i, outcome] of (await Promise.all(many)).entries())
      expect(outcome).toMatchObject({ json: `{"content":[{"type":"text","text":"Echo: ${i}"}]}` });
    leaving.abort(new Error('left'));
    await expect(slow).rejects.toThrow('left');
    expect((await running.call('every__echo', { message: 'x' })).kind).toBe('result');
  });
});

test('a server on HTTP that is away and comes back is found again, with its tools known meanwhile', async () => {
  const port = await freePort();
  const stop = await overHttp(port);
  const running = await connected([server('every', http(`http://127.0.0.1:${port}/mcp`))]);
  const names = await running.names();
  await stop();
  expect(await running.call('every__echo', { message: 'x' })).toEqual({
    kind: 'error',
    message: 'MCP server every is not available',
  });
  expect(await running.names()).toEqual(names);
  await overHttp(port);
  await until(async () => (await running.call('every__echo', { message: 'x' })).kind === 'result');
  expect(JSON.stringify(running.log)).not.toContain(String(port));
});
