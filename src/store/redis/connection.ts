import { createHash } from 'node:crypto';
import { BrokenCircuitError, CircuitState, ConsecutiveBreaker, circuitBreaker, handleWhen } from 'cockatiel';
import { type Cluster, type Redis, ReplyError } from 'ioredis';
import type { RedisAddress } from '../../config/redis-url.ts';
import { GatewayError } from '../../errors/gateway-error.ts';
import type { Logger } from '../../observability/log.ts';
import { unavailable } from '../unavailable.ts';
import { clientFor } from './client.ts';

export interface RedisConnectionOptions {
  readonly address: RedisAddress;
  /** Longest wait for an answer, in milliseconds. */
  readonly timeoutMs: number;
  readonly log: Logger;
  /** Told of every command: whether it was answered, and after how many milliseconds; null for one that was not sent. */
  readonly onCommand?: StoreObserver;
}

export type StoreObserver = (answered: boolean, ms: number | null) => void;

/** A script that Redis runs as one step. All its keys have to be in one slot. */
export interface Script {
  readonly lua: string;
  readonly sha: string;
}

export const script = (lua: string): Script => ({ lua, sha: createHash('sha1').update(lua).digest('hex') });

/** An argument of a command. */
export type Argument = string | number | Buffer;

/** Failures in a row after which nothing is asked any more. In a Cluster one node's do not speak for the others. */
const failures = { single: 5, sentinel: 5, cluster: 25 } as const;
/** How long nothing is asked then, and how often it is tried from then on, in milliseconds. */
const pauseMs = 500;

/**
 * Commands to a Redis. What cannot be answered fails within the time limit, at once when it is known to fail, and never waits for a
 * connection; the connection comes back by itself. Says in the log when Redis goes out of reach and when it is back, once each.
 */
export class RedisConnection {
  readonly #client: Redis | Cluster;
  readonly #timeoutMs: number;
  readonly #log: Logger;
  readonly #onCommand: StoreObserver | null;
  readonly #breaker;
  readonly #probe: NodeJS.Timeout;
  /** What the log said last; null before it has said anything. */
  #told: boolean | null = null;
  #closed = false;

  constructor({ address, timeoutMs, log, onCommand }: RedisConnectionOptions) {
    this.#onCommand = onCommand ?? null;
    this.#timeoutMs = timeoutMs;
    this.#log = log;
    this.#breaker = circuitBreaker(handleWhen(isOutage), {
      breaker: new ConsecutiveBreaker(failures[address.kind]),
      halfOpenAfter: pauseMs,
    });
    this.#client = clientFor(address, timeoutMs);
    this.#client.on('error', (error: unknown) => this.#tell(false, error));
    this.#client.on('close', () => this.#tell(false, null));
    this.#client.on('ready', () => this.#tellIfWell());
    this.#breaker.onBreak((reason) => this.#tell(false, 'error' in reason ? reason.error : null));
    this.#breaker.onReset(() => this.#tellIfWell());
    this.#probe = setInterval(() => this.#ping(), pauseMs).unref();
  }

  /** Whether commands are likely to succeed. */
  get well(): boolean {
    return this.#client.status === 'ready' && this.#breaker.state === CircuitState.Closed;
  }

  /** Runs a script. Texts come as Buffers. @throws GatewayError DEPENDENCY_UNAVAILABLE */
  run(what: Script, keys: readonly string[], args: readonly Argument[]): Promise<unknown> {
    return this.#guarded(() => this.#evaluate(what, keys, args));
  }

  /** Runs a command. Texts come as Buffers. @throws GatewayError DEPENDENCY_UNAVAILABLE */
  command(name: string, ...args: Argument[]): Promise<unknown> {
    return this.#guarded(() => this.#client.callBuffer(name, ...args));
  }

  close(): void {
    this.#closed = true;
    clearInterval(this.#probe);
    this.#client.disconnect();
  }

  async #evaluate(what: Script, keys: readonly string[], args: readonly Argument[]): Promise<unknown> {
    try {
      return await this.#client.callBuffer('EVALSHA', what.sha, keys.length, ...keys, ...args);
    } catch (error) {
      if (!isReply(error) || !error.message.startsWith('NOSCRIPT')) throw error;
      return this.#client.callBuffer('EVAL', what.lua, keys.length, ...keys, ...args);
    }
  }

  async #guarded<T>(ask: () => Promise<T>): Promise<T> {
    if (this.#client.status !== 'ready') {
      this.#onCommand?.(false, null);
      throw unavailable('redis', 'there is no connection');
    }
    const began = this.#onCommand === null ? 0 : performance.now();
    try {
      const answer = await this.#breaker.execute(() => this.#timed(ask()));
      this.#onCommand?.(true, performance.now() - began);
      return answer;
    } catch (error) {
      // An error that Redis answers is an answer.
      const answered = isReply(error) && !isOutage(error);
      this.#onCommand?.(answered, isBroken(error) ? null : performance.now() - began);
      throw error instanceof GatewayError ? error : unavailable('redis', reasonOf(error), error);
    }
  }

  /**
   * ioredis's own limit begins anew when a Cluster sends a command to another node. An answer that has come while the process was busy
   * counts: timers run before sockets are read, so the sockets get their turn first.
   */
  #timed<T>(answer: Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      const end = (): void => reject(unavailable('redis', late));
      const timer = setTimeout(() => setImmediate(end), this.#timeoutMs);
      answer.then(resolve, reject).finally(() => clearTimeout(timer));
    });
  }

  /** Finds out whether Redis is back, so that no call has to. */
  #ping(): void {
    if (this.#breaker.state === CircuitState.Closed) this.#tellIfWell();
    else this.command('PING').catch(() => {});
  }

  #tellIfWell(): void {
    if (this.well) this.#tell(true, null);
  }

  #tell(well: boolean, error: unknown): void {
    if (this.#closed || this.#told === well) return;
    this.#told = well;
    if (well) this.#log.info('redis answers');
    else this.#log.warn('redis does not answer', { error: reasonOf(error) });
  }
}

/** Errors of a server that is there but does not serve. */
const troubles = /^(?:LOADING|CLUSTERDOWN|MASTERDOWN|READONLY|TRYAGAIN|NOAUTH|WRONGPASS|NOPERM)\b/;

const isReply = (error: unknown): error is Error => error instanceof ReplyError;

const isOutage = (error: unknown): boolean => !isReply(error) || troubles.test(error.message);

/** Nothing was asked, since it had not answered before. */
const isBroken = (error: unknown): boolean => error instanceof BrokenCircuitError;

const late = 'no answer in time';

/** Why, in words of ours: a client's error may hold addresses, arguments and passwords. */
function reasonOf(error: unknown): string {
  if (error instanceof GatewayError) return error.rawMessage.replace(/^redis is not available: /, '');
  if (!(error instanceof Error)) return 'the connection was closed';
  if (isReply(error)) {
    const [, code] = /^([A-Z]{2,20})\b/.exec(error.message) ?? [];
    if (code !== undefined) return `it answers ${code}`;
  }
  const { code } = error as NodeJS.ErrnoException;
  if (typeof code === 'string') return code;
  if (/timed? ?out/i.test(error.message)) return late;
  if (isBroken(error)) return 'it did not answer before';
  return 'there is no connection';
}
