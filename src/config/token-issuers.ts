import { readFields } from './fields.ts';
import { isMap } from './file.ts';
import { type BudgetAmount, budget, grantName, modelPatterns } from './grants.ts';
import type { Problems } from './problems.ts';
import { duration, list, text, type ValueReader, Wrong } from './values.ts';

/** Whose tokens (JWT, OpenID Connect) are taken, as configured. */
export interface TokenIssuerConfig {
  /** As the tokens name it. */
  readonly issuer: string;
  /** A token has to be for one of these. */
  readonly audiences: readonly string[];
  /** Where its keys are; null: its discovery document says so. */
  readonly jwksUrl: string | null;
  readonly algorithms: readonly string[];
  readonly clockToleranceMs: number;
  readonly claims: ClaimNames;
  /** Values of the admin claim that make an administrator. */
  readonly adminValues: readonly string[];
  /** What holds where the token says nothing. */
  readonly rateClass: string;
  readonly models: readonly string[] | null;
  readonly budget: BudgetAmount | null;
}

/** Which claims say what; null: none does. */
export interface ClaimNames {
  readonly tenant: string | null;
  readonly owner: string | null;
  readonly rateClass: string | null;
  readonly models: string | null;
  readonly admin: string | null;
}

/** Signatures that a public key checks: with a shared secret everybody who can check could also sign. */
export const tokenAlgorithms = [
  'RS256',
  'RS384',
  'RS512',
  'PS256',
  'PS384',
  'PS512',
  'ES256',
  'ES384',
  'ES512',
  'EdDSA',
  'Ed25519',
] as const;

export const maxIssuers = 32;

const url: ValueReader<string> = (raw) => {
  const wrong = new Wrong('an http or https URL without credentials');
  if (typeof raw !== 'string' || raw.length > 2_048 || /\s/.test(raw) || !URL.canParse(raw)) return wrong;
  const { protocol, username, password, hash } = new URL(raw);
  const isPlain = username === '' && password === '' && hash === '';
  return isPlain && (protocol === 'https:' || protocol === 'http:') ? raw : wrong;
};

const algorithms: ValueReader<readonly string[]> = (raw) => {
  const items = list(raw);
  const known: readonly string[] = tokenAlgorithms;
  const fits = !(items instanceof Wrong) && items.length > 0 && items.every((item) => known.includes(item));
  return fits ? items : new Wrong(`a list of some of ${tokenAlgorithms.join(', ')}`);
};

const names: ValueReader<readonly string[]> = (raw) => {
  const items = list(raw);
  const fits = !(items instanceof Wrong) && items.length > 0 && items.length <= 64;
  return fits ? items : new Wrong('a list of 1 to 64 texts, or one text separated by commas');
};

const claimFields = { tenant: text, owner: text, rate_class: text, models: text, admin: text } as const;

const claims: ValueReader<Readonly<Record<string, unknown>>> = (raw) => {
  const known = Object.keys(claimFields);
  const fits =
    isMap(raw) &&
    Object.entries(raw).every(([name, value]) => known.includes(name) && !(text(value) instanceof Wrong));
  return fits ? raw : new Wrong(`a map of some of ${known.join(', ')} to names of claims`);
};

/** What an issuer may have in the file. */
export const issuerFields = {
  issuer: text,
  audience: names,
  jwks_url: url,
  algorithms,
  clock_tolerance: duration(0, 600_000),
  claims,
  admin_values: names,
  rate_class: grantName,
  models: modelPatterns,
  budget,
} as const;

/** What these mean, for the documentation. */
export const issuerDocs: Readonly<Record<keyof typeof issuerFields, string>> = {
  issuer: 'Who issues the tokens, as their claim `iss` says it. Required',
  audience: 'One of these has to be in their claim `aud`. Required',
  jwks_url: 'Where the issuer’s keys are; default: what `<issuer>/.well-known/openid-configuration` says',
  algorithms: 'Signatures that are taken; default: all of the allowed ones',
  clock_tolerance: 'How far the issuer’s clock may be off; default 30s',
  claims:
    'Which claims say the `tenant`, `owner`, `rate_class`, `models` and `admin`; a dot leads into a claim’s members. Default: owner and tenant are the issuer with the subject, and nobody is an administrator',
  admin_values: 'Values of the claim for `admin` that make an administrator; default: `true` alone',
  rate_class: 'Class of limits of tokens that name none, one that there is; default `default`',
  models: 'Patterns of the models that tokens may ask that name none; default: all',
  budget: 'What each owner of a tenant may spend with its tokens: `usd` a `day`, a `month` or in `total`',
};

/** @param given what `auth.tokens` is in the file */
export function readTokenIssuers(given: unknown, problems: Problems): TokenIssuerConfig[] {
  if (given === undefined || given === null) return [];
  if (!Array.isArray(given)) {
    problems.wrong('auth.tokens', given, 'a list of issuers');
    return [];
  }
  if (given.length > maxIssuers)
    problems.add(`auth.tokens: are ${given.length}, have to be at most ${maxIssuers}`);
  const issuers = given.flatMap((raw, i) => readIssuer(`auth.tokens[${i}]`, raw, problems) ?? []);
  const twice = issuers.find(({ issuer }, i) => issuers.findIndex((one) => one.issuer === issuer) !== i);
  if (twice !== undefined)
    problems.add(`auth.tokens: the issuer ${problems.shown(twice.issuer)} is there twice`);
  return issuers;
}

function readIssuer(place: string, raw: unknown, problems: Problems): TokenIssuerConfig | null {
  const fields = readFields(place, raw, issuerFields, problems);
  if (fields === null) return null;
  const { issuer, audience, jwks_url: jwksUrl = null } = fields;
  for (const name of ['issuer', 'audience'] as const) {
    if ([undefined, null, ''].includes((raw as Record<string, unknown>)[name] as never))
      problems.add(`${place}.${name}: is missing, has to be set`);
  }
  if (issuer === undefined || audience === undefined) return null;
  if (jwksUrl === null && url(issuer) instanceof Wrong)
    problems.add(`${place}.jwks_url: is missing, has to be set since the issuer is no URL`);
  const named = (name: keyof typeof claimFields): string | null => {
    const claim = fields.claims?.[name];
    return typeof claim === 'string' ? claim : null;
  };
  return {
    issuer,
    audiences: audience,
    jwksUrl,
    algorithms: fields.algorithms ?? tokenAlgorithms,
    clockToleranceMs: fields.clock_tolerance ?? 30_000,
    claims: {
      tenant: named('tenant'),
      owner: named('owner'),
      rateClass: named('rate_class'),
      models: named('models'),
      admin: named('admin'),
    },
    adminValues: fields.admin_values ?? ['true'],
    rateClass: fields.rate_class ?? 'default',
    models: fields.models ?? null,
    budget: fields.budget ?? null,
  };
}
