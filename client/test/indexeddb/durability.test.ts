import { randomUUID } from 'node:crypto';
import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { openTab, startBrowser, testPage } from '../support/browser.js';
import { type SampleServer, startServer } from '../support/devices.js';

let server: SampleServer;
let browser: Browser;

beforeAll(async () => {
  server = await startServer({ configure: await testPage() });
  browser = await startBrowser();
});
afterAll(async () => {
  await browser.close();
  await server.close();
});

it('an edit in IndexedDB is on the disk when it resolves [W-CLIENT-31]', async () => {
  const page = await openTab(await browser.newContext(), server.app.url, randomUUID());
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
