import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { keywordFindings } from '../../src/security/keywords.ts';
import { Lexicon } from '../../src/security/lexicon.ts';
import { Scanner } from '../../src/security/scanner.ts';
import { Screen } from '../../src/security/screening.ts';
import type { ReadableText } from '../../src/security/text.ts';

const screen = new Screen({ keywords: ['Project Falcon', '密码', 'straße'], threshold: 0.7 });
const scoreOf = (text: string): number => screen.of(text).score;

describe('keywords', () => {
  test.each([
    'and',
    'keyboard',
    'tokenizer',
    'secretary',
    'monkey',
    'passwordless',
    'authentic',
    'spinach',
    'graphic',
    '2nd',
  ])('are whole words: nothing in %s', (word) => {
    expect(scoreOf(`the ${word} of it`)).toBe(0);
  });

  test('count a fifth each, once, in any case, and four of them are sensitive', () => {
    expect(scoreOf('Password PASSWORD password')).toBe(0.2);
    expect(scoreOf('password, secret; token')).toBe(0.6);
    const four = screen.of('api_key=…; client-secret, TOKEN and credential');
    expect([four.score, four.sensitive, four.categories]).toEqual([0.8, true, ['authentication']]);
  });

  test('of several words are found over blanks, lines, hyphens and underscores; the longest counts', () => {
    for (const text of ['credit card', 'Credit-Card', 'credit_card', 'credit\n card'])
      expect(scoreOf(text)).toBe(0.2);
    for (const text of ['credit. Card', 'credit, card', 'credit x card']) expect(scoreOf(text)).toBe(0);
    expect(scoreOf('social security number')).toBe(0.2);
    expect(scoreOf('trade secret')).toBe(0.2);
    expect(scoreOf('protected health problem')).toBe(0.2);
    expect(scoreOf('trade trade secret')).toBe(0.2);
  });

  test('have plurals, unless short ones that mean something else', () => {
    expect(scoreOf('passwords')).toBe(0.2);
    expect(scoreOf('keys, pins')).toBe(0);
  });

  test('are configured in any script', () => {
    expect(screen.of('the project falcon').categories).toEqual(['configured']);
    expect(scoreOf('我的密码是什么')).toBe(0.2);
    expect(scoreOf('auf der STRASSE')).toBe(0);
    expect(scoreOf('Auf der Straße')).toBe(0.2);
    const decomposed = new Screen({ keywords: ['clé privée'], threshold: 0.7 });
    expect(decomposed.of('la CLÉ PRIVÉE'.normalize('NFD')).score).toBe(0.2);
  });

  test('beside code are of code', () => {
    expect(screen.of('import os\nkey = 1').categories).toEqual(['authentication', 'code_security']);
    expect(screen.of('import goods').categories).toEqual([]);
  });

  test('keep an automatic choice to secure providers even alone', () => {
    expect([screen.of('my secret').cautious, screen.of('my secretary').cautious]).toEqual([true, false]);
  });
});

const random = (n: number, alphabet: string, seed: number): string => {
  let state = seed;
  let text = '';
  for (let i = 0; i < n; i++) {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
    text += alphabet[(state >>> 16) % alphabet.length];
  }
  return text;
};

