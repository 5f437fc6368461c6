import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vitest/config';
import { CoverReporter } from './test/support/cover-reporter.js';

export default defineConfig({
  resolve: {
    alias: {
      // Before the package itself, whose name it begins with.
      'nestjs-synchro/testing': fileURLToPath(new URL('./lib/testing/index.ts', import.meta.url)),
      'nestjs-synchro': fileURLToPath(new URL('./lib/index.ts', import.meta.url)),
    },
  },
  test: {
    include: ["test/compaction.test.ts", "test/contract.test.ts", "test/cover-lists.test.ts", "test/durations.test.ts", "test/guards-retry-after.test.ts", "test/hooks.test.ts", "test/properties/round-trip.test.ts", "test/pull-pages.test.ts", "test/push-concurrency.test.ts", "test/push-ownership.test.ts", "test/push-parking.test.ts", "test/push-verdicts.test.ts", "test/registry.test.ts", "test/resolvers.test.ts", "test/retention.test.ts", "test/rls-sql.test.ts", "test/rls.test.ts", "test/scenarios-device.test.ts", "test/scenarios-sync.test.ts", "test/scenarios-wal.test.ts", "test/schema-contract.test.ts", "test/schema-default-portability.test.ts", "test/schema-drift.test.ts", "test/schema-service.test.ts", "test/schema-wire.test.ts", "test/served-timestamps.test.ts", "test/snapshot-pages.test.ts", "test/table-options.test.ts", "test/version-gate.test.ts", "test/wal-epochs.test.ts", "test/wal-recovery.test.ts"],
    reporters: ['default', new CoverReporter()],
    globalSetup: ['test/support/global-setup.ts'],
    pool: 'forks',
    maxWorkers: 2,
    testTimeout: 60_000,
    hookTimeout: 120_000,
    teardownTimeout: 60_000,
  },
});
