import { randomUUID } from 'node:crypto';
import { SyncTable } from 'nestjs-synchro';
import { Column, Entity } from 'typeorm';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { RunningApp } from '../../support/app.js';
import { createDatabase, type TestDatabase } from '../../support/database.js';
import { Device } from '../../support/device.js';
import { eventually } from '../../support/wait.js';
import { applied, inOneTransaction, logOf, startWalApp, SyncedRow } from '../../support/wal-app.js';

@Entity('letters')
@SyncTable({ ownerColumn: 'user_id' })
class Letter extends SyncedRow {
  @Column('text', { name: 'user_id' })
  userId!: string;

  @Column('text')
  title!: string;
}

const COLUMNS =
  'id uuid PRIMARY KEY, user_id text, title text, updated_at timestamptz NOT NULL DEFAULT now(), deleted_at timestamptz';
const OLD = `FOR VALUES FROM ('00000000-0000-0000-0000-000000000000') TO ('80000000-0000-0000-0000-000000000000')`;

describe('a partition that was away, and whose changes were nobody’s meanwhile,', () => {
  let database: TestDatabase;
  let app: RunningApp;
  let alice: Device;
  const [moved, stayed] = [`1${randomUUID().slice(1)}`, `9${randomUUID().slice(1)}`];

  beforeEach(async () => {
    database = await createDatabase();
    await database.query(`
      CREATE TABLE letters (${COLUMNS}) PARTITION BY RANGE (id);
      CREATE TABLE letters_old PARTITION OF letters ${OLD} PARTITION BY RANGE (id);
      CREATE TABLE letters_oldest PARTITION OF letters_old DEFAULT;
      CREATE TABLE letters_new PARTITION OF letters DEFAULT`);
    app = await startWalApp(database, [Letter]);
    await database.query(
      `INSERT INTO letters (id, user_id, title) VALUES ($1, 'alice', 'first'), ($2, 'alice', 'first')`,
      [moved, stayed],
    );
    await applied(database);
    alice = new Device(app.url, 'alice');
    await alice.start();
    // What the consumer has stored of the table, it has come to after the start.
    await eventually(async () => {
      const stored = await database.query(
        `SELECT FROM sync_table_rules WHERE table_name = 'letters' AND table_shape IS NOT NULL`,
      );
      expect(stored).toHaveLength(1);
    });
  });

  afterEach(async () => {
    await app.close();
    await database.drop();
  });

  // None of them moves `updated_at`: who wrote them did not know of sync.
  it.each([
    [
      'comes back',
      'ALTER TABLE letters_old DETACH PARTITION letters_oldest',
      `UPDATE letters_oldest SET title = 'written away'`,
      'ALTER TABLE letters_old ATTACH PARTITION letters_oldest DEFAULT',
    ],
    [
      'comes back with the one above it',
      'ALTER TABLE letters DETACH PARTITION letters_old',
      `UPDATE letters_old SET title = 'written away'`,
      `ALTER TABLE letters ATTACH PARTITION letters_old ${OLD}`,
    ],
    [
      'gives its place to another one with the same keys',
      'ALTER TABLE letters DETACH PARTITION letters_old',
      'CREATE TABLE letters_copy (LIKE letters INCLUDING ALL)',
      'INSERT INTO letters_copy SELECT * FROM letters_old',
      `UPDATE letters_copy SET title = 'written away'`,
      `ALTER TABLE letters ATTACH PARTITION letters_copy ${OLD}`,
    ],
  ])('%s: its rows are delivered again, and no others [W-HOST-23]', async (_, ...statements) => {
    await inOneTransaction(database, ...statements);
    await eventually(async () => {
      await alice.sync();
      expect(alice.row('letters', moved)).toMatchObject({ title: 'written away' });
    });
    expect(await logOf(database, 'letters', moved)).toEqual(['create user:alice', 'update user:alice']);
    expect(await logOf(database, 'letters', stayed)).toEqual(['create user:alice']);
  });
});
