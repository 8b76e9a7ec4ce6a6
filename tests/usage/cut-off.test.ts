import { expect, test } from 'vitest';
import * as build from '../../src/model/build.ts';
import { notedUsage, noteUsage } from '../../src/usage/cut-off.ts';

const used = (promptTokens: number, completionTokens: number) => build.usage(promptTokens, completionTokens);

test('what one attempt of several notes is known of the call, and added to what others have noted', () => {
  const report = build.callReport('', '');
  const own = { provider: 'p' };
  // As attempts side by side have it.
  const divided = new Proxy(report, {
    get: (all, key) => Reflect.get(Object.hasOwn(own, key) ? own : all, key),
    set: (all, key, value) => Reflect.set(Object.hasOwn(own, key) ? own : all, key, value),
  });
  expect(notedUsage(report)).toBeUndefined();
  noteUsage(divided, used(100, 2));
  noteUsage(report, used(10, 1));
  for (const one of [report, divided])
    expect(notedUsage(one)).toMatchObject({ promptTokens: 110, completionTokens: 3 });
  expect(JSON.stringify(report)).not.toContain('110');
  expect({ ...report }).toEqual(build.callReport('', ''));
});
