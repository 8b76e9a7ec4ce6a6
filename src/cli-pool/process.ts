import { type ChildProcess, spawn } from 'node:child_process';
import { signalGroup } from '../base/signal-group.ts';
import { Tail } from '../base/tail.ts';

/** What is started for a session. */
export interface CommandLine {
  readonly command: string;
  readonly args: readonly string[];
  /** All of its environment. */
  readonly env: Readonly<Record<string, string>>;
  /** Where it runs. */
  readonly cwd: string;
  /** Bounds of what it and its children use. */
  readonly limits: ResourceLimits;
}

export interface ResourceLimits {
  /** Resident memory in bytes; 0 for no bound. */
  readonly memoryBytes: number;
  /** Open files of each process. */
  readonly openFiles: number;
  /** Largest file that it may write, in bytes. */
  readonly fileBytes: number;
}

export interface ProcessListener {
  /** Bytes of its standard output. */
  output(bytes: Buffer): void;
  /** It is gone and has said all that it will. Called once. @param said the end of what it wrote to its standard error */
  gone(how: string, said: string): void;
}

/** As much of what a process writes to its standard error is kept, in bytes. */
const maxErrorBytes = 4_096;
/** From the request to end until it is killed, in milliseconds. */
const killAfterMs = 5_000;
/** From a process's end until its output is taken for complete, although some other process holds it open, in milliseconds. */
const lastOutputMs = 500;

/**
 * The shell sets the bounds that a process gives itself, and then becomes the program. Core files would hold prompts. A bound that the system does not know is no
 * reason not to start.
 */
const bounded =
  'ulimit -c 0 2>/dev/null; ulimit -n "$1" 2>/dev/null; ulimit -f "$2" 2>/dev/null; shift 2; exec "$@"';

/** One process in a group of its own, so that a terminal's Ctrl-C passes it by and its children end with it. */
export class CliProcess {
  /** Null when it could not be started. */
  readonly pid: number | null;
  readonly #child: ChildProcess;
  #errors = new Tail(maxErrorBytes);
  /** Why the gateway has killed it; '' when it has not. */
  #killed = '';
  #over = false;
  #killer: NodeJS.Timeout | undefined;

  constructor({ command, args, env, cwd, limits }: CommandLine, listener: ProcessListener) {
    const { openFiles, fileBytes } = limits;
    // In units of 512 bytes.
    const blocks = String(Math.ceil(fileBytes / 512));
    const child = spawn('/bin/sh', ['-c', bounded, 'sh', String(openFiles), blocks, command, ...args], {
      cwd,
      env: { ...env },
      detached: true,
      stdio: ['pipe', 'pipe', 'pipe'],
    });
    this.#child = child;
    this.pid = child.pid ?? null;
    let how = 'it could not be started';
    let waits: NodeJS.Timeout | undefined;
    const over = (): void => {
      if (this.#over) return;
      this.#over = true;
      clearTimeout(waits);
      clearTimeout(this.#killer);
      // What it has left behind.
      this.#signal('SIGKILL');
      child.stdout?.destroy();
      child.stderr?.destroy();
      child.stdin?.destroy();
      listener.gone(how, this.errors);
    };
    child.stdout?.on('data', (bytes: Buffer) => listener.output(bytes));
    child.stderr?.on('data', (bytes: Buffer) => this.#errors.add(bytes));
    // A pipe that breaks tells nothing that its end does not tell.
    for (const stream of [child.stdin, child.stdout, child.stderr]) stream?.on('error', () => {});
    child.on('error', (error) => {
      how = `it could not be started (${(error as NodeJS.ErrnoException).code ?? 'unknown'})`;
      if (child.pid === undefined) over();
    });
    child.on('exit', (code, signal) => {
      how = signal === null ? `it ended with code ${code}` : `it was ended by ${signal}`;
      if (this.#killed !== '') how = `it was ended because ${this.#killed}`;
      const wait = (): void => {
        waits = setTimeout(() => {
          // Its reader is slow: what it has said is in the pipe still.
          if (child.stdout?.isPaused() === true) wait();
          // What has come meanwhile is read first.
          else setImmediate(over);
        }, lastOutputMs);
      };
      wait();
    });
    child.on('close', over);
  }

  /** The end of what it wrote to its standard error, on one line. */
  get errors(): string {
    return this.#errors.text.replace(/\s+/g, ' ');
  }

  forgetErrors(): void {
    this.#errors = new Tail(maxErrorBytes);
  }

  write(text: string): void {
    if (this.#child.stdin?.writable) this.#child.stdin.write(text);
  }

  /** Nothing more will be written. */
  endInput(): void {
    this.#child.stdin?.end();
  }

  /** Stops reading its output, so that it has to wait once the pipe is full. */
  pause(): void {
    this.#child.stdout?.pause();
  }

  resume(): void {
    this.#child.stdout?.resume();
  }

  /** Ends it: asks, and does it itself after a while. */
  stop(): void {
    if (this.#over || this.#killer !== undefined) return;
    this.resume();
    this.#child.stdin?.destroy();
    this.#signal('SIGTERM');
    this.#killer = setTimeout(() => this.#signal('SIGKILL'), killAfterMs);
  }

  /** Ends it at once. @param why told as the cause of its end: "it has used too much memory" */
  kill(why: string): void {
    if (this.#over) return;
    this.#killed = why;
    this.#signal('SIGKILL');
  }

  #signal(signal: NodeJS.Signals): void {
    if (this.pid !== null) signalGroup(this.pid, signal);
  }
}
