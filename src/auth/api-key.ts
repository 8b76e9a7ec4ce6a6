import type { Budget, Principal } from './principal.ts';

/** What a key grants and how it is called: all that may be changed later. */
export interface KeyTerms {
  /** In words; '' for none. */
  readonly name: string;
  readonly owner: string;
  readonly tenant: string;
  readonly rateClass: string;
  /** Null for all. */
  readonly models: readonly string[] | null;
  readonly budget: Budget | null;
  readonly admin: boolean;
  /** Milliseconds since 1970; null for never. */
  readonly expiresMs: number | null;
  readonly disabled: boolean;
}

/** A key of clients. */
export interface ApiKey extends KeyTerms {
  readonly id: string;
  /** SHA-256 of the key, in hex. */
  readonly hash: string;
  /** Beginning of the key, for people to know it again; '' where that is not known. */
  readonly hint: string;
  /** Milliseconds since 1970. */
  readonly createdMs: number;
  /** Since when it is revoked; null when it is not. */
  readonly revokedMs: number | null;
  /** Grows by one with every change. */
  readonly revision: number;
}

export const principalOfKey = ({
  id,
  tenant,
  owner,
  rateClass,
  models,
  budget,
  admin,
}: ApiKey): Principal => ({
  id,
  tenant,
  owner,
  rateClass,
  models,
  budget,
  admin,
});

/** Why a key is refused now; null when it is not. */
export function refusalOfKey({ revokedMs, disabled, expiresMs }: ApiKey, nowMs: number): string | null {
  if (revokedMs !== null) return 'the API key was revoked';
  if (disabled) return 'the API key is disabled';
  return expiresMs !== null && expiresMs <= nowMs ? 'the API key has expired' : null;
}

/** A key as stores keep it: JSON, with a version for those who come later. */
export const encodeKey = (key: ApiKey): string => JSON.stringify({ v: 1, ...key });

/** @throws Error when a newer gateway wrote it */
export function decodeKey(text: string): ApiKey {
  const { v, ...key } = JSON.parse(text) as ApiKey & { v: number };
  if (v !== 1) throw new Error(`an API key is of version ${v}, which a newer gateway made`);
  return key;
}
