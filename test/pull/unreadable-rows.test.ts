import { randomUUID } from 'node:crypto';
import type { LoggerService } from '@nestjs/common';
import { SyncEngine, SyncTable } from 'nestjs-synchro';
import { Column, Entity } from 'typeorm';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createTableSql } from '../support/schema-fixtures.js';
import type { RunningApp } from '../support/app.js';
import { tasksDone } from '../support/consumer.js';
import { createDatabase, type TestDatabase } from '../support/database.js';
import { Device } from '../support/device.js';
import { createRole, type TestRole } from '../support/roles.js';
import { testRun } from '../support/run.js';
import { applied, startWalApp, SyncedRow } from '../support/wal-app.js';

@Entity('shares')
@SyncTable({ ownerColumn: 'user_id' })
class Share extends SyncedRow {
  @Column('text', { name: 'user_id' })
  userId!: string;

  @Column('integer')
  people!: number;

  @Column({ type: 'integer', insert: false, update: false })
  each!: number;
}

@Entity('notes')
@SyncTable({ ownerColumn: 'user_id' })
class Note extends SyncedRow {
  @Column('text', { name: 'user_id' })
  userId!: string;
}

interface LogLine {
  readonly message: string;
  readonly table?: string;
  readonly record?: string;
  readonly error?: string;
}

/** What raises for a share among no people. */
const FAULTS = {
  'a virtual generated column': {
    each: 'integer GENERATED ALWAYS AS (100 / people) VIRTUAL',
    policy: '',
    least: 18,
    heal: null,
  },
  "a policy of the host's": {
    each: 'integer',
    policy: 'CREATE POLICY fair ON shares USING (100 / people >= 0)',
    least: 0,
    heal: 'ALTER POLICY fair ON shares USING (true)',
  },
} as const;

const TESTED = Object.entries(FAULTS).filter(([, { least }]) => testRun().serverVersion >= least);

