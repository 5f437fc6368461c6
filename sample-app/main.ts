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
await app.listen(process.env['PORT'] || 3000);

const logger = new Logger('SampleApp');
logger.log(`URL: ${(await app.getUrl()).replace('[::1]', 'localhost')}`);
logger.log(
  settings.jwtSecret === undefined
    ? 'Users: the X-User-ID header (development only; set JWT_SECRET to require tokens)'
    : 'Users: the "sub" of HS256 bearer tokens',
);
// A password that the user brought stays out of the log.
logger.log(
  `Database: ${given ? given.replace(/:[^:@/]*@/, ':***@') : databaseUrl} (for psql and as DATABASE_URL)`,
);
