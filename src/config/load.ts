import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { type Environment, leafPaths, parseYaml, valueAt, type YamlMap } from './file.ts';
import { ConfigError, didYouMean, Problems, shown } from './problems.ts';
import { type ProviderConfig, readProviders } from './providers.ts';
import { type LogLevel, logLevels, type Setting, type SettingValues, settings } from './settings.ts';
import { oneOf, Wrong } from './values.ts';

/** Everything that is configured; never changed after it is made. */
export interface Config extends SettingValues {
  /** Levels of single modules' logs. */
  readonly logModules: Readonly<Record<string, LogLevel>>;
  readonly providers: readonly ProviderConfig[];
  /** Entries that are added to the catalogue or replace its own, as written in the file. */
  readonly models: unknown;
  /** The file that was read; null when there is none. */
  readonly file: string | null;
  /** Things to tell the operator that do not stop the start. */
  readonly warnings: readonly string[];
}

export interface LoadOptions {
  readonly env: Environment;
  /** Folder that relative paths start from. Default: the process's. */
  readonly cwd?: string;
}

const defaultFile = 'config/gateway.yaml';
const packageRoot = path.resolve(import.meta.dirname, '../..');
/** Variables with our prefix that are read elsewhere than in the table. */
const otherVariables = /^LLM_GATEWAY_(?:CONFIG|[A-Z0-9_]+_BASE_URL|[A-Z0-9_]+_API_KEY)$/;

/**
 * Reads the configuration: environment over file over defaults.
 * @throws ConfigError with one line for each mistake
 */
export function loadConfig({ env, cwd = process.cwd() }: LoadOptions): Config {
  const problems = new Problems();
  const file = findFile(env, cwd);
  const yaml = file === null ? {} : parseYaml(readFileSync(file, 'utf8'), file, env);
  checkPaths(yaml, file, problems);

  const values: Record<string, unknown> = {};
  for (const [name, setting] of Object.entries(settings as Record<string, Setting>)) {
    values[name] = readSetting(setting, env, yaml, problems);
  }
  const providers = readProviders(yaml['providers'], env, problems);
  const logModules = readLogModules(yaml, problems);
  const config = {
    ...(values as unknown as SettingValues),
    logModules,
    providers,
    models: yaml['models'],
    file,
    warnings: unknownVariables(env),
  };
  if ((config.tlsCert === '') !== (config.tlsKey === '')) {
    problems.add('LLM_GATEWAY_TLS_CERT and LLM_GATEWAY_TLS_KEY: only one is set, TLS needs both');
  }
  problems.throwIfAny();
  return {
    ...config,
    modelsFile: resolveModelsFile(config.modelsFile, cwd),
    version: config.version || packageVersion(),
  };
}

function findFile(env: Environment, cwd: string): string | null {
  const named = env['LLM_GATEWAY_CONFIG'];
  if (named !== undefined && named !== '') {
    const file = path.resolve(cwd, named);
    if (!existsSync(file)) throw new ConfigError([`LLM_GATEWAY_CONFIG: ${shown(named)} does not exist`]);
    return file;
  }
  const file = path.resolve(cwd, defaultFile);
  return existsSync(file) ? file : null;
}

function readSetting(setting: Setting, env: Environment, yaml: YamlMap, problems: Problems): unknown {
  const variable = setting.env.find((name) => (env[name] ?? '') !== '');
  const raw = variable === undefined ? valueAt(yaml, setting.path) : env[variable];
  if (raw === undefined || raw === null) return setting.fallback;
  const value = setting.read(raw);
  if (!(value instanceof Wrong)) return value;
  problems.add(`${variable ?? setting.path}: is ${shown(raw)}, has to be ${value.allowed}`);
  return setting.fallback;
}

function checkPaths(yaml: YamlMap, file: string | null, problems: Problems): void {
  const known = new Set(Object.values(settings as Record<string, Setting>).map(({ path: place }) => place));
  for (const place of leafPaths(yaml)) {
    if (known.has(place) || /^(?:providers|models|log\.modules)(?:\.|$)/.test(place)) continue;
    problems.add(`${file}: ${place} is not a setting${didYouMean(place, [...known, 'providers', 'models'])}`);
  }
}

function readLogModules(yaml: YamlMap, problems: Problems): Record<string, LogLevel> {
  const given = valueAt(yaml, 'log.modules') ?? {};
  const level = oneOf(logLevels, { warning: 'WARN' });
  const levels: Record<string, LogLevel> = {};
  for (const [module, raw] of Object.entries(given as YamlMap)) {
    const value = level(raw);
    if (value instanceof Wrong)
      problems.add(`log.modules.${module}: is ${shown(raw)}, has to be ${value.allowed}`);
    else levels[module] = value;
  }
  return levels;
}

function unknownVariables(env: Environment): string[] {
  const known = new Set(Object.values(settings as Record<string, Setting>).flatMap((setting) => setting.env));
  return Object.keys(env)
    .filter((name) => name.startsWith('LLM_GATEWAY_') && !known.has(name) && !otherVariables.test(name))
    .map((name) => `${name} is set but is not a setting${didYouMean(name, known)}`);
}

function resolveModelsFile(given: string, cwd: string): string {
  if (given === '') return path.join(packageRoot, 'config/models.yaml');
  const file = path.resolve(cwd, given);
  if (!existsSync(file)) throw new ConfigError([`LLM_GATEWAY_MODELS: ${shown(given)} does not exist`]);
  return file;
}

function packageVersion(): string {
  const manifest = JSON.parse(readFileSync(path.join(packageRoot, 'package.json'), 'utf8')) as {
    version: string;
  };
  return manifest.version;
}
