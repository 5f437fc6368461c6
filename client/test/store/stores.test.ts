import { describe, it } from 'vitest';
import { STORE_CASES } from '../support/store-suite.js';
import { STORES } from '../support/stores.js';

describe.each(STORES)('the store $name', ({ make }) => {
  it.each(STORE_CASES)('$title', async ({ run }) => {
    await run(await make());
  });
});
