import { randomUUID } from 'node:crypto';
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startPostgres, type PostgresServer } from '../sample-app/postgres/server.js';
import { startApp, type RunningApp } from './support/app.js';
import { withClient } from './support/client.js';
import { createDatabase, type TestDatabase } from './support/database.js';
import { Device } from './support/device.js';
import { startStandby } from './support/standby.js';
import { temporaryFolder } from './support/temporary-folder.js';
import { eventually } from './support/wait.js';
import { logOf } from './support/wal-app.js';

const STANDBY = 'slow_standby';
const CHANNEL = 'nestjs-synchro:consumer';

describe('a commit that is decoded before it is visible', () => {
  let server: PostgresServer;
  let database: TestDatabase;
  let app: RunningApp;

  beforeAll(async () => {
    server = await startPostgres({ dataDir: await temporaryFolder(), durable: false });
    database = await createDatabase(server.url);
    app = await startApp({ database });
  });

  afterAll(async () => {
    await app.close();
    server.destroySync();
  });

  async function setStandbys(names: string): Promise<void> {
    await withClient(server.url, async (client) => {
      await client.query(`ALTER SYSTEM SET synchronous_standby_names = '${names}'`);
      await client.query('SELECT pg_reload_conf()');
      await eventually(async () => {
        const { rows } = await client.query("SELECT current_setting('synchronous_standby_names') AS names");
        return rows[0]?.names === names;
      });
    });
  }

  it('is not in the log, nor behind any pull, until it is visible [interleaving 1]', async () => {
    const task = randomUUID();
    const device = new Device(app.url, 'alice');
    await database.query(`INSERT INTO tasks (id, user_id, title) VALUES ($1, 'alice', 'old')`, [task]);
    await device.start();
    await eventually(async () => {
      await device.pull();
      expect(device.row('tasks', task)).toMatchObject({ title: 'old' });
    });
    const logged = await logOf(database, 'tasks', task);

    const standby = await startStandby(server.url, STANDBY);
    await setStandbys(STANDBY);
    await eventually(async () => {
      const rows = await database.query("SELECT FROM pg_stat_replication WHERE sync_state = 'sync'");
      return rows.length > 0;
    });
    const phases: string[] = [];
    const note = (message: unknown): void => void phases.push((message as { phase: string }).phase);
    subscribe(CHANNEL, note);
    try {
      // Its own commit waits until the standby has applied it; everyone else's only until it is flushed there.
      const committing = withClient(database.url, async (client) => {
        await client.query('SET synchronous_commit = remote_apply');
        await client.query(`UPDATE tasks SET title = 'new', updated_at = now() WHERE id = $1`, [task]);
      });
      await eventually(async () => {
        const rows = await database.query(
          "SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'SyncRep'",
        );
        return rows.length > 0;
      });
      await eventually(() => phases.includes('decoding'));
      // Either the consumer has looked at the snapshot and drawn back, or it has gone on and written.
      await eventually(async () => {
        const rows = await database.query(
          `SELECT FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'nestjs-synchro'
              AND query = 'ROLLBACK'`,
        );
        return rows.length > 0 || phases.includes('committed');
      });
      expect(await logOf(database, 'tasks', task)).toEqual(logged);
      await device.pull();
      expect(device.row('tasks', task)).toMatchObject({ title: 'old' });

      standby.apply();
      await committing;
      await eventually(async () => {
        await device.pull();
        expect(device.row('tasks', task)).toMatchObject({ title: 'new' });
      });
      expect(await logOf(database, 'tasks', task)).toEqual([...logged, 'update user:alice']);
    } finally {
      unsubscribe(CHANNEL, note);
      await setStandbys('');
      await standby.close();
    }
  });
});
