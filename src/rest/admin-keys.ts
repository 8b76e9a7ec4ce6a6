import { create } from '@bufbuild/protobuf';
import { type Timestamp, timestampFromMs, timestampMs } from '@bufbuild/protobuf/wkt';
import {
  type ApiKey,
  CreateKeyRequestSchema,
  type KeyBudget,
  KeyBudgetSchema,
  type ModelPatterns,
  ModelPatternsSchema,
  KeyBudget_Period as Period,
  UpdateKeyRequestSchema,
} from '../../gen/llmgateway/v1/admin_service_pb.js';
import { requireAdmin } from '../auth/admin.ts';
import { readBoolean, readInteger, readObject, readString } from '../codec/fields.ts';
import type { Json } from '../codec/json.ts';
import { invalidRequest } from '../errors/gateway-error.ts';
import type { AdminKeysApi } from '../rpc/admin-keys-api.ts';
import { validateMessage } from '../rpc/validate.ts';
import { type Exchange, type RestHandler, readMembers, refuseOthers, sendJson } from './exchange.ts';

/** What the routes of keys are made of. */
export interface KeyRoutes {
  readonly api: AdminKeysApi;
  /** Largest request body in bytes. */
  readonly maxBodyBytes: () => number;
}

const terms = ['name', 'owner', 'tenant', 'rate_class', 'models', 'budget', 'admin', 'expires_at'];

/** POST /admin/keys. */
export const createKey =
  ({ api, maxBodyBytes }: KeyRoutes): RestHandler =>
  async (exchange) => {
    requireAdmin(exchange.principal);
    const body = await readMembers(exchange, maxBodyBytes(), terms);
    const request = create(CreateKeyRequestSchema, {
      name: text(body, 'name') ?? '',
      owner: text(body, 'owner') ?? '',
      tenant: text(body, 'tenant') ?? '',
      rateClass: text(body, 'rate_class') ?? '',
      admin: flag(body, 'admin') ?? false,
    });
    const { models, budget, expiresAt } = composed(body);
    if (models) request.models = models;
    if (budget) request.budget = budget;
    if (expiresAt) request.expiresAt = expiresAt;
    validateMessage(CreateKeyRequestSchema, request);
    const { key, secret } = await api.createKey(request);
    sendJson(exchange, 201, JSON.stringify({ ...keyJson(key as ApiKey), key: secret }), uncached);
  };

/** GET /admin/keys. */
export const listKeys =
  ({ api }: KeyRoutes): RestHandler =>
  async (exchange) => {
    requireAdmin(exchange.principal);
    const query = new URLSearchParams(exchange.query);
    refuseOthers(query.keys(), ['limit', 'after']);
    const given = query.get('limit');
    const limit =
      given === null ? 0 : readInteger(/^\d{1,9}$/.test(given) ? Number(given) : given, 'limit', 1, 500);
    const { keys, nextPageToken } = await api.listKeys(limit, query.get('after') ?? '', 'after');
    const body = {
      object: 'list',
      data: keys.map(keyJson),
      has_more: nextPageToken !== '',
      next: nextPageToken || null,
    };
    sendJson(exchange, 200, JSON.stringify(body));
  };

/** GET /admin/keys/{id}. */
export const getKey =
  ({ api }: KeyRoutes): RestHandler =>
  async (exchange) => {
    requireAdmin(exchange.principal);
    sendJson(exchange, 200, JSON.stringify(keyJson(await api.getKey(idOf(exchange)))));
  };

/** PATCH /admin/keys/{id}: what is null goes back to its default, what is not there stays. */
export const updateKey =
  ({ api, maxBodyBytes }: KeyRoutes): RestHandler =>
  async (exchange) => {
    requireAdmin(exchange.principal);
    const body = await readMembers(exchange, maxBodyBytes(), [...terms, 'disabled']);
    const request = create(UpdateKeyRequestSchema, { id: idOf(exchange) });
    /** @param none what says null to the service */
    const set = <K extends keyof typeof request>(
      field: K,
      value: (typeof request)[K] | null | undefined,
      none: (typeof request)[K],
    ): void => {
      if (value !== undefined) request[field] = value ?? none;
    };
    set('name', text(body, 'name'), '');
    set('owner', text(body, 'owner'), '');
    set('tenant', text(body, 'tenant'), '');
    set('rateClass', text(body, 'rate_class'), '');
    set('admin', flag(body, 'admin'), false);
    set('disabled', flag(body, 'disabled'), false);
    const { models, budget, expiresAt } = composed(body);
    set('models', models, create(ModelPatternsSchema));
    if (budget === null) request.noBudget = true;
    else if (budget !== undefined) request.budget = budget;
    if (expiresAt === null) request.noExpiry = true;
    else if (expiresAt !== undefined) request.expiresAt = expiresAt;
    validateMessage(UpdateKeyRequestSchema, request);
    sendJson(exchange, 200, JSON.stringify(keyJson(await api.updateKey(request))));
  };

