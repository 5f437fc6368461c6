import { Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import { TypeOrmModule } from '@nestjs/typeorm';
import { SynchroModule, UserIdHeaderGuard } from 'nestjs-synchro';
import { DataSource } from 'typeorm';
import { Label, Project, ProjectLabel } from './entities.js';

const { DATABASE_URL, SYNC_SLOT, SYNC_PUBLICATION, PORT } = process.env;

@Module({
  imports: [
    TypeOrmModule.forRootAsync({
      useFactory: () => ({
        type: 'postgres',
        url: DATABASE_URL ?? '',
        entities: [Project, Label, ProjectLabel],
        synchronize: true,
        retryAttempts: 1,
      }),
      // `synchronize` makes the tables, and has no word for a replica identity.
      dataSourceFactory: async (options) => {
        if (!options) throw new Error('TypeORM gives the options');
        const dataSource = await new DataSource(options).initialize();
        await dataSource.query(
          'ALTER TABLE project_label REPLICA IDENTITY USING INDEX project_label_sync_id',
        );
        return dataSource;
      },
    }),
    SynchroModule.forRoot({
      guards: [UserIdHeaderGuard()],
      migrationsRun: true,
      replication: { slotName: SYNC_SLOT ?? '', publicationName: SYNC_PUBLICATION ?? '' },
    }),
  ],
})
class AppModule {}

async function bootstrap(): Promise<void> {
  const app = await NestFactory.create(AppModule, new FastifyAdapter());
  app.enableShutdownHooks();
  await app.listen(PORT ?? 0, '127.0.0.1');
  console.log(`URL: ${await app.getUrl()}`);
}
void bootstrap();