describe.each(TESTED)('a row that raises when it is read, with %s,', (_, fault) => {
  let database: TestDatabase;
  let role: TestRole;
  let app: RunningApp;
  let phone: Device;
  let lines: LogLine[];

  const take = (line: unknown): void => void lines.push(line as LogLine);
  const logger: LoggerService = { log: take, warn: take, error: take };

  beforeEach(async () => {
    lines = [];
    database = await createDatabase();
    role = await createRole(database);
    await database.query(
      createTableSql('shares', `user_id text NOT NULL, people integer NOT NULL, each ${fault.each}`),
    );
    await database.query(createTableSql('notes', 'user_id text NOT NULL'));
    // The tables of sync's own are made before a role can be granted them.
    const making = await startWalApp(database, [Share, Note], { replication: false });
    await making.close();
    await role.grantSyncTables();
    await database.query(`GRANT SELECT, INSERT, UPDATE, DELETE ON shares, notes, marks TO ${role.name}`);
    if (fault.policy !== '') await database.query('ALTER TABLE shares ENABLE ROW LEVEL SECURITY');
    await database.query(fault.policy === '' ? 'SELECT' : fault.policy);
    app = await startWalApp({ ...database, url: role.url }, [Share, Note], {
      logger,
      migrationsRun: false,
      replication: { connection: { connectionString: database.url } },
    });
    phone = new Device(app.url, 'alice', undefined, { pageSize: 10 });
  });
  afterEach(async () => {
    await app.close();
    await database.drop();
    await role.drop();
  });

  async function insert(people: number, user = 'alice'): Promise<string> {
    const id = randomUUID();
    await database.query('INSERT INTO shares (id, user_id, people) VALUES ($1, $2, $3)', [id, user, people]);
    return id;
  }

  async function insertNote(): Promise<string> {
    const id = randomUUID();
    await database.query(`INSERT INTO notes (id, user_id) VALUES ($1, 'alice')`, [id]);
    return id;
  }

  /** What devices are to be told of later is told of now. */
  async function comeBackLater(): Promise<void> {
    await database.query('UPDATE sync_consumer_tasks SET due_at = now()');
    await tasksDone(database);
  }

  const ids = (table = 'shares'): readonly string[] => [...phone.rows(table).keys()].toSorted();
  const reports = (): readonly LogLine[] => lines.filter(({ message }) => message.includes('cannot be read'));

  it('is left out of a snapshot, and comes with its next change [W-HOST-42]', async () => {
    const bad = [await insert(0), await insert(0)];
    const good = await Promise.all(Array.from({ length: 25 }, (_each, n) => insert(n + 1)));
    const note = await insertNote();
    await applied(database);
    await phone.start();
    expect(ids()).toEqual(good.toSorted());
    expect(ids('notes')).toEqual([note]);
    await database.query('UPDATE shares SET people = 2, updated_at = clock_timestamp() WHERE people = 0');
    await applied(database);
    await phone.sync();
    expect(ids()).toEqual([...good, ...bad].toSorted());
  });

  it('is left out of pulls, and comes with its next change [W-HOST-42]', async () => {
    await phone.start();
    const bad = await insert(0);
    await applied(database);
    const [alone] = await phone.pull();
    expect(alone?.changes.filter(({ table_name }) => table_name === 'shares')).toEqual([]);
    const before = phone.checkpoint;
    const good = await Promise.all(Array.from({ length: 25 }, (_each, n) => insert(n + 1)));
    const more = await insert(0);
    const note = await insertNote();
    await applied(database);
    await phone.sync();
    expect(phone.checkpoint).toBeGreaterThan(before);
    expect(ids()).toEqual(good.toSorted());
    expect(ids('notes')).toEqual([note]);
    for (const id of [bad, more])
      await database.query('UPDATE shares SET people = 2, updated_at = clock_timestamp() WHERE id = $1', [
        id,
      ]);
    await applied(database);
    await phone.sync();
    expect(ids()).toEqual([...good, bad, more].toSorted());
  });

  // Of a function that fails there is nothing to mend.
  if (fault.heal !== null)
    it('comes without a change of its own once it can be read, and is asked for once until then [W-HOST-43]', async () => {
      const bad = await insert(0);
      await phone.start();
      await applied(database);
      await phone.sync();
      await database.query('UPDATE shares SET updated_at = clock_timestamp() WHERE id = $1', [bad]);
      await applied(database);
      await phone.sync();
      const asked = (): Promise<unknown[]> =>
        database.query('SELECT kind, record_ids FROM sync_consumer_tasks WHERE due_at > now()');
      expect(await asked()).toEqual([{ kind: 'redeliver', record_ids: [bad] }]);
      await app.app.get(SyncEngine, { strict: false }).caughtUp({ timeout: 5_000 });
      await comeBackLater();
      await phone.sync();
      expect(ids()).toEqual([]);
      expect(await asked()).toHaveLength(1);
      await database.query(fault.heal ?? '');
      await comeBackLater();
      await phone.sync();
      expect(ids()).toEqual([bad]);
      expect(await asked()).toEqual([]);
    });

  it('is deleted from its devices, though it can not be read, when it is [W-HOST-42]', async () => {
    const [soft, hard] = [await insert(1), await insert(1)];
    await applied(database);
    await phone.start();
    expect(ids()).toEqual([soft, hard].toSorted());
    await database.query(
      'UPDATE shares SET people = 0, deleted_at = now(), updated_at = clock_timestamp() WHERE id = $1',
      [soft],
    );
    await database.query('DELETE FROM shares WHERE id = $1', [hard]);
    await applied(database);
    await phone.sync();
    expect(ids()).toEqual([]);
  });

  it('is named in the log, once however many devices ask for it [W-HOST-44]', async () => {
    const bad = await insert(0);
    await applied(database);
    for (let device = 0; device < 3; device++) await new Device(app.url, 'alice').start();
    expect(reports()).toMatchObject([{ table: 'shares', record: bad, error: 'SQLSTATE 22012' }]);
  });

  it('costs a push no other change, and its own change gets a verdict [W-HOST-45]', async () => {
    const bad = await insert(0);
    await applied(database);
    await phone.start();
    const update = { id: bad, table_name: 'shares', operation: 'update', data: { people: 5 } } as const;
    const create = { table_name: 'notes', operation: 'create', data: {} } as const;
    const verdicts: (string | undefined)[] = [];
    for (let push = 0; push < 10; push++) {
      const [id, worse] = [randomUUID(), randomUUID()];
      const { accepted, rejected } = await phone.push([
        update,
        { ...create, id },
        { id: worse, table_name: 'shares', operation: 'create', data: { people: 0 } },
      ]);
      expect(accepted.map((result) => result.id)).toEqual([id]);
      expect(rejected.map((result) => result.id)).toEqual([bad, worse]);
      verdicts.push(rejected.find((result) => result.id === bad)?.status);
    }
    expect(verdicts.at(0)).toBe('rejected_retryable');
    expect(verdicts.at(-1)).toBe('rejected_terminal');
  });
});
