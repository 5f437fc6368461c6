import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { NestFactory } from '@nestjs/core';
import { startBrowser } from '../../client/test/support/launch-browser.mjs';

const built = (path) => import(new URL(`../../dist/sample-app/${path}`, import.meta.url).href);

/** Runs the built app on a new database, with a browser; all of it is gone afterwards. */
export async function withSample(work) {
  const { startPostgres } = await built('postgres/server.js');
  const { AppModule } = await built('app.module.js');
  const folder = await mkdtemp(join(tmpdir(), 'nestjs-synchro-screenshots-'));
  const stops = [() => rm(folder, { recursive: true, force: true })];
  try {
    const server = await startPostgres({
      dataDir: join(folder, 'postgres'),
      durable: false,
      settings: { track_commit_timestamp: 'on' },
    });
    stops.unshift(() => server.stop());
    const app = await NestFactory.create(
      AppModule.forRoot({
        databaseUrl: server.url,
        slotName: 'screenshots_slot',
        publicationName: 'screenshots_pub',
        demo: { seed: true },
      }),
      { logger: ['error', 'fatal'] },
    );
    stops.unshift(() => app.close());
    await app.listen(0, '127.0.0.1');
    const browser = await startBrowser();
    stops.unshift(() => browser.close());
    await work(browser, await app.getUrl());
  } finally {
    for (const stop of stops) await stop();
  }
}
