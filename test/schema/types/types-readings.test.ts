import { randomUUID } from 'node:crypto';
import { SyncTable } from 'nestjs-synchro';
import { Client } from 'pg';
import { Column, Entity } from 'typeorm';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createTableSql } from '../../support/schema-fixtures.js';
import type { RunningApp } from '../../support/app.js';
import { withPausedConsumer } from '../../support/consumer.js';
import { createDatabase, type TestDatabase } from '../../support/database.js';
import { Device } from '../../support/device.js';
import { eventually } from '../../support/wait.js';
import { applied, logOf, startWalApp, SyncedRow } from '../../support/wal-app.js';

@Entity('diaries')
@SyncTable({ ownerColumn: 'user_id' })
class Diary extends SyncedRow {
  @Column('text', { name: 'user_id' })
  userId!: string;

  @Column('text')
  title!: string;
}

const TYPES = `
  CREATE TYPE mood AS ENUM ('sad', 'glad', 'calm');
  CREATE DOMAIN feeling AS mood;
  CREATE TYPE mark AS (place int, how mood);
  CREATE TYPE era AS RANGE (subtype = mood)`;
const COLUMNS = `user_id text, title text, mood mood DEFAULT 'sad', felt feeling, moods mood[], marks mark[], era era, a text, b text`;
const VALUES = {
  title: 'first',
  mood: 'sad',
  felt: 'sad',
  moods: '{sad,glad,sad}',
  marks: '{"(1,sad)"}',
  era: '[sad,glad]',
  a: 'of a',
  b: 'of b',
};

