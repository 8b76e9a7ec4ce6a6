import { hash, randomUUID } from 'node:crypto';
import { nowUs } from './clock.ts';
import { checkContext } from './context.ts';
import { notFound } from './errors.ts';
import { isSessionId } from './id.ts';
import { decodePageToken, encodePageToken } from './page-token.ts';
import type { SessionFacts, SessionPage, SessionStore, StoredSession } from './store.ts';

/** Bounds of a session's life, in seconds. */
export const ttlSeconds = { least: 60, most: 30 * 24 * 3_600 } as const;
/** Sessions on a page. */
export const pageSize = { default: 100, most: 1_000 } as const;

/** A session to make. */
export interface NewSession {
  /** In seconds; null for the default. */
  readonly ttlSeconds: number | null;
  /** JSON object text; '' for none. */
  readonly contextJson: string;
  /** Where the client wrote the context. */
  readonly contextField: string;
}

/** A page to list. */
export interface PageRequest {
  /** 0 for the default. */
  readonly limit: number;
  /** Opaque; '' for the first. */
  readonly token: string;
  /** Where the client wrote the token. */
  readonly tokenField: string;
}

/** Makes, reads, forgets and lists the sessions of tenants. Rejects with GatewayError. */
export class Sessions {
  readonly #store: SessionStore;
  readonly #defaultTtlMs: () => number;

  /** @param defaultTtlMs life of a session that does not say, in milliseconds */
  constructor(store: SessionStore, defaultTtlMs: () => number) {
    this.#store = store;
    this.#defaultTtlMs = defaultTtlMs;
  }

  async create(tenant: string, wanted: NewSession): Promise<SessionFacts> {
    const contextJson = wanted.contextJson === '' ? '{}' : wanted.contextJson;
    checkContext(contextJson, wanted.contextField);
    const ttlMs = wanted.ttlSeconds === null ? this.#defaultTtlMs() : wanted.ttlSeconds * 1_000;
    const createdUs = nowUs();
    const session = { id: randomUUID(), createdUs, expiresUs: createdUs + ttlMs * 1_000, contextJson };
    await this.#store.create(tenant, session);
    return session;
  }

  /** @param field where the client wrote the id */
  async get(tenant: string, id: string, field = 'id'): Promise<StoredSession> {
    const session = isSessionId(id) ? await this.#store.read(tenant, id) : null;
    if (session === null) throw notFound(id, field);
    return session;
  }

  async delete(tenant: string, id: string): Promise<void> {
    if (!isSessionId(id) || !(await this.#store.delete(tenant, id))) throw notFound(id, 'id');
  }

  async list(tenant: string, { limit, token, tokenField }: PageRequest): Promise<SessionPage> {
    const after = decodePageToken(token, tokenField);
    const { sessions, next } = await this.#store.list(tenant, limit === 0 ? pageSize.default : limit, after);
    return { sessions, next: encodePageToken(next) };
  }
}

/** Id of the session that stands for a conversation with names of its client's choice: a UUID (version 8, RFC 9562) of these. */
export function conversationId(names: readonly string[]): string {
  const hex = hash('sha256', JSON.stringify(names), 'hex');
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-8${hex.slice(13, 16)}-a${hex.slice(17, 20)}-${hex.slice(20, 32)}`;
}
