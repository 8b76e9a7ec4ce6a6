import {
  byAge,
  decodeTool,
  encodeTool,
  type RegisterResult,
  type StoredTool,
  type ToolBounds,
  type ToolStore,
} from '../../tools/store.ts';
import type { Database } from './database.ts';

/** Registered tools in the embedded store. */
export class EmbeddedTools implements ToolStore {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  async register(tenant: string, tool: StoredTool, bounds: ToolBounds): Promise<RegisterResult> {
    const body = encodeTool(tool);
    return this.#database.transaction(() => {
      if (this.#body(tenant, tool.name) !== null) return 'taken';
      const row = this.#database.get(
        'SELECT count(*) AS count, coalesce(sum(length(CAST(body AS BLOB))), 0) AS bytes FROM tools WHERE tenant = ?',
        tenant,
      );
      const bytes = Number(row?.['bytes']) + Buffer.byteLength(body);
      if (Number(row?.['count']) >= bounds.tools || bytes > bounds.bytes) return 'full';
      this.#database.run('INSERT INTO tools (tenant, name, body) VALUES (?, ?, ?)', tenant, tool.name, body);
      return 'registered';
    });
  }

  async delete(tenant: string, name: string): Promise<boolean> {
    return this.#database.run('DELETE FROM tools WHERE tenant = ? AND name = ?', tenant, name) > 0;
  }

  async read(tenant: string, name: string): Promise<StoredTool | null> {
    const body = this.#body(tenant, name);
    return body === null ? null : decodeTool(body);
  }

  async list(tenant: string): Promise<StoredTool[]> {
    const rows = this.#database.all('SELECT body FROM tools WHERE tenant = ?', tenant);
    return rows.map(({ body }) => decodeTool(body as string)).sort(byAge);
  }

  #body(tenant: string, name: string): string | null {
    const row = this.#database.get('SELECT body FROM tools WHERE tenant = ? AND name = ?', tenant, name);
    return row === null ? null : (row['body'] as string);
  }
}
