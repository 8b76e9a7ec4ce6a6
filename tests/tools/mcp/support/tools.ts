import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { onTestFinished, vi } from 'vitest';
import type { McpServerConfig, McpTransport } from '../../../../src/config/mcp-servers.ts';
import { createLogger } from '../../../../src/observability/log.ts';
import type { ConnectionTimes } from '../../../../src/tools/mcp/connection.ts';
import { McpTools } from '../../../../src/tools/mcp/provider.ts';
import type { ToolOutcome } from '../../../../src/tools/tool.ts';

const root = path.resolve(import.meta.dirname, '../../../..');
export const fixture = path.join(root, 'tests/tools/mcp/fixtures/server.mjs');
export const everything = path.join(
  root,
  'node_modules/@modelcontextprotocol/server-everything/dist/index.js',
);

/** Short enough that no test waits, long enough for a busy machine. */
export const quick: Partial<ConnectionTimes> = { firstPauseMs: 20, mostPauseMs: 100 };

export const stdio = (args: readonly string[], env: Record<string, string> = {}): McpTransport => ({
  kind: 'stdio',
  command: process.execPath,
  args,
  env,
  cwd: root,
});

export const http = (url: string, headers: Record<string, string> = {}): McpTransport => ({
  kind: 'http',
  url,
  headers,
});

export const server = (
  name: string,
  transport: McpTransport,
  more: Partial<McpServerConfig> = {},
): McpServerConfig => ({ name, transport, timeoutMs: 10_000, tools: null, ...more });

/** The misbehaving server, and what it notes of its life. */
export function scripted(
  mode: string,
  more: Partial<McpServerConfig> = {},
): { config: McpServerConfig; notes: () => string; pids: () => number[] } {
  const folder = mkdtempSync(path.join(tmpdir(), 'mcp-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  const file = path.join(folder, 'notes');
  const notes = (): string => {
    try {
      return readFileSync(file, 'utf8');
    } catch {
      return '';
    }
  };
  return {
    config: server('s', stdio([fixture, mode, file]), more),
    notes,
    pids: () => [...notes().matchAll(/^pid (\d+)$/gm)].map(([, pid]) => Number(pid)),
  };
}

export interface Running {
  readonly tools: McpTools;
  readonly log: Record<string, unknown>[];
  names(): Promise<string[]>;
  /** Calls a tool by the gateway's name for it. */
  call(name: string, args?: Record<string, unknown>, signal?: AbortSignal): Promise<ToolOutcome>;
}

/** Connects to servers, and lets go of them at the end of the test. */
export function connect(
  servers: readonly McpServerConfig[],
  times: Partial<ConnectionTimes> = quick,
): Running {
  const log: Record<string, unknown>[] = [];
  const sink = (line: string) => void log.push(JSON.parse(line));
  const logger = createLogger({ service: 'test', level: 'DEBUG', sink });
  const tools = new McpTools(servers, { log: logger.module('mcp'), version: '1', times });
  onTestFinished(() => tools.close());
  return {
    tools,
    log,
    names: async () => (await tools.list('')).map(({ name }) => name),
    async call(name, args = {}, signal = new AbortController().signal) {
      const tool = await tools.find('', name);
      if (tool === null) throw new Error(`there is no tool ${name}`);
      return tool.run(args, { tenant: '', requestId: 'r', signal });
    },
  };
}

/** Waits for something that happens in the background. */
export const until = (check: () => unknown): Promise<unknown> =>
  vi.waitFor(
    async () => {
      if (!(await check())) throw new Error('not yet');
    },
    { timeout: 15_000, interval: 10 },
  );

/** Connects, and waits for the tools. */
export async function connected(...args: Parameters<typeof connect>): Promise<Running> {
  const running = connect(...args);
  await until(async () => (await running.names()).length > 0);
  return running;
}

export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    // A zombie is dead: nobody has asked for how it ended yet.
    return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'));
  } catch {
    return false;
  }
}
