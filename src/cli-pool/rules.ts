/** How a pool behaves. Times are in milliseconds. */
export interface PoolRules {
  /** Sessions that are kept warm. */
  readonly size: number;
  /** Sessions besides these, started cold for a request and not kept. */
  readonly maxOverflow: number;
  /** How long a request waits for a warm session before a cold one is started for it. */
  readonly overflowWaitMs: number;
  /** Requests that may wait. */
  readonly maxWaiting: number;
  /** Requests that a session serves before it is replaced. With more than 1 a later one may see what an earlier one said. */
  readonly maxTurns: number;
  /** From a session's last sign of life to its next ping; 0: none are sent. */
  readonly keepAliveMs: number;
  readonly pingTimeoutMs: number;
  /** Pings after which a session is replaced. */
  readonly maxPings: number;
  /** How long a session without pings may be idle before it is replaced. */
  readonly maxIdleMs: number;
  /** Longest start of a session. */
  readonly spawnTimeoutMs: number;
  /** From a failure to the next start; doubled with each further one in a row. */
  readonly backoffMs: number;
  readonly maxBackoffMs: number;
  /** Failures in a row from which on the pool is degraded. */
  readonly degradedAfter: number;
  /** Whether a session can be asked for a sign of life. */
  readonly pings: boolean;
  /** Whether a session can answer as any model; otherwise it is of the model that it was started for. */
  readonly switchesModel: boolean;
  /** Model of the warm sessions. */
  readonly model: string;
}

/** What is right where nothing else is said. */
export const usualRules = {
  overflowWaitMs: 250,
  pingTimeoutMs: 10_000,
  maxPings: 20,
  backoffMs: 1_000,
  maxBackoffMs: 30_000,
  degradedAfter: 5,
} as const;
