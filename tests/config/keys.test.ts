import { hash } from 'node:crypto';
import { inspect } from 'node:util';
import { expect, test } from 'vitest';
import { load, mistakes } from './support/load.ts';

const secret = 'planted-key-of-20-characters';

test('a key of the file has what is written, and sensible defaults', () => {
  const config = load(`keys:
  - id: a
    key: ${secret}
  - id: b
    key: sha256:${hash('sha256', 'other')}
    name: Team B
    owner: team-b
    rate_class: premium
    models: [gpt-*, fake/echo]
    budget: { usd: 12.5, per: day }
    expires: 2027-01-31
    admin: true
`);
  expect(config.keys).toEqual([
    {
      id: 'a',
      name: '',
      hash: hash('sha256', secret),
      owner: 'a',
      tenant: 'a',
      rateClass: 'default',
      models: null,
      budget: null,
      expiresMs: null,
      disabled: false,
      admin: false,
    },
    {
      id: 'b',
      name: 'Team B',
      hash: hash('sha256', 'other'),
      owner: 'team-b',
      tenant: 'team-b',
      rateClass: 'premium',
      models: ['gpt-*', 'fake/echo'],
      budget: { usd: 12.5, per: 'day' },
      expiresMs: Date.UTC(2027, 0, 31),
      disabled: false,
      admin: true,
    },
  ]);
  expect(config.authRequired).toBe(true);
  expect(inspect(config, { depth: 9 }) + JSON.stringify(config)).not.toContain(secret);
});

test('keys of the variable are tenants of their own', () => {
  const { keys } = load(null, { LLM_GATEWAY_API_KEYS: `${secret},\n${secret}2` });
  expect(keys.map(({ id, tenant }) => [id, tenant])).toEqual(
    [secret, `${secret}2`].map((key) => Array(2).fill(`env-${hash('sha256', key).slice(0, 8)}`)),
  );
});

test('nobody needs a key where none is configured, or where that is said', () => {
  expect(load(null).authRequired).toBe(false);
  expect(load(`auth: { required: false }\nkeys: [{ id: a, key: ${secret} }]`).authRequired).toBe(false);
  expect(load('auth: { required: true }').authRequired).toBe(true);
});

test.each([
  ['keys: {}', /^keys: is "\[secret\]", has to be a list of keys$/],
  [`keys: [{ key: ${secret} }]`, /^keys\[0\]\.id: is missing/],
  ['keys: [{ id: a }]', /^keys\[0\]\.key: is missing/],
  [
    'keys: [{ id: a, key: too-short-hush }]',
    /^keys\[0\]\.key: is "\[secret\]", has to be a key of 20 to 512/,
  ],
  ['keys: [{ id: a, key: "sha256:abc hush" }]', /^keys\[0\]\.key: is "\[secret\]"/],
  [`keys: [{ id: a, key: ${secret} }, { id: b, key: ${secret} }]`, /^keys: "b" has the same key as "a"$/],
  [`keys: [{ id: a, key: ${secret} }, { id: a, key: ${secret}2 }]`, /^keys: the id "a" is there twice$/],
  [`keys: [{ id: a, key: ${secret}, modles: [x] }]`, /modles: is not a setting; did you mean models\?$/],
  [`keys: [{ id: a, key: ${secret}, budget: { usd: 0 } }]`, /budget: is .* has to be a map of `usd`/],
  [`keys: [{ id: a, key: ${secret}, expires: soon }]`, /expires: is "soon", has to be a time/],
  [`keys: [{ id: a, key: ${secret}, models: [] }]`, /models: is \[\], has to be a list of 1 to 256/],
  ['auth: { admin_token: short-hush }', /^auth\.admin_token: is "\[secret\]", has to be a token of 16/],
  ['auth: { tokens: [{ issuer: "https://i.example" }] }', /^auth\.tokens\[0\]\.audience: is missing/],
  [
    'auth: { tokens: [{ issuer: me, audience: x }] }',
    /jwks_url: is missing, has to be set since the issuer is no URL$/,
  ],
  [
    'auth: { tokens: [{ issuer: "https://i.example", audience: x, algorithms: [HS256] }] }',
    /algorithms: is \["HS256"\], has to be a list of some of RS256/,
  ],
  [
    'auth: { tokens: [{ issuer: "https://i.example", audience: x, algorithms: none }] }',
    /algorithms: is "none", has to be/,
  ],
])('%s is refused in one line without secrets', (yaml, line) => {
  const lines = mistakes(yaml);
  expect(lines).toEqual([expect.stringMatching(line)]);
  expect(lines.join()).not.toMatch(/hush|planted/);
});

test('a wrong key or token of the environment is not shown', () => {
  expect(mistakes(null, { LLM_GATEWAY_API_KEYS: 'hush-hush' }).join()).toMatch(/its key 1 is \[secret\]/);
  expect(mistakes(null, { ADMIN_TOKEN: 'hush hush hush hush' }).join()).toMatch(
    /^ADMIN_TOKEN: is "\[secret\]"/,
  );
});

test('several keys of a provider', () => {
  const wrong = (yaml: string) => mistakes(`providers: { xai: { api_keys: ${yaml} } }`).join();
  expect(wrong('[planted-one, planted-one]')).toBe('providers.xai.api_keys: has the same key twice');
  for (const yaml of [
    '[]',
    '[{ key: planted-one, weight: 0 }]',
    '[{ key: "planted one" }]',
    '[{ weight: 1 }]',
    '[7]',
    'planted-one',
  ])
    expect(wrong(yaml)).toMatch(/^providers\.xai\.api_keys: is .*, has to be a list of 1 to 64 keys/);
  expect(wrong('[{ key: "planted one" }]')).not.toContain('planted');
});
