import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { settings } from '../../src/config/settings.ts';
import {
  address,
  allowedBy,
  bytes,
  duration,
  flag,
  host,
  list,
  oneOf,
  origins,
  pairs,
  percentages,
  shownTime,
  text,
  type ValueReader,
  Wrong,
  wholeNumber,
} from '../../src/config/values.ts';

const second: ValueReader<unknown> = duration(1, 3_600_000);
const size: ValueReader<unknown> = bytes(1_024, 2 ** 30);
const word: ValueReader<unknown> = oneOf(['DEBUG', 'WARN'], { warning: 'WARN' });

test.each<[string, ValueReader<unknown>, unknown, unknown]>([
  ['text', text, 'a', 'a'],
  ['a number as text', text, 5, '5'],
  ['true', flag, 'TRUE', true],
  ['1', flag, '1', true],
  ['yes', flag, 'yes', true],
  ['off', flag, 'off', false],
  ['no', flag, false, false],
  ['a number', wholeNumber(0, 9), 9, 9],
  ['a number in text', wholeNumber(0, 9), ' 7 ', 7],
  ['a word in another case', word, 'debug', 'DEBUG'],
  ['another word for it', word, 'Warning', 'WARN'],
  ['a list', list, ['a', ' b '], ['a', 'b']],
  ['a list in text', list, 'a, b,,c', ['a', 'b', 'c']],
  ['pairs', pairs, 'web_search=find, a = b', new Map(Object.entries({ web_search: 'find', a: 'b' }))],
  ['a map of pairs', pairs, { web_search: 'find' }, new Map([['web_search', 'find']])],
  ['percentages', percentages(3), '25, 50,75', [25, 50, 75]],
  ['a list of percentages', percentages(2), [1, 100], [1, 100]],
  ['seconds', second, 10, 10_000],
  ['part of seconds', second, '2.5', 2_500],
  ['milliseconds', second, '150ms', 150],
  ['seconds with unit', second, '10s', 10_000],
  ['minutes', second, '5 m', 300_000],
  ['an hour', second, '1h', 3_600_000],
  ['bytes', size, 1_024, 1_024],
  ['binary megabytes', size, '32MiB', 33_554_432],
  ['decimal megabytes', size, '10 mb', 10_000_000],
  ['a gigabyte', size, '1GiB', 2 ** 30],
  ['an address', address, 'https://api.example.com/v1/', 'https://api.example.com/v1'],
  ['an IPv4 address', host, '127.0.0.1', '127.0.0.1'],
  ['an IPv6 address', host, '::', '::'],
  ['a host name', host, 'gw.example.com', 'gw.example.com'],
  ['all origins', origins, '*', ['*']],
  [
    'some origins',
    origins,
    'https://a.example, http://localhost:3000/',
    ['https://a.example', 'http://localhost:3000/'],
  ],
])('%s is taken', (_what, read, raw, value) => {
  expect(read(raw)).toEqual(value);
});

test.each<[string, ValueReader<unknown>, unknown[]]>([
  ['pairs', pairs, ['web_search', 'a=b=c', '=b', 'a=', { a: 1 }, { a: '' }, ['a'], 7, { 'a b': 'c' }]],
  ['text', text, ['', ' ', 'a\nb', 'a\u0000', true, null, {}, 'x'.repeat(5_000)]],
  ['a flag', flag, ['', 'maybe', 2, null, []]],
  ['a number', wholeNumber(0, 9), ['', ' ', '0x1', '1e0', '1.0', '-1', 10, 1.5, Number.NaN, true, null, [1]]],
  ['a word', word, ['', 'TRACE', 'constructor', '__proto__', 1, null]],
  ['a list', list, [1, null, [1], { a: 1 }]],
  ['a time', second, ['', 'soon', '-1', '1d', 'Infinity', 0, -1, '2h', true, [1], null, '1s1s', '0.0001']],
  ['a size', size, ['', 'big', '5 elephants', -1, 0, '2GiB', '1constructor', true, null, [2_000]]],
  [
    'an address',
    address,
    [
      '',
      'x',
      'ftp://x',
      'http://',
      'http://u:p@x',
      'http://x?a=1',
      'http://x?',
      'http://x#',
      'http://x y',
      1,
      null,
    ],
  ],
  ['a host', host, ['', 'a b', 'http://x', '1.2.3.4:80', '-a', 1, null]],
  [
    'origins',
    origins,
    ['example.com', 'https://a.example/path', 'null', 1, null, ['https://a.example', 'x']],
  ],
])('%s is refused, and what is allowed is said', (_what, read, raws) => {
  for (const raw of raws) {
    expect(read(raw), JSON.stringify(raw)).toBeInstanceOf(Wrong);
    expect((read(raw) as Wrong).allowed).not.toBe('');
  }
});

describe('properties', () => {
  const readers = Object.entries(settings).map(
    ([name, setting]) => [name, setting.read as ValueReader<unknown>] as const,
  );

  test.each(readers)('%s never throws', (_name, read) => {
    fc.assert(fc.property(fc.anything(), (raw) => void read(raw)));
  });

  test('a time survives being shown', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 86_400_000 }), (ms) => {
        expect(duration(1, 86_400_000)(shownTime(ms))).toBe(ms);
      }),
    );
  });

  test('bounds hold', () => {
    fc.assert(
      fc.property(fc.integer(), fc.integer(), fc.integer(), (a, b, value) => {
        const [least, most] = [Math.min(a, b), Math.max(a, b)];
        const read = wholeNumber(least, most)(value);
        expect(read instanceof Wrong).toBe(value < least || value > most);
      }),
    );
  });
});

test('every setting says what is allowed', () => {
  for (const { read, allowed } of Object.values(settings)) {
    expect(allowed).toBe(allowedBy(read));
    expect(allowed).not.toBe('anything');
  }
});
