import { randomUUID } from 'node:crypto';
import { SyncTable } from 'nestjs-synchro';
import { Column, DeleteDateColumn, Entity, PrimaryColumn, UpdateDateColumn } from 'typeorm';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createTableSql } from '../../support/schema-fixtures.js';
import type { RunningApp } from '../../support/app.js';
import { createDatabase, type TestDatabase } from '../../support/database.js';
import { Device } from '../../support/device.js';
import { applied, edgesOf, inOneTransaction, logOf, startWalApp, SyncedRow } from '../../support/wal-app.js';

const SCHEMA = 'Ünïcode "schema". of. tests';
const TABLE = `Röws "xy".${'é'.repeat(26)}`;
const OWNER = `Owner "of", the.row ${'ö'.repeat(20)}`;

@Entity('docs')
@SyncTable({ ownerColumn: 'user_id' })
class Doc extends SyncedRow {
  @Column('text', { name: 'user_id' })
  userId!: string;
}

@Entity(TABLE, { schema: SCHEMA })
@SyncTable({ ownerColumn: OWNER, idColumn: 'The Key' })
class Odd {
  @PrimaryColumn('uuid', { name: 'The Key' })
  id!: string;

  @Column('text', { name: OWNER })
  owner!: string;

  @UpdateDateColumn({ name: 'Updated.At', type: 'timestamptz' })
  updatedAt!: Date;

  @DeleteDateColumn({ name: 'deleted"at', type: 'timestamptz' })
  deletedAt!: Date | null;
}

const ODD = `"${SCHEMA.replaceAll('"', '""')}"."${TABLE.replaceAll('"', '""')}"`;
const OWNER_SQL = `"${OWNER.replaceAll('"', '""')}"`;

const WIDE_COLUMNS = Array.from({ length: 400 }, (_, n) => `c${n}`);

const DOC_COLUMNS = `user_id text NOT NULL, body text, f8 float8, f4 float4, n numeric, d date, t timestamp, tz timestamptz,
  mood mood, moods mood[], place place, span tstzrange, ints int[], words text[], big oid,
  stored text GENERATED ALWAYS AS (upper(body)) STORED, counted bigint GENERATED ALWAYS AS IDENTITY`;

