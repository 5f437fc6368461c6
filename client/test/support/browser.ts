import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import type { BrowserContext, Page } from 'playwright-core';
import type { INestApplication } from '@nestjs/common';
import type { AnyTables, Sync } from '../../src/index.js';
import type * as client from './page.js';

export { startBrowser } from './launch-browser.mjs';

declare global {
  interface Window {
    client: typeof client;
    sync: Sync<AnyTables>;
    /** Values that a test counts or keeps. */
    seen: unknown[];
  }
}

/** The script of a page, which makes `client` of what `page.ts` exports. */
export async function pageScript(): Promise<string> {
  const { outputFiles } = await build({
    entryPoints: [fileURLToPath(new URL('page.ts', import.meta.url))],
    bundle: true,
    format: 'iife',
    globalName: 'client',
    target: 'es2022',
    write: false,
  });
  return outputFiles[0]?.text ?? '';
}

export const PAGE_HTML = '<!doctype html><title>test</title><script src="/test-client.js"></script>';

/** For `startApp({ configure })`: a page of the same origin as the sync routes, with this client on it. */
export async function testPage(): Promise<(app: INestApplication) => void> {
  const script = await pageScript();
  return (app) => {
    const adapter = app.getHttpAdapter();
    const answer = (path: string, type: string, body: string): void => {
      adapter.get(path, (_request: unknown, response: unknown) => {
        adapter.setHeader(response, 'Content-Type', type);
        adapter.reply(response, body, 200);
      });
    };
    answer('/test-client.js', 'text/javascript', script);
    answer('/test-page', 'text/html', PAGE_HTML);
  };
}

/** A tab with a device of the user's, that has synced unless `offline`. */
export async function openTab(
  context: BrowserContext,
  url: string,
  user: string,
  options: { readonly offline?: boolean } = {},
): Promise<Page> {
  const page = await context.newPage();
  await page.goto(`${url}/test-page`);
  await startDevice(page, user);
  if (!options.offline) await page.evaluate(() => window.sync.caughtUp({ timeout: 20_000 }));
  return page;
}

/** Makes `window.sync` in a tab; its `tasks` are in memory. */
export async function startDevice(page: Page, user: string): Promise<void> {
  await page.evaluate(async (user) => {
    window.seen = [];
    window.sync = await window.client.createSync({
      url: '/sync',
      user,
      headers: () => ({ 'x-user-id': user }),
      store: window.client.indexedDbStore('test'),
    });
    await window.sync.table('tasks').load();
  }, user);
}

/** Titles of the tab's tasks, sorted. */
export async function titles(page: Page): Promise<readonly string[]> {
  return page.evaluate(() =>
    window.sync
      .table('tasks')
      .query({ orderBy: 'title' })
      .map(({ title }) => title as string),
  );
}
