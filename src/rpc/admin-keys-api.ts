import { create } from '@bufbuild/protobuf';
import { type Timestamp, timestampFromMs, timestampMs } from '@bufbuild/protobuf/wkt';
import {
  type ApiKey,
  ApiKeySchema,
  type CreateKeyRequest,
  type CreateKeyResponse,
  CreateKeyResponseSchema,
  type KeyBudget,
  type ListKeysResponse,
  ListKeysResponseSchema,
  type ModelPatterns,
  KeyBudget_Period as Period,
  type UpdateKeyRequest,
} from '../../gen/llmgateway/v1/admin_service_pb.js';
import type { KeyTerms } from '../auth/api-key.ts';
import { isKeyId, type Keys, keyPageSize } from '../auth/keys.ts';
import type { Budget } from '../auth/principal.ts';
import type { StoredKey } from '../auth/store.ts';
import { invalidRequest } from '../errors/gateway-error.ts';

/** The keys of AdminService as an object: RPC and REST call the same one. Whoever calls it is an administrator. Rejects with GatewayError. */
export interface AdminKeysApi {
  createKey(asked: CreateKeyRequest): Promise<CreateKeyResponse>;
  listKeys(pageSize: number, token: string, tokenField: string): Promise<ListKeysResponse>;
  getKey(id: string): Promise<ApiKey>;
  updateKey(asked: UpdateKeyRequest): Promise<ApiKey>;
  revokeKey(id: string, forget: boolean): Promise<ApiKey>;
}

type Changes = { -readonly [K in keyof KeyTerms]?: KeyTerms[K] };

const names = ['owner', 'tenant', 'rateClass'] as const;

/**
 * @param onChange told of what was done to which key, for the log
 * @param classes names of the classes of limits that there are
 */
export function adminKeysApi(
  keys: Keys,
  onChange: (what: 'created' | 'updated' | 'revoked' | 'forgotten', id: string) => void,
  classes: () => readonly string[],
): AdminKeysApi {
  /** One that is not there would be the default one, which nobody meant. */
  function checkClass(name: string): void {
    if (classes().includes(name)) return;
    throw invalidRequest(
      'rate_class',
      `rate_class: there is no class ${JSON.stringify(name)}; there are ${classes().slice(0, 100).join(', ')}`,
    );
  }
  /** Those that are given; '' for the default one. */
  function namesOf(asked: { readonly [K in (typeof names)[number]]?: string | undefined }): Changes {
    const changes: Changes = {};
    for (const field of names) {
      const value = asked[field];
      if (value !== undefined) changes[field] = value === '' ? '' : checkPlain(value, snakeCase(field));
    }
    if (changes.rateClass) checkClass(changes.rateClass);
    return changes;
  }
  return {
    async createKey(asked) {
      const { name, models, budget, admin, expiresAt } = asked;
      const { key, secret } = await keys.create({
        ...namesOf(asked),
        name,
        admin,
        models: patternsOf(models),
        budget: budget === undefined ? null : budgetOf(budget),
        expiresMs: expiresAt === undefined ? null : futureOf(expiresAt),
      });
      onChange('created', key.id);
      return create(CreateKeyResponseSchema, { key: message({ key, usedMs: 0 }), secret });
    },
    async listKeys(pageSize, token, tokenField) {
      const page = await keys.list(pageSize === 0 ? keyPageSize.usual : pageSize, afterOf(token, tokenField));
      return create(ListKeysResponseSchema, {
        keys: page.keys.map(message),
        nextPageToken: Buffer.from(page.next).toString('base64url'),
      });
    },
    getKey: async (id) => message(await keys.get(id)),
    async updateKey(asked) {
      const { id, name, admin, disabled, models, budget, noBudget, expiresAt, noExpiry } = asked;
      if (noBudget && budget !== undefined)
        throw invalidRequest('no_budget', 'no_budget: there is a budget besides');
      if (noExpiry && expiresAt !== undefined)
        throw invalidRequest('no_expiry', 'no_expiry: there is expires_at besides');
      const changes: Changes = namesOf(asked);
      if (name !== undefined) changes.name = name;
      if (admin !== undefined) changes.admin = admin;
      if (disabled !== undefined) changes.disabled = disabled;
      if (models !== undefined) changes.models = patternsOf(models);
      if (budget !== undefined) changes.budget = budgetOf(budget);
      if (noBudget) changes.budget = null;
      if (expiresAt !== undefined) changes.expiresMs = millisecondsOf(expiresAt);
      if (noExpiry) changes.expiresMs = null;
      const stored = await keys.update(id, changes);
      onChange('updated', stored.key.id);
      return message(stored);
    },
    async revokeKey(id, forget) {
      const stored = await (forget ? keys.forget(id) : keys.revoke(id));
      onChange(forget ? 'forgotten' : 'revoked', stored.key.id);
      return message(stored);
    },
  };
}

const periods = { [Period.DAY]: 'day', [Period.MONTH]: 'month', [Period.TOTAL]: 'total' } as const;
const periodsByName = { day: Period.DAY, month: Period.MONTH, total: Period.TOTAL } as const;

const budgetOf = ({ usd, per }: KeyBudget): Budget => ({
  usd,
  per: per === Period.UNSPECIFIED ? 'month' : periods[per],
});

const patternsOf = (models: ModelPatterns | undefined): readonly string[] | null =>
  models === undefined || models.patterns.length === 0 ? null : models.patterns;

function checkPlain(value: string, field: string): string {
  if (/^[\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?$/.test(value)) return value;
  throw invalidRequest(field, `${field}: has to be printable ASCII without spaces around it`);
}

const snakeCase = (name: string): string => name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);

/** Dates beyond are none to JavaScript. */
const maxMs = 8.64e15;

function millisecondsOf(time: Timestamp): number {
  const ms = timestampMs(time);
  if (Math.abs(ms) <= maxMs) return Math.floor(ms);
  throw invalidRequest('expires_at', 'expires_at: is no time');
}

function futureOf(time: Timestamp): number {
  const ms = millisecondsOf(time);
  if (ms > Date.now()) return ms;
  throw invalidRequest('expires_at', 'expires_at: has to be in the future');
}

function afterOf(token: string, field: string): string {
  if (token === '') return '';
  const id = Buffer.from(token, 'base64url').toString('latin1');
  if (isKeyId(id)) return id;
  throw invalidRequest(field, `${field} has to be the token that came with the page before`);
}

const at = (ms: number | null): { value?: Timestamp } => (ms === null ? {} : { value: timestampFromMs(ms) });

function message({ key, usedMs }: StoredKey): ApiKey {
  const { id, hint, name, owner, tenant, rateClass, models, budget, admin, disabled } = key;
  const made = create(ApiKeySchema, { id, hint, name, owner, tenant, rateClass, admin, disabled });
  if (models !== null) made.models = { $typeName: 'llmgateway.v1.ModelPatterns', patterns: [...models] };
  if (budget !== null) {
    made.budget = { $typeName: 'llmgateway.v1.KeyBudget', usd: budget.usd, per: periodsByName[budget.per] };
  }
  const times = [
    ['expiresAt', at(key.expiresMs)],
    ['createdAt', at(key.createdMs)],
    ['revokedAt', at(key.revokedMs)],
    ['lastUsedAt', at(usedMs === 0 ? null : usedMs)],
  ] as const;
  for (const [field, { value }] of times) if (value !== undefined) made[field] = value;
  return made;
}