describe('the values of a row', () => {
  let database: TestDatabase;
  let app: RunningApp;
  let alice: Device;
  let version: number;

  beforeAll(async () => {
    database = await createDatabase();
    const [row] = await database.query<{ version: number }>(
      `SELECT current_setting('server_version_num')::int / 10000 AS version`,
    );
    version = row?.version ?? 0;
    await database.query(`CREATE TYPE mood AS ENUM ('sad', 'ok')`);
    await database.query(`CREATE DOMAIN place AS text CHECK (value <> 'nowhere')`);
    const virtual = version >= 18 ? ', virtual text GENERATED ALWAYS AS (lower(body)) VIRTUAL' : '';
    await database.query(createTableSql('docs', DOC_COLUMNS + virtual));
    // Nobody syncs these: other tables of the name, published or not.
    await database.query('CREATE SCHEMA other; CREATE SCHEMA third');
    await database.query(createTableSql('other.docs', 'user_id text NOT NULL'));
    await database.query(createTableSql('third.docs', 'user_id text NOT NULL'));
    await database.query(
      createTableSql(
        'wide',
        `user_id text NOT NULL, ${WIDE_COLUMNS.map((name) => `${name} text`).join(', ')}`,
      ),
    );
    await database.query(`CREATE SCHEMA "${SCHEMA.replaceAll('"', '""')}"`);
    await database.query(
      `CREATE TABLE ${ODD} ("The Key" uuid PRIMARY KEY, ${OWNER_SQL} text NOT NULL,
         "Updated.At" timestamptz NOT NULL DEFAULT now(), "deleted""at" timestamptz)`,
    );
    app = await startWalApp(database, [Doc, Odd, Wide]);
    await database.query(`ALTER PUBLICATION "${database.publicationName}" ADD TABLE other.docs`);
    alice = new Device(app.url, 'alice');
    await alice.start();
  });

  afterAll(async () => {
    await app.close();
    await database.drop();
  });

  async function commit(...statements: string[]): Promise<void> {
    await inOneTransaction(database, ...statements);
    await applied(database);
  }

  async function insert(values: Readonly<Record<string, string>> = {}): Promise<string> {
    const id = randomUUID();
    const columns = ['id', 'user_id', ...Object.keys(values)].join(', ');
    await commit(
      `INSERT INTO docs (${columns}) VALUES ('${[id, 'alice', ...Object.values(values)].join("', '")}')`,
    );
    return id;
  }

  /** A new device, which takes a snapshot, is to see what one that pulls does. */
  async function expectShown(id: string, values: Readonly<Record<string, unknown>> = {}): Promise<void> {
    const pages = await alice.pull();
    // No SDK reads a year of five digits.
    for (const { updated_at: time } of pages.flatMap(({ changes }) => changes))
      expect(time).toMatch(/^\d{4}-/);
    const fresh = new Device(app.url, 'alice');
    await fresh.start();
    for (const device of [alice, fresh]) expect(device.row('docs', id)).toMatchObject(values);
  }

  it.each([
    'infinity',
    '-infinity',
    '0044-03-15 12:00:00+00 BC',
    '12345-01-01 00:00:00+00',
    '0001-01-01 00:00:00+00',
  ])('may have %s as updated_at, and every later change still arrives', async (time) => {
    const id = await insert({ updated_at: time, body: 'first' });
    await expectShown(id, { body: 'first' });
    for (const body of ['second', 'third']) {
      await commit(`UPDATE docs SET body = '${body}' WHERE id = '${id}'`);
      await expectShown(id, { body });
    }
    for (const body of ['fourth', 'fifth']) {
      await commit(`UPDATE docs SET body = '${body}', updated_at = clock_timestamp() WHERE id = '${id}'`);
      await expectShown(id, { body });
    }
    await commit(`UPDATE docs SET body = 'back', updated_at = '${time}' WHERE id = '${id}'`);
    await expectShown(id, { body: 'back' });
    await commit(`UPDATE docs SET body = 'forth', updated_at = clock_timestamp() WHERE id = '${id}'`);
    await expectShown(id, { body: 'forth' });
    expect(await edgesOf(database, 'docs', id)).toEqual(['user:alice']);
  });

  it.each(['infinity', '-infinity', '0044-03-15 12:00:00+00 BC'])('are deleted at %s', async (time) => {
    const id = await insert();
    await expectShown(id);
    await commit(`UPDATE docs SET deleted_at = '${time}', updated_at = clock_timestamp() WHERE id = '${id}'`);
    await alice.pull();
    expect(alice.row('docs', id)).toBeUndefined();
    expect(await edgesOf(database, 'docs', id)).toEqual(['user:alice (dead)']);
    await commit(`UPDATE docs SET deleted_at = NULL, updated_at = clock_timestamp() WHERE id = '${id}'`);
    await expectShown(id);
  });

  it('may be no numbers and no dates', async () => {
    for (const [f8, n, d] of [
      ['NaN', 'NaN', 'infinity'],
      ['Infinity', 'Infinity', '-infinity'],
      ['-Infinity', '-Infinity', '0044-03-15 BC'],
      ['1e308', '1e1000', '5874897-12-31'],
    ] as const) {
      const id = await insert({
        f8,
        f4: f8 === '1e308' ? '1e38' : f8,
        n,
        d,
        t: d === '5874897-12-31' ? 'infinity' : d,
        tz: 'infinity',
      });
      await expectShown(id);
      expect(await logOf(database, 'docs', id)).toEqual(['create user:alice']);
    }
  });

  it('may be of enums whose labels come and change, of domains, ranges, arrays and generated', async () => {
    const id = await insert({
      body: 'Body',
      mood: 'ok',
      moods: '{sad,ok}',
      place: 'here',
      span: '[2026-01-01,infinity)',
      ints: '{1,NULL}',
      words: '{a,"b c"}',
    });
    await expectShown(id, { mood: 'ok', stored: 'BODY', ...(version >= 18 && { virtual: 'body' }) });
    await database.query(`ALTER TYPE mood ADD VALUE 'glad'`);
    await commit(`UPDATE docs SET mood = 'glad', updated_at = clock_timestamp() WHERE id = '${id}'`);
    await alice.schema();
    await expectShown(id, { mood: 'glad' });
    await commit(
      `ALTER TYPE mood RENAME VALUE 'glad' TO 'happy'`,
      `UPDATE docs SET body = 'Again', updated_at = clock_timestamp() WHERE id = '${id}'`,
      `ALTER DOMAIN place ADD CHECK (value <> 'there')`,
    );
    await alice.schema();
    await expectShown(id, { mood: 'happy', stored: 'AGAIN' });
  });

  it('may be hundreds, and as large as 50 MB', async () => {
    const id = randomUUID();
    await commit(`INSERT INTO wide (id, user_id, c0, c399) VALUES ('${id}', 'alice', 'first', 'last')`);
    await alice.pull();
    expect(alice.row('wide', id)).toMatchObject({ c0: 'first', c200: null, c399: 'last' });
    const size = 50 * 1024 * 1024;
    const large = randomUUID();
    await commit(`INSERT INTO wide (id, user_id, c0) VALUES ('${large}', 'alice', repeat('x', ${size}))`);
    await commit(`UPDATE wide SET c1 = 'changed', updated_at = clock_timestamp() WHERE id = '${large}'`);
    await alice.pull();
    const { c0, c1 } = alice.row('wide', large) ?? {};
    // Not the value itself, which a failure would print.
    expect([typeof c0 === 'string' && c0.length, c1]).toEqual([size, 'changed']);
    await commit(`DELETE FROM wide WHERE id = '${large}'`);
    await alice.pull();
    expect(alice.rows('wide').size).toBe(1);
  }, 300_000);

  it('are followed under names with quotes, dots, blanks and the 63 bytes that PostgreSQL allows', async () => {
    expect(Buffer.byteLength(TABLE)).toBe(63);
    const [id, next] = [randomUUID(), randomUUID()];
    await commit(`INSERT INTO ${ODD} ("The Key", ${OWNER_SQL}) VALUES ('${id}', 'alice')`);
    await alice.pull();
    expect(alice.row(TABLE, id)).toBeDefined();
    await commit(`UPDATE ${ODD} SET "The Key" = '${next}', ${OWNER_SQL} = 'bob' WHERE "The Key" = '${id}'`);
    expect(await edgesOf(database, TABLE, next)).toEqual(['user:bob']);
    await alice.pull();
    expect(alice.rows(TABLE).size).toBe(0);
    await commit(`TRUNCATE ${ODD}`);
    expect(await edgesOf(database, TABLE, next)).toEqual([]);
  });

  it('are not those of tables of the same name elsewhere, published or not', async () => {
    const id = await insert();
    const statements = ['other', 'third'].flatMap((schema) => [
      `INSERT INTO ${schema}.docs (id, user_id) VALUES ('${id}', 'bob')`,
      `UPDATE ${schema}.docs SET user_id = 'carol'`,
      `DELETE FROM ${schema}.docs`,
      `TRUNCATE ${schema}.docs`,
      `ALTER TABLE ${schema}.docs ADD COLUMN more text`,
    ]);
    await commit(...statements, 'TRUNCATE other.docs, third.docs RESTART IDENTITY CASCADE');
    expect(await logOf(database, 'docs', id)).toEqual(['create user:alice']);
    await expectShown(id);
  });

  it('may come with messages, empty transactions, large objects and from another origin', async () => {
    const id = await insert();
    await database.query(
      `SELECT pg_logical_emit_message(true, 'p', 'in a transaction'), pg_logical_emit_message(false, 'p', 'not')`,
    );
    await database.query('BEGIN; SELECT 1; COMMIT');
    await commit(
      `SELECT pg_logical_emit_message(true, 'p', repeat('m', 100000))`,
      `UPDATE docs SET big = lo_from_bytea(0, '\\x0102') WHERE id = '${id}'`,
    );
    await database.query(`SELECT pg_replication_origin_create('${database.name}')`);
    await database.query(
      `SELECT pg_replication_origin_session_setup('${database.name}');
       UPDATE docs SET body = 'from afar', updated_at = clock_timestamp() WHERE id = '${id}';
       SELECT pg_replication_origin_session_reset()`,
    );
    await applied(database);
    await database.query(`SELECT pg_replication_origin_drop('${database.name}')`);
    await expectShown(id, { body: 'from afar' });
    expect(await logOf(database, 'docs', id)).toEqual([
      'create user:alice',
      'update user:alice',
      'update user:alice',
    ]);
  });

  it('go with TRUNCATE, of several tables at once, with what it cascades to and what it restarts', async () => {
    const id = await insert();
    const wide = randomUUID();
    const survivor = randomUUID();
    await commit(`INSERT INTO wide (id, user_id) VALUES ('${wide}', 'alice')`);
    await commit(
      `INSERT INTO docs (id, user_id) VALUES ('${randomUUID()}', 'alice')`,
      'SAVEPOINT one',
      'TRUNCATE docs',
      'ROLLBACK TO one',
      'TRUNCATE ONLY docs, wide, other.docs RESTART IDENTITY CASCADE',
      `INSERT INTO docs (id, user_id) VALUES ('${survivor}', 'alice')`,
    );
    expect(await edgesOf(database, 'docs', id)).toEqual([]);
    expect(await edgesOf(database, 'wide', wide)).toEqual([]);
    await alice.pull();
    expect([...alice.rows('docs').keys()]).toEqual([survivor]);
    expect(alice.rows('wide').size).toBe(0);
  });
});

@Entity('wide')
@SyncTable({ ownerColumn: 'user_id' })
class Wide extends SyncedRow {
  @Column('text', { name: 'user_id' })
  userId!: string;
}
