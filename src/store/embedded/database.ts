import { accessSync, closeSync, constants, mkdtempSync, openSync, rmdirSync, statSync } from 'node:fs';
import path from 'node:path';
import { DatabaseSync, type SQLInputValue, type StatementSync } from 'node:sqlite';
import { makeFolder } from '../../base/make-folder.ts';
import { ConfigError } from '../../config/problems.ts';
import { GatewayError } from '../../errors/gateway-error.ts';
import { unavailable } from '../unavailable.ts';
import { migrations } from './schema.ts';

export interface DatabaseOptions {
  /** Folder of the file; made when it is not there. */
  readonly dir: string;
  /** Bound of the file. */
  readonly maxBytes: number;
  /** Longest wait for another process that writes, in milliseconds. Nothing else runs meanwhile. */
  readonly busyMs?: number;
}

export type Row = Readonly<Record<string, string | number | Uint8Array | null>>;

const fileName = 'gateway.db';
const pageBytes = 4_096;
const storeName = 'the embedded store';

/**
 * The embedded store: one SQLite file that processes on one machine may share. A transaction that was acknowledged survives the end of the
 * process however it comes (WAL; a power cut may cost the last ones). Opened when it is first used, and tried again when that failed.
 */
export class Database {
  readonly #options: DatabaseOptions;
  readonly #statements = new Map<string, StatementSync>();
  #database: DatabaseSync | null = null;
  #closed = false;

  constructor(options: DatabaseOptions) {
    this.#options = options;
  }

  /** Whether it has been used. */
  get opened(): boolean {
    return this.#database !== null;
  }

  /** The rows of a query. @throws GatewayError DEPENDENCY_UNAVAILABLE */
  all(sql: string, ...values: SQLInputValue[]): Row[] {
    return this.#guarded(() => this.#prepared(sql).all(...values) as Row[]);
  }

  /** The first row of a query. @throws GatewayError DEPENDENCY_UNAVAILABLE */
  get(sql: string, ...values: SQLInputValue[]): Row | null {
    return this.#guarded(() => (this.#prepared(sql).get(...values) as Row | undefined) ?? null);
  }

  /** @returns how many rows it changed @throws GatewayError DEPENDENCY_UNAVAILABLE */
  run(sql: string, ...values: SQLInputValue[]): number {
    return this.#guarded(() => Number(this.#prepared(sql).run(...values).changes));
  }

  /** All that `work` does, or nothing of it; no other process writes meanwhile. @throws GatewayError DEPENDENCY_UNAVAILABLE */
  transaction<T>(work: () => T): T {
    return this.#guarded(() => {
      const database = this.#open();
      database.exec('BEGIN IMMEDIATE');
      try {
        const result = work();
        database.exec('COMMIT');
        return result;
      } catch (error) {
        if (database.isTransaction) database.exec('ROLLBACK');
        throw error;
      }
    });
  }

  /** Gives free space back to the file system, some at a time. */
  shrink(): void {
    this.#guarded(() => this.#open().exec('PRAGMA incremental_vacuum(4096)'));
  }

  close(): void {
    this.#closed = true;
    this.#statements.clear();
    this.#database?.close();
    this.#database = null;
  }

  #prepared(sql: string): StatementSync {
    const database = this.#open();
    let statement = this.#statements.get(sql);
    if (statement === undefined) {
      statement = database.prepare(sql);
      this.#statements.set(sql, statement);
    }
    return statement;
  }

  #open(): DatabaseSync {
    if (this.#closed) throw new Error('closed');
    this.#database ??= openDatabase(this.#options);
    return this.#database;
  }

  #guarded<T>(work: () => T): T {
    try {
      return work();
    } catch (error) {
      throw error instanceof GatewayError ? error : unavailable(storeName, reasonOf(error), error);
    }
  }
}

