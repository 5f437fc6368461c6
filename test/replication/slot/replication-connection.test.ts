import { randomBytes } from 'node:crypto';
import { escapeIdentifier, escapeLiteral } from 'pg';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { startApp, type RunningApp } from '../../support/app.js';
import { createDatabase, type TestDatabase } from '../../support/database.js';
import { Device } from '../../support/device.js';
import { insertTask } from '../../support/sample-rows.js';
import { eventually } from '../../support/wait.js';

describe('an instance that never consumes', () => {
  let database: TestDatabase;
  const apps: RunningApp[] = [];

  beforeEach(async () => {
    database = await createDatabase();
  });

  afterEach(async () => {
    for (const app of apps.splice(0)) await app.close();
    await database.drop();
  });

  async function start(
    synchro: NonNullable<Parameters<typeof startApp>[0]['synchro']> = {},
  ): Promise<RunningApp> {
    const app = await startApp({ database, synchro });
    apps.push(app);
    return app;
  }

  it('asks devices to come back until another one has consumed, then serves what that one appends', async () => {
    const apiOnly = await start({ replication: false });
    const alice = new Device(apiOnly.url, 'alice');
    await alice.schema();
    await alice.register();
    const answer = await alice.send('pull', { client_id: alice.clientId, ...(await alice.schemaIds()) });
    expect(answer.status).toBe(503);
    expect(await slots()).toEqual([]);

    await start();
    await alice.start();
    const phone = alice.create('tasks', { user_id: 'alice', title: 'by phone' });
    await alice.sync();
    const server = await insertTask(database, 'alice', 'by the server');
    await eventually(async () => {
      await alice.sync();
      expect([...alice.rows('tasks').keys()].toSorted()).toEqual([phone, server].toSorted());
    });
    expect(await slots()).toEqual([{ slot_name: database.slotName }]);
  });

  const slots = (): Promise<unknown[]> =>
    database.query('SELECT slot_name FROM pg_replication_slots WHERE database = current_database()');

  it('leaves replication to a connection of its own, with a role of its own, on the instance that consumes', async () => {
    const role = `replicator_${randomBytes(4).toString('hex')}`;
    const password = randomBytes(8).toString('hex');
    const name = escapeIdentifier(role);
    await start({ replication: false }); // runs the migrations
    await database.query(`CREATE ROLE ${name} LOGIN REPLICATION PASSWORD ${escapeLiteral(password)}`);
    try {
      await database.query(`GRANT ALL ON ALL TABLES IN SCHEMA public TO ${name}`);
      await database.query(`GRANT ALL ON ALL SEQUENCES IN SCHEMA public TO ${name}`);
      const tables = await database.query<{ name: string }>(
        `SELECT quote_ident(table_name) AS name FROM information_schema.tables
          WHERE table_name IN ('tasks', 'task_shares', 'comments', 'categories', 'tags')`,
      );
      await database.query(
        `CREATE PUBLICATION ${escapeIdentifier(database.publicationName)}
           FOR TABLE ${tables.map((table) => table.name).join(', ')} WITH (publish_via_partition_root = true)`,
      );
      const url = new URL(database.url);
      [url.username, url.password] = [role, password];
      const { slotName, publicationName } = database;
      const connection = { connectionString: url.href };
      const app = await start({ replication: { slotName, publicationName, connection } });
      const device = new Device(app.url, 'alice');
      await device.start();
      const task = await insertTask(database, 'alice', 'replicated');
      await eventually(async () => {
        await device.sync();
        expect(device.row('tasks', task)).toBeDefined();
      });
      const senders = await database.query(
        `SELECT usename FROM pg_stat_replication r JOIN pg_replication_slots s ON s.active_pid = r.pid
          WHERE s.slot_name = $1`,
        [slotName],
      );
      expect(senders).toEqual([{ usename: role }]);
      const writers = await database.query(
        `SELECT DISTINCT usename FROM pg_stat_activity
          WHERE application_name = 'nestjs-synchro' AND datname = current_database()`,
      );
      expect(writers).toEqual([{ usename: role }]);
      const [pool] = await database.query<{ n: number }>(
        `SELECT count(*)::int AS n FROM pg_stat_activity
          WHERE datname = current_database() AND application_name <> 'nestjs-synchro' AND usename = $1`,
        [role],
      );
      expect(pool?.n).toBe(0);
    } finally {
      for (const app of apps.splice(0)) await app.close();
      await database.query('SELECT pg_drop_replication_slot($1)', [database.slotName]);
      await database.query(`DROP OWNED BY ${name}`);
      await database.query(`DROP ROLE ${name}`);
    }
  });
});
