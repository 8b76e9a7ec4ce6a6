import type { Memo, MemoStore } from '../../memory/store.ts';
import { pack, unpack } from '../packed.ts';
import type { Database } from './database.ts';

const swept = 1_000;

/** Memos in the embedded store. */
export class EmbeddedMemos implements MemoStore {
  readonly #database: Database;
  readonly #maxBytes: number;
  readonly #now: () => number;

  /** @param maxBytes of all memos; a sweep deletes those that were unused longest where there are more */
  constructor(database: Database, maxBytes: number, now: () => number = Date.now) {
    this.#database = database;
    this.#maxBytes = maxBytes;
    this.#now = now;
  }

  async write(memos: readonly Memo[], ttlMs: number): Promise<void> {
    const bodies = await Promise.all(memos.map(({ body }) => pack(body)));
    this.#database.transaction(() => {
      memos.forEach(({ key }, i) => {
        this.#database.run(
          `INSERT INTO memos (key, body, expires) VALUES (?, ?, ?)
           ON CONFLICT (key) DO UPDATE SET body = excluded.body, expires = excluded.expires`,
          key,
          bodies[i]!,
          this.#now() + ttlMs,
        );
      });
    });
  }

  async read(keys: readonly string[], ttlMs: number): Promise<Map<string, Uint8Array>> {
    const found = new Map<string, Uint8Array>();
    const now = this.#now();
    for (const key of keys) {
      const row = this.#database.get(
        'SELECT body, expires FROM memos WHERE key = ? AND expires > ?',
        key,
        now,
      );
      if (row === null) continue;
      found.set(key, await unpack(row['body'] as Uint8Array));
      // Writing is dearer than reading: the life is lengthened when a good part of it is over.
      if (Number(row['expires']) < now + ttlMs * 0.9)
        this.#database.run('UPDATE memos SET expires = ? WHERE key = ?', now + ttlMs, key);
    }
    return found;
  }

  /** Deletes what has expired, and what is too much. @returns whether there may be more */
  sweep(): boolean {
    const expired = this.#database.run(
      'DELETE FROM memos WHERE key IN (SELECT key FROM memos WHERE expires <= ? LIMIT ?)',
      this.#now(),
      swept,
    );
    if (expired === swept) return true;
    const row = this.#database.get('SELECT coalesce(sum(length(body)), 0) AS bytes FROM memos');
    if (Number(row?.['bytes']) <= this.#maxBytes) return false;
    const deleted = this.#database.run(
      'DELETE FROM memos WHERE key IN (SELECT key FROM memos ORDER BY expires LIMIT ?)',
      swept,
    );
    return deleted === swept;
  }
}
