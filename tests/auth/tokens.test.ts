import { base64url, SignJWT } from 'jose';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { ErrorReason } from '../../gen/llmgateway/v1/error_pb.js';
import { hashOf } from '../../src/auth/secret-form.ts';
import { isTokenForm, Tokens } from '../../src/auth/tokens.ts';
import { type TokenIssuerConfig, tokenAlgorithms } from '../../src/config/token-issuers.ts';
import { type Issuer, startIssuer } from './support/issuer.ts';

let issuer: Issuer;
let clock: { now: number; nowMs: number };
beforeEach(async () => {
  issuer = await startIssuer();
  clock = { now: 1_000_000, nowMs: Date.now() };
});
afterEach(() => issuer.server.close());

const config = (changes: Partial<TokenIssuerConfig> = {}): TokenIssuerConfig => ({
  issuer: issuer.issuer,
  audiences: ['gateway', 'other'],
  jwksUrl: issuer.jwksUrl,
  algorithms: tokenAlgorithms,
  clockToleranceMs: 30_000,
  claims: { tenant: null, owner: null, rateClass: null, models: null, admin: null },
  adminValues: ['true'],
  rateClass: 'default',
  models: null,
  budget: null,
  ...changes,
});
const tokens = (changes: Partial<TokenIssuerConfig> = {}): Tokens =>
  new Tokens({ issuers: [config(changes)], now: () => clock.now, nowMs: () => clock.nowMs });
const find = async (all: Tokens, token: string) => all.find(token, hashOf(token));
const refused = (all: Tokens, token: string, message: string) =>
  expect(find(all, token)).rejects.toMatchObject({
    reason: ErrorReason.UNAUTHENTICATED,
    rawMessage: expect.stringContaining(message),
  });
const unknown = (all: Tokens, token: string) =>
  expect(find(all, token)).rejects.toMatchObject({ reason: ErrorReason.DEPENDENCY_UNAVAILABLE });

test('a token says who has it: nobody else is the same', async () => {
  expect(await find(tokens(), await issuer.token())).toEqual({
    id: `${issuer.issuer}|alice`,
    owner: `${issuer.issuer}|alice`,
    tenant: `${issuer.issuer}|alice`,
    rateClass: 'default',
    models: null,
    budget: null,
    admin: false,
  });
});

test('claims are mapped as configured', async () => {
  const all = tokens({
    claims: {
      tenant: 'https://example.com/org',
      owner: 'email',
      rateClass: 'plan',
      models: 'llm.models',
      admin: 'realm_access.roles',
    },
    adminValues: ['llm-admin'],
    models: ['none'],
    budget: { usd: 5, per: 'day' },
  });
  const claims = {
    'https://example.com/org': 'acme',
    email: 'a@example.com',
    plan: 'premium',
    llm: { models: ['gpt-*', 'fake/*'] },
    realm_access: { roles: ['user', 'llm-admin'] },
  };
  expect(await find(all, await issuer.token(claims))).toMatchObject({
    id: `${issuer.issuer}|alice`,
    owner: 'a@example.com',
    tenant: 'acme',
    rateClass: 'premium',
    models: ['gpt-*', 'fake/*'],
    budget: { usd: 5, per: 'day' },
    admin: true,
  });
  const { llm: _llm, realm_access: _access, plan: _plan, ...few } = claims;
  expect(await find(all, await issuer.token(few))).toMatchObject({
    rateClass: 'default',
    models: ['none'],
    admin: false,
  });
  await refused(all, await issuer.token({ email: 'x' }), 'no proper claim https://example.com/org');
  await refused(all, await issuer.token({ ...claims, email: 7 }), 'no proper claim email');
});

