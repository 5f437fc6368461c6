import { defineConfig } from 'vitest/config';
import config from './vitest.config.js';

/** `npm run test:package`: slow, and it needs the npm registry, so `npm test` leaves it out. */
export default defineConfig({
  resolve: config.resolve ?? {},
  test: {
    include: ['test/package/*.check.ts', 'client/test/*.check.ts'],
    globalSetup: ['test/support/global-setup.ts'],
    pool: 'forks',
    reporters: ['verbose'],
    // Each step stands on the one before it.
    bail: 1,
    testTimeout: 600_000,
    hookTimeout: 600_000,
    teardownTimeout: 60_000,
  },
});
