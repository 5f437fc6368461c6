import { NestFactory } from '@nestjs/core';
import { ExpressAdapter } from '@nestjs/platform-express';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import { ODD_SETTINGS } from './odd.js';
import { WorldModule } from './world.module.js';

const { env } = process;
const isOdd = env['WORLD'] === 'odd';
const app = await NestFactory.create(
  WorldModule.forRoot({
    ...(isOdd && ODD_SETTINGS),
    databaseUrl: env['DATABASE_URL'] ?? '',
    slotName: env['SYNC_SLOT'] ?? '',
    publicationName: env['SYNC_PUBLICATION'] ?? '',
    staleThreshold: '10s',
    // What is gone is given up soon; a transaction of some hundred rows is written in pieces.
    replication: {
      walSenderTimeout: '2s',
      batchRows: 100,
      maxBatchRows: 200,
      ...(isOdd && ODD_SETTINGS.replication),
    },
    ...(env['STATEMENT_TIMEOUT'] && { statementTimeout: Number(env['STATEMENT_TIMEOUT']) }),
  }),
  isOdd ? new FastifyAdapter() : new ExpressAdapter(),
  { logger: ['log', 'warn', 'error'] },
);
app.enableShutdownHooks(['SIGTERM'], { useProcessExit: true });
await app.listen(env['PORT'] ?? 0, '127.0.0.1');
process.stdout.write(`URL: ${await app.getUrl()}\n`);
