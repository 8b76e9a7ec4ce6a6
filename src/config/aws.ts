import { type Environment, isSet } from './file.ts';
import type { Problems } from './problems.ts';
import type { ProviderFields } from './provider-fields.ts';
import { Secret } from './secret.ts';
import { address, Wrong } from './values.ts';

/** What a provider of form `bedrock` needs besides a key and an address. */
export interface AwsConfig {
  /** AWS region, for the address and the scope of signatures; '' when none is configured. */
  readonly region: string;
  /** Keys that sign requests; null when there are none. */
  readonly credentials: AwsCredentials | null;
  /** Address of a proxy that takes prompts in a form of its own, instead of Bedrock; '' for none. */
  readonly endpoint: string;
}

export interface AwsCredentials {
  readonly accessKeyId: string;
  readonly secretAccessKey: Secret;
  /** Of temporary credentials; null for others. */
  readonly sessionToken: Secret | null;
}

/** Fields of a provider that only those of form `bedrock` have. */
export const awsFields = [
  'region',
  'access_key_id',
  'secret_access_key',
  'session_token',
  'endpoint',
] as const;
type AwsField = (typeof awsFields)[number];

const prefixed = (variable: string): string => `LLM_GATEWAY_${variable}`;

/** Variables without our prefix by field; AWS's own tools have the same names. */
const plainVariables: Readonly<Record<AwsField, readonly string[]>> = {
  region: ['BEDROCK_REGION', 'AWS_REGION', 'AWS_DEFAULT_REGION'],
  access_key_id: ['AWS_ACCESS_KEY_ID'],
  secret_access_key: ['AWS_SECRET_ACCESS_KEY'],
  session_token: ['AWS_SESSION_TOKEN'],
  endpoint: ['BEDROCK_ENDPOINT'],
};

/** Variables of a field, the first one set wins. */
export const awsVariables = (field: AwsField): string[] => [
  ...plainVariables[field].map(prefixed),
  ...plainVariables[field],
];

/** A value and where it came from: the name of its variable, or '' for the file. */
interface Found {
  readonly value: string;
  readonly variable: string;
}

/**
 * Reads what is AWS's of a provider. The environment wins over the file for the built-in provider; for others of the form the file wins, since
 * the variables are the same for all. A session token belongs to its key: it is taken from where the key came from.
 */
export function readAws(
  name: string,
  fields: ProviderFields,
  env: Environment,
  problems: Problems,
): AwsConfig {
  const place = (field: AwsField): string => `providers.${name}.${field}`;
  const fileWins = name !== 'bedrock';
  const find = (field: AwsField): Found | null => {
    const inFile = fields[field];
    const fromFile = inFile === undefined ? null : { value: inFile.trim(), variable: '' };
    if (fileWins && fromFile !== null) return fromFile;
    if (fileWins && field === 'endpoint') return null;
    const variable = awsVariables(field).find((candidate) => isSet(env, candidate));
    return variable === undefined ? fromFile : { value: env[variable]!.trim(), variable };
  };
  const shown = (field: AwsField, found: Found): string => found.variable || place(field);

  const region = find('region');
  if (region !== null && !/^[a-z]{2,8}(?:-[a-z]+)+-\d{1,2}$/.test(region.value)) {
    problems.wrong(shown('region', region), region.value, 'an AWS region such as us-east-1');
  }
  const endpoint = find('endpoint');
  const url = endpoint === null ? '' : address(endpoint.value);
  if (url instanceof Wrong) problems.wrong(shown('endpoint', endpoint!), endpoint!.value, url.allowed);
  return {
    region: region?.value ?? '',
    credentials: readCredentials(),
    endpoint: url instanceof Wrong ? '' : url,
  };

  function readCredentials(): AwsCredentials | null {
    const id = find('access_key_id');
    const secret = find('secret_access_key');
    if (id === null && secret === null) return null;
    if (id === null || secret === null) {
      const [missing, given] =
        id === null ? (['access_key_id', secret!] as const) : (['secret_access_key', id] as const);
      const other = id === null ? 'secret_access_key' : 'access_key_id';
      problems.add(
        `${plainVariables[missing][0]}: is missing, but ${shown(other, given)} is set; the two belong together`,
      );
      return null;
    }
    const token = sessionToken(id);
    const idRight = checked('access_key_id', id, /^\w{4,128}$/, 'the id of an access key');
    const secretRight = checked(
      'secret_access_key',
      secret,
      /^[\x21-\x7e]+$/,
      'printable ASCII without spaces',
    );
    const tokenRight =
      token === null || checked('session_token', token, /^[\x21-\x7e]+$/, 'printable ASCII without spaces');
    if (!idRight || !secretRight || !tokenRight) return null;
    return {
      accessKeyId: id.value,
      secretAccessKey: new Secret(secret.value),
      sessionToken: token === null ? null : new Secret(token.value),
    };
  }

  function sessionToken(id: Found): Found | null {
    if (id.variable === '')
      return fields.session_token === undefined ? null : { value: fields.session_token.trim(), variable: '' };
    const names = awsVariables('session_token').filter(
      (variable) => variable.startsWith('LLM_GATEWAY_') || !id.variable.startsWith('LLM_GATEWAY_'),
    );
    const variable = names.find((candidate) => isSet(env, candidate));
    return variable === undefined ? null : { value: env[variable]!.trim(), variable };
  }

  function checked(field: AwsField, found: Found, form: RegExp, allowed: string): boolean {
    if (form.test(found.value)) return true;
    problems.add(`${shown(field, found)}: is [secret], has to be ${allowed}`);
    return false;
  }
}
