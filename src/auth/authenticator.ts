import { ErrorReason } from '../../gen/llmgateway/v1/error_pb.js';
import { GatewayError } from '../errors/gateway-error.ts';
import { administrator, requireAdmin } from './admin.ts';
import { type ApiKey, principalOfKey, refusalOfKey } from './api-key.ts';
import { credentialOf } from './credential.ts';
import type { KnownKey, KnownKeys } from './known-keys.ts';
import type { LastUsed } from './last-used.ts';
import { isAdminPath, isMetricsPath, isOpenPath, tellsMore } from './paths.ts';
import { anonymous, type Principal } from './principal.ts';
import { hashOf, isOwnForm, sameHash } from './secret-form.ts';
import { isTokenForm, type Tokens } from './tokens.ts';

/** What of a request says who makes it. */
export interface Credentials {
  /** Path without query. */
  readonly path: string;
  readonly headers: Readonly<Record<string, string | readonly string[] | undefined>>;
}

/**
 * Finds out who makes a request. A promise only where something has to be asked, so that the others go on at once.
 * @throws GatewayError UNAUTHENTICATED for who gives no or a wrong proof, DEPENDENCY_UNAVAILABLE where that cannot be found out
 */
export type Authenticate = (credentials: Credentials) => Principal | Promise<Principal>;

/** Nobody is asked for a proof. */
export const everybody: Authenticate = () => anonymous;

/** What a configuration says of who may call. */
export interface AuthRules {
  readonly required: boolean;
  readonly metricsOpen: boolean;
  /** SHA-256 of the admin token, in hex; null when there is none. */
  readonly adminHash: string | null;
  /** Configured keys, by their hashes. */
  readonly keys: ReadonlyMap<string, KnownKey>;
  readonly tokens: Tokens;
}

export interface AuthenticatorParts {
  /** Read anew for each request, since a reload replaces it. */
  readonly rules: () => AuthRules;
  /** Of the store. */
  readonly known: KnownKeys;
  readonly lastUsed: LastUsed;
  /** Milliseconds since 1970. */
  readonly nowMs?: () => number;
}

/** Who may call: keys of the configuration and of the store, tokens, and the admin token. */
export function authenticator({
  rules,
  known,
  lastUsed,
  nowMs = Date.now,
}: AuthenticatorParts): Authenticate {
  function who(credentials: Credentials): Principal | Promise<Principal> {
    const { adminHash, keys, tokens } = rules();
    const secret = credentialOf(credentials);
    if (secret === null) throw unauthenticated(missing);
    const hash = hashOf(secret);
    if (adminHash !== null && sameHash(hash, adminHash)) return administrator;
    const configured = keys.get(hash);
    if (configured !== undefined) return accepted(configured);
    if (isTokenForm(secret)) {
      if (tokens.isEmpty) throw unauthenticated(unknown);
      return tokens.find(secret, hash);
    }
    // Whatever does not look like a key of the store is none: nobody has to be asked.
    if (!isOwnForm(secret)) throw unauthenticated(unknown);
    const found = known.find(hash);
    return found instanceof Promise ? found.then(fromStore) : fromStore(found);
  }

  function fromStore(found: KnownKey | null): Principal {
    if (found === null) throw unauthenticated(unknown);
    const principal = accepted(found);
    lastUsed.note(found.key.id);
    return principal;
  }

  function accepted({ key, principal }: KnownKey): Principal {
    const refusal = refusalOfKey(key, nowMs());
    if (refusal !== null) throw unauthenticated(refusal);
    return principal;
  }

  /** Where nobody has to prove who they are. */
  function whoIfAnybody(credentials: Credentials): Principal | Promise<Principal> {
    try {
      const found = who(credentials);
      return found instanceof Promise ? found.catch(() => anonymous) : found;
    } catch {
      return anonymous;
    }
  }

  function administratorOf(credentials: Credentials): Principal | Promise<Principal> {
    const { adminHash, keys, tokens, required } = rules();
    if (adminHash === null && !required && keys.size === 0 && tokens.isEmpty) {
      throw new GatewayError(
        ErrorReason.PERMISSION_DENIED,
        'there are no administrators here: set LLM_GATEWAY_ADMIN_TOKEN',
      );
    }
    const found = who(credentials);
    return found instanceof Promise ? found.then(checkAdmin) : checkAdmin(found);
  }

  return (credentials) => {
    const { path } = credentials;
    if (isAdminPath(path)) return administratorOf(credentials);
    const { required, metricsOpen } = rules();
    if (required && tellsMore(path)) return whoIfAnybody(credentials);
    if (!required || isOpenPath(path) || (metricsOpen && isMetricsPath(path))) return anonymous;
    return who(credentials);
  };
}

const missing = 'an API key is missing: send it as "Authorization: Bearer <key>" or "x-api-key: <key>"';
const unknown = 'the API key is not valid';

const unauthenticated = (message: string): GatewayError =>
  new GatewayError(ErrorReason.UNAUTHENTICATED, message);

function checkAdmin(principal: Principal): Principal {
  requireAdmin(principal);
  return principal;
}

/** Configured keys by their hashes. */
export const configuredKeys = (
  keys: readonly Omit<ApiKey, 'hint' | 'createdMs' | 'revokedMs' | 'revision'>[],
): ReadonlyMap<string, KnownKey> =>
  new Map(
    keys.map((config) => {
      const key: ApiKey = { ...config, hint: '', createdMs: 0, revokedMs: null, revision: 0 };
      return [key.hash, { key, principal: principalOfKey(key) }];
    }),
  );