describe('a token is refused', () => {
  test('of another issuer, for another audience, too late or too early', async () => {
    const all = tokens();
    await refused(all, await issuer.token({ iss: 'https://other.example' }), 'not trusted here');
    await refused(all, await issuer.token({ aud: 'elsewhere' }), 'for another audience');
    await refused(
      all,
      await issuer.token({}, { expires: Math.floor(Date.now() / 1000) - 31 }),
      'has expired',
    );
    await refused(all, await issuer.token({ nbf: Math.floor(Date.now() / 1000) + 60 }), 'not valid yet');
    expect(
      await find(all, await issuer.token({}, { expires: Math.floor(Date.now() / 1000) - 10 })),
    ).toBeDefined();
  });

  test('with another signature than its own', async () => {
    const all = tokens();
    const [head, , signature] = (await issuer.token()).split('.');
    const [, body] = (await issuer.token({ sub: 'mallory' })).split('.');
    await refused(all, `${head}.${body}.${signature}`, 'wrong signature');
  });

  test('that is not signed, or with a shared secret', async () => {
    const all = tokens();
    const part = (value: object) => base64url.encode(JSON.stringify(value));
    const claims = { iss: issuer.issuer, aud: 'gateway', sub: 'm', exp: 4e9 };
    await refused(all, `${part({ alg: 'none' })}.${part(claims)}.${part({})}`, 'not allowed');
    const secret = new TextEncoder().encode('x'.repeat(64));
    const hs = await new SignJWT(claims).setProtectedHeader({ alg: 'HS256', kid: 'first' }).sign(secret);
    await refused(all, hs, 'not allowed');
  });

  test('with an algorithm that is not on the list', async () => {
    await refused(tokens({ algorithms: ['RS256'] }), await issuer.token(), 'not allowed');
  });

  test('whatever it is made of', async () => {
    const all = tokens();
    for (const text of [
      'eyJ.a.b',
      'eyJhbGciOiJFUzI1NiJ9.e30.x',
      `eyJhbGciOiJFUzI1NiJ9.${base64url.encode('[1]')}.x`,
    ])
      await expect(find(all, text)).rejects.toMatchObject({ reason: ErrorReason.UNAUTHENTICATED });
  });
});

test('the form of tokens', () => {
  expect(isTokenForm('eyJhbGciOiJFUzI1NiJ9.e30.x')).toBe(true);
  for (const text of ['', 'a.b.c', 'eyJ.a', 'eyJ.a.b.c', 'lgw_x', 'eyJ.a.'])
    expect(isTokenForm(text)).toBe(false);
});

test('a token that was checked is known at once, until it expires', async () => {
  const all = tokens();
  const token = await issuer.token({}, { expires: Math.floor(clock.nowMs / 1000) + 60 });
  const first = await find(all, token);
  expect(all.find(token, hashOf(token))).toBe(first);
  clock.nowMs += 91_000;
  await refused(all, token, 'has expired');
});

test('the address of the keys may be what the discovery document says', async () => {
  const all = tokens({ jwksUrl: null });
  expect(await find(all, await issuer.token())).toBeDefined();
  issuer.server.routes['/.well-known/openid-configuration'] = () => ({
    issuer: 'https://other.example',
    jwks_uri: issuer.jwksUrl,
  });
  await unknown(tokens({ jwksUrl: null }), await issuer.token());
});

test('a key that the issuer has changed to is read when a token names it, and not more often', async () => {
  const all = tokens();
  await find(all, await issuer.token());
  expect(issuer.asked()).toBe(1);
  await issuer.rotate('second');
  const token = await issuer.token();
  await refused(all, token, 'a key that its issuer does not have');
  expect(issuer.asked()).toBe(1);
  clock.now += 6_000;
  const other = await issuer.token({ n: 1 });
  expect(await find(all, other)).toBeDefined();
  expect(issuer.asked()).toBe(2);
});

test('many at once read the keys once', async () => {
  const all = tokens();
  const many = await Promise.all(Array.from({ length: 50 }, (_, i) => issuer.token({ sub: `u${i}` })));
  await Promise.all(many.map((token) => find(all, token)));
  expect(issuer.asked()).toBe(1);
});

test('a key that the issuer withdrew counts no more after some minutes', async () => {
  const all = tokens();
  const token = await issuer.token();
  await find(all, token);
  await issuer.rotate('second');
  clock.now += 301_000;
  await find(all, token);
  await expect.poll(() => issuer.asked()).toBe(2);
  await expect
    .poll(() =>
      find(all, token).then(
        () => '',
        (error) => error.rawMessage,
      ),
    )
    .toContain('a key that its issuer does not have');
});

test('while its keys cannot be read, known ones go on, and others are not said to be wrong', async () => {
  const all = tokens();
  await find(all, await issuer.token());
  issuer.down = true;
  clock.now += 400_000;
  expect(await find(all, await issuer.token({ sub: 'bob' }))).toBeDefined();
  await issuer.rotate('second');
  clock.now += 6_000;
  const token = await issuer.token();
  await unknown(all, token);
  const asked = issuer.asked();
  await unknown(all, await issuer.token({ n: 2 }));
  expect(issuer.asked()).toBe(asked);
  issuer.down = false;
  clock.now += 6_000;
  expect(await find(all, token)).toBeDefined();
});

test('an issuer that was never heard of leaves its tokens unknown', async () => {
  issuer.down = true;
  const token = await issuer.token();
  const all = tokens();
  await unknown(all, token);
  issuer.server.close();
  clock.now += 6_000;
  await unknown(all, token);
});