describe('DDL that makes rows read as something else, and is not in the write-ahead log,', () => {
  let database: TestDatabase;
  let app: RunningApp;
  let alice: Device;
  let diary: string;

  beforeEach(async () => {
    database = await createDatabase();
    await database.query(`${TYPES}; ${createTableSql('diaries', COLUMNS)}`);
    app = await startWalApp(database, [Diary]);
    alice = new Device(app.url, 'alice');
    await alice.start();
    diary = randomUUID();
    const names = Object.keys(VALUES);
    await database.query(
      `INSERT INTO diaries (id, user_id, ${names.join(', ')})
       VALUES ($1, 'alice', ${names.map((_, index) => `$${index + 2}`).join(', ')})`,
      [diary, ...Object.values(VALUES)],
    );
    await applied(database);
    await alice.sync();
    // What the consumer has stored of the table, it has come to after the start.
    await eventually(async () => {
      const stored = await database.query(
        `SELECT FROM sync_table_rules WHERE table_name = 'diaries' AND table_shape IS NOT NULL`,
      );
      expect(stored).toHaveLength(1);
    });
  });

  afterEach(async () => {
    await app.close();
    await database.drop();
  });

  /** The row as the device has it, once it has become what the server reads. Nothing is written meanwhile. */
  async function becomes(expected: Readonly<Record<string, unknown>>): Promise<void> {
    await eventually(async () => {
      await alice.schema();
      await alice.sync();
      expect(alice.row('diaries', diary)).toMatchObject(expected);
    });
  }

  /** The whole row, as devices send it. */
  function edit(values: Readonly<Record<string, unknown>>): void {
    const row = Object.entries(alice.row('diaries', diary) ?? {});
    expect(row.map(([name]) => name)).toEqual(expect.arrayContaining(['era', 'marks', 'moods']));
    const stored = row.map(([name, value]) => [name, Array.isArray(value) ? JSON.stringify(value) : value]);
    alice.update('diaries', diary, { ...Object.fromEntries(stored), ...values });
  }

  async function logged(entries: number): Promise<void> {
    await eventually(async () => {
      expect(await logOf(database, 'diaries', diary)).toHaveLength(entries);
    });
  }

  it.each<[string, string, Readonly<Record<string, unknown>>]>([
    [
      'an enum label that is renamed',
      `ALTER TYPE mood RENAME VALUE 'sad' TO 'blue'`,
      { mood: 'blue', felt: 'blue', moods: ['blue', 'glad', 'blue'], era: '[blue,glad]' },
    ],
    [
      'two labels that change places',
      `ALTER TYPE mood RENAME VALUE 'sad' TO 'x'; ALTER TYPE mood RENAME VALUE 'glad' TO 'sad'; ALTER TYPE mood RENAME VALUE 'x' TO 'glad'`,
      { mood: 'glad', moods: ['glad', 'sad', 'glad'] },
    ],
    [
      "a composite's attribute that is renamed",
      'ALTER TYPE mark RENAME ATTRIBUTE place TO spot',
      { marks: [{ spot: 1, how: 'sad' }] },
    ],
    [
      "a composite's attribute that is dropped and made again",
      'ALTER TYPE mark DROP ATTRIBUTE how; ALTER TYPE mark ADD ATTRIBUTE how mood',
      { marks: [{ place: 1, how: null }] },
    ],
    [
      'a column that is dropped and made again',
      'ALTER TABLE diaries DROP COLUMN a; ALTER TABLE diaries ADD COLUMN a text',
      { a: null },
    ],
    [
      'two columns that change names',
      'ALTER TABLE diaries RENAME a TO c; ALTER TABLE diaries RENAME b TO a; ALTER TABLE diaries RENAME c TO b',
      { a: 'of b', b: 'of a' },
    ],
    ['a column that is renamed', 'ALTER TABLE diaries RENAME a TO c', { c: 'of a' }],
    [
      'a default that is never written, and that devices can not compute',
      `ALTER TABLE diaries ADD COLUMN tags jsonb DEFAULT '{"a": 1}', ADD COLUMN since date DEFAULT date '2026-02-03'`,
      { tags: { a: 1 }, since: '2026-02-03' },
    ],
    [
      'a default that became another one before devices knew the column',
      'ALTER TABLE diaries ADD COLUMN stars int DEFAULT 5; ALTER TABLE diaries ALTER COLUMN stars SET DEFAULT 1',
      { stars: 5 },
    ],
    [
      'a table that goes, and comes back with other rows under the same keys',
      `ALTER TABLE diaries RENAME TO away; UPDATE away SET title = 'elsewhere'; ALTER TABLE away RENAME TO diaries`,
      { title: 'elsewhere' },
    ],
    [
      'a table that is moved to another schema and back',
      `CREATE SCHEMA attic; ALTER TABLE diaries SET SCHEMA attic; UPDATE attic.diaries SET title = 'dusty'; ALTER TABLE attic.diaries SET SCHEMA public`,
      { title: 'dusty' },
    ],
  ])('%s: rows are delivered again [W-HOST-23]', async (_, ddl, expected) => {
    await database.query(ddl);
    await becomes(expected);
  });

  it('an expression that is computed on reading: rows are delivered again [W-HOST-23]', async ({ skip }) => {
    const [server] = await database.query<{ version: number }>(
      `SELECT current_setting('server_version_num')::int AS version`,
    );
    if ((server?.version ?? 0) < 180_000) skip();
    await database.query(
      'ALTER TABLE diaries ADD COLUMN loud text GENERATED ALWAYS AS (upper(title)) VIRTUAL',
    );
    await becomes({ loud: 'FIRST' });
  });

  it('but nothing is announced again for a label, an attribute or a column that is new, or is away [W-HOST-23]', async () => {
    for (const ddl of [
      `ALTER TYPE mood ADD VALUE 'wild'`,
      'ALTER TABLE diaries ADD COLUMN d text',
      'ALTER TABLE diaries ALTER COLUMN a SET STORAGE EXTERNAL, ALTER COLUMN b SET STATISTICS 5',
      'ALTER TABLE diaries DROP COLUMN b',
      'ALTER DOMAIN feeling ADD CONSTRAINT any_feeling CHECK (true)',
    ]) {
      await database.query(ddl);
    }
    await eventually(async () => {
      const [row] = await database.query<{ readings: object }>(
        `SELECT table_shape -> 'readings' AS readings FROM sync_table_rules WHERE table_name = 'diaries'`,
      );
      expect(Object.keys(row?.readings ?? {})).toContain('d');
      expect(Object.keys(row?.readings ?? {})).not.toContain('b');
    });
    await applied(database);
    expect(await logOf(database, 'diaries', diary)).toEqual(['create user:alice']);
  });

  describe('a device that was away when a label was renamed', () => {
    it.each([
      ['at once', false],
      ['once the consumer has seen it', true],
    ])('pushes %s: what was typed is kept, the label is the one of now [W-HOST-24]', async (_, later) => {
      edit({ title: 'typed offline' });
      const added = alice.create('diaries', { title: 'made offline', mood: 'sad' });
      await database.query(`ALTER TYPE mood RENAME VALUE 'sad' TO 'gloomy'`);
      if (later) await logged(2);
      await database.query(`ALTER TYPE mood RENAME VALUE 'gloomy' TO 'blue'`);
      if (later) await logged(3);
      await alice.schema();
      const [answer] = await alice.pushPending();
      expect(answer?.rejected).toEqual([]);
      expect(
        await database.query('SELECT title, mood, felt, moods::text FROM diaries ORDER BY title DESC'),
      ).toEqual([
        { title: 'typed offline', mood: 'blue', felt: 'blue', moods: '{blue,glad,blue}' },
        { title: 'made offline', mood: 'blue', felt: null, moods: null },
      ]);
      await becomes({ title: 'typed offline', mood: 'blue', moods: ['blue', 'glad', 'blue'] });
      expect(alice.row('diaries', added)).toMatchObject({ mood: 'blue' });
    });

    it('pushes a label that only its own snapshot has seen, and is understood [W-HOST-24]', async () => {
      await withPausedConsumer(database, async () => {
        await database.query(`ALTER TYPE mood RENAME VALUE 'sad' TO 'gloomy'`);
        await alice.schema();
        await alice.snapshot();
        await database.query(`ALTER TYPE mood RENAME VALUE 'gloomy' TO 'blue'`);
      });
      expect(alice.row('diaries', diary)).toMatchObject({ mood: 'gloomy' });
      edit({ title: 'typed offline' });
      await alice.schema();
      const [answer] = await alice.pushPending();
      expect(answer?.rejected).toEqual([]);
      await becomes({ title: 'typed offline', mood: 'blue' });
    });

    it('pushes while the label is renamed, and is understood [W-HOST-24]', async () => {
      edit({ title: 'typed offline' });
      const added = alice.create('diaries', { title: 'made offline', mood: 'glad' });
      const client = new Client({ connectionString: database.url });
      await client.connect();
      // Rows can be read and locked, not written.
      await client.query('BEGIN; LOCK TABLE diaries IN SHARE MODE');
      const pushed = alice.pushPending();
      await lockWaits(database);
      await database.query(`ALTER TYPE mood RENAME VALUE 'glad' TO 'merry'`);
      await client.query('COMMIT');
      await client.end();
      const [answer] = await pushed;
      expect(answer?.rejected).toEqual([]);
      await becomes({ title: 'typed offline', moods: ['sad', 'merry', 'sad'] });
      expect(alice.row('diaries', added)).toMatchObject({ title: 'made offline', mood: 'merry' });
    });

    it('but a label that is gone is refused for good, with the version of the server [W-HOST-24]', async () => {
      edit({ title: 'typed offline' });
      await database.query(`
        CREATE TYPE mood2 AS ENUM ('low', 'glad', 'calm');
        ALTER TABLE diaries ALTER COLUMN mood DROP DEFAULT, ALTER COLUMN mood TYPE mood2 USING
          (CASE mood::text WHEN 'sad' THEN 'low' ELSE mood::text END)::mood2`);
      await alice.schema();
      const [answer] = await alice.pushPending();
      expect(answer?.rejected).toMatchObject([
        { id: diary, status: 'rejected_terminal', reason_code: 'invalid_data' },
      ]);
      expect(JSON.stringify(answer?.rejected)).toContain('"mood":"low"');
      await becomes({ title: 'first', mood: 'low' });
    });

    it('and one that was given away to another label is that label [W-HOST-24]', async () => {
      await database.query(`ALTER TYPE mood RENAME VALUE 'calm' TO 'cool'; ALTER TYPE mood ADD VALUE 'calm'`);
      await alice.schema();
      edit({ mood: 'calm' });
      await alice.pushPending();
      expect(await database.query('SELECT mood FROM diaries')).toEqual([{ mood: 'calm' }]);
    });
  });
});

/** Until a session waits for a lock on the table. */
async function lockWaits(database: TestDatabase): Promise<void> {
  await eventually(async () => {
    const waiting = await database.query(
      `SELECT FROM pg_locks WHERE NOT granted AND relation = 'diaries'::regclass`,
    );
    expect(waiting).toHaveLength(1);
  });
}
