import { expect, test } from 'vitest';
import { hashOf, isOwnForm, newSecret, sameHash } from '../../src/auth/secret-form.ts';

test('new keys are of the own form, and all different', () => {
  const secrets = Array.from({ length: 1_000 }, newSecret);
  expect(new Set(secrets).size).toBe(1_000);
  for (const secret of secrets) expect(isOwnForm(secret)).toBe(true);
  expect(secrets[0]).toMatch(/^lgw_[0-9A-Za-z]{49}$/);
});

test('a key with one wrong character is none', () => {
  const secret = newSecret();
  for (let i = 0; i < secret.length; i++) {
    const wrong = `${secret.slice(0, i)}${secret[i] === 'a' ? 'b' : 'a'}${secret.slice(i + 1)}`;
    expect(isOwnForm(wrong)).toBe(false);
  }
  for (const text of ['', 'lgw_', `${secret}a`, secret.slice(0, -1), ` ${secret}`, `${secret}\n`])
    expect(isOwnForm(text)).toBe(false);
});

test('hashes are compared as wholes', () => {
  const one = hashOf('one');
  expect(sameHash(one, hashOf('one'))).toBe(true);
  expect(sameHash(one, hashOf('two'))).toBe(false);
  expect(sameHash(one, one.slice(1))).toBe(false);
  expect(sameHash('', '')).toBe(true);
});
