import { Logger } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
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
if (settings.demo !== undefined) process.stdout.write(`\n${url}\n`);
