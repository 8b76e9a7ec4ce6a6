import { decodeJwt, errors, type JWTPayload, jwtVerify } from 'jose';
import { LRUCache } from 'lru-cache';
import { ErrorReason } from '../../gen/llmgateway/v1/error_pb.js';
import type { TokenIssuerConfig } from '../config/token-issuers.ts';
import { GatewayError } from '../errors/gateway-error.ts';
import { IssuerKeys } from './jwks.ts';
import type { Principal } from './principal.ts';
import { principalOfToken } from './token-principal.ts';

export interface TokensOptions {
  readonly issuers: readonly TokenIssuerConfig[];
  /** Milliseconds since 1970. */
  readonly nowMs?: () => number;
  /** See IssuerKeysOptions. */
  readonly now?: () => number;
  readonly onChange?: (issuer: string, reachable: boolean, why: string) => void;
}

interface Issuer {
  readonly config: TokenIssuerConfig;
  readonly keys: IssuerKeys;
}

/** A token that was checked. */
interface Checked {
  readonly principal: Principal;
  readonly issuer: Issuer;
  readonly expiresMs: number;
  /** Of the issuer's keys. */
  readonly generation: number;
}

/** Tokens that are remembered at most: good ones until they expire, and bad ones for a short time. */
const maxKept = 20_000;
const badForMs = 10_000;
/** Tokens whose signatures are checked at the same time. */
const maxChecking = 256;

/** Whether a text looks like a token: three parts, of which the first begins as JSON objects do. */
export const isTokenForm = (text: string): boolean => /^eyJ[\w-]*\.[\w-]+\.[\w-]+$/.test(text);

/** Tokens (JWT) of issuers that are trusted. */
export class Tokens {
  readonly #issuers: ReadonlyMap<string, Issuer>;
  readonly #good = new LRUCache<string, Checked>({ max: maxKept });
  readonly #bad = new LRUCache<string, GatewayError>({ max: maxKept / 10, ttl: badForMs });
  readonly #checking = new Map<string, Promise<Principal>>();
  readonly #nowMs: () => number;

  constructor({ issuers, nowMs = Date.now, now, onChange }: TokensOptions) {
    this.#nowMs = nowMs;
    this.#issuers = new Map(
      issuers.map((config) => [
        config.issuer,
        {
          config,
          keys: new IssuerKeys({
            issuer: config.issuer,
            url: config.jwksUrl,
            ...(now === undefined ? {} : { now }),
            onChange: (reachable, why) => onChange?.(config.issuer, reachable, why),
          }),
        },
      ]),
    );
  }

  get isEmpty(): boolean {
    return this.#issuers.size === 0;
  }

  /**
   * Who has the token. A promise only where it was not checked before.
   * @param hash of the token, by which it is remembered
   * @throws GatewayError UNAUTHENTICATED, or DEPENDENCY_UNAVAILABLE when the issuer's keys cannot be read
   */
  find(token: string, hash: string): Principal | Promise<Principal> {
    const known = this.#good.get(hash);
    if (known !== undefined) {
      const { principal, issuer, expiresMs, generation } = known;
      issuer.keys.refresh();
      if (expiresMs > this.#nowMs() && generation === issuer.keys.generation) return principal;
      this.#good.delete(hash);
    }
    const bad = this.#bad.get(hash);
    if (bad !== undefined) throw bad;
    let checking = this.#checking.get(hash);
    if (checking === undefined) {
      if (this.#checking.size >= maxChecking) {
        throw new GatewayError(ErrorReason.OVERLOADED, 'too many tokens are being checked', {
          retryAfterMs: 1_000,
        });
      }
      checking = this.#check(token, hash).finally(() => this.#checking.delete(hash));
      this.#checking.set(hash, checking);
    }
    return checking;
  }

  async #check(token: string, hash: string): Promise<Principal> {
    try {
      const issuer = this.#issuers.get(issuerOf(token));
      if (issuer === undefined) throw refused('is of an issuer that is not trusted here');
      const { config, keys } = issuer;
      keys.refresh();
      // Of the keys that check it, whatever they are afterwards.
      let { generation } = keys;
      const onFound = (found: number): void => {
        generation = found;
      };
      const { payload } = await jwtVerify(token, (...wanted) => keys.find(wanted, onFound), {
        issuer: config.issuer,
        audience: [...config.audiences],
        algorithms: [...config.algorithms],
        clockTolerance: config.clockToleranceMs / 1_000,
        currentDate: new Date(this.#nowMs()),
        requiredClaims: ['exp', 'sub'],
      });
      const principal = principalOfToken(payload, config);
      if (typeof principal === 'string') throw refused(principal);
      const expiresMs = (payload as { exp: number }).exp * 1_000 + config.clockToleranceMs;
      this.#good.set(hash, { principal, issuer, expiresMs, generation });
      return principal;
    } catch (cause) {
      const error = cause instanceof GatewayError ? cause : refused(whatIsWrong(cause));
      if (error.reason === ErrorReason.UNAUTHENTICATED) this.#bad.set(hash, error);
      throw error;
    }
  }
}

/** Unchecked: only to know whose keys check it. */
function issuerOf(token: string): string {
  const { iss }: JWTPayload = decodeJwt(token);
  return iss ?? '';
}

const refused = (what: string): GatewayError =>
  new GatewayError(ErrorReason.UNAUTHENTICATED, `the token ${what}`);

/** In words of ours, none of the token's. */
function whatIsWrong(error: unknown): string {
  if (error instanceof errors.JWTExpired) return 'has expired';
  if (error instanceof errors.JWTClaimValidationFailed) {
    const { claim } = error;
    if (claim === 'aud') return 'is for another audience';
    if (claim === 'nbf') return 'is not valid yet';
    return ['exp', 'sub', 'iss', 'iat'].includes(claim)
      ? `has no proper claim ${claim}`
      : 'has a wrong claim';
  }
  if (error instanceof errors.JOSEAlgNotAllowed) return 'is signed in a way that is not allowed';
  if (error instanceof errors.JWSSignatureVerificationFailed) return 'has a wrong signature';
  if (error instanceof errors.JWKSNoMatchingKey || error instanceof errors.JWKSMultipleMatchingKeys)
    return 'is signed with a key that its issuer does not have';
  return 'cannot be understood';
}
