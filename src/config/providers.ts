import { type AwsConfig, awsFields, awsVariables, readAws } from './aws.ts';
import {
  type BuiltinProvider,
  builtinProviders,
  localForms,
  type ProviderForm,
} from './builtin-providers.ts';
import { readFields } from './fields.ts';
import { type Environment, isMap, isSet, soleVariable } from './file.ts';
import type { Problems } from './problems.ts';
import {
  isProviderKey,
  maxProviderKeys,
  type ProviderFields,
  providerFields,
  readDialect,
  readTimeouts,
  type TimeoutOverrides,
} from './provider-fields.ts';
import { Secret, secretHeaders } from './secret.ts';
import { address, Wrong } from './values.ts';

export { readTimeouts, type TimeoutOverrides } from './provider-fields.ts';

/** One of a provider's keys. */
export interface WeightedKey {
  readonly key: Secret;
  /** Its share of the calls, beside the other keys' weights. */
  readonly weight: number;
}

/** One provider, as configured. */
export interface ProviderConfig {
  readonly name: string;
  readonly form: ProviderForm;
  /**
   * Address to which `/chat/completions` is added, without a slash at its end; '' where a region is missing that would be a part of it.
   */
  readonly baseUrl: string;
  /** Whether the configuration says it, rather than the gateway's own table. */
  readonly hasOwnAddress: boolean;
  readonly apiKey: Secret | null;
  /** All its keys, `apiKey` first. */
  readonly apiKeys: readonly WeightedKey[];
  /** Region and credentials of a provider of form `bedrock`; null for others. */
  readonly aws: AwsConfig | null;
  /** How a provider of form `bedrock` speaks to Claude. */
  readonly claudeApi: 'converse' | 'invoke';
  /** Variables that set the key, the usual one last; empty for a provider that needs no key. */
  readonly keyNames: readonly string[];
  /** What is stripped from a model's name to get the provider's own; lower case. */
  readonly prefixes: readonly string[];
  /** Sent with every request; names in lower case. */
  readonly headers: Readonly<Record<string, string>>;
  readonly timeouts: TimeoutOverrides;
  /** Most calls under way there. Unset: as for all. */
  readonly maxConcurrent?: number;
  readonly securityLevel: 'low' | 'medium' | 'high';
  /** Whether it is asked for its models. */
  readonly discovery: boolean;
  /** How a provider of the OpenAI form is asked for vectors; `none`: it has no embeddings. */
  readonly embeddings: 'base64' | 'float' | 'none';
  /** Whether it has the Responses API. */
  readonly responses: boolean;
  /** Whether its answers cost nothing. */
  readonly free: boolean;
  /** Whether it compacts conversations by that API. */
  readonly compaction: boolean;
  /** Differences from OpenAI's wire form; the codec knows the names. */
  readonly dialect: Readonly<Record<string, unknown>>;
  /** Request parameters that it cannot take. */
  readonly unsupported: readonly string[];
}

/** What a provider is that only the file knows. */
const custom: BuiltinProvider = {
  form: 'openai',
  baseUrl: '',
  apiPath: '',
  keys: [],
  prefixes: [],
  securityLevel: 'medium',
  // What everyone understands who has embeddings at all.
  embeddings: 'float',
  dialect: { maxTokens: 'as-given', historyReasoning: 'send', cacheMarker: 'none' },
};

/** What a provider of a form is that only the file knows: nothing but the form's own limits holds for it. */
function customOf(form: ProviderForm): BuiltinProvider {
  const own = Object.values(builtinProviders).find((builtin) => builtin.form === form);
  if (form === 'openai' || own?.unsupported === undefined) return { ...custom, form };
  const { dialect: _dialect, ...rest } = custom;
  const baseUrl = form === 'bedrock' ? own.baseUrl : '';
  return { ...rest, form, baseUrl, unsupported: own.unsupported };
}

const prefixed = (variable: string): string => `LLM_GATEWAY_${variable}`;
/** How a provider is called in the names of variables: `my-vllm` is MY_VLLM. */
const inVariables = (name: string): string => name.toUpperCase().replace(/[^A-Z0-9]/g, '_');

/** One that needs neither address nor key. */
const isInProcess = (name: string): boolean => localForms.has(builtinProviders[name]?.form);

/** Variables of a provider's address, the first one set wins. */
export const addressVariables = (name: string): string[] =>
  isInProcess(name)
    ? []
    : [prefixed(`${inVariables(name)}_BASE_URL`), ...(builtinProviders[name]?.urls ?? [])];

/** Variables of a provider's key, the first one set wins: those with our prefix, then the plain ones. */
export function keyVariables(name: string, own?: string): string[] {
  if (isInProcess(name)) return [];
  const plain = own === undefined ? (builtinProviders[name]?.keys ?? []) : [own];
  return [...new Set([`${inVariables(name)}_API_KEY`, ...plain].map(prefixed)), ...plain];
}

const headerVariables = { organization: 'OPENAI_ORG_ID', project: 'OPENAI_PROJECT_ID' } as const;

