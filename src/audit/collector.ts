import type { UpstreamClient } from '../http/client.ts';
import type { Logger } from '../observability/log.ts';

export interface CollectorOptions {
  /** Address to which `/logs` is added, without a slash at its end. */
  readonly url: string;
  /** Sent as `service`. */
  readonly service: string;
  /** Number of the worker whose trail it is: each has a chain of its own, which counts from one. */
  readonly worker: number;
  readonly client: UpstreamClient;
  /** Lines that wait at most. */
  readonly maxHeld: number;
  readonly log: Logger;
  /** Told of lines. @param outcome `sent` or `lost` */
  readonly onLines?: (outcome: 'sent' | 'lost', lines: number) => void;
  /** How long lines are gathered, and the first pause after a failure, in milliseconds. Default 1,000. */
  readonly intervalMs?: number;
}

/** Lines of one request at most. */
const maxBatch = 500;
/** A request may take so long, in milliseconds. */
const requestMs = 2_000;
const maxPauseMs = 30_000;
const timeouts = { connectMs: requestMs, firstByteMs: requestMs, idleMs: requestMs };

/**
 * Sends lines of the audit trail to a collector of logs, in the background: `POST /logs` with `{service, level, message, context: {worker, events}}`. What it
 * does not take is sent again; what waits is bounded.
 */
export class Collector {
  readonly #options: CollectorOptions;
  readonly #origin: string;
  readonly #path: string;
  #held: string[] = [];
  #timer: NodeJS.Timeout | null = null;
  #sending: Promise<void> | null = null;
  #failures = 0;
  #closed = false;
  /** Nobody waits for what is being sent any more. */
  #over = false;

  constructor(options: CollectorOptions) {
    this.#options = options;
    const { origin, pathname } = new URL(options.url);
    this.#origin = origin;
    this.#path = `${pathname.replace(/\/+$/, '')}/logs`;
  }

  /** Takes a line. Returns at once and never throws. */
  add(line: string): void {
    const { maxHeld, onLines } = this.#options;
    if (this.#closed || this.#held.length >= maxHeld) {
      onLines?.('lost', 1);
      return;
    }
    this.#held.push(line);
    if (this.#sending !== null) return;
    if (this.#held.length >= maxBatch && this.#failures === 0) this.#send();
    else this.#schedule();
  }

  /** Sends what is left, once, within a time. */
  async close(graceMs: number): Promise<void> {
    this.#closed = true;
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    const late = Promise.withResolvers<void>();
    const timer = setTimeout(late.resolve, graceMs);
    await Promise.race([this.#sendRest(), late.promise]);
    clearTimeout(timer);
    this.#over = true;
    if (this.#held.length > 0) this.#options.onLines?.('lost', this.#held.length);
    this.#held = [];
  }

  async #sendRest(): Promise<void> {
    await this.#sending;
    while (!this.#over && this.#held.length > 0 && (await this.#post())) {}
  }

  #schedule(): void {
    if (this.#timer !== null || this.#closed) return;
    const { intervalMs = 1_000 } = this.#options;
    const pause = Math.min(intervalMs * 2 ** Math.min(this.#failures, 10), Math.max(maxPauseMs, intervalMs));
    this.#timer = setTimeout(() => this.#send(), pause);
    this.#timer.unref();
  }

  #send(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    if (this.#sending !== null) return;
    this.#sending = this.#post().then(() => {
      this.#sending = null;
      if (this.#held.length > 0) this.#schedule();
    });
  }

  /** Sends a batch. Never rejects. @returns whether it was taken */
  async #post(): Promise<boolean> {
    const { client, service, worker, onLines, log } = this.#options;
    const lines = this.#held.slice(0, maxBatch);
    const events = lines.map((line) => line.trimEnd()).join(',');
    const head = JSON.stringify({ service, level: 'info', message: 'llm_gateway_audit' }).slice(0, -1);
    try {
      const { status, body } = await client.send({
        origin: this.#origin,
        path: this.#path,
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: `${head},"context":{"worker":${worker},"events":[${events}]}}`,
        signal: AbortSignal.timeout(requestMs),
        timeouts,
      });
      await body.cancel();
      if (this.#over) return false;
      if (status < 200 || status > 299) throw new Error(`HTTP ${status}`);
      this.#held.splice(0, lines.length);
      if (this.#failures > 0) log.info('the collector takes lines of the audit trail again');
      this.#failures = 0;
      onLines?.('sent', lines.length);
      return true;
    } catch (error) {
      if (this.#over) return false;
      if (this.#failures === 0) log.warn('the collector does not take lines of the audit trail', { error });
      this.#failures++;
      return false;
    }
  }
}
