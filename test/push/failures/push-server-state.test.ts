import { randomUUID } from 'node:crypto';
import { Logger } from '@nestjs/common';
import { SyncTable } from 'nestjs-synchro';
import { Column, Entity } from 'typeorm';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { MAX_TRIES } from '../../../lib/engine/push/failures/change-tries.js';
import { synchroMigrationsSql } from '../../../lib/store/migrations/index.js';
import { createTableSql } from '../../support/schema-fixtures.js';
import type { RunningApp } from '../../support/app.js';
import { withClient } from '../../support/client.js';
import { createDatabase, type TestDatabase } from '../../support/database.js';
import { Device, SyncHttpError } from '../../support/device.js';
import { startWalApp, SyncedRow } from '../../support/wal-app.js';
import type { PushChange } from '../../support/wire.js';

@Entity('rooms')
@SyncTable({ ownerColumn: 'user_id' })
class Room extends SyncedRow {
  @Column('text', { name: 'user_id' })
  userId!: string;

  @Column('text', { nullable: true })
  title!: string | null;
}

let database: TestDatabase;
let app: RunningApp;
let alice: Device;

/** The trigger's argument is what every statement fails with. */
beforeAll(async () => {
  Logger.overrideLogger(false);
  database = await createDatabase();
  for (const statement of synchroMigrationsSql()) await database.query(statement);
  await database.query(createTableSql('rooms', 'user_id text NOT NULL, title text'));
  await database.query(
    `CREATE FUNCTION storm() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
       RAISE 'for everybody' USING ERRCODE = TG_ARGV[0];
     END $$`,
  );
  await database.query(
    `CREATE FUNCTION hang() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
       IF TG_LEVEL = 'STATEMENT' OR NEW.title = 'bad' THEN PERFORM pg_sleep(600); END IF;
       RETURN NEW;
     END $$`,
  );
  app = await startWalApp(database, [Room], { statementTimeout: 300 });
  alice = new Device(app.url, 'alice');
  await alice.start();
});
afterEach(async () => {
  await database.query('DROP TRIGGER IF EXISTS storm ON rooms');
});
afterAll(async () => {
  await app?.close();
  await database?.drop();
});

const create = (title = 'x'): PushChange => ({
  id: randomUUID(),
  table_name: 'rooms',
  operation: 'create',
  data: { title },
});

/** The status of the answer, or of each change in it. */
async function push(changes: readonly PushChange[]): Promise<number | readonly string[]> {
  try {
    const { accepted, rejected } = await alice.push(changes);
    const all = [...accepted, ...rejected];
    return changes.map(({ id }) => all.find((result) => result.id === id)?.status ?? 'none');
  } catch (error) {
    if (error instanceof SyncHttpError) return error.status;
    throw error;
  }
}

async function begin(trigger: string, level: 'ROW' | 'STATEMENT' = 'STATEMENT'): Promise<void> {
  await database.query(
    `CREATE TRIGGER storm BEFORE INSERT OR UPDATE OR DELETE ON rooms FOR EACH ${level} EXECUTE FUNCTION ${trigger}`,
  );
}

async function failures(): Promise<readonly unknown[]> {
  return database.query('SELECT record_id, attempts FROM sync_push_failures');
}

const WRITES: Readonly<Record<string, (id: string) => PushChange>> = {
  create: () => create(),
  update: (id) => ({ id, table_name: 'rooms', operation: 'update', data: { title: 'y' } }),
  delete: (id) => ({ id, table_name: 'rooms', operation: 'delete' }),
};

describe.each(Object.keys(WRITES))('a %s that everybody would fail with', (operation) => {
  it.each([
    ...['40001', '40P01', '57014', '55P03', '53100', '53400'].map((state) => `storm('${state}')`),
    'hang()',
  ])('by %s is sent again however often, and then applied [W-HOST-39]', async (trigger) => {
    const [before, other] = [create(), create()];
    await push([before]);
    const change = WRITES[operation]?.(before.id) ?? before;
    await begin(trigger);
    for (let n = 0; n < MAX_TRIES + 2; n++) expect(await push([change, other])).toBe(503);
    expect(await failures()).toEqual([]);
    await database.query('DROP TRIGGER storm ON rooms');
    expect(await push([change, other])).toEqual(['applied', 'applied']);
  });
});

describe.each([
  ['statement timeout', '0'],
  ['lock timeout', '50ms'],
])('a lock that somebody holds for long, found by the %s,', (_, lockTimeout) => {
  beforeAll(async () => {
    await app.close();
    await database.query(`ALTER DATABASE "${database.name}" SET lock_timeout = '${lockTimeout}'`);
    app = await startWalApp(database, [Room], { statementTimeout: 300 });
    alice = new Device(app.url, 'alice');
    await alice.start();
  });

  it('on the table costs nobody a change [W-HOST-40]', async () => {
    const change = create();
    await withClient(database.url, async (client) => {
      await client.query('BEGIN; LOCK TABLE rooms');
      for (let n = 0; n < MAX_TRIES + 2; n++)
        expect([503, ['rejected_retryable']]).toContainEqual(await push([change]));
    });
    expect(await push([change])).toEqual(['applied']);
  });

  it('on a row costs its change nothing, and holds no other one up [W-HOST-40]', async () => {
    const [row, other] = [create(), create()];
    await push([row]);
    const edit = { ...row, operation: 'update' as const, data: { title: 'y' } };
    await withClient(database.url, async (client) => {
      await client.query('BEGIN');
      await client.query('SELECT FROM rooms WHERE id = $1 FOR UPDATE', [row.id]);
      for (let n = 0; n < 2; n++) expect(await push([edit, other])).toBe(503);
      for (let n = 0; n < MAX_TRIES; n++)
        expect(await push([edit, other])).toEqual(['rejected_retryable', 'applied']);
    });
    expect(await push([edit])).toEqual(['applied']);
  });
});

it('a record that takes too long by itself is still found, and ends by a verdict [W-HOST-39]', async () => {
  const bad = create('bad');
  await begin('hang()', 'ROW');
  for (let n = 1; n < MAX_TRIES; n++)
    expect(await push([bad, create()])).toEqual(['rejected_retryable', 'applied']);
  expect(await push([bad, create()])).toEqual(['rejected_terminal', 'applied']);
});
