import { Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { TypeOrmModule } from '@nestjs/typeorm';
import {
  SubscriptionResolver,
  SyncEngine,
  SyncStatus,
  SynchroModule,
  UserIdHeaderGuard,
} from 'nestjs-synchro';
import { HandWrittenController } from '../baselines/hand-written.js';
import { profiler } from '../environment/profiler.js';
import { recorder } from '../environment/recorder.js';
import { serve } from '../environment/serve.js';
import { ENTITIES, type TaskRule } from './entities.js';
import { ReaderSubscriptions } from './reader-subscriptions.js';

const { env } = process;
const rule = (env['SYNC_TASKS'] ?? 'owned') as TaskRule;
const name = env['SYNC_NAME'] ?? '';

/** An app as docs/getting-started.md makes it. */
@Module({
  imports: [
    TypeOrmModule.forRoot({
      type: 'postgres',
      url: env['DATABASE_URL'] ?? '',
      entities: [...ENTITIES[rule]],
    }),
    SynchroModule.forRoot({
      guards: [UserIdHeaderGuard({ allowInProduction: true })],
      providers: [{ provide: SubscriptionResolver, useClass: ReaderSubscriptions }],
      migrationsRun: true,
      compaction: {},
      replication: { slotName: `${name}_slot`, publicationName: `${name}_pub` },
    }),
  ],
  controllers: [HandWrittenController],
})
class AppModule {}

const app = await NestFactory.create(AppModule, { logger: ['error', 'fatal'] });
await app.listen(0, '127.0.0.1');
const engine = app.get(SyncEngine, { strict: false });
serve(
  {
    ...profiler,
    ...recorder,
    caughtUp: () => engine.caughtUp({ timeout: 600_000 }),
    /** How many entries went. */
    compact: async () => (await engine.runCompaction()).deletedEntries,
    live: async () => (await app.get(SyncStatus, { strict: false }).read()).live,
  },
  await app.getUrl(),
  () => app.close(),
);
