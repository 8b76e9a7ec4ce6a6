import { type BuiltinProvider, builtinProviders } from './builtin-providers.ts';
import { type Environment, isMap, type YamlMap } from './file.ts';
import { didYouMean, type Problems, shown } from './problems.ts';
import { Secret } from './secret.ts';
import { providerBaseUrl } from './settings.ts';
import { address, duration, flag, list, oneOf, text, type ValueReader, Wrong } from './values.ts';

/** Limits of the phases of an upstream call, in milliseconds; unset: the general ones. */
export interface TimeoutOverrides {
  readonly connectMs?: number;
  readonly firstByteMs?: number;
  readonly idleMs?: number;
}

/** One provider, as configured. */
export interface ProviderConfig {
  readonly name: string;
  readonly form: 'openai' | 'fake';
  /** Address to which `/chat/completions` is added. */
  readonly baseUrl: string;
  readonly apiKey: Secret | null;
  /** Variables that would set the key; empty for a provider that needs none. */
  readonly keyNames: readonly string[];
  /** What is stripped from a model's name to get the provider's own; lower case. */
  readonly prefixes: readonly string[];
  readonly headers: Readonly<Record<string, string>>;
  readonly timeouts: TimeoutOverrides;
  readonly securityLevel: 'low' | 'medium' | 'high';
  /** Whether it is asked for its models. */
  readonly discovery: boolean;
  /** Differences from OpenAI's wire form; the codec knows the names. */
  readonly dialect: Readonly<Record<string, unknown>>;
  /** Request parameters that it cannot take. */
  readonly unsupported: readonly string[];
}

const headerMap: ValueReader<Readonly<Record<string, string>>> = (raw) =>
  isMap(raw) && Object.values(raw).every((value) => typeof value === 'string' && !/[\r\n\0]/.test(value))
    ? (raw as Record<string, string>)
    : new Wrong('a map from header names to texts');

const anyMap: ValueReader<YamlMap> = (raw) => (isMap(raw) ? raw : new Wrong('a map'));
const phase = duration(1, 3_600_000);

const fields = {
  form: oneOf(['openai', 'fake']),
  base_url: address,
  api_key: text,
  api_key_env: text,
  prefixes: list,
  headers: headerMap,
  timeouts: anyMap,
  security_level: oneOf(['low', 'medium', 'high']),
  discovery: flag,
  dialect: anyMap,
  unsupported: list,
  enabled: flag,
} as const;

const dialectValues: Readonly<Record<string, readonly unknown[]>> = {
  max_tokens: ['as-given', 'max_tokens', 'max_completion_tokens'],
  reasoning_key: ['reasoning_content', 'reasoning'],
  history_reasoning: ['drop', 'send', 'required'],
  developer_role: ['keep', 'system'],
  stream_usage: [true, false],
  cache_marker: ['prompt_cache_breakpoint', 'cache_control', 'none'],
  history_annotations: ['drop', 'send'],
  reasoning_budget: ['reasoning.max_tokens', 'none'],
  tool_result_media: ['user-message', 'inline'],
};
const camel = (name: string): string =>
  name.replace(/_(\w)/g, (_all, letter: string) => letter.toUpperCase());

/** All providers: the built-in ones, changed and extended by the file, then by the environment. */
export function readProviders(file: unknown, env: Environment, problems: Problems): ProviderConfig[] {
  const given = file ?? {};
  if (!isMap(given)) {
    problems.add(`providers: is ${shown(file)}, has to be a map from names to settings`);
    return [];
  }
  const names = [...new Set([...Object.keys(builtinProviders), ...Object.keys(given)])];
  const providers: ProviderConfig[] = [];
  for (const name of names) {
    const provider = readProvider(name, given[name] ?? {}, env, problems);
    if (provider !== null) providers.push(provider);
  }
  const owners = new Map<string, string>();
  for (const { name, prefixes } of providers) {
    for (const prefix of prefixes) {
      const owner = owners.get(prefix);
      if (owner === undefined) owners.set(prefix, name);
      else problems.add(`providers.${name}.prefixes: ${shown(prefix)} belongs to provider ${owner} already`);
    }
  }
  return providers;
}

const custom: BuiltinProvider = {
  form: 'openai',
  baseUrl: '',
  apiPath: '',
  keys: [],
  prefixes: [],
  securityLevel: 'medium',
  dialect: { maxTokens: 'as-given', historyReasoning: 'send', cacheMarker: 'none' },
};