function openDatabase({ dir, maxBytes, busyMs = 1_000 }: DatabaseOptions): DatabaseSync {
  makeFolder(dir, 0o700);
  const file = path.join(dir, fileName);
  makePrivate(file);
  const database = new DatabaseSync(file, { timeout: busyMs });
  try {
    // Before the first table, or it has no effect.
    database.exec('PRAGMA auto_vacuum = INCREMENTAL');
    database.exec('PRAGMA journal_mode = WAL');
    database.exec('PRAGMA synchronous = NORMAL');
    database.exec(`PRAGMA journal_size_limit = ${64 * 2 ** 20}`);
    database.exec(`PRAGMA max_page_count = ${Math.floor(maxBytes / pageBytes)}`);
    migrate(database);
    return database;
  } catch (error) {
    database.close();
    throw error;
  }
}

/** Makes an empty file that its owner alone can read; one that is there stays as it is. SQLite's other files follow it. */
function makePrivate(file: string): void {
  try {
    closeSync(openSync(file, 'wx', 0o600));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  }
}

const versionOf = (database: DatabaseSync): number =>
  Number(database.prepare('PRAGMA user_version').get()?.['user_version']);

/** Brings the tables to this program's version, once, however many processes start. */
function migrate(database: DatabaseSync): void {
  if (versionOf(database) === migrations.length) return;
  database.exec('BEGIN IMMEDIATE');
  try {
    const version = versionOf(database);
    if (version > migrations.length) throw new NewerVersionError(version);
    for (const migration of migrations.slice(version)) database.exec(migration);
    database.exec(`PRAGMA user_version = ${migrations.length}`);
    database.exec('COMMIT');
  } catch (error) {
    if (database.isTransaction) database.exec('ROLLBACK');
    throw error;
  }
}

class NewerVersionError extends Error {
  constructor(version: number) {
    super(
      `its file is of version ${version}, which a newer gateway made; this one knows ${migrations.length}`,
    );
  }
}

/** SQLite's result codes that an operator can do something about. */
const resultCodes: Readonly<Record<number, string>> = {
  5: 'another process is writing',
  6: 'another process is writing',
  8: 'its file cannot be written',
  10: 'its file cannot be read or written',
  11: 'its file is damaged',
  13: 'its file is as large as it may be, or the disk is full',
  14: 'its file cannot be opened',
  26: 'its file is not a database',
};

function reasonOf(error: unknown): string {
  if (error instanceof NewerVersionError) return error.message;
  const { errcode, code } = error as { errcode?: unknown; code?: unknown };
  const known = typeof errcode === 'number' ? resultCodes[errcode & 0xff] : undefined;
  if (known !== undefined) return known;
  return typeof code === 'string' && /^E[A-Z]+$/.test(code) ? `its folder: ${code}` : 'it failed';
}

/**
 * Makes sure that the folder can be written, or made. Leaves nothing behind.
 * @param tries whether one is made where it would be: a file system may have none in spite of its rights
 * @throws ConfigError that names the setting
 */
export function checkDataDir(dir: string, tries = false): void {
  const fail = (why: string): never => {
    throw new ConfigError([
      `LLM_GATEWAY_DATA_DIR: is ${JSON.stringify(dir)}, has to be a folder that can be written, or made (${why})`,
    ]);
  };
  for (let at = dir; ; at = path.dirname(at)) {
    try {
      if (!statSync(at).isDirectory()) fail(`${at} is not a folder`);
      accessSync(at, constants.W_OK | constants.X_OK);
    } catch (error) {
      if (error instanceof ConfigError) throw error;
      const { code = 'unreadable' } = error as NodeJS.ErrnoException;
      if (code !== 'ENOENT' || at === path.dirname(at)) fail(`${at}: ${code}`);
      continue;
    }
    try {
      // Of a name that nobody else has: other workers may be making the folder itself.
      if (tries && at !== dir) rmdirSync(mkdtempSync(path.join(at, '.llm-gateway-')));
    } catch (error) {
      fail(`no folder can be made in ${at}: ${(error as NodeJS.ErrnoException).code}`);
    }
    return;
  }
}
