import { randomUUID } from 'node:crypto';
import { SyncTable } from 'nestjs-synchro';
import { Column, DeleteDateColumn, Entity, PrimaryColumn, UpdateDateColumn } from 'typeorm';
import { afterEach, describe, expect, it } from 'vitest';
import { createTableSql } from '../../support/schema-fixtures.js';
import type { RunningApp } from '../../support/app.js';
import { createDatabase, type TestDatabase } from '../../support/database.js';
import { Device } from '../../support/device.js';
import { applied, edgesOf, startWalApp, SyncedRow } from '../../support/wal-app.js';

@Entity('crates')
@SyncTable({ ownerColumn: 'owner' })
class Crate {
  @PrimaryColumn('text')
  id!: string;

  @Column('text', { nullable: true })
  owner!: string | null;

  @Column('text')
  title!: string;

  @UpdateDateColumn({ name: 'updated_at', type: 'timestamptz' })
  updatedAt!: Date;

  @DeleteDateColumn({ name: 'deleted_at', type: 'timestamptz' })
  deletedAt!: Date | null;
}

@Entity('parts')
@SyncTable({ parent: () => Crate, parentFkColumn: 'crate_id', bucketByColumn: 'place', bucketPrefix: 'at:' })
class Part extends SyncedRow {
  @Column('text', { name: 'crate_id' })
  crateId!: string;

  @Column('text', { nullable: true })
  place!: string | null;
}

@Entity('boxes')
@SyncTable({ ownerColumn: 'owner', bucketFunction: 'box_buckets' })
class Box extends SyncedRow {
  @Column('text')
  owner!: string;
}

interface Types {
  readonly key: string;
  readonly fk: string;
  readonly owner: string;
  readonly place?: string;
  readonly before?: string;
}

function tablesSql({ key, fk, owner, place = 'text', before = '' }: Types): string {
  const times = 'updated_at timestamptz NOT NULL DEFAULT now(), deleted_at timestamptz';
  return `${before};
    CREATE TABLE crates (id ${key} PRIMARY KEY, owner ${owner}, title text NOT NULL, ${times});
    CREATE TABLE parts (id uuid PRIMARY KEY, crate_id ${fk} NOT NULL REFERENCES crates, place ${place}, ${times})`;
}

const DOMAINS = 'CREATE DOMAIN short AS char(8); CREATE DOMAIN shorter AS short CHECK (value <> $$x$$)';

