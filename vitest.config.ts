import { availableParallelism } from 'node:os';
import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['tests/**/*.test.ts'],
    testTimeout: 20_000,
    hookTimeout: 30_000,
    pool: 'forks',
    // Many tests wait rather than work, so that a core may be shared by two.
    maxWorkers: availableParallelism(),
    reporters: ['default'],
  },
});
