import { parseDocument } from 'yaml';
import { ConfigError } from './problems.ts';

export type Environment = Readonly<Record<string, string | undefined>>;
export type YamlMap = Readonly<Record<string, unknown>>;

export const isMap = (value: unknown): value is YamlMap =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/**
 * Parses a YAML file into a map, with `${VAR}` and `${VAR:-default}` in its texts expanded.
 * @throws ConfigError, a line for each mistake
 */
export function parseYaml(source: string, name: string, env: Environment): YamlMap {
  const document = parseDocument(source, { maxAliasCount: 100 } as never);
  const mistakes = document.errors.map((error) => `${name}: ${error.message.split('\n')[0]}`);
  if (mistakes.length > 0) throw new ConfigError(mistakes);
  const value: unknown = document.toJS({ maxAliasCount: 100 });
  if (value === null || value === undefined) return {};
  if (!isMap(value)) throw new ConfigError([`${name}: has to be a map of settings`]);
  const missing: string[] = [];
  const expanded = expand(value, env, missing);
  if (missing.length > 0) {
    throw new ConfigError(
      missing.map((variable) => `${name}: \${${variable}} is used but ${variable} is not set`),
    );
  }
  return expanded as YamlMap;
}

function expand(value: unknown, env: Environment, missing: string[]): unknown {
  if (typeof value === 'string') {
    return value.replace(
      /\$\{([A-Za-z_]\w*)(?::-([^}]*))?\}/g,
      (_all, variable: string, fallback?: string) => {
        const found = env[variable];
        if (found !== undefined && found !== '') return found;
        if (fallback === undefined) missing.push(variable);
        return fallback ?? '';
      },
    );
  }
  if (Array.isArray(value)) return value.map((item) => expand(item, env, missing));
  if (!isMap(value)) return value;
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, expand(item, env, missing)]));
}

/** The value at a dotted path; undefined when there is none. */
export function valueAt(map: YamlMap, path: string): unknown {
  let value: unknown = map;
  for (const key of path.split('.'))
    value = isMap(value) && Object.hasOwn(value, key) ? value[key] : undefined;
  return value;
}

/** Dotted paths of everything in a map that is not a map itself, or is an empty one. */
export function leafPaths(map: YamlMap, prefix = ''): string[] {
  return Object.entries(map).flatMap(([key, value]) =>
    isMap(value) && Object.keys(value).length > 0
      ? leafPaths(value, `${prefix}${key}.`)
      : [`${prefix}${key}`],
  );
}