describe('keys, owners, buckets and parents have one text in the log, in SQL and on devices', () => {
  let database: TestDatabase;
  let app: RunningApp | undefined;

  afterEach(async () => {
    await app?.close();
    app = undefined;
    await database.drop();
  });

  it.each<Types & { readonly user: string; readonly ids: readonly [string, string, string] }>([
    { key: 'char(8)', fk: 'varchar(20)', owner: 'char(10)', user: 'alice', ids: ['p1', 'p2', 'p3'] },
    {
      key: 'char(8)',
      fk: 'char(12)',
      owner: 'varchar(9)',
      place: 'char(9)',
      user: 'alice',
      ids: ['p1', 'p2', 'p 3'],
    },
    { key: 'shorter', fk: 'text', owner: 'short', before: DOMAINS, user: 'alice', ids: ['p1', 'p2', 'p3'] },
    { key: 'varchar(8)', fk: 'char(8)', owner: 'text', user: 'alice', ids: ['p1', 'p2', 'p3'] },
    { key: 'int', fk: 'bigint', owner: 'smallint', user: '7', ids: ['1', '2', '3'] },
    { key: 'bigint', fk: 'int', owner: 'bigint', place: 'date', user: '7', ids: ['1', '2', '3'] },
    {
      key: 'uuid',
      fk: 'uuid',
      owner: 'uuid',
      user: randomUUID(),
      ids: [randomUUID(), randomUUID(), randomUUID()],
    },
  ])('for $key, $fk and $owner [W-HOST-22]', async ({ user, ids: [first, second, third], ...types }) => {
    database = await createDatabase();
    await database.query(tablesSql(types));
    const place = types.place === 'date' ? '2026-02-03' : 'here';
    const partOf = async (crate: string): Promise<string> => {
      const part = randomUUID();
      await database.query('INSERT INTO parts (id, crate_id, place) VALUES ($1, $2, $3)', [
        part,
        crate,
        place,
      ]);
      return part;
    };
    await database.query(`INSERT INTO crates (id, owner, title) VALUES ($1, $2, 'first')`, [first, user]);
    const parts = [await partOf(first)];
    app = await startWalApp(database, [Crate, Part]);
    const [maker, other] = [new Device(app.url, user), new Device(app.url, user)];
    await maker.start();
    await other.start();

    maker.create('crates', { title: 'second' }, second);
    await maker.pushPending();
    await database.query(`INSERT INTO crates (id, owner, title) VALUES ($1, $2, 'third')`, [third, user]);
    parts.push(await partOf(second), await partOf(third));
    await applied(database);
    maker.update('crates', first, { title: 'again' });
    await maker.pushPending();
    await database.query('UPDATE parts SET updated_at = now()');
    await applied(database);

    const anew = new Device(app.url, user);
    await anew.start();
    for (const device of [maker, other, anew]) {
      await device.sync();
      expect([...device.rows('crates').keys()].toSorted()).toEqual([first, second, third].toSorted());
      // The row's own key is the same: no blanks behind it.
      for (const [id, row] of device.rows('crates'))
        expect([id, JSON.stringify(id)]).toContain(JSON.stringify(row['id']));
      expect([...device.rows('parts').keys()].toSorted()).toEqual(parts.toSorted());
      expect(device.row('crates', first)).toMatchObject({ title: 'again' });
    }
    for (const part of parts)
      expect(await edgesOf(database, 'parts', part)).toEqual([`at:${place}`, `user:${user}`]);

    await database.query('UPDATE crates SET owner = NULL WHERE id = $1', [first]);
    await applied(database);
    await maker.sync();
    expect([...maker.rows('crates').keys()].toSorted()).toEqual([second, third].toSorted());
    expect([...maker.rows('parts').keys()].toSorted()).toEqual(parts.slice(1).toSorted());
  });

  it('a child whose varchar has blanks that its char parent has not arrives, as its foreign key lets it in [W-HOST-22]', async () => {
    database = await createDatabase();
    await database.query(tablesSql({ key: 'char(8)', fk: 'varchar(20)', owner: 'text' }));
    await database.query(`INSERT INTO crates (id, owner, title) VALUES ('p1', 'alice', 'x')`);
    const [before, after] = [randomUUID(), randomUUID()];
    const insert = `INSERT INTO parts (id, crate_id) VALUES ($1, 'p1   ')`;
    await database.query(insert, [before]);
    app = await startWalApp(database, [Crate, Part]);
    await database.query(insert, [after]);
    await applied(database);
    const alice = new Device(app.url, 'alice');
    await alice.start();
    expect([...alice.rows('parts').keys()].toSorted()).toEqual([before, after].toSorted());
  });

  it.each(['char(10)', 'short'])(
    "a bucket function is told the owner's text, not the padding of %s [W-HOST-22]",
    async (type) => {
      database = await createDatabase();
      await database.query(`${DOMAINS}; ${createTableSql('boxes', `owner ${type}`)};
        CREATE FUNCTION box_buckets(text, text, jsonb, jsonb) RETURNS SETOF text LANGUAGE sql IMMUTABLE
          AS $$ SELECT 'user:' || ($3 ->> 'owner') $$`);
      const [before, after] = [randomUUID(), randomUUID()];
      const insert = `INSERT INTO boxes (id, owner) VALUES ($1, 'alice')`;
      await database.query(insert, [before]);
      app = await startWalApp(database, [Box]);
      await database.query(insert, [after]);
      await applied(database);
      expect(await edgesOf(database, 'boxes', before)).toEqual(['user:alice']);
      expect(await edgesOf(database, 'boxes', after)).toEqual(['user:alice']);
    },
  );
});
