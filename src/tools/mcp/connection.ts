import { setTimeout as pause } from 'node:timers/promises';
import { isDeepStrictEqual } from 'node:util';
import type { Watchdog } from '../../base/watchdog.ts';
import type { McpServerConfig } from '../../config/mcp-servers.ts';
import type { Logger } from '../../observability/log.ts';
import type { ToolContext, ToolOutcome } from '../tool.ts';
import { failureOf, kindOf, notAvailable } from './failure.ts';
import { type Link, openLink } from './link.ts';
import { type ListedTool, listTools } from './listing.ts';
import { masking } from './masking.ts';
import { outcomeOf } from './result.ts';

/** Times of a connection's life, in milliseconds. */
export interface ConnectionTimes {
  /** Pause before the first try again; doubled with each that fails, with a random part. */
  readonly firstPauseMs: number;
  readonly mostPauseMs: number;
  /** Longest wait for a server that starts: some are downloaded first. */
  readonly connectMs: number;
  /** Longest wait for the list of tools, all pages together. */
  readonly listMs: number;
  /** How often a server is asked again without a reason: not all tell when their list changes, or that they are gone. */
  readonly refreshMs: number;
  /** A connection that lived that long was a good one: the pauses begin anew. */
  readonly goodMs: number;
}

/** Tools that are left out and named in the log. */
const maxToldLeftOut = 20;

const usualTimes: ConnectionTimes = {
  firstPauseMs: 1_000,
  mostPauseMs: 60_000,
  connectMs: 60_000,
  listMs: 30_000,
  refreshMs: 300_000,
  goodMs: 30_000,
};

export interface ConnectionOptions {
  readonly log: Logger;
  readonly watchdog: Watchdog;
  /** Version that servers are told. */
  readonly version: string;
  /** Told when there is another list of tools. */
  readonly onTools: () => void;
  readonly times?: Partial<ConnectionTimes>;
}

/** The connection to one MCP server: begun and kept up in the background, with the tools that it told of last. */
export class McpConnection {
  readonly server: McpServerConfig;
  /** Those that are known, also while the server is away. */
  tools: readonly ListedTool[] = [];
  readonly #options: ConnectionOptions;
  readonly #times: ConnectionTimes;
  readonly #log: Logger;
  readonly #clean: (text: string) => string;
  readonly #closing = new AbortController();
  #link: Link | null = null;
  #refreshing: Promise<void> | null = null;
  #refreshAgain = false;
  #leftOut: readonly string[] = [];
  readonly #life: Promise<void>;

  constructor(server: McpServerConfig, options: ConnectionOptions) {
    this.server = server;
    this.#options = options;
    this.#times = { ...usualTimes, ...options.times };
    this.#log = options.log.child({ mcp_server: server.name });
    this.#clean = masking(server.transport);
    this.#life = this.#live();
  }

  /** Whether calls reach the server, as far as is known. */
  get up(): boolean {
    return this.#link !== null;
  }

  /** Ends it: a process has some seconds to leave. */
  async close(): Promise<void> {
    this.#closing.abort(new Error('closed'));
    await this.#life;
  }

