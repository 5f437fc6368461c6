import { randomUUID } from 'node:crypto';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect, it } from 'vitest';
import { PAGE_HTML, pageScript, startBrowser } from './support/browser.js';
import { startServer } from './support/devices.js';

it('a page of another origin asks once whether it may pull, and not before each pull', async () => {
  const asked: string[] = [];
  const server = await startServer({
    configure: (app) => {
      app.use((request: { method: string; url: string }, _response: unknown, next: () => void) => {
        asked.push(`${request.method} ${request.url}`);
        next();
      });
      app.enableCors({ maxAge: 7_200 });
    },
  });
  const script = await pageScript();
  const pages = createServer((request, response) => {
    const isScript = request.url?.endsWith('.js') === true;
    response
      .setHeader('Content-Type', isScript ? 'text/javascript' : 'text/html')
      .end(isScript ? script : PAGE_HTML);
  });
  const browser = await startBrowser();
  try {
    await new Promise<void>((resolve) => pages.listen(0, '127.0.0.1', resolve));
    const page = await browser.newPage();
    await page.goto(`http://127.0.0.1:${(pages.address() as AddressInfo).port}`);
    await page.evaluate(
      async ({ url, user }) => {
        const sync = await window.client.createSync({ url, user, headers: () => ({ 'x-user-id': user }) });
        for (let pull = 0; pull < 5; pull += 1) await sync.caughtUp();
        await sync.close();
      },
      { url: server.url, user: randomUUID() },
    );
    expect(asked.filter((each) => each === 'POST /sync/pull').length).toBeGreaterThanOrEqual(5);
    expect(asked.filter((each) => each === 'OPTIONS /sync/pull')).toHaveLength(1);
  } finally {
    await browser.close();
    pages.close();
    await server.close();
  }
});