/** All variables that a provider is set by. */
export const providerVariables = (name: string, keyVariable?: string): string[] => [
  ...addressVariables(name),
  ...keyVariables(name, keyVariable),
  ...(name === 'bedrock' ? awsFields.flatMap(awsVariables) : []),
  ...(name === 'openai' ? Object.values(headerVariables).flatMap((own) => [prefixed(own), own]) : []),
];

/**
 * All providers: the built-in ones, changed and extended by the file, then by the environment.
 * @param given what `providers` is in the file
 * @param onVariables told which variables each of them is set by
 * @param backend the one of the optional ones that is there although the file does not say so
 */
export function readProviders(
  given: unknown,
  env: Environment,
  problems: Problems,
  onVariables: (names: readonly string[]) => void = () => {},
  backend = '',
): ProviderConfig[] {
  if (given !== undefined && given !== null && !isMap(given)) {
    problems.wrong('providers', given, 'a map from names to settings');
  }
  const file = isMap(given) ? given : {};
  const names = new Set([...Object.keys(builtinProviders), ...Object.keys(file)]);
  const providers: ProviderConfig[] = [];
  for (const name of names) {
    if (!/^[a-z][a-z\d_-]{0,63}$/.test(name)) {
      problems.add(
        `providers.${name}: a provider's name has to be at most 64 lower-case letters, digits, "-" and "_", a letter first`,
      );
      continue;
    }
    const fields = readFields(`providers.${name}`, file[name] ?? {}, providerFields, problems) ?? {};
    onVariables(providerVariables(name, fields.api_key_env));
    const optional = Object.hasOwn(builtinProviders, name) && builtinProviders[name]?.optional === true;
    if (fields.enabled ?? (!optional || backend === name))
      providers.push(
        readProvider(name, fields, env, problems, isMap(file[name]) && file[name]['base_url'] !== undefined),
      );
  }
  checkPrefixes(providers, problems);
  return providers;
}

function readProvider(
  name: string,
  fields: ProviderFields,
  env: Environment,
  problems: Problems,
  hasAddress: boolean,
): ProviderConfig {
  const place = `providers.${name}`;
  const builtin = Object.hasOwn(builtinProviders, name) ? builtinProviders[name] : undefined;
  const base = builtin ?? customOf(fields.form ?? 'openai');
  if (fields.form !== undefined && fields.form !== base.form) {
    problems.add(`${place}.form: is ${base.form} for the built-in provider ${name}, and cannot be changed`);
  }
  if (localForms.has(base.form))
    checkFake(place, fields, problems, base.form === 'cli' ? ['unsupported', 'max_concurrent'] : []);
  const aws = base.form === 'bedrock' ? readAws(name, fields, env, problems) : null;
  if (aws === null) checkNotAws(place, fields, problems);
  const ownKey = fields.api_key_env ?? soleVariable(fields.api_key ?? '') ?? undefined;
  const needsKey = ownKey !== undefined || (base.keys.length > 0 && base.keyOptional !== true);
  const named = keyVariables(name, ownKey);
  const apiKeys = readApiKeys(place, fields, named, env, problems);
  return {
    name,
    form: base.form,
    baseUrl: inRegion(readAddress(name, fields, base, env, problems, hasAddress), aws),
    hasOwnAddress: hasAddress || addressVariables(name).some((variable) => isSet(env, variable)),
    apiKey: apiKeys[0]?.key ?? null,
    apiKeys,
    aws,
    claudeApi: fields.claude_api ?? 'converse',
    keyNames: needsKey
      ? [...named.filter((variable) => variable !== usual(base, ownKey)), usual(base, ownKey)]
      : [],
    prefixes: fields.prefixes ?? (base.prefixes.length > 0 ? base.prefixes : [`${name}/`]),
    headers: readHeaders(name, fields, env, problems),
    timeouts:
      fields.timeouts === undefined ? {} : readTimeouts(`${place}.timeouts`, fields.timeouts, problems),
    ...(fields.max_concurrent === undefined ? {} : { maxConcurrent: fields.max_concurrent }),
    securityLevel: fields.security_level ?? base.securityLevel,
    discovery: fields.discovery ?? base.discovery ?? false,
    embeddings: fields.embeddings ?? base.embeddings ?? 'none',
    responses: fields.responses ?? base.responses ?? false,
    // One that wants a key where it needs none is the hosted one.
    free: fields.free ?? (base.free === true && apiKeys.length === 0),
    compaction: fields.compaction ?? base.compaction ?? false,
    dialect: { ...base.dialect, ...readDialect(`${place}.dialect`, fields.dialect ?? {}, problems) },
    unsupported: fields.unsupported ?? base.unsupported ?? [],
  };
}

