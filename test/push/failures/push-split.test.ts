import { randomUUID } from 'node:crypto';
import { HttpException, Logger } from '@nestjs/common';
import { SyncTable } from 'nestjs-synchro';
import { Column, Entity } from 'typeorm';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { MAX_TRIES } from '../../../lib/engine/push/failures/change-tries.js';
import type { PushAcceptedEvent } from '../../../lib/index.js';
import { synchroMigrationsSql } from '../../../lib/store/migrations/index.js';
import { createTableSql } from '../../support/schema-fixtures.js';
import type { RunningApp } from '../../support/app.js';
import { createDatabase, type TestDatabase } from '../../support/database.js';
import { Device, SyncHttpError } from '../../support/device.js';
import { createRole, type TestRole } from '../../support/roles.js';
import { tasksDone } from '../../support/consumer.js';
import { applied, startWalApp, SyncedRow } from '../../support/wal-app.js';
import type { PushChange, PushResponse } from '../../support/wire.js';

@Entity('rooms')
@SyncTable({ ownerColumn: 'user_id' })
class Room extends SyncedRow {
  @Column('text', { name: 'user_id' })
  userId!: string;

  @Column('text', { nullable: true })
  title!: string | null;
}

let database: TestDatabase;
let role: TestRole;
let app: RunningApp;
let alice: Device;
let hook: ((event: PushAcceptedEvent) => Promise<void>) | null = null;

beforeAll(async () => {
  Logger.overrideLogger(false);
  database = await createDatabase();
  role = await createRole(database);
  for (const statement of synchroMigrationsSql()) await database.query(statement);
  await database.query(createTableSql('marks'));
  await database.query(createTableSql('rooms', 'user_id text NOT NULL, title text'));
  await database.query('CREATE TABLE checks (id uuid REFERENCES rooms DEFERRABLE INITIALLY DEFERRED)');
  await database.query(
    `CREATE FUNCTION kill() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
       PERFORM pg_terminate_backend(pg_backend_pid()); RETURN NEW;
     END $$`,
  );
  await database.query(
    `CREATE TRIGGER kill BEFORE INSERT ON rooms FOR EACH ROW WHEN (NEW.title = 'kill') EXECUTE FUNCTION kill()`,
  );
  await database.query(
    `CREATE FUNCTION may_see(title text) RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN
       IF title = 'unreadable' THEN RAISE 'a policy fails' USING ERRCODE = '55000'; END IF;
       RETURN true;
     END $$`,
  );
  await database.query(
    `CREATE FUNCTION race() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE SQLSTATE '40P01'; END $$`,
  );
  await database.query(
    `CREATE TRIGGER race BEFORE INSERT ON rooms FOR EACH ROW WHEN (NEW.title = 'race') EXECUTE FUNCTION race()`,
  );
  await database.query('ALTER TABLE rooms ENABLE ROW LEVEL SECURITY');
  await database.query('CREATE POLICY all_rooms ON rooms USING (may_see(title))');
  await database.query(`GRANT SELECT, INSERT, UPDATE, DELETE ON rooms TO ${role.name}`);
  await database.query(`GRANT SELECT ON marks, sync_bucket_edges TO ${role.name}`);
  await database.query('ALTER FUNCTION kill SECURITY DEFINER');
  app = await startWalApp(database, [Room], {
    pushRole: role.name,
    hooks: { onPushAccepted: async (event: PushAcceptedEvent) => hook?.(event) },
  });
  alice = new Device(app.url, 'alice');
  await alice.start();
});
afterEach(() => {
  hook = null;
});
afterAll(async () => {
  await app?.close();
  await database?.drop();
  await role?.drop();
});

const create = (id: string = randomUUID(), title = 'x'): PushChange => ({
  id,
  table_name: 'rooms',
  operation: 'create',
  data: { title },
});

/** The status of the answer, or of each change in it. */
async function push(changes: readonly PushChange[]): Promise<number | readonly string[]> {
  try {
    const response: PushResponse = await alice.push(changes);
    const all = [...response.accepted, ...response.rejected];
    return changes.map(({ id }) => all.find((result) => result.id === id)?.status ?? 'none');
  } catch (error) {
    if (error instanceof SyncHttpError) return error.status;
    throw error;
  }
}

async function stored(ids: readonly string[]): Promise<number> {
  const rows = await database.query('SELECT FROM rooms WHERE id = ANY($1)', [ids]);
  return rows.length;
}

const refuses =
  (id: string, fail: (event: PushAcceptedEvent) => Promise<unknown>) =>
  async (event: PushAcceptedEvent): Promise<void> => {
    if (event.accepted.some(({ recordId }) => recordId === id)) await fail(event);
  };

