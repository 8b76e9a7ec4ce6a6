import type { JWTPayload } from 'jose';
import { isPlain, maxNameLength, maxPatterns } from '../config/grants.ts';
import type { TokenIssuerConfig } from '../config/token-issuers.ts';
import type { Principal } from './principal.ts';

const isName = (value: unknown): value is string => isPlain(value, maxNameLength);

/** A claim by its name, or by the names that lead to it (`realm_access.roles`). */
function claimOf(payload: JWTPayload, name: string | null): unknown {
  if (name === null) return undefined;
  if (Object.hasOwn(payload, name)) return payload[name];
  let value: unknown = payload;
  for (const key of name.split('.')) {
    value =
      typeof value === 'object' && value !== null && Object.hasOwn(value, key)
        ? (value as Record<string, unknown>)[key]
        : undefined;
  }
  return value;
}

/** Texts of a claim: a list, or one text separated by spaces, as scopes are, or commas. */
function textsOf(value: unknown): string[] {
  const items = typeof value === 'string' ? value.split(/[\s,]+/) : Array.isArray(value) ? value : [value];
  return items
    .filter((item) => ['string', 'boolean', 'number'].includes(typeof item))
    .map(String)
    .filter((item) => item !== '');
}

/**
 * Who has a token whose signature is right. Owner and tenant are the issuer with the subject where no claim says them, so that they are nobody else's.
 * @returns a text for what is wrong with the token
 */
export function principalOfToken(payload: JWTPayload, config: TokenIssuerConfig): Principal | string {
  const { claims, adminValues } = config;
  if (!isName(payload.sub)) return 'has no proper claim sub';
  const id = `${config.issuer}|${payload.sub}`;
  const owner = claims.owner === null ? id : claimOf(payload, claims.owner);
  if (!isName(owner)) return `has no proper claim ${claims.owner}`;
  const tenant = claims.tenant === null ? id : claimOf(payload, claims.tenant);
  if (!isName(tenant)) return `has no proper claim ${claims.tenant}`;
  const [rateClass = config.rateClass] = textsOf(claimOf(payload, claims.rateClass));
  if (!isName(rateClass)) return `has no proper claim ${claims.rateClass}`;
  const named = claimOf(payload, claims.models);
  const models = named === undefined || named === null ? config.models : textsOf(named);
  if (models !== null && (models.length > maxPatterns || !models.every(isName)))
    return `has no proper claim ${claims.models}`;
  const admin = textsOf(claimOf(payload, claims.admin)).some((value) => adminValues.includes(value));
  const budget = config.budget === null ? null : { ...config.budget, issuer: config.issuer };
  return { id, tenant, owner, rateClass, models, budget, admin };
}
