import { type ApiKey, decodeKey, encodeKey } from '../../auth/api-key.ts';
import type { KeyPage, KeyStore, StoredKey } from '../../auth/store.ts';
import type { Database, Row } from './database.ts';

/** Keys of clients in the embedded store. */
export class EmbeddedKeys implements KeyStore {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  async create(key: ApiKey, most: number): Promise<'created' | 'taken' | 'full'> {
    const { id, hash, revision } = key;
    return this.#database.transaction(() => {
      const count = this.#database.get('SELECT count(*) AS count FROM api_keys');
      if (Number(count?.['count']) >= most) return 'full';
      const added = this.#database.run(
        'INSERT INTO api_keys (id, hash, revision, body) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING',
        id,
        hash,
        revision,
        encodeKey(key),
      );
      return added === 1 ? 'created' : 'taken';
    });
  }

  async find(hash: string): Promise<ApiKey | null> {
    const row = this.#database.get('SELECT body FROM api_keys WHERE hash = ?', hash);
    return row === null ? null : decodeKey(row['body'] as string);
  }

  async read(id: string): Promise<StoredKey | null> {
    const row = this.#database.get('SELECT body, used FROM api_keys WHERE id = ?', id);
    return row === null ? null : storedOf(row);
  }

  async list(limit: number, after: string): Promise<KeyPage> {
    const rows = this.#database.all(
      "SELECT id, body, used FROM api_keys WHERE ? = '' OR id < ? ORDER BY id DESC LIMIT ?",
      after,
      after,
      limit + 1,
    );
    const page = rows.slice(0, limit);
    return { keys: page.map(storedOf), next: rows.length > limit ? (page.at(-1)?.['id'] as string) : '' };
  }

  async replace(key: ApiKey): Promise<'done' | 'gone' | 'changed'> {
    return this.#database.transaction(() => {
      const row = this.#database.get('SELECT revision FROM api_keys WHERE id = ?', key.id);
      if (row === null) return 'gone';
      if (row['revision'] !== key.revision - 1) return 'changed';
      this.#database.run(
        'UPDATE api_keys SET revision = ?, body = ? WHERE id = ?',
        key.revision,
        encodeKey(key),
        key.id,
      );
      return 'done';
    });
  }

  async remove(id: string): Promise<boolean> {
    return this.#database.run('DELETE FROM api_keys WHERE id = ?', id) > 0;
  }

  async used(times: ReadonlyMap<string, number>): Promise<void> {
    this.#database.transaction(() => {
      for (const [id, ms] of times)
        this.#database.run('UPDATE api_keys SET used = max(used, ?) WHERE id = ?', ms, id);
    });
  }
}

const storedOf = (row: Row): StoredKey => ({
  key: decodeKey(row['body'] as string),
  usedMs: row['used'] as number,
});