  /** Runs a tool. Rejects with what the signal aborts with; everything else is an outcome. */
  async call(
    tool: ListedTool,
    args: Readonly<Record<string, unknown>>,
    { signal }: ToolContext,
  ): Promise<ToolOutcome> {
    signal.throwIfAborted();
    const { name, timeoutMs } = this.server;
    const link = this.#link;
    if (link === null) return { kind: 'error', message: notAvailable(name) };
    // The server is told a reason; the signal's own is not for it.
    const cancelling = new AbortController();
    const onAbort = (): void => cancelling.abort('the call was cancelled');
    signal.addEventListener('abort', onAbort, { once: true });
    // Results that do not fit the schema that the server promised are passed on all the same.
    const { outputSchema: _, ...toolDefinition } = tool.definition;
    try {
      const result = await link.client.callTool(
        { name: tool.name, arguments: { ...args } },
        { signal: cancelling.signal, timeout: timeoutMs, toolDefinition },
      );
      signal.throwIfAborted();
      const outcome = outcomeOf(result);
      return outcome.kind === 'result' ? outcome : { kind: 'error', message: this.#clean(outcome.message) };
    } catch (error) {
      if (signal.aborted) throw signal.reason;
      const { message, doubtful } = failureOf(name, timeoutMs, error);
      this.#log.info('call failed', { tool: tool.name, error: this.#clean(kindOf(error)) });
      if (doubtful) this.#refresh(link);
      return { kind: 'error', message: this.#clean(message) };
    } finally {
      signal.removeEventListener('abort', onAbort);
    }
  }

  /** Connects, and connects again, until it is closed. Never rejects. */
  async #live(): Promise<void> {
    const { signal } = this.#closing;
    let failures = 0;
    while (!signal.aborted) {
      const begun = performance.now();
      await this.#once(failures);
      if (performance.now() - begun >= this.#times.goodMs) failures = 0;
      const { firstPauseMs, mostPauseMs } = this.#times;
      const most = Math.min(mostPauseMs, firstPauseMs * 2 ** Math.min(failures++, 16));
      await pause(most * (0.5 + Math.random() / 2), undefined, { signal, ref: false }).catch(() => {});
    }
  }

  /** One connection, from its beginning to its end. */
  async #once(failures: number): Promise<void> {
    const { signal } = this.#closing;
    let link: Link | null = null;
    try {
      link = await this.#open();
      await this.#take(link);
      this.#link = link;
      this.#log.info('connected', { tools: this.tools.length });
      await this.#hold(link);
    } catch (error) {
      // The first failure is news, those that follow it are not.
      const level = signal.aborted || failures > 0 ? 'debug' : 'warn';
      const cause = error instanceof Error && error.cause instanceof Error ? error.cause.message : '';
      this.#log[level]('cannot connect', {
        error: this.#clean(kindOf(error)),
        ...(cause === '' ? {} : { ended: this.#clean(cause) }),
      });
    }
    const wasUp = this.#link !== null;
    this.#link = null;
    await link?.close().catch((error: unknown) => this.#log.debug('cannot end', { error: kindOf(error) }));
    if (wasUp && !signal.aborted)
      this.#log.warn('connection lost', { ended: this.#clean(link?.describeEnd() ?? '') });
  }

  #open(): Promise<Link> {
    const { connectMs } = this.#times;
    const { watchdog, version } = this.#options;
    const refresh = (): void => {
      if (this.#link !== null) this.#refresh(this.#link);
    };
    return openLink(this.server.transport, {
      watchdog,
      version,
      timeoutMs: connectMs,
      signal: AbortSignal.any([this.#closing.signal, AbortSignal.timeout(connectMs)]),
      onListChanged: refresh,
      onError: (error) => {
        this.#log.debug('trouble', { error: this.#clean(kindOf(error)) });
        // A stream of notifications that breaks is often all that tells of a server that is gone.
        if (this.server.transport.kind === 'http' && /stream/i.test(error.message)) refresh();
      },
    });
  }

  /** Waits until the connection is gone or the gateway wants no more of it, and asks for the tools now and then. */
  async #hold(link: Link): Promise<void> {
    const { signal } = this.#closing;
    const closing = new Promise<void>((resolve) => {
      if (signal.aborted) resolve();
      signal.addEventListener('abort', () => resolve(), { once: true });
    });
    const timer = setInterval(() => this.#refresh(link), this.#times.refreshMs).unref();
    await Promise.race([link.gone, closing]);
    clearInterval(timer);
  }

  /** Asks for the tools again, one time after the other; a server that does not answer is given up. */
  #refresh(link: Link): void {
    if (this.#link !== link) return;
    if (this.#refreshing !== null) {
      this.#refreshAgain = true;
      return;
    }
    this.#refreshAgain = false;
    this.#refreshing = this.#take(link)
      .catch(async (error: unknown) => {
        if (this.#link !== link) return;
        this.#log.info('does not answer', { error: this.#clean(kindOf(error)) });
        this.#link = null;
        await link.close();
      })
      .finally(() => {
        this.#refreshing = null;
        if (this.#refreshAgain) this.#refresh(link);
      });
  }

  async #take(link: Link): Promise<void> {
    const { tools, leftOut } = await listTools(link.client, this.server.tools, {
      timeout: this.#times.listMs,
      signal: AbortSignal.any([this.#closing.signal, AbortSignal.timeout(this.#times.listMs)]),
    });
    if (this.#closing.signal.aborted) return;
    if (!isDeepStrictEqual(leftOut, this.#leftOut)) {
      this.#leftOut = leftOut;
      const more = Math.max(0, leftOut.length - maxToldLeftOut);
      if (leftOut.length > 0)
        this.#log.warn('some tools are left out', { left_out: leftOut.slice(0, maxToldLeftOut), more });
    }
    if (isDeepStrictEqual(tools, this.tools)) return;
    this.tools = tools;
    this.#options.onTools();
  }
}
