import { availableParallelism } from 'node:os';
import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    testTimeout: 20_000,
    hookTimeout: 30_000,
    pool: 'forks',
    // Many tests wait rather than work, so that a core may be shared by two.
    maxWorkers: availableParallelism(),
    reporters: ['default'],
    projects: [
      {
        extends: true,
        // They leave nothing behind in their process; what they import is read once.
        test: {
          name: 'parts',
          include: ['tests/**/*.test.ts'],
          exclude: ['tests/e2e/**'],
          isolate: false,
          setupFiles: ['tests/support/no-secrets-yet.ts'],
        },
      },
      { extends: true, test: { name: 'whole', include: ['tests/e2e/**/*.test.ts'] } },
    ],
  },
});
