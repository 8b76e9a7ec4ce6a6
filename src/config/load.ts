import { readFileSync } from 'node:fs';
import path from 'node:path';
import { type BudgetConfig, type DefaultPrice, readBudgets, readDefaultPrice } from './budgets.ts';
import { type CliConfig, cliFields, readCli } from './cli.ts';
import { type DeploymentGroup, type Fallbacks, readDeployments, readFallbacks } from './deployments.ts';
import { type Environment, isMap, isSet, readYaml, valueAt, type YamlMap } from './file.ts';
import { type IntegrationPaths, readIntegrationPaths } from './integration-paths.ts';
import { type KeyConfig, keyListVariables, readKeys } from './keys.ts';
import { checkRateClasses, type LimitsConfig, readLimits } from './limits.ts';
import { type LogLevel, logLevel } from './log-level.ts';
import { type McpServerConfig, readMcpServers } from './mcp-servers.ts';
import { didYouMean, Problems } from './problems.ts';
import { type ProviderConfig, readProviders } from './providers.ts';
import type { Setting } from './setting.ts';
import { allSettings, type SettingName, type SettingValues } from './settings.ts';
import { readTokenIssuers, type TokenIssuerConfig } from './token-issuers.ts';
import { readToolPaths, type ToolPaths } from './tool-paths.ts';
import { Wrong } from './values.ts';

/** Everything that is configured, frozen in depth. */
export interface Config extends SettingValues {
  /** Levels of single modules' logs. */
  readonly logModules: Readonly<Record<string, LogLevel>>;
  readonly providers: readonly ProviderConfig[];
  /** The command-line program that sessions are held with. */
  readonly cli: CliConfig;
  /** MCP servers whose tools the gateway takes. */
  readonly mcpServers: readonly McpServerConfig[];
  readonly budgets: readonly BudgetConfig[];
  /** Of models without one; null: it is not known. */
  readonly defaultPrice: DefaultPrice | null;
  /** Names of models behind which there are several deployments. */
  readonly deployments: readonly DeploymentGroup[];
  /** Models that stand in for others; they win over the catalogue's. */
  readonly fallbacks: Fallbacks;
  /** Those that stand in when the prompt is too long. */
  readonly contextFallbacks: Fallbacks;
  /** Keys of clients. */
  readonly keys: readonly KeyConfig[];
  /** Whose tokens are taken. */
  readonly tokenIssuers: readonly TokenIssuerConfig[];
  readonly limits: LimitsConfig;
  /** Where built-in tools ask their services. */
  readonly toolPaths: ToolPaths;
  /** Where services of the documentation platform are asked, where that is not as usual. */
  readonly integrationPaths: IntegrationPaths;
  /** Entries that are added to the catalogue or replace its own, as written in the file. */
  readonly models: unknown;
  /** Tools behind HTTP addresses, as written in the file. */
  readonly tools: unknown;
  /** Settings that are set, not left at their defaults; as `env` or the file say. */
  readonly given: readonly SettingName[];
  /** The file that was read; null when there is none. */
  readonly file: string | null;
  /** Things to tell the operator that do not stop the start. */
  readonly warnings: readonly string[];
}

export interface LoadOptions {
  readonly env: Environment;
  /** Folder that relative paths start from. Default: the process's. */
  readonly cwd?: string;
  /** Reads a file's text; throws as node:fs does. Default: node:fs. */
  readonly readFile?: (file: string) => string;
}

/** Reads a file's text; null for one that is not there, a Wrong for one that cannot be read. */
type TryRead = (file: string) => string | null | Wrong;

const prefix = 'LLM_GATEWAY_';
const configVariable = `${prefix}CONFIG`;
const defaultFile = 'config/gateway.yaml';
const packageRoot = path.resolve(import.meta.dirname, '../..');
/** Parts of the file that are not in the table of settings. */
const freeParts = [
  'providers',
  'models',
  'tools',
  'mcp_servers',
  ...Object.keys(cliFields).map((name) => `cli.${name}`),
  'keys',
  'auth.tokens',
  'log.modules',
  'services.paths',
  'integrations.paths',
  'budgets',
  'usage.default_price',
  'limits.classes',
  'limits.providers',
  'limits.global',
  'limits.each_key',
  'deployments',
  'fallbacks',
  'context_fallbacks',
];

