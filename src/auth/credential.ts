import type { Credentials } from './authenticator.ts';

/** Longer ones are refused unread. */
const maxLength = 8_192;

const one = (value: string | readonly string[] | undefined): string | undefined =>
  typeof value === 'string' ? value : value?.[0];

/**
 * The key or token of a request: a bearer token, or what the headers of Anthropic's (`x-api-key`) and Azure's (`api-key`) clients hold. Null
 * where there is none; '' where it cannot be one.
 */
export function credentialOf({ headers }: Credentials): string | null {
  const authorization = one(headers['authorization']);
  const given =
    (authorization !== undefined && /^bearer\s/i.test(authorization)
      ? authorization.slice(7)
      : (one(headers['x-api-key']) ?? one(headers['api-key']))
    )?.trim() ?? '';
  if (given === '') return null;
  return given.length > maxLength ? '' : given;
}
