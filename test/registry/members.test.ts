import { randomUUID } from 'node:crypto';
import { Logger } from '@nestjs/common';
import { SynchroError, SyncTable } from 'nestjs-synchro';
import { Column, Entity, PrimaryColumn } from 'typeorm';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { subscriptionsApplied } from '../support/consumer.js';
import { createDatabase, type TestDatabase } from '../support/database.js';
import { Device } from '../support/device.js';
import { createTableSql } from '../support/schema-fixtures.js';
import { applied, edgesOf, startWalApp, SyncedRow, type WalAppOptions } from '../support/wal-app.js';

@Entity('members')
class Member {
  @PrimaryColumn('text') team!: string;
  @PrimaryColumn('uuid', { name: 'user_id' }) userId!: string;
}

@Entity('notes')
@SyncTable<Note>({
  ownerColumn: 'userId',
  members: { through: () => Member, column: 'team', teamColumn: 'team', userColumn: 'userId' },
})
class Note extends SyncedRow {
  @Column('uuid', { name: 'user_id' }) userId!: string;
  @Column('text', { nullable: true }) team!: string | null;
}

@Entity('lines')
@SyncTable({ parent: () => Note, parentFkColumn: 'note_id' })
class Line extends SyncedRow {
  @Column('uuid', { name: 'note_id' }) noteId!: string;
}

const [ALICE, BOB] = [randomUUID(), randomUUID()];

let database: TestDatabase;

beforeAll(async () => {
  Logger.overrideLogger(false);
  database = await createDatabase();
  await database.query(createTableSql('notes', 'user_id uuid NOT NULL, team text'));
  await database.query(createTableSql('lines', 'note_id uuid NOT NULL REFERENCES notes'));
  await database.query('CREATE TABLE members (team text, user_id uuid, PRIMARY KEY (team, user_id))');
});
afterAll(() => database.drop());

/** A note with a line of the same id. */
async function insert(team: string | null): Promise<string> {
  const id = randomUUID();
  await database.query('INSERT INTO notes (id, user_id, team) VALUES ($1, $2, $3)', [id, ALICE, team]);
  await database.query('INSERT INTO lines (id, note_id) VALUES ($1, $1)', [id]);
  return id;
}

describe('members of a table', () => {
  it('read its rows, those that were there before sync too, and lose them when they leave [W-WRITE-8]', async () => {
    const [before, own] = [await insert('RED'), await insert(null)];
    const app = await startWalApp(database, [Note, Line, Member]);
    try {
      const device = new Device(app.url, BOB);
      await device.start();
      const held = async (): Promise<readonly string[]> => {
        await applied(database);
        await device.pull();
        await subscriptionsApplied(database);
        await device.pull();
        const lines = [...device.rows('lines').keys()].toSorted();
        expect([...device.rows('notes').keys()].toSorted()).toEqual(lines);
        return lines;
      };
      const after = await insert('RED');
      expect(await held()).toEqual([]);
      await database.query(`INSERT INTO members VALUES ('RED', $1)`, [BOB]);
      expect(await held()).toEqual([before, after].toSorted());
      expect(await edgesOf(database, 'notes', before)).toEqual(['members:RED', `user:${ALICE}`]);
      expect(await edgesOf(database, 'lines', before)).toEqual(['members:RED', `user:${ALICE}`]);
      expect(await edgesOf(database, 'notes', own)).toEqual([`user:${ALICE}`]);
      await database.query(`UPDATE notes SET team = 'blue' WHERE id = $1`, [after]);
      expect(await held()).toEqual([before]);
      await database.query('DELETE FROM members');
      expect(await held()).toEqual([]);
      expect(device.snapshotReasons).toEqual([]);
    } finally {
      await app.close();
    }
  });
});

async function failure(
  entities: Parameters<typeof startWalApp>[1],
  options?: WalAppOptions,
): Promise<SynchroError> {
  const error: unknown = await startWalApp(database, entities, options).then(
    (app) => app.close().then(() => new Error('it started')),
    (reason: unknown) => reason,
  );
  if (error instanceof SynchroError) return error;
  throw error;
}

describe('members that could not be looked up stop the start', () => {
  const members = { through: () => Member, column: 'team', teamColumn: 'team', userColumn: 'userId' };

  it('when another option names the buckets', async () => {
    @Entity('notes')
    @SyncTable({ ownerColumn: 'user_id', members, bucketByColumn: 'team', bucketPrefix: 'team:' })
    class Twice extends Note {}
    const { message } = await failure([Twice, Member]);
    expect(message).toContain('it names the buckets, and so does bucketByColumn');
    expect(message).toContain('it names the buckets, and so does bucketPrefix');
  });

  it('when their columns, or their entity, are not there', async () => {
    @Entity('notes')
    @SyncTable({ ownerColumn: 'user_id', members: { ...members, userColumn: 'nobody' } })
    class Nobody extends Note {}
    expect((await failure([Nobody, Member])).message).toContain('there is no column or property nobody');
    expect((await failure([Note])).message).toContain('Member is no entity of the DataSource');
  });

  it('when the team is of another type than its name in the row', async () => {
    @Entity('notes')
    @SyncTable({ ownerColumn: 'user_id', members: { ...members, column: 'id' } })
    class ByKey extends Note {}
    const { message } = await failure([ByKey, Member]);
    expect(message).toContain(`the members of "public"."notes".id can't be looked up in "public"."members"`);
    expect(message).toContain('give teamColumn the type of column');
  });
});
