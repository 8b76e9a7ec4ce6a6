import { describe, expect, test } from 'vitest';
import { startRig } from '../support/resilience.ts';
import { load, mistakes } from './support/load.ts';

describe('deployments and fallbacks', () => {
  test('are none without a file', () => {
    const { deployments, fallbacks, contextFallbacks } = load(null);
    expect([deployments, fallbacks.size, contextFallbacks.size]).toEqual([[], 0, 0]);
  });

  test('are read in their order', () => {
    const { deployments, fallbacks, contextFallbacks } = load(`
deployments:
  plain: { models: [openai/a, xai/b] }
  full:
    routing: weighted
    sticky: true
    hedge: p95
    models: [{ model: openai/a, weight: 0.5 }]
  fixed: { hedge: 150ms, models: [openai/a] }
  never: { hedge: off, models: [openai/a] }
fallbacks: { plain: [x, y], full: z }
context_fallbacks: { plain: [long] }
`);
    expect(deployments).toEqual([
      {
        name: 'plain',
        routing: 'order',
        sticky: false,
        members: [
          { model: 'openai/a', weight: 1 },
          { model: 'xai/b', weight: 1 },
        ],
      },
      {
        name: 'full',
        routing: 'weighted',
        sticky: true,
        hedge: 'p95',
        members: [{ model: 'openai/a', weight: 0.5 }],
      },
      {
        name: 'fixed',
        routing: 'order',
        sticky: false,
        hedge: 150,
        members: [{ model: 'openai/a', weight: 1 }],
      },
      {
        name: 'never',
        routing: 'order',
        sticky: false,
        hedge: 'off',
        members: [{ model: 'openai/a', weight: 1 }],
      },
    ]);
    expect([...fallbacks]).toEqual([
      ['plain', ['x', 'y']],
      ['full', ['z']],
    ]);
    expect(contextFallbacks.get('plain')).toEqual(['long']);
  });

  test.each([
    ['deployments: []', /^deployments: /],
    ['deployments: { a: { models: [] } }', /^deployments\.a\.models: .*a list of 1 to 64 models/],
    ['deployments: { a: {} }', /^deployments\.a\.models: is missing/],
    ['deployments: { a: { models: [{ weight: 1 }] } }', /^deployments\.a\.models\[0\]\.model: is missing/],
    ['deployments: { a: { models: [{ model: x, weight: 0 }] } }', /^deployments\.a\.models\[0\]\.weight: /],
    [
      'deployments: { a: { routing: random, models: [x] } }',
      /^deployments\.a\.routing: .*one of order, weighted/,
    ],
    ['deployments: { a: { hedge: soon, models: [x] } }', /^deployments\.a\.hedge: .*off, p95, or a time/],
    ['deployments: { a: { model: [x] } }', /^deployments\.a\.model: .*models/],
    ['fallbacks: [a]', /^fallbacks: /],
    ['fallbacks: { a: { b: c } }', /^fallbacks\.a: .*a list of at most 16 models/],
  ])('%s is a mistake', (yaml, line) => {
    expect(mistakes(yaml).some((one) => line.test(one))).toBe(true);
  });

  test('a deployment at a provider that is not there stops the start', async () => {
    await expect(
      startRig('  xai: { enabled: false }\ndeployments:\n  pair: { models: [east/m, xai/grok] }\n'),
    ).rejects.toThrow(/deployments\.pair: "xai\/grok" belongs to provider xai, which is not there/);
  });
});
