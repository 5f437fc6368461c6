import { defineConfig } from 'vitest/config';

/** `npm run test:matrix`: slow, and it needs the npm registry. `MATRIX=all` runs each version with each. */
export default defineConfig({
  test: {
    include: ['test/matrix/*.check.ts'],
    pool: 'forks',
    reporters: ['verbose'],
    testTimeout: 1_200_000,
    hookTimeout: 60_000,
  },
});
