import { Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { TypeOrmModule } from '@nestjs/typeorm';
import { SynchroModule, UserIdHeaderGuard } from 'nestjs-synchro';
import { options } from './data-source.js';

const { SYNC_SLOT, SYNC_PUBLICATION, PORT } = process.env;

@Module({
  imports: [
    TypeOrmModule.forRootAsync({
      useFactory: () => ({ ...options, synchronize: true, retryAttempts: 1 }),
    }),
    SynchroModule.forRootAsync({
      guards: [UserIdHeaderGuard()],
      useFactory: () => ({
        migrationsRun: true,
        replication: { slotName: SYNC_SLOT ?? '', publicationName: SYNC_PUBLICATION ?? '' },
      }),
    }),
  ],
})
class AppModule {}

const app = await NestFactory.create(AppModule);
app.enableShutdownHooks();
await app.listen(PORT ?? 0, '127.0.0.1');
console.log(`URL: ${await app.getUrl()}`);
