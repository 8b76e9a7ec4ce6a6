import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { once } from 'node:events';
import type { Readable, Writable } from 'node:stream';
import { setTimeout as wait } from 'node:timers/promises';
import {
  deserializeMessage,
  type JSONRPCMessage,
  SdkError,
  SdkErrorCode,
  serializeMessage,
  type Transport,
} from '@modelcontextprotocol/client';
import { getDefaultEnvironment } from '@modelcontextprotocol/client/stdio';
import { signalGroup } from '../../base/signal-group.ts';
import { Tail } from '../../base/tail.ts';
import { markVariable, type Watchdog } from '../../base/watchdog.ts';
import type { McpTransport } from '../../config/mcp-servers.ts';

type Child = ChildProcessByStdio<Writable, Readable, Readable>;

/** How long a server has to leave when its input ends, and then after SIGTERM, in milliseconds. */
const leaveMs = 2_000;
const termMs = 1_000;
/** Largest message of a server, in bytes. */
const maxMessage = 16 * 2 ** 20;
const newline = 0x0a;
/** Bytes that may wait for a server that does not read. */
const maxUnsent = 64 * 2 ** 20;
/** Bytes of a server's standard error that are kept. */
const maxTail = 4_096;

/**
 * An MCP server as a process. Unlike the SDK's transport it ends the whole process group, as `npx` and shells start the
 * server as a child of theirs, and does not wait for a server that has ended or does not read.
 */
export class StdioTransport implements Transport {
  onclose?: () => void;
  onerror?: (error: Error) => void;
  onmessage?: (message: JSONRPCMessage) => void;
  readonly #server: Extract<McpTransport, { kind: 'stdio' }>;
  readonly #watchdog: Watchdog;
  readonly #stderr = new Tail(maxTail);
  /** The beginning of a line whose end has not come yet. */
  #line: Buffer[] = [];
  #lineSize = 0;
  #child: Child | null = null;
  #ended: Promise<void> = Promise.resolve();
  #how = '';

  constructor(server: Extract<McpTransport, { kind: 'stdio' }>, watchdog: Watchdog) {
    this.#server = server;
    this.#watchdog = watchdog;
  }

  /** The end of what it said on its standard error. */
  get stderrTail(): string {
    return this.#stderr.text;
  }

  /** How it ended: `exit code 1`, `SIGKILL`; '' while it runs. */
  get ending(): string {
    return this.#how;
  }

  /** Rejects with what the system says when it cannot be started. */
  async start(): Promise<void> {
    const { command, args, env, cwd } = this.#server;
    const mark = this.#watchdog.nextMark();
    const child = spawn(command, [...args], {
      cwd,
      env: { ...getDefaultEnvironment(), ...env, [markVariable]: mark },
      stdio: ['pipe', 'pipe', 'pipe'],
      detached: process.platform !== 'win32',
      windowsHide: true,
    });
    child.stdin.on('error', (error) => this.onerror?.(error));
    child.stdout.on('error', (error) => this.onerror?.(error));
    child.stderr.on('error', () => {});
    child.stderr.on('data', (chunk: Buffer) => this.#stderr.add(chunk));
    child.stdout.on('data', (chunk: Buffer) => this.#read(chunk));
    await once(child, 'spawn');
    child.on('error', (error) => this.onerror?.(error));
    this.#child = child;
    const pid = child.pid as number;
    this.#watchdog.watch(pid, mark);
    const exited = new Promise<void>((resolve) => {
      child.once('exit', (code, signal) => {
        this.#how = signal ?? `exit code ${code}`;
        resolve();
      });
    });
    const closed = new Promise<void>((resolve) => child.once('close', () => resolve()));
    this.#ended = exited.then(async () => {
      // Children of its own that it left behind hold its output open.
      signalGroup(pid, 'SIGKILL');
      this.#watchdog.forget(pid);
      // One that made itself a group of its own may hold it all the same.
      await Promise.race([closed, wait(termMs, undefined, { ref: false })]);
      for (const stream of child.stdio) stream?.destroy();
      this.#child = null;
      this.#line = [];
      this.onclose?.();
    });
  }

  async send(message: JSONRPCMessage): Promise<void> {
    const stdin = this.#child?.stdin;
    if (!stdin?.writable) throw new SdkError(SdkErrorCode.NotConnected, 'the server has ended');
    if (stdin.writableLength > maxUnsent)
      throw new SdkError(SdkErrorCode.SendFailed, 'the server does not read what it is sent');
    stdin.write(serializeMessage(message));
  }

  /** Ends the process, gently first; resolves when it has ended. */
  async close(): Promise<void> {
    const child = this.#child;
    if (child === null) return;
    const pid = child.pid as number;
    child.stdin.end();
    if (await this.#endsWithin(leaveMs)) return;
    signalGroup(pid, 'SIGTERM');
    if (await this.#endsWithin(termMs)) return;
    signalGroup(pid, 'SIGKILL');
    await this.#ended;
  }

  #endsWithin(ms: number): Promise<boolean> {
    const stop = new AbortController();
    const late = wait(ms, false, { signal: stop.signal }).catch(() => false);
    return Promise.race([this.#ended.then(() => true), late]).finally(() => stop.abort());
  }

  #read(chunk: Buffer): void {
    let from = 0;
    for (let end = chunk.indexOf(newline); end >= 0; end = chunk.indexOf(newline, from)) {
      const line = Buffer.concat([...this.#line, chunk.subarray(from, end)]).toString('utf8');
      this.#line = [];
      this.#lineSize = 0;
      from = end + 1;
      this.#take(line);
    }
    this.#line.push(chunk.subarray(from));
    this.#lineSize += chunk.length - from;
    if (this.#lineSize <= maxMessage) return;
    // Larger than any message may be: nothing after it can be made sense of.
    this.#line = [];
    this.#lineSize = 0;
    this.onerror?.(new Error(`a message is larger than ${maxMessage} bytes`));
    if (this.#child !== null) signalGroup(this.#child.pid as number, 'SIGKILL');
  }

  #take(line: string): void {
    if (line.trim() === '') return;
    try {
      this.onmessage?.(deserializeMessage(line));
    } catch (error) {
      // Some servers log to their output: such lines are none of ours.
      this.onerror?.(error as Error);
    }
  }
}
