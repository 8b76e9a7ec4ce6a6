import { hash } from 'node:crypto';
import { rememberSecret } from '../observability/redact.ts';
import { readFields } from './fields.ts';
import { type Environment, isSet } from './file.ts';
import { type BudgetAmount, grantFields, grantName } from './grants.ts';
import type { Problems } from './problems.ts';
import { flag, type ValueReader, Wrong } from './values.ts';

/** A key of clients, as configured. */
export interface KeyConfig {
  readonly id: string;
  readonly name: string;
  /** SHA-256 of the key, in hex: the key itself is not kept. */
  readonly hash: string;
  readonly owner: string;
  readonly tenant: string;
  readonly rateClass: string;
  /** Null for all. */
  readonly models: readonly string[] | null;
  readonly budget: BudgetAmount | null;
  /** Milliseconds since 1970; null for never. */
  readonly expiresMs: number | null;
  readonly disabled: boolean;
  readonly admin: boolean;
}

/** Shorter keys can be guessed, or found from their hashes. */
export const leastKeyLength = 20;
export const maxKeyLength = 512;
/** More are refused: the store is the place for many. */
export const maxConfiguredKeys = 10_000;
/** As many are masked wherever they stand; more would push the providers' own out of that memory. */
const maxRemembered = 200;

export const keyListVariables = ['LLM_GATEWAY_API_KEYS'] as const;

const keyText: ValueReader<string> = (raw) => {
  const hashed = typeof raw === 'string' ? /^sha256:([\da-f]{64})$/i.exec(raw.trim()) : null;
  if (hashed !== null) return (hashed[1] as string).toLowerCase();
  const key = typeof raw === 'string' ? raw.trim() : '';
  const fits = key.length >= leastKeyLength && key.length <= maxKeyLength && /^[\x21-\x7e]+$/.test(key);
  if (fits && !/^sha256:/i.test(key)) return hash('sha256', key);
  return new Wrong(
    `a key of ${leastKeyLength} to ${maxKeyLength} characters of printable ASCII without spaces, or sha256: and its hash in hex`,
  );
};

/** A moment as ISO 8601 says it; without a time the beginning of the day, without a zone in UTC. */
const moment: ValueReader<number> = (raw) => {
  const wrong = new Wrong('a time such as 2027-01-31 or 2027-01-31T12:00:00Z');
  const match =
    typeof raw === 'string' ? /^(\d{4}-\d\d-\d\d)(?:T([\d:.]+)(Z|[+-]\d\d:\d\d)?)?$/.exec(raw) : null;
  if (match === null) return wrong;
  const ms = Date.parse(`${match[1]}T${match[2] ?? '00:00:00'}${match[3] ?? 'Z'}`);
  return Number.isNaN(ms) ? wrong : ms;
};

/** What a key may have in the file. */
export const keyFields = {
  id: grantName,
  key: keyText,
  name: grantName,
  ...grantFields,
  expires: moment,
  disabled: flag,
} as const;

/** What these mean, for the documentation. */
export const keyDocs: Readonly<Record<keyof typeof keyFields, string>> = {
  id: 'What it is called in logs and limits; unique. Required',
  key: 'The key, best as a variable to be expanded, or `sha256:` and its hash. Required',
  name: 'What it is for, in words',
  owner: 'Whose limits it uses up; default: its id',
  tenant: 'Whose sessions, responses, tools, cache and usage it sees; default: its owner',
  rate_class: 'Its class of limits, one that there is; default `default`',
  models: 'Patterns of the models that it may ask, with `*` for any text; default: all',
  budget: 'What it may spend: `usd` a `day`, a `month` or in `total`',
  admin: 'Whether it may call AdminService and the routes of administrators',
  expires: 'From when on it is refused',
  disabled: 'Whether it is refused',
};

/**
 * The keys of clients, of the file and of the environment.
 * @param given what `keys` is in the file
 */
export function readKeys(given: unknown, env: Environment, problems: Problems): KeyConfig[] {
  const items = given ?? [];
  if (!Array.isArray(items)) {
    problems.wrong('keys', '[secret]', 'a list of keys');
    return [];
  }
  const keys = items.flatMap((raw, i) => readKey(`keys[${i}]`, raw, i, problems) ?? []);
  const variable = keyListVariables.find((name) => isSet(env, name));
  if (variable !== undefined) keys.push(...readList(variable, env[variable] as string, problems));
  if (keys.length > maxConfiguredKeys)
    problems.add(`keys: are ${keys.length}, have to be at most ${maxConfiguredKeys}`);
  checkUnique(keys, problems);
  return keys;
}

function readKey(place: string, raw: unknown, index: number, problems: Problems): KeyConfig | null {
  const text = (raw as { key?: unknown } | null)?.key;
  if (typeof text === 'string' && text !== '') hide(text, index, problems);
  const fields = readFields(place, raw, keyFields, problems);
  if (fields === null) return null;
  const { id, key } = fields;
  const given = raw as Readonly<Record<string, unknown>>;
  for (const name of ['id', 'key'] as const) {
    if ([undefined, null, ''].includes(given[name] as never))
      problems.add(`${place}.${name}: is missing, has to be set`);
  }
  if (id === undefined || key === undefined) return null;
  const owner = fields.owner ?? id;
  return {
    id,
    name: fields.name ?? '',
    hash: key,
    owner,
    tenant: fields.tenant ?? owner,
    rateClass: fields.rate_class ?? 'default',
    models: fields.models ?? null,
    budget: fields.budget ?? null,
    expiresMs: fields.expires ?? null,
    disabled: fields.disabled ?? false,
    admin: fields.admin ?? false,
  };
}

/** Keys alone, separated by commas or lines: each is an owner and a tenant of its own, named by its hash. */
function readList(variable: string, text: string, problems: Problems): KeyConfig[] {
  const items = text
    .split(/[,\n]/)
    .map((item) => item.trim())
    .filter((item) => item !== '');
  return items.flatMap((item, i) => {
    hide(item, i, problems);
    const key = keyText(item);
    if (key instanceof Wrong) {
      problems.add(`${variable}: its key ${i + 1} is [secret], has to be ${key.allowed}`);
      return [];
    }
    return readKey(variable, { id: `env-${key.slice(0, 8)}`, key: `sha256:${key}` }, i, problems) ?? [];
  });
}

function hide(key: string, index: number, problems: Problems): void {
  problems.hide(key);
  if (index < maxRemembered && !/^sha256:/i.test(key)) rememberSecret(key.trim());
}

function checkUnique(keys: readonly KeyConfig[], problems: Problems): void {
  const ids = new Set<string>();
  const hashes = new Map<string, string>();
  for (const { id, hash: own } of keys) {
    const other = hashes.get(own);
    if (other !== undefined)
      problems.add(`keys: ${problems.shown(id)} has the same key as ${problems.shown(other)}`);
    else if (ids.has(id)) problems.add(`keys: the id ${problems.shown(id)} is there twice`);
    ids.add(id);
    hashes.set(own, id);
  }
}
