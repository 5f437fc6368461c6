/**
 * The built sample app, told by the environment what a test of faults needs: REPLICATION (replication options, as
 * JSON), STATEMENT_TIMEOUT (milliseconds), and VERSION. Version 2 syncs one table more, `notes`, and places tags by
 * another rule: those without an owner are nobody's instead of everyone's.
 */
import { writeSync } from 'node:fs';
import { Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { TypeOrmModule } from '@nestjs/typeorm';
import {
  OwnershipResolver,
  SynchroModule,
  synchroMigrations,
  SyncTable,
  UserIdHeaderGuard,
} from 'nestjs-synchro';
import { Column, DeleteDateColumn, Entity, PrimaryColumn, UpdateDateColumn } from 'typeorm';

const { env } = process;
const built = async (path) => import(new URL(`../../dist/sample-app/${path}`, import.meta.url).href);
const { Category } = await built('categories/category.entity.js');
const { CreateSampleTables1767225600000 } = await built('migrations/1767225600000-create-sample-tables.js');
const { Tag } = await built('tags/tag.entity.js');
const { Comment } = await built('tasks/comment.entity.js');
const { SharingResolver } = await built('tasks/sharing.resolver.js');
const { TaskShare } = await built('tasks/task-share.entity.js');
const { Task } = await built('tasks/task.entity.js');

class Note {}
PrimaryColumn('uuid')(Note.prototype, 'id');
Column('text', { name: 'user_id' })(Note.prototype, 'userId');
Column('text', { nullable: true })(Note.prototype, 'text');
UpdateDateColumn({ name: 'updated_at', type: 'timestamptz' })(Note.prototype, 'updatedAt');
DeleteDateColumn({ name: 'deleted_at', type: 'timestamptz' })(Note.prototype, 'deletedAt');
Entity('notes')(Note);
SyncTable({ ownerColumn: 'user_id' })(Note);

class CreateNotes1798761600000 {
  async up(runner) {
    await runner.query(`CREATE TABLE notes (id uuid PRIMARY KEY, user_id text NOT NULL, text text,
      updated_at timestamptz NOT NULL DEFAULT now(), deleted_at timestamptz)`);
  }

  async down(runner) {
    await runner.query('DROP TABLE notes');
  }
}

const next = env.VERSION === '2';
if (next) SyncTable({ ownerColumn: 'user_id' })(Tag);

class HostModule {}
Module({
  imports: [
    TypeOrmModule.forRoot({
      type: 'postgres',
      url: env.DATABASE_URL,
      entities: [Task, TaskShare, Comment, Category, Tag, ...(next ? [Note] : [])],
      migrations: [
        ...synchroMigrations,
        CreateSampleTables1767225600000,
        ...(next ? [CreateNotes1798761600000] : []),
      ],
      migrationsRun: true,
      retryAttempts: 1,
    }),
    SynchroModule.forRoot({
      guards: [UserIdHeaderGuard()],
      providers: [{ provide: OwnershipResolver, useClass: SharingResolver }],
      replication: {
        slotName: env.SYNC_SLOT,
        publicationName: env.SYNC_PUBLICATION,
        ...JSON.parse(env.REPLICATION ?? '{}'),
      },
      ...(env.STATEMENT_TIMEOUT && { statementTimeout: Number(env.STATEMENT_TIMEOUT) }),
    }),
  ],
})(HostModule);

const app = await NestFactory.create(HostModule);
app.enableShutdownHooks(['SIGTERM'], { useProcessExit: true });
await app.listen(env.PORT, '127.0.0.1');
writeSync(1, `URL: ${await app.getUrl()}\n`);