describe('a push that fails as a whole because of one record', () => {
  it.each([
    ['a hook throws', 500, () => Promise.reject(new Error('not this one'))],
    ['a hook refuses it', 422, () => Promise.reject(new HttpException('no', 422))],
    [
      "a hook's write fails at COMMIT",
      500,
      ({ manager }: PushAcceptedEvent) => manager.query('INSERT INTO checks VALUES ($1)', [randomUUID()]),
    ],
  ])(
    'as %s is applied without it in the end, and so is what comes next [W-HOST-37]',
    async (_, status, fail) => {
      const changes = Array.from({ length: 9 }, () => create());
      const [bad = ''] = changes.slice(4, 5).map(({ id }) => id);
      hook = refuses(bad, fail);
      const ids = changes.map(({ id }) => id);
      expect([await push(changes), await push(changes)]).toEqual([status, status]);
      expect(await stored(ids)).toBe(0);
      const third = await push(changes);
      expect(third).toEqual(ids.map((id) => (id === bad ? 'rejected_retryable' : 'applied')));
      expect(await stored(ids)).toBe(8);
      const next = create();
      expect(await push([create(bad), next])).toEqual(['rejected_retryable', 'applied']);
      expect(await push([create(bad)])).toEqual(['rejected_terminal']);
      hook = null;
      expect(await push([create(bad)])).toEqual(['applied']);
      const left = await database.query('SELECT FROM sync_push_failures WHERE record_id = ANY($1)', [ids]);
      expect(left).toEqual([]);
    },
  );

  it('in a race that never ends is applied without it at once [W-HOST-28]', async () => {
    const [good, bad] = [create(), create(randomUUID(), 'race')];
    const answers = [];
    for (let n = 0; n < MAX_TRIES; n++) answers.push(await push([bad, good]));
    expect(answers).toEqual([
      ...Array.from({ length: MAX_TRIES - 1 }, () => ['rejected_retryable', 'applied']),
      ['rejected_terminal', 'applied'],
    ]);
  });

  it('as its connection is lost ends likewise [W-HOST-37]', async () => {
    const [good, bad] = [create(), create(randomUUID(), 'kill')];
    const answers = [];
    for (let n = 0; n < MAX_TRIES; n++) answers.push(await push([bad, good]));
    expect(answers).toEqual([
      503,
      503,
      ['rejected_retryable', 'applied'],
      ['rejected_retryable', 'applied'],
      ['rejected_terminal', 'applied'],
    ]);
  });

  it('as a policy fails in reading it is applied without it at once [W-HOST-37]', async () => {
    const bad = randomUUID();
    await database.query(`INSERT INTO rooms (id, user_id, title) VALUES ($1, 'alice', 'unreadable')`, [bad]);
    const edit = { id: bad, table_name: 'rooms', operation: 'update' as const, data: { title: 'mine' } };
    const answers = [];
    for (let n = 0; n < MAX_TRIES; n++) answers.push(await push([create(), edit, create()]));
    expect(answers).toEqual([
      ...Array.from({ length: MAX_TRIES - 1 }, () => ['applied', 'rejected_retryable', 'applied']),
      ['applied', 'rejected_terminal', 'applied'],
    ]);
  });

  it('that is refused in the end is redelivered by a pull [W-HOST-37]', async () => {
    const id = randomUUID();
    await alice.push([create(id, 'before')]);
    hook = refuses(id, () => Promise.reject(new Error('not this one')));
    await applied(database);
    await alice.pull();
    alice.update('rooms', id, { title: 'typed' });
    for (let n = 1; n < MAX_TRIES; n++) await expect(alice.sync()).rejects.toThrow();
    expect(alice.row('rooms', id)).toMatchObject({ title: 'typed' });
    await alice.sync();
    await tasksDone(database);
    await alice.pull();
    expect(alice.row('rooms', id)).toMatchObject({ title: 'before' });
    const [kept] = await database.query('SELECT change FROM sync_push_failures WHERE record_id = $1', [id]);
    expect(JSON.parse(String(kept?.change))).toMatchObject({ title: 'typed' });
  });
});

it('a hook that asks devices to come later is never overruled [W-HOST-37]', async () => {
  const change = create();
  hook = () => Promise.reject(new HttpException('later', 503));
  for (let n = 0; n < MAX_TRIES + 2; n++) expect(await push([change])).toBe(503);
  hook = null;
  expect(await push([change])).toEqual(['applied']);
});
