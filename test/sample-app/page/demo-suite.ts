import type { Browser, BrowserContext, BrowserContextOptions } from 'playwright-core';
import { afterAll, afterEach, beforeAll, beforeEach } from 'vitest';
import { startBrowser } from '../../../client/test/support/launch-browser.mjs';
import { insertTask } from '../../support/sample-rows.js';
import { openDemo, type DemoPage } from './demo-page.js';
import { startSampleApp, type SampleApp } from '../sample-app.js';

/** The sample app, which asks for tokens, and a browser; each test has a new profile, and no tasks but its own. */
export class DemoSuite {
  sample!: SampleApp;
  browser!: Browser;
  context!: BrowserContext;

  open(context = this.context): Promise<DemoPage> {
    return openDemo(context, this.sample.url);
  }

  async newContext(options: BrowserContextOptions = {}): Promise<void> {
    await this.context.close();
    this.context = await this.browser.newContext(options);
  }

  insert(user: 'alice' | 'bob', title: string): Promise<string> {
    return insertTask(this.sample.database, user, title);
  }

  /** Titles on the server. */
  async stored(): Promise<readonly string[]> {
    const rows = await this.sample.database.query<{ title: string }>(
      'SELECT title FROM tasks WHERE deleted_at IS NULL ORDER BY created_at, id',
    );
    return rows.map(({ title }) => title);
  }
}

export function demoSuite(): DemoSuite {
  const suite = new DemoSuite();
  beforeAll(async () => {
    suite.sample = await startSampleApp({ jwtSecret: 'a secret of at least thirty-two bytes', demo: {} });
    suite.browser = await startBrowser();
  });
  afterAll(async () => {
    await suite.browser.close();
    await suite.sample.close();
  });
  beforeEach(async () => {
    await suite.sample.database.query('DELETE FROM tasks');
    suite.context = await suite.browser.newContext();
  });
  afterEach(() => suite.context.close());
  return suite;
}