function readProvider(
  name: string,
  raw: unknown,
  env: Environment,
  problems: Problems,
): ProviderConfig | null {
  const place = `providers.${name}`;
  if (!/^[a-z][a-z0-9_-]{0,63}$/.test(name)) {
    problems.add(`${place}: a provider's name has to be lower-case letters, digits, "-" and "_", at most 64`);
    return null;
  }
  if (!isMap(raw)) {
    problems.add(`${place}: is ${shown(raw)}, has to be a map of settings`);
    return null;
  }
  const known = builtinProviders[name];
  const base = known ?? custom;
  const given = readFields(place, raw, problems);
  if (given.enabled === false) return null;
  const variable = providerBaseUrl(name);
  const fromEnv = [variable, ...(base.urls ?? [])].find((candidate) => (env[candidate] ?? '') !== '');
  let url = given.base_url ?? base.baseUrl;
  if (fromEnv !== undefined) {
    const read = address(env[fromEnv]);
    if (read instanceof Wrong)
      problems.add(`${fromEnv}: is ${shown(env[fromEnv])}, has to be ${read.allowed}`);
    else url = read;
  }
  const form = given.form ?? base.form;
  if (form === 'openai' && url === '') problems.add(`${place}.base_url: is missing; set it, or ${variable}`);
  const keyNames = keyVariables(base, given.api_key_env);
  const set = keyNames.find((candidate) => (env[candidate] ?? '') !== '');
  const key = set === undefined ? given.api_key : env[set];
  return {
    name,
    form,
    baseUrl: `${url}${known === undefined ? '' : base.apiPath}`,
    apiKey: key === undefined || key === '' ? null : new Secret(key.trim()),
    keyNames,
    prefixes: (given.prefixes ?? (base.prefixes.length > 0 ? base.prefixes : [`${name}/`])).map((p) =>
      p.toLowerCase(),
    ),
    headers: given.headers ?? {},
    timeouts: readTimeouts(`${place}.timeouts`, given.timeouts ?? {}, problems),
    securityLevel: given.security_level ?? base.securityLevel,
    discovery: given.discovery ?? base.discovery ?? false,
    dialect: { ...base.dialect, ...readDialect(`${place}.dialect`, given.dialect ?? {}, problems) },
    unsupported: given.unsupported ?? base.unsupported ?? [],
  };
}

function keyVariables(base: BuiltinProvider, own: string | undefined): string[] {
  const names = own === undefined ? base.keys : [own];
  return names.flatMap((name) => (own === undefined ? [`LLM_GATEWAY_${name}`, name] : [name]));
}

type Fields = { [K in keyof typeof fields]?: (typeof fields)[K] extends ValueReader<infer T> ? T : never };

function readFields(place: string, raw: YamlMap, problems: Problems): Fields {
  const values: Record<string, unknown> = {};
  for (const [key, value] of Object.entries(raw)) {
    const reader = (fields as Record<string, ValueReader<unknown>>)[key];
    if (reader === undefined) {
      problems.add(`${place}.${key}: is not a setting${didYouMean(key, Object.keys(fields))}`);
      continue;
    }
    const read = reader(value);
    const display = key === 'api_key' ? '[secret]' : shown(value);
    if (read instanceof Wrong) problems.add(`${place}.${key}: is ${display}, has to be ${read.allowed}`);
    else values[key] = read;
  }
  return values as Fields;
}

export function readTimeouts(place: string, raw: YamlMap, problems: Problems): TimeoutOverrides {
  const names: Record<string, string> = { connect: 'connectMs', first_byte: 'firstByteMs', idle: 'idleMs' };
  const values: Record<string, number> = {};
  for (const [key, value] of Object.entries(raw)) {
    const name = names[key];
    if (name === undefined) {
      problems.add(`${place}.${key}: is not a setting${didYouMean(key, Object.keys(names))}`);
      continue;
    }
    const read = phase(value);
    if (read instanceof Wrong) problems.add(`${place}.${key}: is ${shown(value)}, has to be ${read.allowed}`);
    else values[name] = read;
  }
  return values;
}

function readDialect(place: string, raw: YamlMap, problems: Problems): Record<string, unknown> {
  const values: Record<string, unknown> = {};
  for (const [key, value] of Object.entries(raw)) {
    const allowed = dialectValues[key];
    if (allowed === undefined) {
      problems.add(`${place}.${key}: is not a setting${didYouMean(key, Object.keys(dialectValues))}`);
    } else if (!allowed.includes(value)) {
      problems.add(`${place}.${key}: is ${shown(value)}, has to be one of ${allowed.join(', ')}`);
    } else values[camel(key)] = value;
  }
  return values;
}