/**
 * Reads the configuration: environment over file over defaults.
 * @throws ConfigError with one line for each mistake, all at once, and no secret in any
 */
export function loadConfig({ env: given, cwd = process.cwd(), readFile }: LoadOptions): Config {
  const problems = new Problems();
  const env = withUpperCaseNames(given);
  hideEnvironment(env, problems);
  const tryRead = fileReader(readFile ?? ((file) => readFileSync(file, 'utf8')));
  const { file, yaml } = readConfigFile(env, cwd, tryRead, problems);
  checkPaths(yaml, problems);

  const variables = new Set(allSettings.flatMap(([, { env: names }]) => names));
  variables.add(configVariable);
  for (const name of keyListVariables) variables.add(name);
  const values = Object.fromEntries(
    allSettings.map(([name, setting]) => [name, readSetting(setting, env, yaml, problems)]),
  ) as unknown as SettingValues;
  const onVariables = (names: readonly string[]): void => {
    for (const name of names) variables.add(name);
  };
  const providers = readProviders(yaml['providers'], env, problems, onVariables, values.backend);
  const cli = readCli(yaml['cli'], membersBelow('cli'), env, problems);
  const mcpServers = readMcpServers(yaml['mcp_servers'], cwd, problems);
  const budgets = readBudgets(yaml['budgets'], problems);
  if (budgets.length > 0 && !values.usageEnabled)
    problems.add('budgets: need usage.enabled (LLM_GATEWAY_USAGE)');
  const limits = readLimits(
    yaml,
    values,
    providers.map(({ name }) => name),
    problems,
  );
  if (limits.given && values.limitsMode !== 'off' && !values.usageEnabled)
    problems.add('limits: need usage.enabled (LLM_GATEWAY_USAGE)');
  const defaultPrice = readDefaultPrice(valueAt(yaml, 'usage.default_price'), problems);
  const keys = readKeys(yaml['keys'], env, problems);
  const tokenIssuers = readTokenIssuers(valueAt(yaml, 'auth.tokens'), problems);
  checkRateClasses(limits, keys, tokenIssuers, problems);
  const toolPaths = readToolPaths(valueAt(yaml, 'services.paths'), problems);
  const integrationPaths = readIntegrationPaths(valueAt(yaml, 'integrations.paths'), problems);
  const deployments = readDeployments(yaml['deployments'], problems);
  const fallbacks = readFallbacks('fallbacks', yaml['fallbacks'], problems);
  const contextFallbacks = readFallbacks('context_fallbacks', yaml['context_fallbacks'], problems);
  const logModules = readLogModules(valueAt(yaml, 'log.modules'), problems);
  checkDefaultProvider(values.defaultProvider, providers, problems);
  checkSecureProviders(values.securityProviders, providers, problems);
  const paths = readPaths(values, cwd, tryRead, problems);
  problems.throwIfAny();
  return deepFreeze({
    ...values,
    ...paths,
    corsOrigins: values.corsOrigins ?? (values.environment === 'development' ? ['*'] : []),
    authRequired: values.authRequired ?? (keys.length > 0 || tokenIssuers.length > 0),
    cmsEnabled: values.cmsEnabled ?? values.cmsUrl !== '',
    version: values.version === '' ? packageVersion() : values.version,
    logModules,
    providers,
    cli,
    mcpServers,
    budgets,
    limits,
    defaultPrice,
    deployments,
    fallbacks,
    contextFallbacks,
    keys,
    tokenIssuers,
    toolPaths,
    integrationPaths,
    models: yaml['models'],
    tools: yaml['tools'],
    given: allSettings.flatMap(([name, setting]) => (isGiven(rawOf(setting, env, yaml)) ? [name] : [])),
    file,
    warnings: unknownVariables(env, variables),
  });
}

