/**
 * A host with three levels of tables on the built package, as a process of its own: boards, which can be shared; their
 * lists; the cards of those. The tables must be there, but for the sync tables.
 */
import { writeSync } from 'node:fs';
import { Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { TypeOrmModule } from '@nestjs/typeorm';
import {
  bucketOf,
  JoinResolver,
  OwnershipResolver,
  SynchroModule,
  SyncTable,
  UserIdHeaderGuard,
} from 'nestjs-synchro';
import { Column, DataSource, DeleteDateColumn, Entity, PrimaryColumn, UpdateDateColumn } from 'typeorm';

const { DATABASE_URL: url, SYNC_SLOT: slotName, SYNC_PUBLICATION: publicationName } = process.env;

class BoardShare {}
PrimaryColumn('uuid')(BoardShare.prototype, 'board_id');
PrimaryColumn('text')(BoardShare.prototype, 'user_id');
Entity('board_shares')(BoardShare);

function syncedEntity(name, columns, options) {
  const entity = { [name]: class {} }[name];
  PrimaryColumn('uuid')(entity.prototype, 'id');
  for (const [column, type] of Object.entries(columns)) Column(type)(entity.prototype, column);
  UpdateDateColumn({ type: 'timestamptz' })(entity.prototype, 'updated_at');
  DeleteDateColumn({ type: 'timestamptz' })(entity.prototype, 'deleted_at');
  SyncTable(options)(entity);
  Entity(name)(entity);
  return entity;
}

const Board = syncedEntity(
  'boards',
  { user_id: 'text', title: 'text' },
  { ownerColumn: 'user_id', bucketSources: [{ entity: () => BoardShare, fkColumn: 'board_id' }] },
);
const List = syncedEntity(
  'lists',
  { board_id: 'uuid', title: 'text' },
  { parent: () => Board, parentFkColumn: 'board_id' },
);
const Card = syncedEntity(
  'cards',
  { list_id: 'uuid', title: 'text' },
  { parent: () => List, parentFkColumn: 'list_id' },
);

/** A board is in the buckets of those it is shared with, too. */
class SharingResolver extends OwnershipResolver {
  constructor(inner, dataSource) {
    super();
    this.inner = inner;
    this.dataSource = dataSource;
  }

  async resolveOwners(table, rows) {
    const owners = await this.inner.resolveOwners(table, rows);
    if (table !== 'boards') return owners;
    const shares = await this.dataSource.query(
      'SELECT board_id, user_id FROM board_shares WHERE board_id = ANY($1::uuid[])',
      [rows.map(({ recordId }) => recordId)],
    );
    return rows.map(({ recordId }, index) => [
      ...owners[index],
      ...shares
        .filter((share) => share.board_id === recordId)
        .map((share) => bucketOf('user:', share.user_id)),
    ]);
  }
}

class AppModule {}
Module({
  imports: [
    TypeOrmModule.forRoot({
      type: 'postgres',
      url,
      entities: [Board, BoardShare, List, Card],
      retryAttempts: 1,
    }),
    SynchroModule.forRoot({
      guards: [UserIdHeaderGuard()],
      migrationsRun: true,
      replication: { slotName, publicationName },
      providers: [
        {
          provide: OwnershipResolver,
          inject: [JoinResolver, DataSource],
          useFactory: (inner, dataSource) => new SharingResolver(inner, dataSource),
        },
      ],
    }),
  ],
})(AppModule);

const app = await NestFactory.create(AppModule);
app.enableShutdownHooks(['SIGTERM'], { useProcessExit: true });
await app.listen(process.env.PORT, '127.0.0.1');
writeSync(1, `URL: ${await app.getUrl()}\n`);
