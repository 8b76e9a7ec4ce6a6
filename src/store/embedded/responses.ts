import type {
  CancelResult,
  ClaimedResponse,
  EventAppend,
  EventPage,
  NewResponse,
  ResponseEnd,
  ResponseFacts,
  ResponseStore,
  StepResult,
  StoredResponse,
} from '../../responses/store.ts';
import { pack, packedSize, packList, sizeOf, unpack, unpackList } from '../packed.ts';
import { EmbeddedConversations } from './conversations.ts';
import type { Database, Row } from './database.ts';
import { EmbeddedItemIndex } from './item-index.ts';

export interface EmbeddedResponsesOptions {
  /** In microseconds since 1970. Default: the system's clock. */
  readonly nowUs?: () => number;
}

/** Events of expired responses that one statement clears away. */
const eventBatch = 5_000;
/** Expired responses that one statement clears away. */
const sweepBatch = 200;

const columns =
  'r.key, r.tenant, r.id, r.created, r.expires, r.body, r.bytes, r.count, r.open, r.holder, r.held_until, r.begun, r.cancelled, r.maker';

/** Responses in the embedded store. Leases are by the system's clock, which processes that share the file share as well. */
export class EmbeddedResponses extends EmbeddedConversations implements ResponseStore {
  readonly #database: Database;
  readonly #nowUs: () => number;
  readonly #items: EmbeddedItemIndex;

  constructor(database: Database, options: EmbeddedResponsesOptions = {}) {
    const nowUs = options.nowUs ?? (() => Date.now() * 1000);
    super(database, nowUs);
    this.#database = database;
    this.#nowUs = nowUs;
    this.#items = new EmbeddedItemIndex(database, nowUs);
  }

