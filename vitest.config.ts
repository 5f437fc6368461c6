import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vitest/config';
import { CoverReporter } from './test/support/cover-reporter.js';
import { LongestFirst } from './test/support/longest-first.js';
import { ALONE } from './test/support/shared-processes.js';

const resolve = {
  alias: {
    // Before the package itself, whose name it begins with.
    'nestjs-synchro/testing': fileURLToPath(new URL('./lib/testing/index.ts', import.meta.url)),
    'nestjs-synchro': fileURLToPath(new URL('./lib/index.ts', import.meta.url)),
  },
};

/** The server of the run has the connections and slots for them (test/support/global-setup.ts). */
export const MAX_WORKERS = 4;

/** Of every test file. */
const common = { pool: 'forks', testTimeout: 120_000, hookTimeout: 120_000 } as const;

/** The two ways to run test files. @param alone of {@link ALONE} @param all these, and those that share processes */
export function projects(alone: readonly string[], all: readonly string[]) {
  return [
    { resolve, test: { ...common, name: 'alone', include: [...alone] } },
    {
      resolve,
      test: {
        ...common,
        name: 'shared',
        include: [...all],
        exclude: [...ALONE],
        isolate: false,
        setupFiles: ['test/support/fresh-modules.ts'],
      },
    },
  ];
}

export default defineConfig({
  resolve,
  test: {
    reporters: ['default', new CoverReporter()],
    globalSetup: ['test/support/global-setup.ts'],
    sequence: { sequencer: LongestFirst },
    // For the two cores of CI: tests wait for about half of their time.
    maxWorkers: MAX_WORKERS,
    teardownTimeout: 60_000,
    // What the whole run has is not inherited: each project would start a server.
    projects: projects(ALONE, ['test/**/*.test.ts', 'client/test/**/*.test.ts']),
  },
});
