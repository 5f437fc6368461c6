import { randomUUID } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { startApp, type AppOptions, type RunningApp } from '../support/app.js';
import { consumed } from '../support/consumer.js';
import { createDatabase, type TestDatabase } from '../support/database.js';
import { Device } from '../support/device.js';
import {
  applyPolicies,
  grantForPool,
  migrateWithPolicies,
  onPoolOf,
  replicationOf,
} from '../support/rls-app.js';
import { createRole, type TestRole } from '../support/roles.js';
import { eventually } from '../support/wait.js';
import { edgesOf } from '../support/wal-app.js';

let database: TestDatabase;
let role: TestRole;

beforeEach(async () => {
  database = await createDatabase();
  role = await createRole(database);
});
afterEach(async () => {
  await database.drop();
  await role.drop();
});

/** Why an app does not start; an Error that says so when it does. */
async function whyNotStarted(options: AppOptions): Promise<Error> {
  return startApp(options).then(
    async (app) => app.close().then(() => new Error('it started')),
    (error: Error) => error,
  );
}

/** Starts, and has Alice push a task; its title comes back. */
async function pushes(options: AppOptions): Promise<void> {
  const app = await startApp(options);
  const alice = new Device(app.url, 'alice');
  await alice.start();
  const task = alice.create('tasks', { title: 'x', user_id: 'alice' });
  await alice.pushPending();
  await consumed(database);
  expect(await edgesOf(database, 'tasks', task)).toEqual(['user:alice']);
  await app.close();
}

/** Runs the statements of a message, from the one that begins like this to the end of its line or of all. */
async function fix(message: string, statement: RegExp): Promise<void> {
  const [sql = ''] = statement.exec(message) ?? [];
  expect(sql).not.toBe('');
  await database.query(sql);
}

describe('the start is stopped with what fixes it', () => {
  it('when no policy lets the role of the pool read a table', async () => {
    await migrateWithPolicies(database, role);
    await grantForPool(database, role);
    await database.query('DROP POLICY sync_read_tags ON tags');
    const failed = await whyNotStarted(onPoolOf(role, database));
    expect(failed).toMatchObject({ code: 'configuration_invalid' });
    expect(failed.message).toContain('"tags"');
    expect(failed.message).toContain(`synchroRlsSql(dataSource, { role: '${role.name}' })`);
    await applyPolicies(database, role);
    await pushes(onPoolOf(role, database));
  });

  it('when there is no pushRole, when the pool may not become it, and when that may not write', async () => {
    await migrateWithPolicies(database, role);
    await grantForPool(database, role);
    const pushRole = `${role.name} "b"`;
    const options = onPoolOf(role, database);
    const withRole: AppOptions = { ...options, synchro: { ...options.synchro, pushRole } };

    const none = await whyNotStarted(withRole);
    expect(none).toMatchObject({ code: 'configuration_invalid' });
    await fix(none.message, /CREATE ROLE .* NOLOGIN;/);

    const noMember = await whyNotStarted(withRole);
    expect(noMember).toMatchObject({ code: 'permission_missing' });
    await fix(noMember.message, /GRANT .* TO .*;/);

    const noGrant = await whyNotStarted(withRole);
    expect(noGrant).toMatchObject({ code: 'permission_missing' });
    await fix(noGrant.message, /GRANT[^]*;/);
    await applyPolicies(database, { ...role, name: pushRole });

    await pushes(withRole);
    await database.query(`DROP OWNED BY "${role.name} ""b"""`);
    await database.query(`DROP ROLE "${role.name} ""b"""`);
  });

  describe('when policies hide rows from the consumer', () => {
    let options: AppOptions;

    beforeEach(async () => {
      await migrateWithPolicies(database, role);
      await grantForPool(database, role);
      const replication = { ...replicationOf(database), connection: { connectionString: role.url } };
      options = { database, synchro: { replication } };
      await database.query(`ALTER ROLE ${role.name} REPLICATION`);
      await pushes({ database }); // makes the publication
    });

    it("and it doesn't own the tables [W-WAL-7]", async () => {
      const failed = await whyNotStarted(options);
      expect(failed).toMatchObject({ code: 'permission_missing' });
      expect(failed.message).toContain(role.name);
      await fix(failed.message, /ALTER ROLE .* BYPASSRLS;/);
      await pushes(options);
    });

    it('and it does, but is bound, too', async () => {
      await database.query(`ALTER TABLE tasks OWNER TO ${role.name}`);
      for (const table of ['comments', 'tags', 'categories'])
        await database.query(`ALTER TABLE ${table} DISABLE ROW LEVEL SECURITY`);
      await database.query('ALTER TABLE tasks FORCE ROW LEVEL SECURITY');
      const failed = await whyNotStarted(options);
      expect(failed).toMatchObject({ code: 'permission_missing' });
      await fix(failed.message, /ALTER TABLE .* NO FORCE ROW LEVEL SECURITY;/);
      await pushes(options);
    });
  });
});

it('policies that come while the consumer runs stop it, and cost no edge [W-WAL-7]', async () => {
  await migrateWithPolicies(database, role);
  await grantForPool(database, role);
  for (const table of ['tasks', 'comments', 'tags', 'categories'])
    await database.query(`ALTER TABLE ${table} DISABLE ROW LEVEL SECURITY`);
  await database.query(`ALTER ROLE ${role.name} REPLICATION`);
  await pushes({ database });
  const replication = { ...replicationOf(database), connection: { connectionString: role.url } };
  const app: RunningApp = await startApp({ database, synchro: { replication } });
  const task = randomUUID();
  await database.query(`INSERT INTO tasks (id, user_id, title) VALUES ($1, 'alice', 'x')`, [task]);
  await consumed(database);

  const walsender = async (): Promise<number | null | undefined> => {
    const [slot] = await database.query<{ active_pid: number | null }>(
      'SELECT active_pid FROM pg_replication_slots WHERE slot_name = $1',
      [database.slotName],
    );
    return slot?.active_pid;
  };
  const before = await walsender();
  await database.query('ALTER TABLE tasks ENABLE ROW LEVEL SECURITY');
  // To resolve the task again, the consumer has to read it.
  await database.query(`INSERT INTO task_shares VALUES ($1, 'bob')`, [task]);
  await eventually(async () => (await walsender()) !== before);
  expect(await edgesOf(database, 'tasks', task)).toEqual(['user:alice']);
  await database.query(`ALTER ROLE ${role.name} BYPASSRLS`);
  await eventually(async () => {
    expect(await edgesOf(database, 'tasks', task)).toEqual(['user:alice', 'user:bob']);
  });
  await app.close();
});

it("the start names a table that policies let everyone read, where a resolver of the host's says who does [W-HOST-53]", async () => {
  await migrateWithPolicies(database, role);
  await grantForPool(database, role);
  const warnings = async (): Promise<readonly string[]> => {
    const lines: string[] = [];
    const warn = (line: unknown): void => void lines.push((line as { message: string }).message);
    const options = onPoolOf(role, database);
    const logger = { log: () => undefined, error: () => undefined, warn };
    const app = await startApp({ ...options, synchro: { ...options.synchro, logger } });
    await app.close();
    return lines.filter((line) => line.includes('sync_read_'));
  };
  expect(await warnings()).toEqual([
    expect.stringMatching(
      /sync_read_categories lets everyone read "public"."categories", though SharingResolver .*ownershipResolver: true/,
    ),
  ]);
  await applyPolicies(database, role, { ownershipResolver: true });
  expect(await warnings()).toEqual([]);
});
