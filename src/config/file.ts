import { parseDocument } from 'yaml';
import { secretName } from '../observability/redact.ts';
import { Problems } from './problems.ts';

export type Environment = Readonly<Record<string, string | undefined>>;
export type YamlMap = Readonly<Record<string, unknown>>;

/** YAML aliases may repeat this many nodes; more is a bomb. */
const maxAliasCount = 100;

export const isMap = (value: unknown): value is YamlMap =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/**
 * Parses a YAML file into a map, with `${VAR}` and `${VAR:-default}` in its texts expanded; `$${` stands for `${`.
 * @throws ConfigError, a line for each mistake
 */
export function parseYaml(source: string, name: string, env: Environment): YamlMap {
  const problems = new Problems();
  const map = readYaml(source, name, env, problems);
  problems.throwIfAny();
  return map;
}

/**
 * As parseYaml, but collects the mistakes; what could not be read is left out of the result. An `api_key` that is just
 * `${VAR}` stays as it is when VAR is not set: that means no key, not a mistake.
 */
export function readYaml(source: string, name: string, env: Environment, problems: Problems): YamlMap {
  const document = parseDocument(source);
  const mistakes = [...document.errors, ...document.warnings];
  for (const { message } of mistakes) problems.add(`${name}: ${message.split('\n')[0]?.replace(/:$/, '')}`);
  if (mistakes.length > 0) return {};
  let value: unknown;
  try {
    value = document.toJS({ maxAliasCount });
  } catch (error) {
    problems.add(`${name}: ${(error as Error).message}`);
    return {};
  }
  if (value === null || value === undefined) return {};
  if (!isMap(value)) {
    problems.add(`${name}: has to be a map of settings`);
    return {};
  }
  const missing = new Set<string>();
  let expanded: YamlMap;
  try {
    expanded = expand(value, env, missing, '') as YamlMap;
  } catch (error) {
    problems.add(`${name}: ${(error as Error).message}`);
    return {};
  }
  for (const variable of missing) {
    problems.add(
      `${name}: \${${variable}} is used but ${variable} is not set; set it or write \${${variable}:-}`,
    );
  }
  hideSecrets(expanded, problems, false);
  return expanded;
}

/** The variable of a text that is just `${VAR}`; null for any other. */
export const soleVariable = (text: string): string | null => /^\$\{([A-Za-z_]\w*)\}$/.exec(text)?.[1] ?? null;

/** Settings are not nested deeper; what is, refers to itself. */
const maxDepth = 64;

function expand(value: unknown, env: Environment, missing: Set<string>, key: string, depth = 0): unknown {
  if (depth > maxDepth) throw new Error('is nested too deeply, or refers to itself');
  if (typeof value === 'string') return expandText(value, env, missing, key);
  if (Array.isArray(value)) return value.map((item) => expand(item, env, missing, '', depth + 1));
  if (!isMap(value)) return value;
  return Object.fromEntries(
    Object.entries(value).map(([name, item]) => [name, expand(item, env, missing, name, depth + 1)]),
  );
}

function expandText(text: string, env: Environment, missing: Set<string>, key: string): string {
  if (key === 'api_key' && soleVariable(text) !== null && !isSet(env, soleVariable(text)!)) return text;
  return text.replace(
    /\$\$\{|\$\{([A-Za-z_]\w*)(?::-([^}]*))?\}/g,
    (all, variable: string | undefined, fallback: string | undefined) => {
      if (variable === undefined) return all.slice(1);
      if (isSet(env, variable)) return env[variable]!;
      if (fallback === undefined) missing.add(variable);
      return fallback ?? '';
    },
  );
}

/** A variable that is set to nothing counts as not set. */
export const isSet = (env: Environment, name: string): boolean =>
  Object.hasOwn(env, name) && env[name] !== undefined && env[name] !== '';

/** Nothing that stands under a secret's name in the file gets into an error line. */
function hideSecrets(value: unknown, problems: Problems, secret: boolean): void {
  if (secret && (typeof value === 'string' || typeof value === 'number')) problems.hide(String(value));
  if (Array.isArray(value)) for (const item of value) hideSecrets(item, problems, secret);
  if (!isMap(value)) return;
  for (const [name, item] of Object.entries(value)) {
    // The names themselves tell where keys are, and have to be seen.
    const isSecret =
      name !== 'api_key_env' &&
      (secret || ['headers', 'env', 'session_token'].includes(name) || secretName(name) === 'always');
    hideSecrets(item, problems, isSecret);
  }
}

/** The value at a dotted path; undefined when there is none. */
export function valueAt(map: YamlMap, path: string): unknown {
  let value: unknown = map;
  for (const key of path.split('.')) {
    value = isMap(value) && Object.hasOwn(value, key) ? value[key] : undefined;
  }
  return value;
}