/** Names of the settings in one part of the file. */
const membersBelow = (part: string): string[] =>
  allSettings.flatMap(([, { path: place }]) =>
    place.startsWith(`${part}.`) ? [place.slice(part.length + 1)] : [],
  );

/** Our variables have upper-case names; other cases are taken as well, as the gateways before this one did. */
function withUpperCaseNames(env: Environment): Environment {
  const upper: Record<string, string | undefined> = {};
  for (const [name, value] of Object.entries(env)) {
    if (name.toUpperCase().startsWith(prefix)) upper[name.toUpperCase()] ??= value;
  }
  return { ...upper, ...env };
}

/** Whatever the environment calls a secret gets into no error line, wherever the file repeats it. */
function hideEnvironment(env: Environment, problems: Problems): void {
  const own = new Set(allSettings.flatMap(([, { env: names }]) => names));
  for (const [name, value] of Object.entries(env)) {
    if (
      value !== undefined &&
      !own.has(name) &&
      /SECRET|PASSW|_(?:KEY|KEY_ID|TOKEN|PASS|CREDENTIALS)$/i.test(name)
    ) {
      problems.hide(value);
    }
  }
}

function fileReader(readFile: (file: string) => string): TryRead {
  return (file) => {
    try {
      return readFile(file);
    } catch (error) {
      const { code = 'unreadable' } = error as NodeJS.ErrnoException;
      return code === 'ENOENT' ? null : new Wrong(`a file that can be read (${code})`);
    }
  };
}

function readConfigFile(
  env: Environment,
  cwd: string,
  tryRead: TryRead,
  problems: Problems,
): { file: string | null; yaml: YamlMap } {
  const named = isSet(env, configVariable);
  const given = named ? (env[configVariable] as string) : defaultFile;
  const file = path.resolve(cwd, given);
  const source = tryRead(file);
  if (typeof source === 'string') return { file, yaml: readYaml(source, file, env, problems) };
  if (source instanceof Wrong) problems.wrong(named ? configVariable : defaultFile, given, source.allowed);
  else if (named) problems.wrong(configVariable, given, 'a file that exists');
  return { file: null, yaml: {} };
}

function rawOf(setting: Setting, env: Environment, yaml: YamlMap): unknown {
  const variable = setting.env.find((name) => isSet(env, name));
  return variable === undefined ? valueAt(yaml, setting.path) : env[variable];
}

/** `${VAR:-}` in the file is a way to say: not set. */
const isGiven = (raw: unknown): boolean => raw !== undefined && raw !== null && raw !== '';

function readSetting(setting: Setting, env: Environment, yaml: YamlMap, problems: Problems): unknown {
  const variable = setting.env.find((name) => isSet(env, name));
  const raw = rawOf(setting, env, yaml);
  if (!isGiven(raw)) return setting.fallback;
  const isSecret = setting.secret === true;
  if (isSecret && (typeof raw === 'string' || typeof raw === 'number')) problems.hide(String(raw));
  const value = setting.read(raw);
  if (!(value instanceof Wrong)) return value;
  if (typeof raw === 'string') hideLogin(raw, problems);
  problems.wrong(variable ?? setting.path, isSecret ? '[secret]' : raw, value.allowed);
  return setting.fallback;
}

/** What stands before the host of a URL gets into no error line. */
function hideLogin(raw: string, problems: Problems): void {
  const login = /^[^/]*:\/\/(.*)@/.exec(raw)?.[1] ?? '';
  if (login !== '') problems.hide(login);
}

/** Everything in the file has to be a setting, or to lead to one. */
function checkPaths(yaml: YamlMap, problems: Problems): void {
  const known = new Set([...freeParts, ...allSettings.map(([, { path: place }]) => place)]);
  const sections = new Set<string>();
  for (const place of known) {
    for (let at = place.indexOf('.'); at > 0; at = place.indexOf('.', at + 1))
      sections.add(place.slice(0, at));
  }
  const visit = (map: YamlMap, above: string): void => {
    for (const [key, value] of Object.entries(map)) {
      const place = `${above}${key}`;
      const isOne = !key.includes('.');
      if (isOne && known.has(place)) continue;
      if (isOne && sections.has(place)) {
        if (isMap(value)) visit(value, `${place}.`);
        else if (value !== null) problems.wrong(place, value, 'a map of settings');
      } else problems.unknown(place, place, [...known, ...sections]);
    }
  };
  visit(yaml, '');
}