/** DELETE /admin/keys/{id}: revokes; with `?forget=true` nothing of it is kept. */
export const revokeKey =
  ({ api }: KeyRoutes): RestHandler =>
  async (exchange) => {
    requireAdmin(exchange.principal);
    const forget = new URLSearchParams(exchange.query).get('forget') === 'true';
    sendJson(exchange, 200, JSON.stringify(keyJson(await api.revokeKey(idOf(exchange), forget))));
  };

/** The secret is in this reply alone. */
const uncached = { 'cache-control': 'no-store' };

const idOf = ({ path }: Exchange): string => path.replace(/^\/admin\/keys\//, '').replace(/\/$/, '');

const iso = (time: Timestamp | undefined): string | null =>
  time === undefined ? null : new Date(timestampMs(time)).toISOString();

const periods: Readonly<Record<string, Period>> = {
  day: Period.DAY,
  month: Period.MONTH,
  total: Period.TOTAL,
};

const keyJson = (key: ApiKey): Record<string, unknown> => ({
  id: key.id,
  object: 'api_key',
  hint: key.hint,
  name: key.name,
  owner: key.owner,
  tenant: key.tenant,
  rate_class: key.rateClass,
  models: key.models?.patterns ?? null,
  budget:
    key.budget === undefined ? null : { usd: key.budget.usd, per: Period[key.budget.per]?.toLowerCase() },
  admin: key.admin,
  disabled: key.disabled,
  created_at: iso(key.createdAt),
  expires_at: iso(key.expiresAt),
  revoked_at: iso(key.revokedAt),
  last_used_at: iso(key.lastUsedAt),
});

const text = (body: Json, field: string): string | null | undefined =>
  given(body[field], (value) => readString(value, field, 256));

const flag = (body: Json, field: string): boolean | null | undefined =>
  given(body[field], (value) => readBoolean(value, field));

function composed(body: Json): {
  models: ModelPatterns | null | undefined;
  budget: KeyBudget | null | undefined;
  expiresAt: Timestamp | null | undefined;
} {
  return {
    models: given(body['models'], patternsOf),
    budget: given(body['budget'], budgetOf),
    expiresAt: given(body['expires_at'], timeOf),
  };
}

/** Undefined for what is not there. */
const given = <T>(value: unknown, read: (value: unknown) => T): T | null | undefined =>
  value === undefined || value === null ? value : read(value);

function patternsOf(value: unknown): ModelPatterns {
  if (!Array.isArray(value) || value.length === 0) {
    throw invalidRequest('models', `Invalid 'models': it has to be a list of names, or null for all models.`);
  }
  return create(ModelPatternsSchema, {
    patterns: value.map((item, i) => readString(item, `models[${i}]`, 256)),
  });
}

function budgetOf(value: unknown): KeyBudget {
  const { usd, per = 'month', ...others } = readObject(value, 'budget');
  refuseOthers(Object.keys(others), ['usd', 'per'], 'budget.');
  const period = Object.hasOwn(periods, String(per)) ? periods[String(per)] : undefined;
  if (period === undefined) {
    throw invalidRequest('budget.per', `Invalid 'budget.per': it has to be "day", "month" or "total".`);
  }
  if (typeof usd !== 'number')
    throw invalidRequest('budget.usd', `Invalid 'budget.usd': it has to be a number.`);
  return create(KeyBudgetSchema, { usd, per: period });
}

function timeOf(value: unknown): Timestamp {
  const said = readString(value, 'expires_at', 64);
  const ms = /^\d{4}-\d\d-\d\dT[\d:.]+(?:Z|[+-]\d\d:\d\d)$/.test(said) ? Date.parse(said) : Number.NaN;
  if (Number.isNaN(ms)) {
    throw invalidRequest(
      'expires_at',
      `Invalid 'expires_at': it has to be a time such as 2027-01-31T12:00:00Z.`,
    );
  }
  return timestampFromMs(ms);
}
