import { Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { TypeOrmModule } from '@nestjs/typeorm';
import { SyncEngine, SynchroModule, UserIdHeaderGuard } from 'nestjs-synchro';
import { profiler } from '../stage/profiler.js';
import { serve } from '../stage/serve.js';
import { Comment, Task } from './entities.js';

const { env } = process;
const name = env['SYNC_NAME'] ?? '';

/** An app as the README makes it. */
@Module({
  imports: [
    TypeOrmModule.forRoot({ type: 'postgres', url: env['DATABASE_URL'] ?? '', entities: [Task, Comment] }),
    SynchroModule.forRoot({
      guards: [UserIdHeaderGuard()],
      migrationsRun: true,
      replication: { slotName: `${name}_slot`, publicationName: `${name}_pub` },
    }),
  ],
})
class AppModule {}

const app = await NestFactory.create(AppModule, { logger: ['error', 'fatal'] });
await app.listen(0, '127.0.0.1');
const engine = app.get(SyncEngine, { strict: false });
serve({ ...profiler, caughtUp: () => engine.caughtUp() }, await app.getUrl(), () => app.close());
