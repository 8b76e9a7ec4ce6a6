import { awsFields, awsVariables } from './aws.ts';
import { builtinProviders, localForms } from './builtin-providers.ts';
import { cliDocs, cliFields } from './cli.ts';
import { keyDocs, keyFields, keyListVariables } from './keys.ts';
import { mcpServerDocs, mcpServerFields } from './mcp-servers.ts';
import { dialectFields, providerDocs, providerFields } from './provider-fields.ts';
import { addressVariables, keyVariables } from './providers.ts';
import { allSettings } from './settings.ts';
import { issuerDocs, issuerFields } from './token-issuers.ts';
import { toolPathReader, toolPaths } from './tool-paths.ts';
import { allowedBy } from './values.ts';

/** One row of the table of settings in the documentation. */
export interface SettingDescription {
  /** Environment variables, the first one set wins; empty where only the file can say it. */
  readonly env: readonly string[];
  /** Place in the YAML file; null where only the environment can say it. */
  readonly yaml: string | null;
  /** As text; empty for none. */
  readonly fallback: string;
  /** What it may be, in words. */
  readonly allowed: string;
  readonly doc: string;
  /** Whether its value is never shown. */
  readonly secret: boolean;
}

const row = (
  yaml: string | null,
  doc: string,
  more: Partial<SettingDescription> = {},
): SettingDescription => ({
  env: [],
  yaml,
  fallback: '',
  allowed: '',
  doc,
  secret: false,
  ...more,
});

/** Every setting there is, in the order in which people look for them: the documentation is made of it. */
export function describeSettings(): SettingDescription[] {
  return [
    row(null, 'The file; it has to exist when it is named', {
      env: ['LLM_GATEWAY_CONFIG'],
      fallback: '`config/gateway.yaml` if it exists',
      allowed: 'a file',
    }),
    ...allSettings.map(([, { path, env, shownDefault, allowed, doc, secret = false }]) =>
      row(path, doc, { env, fallback: shownDefault, allowed, secret }),
    ),
    row('log.modules', 'Levels of single modules', { allowed: 'a map from modules to levels' }),
    row(
      null,
      'Keys of clients without anything else, separated by commas or lines; each is a tenant of its own',
      {
        env: [...keyListVariables],
        allowed: allowedBy(keyFields.key),
        secret: true,
      },
    ),
    ...Object.entries(keyFields).map(([field, read]) =>
      row(`keys[].${field}`, keyDocs[field as keyof typeof keyDocs], {
        allowed: allowedBy(read),
        secret: field === 'key',
      }),
    ),
    ...Object.entries(issuerFields).map(([field, read]) =>
      row(`auth.tokens[].${field}`, issuerDocs[field as keyof typeof issuerDocs], {
        allowed: allowedBy(read),
      }),
    ),
    row('models', 'Models that are added to the catalogue, or replace those of the same id', {
      allowed: 'a list in the form of `config/models.yaml`',
    }),
    row(
      'deployments',
      'Names of models behind which there are several deployments; docs/operations.md has an example',
      {
        allowed:
          'a map from names to `models` (names, or `model` and `weight`), `routing` (`order`, `weighted`, `least_latency`, `least_busy`, `cheapest`), `sticky`, `hedge`',
      },
    ),
    row('fallbacks', "Models that stand in for one that fails, instead of the catalogue's", {
      allowed: 'a map from names of models to lists of names',
    }),
    row('context_fallbacks', 'Models that stand in where a prompt is too long for one', {
      allowed: 'a map from names of models to lists of names',
    }),
    row('tools', 'Tools behind HTTP addresses; docs/api.md has an example', {
      allowed:
        'a list of `name`, `description`, `parameters` (JSON Schema), `handler` (`type: http`, `url`, `method`, `headers`, `timeout`)',
    }),
    ...Object.entries(toolPaths).map(([tool, path]) =>
      row(`services.paths.${tool}`, `Where the tool \`${tool}\` asks its service`, {
        fallback: path,
        allowed: allowedBy(toolPathReader(path)),
      }),
    ),
    ...builtinRows(),
    ...Object.entries(providerFields).map(([field, read]) =>
      row(`providers.<name>.${field}`, providerDocs[field as keyof typeof providerDocs], {
        allowed: allowedBy(read),
        secret: secretFields.has(field),
      }),
    ),
    ...Object.entries(dialectFields).map(([field, read]) =>
      row(`providers.<name>.dialect.${field}`, 'See OpenAIChatDialect', { allowed: allowedBy(read) }),
    ),
    ...Object.entries(mcpServerFields).map(([field, read]) =>
      row(`mcp_servers.<name>.${field}`, mcpServerDocs[field as keyof typeof mcpServerDocs], {
        allowed: allowedBy(read),
        secret: ['env', 'headers'].includes(field),
      }),
    ),
    ...Object.entries(cliFields).map(([field, read]) =>
      row(`cli.${field}`, cliDocs[field as keyof typeof cliDocs], {
        allowed: allowedBy(read),
        secret: field === 'env',
      }),
    ),
  ];
}

const secretFields: ReadonlySet<string> = new Set([
  'api_key',
  'api_keys',
  'headers',
  'secret_access_key',
  'session_token',
]);

/** The variables of the built-in providers. */
function builtinRows(): SettingDescription[] {
  return Object.entries(builtinProviders)
    .filter(([, { form }]) => !localForms.has(form))
    .flatMap(([name, { form, baseUrl, keys, keyOptional = keys.length === 0 }]) => [
      row(`providers.${name}.base_url`, `Address of ${name}`, {
        env: addressVariables(name),
        fallback: baseUrl,
        allowed: allowedBy(providerFields.base_url),
      }),
      row(`providers.${name}.api_key`, `Key of ${name}${keyOptional ? ', if it wants one' : ''}`, {
        env: keyVariables(name),
        allowed: 'printable ASCII without spaces; several separated by commas',
        secret: true,
      }),
      ...(form === 'bedrock' ? awsRows(name) : []),
    ]);
}

const awsRows = (name: string): SettingDescription[] =>
  awsFields.map((field) =>
    row(`providers.${name}.${field}`, providerDocs[field], {
      env: awsVariables(field),
      allowed: allowedBy(providerFields[field]),
      secret: secretFields.has(field),
    }),
  );