/** An address with the region in its place; '' when there is none to put there. */
function inRegion(url: string, aws: AwsConfig | null): string {
  if (aws === null || !url.includes('{region}')) return url;
  if (aws.region === '') return '';
  const inPlace = url.replace('{region}', aws.region);
  // The partitions of the sovereign cloud and of China have domains of their own.
  if (aws.region.startsWith('eusc-')) return inPlace.replace(/\.amazonaws\.com$/, '.amazonaws.eu');
  return aws.region.startsWith('cn-') ? inPlace.replace(/\.amazonaws\.com$/, '.amazonaws.com.cn') : inPlace;
}

function checkNotAws(place: string, fields: ProviderFields, problems: Problems): void {
  for (const field of [...awsFields, 'claude_api'] as const) {
    if (fields[field] !== undefined) {
      problems.add(`${place}.${field}: has a meaning for providers of form bedrock only`);
    }
  }
}

/** The variable by which people know a provider's key. */
const usual = (base: BuiltinProvider, own: string | undefined): string => own ?? base.keys[0] ?? '';

function readAddress(
  name: string,
  fields: ProviderFields,
  base: BuiltinProvider,
  env: Environment,
  problems: Problems,
  given: boolean,
): string {
  const variable = addressVariables(name).find((candidate) => isSet(env, candidate));
  let url = fields.base_url ?? base.baseUrl;
  if (variable !== undefined) {
    const read = address(env[variable]);
    if (read instanceof Wrong) problems.wrong(variable, env[variable], read.allowed);
    else url = read;
  } else if (url === '' && !localForms.has(base.form) && !given) {
    problems.add(`providers.${name}.base_url: is missing; set it, or ${addressVariables(name)[0]}`);
  }
  return base.apiPath === '' || url.endsWith(base.apiPath) ? url : `${url}${base.apiPath}`;
}

/** The variable wins over the file; in either there may be several. */
function readApiKeys(
  place: string,
  fields: ProviderFields,
  variables: readonly string[],
  env: Environment,
  problems: Problems,
): WeightedKey[] {
  const variable = variables.find((candidate) => isSet(env, candidate));
  if (variable === undefined && fields.api_keys !== undefined) {
    if (fields.api_key !== undefined) problems.add(`${place}.api_key: has no meaning beside api_keys`);
    return unique(
      fields.api_keys.map(({ key, weight }) => ({ key: new Secret(key), weight })),
      `${place}.api_keys`,
      problems,
    );
  }
  // What is still `${VAR}` is a variable that is not set.
  const inFile = soleVariable(fields.api_key ?? '') === null ? fields.api_key : undefined;
  const given = (variable === undefined ? inFile : env[variable])?.trim() ?? '';
  const texts = given
    .split(/[,\r\n]+/)
    .map((text) => text.trim())
    .filter((text) => text !== '');
  const source = variable ?? `${place}.api_key`;
  if (!texts.every(isProviderKey)) {
    problems.add(`${source}: is [secret], has to be a key of printable ASCII without spaces`);
    return [];
  }
  if (texts.length > maxProviderKeys)
    problems.add(`${source}: are ${texts.length} keys, have to be at most ${maxProviderKeys}`);
  return unique(
    texts.map((text) => ({ key: new Secret(text), weight: 1 })),
    source,
    problems,
  );
}

function unique(keys: WeightedKey[], place: string, problems: Problems): WeightedKey[] {
  if (new Set(keys.map(({ key }) => key.reveal())).size < keys.length)
    problems.add(`${place}: has the same key twice`);
  return keys;
}

function readHeaders(
  name: string,
  fields: ProviderFields,
  env: Environment,
  problems: Problems,
): Readonly<Record<string, string>> {
  const headers: Record<string, string> = {};
  for (const field of ['organization', 'project'] as const) {
    const plain = headerVariables[field];
    const variable = name === 'openai' ? [prefixed(plain), plain].find((own) => isSet(env, own)) : undefined;
    const value = (variable === undefined ? fields[field] : env[variable])?.trim();
    if (value === undefined) continue;
    if (/^[\x21-\x7e]+$/.test(value)) headers[`openai-${field}`] = value;
    else
      problems.wrong(
        variable ?? `providers.${name}.${field}`,
        value,
        'an id of printable ASCII without spaces',
      );
  }
  return secretHeaders({ ...headers, ...fields.headers });
}

/** It is in this process: most settings would do nothing. */
function checkFake(place: string, fields: ProviderFields, problems: Problems, more: readonly string[]): void {
  const allowed = ['enabled', 'prefixes', 'security_level', 'free', ...more];
  for (const field of Object.keys(fields)) {
    if (!allowed.includes(field)) {
      problems.add(
        `${place}.${field}: has no meaning for a provider in this process, which has ${allowed.join(', ')}`,
      );
    }
  }
}

function checkPrefixes(providers: readonly ProviderConfig[], problems: Problems): void {
  const owners = new Map<string, string>();
  for (const { name, prefixes } of providers) {
    for (const prefix of prefixes) {
      const owner = owners.get(prefix);
      if (owner === undefined || owner === name) owners.set(prefix, name);
      else
        problems.add(
          `providers.${name}.prefixes: ${problems.shown(prefix)} belongs to provider ${owner} already`,
        );
    }
  }
}
