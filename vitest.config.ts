import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vitest/config';
import { CoverReporter } from './test/support/cover-reporter.js';
import { LongestFirst } from './test/support/longest-first.js';

export default defineConfig({
  resolve: {
    alias: {
      // Before the package itself, whose name it begins with.
      'nestjs-synchro/testing': fileURLToPath(new URL('./lib/testing/index.ts', import.meta.url)),
      'nestjs-synchro': fileURLToPath(new URL('./lib/index.ts', import.meta.url)),
    },
  },
  test: {
    include: ['test/**/*.test.ts'],
    reporters: ['default', new CoverReporter()],
    globalSetup: ['test/support/global-setup.ts'],
    sequence: { sequencer: LongestFirst },
    pool: 'forks',
    maxWorkers: 2,
    testTimeout: 60_000,
    hookTimeout: 120_000,
    teardownTimeout: 60_000,
  },
});