  async create(tenant: string, response: NewResponse): Promise<void> {
    const { id, createdUs, expiresUs, open } = response;
    const [body, input] = await Promise.all([pack(response.body), packList(response.input)]);
    const lease = open === 'over' ? null : open;
    this.#database.transaction(() => {
      this.#database.run(
        'DELETE FROM responses WHERE tenant = ? AND id = ? AND expires <= ?',
        tenant,
        id,
        this.#nowUs(),
      );
      // One that is there is the same one, whose making was not heard of. It may have gone on since.
      const made = this.#database.get(
        `INSERT INTO responses (tenant, id, created, expires, body, bytes, open, holder, held_until, maker)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING RETURNING key`,
        tenant,
        id,
        createdUs,
        expiresUs,
        body,
        response.body.length + sizeOf(response.input),
        open === 'over' ? 0 : 1,
        lease?.holder ?? null,
        Date.now() + (lease?.leaseMs ?? 0),
        response.maker,
      );
      if (made === null) return;
      this.#database.run(
        'INSERT INTO response_inputs (response, items) VALUES (?, ?)',
        made['key'] as number,
        input,
      );
    });
  }

  async read(tenant: string, id: string): Promise<StoredResponse | null> {
    const row = this.#whole(tenant, id);
    return row === null ? null : responseOf(row);
  }

  async delete(tenant: string, id: string): Promise<boolean> {
    return (
      this.#database.run(
        'DELETE FROM responses WHERE tenant = ? AND id = ? AND expires > ?',
        tenant,
        id,
        this.#nowUs(),
      ) > 0
    );
  }

  async append(tenant: string, id: string, what: EventAppend, leaseMs: number): Promise<StepResult> {
    return this.#step(tenant, id, what, (row) => {
      this.#hold(row, what.holder, leaseMs);
    });
  }

  async end(tenant: string, id: string, what: ResponseEnd): Promise<StepResult> {
    const body = await pack(what.body);
    return this.#step(
      tenant,
      id,
      what,
      (row) => {
        this.#database.run(
          'UPDATE responses SET open = 0, body = ?, bytes = bytes + ? WHERE key = ?',
          body,
          packedSize(body) - packedSize(row['body'] as Uint8Array),
          row['key'] as number,
        );
      },
      body,
    );
  }

  async extend(tenant: string, id: string, holder: string, leaseMs: number): Promise<StepResult> {
    return this.#database.transaction(() => {
      const row = this.#find(tenant, id);
      if (row === null) return 'gone';
      if (row['open'] === 0 || row['holder'] !== holder) return 'lost';
      this.#hold(row, holder, leaseMs);
      return row['cancelled'] === 1 ? 'cancelled' : 'done';
    });
  }

  async events(tenant: string, id: string, from: number, limit: number): Promise<EventPage | null> {
    // First the row: events may come after it, but none after it says that it is over.
    const row = this.#find(tenant, id);
    if (row === null) return null;
    return {
      events: this.#log(row, from, limit),
      over: row['open'] === 0,
      abandoned: isAbandoned(row),
    };
  }

  async cancel(tenant: string, id: string): Promise<CancelResult> {
    return this.#database.transaction(() => {
      const row = this.#find(tenant, id);
      if (row === null) return 'gone';
      if (row['open'] === 0) return 'over';
      this.#database.run('UPDATE responses SET cancelled = 1 WHERE key = ?', row['key'] as number);
      return isFree(row) ? 'unheld' : 'asked';
    });
  }

  async take(tenant: string, id: string, holder: string, leaseMs: number): Promise<ClaimedResponse | null> {
    const row = this.#database.transaction(() => {
      const found = this.#whole(tenant, id);
      if (found === null || found['open'] === 0) return null;
      if (isFree(found)) return this.#begin(found, holder, leaseMs);
      if (found['holder'] !== holder) return null;
      this.#hold(found, holder, leaseMs);
      return found;
    });
    return row === null ? null : claimOf(row);
  }

  async claim(holder: string, leaseMs: number): Promise<ClaimedResponse | null> {
    // Mostly there is none; to find that out nobody has to be kept from writing.
    if (this.#due() === null) return null;
    const row = this.#database.transaction(() => {
      const due = this.#due();
      return due === null ? null : this.#begin(due, holder, leaseMs);
    });
    return row === null ? null : claimOf(row);
  }

  async indexItems(tenant: string, facts: ResponseFacts, itemIds: readonly string[]): Promise<void> {
    this.#items.add(tenant, facts, itemIds);
  }

  async findItem(tenant: string, itemId: string): Promise<string | null> {
    return this.#items.find(tenant, itemId);
  }

  /** Clears away what has expired, a batch at a time: a response may have very many events. @returns whether there may be more */
  sweep(): boolean {
    const now = this.#nowUs();
    const events = this.#database.run(
      `DELETE FROM response_events WHERE key IN (
         SELECT e.key FROM responses r JOIN response_events e ON e.response = r.key WHERE r.expires <= ? LIMIT ?)`,
      now,
      eventBatch,
    );
    if (events === eventBatch) return true;
    const responses = this.#database.run(
      'DELETE FROM responses WHERE key IN (SELECT key FROM responses WHERE expires <= ? LIMIT ?)',
      now,
      sweepBatch,
    );
    const more = [this.sweepConversations(), this.#items.sweep(), responses === sweepBatch];
    return more.includes(true);
  }

  /** Adds events, and with them whatever else `change` does. @param body the one that the response gets, if it ends */
  #step(
    tenant: string,
    id: string,
    { holder, after, events, maxBytes }: EventAppend,
    change: (row: Row) => void,
    body: Uint8Array | null = null,
  ): StepResult {
    return this.#database.transaction(() => {
      const row = this.#find(tenant, id);
      if (row === null) return 'gone';
      if (row['holder'] !== holder) return 'lost';
      const had = Number(row['count']) - after;
      if (had < 0 || had > events.length) return 'lost';
      const same = this.#log(row, after, had).every((event, i) => Buffer.compare(event, events[i]!) === 0);
      if (!same) return 'lost';
      const result = row['cancelled'] === 1 ? 'cancelled' : 'done';
      if (row['open'] === 0) return body !== null && had === events.length ? result : 'lost';
      const added = events.slice(had);
      const bytes = sizeOf(added);
      const grown = bytes + (body === null ? 0 : packedSize(body) - packedSize(row['body'] as Uint8Array));
      if (grown > 0 && Number(row['bytes']) + grown > maxBytes) return 'full';
      added.forEach((event, i) => {
        this.#database.run(
          'INSERT INTO response_events (response, position, body) VALUES (?, ?, ?)',
          row['key'] as number,
          after + had + i,
          event,
        );
      });
      this.#database.run(
        'UPDATE responses SET count = count + ?, bytes = bytes + ? WHERE key = ?',
        added.length,
        bytes,
        row['key'] as number,
      );
      change(row);
      return result;
    });
  }

  #log(row: Row, from: number, limit: number): Uint8Array[] {
    const rows = this.#database.all(
      'SELECT body FROM response_events WHERE response = ? AND position >= ? ORDER BY position LIMIT ?',
      row['key'] as number,
      from,
      limit,
    );
    return rows.map(({ body }) => body as Uint8Array);
  }

  #find(tenant: string, id: string): Row | null {
    return this.#database.get(
      `SELECT ${columns} FROM responses r WHERE tenant = ? AND id = ? AND expires > ?`,
      tenant,
      id,
      this.#nowUs(),
    );
  }

  /** With the input. */
  #whole(tenant: string, id: string): Row | null {
    return this.#database.get(
      `SELECT ${columns}, i.items FROM responses r JOIN response_inputs i ON i.response = r.key
       WHERE tenant = ? AND id = ? AND expires > ?`,
      tenant,
      id,
      this.#nowUs(),
    );
  }

  /** The one that has waited longest for somebody. */
  #due(): Row | null {
    return this.#database.get(
      `SELECT ${columns}, i.items FROM responses r JOIN response_inputs i ON i.response = r.key
       WHERE open = 1 AND held_until <= ? AND expires > ? ORDER BY held_until, r.key LIMIT 1`,
      Date.now(),
      this.#nowUs(),
    );
  }

  /** Gives one that nobody has to a new holder. @returns the row as it is now */
  #begin(row: Row, holder: string, leaseMs: number): Row {
    const begun = row['holder'] === null ? 0 : 1;
    this.#database.run('UPDATE responses SET begun = ? WHERE key = ?', begun, row['key'] as number);
    return { ...row, begun, held_until: this.#hold(row, holder, leaseMs) };
  }

  #hold(row: Row, holder: string, leaseMs: number): number {
    const until = Date.now() + leaseMs;
    this.#database.run(
      'UPDATE responses SET holder = ?, held_until = ? WHERE key = ?',
      holder,
      until,
      row['key'] as number,
    );
    return until;
  }
}

/** Whether an open one may be taken by anybody. */
const isFree = (row: Row): boolean => row['holder'] === null || Number(row['held_until']) <= Date.now();

const isAbandoned = (row: Row): boolean => row['open'] === 1 && row['holder'] !== null && isFree(row);

const responseOf = async (row: Row, abandoned = isAbandoned(row)): Promise<StoredResponse> => ({
  id: row['id'] as string,
  createdUs: row['created'] as number,
  expiresUs: row['expires'] as number,
  body: await unpack(row['body'] as Uint8Array),
  input: await unpackList(row['items'] as Uint8Array),
  maker: row['maker'] as string,
  open: row['open'] === 1,
  abandoned,
  cancelled: row['cancelled'] === 1,
  eventCount: row['count'] as number,
});

const claimOf = async (row: Row): Promise<ClaimedResponse> => ({
  tenant: row['tenant'] as string,
  response: await responseOf(row, false),
  wasBegun: row['begun'] === 1,
});