function readLogModules(given: unknown, problems: Problems): Record<string, LogLevel> {
  if (given === undefined || given === null) return {};
  if (!isMap(given)) {
    problems.wrong('log.modules', given, 'a map from modules to levels');
    return {};
  }
  const levels: Record<string, LogLevel> = {};
  for (const [module, raw] of Object.entries(given)) {
    const value = logLevel(raw);
    if (value instanceof Wrong) problems.wrong(`log.modules.${module}`, raw, value.allowed);
    else levels[module] = value;
  }
  return levels;
}

function checkDefaultProvider(name: string, providers: readonly ProviderConfig[], problems: Problems): void {
  const names = providers.map((provider) => provider.name);
  if (names.includes(name)) return;
  problems.wrong('LLM_GATEWAY_DEFAULT_PROVIDER or default_provider', name, `one of ${names.join(', ')}`);
}

/** One that is named, and not of the level, would get nothing without anybody knowing why. */
function checkSecureProviders(
  names: readonly string[],
  providers: readonly ProviderConfig[],
  problems: Problems,
): void {
  const secure = providers.filter(({ securityLevel }) => securityLevel === 'high').map(({ name }) => name);
  for (const name of names) {
    if (!secure.includes(name)) {
      const allowed = `a provider of security level high: ${secure.join(', ')}`;
      problems.wrong('SECURE_ONLY_MODELS or security.providers', name, allowed);
    }
  }
}

/** The files that settings name, as absolute paths. They are read here to be sure that they can be. */
function readPaths(
  { tlsCert, tlsKey, modelsFile, dataDir, auditPath }: SettingValues,
  cwd: string,
  tryRead: TryRead,
  problems: Problems,
): Pick<SettingValues, 'tlsCert' | 'tlsKey' | 'modelsFile' | 'dataDir' | 'auditPath'> {
  if ((tlsCert === '') !== (tlsKey === '')) {
    const [set, missing] = tlsKey === '' ? ['TLS_CERT', 'TLS_KEY'] : ['TLS_KEY', 'TLS_CERT'];
    problems.add(`${prefix}${missing}: is missing, has to be set since ${prefix}${set} is`);
  }
  const check = (name: string, given: string): string => {
    if (given === '') return '';
    const file = path.resolve(cwd, given);
    const source = tryRead(file);
    if (source === null) problems.wrong(`${prefix}${name}`, given, 'a file that exists');
    else if (source instanceof Wrong) problems.wrong(`${prefix}${name}`, given, source.allowed);
    return file;
  };
  return {
    tlsCert: check('TLS_CERT', tlsCert),
    tlsKey: check('TLS_KEY', tlsKey),
    modelsFile: check('MODELS', modelsFile) || path.join(packageRoot, 'config/models.yaml'),
    dataDir: path.resolve(cwd, dataDir),
    auditPath: auditPath === '' ? '' : path.resolve(cwd, auditPath),
  };
}

function unknownVariables(env: Environment, known: ReadonlySet<string>): string[] {
  return Object.keys(env)
    .filter((name) => name.startsWith(prefix) && !known.has(name))
    .map((name) => `${name} is set but is not a setting${didYouMean(name, known)}`);
}

function packageVersion(): string {
  const manifest: unknown = JSON.parse(readFileSync(path.join(packageRoot, 'package.json'), 'utf8'));
  return (manifest as { version: string }).version;
}

function deepFreeze<T>(value: T): T {
  if (typeof value === 'object' && value !== null && !Object.isFrozen(value)) {
    Object.freeze(value);
    for (const item of Object.values(value)) deepFreeze(item);
  }
  return value;
}
