import type { ResponseFacts } from '../../responses/store.ts';
import type { Database } from './database.ts';

/** Expired entries that one statement clears away. */
const sweepBatch = 5_000;

/** Items by their ids, with the responses that they were indexed for. */
export class EmbeddedItemIndex {
  readonly #database: Database;
  readonly #nowUs: () => number;

  constructor(database: Database, nowUs: () => number) {
    this.#database = database;
    this.#nowUs = nowUs;
  }

  /** The last one that has an item is where it is found. */
  add(tenant: string, { id: response, expiresUs }: ResponseFacts, itemIds: readonly string[]): void {
    this.#database.transaction(() => {
      for (const id of itemIds) {
        this.#database.run(
          'INSERT OR REPLACE INTO response_items (tenant, id, response, expires) VALUES (?, ?, ?, ?)',
          tenant,
          id,
          response,
          expiresUs,
        );
      }
    });
  }

  find(tenant: string, itemId: string): string | null {
    const row = this.#database.get(
      'SELECT response FROM response_items WHERE tenant = ? AND id = ? AND expires > ?',
      tenant,
      itemId,
      this.#nowUs(),
    );
    return row === null ? null : (row['response'] as string);
  }

  /** @returns whether there may be more */
  sweep(): boolean {
    const swept = this.#database.run(
      `DELETE FROM response_items WHERE (tenant, id) IN (
         SELECT tenant, id FROM response_items WHERE expires <= ? LIMIT ?)`,
      this.#nowUs(),
      sweepBatch,
    );
    return swept === sweepBatch;
  }
}
