import { randomUUID } from 'node:crypto';
import { SyncTable } from 'nestjs-synchro';
import { Column, Entity } from 'typeorm';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { createTableSql } from '../support/schema-fixtures.js';
import type { RunningApp } from '../support/app.js';
import { tasksDone } from '../support/consumer.js';
import { createDatabase, type TestDatabase } from '../support/database.js';
import { Device } from '../support/device.js';
import { applied, startWalApp, SyncedRow } from '../support/wal-app.js';

@Entity('boards')
@SyncTable({ ownerColumn: 'user_id', bucketByColumn: 'team', bucketPrefix: 'team:' })
class Board extends SyncedRow {
  @Column('text', { name: 'user_id' })
  userId!: string;

  @Column('text')
  team!: string;
}

@Entity('cards')
@SyncTable({ parent: () => Board, parentFkColumn: 'board_id' })
class Card extends SyncedRow {
  @Column('uuid', { name: 'board_id' })
  boardId!: string;
}

@Entity('notes')
@SyncTable({ ownerColumn: 'user_id' })
class Note extends SyncedRow {
  @Column('text', { name: 'user_id' })
  userId!: string;
}

/** Alice owns rows in the team red, and reads no team. */
describe('a row that its owner does not read where it is, and makes again on a device [W-HOST-41]', () => {
  let database: TestDatabase;
  let app: RunningApp;
  let phone: Device;
  let [board, card, note] = ['', '', ''];

  beforeAll(async () => {
    database = await createDatabase();
    await database.query(createTableSql('boards', 'user_id text NOT NULL, team text NOT NULL'));
    await database.query(createTableSql('cards', 'board_id uuid NOT NULL REFERENCES boards'));
    await database.query(createTableSql('notes', 'user_id text NOT NULL'));
    app = await startWalApp(database, [Board, Card, Note]);
    phone = new Device(app.url, 'alice');
    await phone.start();
  });
  afterAll(async () => {
    await app.close();
    await database.drop();
  });
  beforeEach(async () => {
    [board, card, note] = [randomUUID(), randomUUID(), randomUUID()];
    await database.query(`INSERT INTO boards (id, user_id, team) VALUES ($1, 'alice', 'red')`, [board]);
    await database.query('INSERT INTO cards (id, board_id) VALUES ($1, $2)', [card, board]);
    await database.query(`INSERT INTO notes (id, user_id) VALUES ($1, 'alice')`, [note]);
    await applied(database);
    await phone.pull();
  });

  async function pushed(): Promise<readonly string[]> {
    const { accepted, rejected } = await phone.push(phone.store.pending(10));
    await tasksDone(database);
    await phone.pull();
    return [...accepted, ...rejected].map(({ status }) => status);
  }

  it('is gone with the next pull, though the change is applied', async () => {
    phone.create('boards', { user_id: 'alice', team: 'red' }, board);
    expect(await pushed()).toEqual(['applied']);
    expect(phone.row('boards', board)).toBeUndefined();
  });

  it('is gone where the id is written in capitals', async () => {
    phone.create('boards', { user_id: 'alice', team: 'red' }, board.toUpperCase());
    expect(await pushed()).toEqual(['applied']);
    expect(phone.rows('boards').size).toBe(0);
  });

  it('is gone where it is a child, by the buckets of its parent', async () => {
    phone.create('cards', { board_id: board }, card);
    expect(await pushed()).toEqual(['applied']);
    expect(phone.row('cards', card)).toBeUndefined();
  });

  it("is gone where the server's version won", async () => {
    await database.query(`UPDATE boards SET updated_at = now() + interval '1 hour' WHERE id = $1`, [board]);
    await applied(database);
    phone.create('boards', { user_id: 'alice', team: 'blue' }, board);
    expect(await pushed()).toEqual(['conflict']);
    expect(phone.row('boards', board)).toBeUndefined();
  });

  it('is gone where it was kept from a refused create, and is edited once it is its own', async () => {
    await database.query(`UPDATE boards SET user_id = 'bob' WHERE id = $1`, [board]);
    phone.create('boards', { user_id: 'alice', team: 'red' }, board);
    expect(await pushed()).toEqual(['rejected_terminal']);
    expect(phone.row('boards', board)).toBeDefined();
    await database.query(`UPDATE boards SET user_id = 'alice' WHERE id = $1`, [board]);
    await applied(database);
    phone.update('boards', board, { team: 'red' });
    expect(await pushed()).toEqual(['applied']);
    expect(phone.row('boards', board)).toBeUndefined();
  });

  it('stays where its owner reads it', async () => {
    phone.create('notes', { user_id: 'alice' }, note);
    expect(await pushed()).toEqual(['applied']);
    expect(phone.row('notes', note)).toBeDefined();
  });
});
