import { type ChildProcess, spawn } from 'node:child_process';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { afterEach, describe, expect, test } from 'vitest';
import { callFace, type Face } from '../support/faces.ts';

const root = path.resolve(import.meta.dirname, '../..');
let child: ChildProcess | undefined;
afterEach(() => {
  child?.kill('SIGKILL');
});

interface Process {
  readonly url: string;
  readonly lines: Record<string, unknown>[];
  readonly exit: Promise<number | null>;
  signal(name: NodeJS.Signals): void;
  said(message: string): Promise<Record<string, unknown>>;
}

/** The real process, as `npm start` runs it. */
async function startProcess(env: Record<string, string> = {}): Promise<Process> {
  const started = spawn(path.join(root, 'node_modules/.bin/node'), ['src/main.ts'], {
    cwd: root,
    env: { PATH: process.env['PATH'], LLM_GATEWAY_HOST: '127.0.0.1', LLM_GATEWAY_PORT: '0', ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  child = started;
  const lines: Record<string, unknown>[] = [];
  const waiting: { message: string; resolve: (line: Record<string, unknown>) => void }[] = [];
  createInterface({ input: started.stdout! }).on('line', (line) => {
    const parsed = JSON.parse(line) as Record<string, unknown>;
    lines.push(parsed);
    for (const { message, resolve } of waiting) if (parsed['message'] === message) resolve(parsed);
  });
  const said = (message: string) =>
    new Promise<Record<string, unknown>>((resolve) => {
      const found = lines.find((line) => line['message'] === message);
      if (found === undefined) waiting.push({ message, resolve });
      else resolve(found);
    });
  const exit = new Promise<number | null>((resolve) => started.once('exit', resolve));
  const { port } = await said('listening');
  return { url: `http://127.0.0.1:${port}`, lines, exit, said, signal: (name) => void started.kill(name) };
}

describe.each(['REST', 'Connect binary over HTTP/1.1', 'gRPC'] as Face[])(
  'SIGTERM during a stream of %s',
  (face) => {
    test('lets it end, refuses new calls, then leaves with 0', async () => {
      const gateway = await startProcess();
      let begun = () => {};
      const streaming = new Promise<void>((resolve) => {
        begun = resolve;
      });
      const call = callFace(face, gateway.url, 'fake/slow?words=40&delay_ms=25', {
        stream: true,
        onText: () => begun(),
      });
      await streaming;
      gateway.signal('SIGTERM');
      await gateway.said('draining');

      for (const other of [
        'REST',
        'gRPC',
        'Connect binary over HTTP/1.1',
        'gRPC-Web over HTTP/1.1',
      ] as Face[]) {
        for (const stream of [false, true]) {
          const { failure } = await callFace(other, gateway.url, 'fake/echo', { stream });
          const status = other === 'REST' ? 503 : 'Unavailable';
          expect(failure).toMatchObject({ status, reason: 'draining' });
        }
      }
      expect((await fetch(`${gateway.url}/health/ready`)).status).toBe(503);
      const outcome = await call;
      expect(outcome).toMatchObject({ complete: true, failure: null });
      expect(outcome.text.split(' ')).toHaveLength(40);
      expect(await gateway.exit).toBe(0);
      expect(await gateway.said('stopped')).toMatchObject({ message: 'stopped', cut_off: 0 });
    });
  },
);

test('what does not end in time is cut off', async () => {
  const gateway = await startProcess({ LLM_GATEWAY_DRAIN_TIMEOUT_SECONDS: '200ms' });
  let begun = () => {};
  const streaming = new Promise<void>((resolve) => {
    begun = resolve;
  });
  const call = callFace('REST', gateway.url, 'fake/slow?words=10000&delay_ms=50', {
    stream: true,
    onText: () => begun(),
  });
  await streaming;
  gateway.signal('SIGTERM');
  expect(await gateway.exit).toBe(0);
  expect((await call).complete).toBe(false);
  expect(await gateway.said('stopped')).toMatchObject({ message: 'stopped', cut_off: 1 });
});

test('a wrong configuration ends the start with a line for each mistake', async () => {
  const started = spawn(path.join(root, 'node_modules/.bin/node'), ['src/main.ts'], {
    cwd: root,
    env: { LLM_GATEWAY_PORT: 'eighty', LLM_GATEWAY_LOG_LEVEL: 'LOUD', OPENAI_API_KEY: 'sk-do-not-show-me' },
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  child = started;
  let text = '';
  started.stderr!.setEncoding('utf8').on('data', (chunk: string) => {
    text += chunk;
  });
  expect(await new Promise((resolve) => started.once('close', resolve))).toBe(1);
  expect(text.trim().split('\n')).toEqual([
    'llm-gateway: LLM_GATEWAY_PORT: is "eighty", has to be a whole number from 0 to 65535',
    'llm-gateway: LLM_GATEWAY_LOG_LEVEL: is "LOUD", has to be one of DEBUG, INFO, WARN, ERROR',
  ]);
});

test.each(['REST', 'gRPC', 'Connect over HTTP/2'] as Face[])(
  'a stream of %s that outlasts the drain is told why it ends',
  async (face) => {
    const gateway = await startProcess({ LLM_GATEWAY_DRAIN_TIMEOUT_SECONDS: '200ms' });
    let begun = () => {};
    const streaming = new Promise<void>((resolve) => {
      begun = resolve;
    });
    const call = callFace(face, gateway.url, 'fake/slow?words=400&delay_ms=25', {
      stream: true,
      onText: () => begun(),
    });
    await streaming;
    gateway.signal('SIGTERM');
    const { complete, failure } = await call;
    expect(complete).toBe(false);
    expect(failure?.reason).toBe('draining');
    expect(await gateway.exit).toBe(0);
  },
);
