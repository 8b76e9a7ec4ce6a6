import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { root } from '../lib/run.ts';
import { startFlags } from '../lib/start-flags.ts';

/** A gateway in a process of its own, in front of an upstream in another. */
export interface Running {
  readonly url: string;
  readonly port: number;
  readonly pid: number;
  /** Lines of the gateway's log that are warnings or errors, the latest hundred. */
  readonly complaints: readonly string[];
  /** Bytes that the gateway uses, of its heap and outside of it, without garbage. */
  used(): Promise<number>;
  stop(): Promise<void>;
}

/** What the system says of a process. */
export interface Measured {
  readonly rssKib: number;
  readonly handles: number;
}

export function measure(pid: number): Measured {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  const rssKib = Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1] ?? 0);
  return { rssKib, handles: readdirSync(`/proc/${pid}/fd`).length };
}

interface Entry {
  readonly message: string;
  readonly port: number;
  readonly level: string;
  readonly status?: string;
}

const maxComplaints = 100;

/** Starts both. @param env for the gateway, besides where the upstream is */
export async function startAll(env: Record<string, string>): Promise<Running> {
  const children: ChildProcess[] = [];
  const complaints: string[] = [];
  const dataDir = mkdtempSync(path.join(tmpdir(), 'llm-gateway-load-'));
  const start = (args: readonly string[], more: Record<string, string>) => {
    const child = spawn(process.execPath, args, {
      cwd: root,
      env: { PATH: process.env['PATH'], ...more },
      stdio: ['ignore', 'pipe', 'inherit', 'ipc'],
    });
    children.push(child);
    return child;
  };
  const upstream = start(['scripts/load/upstream.ts'], {});
  const upstreamPort = await firstOf(upstream, (line) => Number(line));
  const gateway = start([...startFlags(), '--expose-gc', 'scripts/load/gateway.ts'], {
    LLM_GATEWAY_HOST: '127.0.0.1',
    LLM_GATEWAY_PORT: '0',
    LLM_GATEWAY_LOG_LEVEL: 'INFO',
    LLM_GATEWAY_DATA_DIR: dataDir,
    LLM_GATEWAY_LLAMACPP_BASE_URL: `http://127.0.0.1:${upstreamPort}/v1`,
    ...env,
  });
  const port = await firstOf(gateway, (line) => {
    const entry = JSON.parse(line) as Entry;
    // That clients leave is what some scripts do.
    const isComplaint = entry.level === 'WARN' || entry.level === 'ERROR';
    if (isComplaint && entry.status !== 'cancelled') complaints.push(line);
    if (complaints.length > maxComplaints) complaints.shift();
    return entry.message === 'listening' ? entry.port : Number.NaN;
  });
  return {
    url: `http://127.0.0.1:${port}`,
    port,
    pid: gateway.pid as number,
    complaints,
    used() {
      return new Promise((resolve, reject) => {
        const ended = (): void => reject(new Error('the gateway has ended'));
        gateway.once('exit', ended);
        gateway.once('message', (message) => {
          gateway.off('exit', ended);
          const { heapUsed, external } = message as { heapUsed: number; external: number };
          resolve(heapUsed + external);
        });
        gateway.send('memory');
      });
    },
    async stop() {
      const alive = children.filter(({ exitCode, signalCode }) => exitCode === null && signalCode === null);
      const ended = alive.map((child) => new Promise((resolve) => child.once('exit', resolve)));
      for (const child of alive) child.kill('SIGKILL');
      await Promise.all(ended);
      rmSync(dataDir, { recursive: true, force: true });
    },
  };
}

/** The first line of which `read` makes a number; all later ones are read, too. */
function firstOf(child: ChildProcess, read: (line: string) => number): Promise<number> {
  return new Promise((resolve, reject) => {
    child.once('exit', (code) => reject(new Error(`${child.spawnargs[1]} ended with ${code}`)));
    createInterface({ input: child.stdout as NodeJS.ReadableStream }).on('line', (line) => {
      const found = read(line);
      if (!Number.isNaN(found)) resolve(found);
    });
  });
}
