// Child processes of the run. Every one is remembered until it is gone, so that nothing outlives the script.
import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, mkdirSync, openSync, readFileSync } from 'node:fs';
import { createServer } from 'node:net';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

const running = new Set<ChildProcess>();
let stopping = false;

// The last resort, for an exit on which nobody could wait.
process.on('exit', () => {
  for (const child of running) child.kill('SIGKILL');
});

export interface RunOptions {
  readonly input?: string;
  readonly timeoutMs: number;
  readonly env?: NodeJS.ProcessEnv;
  readonly cwd?: string;
  /** Gets standard output as it comes. */
  readonly onOutput?: (text: string) => void;
}

/** A command that ended otherwise than with 0; the message is what it said on standard error. */
export class CommandFailed extends Error {}

/** Runs a command to its end and returns its standard output. Throws CommandFailed, also when it cannot be started. */
export function run(command: string, args: readonly string[], options: RunOptions): Promise<string> {
  const child = spawn(command, args, { env: options.env ?? process.env, cwd: options.cwd });
  remember(child);
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  let stdout = '';
  let stderr = '';
  const timer = setTimeout(() => child.kill('SIGKILL'), options.timeoutMs);
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    stdout += text;
    options.onOutput?.(text);
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text;
  });
  child.on('error', (cause) => {
    clearTimeout(timer);
    reject(new CommandFailed(`${command}: ${cause.message}`, { cause }));
  });
  child.on('close', (code, signal) => {
    clearTimeout(timer);
    if (code === 0) resolve(stdout);
    else reject(new CommandFailed(`${command} ended with ${signal ?? code}\n${stderr.trim()}`));
  });
  // A command that ends without reading its input is judged by its exit code, not by the broken pipe.
  child.stdin.on('error', () => {});
  child.stdin.end(options.input ?? '');
  return promise;
}

/** A server of the run. */
export interface Service {
  readonly name: string;
  /** Its origin, without a slash at the end. */
  readonly url: string;
  readonly logFile: string;
  /** Resolves when the process is gone. */
  readonly gone: Promise<unknown>;
}

export interface ServiceOptions {
  readonly name: string;
  readonly command: string;
  readonly args: readonly string[];
  readonly port: number;
  readonly healthPath: string;
  readonly logFolder: string;
  readonly cwd: string;
  readonly env: NodeJS.ProcessEnv;
  readonly timeoutMs: number;
}

/** Starts a server and returns when it says that it is healthy. Throws with the end of its log when it does not. */
export async function startService(options: ServiceOptions): Promise<Service> {
  mkdirSync(options.logFolder, { recursive: true });
  const logFile = path.join(options.logFolder, `${options.name}.log`);
  const log = openSync(logFile, 'w');
  const child = spawn(options.command, options.args, {
    cwd: options.cwd,
    env: options.env,
    stdio: ['ignore', log, log],
  });
  closeSync(log);
  const gone = remember(child);
  const url = `http://127.0.0.1:${options.port}`;
  const deadline = Date.now() + options.timeoutMs;
  while (!(await answersOk(url + options.healthPath))) {
    if (!running.has(child)) throw new Error(`${options.name} ended before it was ready\n${tail(logFile)}`);
    if (Date.now() > deadline) {
      throw new Error(`${options.name}: ${options.healthPath} is not 200 in time\n${tail(logFile)}`);
    }
    await sleep(100);
  }
  return { name: options.name, url, logFile, gone };
}

/** Ends everything that was started: asks, waits 10 s, then kills. */
export async function stopAll(): Promise<void> {
  stopping = true;
  const children = [...running];
  const gone = children.map((child) => new Promise((resolve) => child.once('close', resolve)));
  for (const child of children) child.kill('SIGTERM');
  const patience = sleep(10_000, undefined, { ref: false });
  await Promise.race([Promise.all(gone), patience]);
  for (const child of running) child.kill('SIGKILL');
  await Promise.all(gone);
}

/** The last lines of a log. */
export function tail(file: string, lines = 20): string {
  return readFileSync(file, 'utf8').trimEnd().split('\n').slice(-lines).join('\n');
}

/** A port that is free now. */
export function freePort(): Promise<number> {
  const { promise, resolve, reject } = Promise.withResolvers<number>();
  const server = createServer();
  server.once('error', reject);
  server.listen(0, '127.0.0.1', () => {
    const address = server.address();
    server.close(() => resolve(typeof address === 'object' && address ? address.port : 0));
  });
  return promise;
}

function remember(child: ChildProcess): Promise<unknown> {
  running.add(child);
  // One that was started while the script is being ended would be missed by stopAll.
  if (stopping) child.kill('SIGKILL');
  const { promise, resolve } = Promise.withResolvers<void>();
  const forget = () => {
    running.delete(child);
    resolve();
  };
  child.once('close', forget);
  child.once('error', forget);
  return promise;
}

async function answersOk(url: string): Promise<boolean> {
  try {
    const response = await fetch(url, { signal: AbortSignal.timeout(2_000) });
    await response.body?.cancel();
    return response.ok;
  } catch {
    return false;
  }
}
