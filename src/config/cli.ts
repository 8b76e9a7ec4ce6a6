import { type FieldsOf, readFields } from './fields.ts';
import { type Environment, isMap, type YamlMap } from './file.ts';
import type { Problems } from './problems.ts';
import { args, env, isVariable, maxItems } from './process-fields.ts';
import { secretHeaders } from './secret.ts';
import { type ValueReader, Wrong } from './values.ts';

/** Command-line programs that are known. */
export const cliPresets = ['claude', 'codex'] as const;
export type CliPreset = (typeof cliPresets)[number];

/** What of the command-line program only the file can say. */
export interface CliConfig {
  /** Instead of the arguments that are usual for the program; null for those. */
  readonly args: readonly string[] | null;
  /** All of its environment that does not come with the program; a dump shows only the names. */
  readonly env: Readonly<Record<string, string>>;
  /** Names of models that clients use, and the program's own. */
  readonly models: Readonly<Record<string, string>>;
}

/** What any program needs, and where it finds its account and whom it may trust. None of it is a secret. */
const passed = [
  'PATH',
  'HOME',
  'USER',
  'LOGNAME',
  'LANG',
  'LC_ALL',
  'LC_CTYPE',
  'TZ',
  'NODE_EXTRA_CA_CERTS',
  'SSL_CERT_FILE',
  'SSL_CERT_DIR',
  'CLAUDE_CONFIG_DIR',
  'CODEX_HOME',
];
const usualPath = '/usr/local/bin:/usr/bin:/bin';

const variables: ValueReader<readonly string[]> = (raw) =>
  Array.isArray(raw) && raw.length <= maxItems && raw.every(isVariable)
    ? raw
    : new Wrong(`a list of at most ${maxItems} names of variables`);

/** Whether a program can be asked for a model of this name. It becomes an argument: one that looks like an option would be one. */
export const isCliModel = (name: string): boolean => /^[\w[][\w.:/@[\]-]{0,199}$/.test(name);

const models: ValueReader<Readonly<Record<string, string>>> = (raw) => {
  const entries = isMap(raw) ? Object.entries(raw) : [];
  const fits = entries.every(([, model]) => typeof model === 'string' && isCliModel(model));
  return isMap(raw) && entries.length <= maxItems && fits
    ? (Object.fromEntries(entries) as Record<string, string>)
    : new Wrong(`a map of at most ${maxItems} names of models to the program's names for them`);
};

export const cliFields = { args, env, pass_env: variables, models } as const;

/** What these mean, for the documentation. */
export const cliDocs: Readonly<Record<keyof typeof cliFields, string>> = {
  args: 'Arguments of the program, instead of those that are usual for it; the model and, for `codex`, `-` come after them',
  env: 'Environment variables for the program; nothing else of the environment of the gateway reaches it but the likes of `PATH` and `HOME`',
  pass_env:
    'Names of variables of the environment of the gateway that reach it as well, such as `HTTPS_PROXY`',
  models:
    'Names of models that clients use, and what the program calls them; they add to those that are usual for it',
};

type Fields = FieldsOf<typeof cliFields>;

/**
 * What `cli` in the file has besides its settings.
 * @param settings names there that are settings
 */
export function readCli(
  given: unknown,
  settings: readonly string[],
  environment: Environment,
  problems: Problems,
): CliConfig {
  const own: YamlMap = isMap(given)
    ? Object.fromEntries(Object.entries(given).filter(([name]) => !settings.includes(name)))
    : {};
  const fields: Fields = readFields('cli', own, cliFields, problems) ?? {};
  const inherited: Record<string, string> = { PATH: usualPath };
  for (const name of [...passed, ...(fields.pass_env ?? [])]) {
    const value = environment[name];
    if (value !== undefined && value !== '') inherited[name] = value;
  }
  return {
    args: fields.args ?? null,
    env: secretHeaders({ ...inherited, ...fields.env }),
    models: fields.models ?? {},
  };
}
