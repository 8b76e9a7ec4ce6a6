import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { keywordFindings } from '../../src/security/keywords.ts';
import { Lexicon } from '../../src/security/lexicon.ts';
import { readingsOf } from '../../src/security/readings.ts';
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

  test('are found in names that get a value', () => {
    expect(scoreOf('dbPassword=hunter2x apiSecret=s9d8f7g6 authToken=a1b2c3d4e5')).toBe(0.8);
    expect(scoreOf('"dbPassword": "hunter2x", "apiSecret" : \'s9.d8f7\'')).toBe(0.4);
    expect(scoreOf('userAPIKey=a1b2c3d4, myPrivateKey: "a1b2c3d4"')).toBe(0.4);
    expect(scoreOf('DbPassword = a1b2c3d4;')).toBe(0.2);
  });

  test.each([
    'const authToken = getToken1(); const apiSecret = config.v1secret; dbPassword = list1[12]',
    'interface Login { dbPassword: string; apiSecret: string; authToken?: string }',
    'maxToken=4096 tokenKey=12 secretIndex = 3 authLevel=high',
    'dbPassword and apiSecret and authToken are names; myMonkey=a1b2c3d4 passWorld=a1b2c3d4',
    'x.authToken == y.authToken && dbPassword === a1b2c3d4',
  ])('are no part of names otherwise: %s', (text) => {
    expect(scoreOf(text)).toBe(0);
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

  test.each([
    ['in a row of a table', 'Ann,4111111111111111,123'],
    ['after a number in a row of a table', '1,4111111111111111,12/27'],
    ['after a zero in a row of a table', '0,4111111111111111,12/27'],
    ['in an array', '[1,4111111111111111]'],
    ['in SQL', "INSERT INTO cards VALUES (1,4111111111111111,'Ann')"],
    ['after a number', 'Customer 42 4111111111111111'],
    ['in groups after a number', 'Card 2 4111 1111 1111 1111'],
    ['in groups after a number at the start', '12 4111 1111 1111 1111'],
    ['in groups with hyphens after a number', 'Card 2 4111-1111-1111-1111'],
    ['in groups after a year', 'since 2024 4111 1111 1111 1111'],
    ['in groups after some numbers', '1 23 456 7 89 3782 822463 10005'],
    ['with no-break spaces', '4111\u00a01111\u00a01111\u00a01111'],
    ['with narrow no-break spaces', '4111\u202f1111\u202f1111\u202f1111'],
    ['with no-break hyphens', '4111\u20111111\u20111111\u20111111'],
    ['with dots', '4111.1111.1111.1111'],
    ['on a word', 'card_4111111111111111'],
    ['on a word with a hyphen', 'card-4111111111111111'],
  ])('a card number %s', (_name, text) => {
    expect(screen.of(text)).toMatchObject({ score: 0.8, categories: ['financial_data'] });
  });

  test.each([
    ['in rows of a table', 'name,ssn\nAnn Smith,123-45-6789\nBob,234-56-7890', 1],
    ['in rows of a table without its name', 'Ann Smith,123-45-6789', 0.8],
    ['on its name', 'SSN-123-45-6789', 1],
    ['with no-break hyphens', '123\u201145\u20116789', 0.8],
    ['with blanks, by its name', 'my ssn 123 45 6789', 1],
    ['in one piece, by its name', 'ssn: 536228726', 1],
    ['in one piece, by its long name', 'Social Security Number is 536228726', 1],
  ])('a number of social security %s', (_name, text, score) => {
    expect(scoreOf(text)).toBe(score);
  });

  test.each([
    ['narrow no-break spaces', 'GB82\u202fWEST\u202f1234\u202f5698\u202f7654\u202f32'],
    ['dashes', 'GB82-WEST-1234-5698-7654-32'],
    ['small letters', 'gb82west12345698765432'],
    ['small letters in groups', 'gb82 west 1234 5698 7654 32'],
  ])('an IBAN with %s', (_name, text) => {
    expect(scoreOf(text)).toBe(0.8);
  });

  test.each([
    ['a decimal number with a comma', 'x = 0,4111111111111111 und mehr'],
    ['a decimal number in a row', '0.4111111111111111,0.5555555555554444'],
    ['a number with commas', '4,111,111,111,111,111'],
    ['a row of years', '4111 1111 1111 1112 4111 1111 1111 1111 1112'],
    ['a part of a longer number', '12-4111-1111-1111-1111'],
    ['a version', '1.4111.1111.1111.1111'],
    ['a barcode', 'EAN 4006381333924, 4012345678901, 4222222222222'],
    ['an ISBN', '9780306406157, 978-0-306-40615-7'],
    ['a time in microseconds', '1718000000000000,1718000000000008'],
    ['numbers with blanks', 'rows 123 45 6789 of it'],
    ['nine digits', 'order 536228726'],
    ['social media', 'social media post 536228726'],
    ['the number of a part', 'ABC-123-45-6789'],
    ['a part of a longer one, after a comma', '1,1-123-45-6789'],
    ['small letters with wrong check digits', 'gb83west12345698765432'],
    ['a path', '/groups/4111111111111111/members'],
  ])('not %s', (_name, text) => {
    expect(scoreOf(text)).toBe(0);
  });

  test.each([
    ['a key', String.raw`{"k":"sk\u002d1234567890abcdef"}`, 0.8],
    ['a key with capital digits', String.raw`{"k":"sk\u002D1234567890abcdef"}`, 0.8],
    [
      'the secret of an access key',
      String.raw`{"aws_secret_access_key":"wJalrXUtnFEMI\u002BK7MDENG/bPxRfiCYzzKEYABCDE"}`,
      0.8 + 0.2,
    ],
    ['an address', String.raw`{"db":"postgres:\/\/app:Sup3rSecr3t9@db\/x"}`, 0.8],
    ['a card', String.raw`{"card":"4111\u00a01111\u00a01111\u00a01111"}`, 0.8],
    ['a keyword', String.raw`{"x":"auf der Stra\u00dfe"}`, 0.2],
    ['a keyword in another script', String.raw`{"x":"\u5bc6\u7801"}`, 0.2],
    ['JSON within JSON', JSON.stringify({ a: String.raw`{"k":"sk\u002d1234567890abcdef"}` }), 0.8],
    [
      'JSON within JSON within JSON',
      JSON.stringify(JSON.stringify(String.raw`{"k":"sk\u002d1234567890abcdef"}`)),
      0.8,
    ],
    ['text that is no JSON', String.raw`C:\users\unicode \/ \u12 \uXYZW \\`, 0],
  ])('escapes of JSON hide nothing: %s', (_name, text, score) => {
    expect(scoreOf(text)).toBeCloseTo(score, 5);
  });

  test.each(['\u200b', '\u200c', '\u200d', '\u2060', '\ufeff', '\u00ad', '\u200b\u2060'])(
    'invisible characters hide nothing: %j',
    (hidden) => {
      expect(scoreOf(`use sk-12345678${hidden}90abcdef now`)).toBe(0.8);
      expect(scoreOf(`use s${hidden}k-1234567890abcdef now`)).toBe(0.8);
      expect(scoreOf(`41111111${hidden}11111111`)).toBe(0.8);
      expect(scoreOf(`the pass${hidden}word`)).toBe(0.2);
      // Where they end a word, they do so still.
      expect(scoreOf(`4111111111111111${hidden}1234`)).toBe(0.8);
    },
  );

  test('other hyphens hide no keys', () => {
    for (const hyphen of ['\u2010', '\u2011', '\u2013', '\u2212'])
      expect(scoreOf(`sk${hyphen}proj${hyphen}Ab3dEf6hIj9kLm2nOp5q`)).toBe(0.8);
  });

  test.each([
    ['a hash', 'redis://default:p4ss#w0rd@cache:6379', 0.8],
    ['a question mark', 'redis://default:p4ss?w0rd@cache:6379', 0.8],
    ['a dollar in front', 'postgres://app:$up3rS3cr3t@db', 0.8],
    ['a percent sign in front', 'postgres://app:%40bcd3fgh@db', 0.8],
    ['a variable', 'postgres://app:$DB_PASSWORD2@db and postgres://app:$password@db', 0.2],
    ['a command', 'postgres://app:$(cat db.txt)@db', 0],
    ['a form', 'postgres://app:%(pass9)s@db and postgres://app:%DBPASS%@db', 0],
    ['a port', 'http://localhost:8080?mail=a@b and http://localhost:8080#a@b', 0],
    ['no port', 'http://localhost?from:me12345=a@b', 0],
  ])('a password in an address with %s', (_name, text, score) => {
    expect(scoreOf(text)).toBeCloseTo(score, 5);
  });

  const letters = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789';
  const key = (n: number): string => `aB3${random(n - 3, letters, n)}`;
  test.each([
    ['a key of Azure Storage', `AccountName=a;AccountKey=${key(86)}==;EndpointSuffix=core.windows.net`],
    ['a key of Azure Service Bus', `SharedAccessKeyName=a;SharedAccessKey=${key(43)}=`],
    ['a webhook of Slack', `curl https://hooks.slack.com/services/T01ABCDEF23/B04ABCDEF56/${key(24)}`],
    ['the token of a bot', `bot: 1234567890:${key(35)}`],
    ['the token of a bot in an address', `https://api.telegram.org/bot1234567890:${key(35)}/getMe`],
  ])('%s', (_name, text) => {
    expect(scoreOf(text)).toBeGreaterThanOrEqual(0.8);
  });

  test.each([
    'AccountKey=<account>',
    'AccountKey=Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==',
    `AccountKey=${key(40)}`,
    'https://hooks.slack.com/services/T00000000/B00000000/XXXXXXXXXXXXXXXXXXXXXXXX',
    'see hooks.slack.com/services for incoming ones, and git hooks',
    `1234567890:${key(34)}`,
    `12345678:${key(36)}`,
    '12345678:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa',
  ])('no key: %s', (text) => {
    expect(scoreOf(text)).toBe(0);
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
    '12 4111 1111 1111 1111 ',
    '1,4111111111111111,',
    '4111.',
    '4111.1111.',
    'ssn 123 45 ',
    'social security 123456789 ',
    'gb82',
    'gb82-west-',
    'aB=',
    'aB=a1',
    'aB: ',
    'aBaBaBaB=',
    'a://a:1?',
    'a://a:a#',
    'accountkey=',
    'accountkey=aB3',
    'hooks.slack.com/',
    'hooks.slack.com/aB/',
    '12345678:',
    '12345678:aB3',
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

  const oddities = [
    '\\u0041',
    '\\\\u0041',
    '\\/',
    '\\',
    '\\\\',
    '\u200b',
    'a\u200b',
    '\u00a0',
    'a\u2011',
    '\\u200b',
    '\\u005cu005cu0041',
  ];
  test.each(oddities)('of taking apart %j is linear, too', (piece) => {
    const text = piece.repeat(Math.ceil(1_000_000 / piece.length));
    const readings = readingsOf(text);
    expect(readings.length).toBeLessThanOrEqual(5);
    for (const reading of readings) expect(reading.length).toBeLessThanOrEqual(text.length);
    const before = performance.now();
    screen.of(text);
    // What grows with the square takes minutes.
    expect(performance.now() - before).toBeLessThan(5_000);
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
