import { randomUUID } from 'node:crypto';
import { SyncTable } from 'nestjs-synchro';
import { Column, Entity } from 'typeorm';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { RunningApp } from '../../support/app.js';
import { createDatabase, type TestDatabase } from '../../support/database.js';
import { Device } from '../../support/device.js';
import { createTableSql } from '../../support/schema-fixtures.js';
import { eventually } from '../../support/wait.js';
import { applied, edgesOf, startWalApp, SyncedRow } from '../../support/wal-app.js';

@Entity('docs')
@SyncTable({ ownerColumn: 'user_id' })
class Doc extends SyncedRow {
  @Column('text', { name: 'user_id' })
  userId!: string;

  @Column({ type: 'enum', enum: ['calm', 'wild'] })
  mood!: string;
}

let database: TestDatabase;
let app: RunningApp;

beforeAll(async () => {
  database = await createDatabase();
  await database.query(
    `CREATE TYPE docs_mood_enum AS ENUM ('calm', 'wild');
     ${createTableSql('docs', `user_id text NOT NULL, mood docs_mood_enum NOT NULL DEFAULT 'calm'`)}`,
  );
  app = await startWalApp(database, [Doc]);
});

afterAll(async () => {
  await app.close();
  await database.drop();
});

const epoch = async (): Promise<string | undefined> => {
  const [position] = await database.query<{ epoch: string }>(
    'SELECT epoch_seq::text AS epoch FROM sync_wal_position',
  );
  return position?.epoch;
};

const insert = async (id: string, mood = 'calm'): Promise<void> => {
  await database.query(`INSERT INTO docs (id, user_id, mood) VALUES ($1, 'alice', $2)`, [id, mood]);
};

it('rows behind WAL that the server can not decode arrive, with a new slot [W-HOST-100]', async () => {
  const [broken, other] = [randomUUID(), randomUUID()];
  await insert(broken, 'wild');
  await applied(database);
  const phone = await Device.started(app.url, 'alice');
  const before = await epoch();
  // As people take a label from an enum, who don't know that rows have it.
  await database.query(
    `DELETE FROM pg_enum WHERE enumtypid = 'docs_mood_enum'::regtype AND enumlabel = 'wild'`,
  );
  await database.query(`UPDATE docs SET user_id = 'alice' WHERE id = $1`, [broken]);
  await insert(other);
  await eventually(async () => (await edgesOf(database, 'docs', other)).length > 0, { timeout: 60_000 });
  expect(await epoch()).not.toBe(before);
  await phone.pull();
  expect(phone.row('docs', other)).toBeDefined();
});
