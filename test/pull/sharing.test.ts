import { randomUUID } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { bucketOf, JoinResolver, OwnershipResolver, SyncTable, type ResolveRow } from 'nestjs-synchro';
import { Column, DataSource, Entity, PrimaryColumn } from 'typeorm';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { createTableSql } from '../support/schema-fixtures.js';
import type { RunningApp } from '../support/app.js';
import { createDatabase, type TestDatabase } from '../support/database.js';
import { Device } from '../support/device.js';
import type { PushResponse, Row } from '../support/wire.js';
import { applied, inOneTransaction, startWalApp, SyncedRow } from '../support/wal-app.js';

@Entity('board_shares')
class BoardShare {
  @PrimaryColumn('uuid', { name: 'board_id' })
  boardId!: string;

  @PrimaryColumn('text', { name: 'user_id' })
  userId!: string;
}

@Entity('boards')
@SyncTable({ ownerColumn: 'user_id', bucketSources: [{ entity: () => BoardShare, fkColumn: 'boardId' }] })
class Board extends SyncedRow {
  @Column('text', { name: 'user_id' })
  userId!: string;

  @Column('text')
  title!: string;
}

@Entity('lists')
@SyncTable({ parent: () => Board, parentFkColumn: 'board_id' })
class List extends SyncedRow {
  @Column('uuid', { name: 'board_id' })
  boardId!: string;

  @Column('text')
  title!: string;
}

@Entity('cards')
@SyncTable({ parent: () => List, parentFkColumn: 'list_id' })
class Card extends SyncedRow {
  @Column('uuid', { name: 'list_id' })
  listId!: string;

  @Column('text')
  title!: string;
}

/** The configuration page's SharingResolver: one row at a time. */
@Injectable()
class SharingResolver extends OwnershipResolver {
  constructor(
    private readonly inner: JoinResolver,
    private readonly dataSource: DataSource,
  ) {
    super();
  }

  override async resolveOwner(table: string, row: ResolveRow): Promise<readonly string[]> {
    const buckets = await this.inner.resolveOwner(table, row);
    if (table !== 'boards') return buckets;
    const shares: readonly { user_id: string }[] = await this.dataSource.query(
      'SELECT user_id FROM board_shares WHERE board_id = $1',
      [row.recordId],
    );
    return [...buckets, ...shares.map(({ user_id: userId }) => bucketOf('user:', userId))];
  }
}

const TABLES = ['boards', 'lists', 'cards'] as const;

