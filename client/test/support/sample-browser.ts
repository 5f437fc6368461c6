import { randomUUID } from 'node:crypto';
import type { Browser, BrowserContext } from 'playwright-core';
import { afterAll, afterEach, beforeAll, beforeEach } from 'vitest';
import { startBrowser, testPage } from './browser.js';
import { startServer, type SampleServer } from './devices.js';

/** A user of the sample app who has its tabs in a context of their own. */
export class SampleBrowser {
  server!: SampleServer;
  browser!: Browser;
  context!: BrowserContext;
  user!: string;
}

/** Starts a server and a browser for the tests of a file, and gives each test a user and a context of its own. */
export function sampleBrowser(): SampleBrowser {
  const sample = new SampleBrowser();
  beforeAll(async () => {
    sample.server = await startServer({ configure: await testPage() });
    sample.browser = await startBrowser();
  });
  afterAll(async () => {
    await sample.browser.close();
    await sample.server.close();
  });
  beforeEach(async () => {
    sample.user = randomUUID();
    sample.context = await sample.browser.newContext();
  });
  afterEach(() => sample.context.close());
  return sample;
}
