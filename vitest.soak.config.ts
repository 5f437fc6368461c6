import { defineConfig } from 'vitest/config';

/** `npm run test:soak`: runs for SOAK_MINUTES, so `npm test` leaves it out. */
export default defineConfig({
  test: {
    include: ['test/soak/*.check.ts'],
    globalSetup: ['test/support/global-setup.ts'],
    pool: 'forks',
    reporters: ['verbose'],
    testTimeout: 24 * 3_600_000,
    hookTimeout: 300_000,
    teardownTimeout: 60_000,
  },
});
