// Child processes of the benchmark: started with an almost empty environment, ended for certain.

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { Caller, type Contract } from './ipc.ts';

/** Output kept of a child, in characters, to say why it failed. */
const OUTPUT_LIMIT = 2000;
/** How long a child may take to end on SIGTERM before it is killed, in milliseconds. */
const STOP_TIMEOUT_MS = 2000;

export interface ChildOptions {
  /** Options of node itself, before the file. */
  nodeArgs?: string[];
  args?: string[];
  env?: Record<string, string>;
  cwd?: string;
}

export class Child<C extends Contract> {
  readonly process: ChildProcess;
  readonly #caller: Caller<C>;
  #output = '';

  constructor(file: string, options: ChildOptions = {}) {
    this.process = spawn(process.execPath, [...(options.nodeArgs ?? []), file, ...(options.args ?? [])], {
      cwd: options.cwd,
      env: { ...inheritedEnv(), ...options.env },
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
      // Requests travel to the load generator as bytes.
      serialization: 'advanced',
    });
    running.add(this.process);
    this.process.once('exit', () => running.delete(this.process));
    const keep = (text: Buffer): void => {
      this.#output = (this.#output + text.toString()).slice(-OUTPUT_LIMIT);
    };
    this.process.stdout?.on('data', keep);
    this.process.stderr?.on('data', keep);
    this.#caller = new Caller<C>(this.process);
  }

  /** What the child wrote last about an error, in one line without this machine's paths. */
  get complaint(): string {
    const lines = this.#output.trim().split('\n');
    const line = lines.findLast((text) => /error/i.test(text) && !/^\s/.test(text)) ?? lines.at(-1) ?? '';
    return line.replaceAll(process.cwd(), '.').slice(0, 300);
  }

  get ended(): boolean {
    return this.process.exitCode !== null || this.process.signalCode !== null;
  }

  call: Caller<C>['call'] = (method, params, timeoutMs) => this.#caller.call(method, params, timeoutMs);

  async stop(): Promise<void> {
    if (this.ended) return;
    const exit = once(this.process, 'exit');
    this.process.kill('SIGTERM');
    const killer = setTimeout(() => this.process.kill('SIGKILL'), STOP_TIMEOUT_MS);
    await exit;
    clearTimeout(killer);
  }
}

const running = new Set<ChildProcess>();
process.on('exit', () => {
  for (const child of running) child.kill('SIGKILL');
});

// Settings of the person who runs the benchmark (keys, proxies, NODE_OPTIONS) must not reach what is measured.
function inheritedEnv(): Record<string, string> {
  const env: Record<string, string> = { NODE_ENV: 'production' };
  for (const name of ['PATH', 'HOME', 'TMPDIR', 'LANG']) {
    const value = process.env[name];
    if (value !== undefined) env[name] = value;
  }
  return env;
}

/** A port of the loopback interface that nobody listens on at this moment. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  if (address === null || typeof address === 'string') throw new Error('no port');
  return address.port;
}

/** Waits until GET `path` answers 200. Rejects when the child ends first or after `timeoutMs`. */
export async function waitForHttp(
  child: { ended: boolean; complaint: string },
  port: number,
  path: string,
  timeoutMs = 15_000,
): Promise<void> {
  const deadline = Date.now() + timeoutMs;
  for (;;) {
    if (child.ended) throw new Error(`it ended at start: ${child.complaint}`);
    try {
      const response = await fetch(`http://127.0.0.1:${port}${path}`, {
        signal: AbortSignal.timeout(1000),
        headers: { connection: 'close' },
      });
      await response.arrayBuffer();
      if (response.ok) return;
    } catch {
      // Not listening yet.
    }
    if (Date.now() > deadline) throw new Error(`not ready after ${timeoutMs} ms: ${child.complaint}`);
    await delay(50);
  }
}