describe('forms of secrets', () => {
  test.each([
    ['an address of e-mail', 'write to jane.doe+x@mail.example.co.uk.', 0.3],
    ['no address of e-mail', 'the @types/node, a@b, @ home, x@localhost', 0],
    ['a card in groups', 'card 4012 8888 8888 1881, exp 12/29', 0.8],
    ['a card with hyphens', '5555-5555-5555-4444', 0.8],
    ['a card of American Express', '3782 822463 10005', 0.8],
    ['a card followed by its code', '4111 1111 1111 1111 123', 0.8],
    ['a wrong last digit', '4111 1111 1111 1112', 0],
    ['nobody issues such', '9111111111111111', 0],
    ['a part of a longer number', '14111111111111111111', 0],
    ['a decimal number', '0.4111111111111111', 0],
    ['a time in milliseconds', 'at 1718000000000', 0],
    ['a number of social security', 'ssn-like 536-22-8726', 0.8 + 0.2],
    ['none that is given out', '000-12-3456 and 666-12-3456 and 912-12-3456 and 123-00-4567', 0],
    ['a part of a longer one', 'part 1-123-45-6789 and 123-45-6789-0', 0],
    ['an IBAN in groups', 'to GB82 WEST 1234 5698 7654 32 please', 0.8],
    ['an IBAN in one piece', 'FR1420041010050500013M02606', 0.8],
    ['wrong check digits', 'GB83 WEST 1234 5698 7654 32', 0],
    ['a key in JSON', JSON.stringify({ text: 'a\nsk-proj-Ab3dEf6hIj9kLm2nOp5q' }), 0.8],
    ['a key in a variable', 'OPENAI=sk-or-v1-0123456789abcdef0123456789abcdef', 0.8],
    ['a short key', 'Analyze: sk-1234567890abcdef', 0.8],
    ['no key but a class', 'sk-estimator-doc-link-fitted-container', 0],
    ['no key but a branch', 'task-sk-2024-release-notes-for-version', 0],
    ['an example of a key', 'AKIAIOSFODNN7EXAMPLE', 0],
    ['a placeholder of a key', 'sk-xxxxxxxxxxxxxxxxxxxxxxxxxxxx', 0],
    ['a password in an address', 'redis://default:p4ssw0rd!x@cache:6379', 0.8],
    // biome-ignore lint/suspicious/noTemplateCurlyInString: it is what is read
    ['a placeholder in an address', 'postgres://user:${DB}@db and mysql://root:root@db', 0],
    ['a public key', '-----BEGIN PUBLIC KEY-----', 0.2],
  ])('%s', (_name, text, score) => {
    expect(scoreOf(text)).toBeCloseTo(score, 5);
  });

  test.each(['RSA ', 'EC ', 'OPENSSH ', 'ENCRYPTED ', ''])('a private key in PEM: %s', (kind) => {
    expect(scoreOf(`x-----BEGIN ${kind}PRIVATE KEY-----\nMIIE`)).toBeGreaterThanOrEqual(0.8);
  });

  test('keys are found wherever they stand', () => {
    fc.assert(
      fc.property(fc.string(), fc.integer(), fc.string(), (before, seed, after) => {
        const body = random(48, 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789', seed);
        // What is glued to it makes another word of it.
        expect(scoreOf(`${before} sk-${body} ${after}`)).toBeGreaterThanOrEqual(/\d/.test(body) ? 0.8 : 0);
        expect(scoreOf(`${before}"ghp_${body.slice(0, 36)}"${after}`)).toBeGreaterThanOrEqual(
          /\d/.test(body.slice(0, 36)) ? 0.8 : 0,
        );
      }),
    );
  });

  test('any text can be read, in pieces of any kind', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 400 }), (text) => {
        const { score, categories } = screen.of(text);
        expect(score >= 0 && score <= 1 && categories.length >= 0).toBe(true);
      }),
      { numRuns: 2_000 },
    );
  });
});

/** A text that counts how often its characters are looked at. */
class CountingText implements ReadableText {
  readonly #text: string;
  looks = 0;

  constructor(text: string) {
    this.#text = text;
  }

  get length(): number {
    return this.#text.length;
  }

  charCodeAt(index: number): number {
    this.looks++;
    return this.#text.charCodeAt(index);
  }

  slice(start: number, end: number): string {
    this.looks += end - start;
    return this.#text.slice(start, end);
  }
}

describe('the work', () => {
  const scanner = new Scanner(new Lexicon(keywordFindings([])));
  const looksAt = (text: string): number => {
    const counted = new CountingText(text);
    scanner.read(counted, true, () => {});
    return counted.looks;
  };
  const nasty = [
    'a',
    ' ',
    '-',
    '-----BEGIN ',
    '-----BEGIN RSA PRIVATE ',
    'sk-',
    'sk-a1b2c3d4e5f',
    'AIza-',
    'AIza_AIza',
    'AKIAAAAAAAAAAAAAAAAA ',
    'eyJ.',
    'eyJhbGciOiJI.eyJ.',
    'a@',
    'a@a.',
    'a@a.a-',
    '@',
    '://',
    'a://a:',
    'a://a:a@',
    '4111 ',
    '4',
    '4111-1111-',
    '378282246310005',
    '123-45-',
    'DE89 ',
    'DE89 3704 0044 ',
    'NO93',
    'secret access key ',
    'secretaccesskey ',
    'secret access key AAAAaaaa0000',
    'social ',
    'social security ',
    'protected health ',
    'seed routing bank credit ',
    '密',
    'é',
    '\\u0041',
    '\\n',
    '\\',
  ];

  test.each(nasty)('grows with the length of %j, however often it is repeated', (piece) => {
    const of = (length: number): number => looksAt(piece.repeat(Math.ceil(length / piece.length)));
    const small = of(10_000);
    const large = of(1_000_000);
    expect(large / small).toBeLessThan(110);
    expect(large).toBeLessThan(25_000_000);
  });

  test('of mixtures of them is as bounded', () => {
    fc.assert(
      fc.property(fc.array(fc.constantFrom(...nasty), { minLength: 2, maxLength: 6 }), (pieces) => {
        const text = pieces.join('');
        const repeated = text.repeat(Math.ceil(100_000 / text.length));
        expect(looksAt(repeated) / repeated.length).toBeLessThan(40);
      }),
      { numRuns: 60 },
    );
  });

  test('of an ordinary text is less than two looks at each character', () => {
    const text =
      'The quick brown fox jumps over the lazy dog, twice a day, and nobody knows why it does so. '.repeat(
        1_000,
      );
    expect(looksAt(text) / text.length).toBeLessThan(2);
  });
});

test.each(['\u00a0', '\u202f'])('numbers in groups are found over no-break spaces (%j)', (space) => {
  const of = (...groups: string[]): number => scoreOf(`It is ${groups.join(space)}.`);
  expect(of('4012', '8888', '8888', '1881')).toBe(0.8);
  expect(of('GB82', 'WEST', '1234', '5698', '7654', '32')).toBe(0.8);
});
