import { randomUUID } from 'node:crypto';
import { afterEach, describe, expect, it } from 'vitest';
import { startPostgres, type PostgresServer } from '../../sample-app/postgres/server.js';
import { startApp, type RunningApp } from '../support/app.js';
import { startAppProcess, type AppProcess } from '../support/app-process.js';
import { consumed } from '../support/consumer.js';
import { createDatabase, type TestDatabase } from '../support/database.js';
import { Device } from '../support/device.js';
import { LiveFollower } from '../support/live-follower.js';
import { startAgain } from '../support/own-server.js';
import { testFolder } from '../support/run.js';
import { insertTask } from '../support/sample-rows.js';
import { eventually, pause } from '../support/wait.js';

/** A poke that comes before the commit shows only where the commit takes longer than a pull. */
const SLOW_COMMITS = `
CREATE FUNCTION commit_slowly() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  PERFORM pg_sleep(0.1);
  RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER commit_slowly AFTER INSERT ON sync_changelog DEFERRABLE INITIALLY DEFERRED
  FOR EACH ROW WHEN (NEW.seq % 20 = 0) EXECUTE FUNCTION commit_slowly()`;

/** `npm run test:soak` sets it to 50 000. */
const COMMITS = Number(process.env['LIVE_COMMITS'] ?? 300);

describe('what happens to pokes', () => {
  const databases: TestDatabase[] = [];
  const apps: RunningApp[] = [];
  const processes: AppProcess[] = [];
  const followers: LiveFollower[] = [];
  let server: PostgresServer | null = null;

  afterEach(async () => {
    for (const follower of followers.splice(0)) follower.close();
    for (const app of apps.splice(0)) await app.close();
    for (const process of processes.splice(0)) await process.kill();
    for (const database of databases.splice(0)) if (!server) await database.drop();
    server?.destroySync();
    server = null;
  });

  async function newDatabase(url?: string): Promise<TestDatabase> {
    const database = await createDatabase(url);
    databases.push(database);
    return database;
  }

  async function follow(url: string, urls: readonly string[] = [url]): Promise<LiveFollower> {
    const device = new Device(url, 'alice');
    await device.start();
    const follower = new LiveFollower(device, urls);
    followers.push(follower);
    await follower.start();
    return follower;
  }

  it('none comes before its data can be pulled, on the consuming instance and on another, and none is lost [W-LIVE-10]', async () => {
    const database = await newDatabase();
    apps.push(await startApp({ database }));
    apps.push(await startApp({ database, synchro: { replication: false } }));
    await consumed(database);
    await database.query(SLOW_COMMITS);
    const watching = await Promise.all(apps.map(({ url }) => follow(url)));
    const committed = new Map<string, number>();
    const commit = async (): Promise<void> => {
      const id = randomUUID();
      await database.query(`INSERT INTO tasks (id, user_id, title) VALUES ($1, 'alice', 'A task')`, [id]);
      committed.set(id, performance.now());
    };
    for (let n = 0; n < COMMITS; n += 2) {
      // Some commits come in bursts, and some after a pause.
      await Promise.all([commit(), commit()]);
      if (n % 50 === 0) await pause(n % 100 === 0 ? 20 : 1_100);
    }
    for (const { arrived, tooEarly, pokes } of watching) {
      await eventually(() => [...committed.keys()].every((id) => arrived.has(id)));
      expect(tooEarly).toEqual([]);
      expect(pokes).toBeGreaterThan(0);
    }
  });

  it('a restart of PostgreSQL loses none [W-LIVE-11]', async () => {
    server = await startPostgres({ dataDir: await testFolder(), durable: false });
    const database = await newDatabase(server.url);
    processes.push(await startAppProcess({ database }));
    await consumed(database);
    const follower = await follow(processes[0]?.url ?? '');
    for (let restart = 0; restart < 2; restart++) {
      const before = await insertTask(database, 'alice', 'before');
      await server.stop('fast');
      await startAgain(server);
      const after = await eventually(() => insertTask(database, 'alice', 'after'));
      await eventually(() => follower.arrived.has(before) && follower.arrived.has(after), {
        timeout: 60_000,
      });
    }
    expect(follower.tooEarly).toEqual([]);
  });

  it.each(['SIGTERM', 'SIGKILL'] as const)(
    'the end of the consuming instance by %s loses none, wherever the device is [W-LIVE-11]',
    async (signal) => {
      const database = await newDatabase();
      processes.push(await startAppProcess({ database }), await startAppProcess({ database }));
      await consumed(database);
      const [first, second] = processes;
      if (!first || !second) throw new Error('there are two');
      const isFirst = first.output().includes('consuming slot');
      const [leader, other] = isFirst ? [first, second] : [second, first];
      const there = await follow(leader.url, [leader.url, other.url]);
      const here = await follow(other.url);
      const tasks = [await insertTask(database, 'alice', 'before')];
      await leader.kill(signal);
      tasks.push(await insertTask(database, 'alice', 'between'));
      await eventually(() => other.output().includes('consuming slot'));
      tasks.push(await insertTask(database, 'alice', 'after'));
      for (const { arrived, tooEarly } of [there, here]) {
        await eventually(() => tasks.every((id) => arrived.has(id)), { timeout: 60_000 });
        expect(tooEarly).toEqual([]);
      }
    },
  );
});
