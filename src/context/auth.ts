import { isDeepStrictEqual } from 'node:util';
import { type Authenticate, type AuthRules, authenticator, configuredKeys } from '../auth/authenticator.ts';
import { Keys } from '../auth/keys.ts';
import { KnownKeys } from '../auth/known-keys.ts';
import { LastUsed } from '../auth/last-used.ts';
import { hashOf } from '../auth/secret-form.ts';
import type { KeyStore } from '../auth/store.ts';
import { Tokens } from '../auth/tokens.ts';
import type { Config } from '../config/load.ts';
import type { Logger } from '../observability/log.ts';
import type { Crew } from '../workers/crew.ts';

/** Who may call. */
export interface Auth {
  readonly authenticate: Authenticate;
  /** Keys of the store. */
  readonly keys: Keys;
  reload(config: Config): void;
  close(): Promise<void>;
}

export function createAuth(initial: Config, store: KeyStore, crew: Crew, log: Logger): Auth {
  let config = initial;
  const tokensOf = ({ tokenIssuers: issuers }: Config): Tokens =>
    new Tokens({
      issuers,
      onChange: (issuer, reachable, error) =>
        reachable
          ? log.info('the keys of an issuer of tokens can be read', { issuer })
          : log.warn('the keys of an issuer of tokens cannot be read', { issuer, error }),
    });
  let rules = rulesOf(config, tokensOf(config));
  const known = new KnownKeys({
    store,
    freshMs: () => config.keyCacheMs,
    graceMs: () => config.keyGraceMs,
  });
  const lastUsed = new LastUsed(store);
  // A key that was taken back is no key for the other workers either, at once.
  crew.answer('auth.forget', (hash) => known.forget(String(hash)));
  const forget = (hash: string): void => {
    known.forget(hash);
    crew.tellOthers('auth.forget', hash);
  };
  return {
    authenticate: authenticator({ rules: () => rules, known, lastUsed }),
    keys: new Keys(store, forget),
    reload(next) {
      // What is known of issuers' keys outlives changes of other things.
      const tokens = isDeepStrictEqual(next.tokenIssuers, config.tokenIssuers)
        ? rules.tokens
        : tokensOf(next);
      config = next;
      rules = rulesOf(next, tokens);
    },
    close: () => lastUsed.close(),
  };
}

const rulesOf = (config: Config, tokens: Tokens): AuthRules => ({
  required: config.authRequired === true,
  // The route itself asks for that token.
  metricsOpen: config.metricsOpen || config.metricsToken !== null,
  adminHash: config.adminToken === null ? null : hashOf(config.adminToken.reveal()),
  keys: configuredKeys(config.keys),
  tokens,
});
