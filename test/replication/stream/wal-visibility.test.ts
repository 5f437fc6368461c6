import { randomUUID } from 'node:crypto';
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startPostgres, type PostgresServer } from '../../../sample-app/postgres/server.js';
import { startApp, type RunningApp } from '../../support/app.js';
import { withClient } from '../../support/client.js';
import { allSent, consumed, consumerWaits, withPausedConsumer } from '../../support/consumer.js';
import { createDatabase, type TestDatabase } from '../../support/database.js';
import { Device } from '../../support/device.js';
import { startStandby, type Standby } from '../../support/standby.js';
import { testFolder } from '../../support/run.js';
import { eventually } from '../../support/wait.js';
import { applied, logOf, startWalApp } from '../../support/wal-app.js';

const STANDBY = 'slow_standby';
const CHANNEL = 'nestjs-synchro:consumer';
const insert = (id: string): string => `INSERT INTO marks (id) VALUES ('${id}')`;
const RETITLE = `UPDATE tasks SET title = 'new', updated_at = now()`;

describe('a commit that is decoded before it is visible', () => {
  let server: PostgresServer;
  let database: TestDatabase;
  let app: RunningApp;

  beforeAll(async () => {
    server = await startPostgres({ dataDir: await testFolder(), durable: false });
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

    const standby = await synchronousStandby();
    const phases: string[] = [];
    const note = (message: unknown): void => void phases.push((message as { phase: string }).phase);
    subscribe(CHANNEL, note);
    try {
      const committing = await commitInvisibly(`${RETITLE} WHERE id = '${task}'`);
      await eventually(() => phases.includes('decoding'));
      await consumerHasDecided(phases);
      expect(await logOf(database, 'tasks', task)).toEqual(logged);
      await device.pull();
      expect(device.row('tasks', task)).toMatchObject({ title: 'old' });

      standby.apply();
      await committing.done;
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

  it('holds back the whole batch in which it is not the first [interleaving 1]', async () => {
    const [first, visible, invisible] = [randomUUID(), randomUUID(), randomUUID()];
    for (const id of [first, visible, invisible])
      await database.query(`INSERT INTO tasks (id, user_id, title) VALUES ($1, 'alice', 'old')`, [id]);
    await consumed(database);

    const standby = await synchronousStandby();
    const phases: string[] = [];
    const note = (message: unknown): void => void phases.push((message as { phase: string }).phase);
    try {
      const committing = await withPausedConsumer(database, async () => {
        await database.query(`${RETITLE} WHERE id = $1`, [first]);
        await consumerWaits(database);
        // These two wait in the stream, and become one batch.
        await database.query(`${RETITLE} WHERE id = $1`, [visible]);
        const done = await commitInvisibly(`${RETITLE} WHERE id = '${invisible}'`);
        await allSent(database);
        return done;
      });
      await eventually(async () => (await logOf(database, 'tasks', first)).length === 2);
      subscribe(CHANNEL, note);
      await consumerHasDecided(phases);
      expect(await logOf(database, 'tasks', invisible)).toEqual(['create user:alice']);

      standby.apply();
      await committing.done;
      await eventually(async () => (await logOf(database, 'tasks', invisible)).length === 2);
    } finally {
      unsubscribe(CHANNEL, note);
      await setStandbys('');
      await standby.close();
    }
  });

  it('does not share the transaction of the batch before [interleaving 1]', async () => {
    const own = await createDatabase(server.url);
    const single = await startWalApp(own, [], { replication: { batchRows: 1, maxBatchRows: 10 } });
    const [first, visible, invisible] = [randomUUID(), randomUUID(), randomUUID()];
    const standby = await synchronousStandby();
    try {
      await applied(own);
      const committing = await withPausedConsumer(own, async () => {
        await own.query(insert(first));
        await consumerWaits(own);
        await own.query(insert(visible));
        const done = await commitInvisibly(insert(invisible), own);
        await allSent(own);
        return done;
      });
      await eventually(async () => (await logOf(own, 'marks', visible)).length === 1);
      await eventually(() => hasDrawnBack(own));
      expect(await logOf(own, 'marks', invisible)).toEqual([]);

      standby.apply();
      await committing.done;
      await eventually(async () => (await logOf(own, 'marks', invisible)).length === 1);
    } finally {
      await setStandbys('');
      await standby.close();
      await single.close();
    }
  });

  /** A standby that every commit waits for, until it has flushed it. */
  async function synchronousStandby(): Promise<Standby> {
    const standby = await startStandby(server.url, STANDBY);
    await setStandbys(STANDBY);
    await eventually(async () => {
      const rows = await database.query("SELECT FROM pg_stat_replication WHERE sync_state = 'sync'");
      return rows.length > 0;
    });
    return standby;
  }

  /** Resolves while the commit waits for the standby to apply it, which it does when it is told to. */
  async function commitInvisibly(
    statement: string,
    where = database,
  ): Promise<{ readonly done: Promise<void> }> {
    const done = withClient(where.url, async (client) => {
      await client.query('SET synchronous_commit = remote_apply');
      await client.query(statement);
    });
    await eventually(async () => {
      const rows = await where.query(
        "SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'SyncRep'",
      );
      return rows.length > 0;
    });
    return { done };
  }

  /** Resolves once the consumer has looked at the snapshot and drawn back, or has gone on and written. */
  async function consumerHasDecided(phases: readonly string[]): Promise<void> {
    await eventually(async () => (await hasDrawnBack(database)) || phases.includes('committed'));
  }
});

/** Whether the consumer has just looked at the snapshot and drawn back. */
async function hasDrawnBack(where: TestDatabase): Promise<boolean> {
  const rows = await where.query(
    `SELECT FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'nestjs-synchro'
        AND query = 'ROLLBACK'`,
  );
  return rows.length > 0;
}
