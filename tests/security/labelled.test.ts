import { expect, test } from 'vitest';
import { evaluate, readLabelled } from '../../scripts/security-evaluate.ts';
import { Screen } from '../../src/security/screening.ts';

test('secrets are found, and little else', () => {
  const texts = readLabelled();
  expect(texts.length).toBeGreaterThanOrEqual(600);
  expect(new Set(texts.map(({ text }) => text)).size).toBe(texts.length);
  const { recall, falsePositives, groups } = evaluate(texts, new Screen({ keywords: [], threshold: 0.7 }));
  expect(recall).toBeGreaterThanOrEqual(0.98);
  expect(falsePositives).toBeLessThanOrEqual(0.02);
  for (const kind of ['', '_number', '_escaped', '_typography', '_code'])
    expect(groups.get(`near_miss${kind}`)).toMatchObject({ label: 'clean', found: 0 });
  expect(groups.get('dense')?.count).toBeGreaterThan(3);
});
