export type SessionStatus = 'starting' | 'idle' | 'busy' | 'recycling' | 'dead';

/** Why a session is replaced; a label of metrics. */
export type RestartReason =
  | 'turns'
  | 'pings'
  | 'idle'
  /** It was idle, and had been spoken with by somebody else than the one who waited. */
  | 'taken'
  | 'ping_failed'
  | 'spawn_failed'
  | 'exited'
  | 'failed'
  | 'timeout'
  | 'cancelled'
  | 'refused';

/** How a request's use of a session ended. `done`: the session has told the whole answer, or all that is wrong. `refused`: it has not done what was asked, and nothing is wrong with it otherwise. */
export type Outcome = 'done' | 'failed' | 'timeout' | 'cancelled' | 'refused';

/** One session, as the machine knows it. Times are milliseconds of the clock of whoever drives the machine. */
export interface SessionState {
  readonly id: string;
  readonly kind: 'pool' | 'overflow';
  readonly model: string;
  readonly status: SessionStatus;
  /** It was asked for a sign of life and has not given it yet. */
  readonly pinging: boolean;
  /** Turns so far, pings included. */
  readonly turns: number;
  readonly served: number;
  readonly createdAt: number;
  readonly lastUsedAt: number | null;
  readonly lastPingAt: number | null;
  /** Request that it works at. */
  readonly ticket: string | null;
  readonly lastError: string | null;
}

export type PoolEvent =
  | { readonly type: 'open' }
  /** Something may be due. */
  | { readonly type: 'tick' }
  /** A session can take a request. */
  | { readonly type: 'ready'; readonly id: string }
  | { readonly type: 'pong'; readonly id: string }
  /** A session is of no use any more, while its process may still be there. */
  | { readonly type: 'broken'; readonly id: string; readonly why: RestartReason; readonly error: string }
  /** A session's process is gone. */
  | { readonly type: 'gone'; readonly id: string; readonly error: string }
  | {
      readonly type: 'request';
      readonly ticket: string;
      readonly model: string;
      /** A session that has been spoken with is for requests with the same key only. */
      readonly key: string;
      readonly deadline: number;
    }
  /** A request that waits is not wanted any more. */
  | { readonly type: 'withdrawn'; readonly ticket: string }
  | {
      readonly type: 'released';
      readonly id: string;
      readonly outcome: Outcome;
      readonly error: string | null;
    }
  | { readonly type: 'close' };

/** `broken`: no session can be started. */
export type RefusalReason = 'queue_full' | 'timeout' | 'closed' | 'broken';

export type PoolCommand =
  | { readonly do: 'spawn'; readonly id: string; readonly kind: 'pool' | 'overflow'; readonly model: string }
  | { readonly do: 'ping'; readonly id: string }
  | { readonly do: 'stop'; readonly id: string }
  /** Was told to stop, takes its time, and is in the way of others. */
  | { readonly do: 'kill'; readonly id: string }
  | { readonly do: 'serve'; readonly ticket: string; readonly id: string; readonly cold: boolean }
  | { readonly do: 'refuse'; readonly ticket: string; readonly why: RefusalReason };
