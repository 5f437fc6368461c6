import { basename } from 'node:path';
import { defineConfig } from 'vitest/config';
import config, { MAX_WORKERS, projects } from './vitest.config.js';
import { LongestFirst } from './test/support/longest-first.js';
import { quickFiles } from './test/support/quick-files.js';
import { ALONE } from './test/support/shared-processes.js';

const files = quickFiles();
const alone = files.filter((file) => ALONE.includes(`test/**/${basename(file)}`));

/** `npm run test:quick`: every test file without a database, and some with one for each room of `lib/`. */
export default defineConfig({
  resolve: config.resolve ?? {},
  test: {
    globalSetup: ['test/support/global-setup.ts'],
    sequence: { sequencer: LongestFirst },
    maxWorkers: MAX_WORKERS,
    teardownTimeout: 60_000,
    projects: projects(alone, files),
  },
});
