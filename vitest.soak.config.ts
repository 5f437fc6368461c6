import { defineConfig } from 'vitest/config';
import config from './vitest.config.js';

/** `npm run test:soak`: runs for SOAK_MINUTES, so `npm test` leaves it out. */
export default defineConfig({
  resolve: config.resolve ?? {},
  test: {
    include: [
      'test/soak/*.check.ts',
      'client/test/soak/*.check.ts',
      'test/faults/kill.test.ts',
      'test/live/ends.test.ts',
      'test/live/nothing-lost.test.ts',
      'test/replication/stream/million-rows.test.ts',
    ],
    // As many as `npm test` has no time for.
    env: { KILLS: 'all', LIVE_COMMITS: '50000', LIVE_ABORTED: '20000', TRANSACTION_ROWS: '1000000' },
    fileParallelism: false,
    globalSetup: ['test/support/global-setup.ts'],
    pool: 'forks',
    reporters: ['verbose'],
    testTimeout: 24 * 3_600_000,
    hookTimeout: 300_000,
    teardownTimeout: 60_000,
  },
});
