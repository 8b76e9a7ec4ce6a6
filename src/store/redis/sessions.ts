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
import type { Argument, RedisConnection } from './connection.ts';
import * as scripts from './session-scripts.ts';

export interface RedisSessionsOptions {
  /** In microseconds since 1970. Default: the system's clock. */
  readonly nowUs?: () => number;
  /** How often and how far apart a save is tried, in milliseconds. */
  readonly saveDelaysMs?: readonly number[];
}

/** Entries of expired sessions that are cleared out of a tenant's index whenever it gets a new one. */
const cleared = 100;

/**
 * Sessions in Redis. The keys of a session have the tenant and its id as their hash tag, those of a tenant's index the tenant: a
 * session is in one slot of a Cluster, and those of one tenant are spread over all.
 */
export class RedisSessions implements SessionStore {
  readonly #redis: RedisConnection;
  readonly #nowUs: () => number;
  readonly #saveDelaysMs: readonly number[];

  constructor(redis: RedisConnection, options: RedisSessionsOptions = {}) {
    this.#redis = redis;
    this.#nowUs = options.nowUs ?? (() => Date.now() * 1000);
    this.#saveDelaysMs = options.saveDelaysMs ?? [0, 100, 150];
  }

  /** The index comes first: an entry without its session is passed over, a session without its entry would never be listed. */
  async create(tenant: string, session: SessionFacts): Promise<void> {
    const { id, createdUs, expiresUs, contextJson } = session;
    await this.#redis.run(scripts.enlist, indexKeys(tenant), [
      listKey(session),
      expiresUs,
      this.#nowUs(),
      cleared,
    ]);
    await this.#redis.run(scripts.create, keysOf(tenant, id), [createdUs, expiresUs, contextJson]);
  }

  async ensure(tenant: string, session: SessionFacts): Promise<void> {
    const { id, createdUs, expiresUs, contextJson } = session;
    const args = [this.#nowUs(), createdUs, expiresUs, contextJson];
    // In the list only when it was not there: an entry too many would be one that leads nowhere.
    if ((await this.#redis.run(scripts.ensure, keysOf(tenant, id), args)) === 0) return;
    await this.#redis.run(scripts.enlist, indexKeys(tenant), [
      listKey(session),
      expiresUs,
      this.#nowUs(),
      cleared,
    ]);
  }

  async read(tenant: string, id: string): Promise<StoredSession | null> {
    const reply = await this.#redis.run(scripts.read, keysOf(tenant, id), [this.#nowUs()]);
    return reply === null ? null : sessionOf(id, reply as Buffer[]);
  }

  async delete(tenant: string, id: string): Promise<boolean> {
    const created = await this.#redis.run(scripts.remove, keysOf(tenant, id), [this.#nowUs()]);
    if (created === null) return false;
    // Where this fails, the entry is passed over until it is cleared away.
    await this.#delist(tenant, [listKey({ createdUs: Number(created), id })]).catch(() => {});
    return true;
  }

  async list(tenant: string, limit: number, after: string): Promise<SessionPage> {
    const sessions: SessionFacts[] = [];
    let from = after;
    // A round brings less than a page where sessions have expired or were deleted.
    while (sessions.length < limit) {
      const wanted = limit - sessions.length;
      const entries = await this.#entries(tenant, wanted + 1, from);
      const page = entries.slice(0, wanted);
      const found = await Promise.all(page.map((entry) => this.#facts(tenant, entry)));
      const gone = page.filter((_, i) => found[i] === null);
      if (gone.length > 0) await this.#delist(tenant, gone).catch(() => {});
      sessions.push(...found.filter((facts) => facts !== null));
      from = page[page.length - 1] ?? '';
      if (entries.length <= wanted) return { sessions, next: '' };
    }
    return { sessions, next: from };
  }

  async lock(tenant: string, id: string, holder: string, ttlMs: number): Promise<LockResult> {
    const reply = (await this.#redis.run(scripts.lock, keysOf(tenant, id), [
      this.#nowUs(),
      holder,
      ttlMs,
    ])) as Buffer[];
    const kind = String(reply[0]);
    if (kind !== 'locked') return { kind: kind === 'busy' ? 'busy' : 'gone' };
    return { kind: 'locked', session: sessionOf(id, reply.slice(1)) };
  }

  async extend(tenant: string, id: string, holder: string, ttlMs: number): Promise<boolean> {
    return (await this.#redis.run(scripts.extend, keysOf(tenant, id), [holder, ttlMs])) === 1;
  }

  /** An answer is dear: a save that fails is tried again, which the script takes for the same one. */
  async append(tenant: string, id: string, what: Append): Promise<AppendResult> {
    const args: Argument[] = [
      this.#nowUs(),
      what.holder,
      what.after,
      what.maxBytes,
      what.contextJson === undefined ? 0 : 1,
      what.contextJson ?? '',
    ];
    for (const bytes of what.messages) args.push(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length));
    let failure: unknown;
    for (const delay of this.#saveDelaysMs) {
      if (delay > 0) await new Promise((resolve) => setTimeout(resolve, delay));
      try {
        return String(await this.#redis.run(scripts.append, keysOf(tenant, id), args)) as AppendResult;
      } catch (error) {
        failure = error;
      }
    }
    throw failure;
  }

  async unlock(tenant: string, id: string, holder: string): Promise<boolean> {
    return (await this.#redis.run(scripts.unlock, keysOf(tenant, id), [holder])) === 1;
  }

  async #entries(tenant: string, count: number, after: string): Promise<string[]> {
    const [index] = indexKeys(tenant);
    const from = after === '' ? '+' : `(${after}`;
    const reply = await this.#redis.command('ZREVRANGEBYLEX', index as string, from, '-', 'LIMIT', 0, count);
    return (reply as Buffer[]).map(String);
  }

  async #facts(tenant: string, entry: string): Promise<SessionFacts | null> {
    const id = entry.slice(entry.indexOf(':') + 1);
    const fields = ['created', 'expires', 'context'];
    const [session] = keysOf(tenant, id);
    const reply = (await this.#redis.command('HMGET', session as string, ...fields)) as (Buffer | null)[];
    const [created, expires, context] = reply.map((value) => (value === null ? '' : String(value)));
    if (!expires || Number(expires) <= this.#nowUs()) return null;
    return { id, createdUs: Number(created), expiresUs: Number(expires), contextJson: context ?? '' };
  }

  async #delist(tenant: string, entries: readonly string[]): Promise<void> {
    await this.#redis.run(scripts.delist, indexKeys(tenant), entries);
  }
}

/** In a tag, nothing of the tenant's may end it. */
const tag = (tenant: string): string => encodeURIComponent(tenant);

const keysOf = (tenant: string, id: string): string[] => {
  const session = `llmgateway:session:{${tag(tenant)}/${id}}`;
  return [session, `${session}:messages`, `${session}:lock`];
};

const indexKeys = (tenant: string): string[] => {
  const index = `llmgateway:sessions:{${tag(tenant)}/}`;
  return [index, `${index}:expiry`];
};

/** created, expires, context, bytes, then the messages. */
function sessionOf(id: string, [created, expires, context, bytes, ...messages]: Buffer[]): StoredSession {
  return {
    id,
    createdUs: Number(created),
    expiresUs: Number(expires),
    contextJson: String(context),
    bytes: Number(bytes),
    messages,
  };
}
