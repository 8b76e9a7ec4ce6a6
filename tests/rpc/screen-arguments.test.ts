import { expect, test } from 'vitest';
import { anonymous } from '../../src/auth/principal.ts';
import * as build from '../../src/model/build.ts';
import { screenArguments } from '../../src/rpc/screen-arguments.ts';

const providers = { find: () => null } as never;

test('arguments are written out only where somebody looks at them', () => {
  const args = { toJSON: () => expect.unreachable('nobody looks') };
  expect(screenArguments(() => null, providers)('doc_store', args, anonymous)).toBeNull();
});

test('all of them are looked at', () => {
  const seen: string[] = [];
  const report = build.sensitivityReport('report');
  const screen = screenArguments((texts) => {
    seen.push(...texts());
    return report;
  }, providers);
  expect(screen('doc_store', { query: 'a', more: ['b'] }, anonymous)).toBe(report);
  expect(seen).toEqual(['{"query":"a","more":["b"]}']);
});
