import { exportJWK, generateKeyPair, type JWTPayload, SignJWT } from 'jose';
import { type JsonServer, send, startJsonServer } from '../../support/json-server.ts';

/** An issuer of tokens on loopback. */
export interface Issuer {
  readonly server: JsonServer;
  readonly issuer: string;
  readonly jwksUrl: string;
  /** How often its keys were asked for. */
  readonly asked: () => number;
  /** A new key; only the newest is among those that it shows. */
  rotate(kid: string, alg?: string): Promise<void>;
  /** From now on it fails. */
  down: boolean;
  token(
    payload?: JWTPayload,
    options?: { readonly kid?: string; readonly expires?: number | string },
  ): Promise<string>;
}

export async function startIssuer(): Promise<Issuer> {
  const server = await startJsonServer();
  type Pair = Awaited<ReturnType<typeof generateKeyPair>> & { readonly alg: string };
  const pairs = new Map<string, Pair>();
  let shown: unknown[] = [];
  let newest = '';
  const issuer: Issuer = {
    server,
    issuer: server.origin,
    jwksUrl: `${server.origin}/keys`,
    asked: () => server.got.filter(({ path }) => path === '/keys').length,
    down: false,
    async rotate(kid, alg = 'ES256') {
      const pair = await generateKeyPair(alg, { extractable: true });
      pairs.set(kid, { ...pair, alg });
      shown = [{ ...(await exportJWK(pair.publicKey)), kid, alg, use: 'sig' }];
      newest = kid;
    },
    async token(payload = {}, { kid = newest, expires = '1h' } = {}) {
      const { privateKey, alg } = pairs.get(kid) as Pair;
      return new SignJWT({ sub: 'alice', ...payload })
        .setProtectedHeader({ alg, kid })
        .setIssuer(payload.iss ?? server.origin)
        .setAudience(payload.aud ?? 'gateway')
        .setExpirationTime(expires)
        .sign(privateKey);
    },
  };
  server.routes['/keys'] = (_got, response) =>
    issuer.down ? send(response, 500, { error: 'down' }) : { keys: shown };
  server.routes['/.well-known/openid-configuration'] = (_got, response) =>
    issuer.down
      ? send(response, 500, { error: 'down' })
      : { issuer: server.origin, jwks_uri: `${server.origin}/keys` };
  await issuer.rotate('first');
  return issuer;
}
