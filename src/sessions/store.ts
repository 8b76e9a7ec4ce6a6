/** A session without what was said in it. Times are in microseconds since 1970, on the gateway's clock. */
export interface SessionFacts {
  /** A UUID. */
  readonly id: string;
  readonly createdUs: number;
  /** From then on it is not there any more; use does not move it. */
  readonly expiresUs: number;
  /** JSON object text. */
  readonly contextJson: string;
}

/** A session as it is stored. */
export interface StoredSession extends SessionFacts {
  /** Messages in Protobuf's binary form, in order. */
  readonly messages: readonly Uint8Array[];
  /** Size of the messages and the context. */
  readonly bytes: number;
}

/** What `lock` came to: the session as it is now, held by others, or not there. */
export type LockResult =
  | { readonly kind: 'locked'; readonly session: StoredSession }
  | { readonly kind: 'busy' }
  | { readonly kind: 'gone' };

/** What is added to a session. */
export interface Append {
  /** Who has the lock. */
  readonly holder: string;
  /** How many messages the session had when it was locked. */
  readonly after: number;
  /** In Protobuf's binary form. */
  readonly messages: readonly Uint8Array[];
  /** The new context; without it the old one stays. */
  readonly contextJson?: string;
  /** Bound of the whole session. */
  readonly maxBytes: number;
}

/**
 * What `append` came to. `gone`: the session has expired or was deleted; `lost`: the lock ran out and somebody else was here;
 * `full`: it would be larger than it may be. The lock is free in each case.
 */
export type AppendResult = 'saved' | 'gone' | 'lost' | 'full';

export interface SessionPage {
  /** Newest first. */
  readonly sessions: readonly SessionFacts[];
  /** Where the next page begins; '' on the last. */
  readonly next: string;
}

/**
 * Keeps sessions. Each method is one decision that happens wholly or not at all; all of them reject with a GatewayError
 * DEPENDENCY_UNAVAILABLE when the store is out of reach, in which case it is not known whether it happened.
 *
 * Every key begins with the tenant. An expired session is not there, whenever its data are cleared away.
 */
export interface SessionStore {
  create(tenant: string, session: SessionFacts): Promise<void>;
  /** Makes it unless there is one of this id. */
  ensure(tenant: string, session: SessionFacts): Promise<void>;
  read(tenant: string, id: string): Promise<StoredSession | null>;
  /** False when there is none. Takes no heed of locks: a call under way finds the session gone. */
  delete(tenant: string, id: string): Promise<boolean>;
  /** @param after `next` of the page before, a list key; "" for the first */
  list(tenant: string, limit: number, after: string): Promise<SessionPage>;
  /** Gives the session to `holder` for `ttlMs`; to the same holder as often as it likes. */
  lock(tenant: string, id: string, holder: string, ttlMs: number): Promise<LockResult>;
  /** Gives `holder` another `ttlMs` from now. False when it does not have the lock. */
  extend(tenant: string, id: string, holder: string, ttlMs: number): Promise<boolean>;
  /** Adds messages and frees the lock. The same holder's second try adds nothing and says what the first one came to. */
  append(tenant: string, id: string, what: Append): Promise<AppendResult>;
  /** Frees the lock if `holder` has it. False when it does not. */
  unlock(tenant: string, id: string, holder: string): Promise<boolean>;
}

/** Order of a list: by time, then by id. As text, so that every store sorts it alike. */
export const listKey = ({ createdUs, id }: Pick<SessionFacts, 'createdUs' | 'id'>): string =>
  `${String(createdUs).padStart(16, '0')}:${id}`;

/** Whether a text is such a key. */
export const isListKey = (text: string): boolean => /^\d{16}:[0-9a-f-]{36}$/.test(text);
