import { randomInt } from 'node:crypto';
import { ErrorReason } from '../../gen/llmgateway/v1/error_pb.js';
import { GatewayError } from '../errors/gateway-error.ts';
import type { ApiKey, KeyTerms } from './api-key.ts';
import { hashOf, newSecret } from './secret-form.ts';
import type { KeyPage, KeyStore, StoredKey } from './store.ts';

/** Most keys in the store. */
export const maxKeys = 100_000;
/** Keys on one page. */
export const keyPageSize = { usual: 50, most: 500 } as const;

/** Changes that somebody else was faster with are tried again as often. */
const tries = 5;
const hintLength = 8;

/** The keys of the store, for those who look after them. Rejects with GatewayError. */
export class Keys {
  readonly #store: KeyStore;
  readonly #now: () => number;
  readonly #onChange: (hash: string) => void;

  /** @param onChange told of every key that was changed here, by its hash */
  constructor(store: KeyStore, onChange: (hash: string) => void = () => {}, now: () => number = Date.now) {
    this.#store = store;
    this.#onChange = onChange;
    this.#now = now;
  }

  /** Makes a key; an owner, tenant or class of '' is the default one. The secret is told this once and kept nowhere. */
  async create(terms: Partial<KeyTerms>): Promise<{ key: ApiKey; secret: string }> {
    const secret = newSecret();
    const id = newId(this.#now());
    const key = withDefaults({
      id,
      hash: hashOf(secret),
      hint: secret.slice(0, hintLength),
      name: terms.name ?? '',
      owner: terms.owner ?? '',
      tenant: terms.tenant ?? '',
      rateClass: terms.rateClass ?? '',
      models: terms.models ?? null,
      budget: terms.budget ?? null,
      admin: terms.admin ?? false,
      expiresMs: terms.expiresMs ?? null,
      disabled: terms.disabled ?? false,
      createdMs: this.#now(),
      revokedMs: null,
      revision: 1,
    });
    const result = await this.#store.create(key, maxKeys);
    if (result === 'full') {
      throw new GatewayError(
        ErrorReason.REQUEST_TOO_LARGE,
        `there may be ${maxKeys} keys; forget some that were revoked`,
      );
    }
    if (result === 'taken') throw new Error('a new key is there already');
    this.#onChange(key.hash);
    return { key, secret };
  }

  list(limit: number, after: string): Promise<KeyPage> {
    return this.#store.list(limit, after);
  }

  async get(id: string): Promise<StoredKey> {
    const stored = await this.#store.read(id);
    if (stored === null) throw notFound(id);
    return stored;
  }

  /** Changes what is given and leaves the rest; an owner, tenant or class of '' becomes the default one. */
  update(id: string, changes: Partial<KeyTerms>): Promise<StoredKey> {
    return this.#change(id, (key) => {
      if (key.revokedMs !== null) {
        throw new GatewayError(
          ErrorReason.INVALID_REQUEST,
          `key ${shown(id)} was revoked and cannot be changed`,
          {
            field: 'id',
          },
        );
      }
      return withDefaults({ ...key, ...changes });
    });
  }

  /** Refuses it from now on, for ever. A second time it changes nothing. */
  revoke(id: string): Promise<StoredKey> {
    return this.#change(id, (key) => (key.revokedMs === null ? { ...key, revokedMs: this.#now() } : key));
  }

  /** Revokes it, and keeps nothing of it. */
  async forget(id: string): Promise<StoredKey> {
    const stored = await this.revoke(id);
    await this.#store.remove(id);
    this.#onChange(stored.key.hash);
    return stored;
  }

  async #change(id: string, make: (key: ApiKey) => ApiKey): Promise<StoredKey> {
    for (let i = 0; i < tries; i++) {
      const stored = await this.get(id);
      const made = make(stored.key);
      if (made === stored.key) return stored;
      const key = { ...made, revision: stored.key.revision + 1 };
      const result = await this.#store.replace(key);
      if (result === 'gone') throw notFound(id);
      if (result === 'changed') continue;
      this.#onChange(key.hash);
      return { ...stored, key };
    }
    throw new GatewayError(ErrorReason.OVERLOADED, `key ${shown(id)} is being changed by others`, {
      retryAfterMs: 1_000,
    });
  }
}

function withDefaults(key: ApiKey): ApiKey {
  const owner = key.owner || key.id;
  return { ...key, owner, tenant: key.tenant || owner, rateClass: key.rateClass || 'default' };
}

/** Sorts by time, to the millisecond. */
function newId(nowMs: number): string {
  let random = '';
  for (let i = 0; i < 10; i++) random += randomInt(36).toString(36);
  return `key_${nowMs.toString(36).padStart(9, '0')}${random}`;
}

export const isKeyId = (id: string): boolean => /^key_[0-9a-z]{19}$/.test(id);

const shown = (id: string): string => JSON.stringify(id.slice(0, 100));

const notFound = (id: string): GatewayError =>
  new GatewayError(
    ErrorReason.NOT_FOUND,
    `there is no key ${shown(id)}; configured ones are in the configuration`,
    {
      field: 'id',
    },
  );
