import { randomUUID } from 'node:crypto';
import { SyncTable } from 'nestjs-synchro';
import { Column, Entity } from 'typeorm';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createTableSql } from '../../support/schema-fixtures.js';
import type { RunningApp } from '../../support/app.js';
import { createDatabase, type TestDatabase } from '../../support/database.js';
import { Device, RetryableRejectionError } from '../../support/device.js';
import { applied, startWalApp, SyncedRow } from '../../support/wal-app.js';

@Entity('songs')
@SyncTable({ ownerColumn: 'user_id' })
class Song extends SyncedRow {
  @Column('text', { name: 'user_id' })
  userId!: string;

  @Column('text')
  title!: string;
}

@Entity('bands')
@SyncTable({ ownerColumn: 'user_id' })
class Band extends SyncedRow {
  @Column('text', { name: 'user_id' })
  userId!: string;

  @Column('text')
  title!: string;
}

describe('DDL that makes one table unfit for writing while the app runs', () => {
  let database: TestDatabase;
  let app: RunningApp;

  beforeEach(async () => {
    database = await createDatabase();
    await database.query(createTableSql('songs', 'user_id text, title text'));
    await database.query(createTableSql('bands', 'user_id text, title text'));
    app = await startWalApp(database, [Song, Band]);
  });

  afterEach(async () => {
    await app.close();
    await database.drop();
  });

  it.each([
    [
      'an owner that is compared loosely',
      `CREATE COLLATION loose (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
       ALTER TABLE songs ALTER COLUMN user_id TYPE text COLLATE loose`,
      'ALTER TABLE songs ALTER COLUMN user_id TYPE text COLLATE "default"',
    ],
    [
      'an owner of another type',
      'CREATE EXTENSION citext; ALTER TABLE songs ALTER COLUMN user_id TYPE citext',
      'ALTER TABLE songs ALTER COLUMN user_id TYPE text',
    ],
    [
      'an owner of labels',
      `CREATE TYPE who AS ENUM ('Alice', 'Bob'); ALTER TABLE songs ALTER COLUMN user_id TYPE who USING user_id::who`,
      'ALTER TABLE songs ALTER COLUMN user_id TYPE text',
    ],
  ])('%s: edits of it wait on their device, all else goes on [W-HOST-27]', async (_, ddl, fix) => {
    const [alice, bob] = [new Device(app.url, 'Alice'), new Device(app.url, 'Bob')];
    await alice.start();
    await bob.start();
    const song = alice.create('songs', { title: 'typed' });
    await alice.pushPending();
    await applied(database);
    await alice.sync();

    await database.query(ddl);
    await alice.schema();
    await bob.schema();
    alice.update('songs', song, { title: 'typed while it was closed' });
    await expect(alice.pushPending()).rejects.toBeInstanceOf(RetryableRejectionError);
    const band = bob.create('bands', { title: 'of Bob' });
    expect((await bob.pushPending())[0]?.accepted).toHaveLength(1);
    const other = randomUUID();
    await database.query(`INSERT INTO songs (id, user_id, title) VALUES ($1, 'Bob', 'by SQL')`, [other]);
    await applied(database);
    await bob.sync();
    expect(bob.row('songs', other)).toMatchObject({ title: 'by SQL' });
    expect(bob.row('bands', band)).toMatchObject({ title: 'of Bob' });
    const anew = new Device(app.url, 'Bob');
    await anew.start();
    expect(anew.row('songs', other)).toMatchObject({ title: 'by SQL' });

    await database.query(fix);
    await alice.schema();
    expect((await alice.pushPending())[0]?.accepted).toHaveLength(1);
    expect(await database.query('SELECT title FROM songs WHERE id = $1', [song])).toEqual([
      { title: 'typed while it was closed' },
    ]);
  });
});
