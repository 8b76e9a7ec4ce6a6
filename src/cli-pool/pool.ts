import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { makeFolder } from '../base/make-folder.ts';
import { steadyMs } from '../base/steady-clock.ts';
import { markVariable, Watchdog } from '../base/watchdog.ts';
import type { Logger } from '../observability/log.ts';
import { type CliAnswer, CliError, Turn } from './answer.ts';
import type { CliDialect } from './dialect.ts';
import { PoolMachine } from './machine.ts';
import { memoryOf } from './memory.ts';
import type { CommandLine } from './process.ts';
import type { PoolRules } from './rules.ts';
import { type CliPrompt, CliSession } from './session.ts';
import type {
  Outcome,
  PoolCommand,
  PoolEvent,
  RefusalReason,
  RestartReason,
  SessionState,
} from './states.ts';

export interface PoolOptions {
  readonly rules: PoolRules;
  readonly dialect: CliDialect;
  readonly command: Omit<CommandLine, 'cwd'>;
  /** Longest request, its wait included, in milliseconds. */
  readonly requestTimeoutMs: number;
  readonly log: Logger;
  /** Before the names of sessions in the log, where there are several pools. */
  readonly prefix: string;
  /** Makes the names of sessions, where several pools are not to have the same ones. */
  readonly nextId?: (() => string) | undefined;
}

/** What is asked of a session. */
export interface CliRequest extends CliPrompt {
  readonly requestId: string;
  /** A session that has been spoken with is for requests with the same key only. Asked for where sessions serve several. */
  readonly key: () => string;
  readonly signal: AbortSignal;
}

/** One session as it is told of. Times are milliseconds since 1970. */
export interface SessionView extends SessionState {
  readonly pid: number | null;
  readonly ownId: string | null;
  readonly requestId: string | null;
}

export interface PoolView {
  readonly size: number;
  readonly waiting: number;
  readonly degraded: boolean;
  readonly sessions: readonly SessionView[];
  readonly overflows: number;
  readonly restarts: Readonly<Partial<Record<RestartReason, number>>>;
}

interface Ticket {
  readonly resolve: (session: { readonly id: string; readonly cold: boolean }) => void;
  readonly reject: (error: unknown) => void;
}

/** How often the memory of sessions is looked at, in milliseconds. */
const memoryCheckMs = 2_000;

const refusals: Readonly<Record<RefusalReason, readonly [CliError['fault'], string]>> = {
  queue_full: ['exhausted', 'all sessions are busy, and too many requests are waiting for one'],
  timeout: ['exhausted', 'no session became free in time'],
  closed: ['closed', 'the pool is closed'],
  broken: ['broken', 'no session can be started'],
};

/** Warm processes, and the requests that they serve. The machine decides; this is its hands and its clock. */
export class CliPool {
  readonly #options: PoolOptions;
  readonly #machine: PoolMachine;
  readonly #sessions = new Map<string, CliSession>();
  readonly #tickets = new Map<string, Ticket>();
  /** Requests by the sessions that work at them. */
  readonly #served = new Map<string, string>();
  readonly #folder: string;
  readonly #watchdog: Watchdog;
  readonly #memoryCheck: NodeJS.Timeout | undefined;
  #timer: NodeJS.Timeout | undefined;
  #checking = false;
  #nextTicket = 1;
  #closed: { promise: Promise<void>; resolve: () => void } | null = null;

  /** @throws Error when there is no place for its folder */
  constructor(options: PoolOptions) {
    this.#options = options;
    this.#machine = new PoolMachine(options.rules, options.nextId);
    this.#folder = folderIn(tmpdir());
    this.#watchdog = new Watchdog({ marks: this.#folder, graceSeconds: 0, folder: this.#folder });
    if (options.command.limits.memoryBytes > 0) {
      this.#memoryCheck = setInterval(() => void this.#checkMemory(), memoryCheckMs).unref();
    }
  }

  /** Starts the sessions. */
  open(): void {
    this.#tell({ type: 'open' });
  }

  /**
   * Asks a session; resolves at its first output. A request whose session is lost before that is asked once more.
   * @throws CliError, or the signal's reason
   */
  async ask(request: CliRequest): Promise<CliAnswer> {
    const began = steadyMs();
    const deadline = began + this.#options.requestTimeoutMs;
    for (let lost = 0; ; lost++) {
      const { id, cold } = await this.#acquire(request, deadline);
      try {
        const turn = this.#begin(request, id, cold, began, deadline);
        await turn.begun;
        return turn;
      } catch (error) {
        if (!(error instanceof CliError) || error.fault !== 'gone' || lost > 0) throw error;
      }
    }
  }

