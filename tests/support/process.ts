import { spawn } from 'node:child_process';
import path from 'node:path';
import { createInterface } from 'node:readline';

const root = path.resolve(import.meta.dirname, '../..');

/** A gateway in a process of its own, as `npm start` runs it. */
export interface GatewayProcess {
  readonly url: string;
  /** Log lines so far. */
  readonly lines: readonly Record<string, unknown>[];
  /** Ends it at once, as a crash would. */
  kill(): Promise<void>;
}

/** Starts one on a free port of loopback. @param env all that it is told */
export async function startGatewayProcess(env: Record<string, string>): Promise<GatewayProcess> {
  const child = spawn(path.join(root, 'node_modules/.bin/node'), ['src/main.ts'], {
    cwd: root,
    env: { PATH: process.env['PATH'], LLM_GATEWAY_HOST: '127.0.0.1', LLM_GATEWAY_PORT: '0', ...env },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const exit = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  const lines: Record<string, unknown>[] = [];
  const port = await new Promise<unknown>((resolve, reject) => {
    createInterface({ input: child.stdout }).on('line', (text) => {
      const line = JSON.parse(text) as Record<string, unknown>;
      lines.push(line);
      if (line['message'] === 'listening') resolve(line['port']);
    });
    exit.then(() => reject(new Error('the gateway ended before it listened')));
  });
  return {
    url: `http://127.0.0.1:${port}`,
    lines,
    async kill() {
      child.kill('SIGKILL');
      await exit;
    },
  };
}
