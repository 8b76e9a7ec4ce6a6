import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { Client } from 'undici';
import { until } from './redis.ts';

const root = path.resolve(import.meta.dirname, '../..');

type Line = Readonly<Record<string, unknown>>;

/** A gateway of several processes, as `npm start` runs it. */
export interface WorkerGateway {
  readonly url: string;
  /** Log lines so far. */
  readonly lines: readonly Line[];
  /** The exit code. */
  readonly exit: Promise<number | null>;
  readonly stderr: () => string;
  signal(name: NodeJS.Signals): void;
  /** The first line with a message that comes, or came, after the first `from` ones. */
  said(message: string, from?: number): Promise<Line>;
  /** Process of a worker. */
  pid(worker: number): number;
  /** A connection of its own to a worker. */
  connection(worker: number): Promise<WorkerConnection>;
  stop(): Promise<void>;
}

export interface WorkerConnection {
  post(path: string, body: object): Promise<{ status: number; text: string }>;
  get(path: string): Promise<{ status: number; text: string }>;
  /** Never rejects. @returns what came, and whether that was all */
  stream(body: object, onText?: () => void): Promise<{ text: string; whole: boolean }>;
  close(): void;
}

const json = { 'content-type': 'application/json' };
/** A line for the connection's own search for its worker. */
const probe = { model: 'fake/echo', messages: [{ role: 'user', content: 'who' }] };

/** Starts one without waiting for it to listen. */
export function spawnWorkers(env: Record<string, string>): {
  child: ChildProcess;
  lines: Line[];
  exit: Promise<number | null>;
  stderr: () => string;
} {
  const child = spawn(path.join(root, 'node_modules/.bin/node'), ['src/main.ts'], {
    cwd: root,
    env: {
      PATH: process.env['PATH'],
      LLM_GATEWAY_WORKERS: '2',
      LLM_GATEWAY_HOST: '127.0.0.1',
      LLM_GATEWAY_PORT: '0',
      LLM_GATEWAY_LOG_LEVEL: 'DEBUG',
      ...env,
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const lines: Line[] = [];
  createInterface({ input: child.stdout }).on('line', (text) => void lines.push(JSON.parse(text) as Line));
  let complaints = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    complaints += text;
  });
  const exit = new Promise<number | null>((resolve) => child.once('close', resolve));
  return { child, lines, exit, stderr: () => complaints };
}

/** Starts one and waits until it listens. */
export async function startWorkers(env: Record<string, string> = {}): Promise<WorkerGateway> {
  const dir = mkdtempSync(path.join(tmpdir(), 'llm-gateway-workers-'));
  const { child, lines, exit, stderr } = spawnWorkers({
    LLM_GATEWAY_DATA_DIR: path.join(dir, 'data'),
    ...env,
  });
  let over = false;
  void exit.then(() => {
    over = true;
  });
  const said = async (message: string, from = 0): Promise<Line> => {
    const find = () => lines.slice(from).find((line) => line['message'] === message);
    await until(() => over || find() !== undefined, 30_000);
    const line = find();
    if (line === undefined) throw new Error(`it ended without ${message}: ${stderr()}`);
    return line;
  };
  const { port, worker_pids: pids } = (await said('listening')) as unknown as {
    port: number;
    worker_pids: number[];
  };
  const url = `http://127.0.0.1:${port}`;
  const open: Client[] = [];

  const request = async (client: Client, method: 'GET' | 'POST', at: string, body?: object) => {
    const reply = await client.request({
      method,
      path: at,
      headers: json,
      body: body === undefined ? null : JSON.stringify(body),
    });
    return {
      status: reply.statusCode,
      text: await reply.body.text(),
      id: String(reply.headers['x-request-id']),
    };
  };
  const workerOf = async (id: string): Promise<number> => {
    const find = () => lines.find((line) => line['message'] === 'call' && line['request_id'] === id);
    await until(() => find() !== undefined);
    return Number(find()?.['worker']);
  };
  return {
    url,
    lines,
    exit,
    stderr,
    said,
    signal: (name) => void child.kill(name),
    pid(worker) {
      const later = lines.findLast(
        (line) => line['worker'] === worker && line['message'] === 'a worker serves in place of another',
      );
      return Number(later?.['pid'] ?? pids[worker - 1]);
    },
    async connection(worker) {
      for (;;) {
        const client = new Client(url, { pipelining: 1 });
        const { id } = await request(client, 'POST', '/v1/chat/completions', probe);
        if ((await workerOf(id)) !== worker) {
          await client.close();
          continue;
        }
        open.push(client);
        return {
          post: (at, body) => request(client, 'POST', at, body),
          get: (at) => request(client, 'GET', at),
          async stream(body, onText) {
            let text = '';
            try {
              const reply = await client.request({
                method: 'POST',
                path: '/v1/chat/completions',
                headers: json,
                body: JSON.stringify({ ...body, stream: true }),
              });
              for await (const chunk of reply.body) {
                text += String(chunk);
                onText?.();
              }
            } catch {
              return { text, whole: false };
            }
            return { text, whole: text.includes('[DONE]') };
          },
          close: () => void client.destroy(),
        };
      }
    },
    async stop() {
      for (const client of open) await client.destroy();
      child.kill('SIGKILL');
      await exit;
      rmSync(dir, { recursive: true, force: true });
    },
  };
}
