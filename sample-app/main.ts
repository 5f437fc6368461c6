import { Logger } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { SyncEngine } from 'nestjs-synchro';
import { AppModule } from './app.module.js';
import { settingsFrom } from './app.settings.js';
import { startEmbeddedPostgres } from './embedded-postgres.js';

const SIGNALS = ['SIGINT', 'SIGTERM'];

// Until Nest listens for them, a signal still has to run the 'exit' listener that stops the database.
const leave = (): void => process.exit(1);
for (const signal of SIGNALS) process.on(signal, leave);

const given = process.env['DATABASE_URL'];
const databaseUrl = given || (await startEmbeddedPostgres());
const settings = settingsFrom(process.env, databaseUrl);

const app = await NestFactory.create(AppModule.forRoot(settings));
app.enableShutdownHooks(SIGNALS, { useProcessExit: true });
for (const signal of SIGNALS) process.off(signal, leave);
// With the header of development anybody is anybody: nobody else's machine is let in unless that is asked for.
await app.listen(process.env['PORT'] || 3000, process.env['LISTEN_HOST'] || 'localhost');

const logger = new Logger('SampleApp');
const url = (await app.getUrl()).replace('[::1]', 'localhost');
logger.log(`URL: ${url}`);
logger.log(
  settings.jwtSecret === undefined
    ? 'Users: the X-User-ID header (development only; set JWT_SECRET to require tokens)'
    : 'Users: the "sub" of HS256 bearer tokens',
);
// A URL that the user brought may have a password anywhere in it: it stays out of the log.
logger.log(`Database: ${given ? 'that of DATABASE_URL' : `${databaseUrl} (for psql and as DATABASE_URL)`}`);
if (settings.demo !== undefined) {
  await logFollows(app.get(SyncEngine)).catch((error: unknown) => logger.warn(error));
  // The start's last line: the page has its rows now.
  process.stdout.write(`\n${url}\n`);
}

async function logFollows(engine: SyncEngine): Promise<void> {
  await engine.caughtUp();
  // At the first start, making the slot may have been enough; a later position is reached by the stream alone.
  await engine.caughtUp();
}