  get view(): PoolView {
    const { rules, waiting, degraded, sessions, overflows, restarts } = this.#machine;
    const ahead = Date.now() - steadyMs();
    const told = (at: number): number => Math.round(at + ahead);
    return {
      size: rules.size,
      waiting,
      degraded,
      overflows,
      restarts: Object.fromEntries(restarts),
      sessions: sessions.map((state) => {
        const session = this.#sessions.get(state.id);
        return {
          ...state,
          createdAt: told(state.createdAt),
          lastUsedAt: state.lastUsedAt === null ? null : told(state.lastUsedAt),
          lastPingAt: state.lastPingAt === null ? null : told(state.lastPingAt),
          pid: session?.process.pid ?? null,
          ownId: session?.ownId ?? null,
          requestId: state.status === 'busy' ? (this.#served.get(state.id) ?? null) : null,
        };
      }),
    };
  }

  /** To be asked nothing any more: ends when what is under way has, which takes no longer than a request may. */
  async retire(): Promise<void> {
    const until = steadyMs() + this.#options.requestTimeoutMs;
    const isWanted = (): boolean =>
      this.#tickets.size > 0 || this.#machine.sessions.some(({ status }) => status === 'busy');
    while (this.#closed === null && steadyMs() < until && isWanted()) {
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    await this.close();
  }

  /** Ends all sessions. Resolves when all processes are gone. */
  close(): Promise<void> {
    if (this.#closed === null) {
      const { promise, resolve } = Promise.withResolvers<void>();
      this.#closed = { promise, resolve };
      clearInterval(this.#memoryCheck);
      this.#tell({ type: 'close' });
      this.#finish();
    }
    return this.#closed.promise;
  }

  #finish(): void {
    if (this.#closed === null || this.#sessions.size > 0) return;
    this.#watchdog.close();
    rmSync(this.#folder, { recursive: true, force: true });
    this.#closed.resolve();
  }

  #acquire(
    { model, key, signal }: CliRequest,
    deadline: number,
  ): Promise<{ readonly id: string; readonly cold: boolean }> {
    if (signal.aborted) return Promise.reject(signal.reason);
    const ticket = `t${this.#nextTicket++}`;
    const { maxTurns } = this.#machine.rules;
    return new Promise((resolve, reject) => {
      const onAbort = (): void => {
        this.#tickets.delete(ticket);
        this.#tell({ type: 'withdrawn', ticket });
        reject(signal.reason);
      };
      const settled =
        <T>(then: (value: T) => void) =>
        (value: T): void => {
          signal.removeEventListener('abort', onAbort);
          then(value);
        };
      signal.addEventListener('abort', onAbort, { once: true });
      this.#tickets.set(ticket, { resolve: settled(resolve), reject: settled(reject) });
      this.#tell({ type: 'request', ticket, model, key: maxTurns > 1 ? key() : '', deadline });
    });
  }

  #begin(request: CliRequest, id: string, cold: boolean, began: number, deadline: number): Turn {
    const session = this.#sessions.get(id);
    if (session === undefined) throw new CliError('gone', 'it ended');
    const { requestId, signal } = request;
    this.#served.set(id, requestId);
    const leftMs = Math.max(1, deadline - steadyMs());
    return new Turn(session, request, { cold, leftMs, signal }, (outcome, error, last) => {
      const { dialect, log, prefix } = this.#options;
      const end = last === null ? null : dialect.endIn(last);
      log.info('cli turn', {
        request_id: requestId,
        session_id: `${prefix}${id}`,
        ...(session.ownId === null ? {} : { cli_session_id: session.ownId }),
        backend: 'cli',
        model: request.model,
        status: statusOf(outcome, end?.failed === true),
        cold_start: cold,
        latency_ms: Math.round(steadyMs() - began),
        ...(end === null ? {} : { prompt_tokens: end.promptTokens, completion_tokens: end.completionTokens }),
      });
      this.#served.delete(id);
      this.#tell({ type: 'released', id, outcome, error });
    });
  }

  #tell(event: PoolEvent): void {
    for (const command of this.#machine.handle(event, steadyMs())) this.#do(command);
    this.#schedule();
  }

  #schedule(): void {
    clearTimeout(this.#timer);
    const at = this.#machine.wakeAt;
    if (at === null) return;
    // A timer may ring a moment early by the clock that tells the time.
    const inMs = Math.min(Math.max(1, Math.ceil(at - steadyMs())), 2 ** 31 - 1);
    this.#timer = setTimeout(() => this.#tell({ type: 'tick' }), inMs);
    // Those who wait keep the process alive by their connections.
    this.#timer.unref();
  }

  #do(command: PoolCommand): void {
    switch (command.do) {
      case 'spawn':
        try {
          this.#spawn(command.id, command.model);
        } catch (error) {
          // No folder, no memory for another process, or the like. Told when what is being done is done.
          const why = `it could not be started (${(error as NodeJS.ErrnoException).code ?? error})`;
          this.#options.log.warn('a session cannot be started', {
            session_id: this.#named(command.id),
            error: why,
          });
          setImmediate(() => this.#tell({ type: 'gone', id: command.id, error: why }));
        }
        return;
      case 'ping':
        this.#sessions.get(command.id)?.probe(this.#machine.rules.model);
        return;
      case 'stop':
        this.#sessions.get(command.id)?.stop();
        return;
      case 'kill':
        this.#sessions.get(command.id)?.process.kill('it was slow to end');
        return;
      case 'serve':
        this.#take(command.ticket)?.resolve({ id: command.id, cold: command.cold });
        return;
      case 'refuse': {
        const [fault, what] = refusals[command.why];
        const { lastError } = this.#machine;
        const message = fault === 'broken' && lastError !== '' ? `${what}: ${lastError}` : what;
        this.#take(command.ticket)?.reject(new CliError(fault, message));
      }
    }
  }

