import { expect, it } from 'vitest';
import { openTab } from '../support/browser.js';
import { sampleBrowser } from '../support/sample-browser.js';

const sample = sampleBrowser();

it('an edit in IndexedDB is on the disk when it resolves [W-CLIENT-31]', async () => {
  const page = await openTab(sample.context, sample.server.app.url, sample.user);
  const durability = await page.evaluate(async () => {
    const asked: string[] = [];
    const begin = Reflect.get(IDBDatabase.prototype, 'transaction');
    IDBDatabase.prototype.transaction = function (...options) {
      const tx = begin.apply(this, options);
      if (tx.mode === 'readwrite') asked.push(tx.durability);
      return tx;
    };
    await window.sync.table('tasks').create({ title: 'Kept' });
    return asked;
  });
  expect(new Set(durability)).toEqual(new Set(['strict']));
});
