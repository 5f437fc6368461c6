/**
 * A host on the built package, as a process of its own, whose own resolver is given whole rows: of `files`, by a class,
 * and of `papers`, by a function in SQL. The tables must be there, but for the sync tables.
 */
import { writeSync } from 'node:fs';
import { Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { TypeOrmModule } from '@nestjs/typeorm';
import { OwnershipResolver, SynchroModule, SyncTable } from 'nestjs-synchro';
import { Column, DeleteDateColumn, Entity, PrimaryColumn, UpdateDateColumn } from 'typeorm';

const { DATABASE_URL: url, SYNC_SLOT: slotName, SYNC_PUBLICATION: publicationName } = process.env;

function syncedEntity(name, options) {
  const entity = { [name]: class {} }[name];
  PrimaryColumn('uuid')(entity.prototype, 'id');
  for (const column of ['user_id', 'title', 'content']) Column('text')(entity.prototype, column);
  UpdateDateColumn({ type: 'timestamptz' })(entity.prototype, 'updated_at');
  DeleteDateColumn({ type: 'timestamptz' })(entity.prototype, 'deleted_at');
  SyncTable(options)(entity);
  Entity(name)(entity);
  return entity;
}

const entities = [
  syncedEntity('files', { ownerColumn: 'user_id' }),
  syncedEntity('papers', { ownerColumn: 'user_id', bucketFunction: 'paper_buckets' }),
];

/** Looks into the content, too. */
class ContentResolver extends OwnershipResolver {
  async resolveOwners(_table, rows) {
    return rows.map(({ data }) => [`user:${data.user_id}`, `length:${data.content.length}`]);
  }
}

class AppModule {}
Module({
  imports: [
    TypeOrmModule.forRoot({ type: 'postgres', url, entities }),
    SynchroModule.forRoot({
      userId: (context) => context.switchToHttp().getRequest().headers['x-user-id'],
      migrationsRun: true,
      providers: [{ provide: OwnershipResolver, useClass: ContentResolver }],
      replication: { slotName, publicationName },
    }),
  ],
})(AppModule);

const app = await NestFactory.create(AppModule);
app.enableShutdownHooks(['SIGTERM'], { useProcessExit: true });
await app.listen(process.env.PORT);
writeSync(1, `URL: ${(await app.getUrl()).replace('[::1]', 'localhost')}\n`);