  #take(name: string): Ticket | undefined {
    const ticket = this.#tickets.get(name);
    this.#tickets.delete(name);
    return ticket;
  }

  #spawn(id: string, model: string): void {
    const { command, dialect, log } = this.#options;
    const cwd = path.join(this.#folder, id);
    // With the folder above it, which whoever tidies up may have removed.
    makeFolder(cwd, 0o700);
    const named = this.#named(id);
    const tell = (event: PoolEvent): void => {
      if (event.type === 'broken')
        log.warn('a session is of no use', { session_id: named, error: event.error });
      this.#tell(event);
    };
    const args = [...command.args, ...dialect.modelArguments(model)];
    const env = { ...command.env, [markVariable]: cwd };
    const session = new CliSession({ ...command, args, env, cwd }, dialect, model, {
      ready: () => tell({ type: 'ready', id }),
      pong: () => tell({ type: 'pong', id }),
      broken: (why, error) => tell({ type: 'broken', id, why, error }),
      gone: (error) => {
        const wanted = this.#machine.sessions.some(
          (state) => state.id === id && state.status !== 'recycling',
        );
        if (wanted) log.warn('a session has ended', { session_id: named, error });
        if (session.process.pid !== null) this.#watchdog.forget(session.process.pid);
        this.#sessions.delete(id);
        rmSync(cwd, { recursive: true, force: true });
        tell({ type: 'gone', id, error });
        this.#finish();
      },
    });
    this.#sessions.set(id, session);
    if (session.process.pid !== null) this.#watchdog.watch(session.process.pid, cwd);
    log.debug('a session is started', { session_id: named, model, pid: session.process.pid });
  }

  #named(id: string): string {
    return `${this.#options.prefix}${id}`;
  }

  async #checkMemory(): Promise<void> {
    if (this.#checking) return;
    this.#checking = true;
    const { memoryBytes } = this.#options.command.limits;
    for (const [id, { process }] of [...this.#sessions]) {
      if (process.pid === null || (await memoryOf(process.pid)) <= memoryBytes) continue;
      process.kill('it has used too much memory');
      this.#options.log.warn('a session has used too much memory', { session_id: this.#named(id) });
    }
    this.#checking = false;
  }
}

function folderIn(parent: string): string {
  try {
    return mkdtempSync(path.join(parent, 'llm-gateway-cli-'));
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? String(error);
    throw new Error(
      `sessions need a folder in ${parent}, and none can be made there (${code}): TMPDIR says where`,
    );
  }
}

/** In the words of the metrics. */
const statusOf = (outcome: Outcome, failed: boolean): string => {
  if (outcome === 'done') return failed ? 'error' : 'success';
  return outcome === 'failed' || outcome === 'refused' ? 'error' : outcome;
};
