import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vitest/config';
import { ScenarioReporter } from './test/support/scenario-reporter.js';

export default defineConfig({
  resolve: { alias: { 'nestjs-synchro': fileURLToPath(new URL('./lib/index.ts', import.meta.url)) } },
  test: {
    include: ['test/**/*.test.ts'],
    reporters: ['default', new ScenarioReporter()],
    globalSetup: ['test/support/global-setup.ts'],
    pool: 'forks',
    maxWorkers: 2,
    testTimeout: 60_000,
    hookTimeout: 120_000,
    teardownTimeout: 60_000,
  },
});