describe('a shared row', () => {
  let database: TestDatabase;
  let app: RunningApp;
  let reader: Device;
  /** The board, its list, and the card in it have the same id. */
  let id: string;

  beforeAll(async () => {
    database = await createDatabase();
    await database.query(createTableSql('boards', 'user_id text NOT NULL, title text NOT NULL'));
    await database.query(
      createTableSql('lists', 'board_id uuid NOT NULL REFERENCES boards, title text NOT NULL'),
    );
    await database.query(
      createTableSql('cards', 'list_id uuid NOT NULL REFERENCES lists, title text NOT NULL'),
    );
    await database.query(
      'CREATE TABLE board_shares (board_id uuid, user_id text, PRIMARY KEY (board_id, user_id))',
    );
    app = await startWalApp(database, [Board, List, Card, BoardShare], {
      providers: [{ provide: OwnershipResolver, useClass: SharingResolver }],
    });
  });

  afterAll(async () => {
    await app.close();
    await database.drop();
  });

  beforeEach(async () => {
    id = randomUUID();
    reader = new Device(app.url, `reader-${id}`);
    await reader.start();
    await commit(
      `INSERT INTO boards (id, user_id, title) VALUES ('${id}', 'alice', 'of Alice')`,
      `INSERT INTO lists (id, board_id, title) VALUES ('${id}', '${id}', 'of Alice')`,
      `INSERT INTO cards (id, list_id, title) VALUES ('${id}', '${id}', 'of Alice')`,
    );
  });

  async function commit(...statements: string[]): Promise<void> {
    await inOneTransaction(database, ...statements);
    await applied(database);
  }

  const share = (): Promise<void> => commit(`INSERT INTO board_shares VALUES ('${id}', '${reader.userId}')`);
  const unshare = (): Promise<void> => commit(`DELETE FROM board_shares WHERE board_id = '${id}'`);

  /** The tables in which the reader shows a row, after an ordinary pull. */
  async function shown(): Promise<readonly string[]> {
    await reader.pull();
    expect(reader.snapshotReasons).toEqual([]);
    return TABLES.filter((table) => reader.row(table, id) !== undefined);
  }

  async function storedTitles(): Promise<readonly unknown[]> {
    const titles = TABLES.map((table) =>
      database.query<Row>(`SELECT title FROM ${table} WHERE id = $1`, [id]),
    );
    return (await Promise.all(titles)).map(([row]) => row?.['title']);
  }

  it('comes with all that is under it, two levels deep, and goes again, by ordinary pulls [W-OWN-7]', async () => {
    expect(await shown()).toEqual([]);
    await share();
    expect(await shown()).toEqual(TABLES);
    await unshare();
    expect(await shown()).toEqual([]);
    await share();
    expect(await shown(), 'the device holds them, marked as deleted').toEqual(TABLES);
  });

  it('brings what is added under it later, and what changes', async () => {
    await share();
    const card = randomUUID();
    await commit(
      `INSERT INTO cards (id, list_id, title) VALUES ('${card}', '${id}', 'new')`,
      `UPDATE lists SET title = 'renamed', updated_at = now() WHERE id = '${id}'`,
    );
    expect(await shown()).toEqual(TABLES);
    expect(reader.row('cards', card)).toMatchObject({ title: 'new' });
    expect(reader.row('lists', id)).toMatchObject({ title: 'renamed' });
    await unshare();
    await commit(`UPDATE cards SET title = 'not for the reader', updated_at = now() WHERE id = '${card}'`);
    await shown();
    expect(reader.row('cards', card)).toBeUndefined();
  });

  it('is in the snapshot of a new device', async () => {
    await share();
    const fresh = new Device(app.url, reader.userId);
    await fresh.start();
    expect(TABLES.map((table) => fresh.row(table, id)?.['title'])).toEqual(Array(3).fill('of Alice'));
  });

  it('is not written by its reader, who gets it back as it is', async () => {
    await share();
    await shown();
    for (const table of TABLES) reader.update(table, id, { title: 'mine' });
    reader.create('cards', { list_id: id, title: 'mine' });
    expect(reasons(await reader.pushPending())).toEqual(
      Array(4).fill('rejected_terminal ownership_violation'),
    );
    expect(TABLES.map((table) => reader.row(table, id)?.['title'])).toEqual(Array(3).fill('of Alice'));
    for (const table of TABLES) reader.delete(table, id);
    await reader.pushPending();
    expect(await shown()).toEqual(TABLES);
    expect(await storedTitles()).toEqual(Array(3).fill('of Alice'));
    expect(await database.query('SELECT FROM cards WHERE list_id = $1', [id])).toHaveLength(1);
  });

  it('that was soft-deleted before it was shared comes when it is restored', async () => {
    await commit(`UPDATE boards SET deleted_at = now(), updated_at = now() WHERE id = '${id}'`);
    await share();
    // Soft-deleting a parent leaves its children (interleavings 8).
    expect(await shown()).toEqual(['lists', 'cards']);
    await commit(`UPDATE boards SET deleted_at = NULL WHERE id = '${id}'`);
    expect(await shown()).toEqual(TABLES);
    await unshare();
    expect(await shown()).toEqual([]);
  });

  it('that was soft-deleted while it was shared leaves what is under it until it is shared no longer', async () => {
    await share();
    await commit(`UPDATE boards SET deleted_at = now(), updated_at = now() WHERE id = '${id}'`);
    expect(await shown()).toEqual(['lists', 'cards']);
    await unshare();
    expect(await shown()).toEqual([]);
  });

  it('that is shared no longer answers edits made offline without data, and goes', async () => {
    await share();
    await shown();
    for (const table of TABLES) reader.update(table, id, { title: 'typed offline' });
    reader.create('cards', { list_id: id, title: 'typed offline' });
    await unshare();
    await commit(`UPDATE cards SET title = 'a secret', updated_at = now() WHERE id = '${id}'`);
    const responses = await reader.pushPending();
    expect(responses.flatMap(({ accepted }) => accepted)).toEqual([]);
    const verdicts = responses.flatMap(({ rejected }) => rejected);
    expect(verdicts).toHaveLength(4);
    expect(verdicts.map(({ status }) => status)).toEqual(Array(4).fill('rejected_terminal'));
    expect(verdicts.filter((verdict) => verdict.server_version !== undefined)).toEqual([]);
    expect(JSON.stringify(responses)).not.toMatch(/of Alice|a secret|alice/);
    expect(await shown(), 'the device is not held up').toEqual([]);
    expect(await storedTitles()).toEqual(['of Alice', 'of Alice', 'a secret']);
  });

  it('that is taken back from one reader stays with another', async () => {
    await share();
    const other = new Device(app.url, `other-${id}`);
    await other.start();
    await commit(`INSERT INTO board_shares VALUES ('${id}', '${other.userId}')`);
    await other.pull();
    await commit(`DELETE FROM board_shares WHERE user_id = '${reader.userId}'`);
    expect(await shown()).toEqual([]);
    await other.pull();
    expect(TABLES.filter((table) => other.row(table, id) !== undefined)).toEqual(TABLES);
  });
});

function reasons(responses: readonly PushResponse[]): readonly string[] {
  return responses.flatMap(({ rejected }) => rejected.map((r) => `${r.status} ${r.reason_code}`));
}
