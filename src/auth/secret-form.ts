import { hash, randomInt, timingSafeEqual } from 'node:crypto';
import { crc32 } from 'node:zlib';

// What the gateway's own keys look like: `lgw_`, 43 random characters (256 bits), and 6 that check those, so that mistyped and invented keys are
// told from real ones without asking anybody.

const prefix = 'lgw_';
const digits = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';
const randomLength = 43;
const checkLength = 6;
const form = /^lgw_[0-9A-Za-z]{49}$/;

/** A new key. */
export function newSecret(): string {
  let random = '';
  for (let i = 0; i < randomLength; i++) random += digits[randomInt(digits.length)];
  return `${prefix}${random}${checkOf(random)}`;
}

/** Whether the gateway may have made this key. */
export const isOwnForm = (secret: string): boolean =>
  form.test(secret) && checkOf(secret.slice(prefix.length, -checkLength)) === secret.slice(-checkLength);

function checkOf(text: string): string {
  let rest = crc32(text);
  let check = '';
  for (let i = 0; i < checkLength; i++) {
    check = `${digits[rest % digits.length]}${check}`;
    rest = Math.floor(rest / digits.length);
  }
  return check;
}

/** SHA-256 in hex, by which keys are kept. They are random, so that nothing slower is needed. */
export const hashOf = (secret: string): string => hash('sha256', secret);

/** Whether two hashes are the same, in a time that does not tell how much of them is. */
export const sameHash = (one: string, other: string): boolean =>
  one.length === other.length && timingSafeEqual(Buffer.from(one), Buffer.from(other));
