import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vitest/config';
import { CoverReporter } from './test/support/cover-reporter.js';
import { LongestFirst } from './test/support/longest-first.js';
import { WITHOUT_DATABASE } from './test/support/without-database.js';

/** What both kinds of files have in common. */
const shared = {
  pool: 'forks',
  testTimeout: 60_000,
  hookTimeout: 120_000,
} as const;

export default defineConfig({
  resolve: {
    alias: {
      // Before the package itself, whose name it begins with.
      'nestjs-synchro/testing': fileURLToPath(new URL('./lib/testing/index.ts', import.meta.url)),
      'nestjs-synchro': fileURLToPath(new URL('./lib/index.ts', import.meta.url)),
    },
  },
  test: {
    reporters: ['default', new CoverReporter()],
    sequence: { sequencer: LongestFirst },
    maxWorkers: 2,
    teardownTimeout: 60_000,
    projects: [
      {
        extends: true,
        test: {
          ...shared,
          name: 'database',
          include: ['test/**/*.test.ts'],
          exclude: [...WITHOUT_DATABASE],
          globalSetup: ['test/support/global-setup.ts'],
        },
      },
      {
        extends: true,
        // A process for each of them would load the same modules again and again.
        test: { ...shared, name: 'no database', include: [...WITHOUT_DATABASE], isolate: false },
      },
    ],
  },
});
