import {
  type Append,
  type AppendResult,
  type LockResult,
  listKey,
  type SessionFacts,
  type SessionPage,
  type SessionStore,
  type StoredSession,
} from '../../sessions/store.ts';
import type { Database, Row } from './database.ts';

export interface EmbeddedSessionsOptions {
  /** In microseconds since 1970. Default: the system's clock. */
  readonly nowUs?: () => number;
}

/** Expired sessions that one transaction clears away. */
const sweepBatch = 200;

const columns = 'key, id, created, expires, context, bytes, count, holder, held_until, saved';

/** Sessions in the embedded store. Locks are in the table, so that processes which share the file heed each other's. */
export class EmbeddedSessions implements SessionStore {
  readonly #database: Database;
  readonly #nowUs: () => number;

  constructor(database: Database, options: EmbeddedSessionsOptions = {}) {
    this.#database = database;
    this.#nowUs = options.nowUs ?? (() => Date.now() * 1000);
  }

  async create(tenant: string, { id, createdUs, expiresUs, contextJson }: SessionFacts): Promise<void> {
    this.#database.run(
      'INSERT INTO sessions (tenant, id, created, expires, context, bytes) VALUES (?, ?, ?, ?, ?, ?)',
      tenant,
      id,
      createdUs,
      expiresUs,
      contextJson,
      Buffer.byteLength(contextJson),
    );
  }

  async ensure(tenant: string, { id, createdUs, expiresUs, contextJson }: SessionFacts): Promise<void> {
    this.#database.transaction(() => {
      // An expired one that was not cleared away yet.
      this.#database.run(
        'DELETE FROM sessions WHERE tenant = ? AND id = ? AND expires <= ?',
        tenant,
        id,
        this.#nowUs(),
      );
      this.#database.run(
        'INSERT OR IGNORE INTO sessions (tenant, id, created, expires, context, bytes) VALUES (?, ?, ?, ?, ?, ?)',
        tenant,
        id,
        createdUs,
        expiresUs,
        contextJson,
        Buffer.byteLength(contextJson),
      );
    });
  }

  async read(tenant: string, id: string): Promise<StoredSession | null> {
    const row = this.#find(tenant, id);
    return row === null ? null : this.#whole(row);
  }

  async delete(tenant: string, id: string): Promise<boolean> {
    return (
      this.#database.run(
        'DELETE FROM sessions WHERE tenant = ? AND id = ? AND expires > ?',
        tenant,
        id,
        this.#nowUs(),
      ) > 0
    );
  }

  async list(tenant: string, limit: number, after: string): Promise<SessionPage> {
    const [createdUs, id] =
      after === '' ? [Number.MAX_SAFE_INTEGER, ''] : [Number(after.slice(0, 16)), after.slice(17)];
    const rows = this.#database.all(
      `SELECT id, created, expires, context FROM sessions
       WHERE tenant = ? AND (created, id) < (?, ?) AND expires > ?
       ORDER BY created DESC, id DESC LIMIT ?`,
      tenant,
      createdUs,
      id,
      this.#nowUs(),
      limit + 1,
    );
    const sessions = rows.slice(0, limit).map(factsOf);
    const last = sessions[sessions.length - 1];
    return { sessions, next: rows.length > limit && last !== undefined ? listKey(last) : '' };
  }

  async lock(tenant: string, id: string, holder: string, ttlMs: number): Promise<LockResult> {
    return this.#database.transaction(() => {
      const row = this.#find(tenant, id);
      if (row === null) return { kind: 'gone' };
      const owner = this.#ownerOf(row);
      if (owner !== null && owner !== holder) return { kind: 'busy' };
      this.#hold(row, holder, ttlMs);
      return { kind: 'locked', session: this.#whole(row) };
    });
  }

  async extend(tenant: string, id: string, holder: string, ttlMs: number): Promise<boolean> {
    return this.#database.transaction(() => {
      const row = this.#find(tenant, id);
      if (row === null || this.#ownerOf(row) !== holder) return false;
      this.#hold(row, holder, ttlMs);
      return true;
    });
  }

  async append(tenant: string, id: string, what: Append): Promise<AppendResult> {
    return this.#database.transaction(() => {
      const row = this.#find(tenant, id);
      if (row === null) return 'gone';
      const { holder, after, messages, contextJson, maxBytes } = what;
      const owner = this.#ownerOf(row);
      if (owner === holder) this.#release(row);
      if (row['saved'] === holder) return 'saved';
      if ((owner !== null && owner !== holder) || row['count'] !== after) return 'lost';
      let bytes = Number(row['bytes']);
      for (const message of messages) bytes += message.length;
      if (contextJson !== undefined) {
        bytes += Buffer.byteLength(contextJson) - Buffer.byteLength(String(row['context']));
      }
      if (bytes > maxBytes) return 'full';
      messages.forEach((message, i) => {
        this.#database.run(
          'INSERT INTO session_messages (session, position, body) VALUES (?, ?, ?)',
          row['key'] as number,
          after + i,
          message,
        );
      });
      this.#database.run(
        'UPDATE sessions SET bytes = ?, count = ?, saved = ?, context = ? WHERE key = ?',
        bytes,
        after + messages.length,
        holder,
        contextJson ?? (row['context'] as string),
        row['key'] as number,
      );
      return 'saved';
    });
  }

  async unlock(tenant: string, id: string, holder: string): Promise<boolean> {
    return (
      this.#database.run(
        'UPDATE sessions SET holder = NULL, held_until = 0 WHERE tenant = ? AND id = ? AND holder = ?',
        tenant,
        id,
        holder,
      ) > 0
    );
  }

  /** Clears expired sessions away, a batch at a time. @returns whether there may be more */
  sweep(): boolean {
    const swept = this.#database.run(
      'DELETE FROM sessions WHERE key IN (SELECT key FROM sessions WHERE expires <= ? LIMIT ?)',
      this.#nowUs(),
      sweepBatch,
    );
    return swept === sweepBatch;
  }

  #find(tenant: string, id: string): Row | null {
    return this.#database.get(
      `SELECT ${columns} FROM sessions WHERE tenant = ? AND id = ? AND expires > ?`,
      tenant,
      id,
      this.#nowUs(),
    );
  }

  #whole(row: Row): StoredSession {
    const messages = this.#database.all(
      'SELECT body FROM session_messages WHERE session = ? ORDER BY position',
      row['key'] as number,
    );
    return {
      ...factsOf(row),
      bytes: Number(row['bytes']),
      messages: messages.map(({ body }) => body as Uint8Array),
    };
  }

  /** Who has the lock now. */
  #ownerOf(row: Row): string | null {
    return Number(row['held_until']) > Date.now() ? (row['holder'] as string | null) : null;
  }

  #hold(row: Row, holder: string, ttlMs: number): void {
    this.#database.run(
      'UPDATE sessions SET holder = ?, held_until = ? WHERE key = ?',
      holder,
      Date.now() + ttlMs,
      row['key'] as number,
    );
  }

  #release(row: Row): void {
    this.#database.run(
      'UPDATE sessions SET holder = NULL, held_until = 0 WHERE key = ?',
      row['key'] as number,
    );
  }
}

const factsOf = (row: Row): SessionFacts => ({
  id: row['id'] as string,
  createdUs: row['created'] as number,
  expiresUs: row['expires'] as number,
  contextJson: row['context'] as string,
});
