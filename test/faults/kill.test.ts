import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { TcpProxy } from './tcp-proxy.js';
import { startAppProcess, type AppProcess } from '../support/app-process.js';
import {
  auditChanges,
  compareLog,
  GATE,
  GATED,
  shown,
  SYNCED_TABLES,
  visibleRows,
  wrongEdges,
} from '../support/audit.js';
import { withClient } from '../support/client.js';
import { consumed } from '../support/consumer.js';
import { createDatabase, type TestDatabase } from '../support/database.js';
import { lostWork, PersistentUser } from '../support/persistent-user.js';
import { Random } from '../support/random.js';
import { SqlWriter } from '../support/sql-writer.js';
import { eventually, pause } from '../support/wait.js';
import { storedPosition } from '../support/wal-app.js';

const STOPPABLE_APP = fileURLToPath(new URL('../support/stoppable-app.mjs', import.meta.url));
const SEED = 20261122;

/**
 * Where the app is killed: in each phase of the consumer; within a push that has written rows; between the commit of
 * a push and its answer; and anywhere.
 */
const PLACES = { idle: 9, decoding: 9, writing: 10, committed: 9, push: 8, answer: 5, anywhere: 2 } as const;
type Place = keyof typeof PLACES;
/** `npm test` kills once or twice in each place, `npm run test:soak` as often as all that. */
const PLAN: Readonly<Record<Place, number>> =
  process.env['KILLS'] === 'all'
    ? PLACES
    : { idle: 1, decoding: 1, writing: 2, committed: 2, push: 1, answer: 1, anywhere: 1 };

const random = new Random(SEED);
const users: PersistentUser[] = [];
const writers: SqlWriter[] = [];
const kills = new Map<Place, number>();
let database: TestDatabase;
/** Before the app, which takes another port whenever it starts. */
let proxy: TcpProxy;
let gated: PersistentUser;
let last: AppProcess | undefined;

beforeAll(async () => {
  database = await createDatabase();
  proxy = await TcpProxy.listen();
});
afterAll(async () => {
  for (const one of [...users, ...writers]) one.stop();
  await last?.kill();
  await proxy.close();
  await database.drop();
});

/** @param stopAt Where it stops dead; it may do so before it listens. */
async function startStoppable(stopAt = ''): Promise<AppProcess> {
  proxy.target = undefined;
  const app = await startAppProcess({
    database,
    main: STOPPABLE_APP,
    // Small batches, so that transactions of some hundred rows are written in several pieces.
    env: { PORT: '0', STOP_AT: stopAt, REPLICATION: '{"batchRows":100,"maxBatchRows":200}' },
    ready: stopAt === '' ? LISTENS : /URL: (\S+)|stopped at/,
  });
  void leadTo(app);
  return app;
}

const LISTENS = /URL: (\S+)/;

/** Leads devices to an app as soon as it listens, if it ever does. */
async function leadTo(app: AppProcess): Promise<void> {
  const isOver = app.exit.then(() => null);
  for (;;) {
    const [, url] = LISTENS.exec(app.output()) ?? [];
    if (url !== undefined) {
      proxy.target = Number(new URL(url).port);
      return;
    }
    if ((await Promise.race([isOver, pause(5)])) === null) return;
  }
}

const killed: Readonly<Record<Place, (place: Place) => Promise<void>>> = {
  idle: killWhereItStops,
  decoding: killWhereItStops,
  writing: killWhereItStops,
  committed: killWhereItStops,
  answer: killWhereItStops,
  push: killWithinPush,
  anywhere: killSomewhere,
};

async function killWhereItStops(place: Place): Promise<void> {
  const times = 1 + random.below(place === 'answer' ? 4 : 12);
  const app = await startStoppable(`${place}:${times}`);
  await eventually(() => app.output().includes(`stopped at ${place}`), { interval: 5, timeout: 120_000 });
  expect(await app.kill()).toEqual({ code: null, signal: 'SIGKILL' });
}

/** The push waits in a trigger of a row that it writes, others of its rows being written. */
async function killWithinPush(): Promise<void> {
  const app = await startStoppable();
  await gated.untilAnswered(() => gated.device.sync());
  await withClient(database.url, async (client) => {
    await client.query(`SELECT pg_advisory_lock(${GATE})`);
    const tasks = [gated.addTask('before'), gated.addTask(GATED), gated.addTask('after')];
    const push = gated.device.pushPending().then(
      () => 'answered',
      () => 'lost',
    );
    const backend = await eventually(waitingAtGate, { interval: 5 });
    expect(await app.kill()).toEqual({ code: null, signal: 'SIGKILL' });
    await client.query(`SELECT pg_advisory_unlock(${GATE})`);
    expect(await push).toBe('lost');
    // The server learns of it when it answers; then nothing of the push is left.
    await eventually(async () => {
      const left = await database.query('SELECT FROM pg_stat_activity WHERE pid = $1', [backend]);
      return left.length === 0;
    });
    const written = await database.query('SELECT FROM tasks WHERE id = ANY($1::uuid[])', [tasks]);
    expect(written).toEqual([]);
  });
}

async function waitingAtGate(): Promise<number | false> {
  const [waiting] = await database.query<{ pid: number }>(
    `SELECT pid FROM pg_locks l JOIN pg_database d ON d.oid = l.database
      WHERE locktype = 'advisory' AND objid = ${GATE} AND NOT granted AND datname = current_database()`,
  );
  return waiting?.pid ?? false;
}

async function killSomewhere(): Promise<void> {
  const app = await startStoppable();
  const goal = Number((await storedPosition(database)).last_seq) + random.below(500);
  await eventually(async () => Number((await storedPosition(database)).last_seq) >= goal, { interval: 1 });
  expect(await app.kill()).toEqual({ code: null, signal: 'SIGKILL' });
}

it('reaches every bucket exactly once, and loses no push, whenever the app is killed [W-WAL-2]', async () => {
  const first = await startStoppable();
  await auditChanges(database);
  const names = ['alice', 'bob', 'carol', 'dora'];
  users.push(
    ...[...names, 'bob'].map(
      (name, index) => new PersistentUser(`http://127.0.0.1:${proxy.port}`, name, new Random(SEED + index)),
    ),
  );
  for (const user of users) await user.device.start();
  const [contended = ''] = (
    await database.query<{ id: string }>(
      `INSERT INTO tasks (user_id, title) VALUES ('alice', '') RETURNING id`,
    )
  ).map(({ id }) => id);
  writers.push(...[1, 2].map((n) => new SqlWriter(database.url, names, new Random(SEED - n), contended)));
  const [alice, bob, carol, dora] = users;
  if (!alice || !bob || !carol || !dora) throw new Error('users are missing');
  gated = dora;
  await first.kill();

  const load = [...writers, alice, bob, carol].map((one) => one.run());
  const ended = Promise.all(load);
  const plan = (Object.keys(PLAN) as Place[]).flatMap((place) =>
    Array.from({ length: PLAN[place] }, () => place),
  );
  const killing = (async () => {
    for (const place of random.shuffled(plan)) {
      await killed[place](place);
      kills.set(place, (kills.get(place) ?? 0) + 1);
    }
  })();
  // Whatever ends the load too early is the reason to tell.
  await Promise.race([killing, ended]);
  last = await startStoppable();
  for (const one of [...users, ...writers]) one.stop();
  await ended;
  expect(Object.fromEntries(kills)).toEqual(PLAN);

  await consumed(database);
  for (const user of users) await user.untilAnswered(() => user.device.sync());
  await consumed(database);
  for (const user of users) await user.untilAnswered(() => user.device.pull());

  const log = await compareLog(database);
  expect(log).toMatchObject({ different: [], impossible: [] });
  expect(await wrongEdges(database)).toEqual([]);
  const [numbers] = await database.query(
    `SELECT count(DISTINCT seq) = count(*) AS different, max(seq) = (SELECT last_seq FROM sync_wal_position) AS last,
            (SELECT epoch_seq FROM sync_wal_position) AS epoch FROM sync_changelog`,
  );
  expect(numbers).toEqual({ different: true, last: true, epoch: '0' });

  const planned = Object.values(PLAN).reduce((sum, times) => sum + times, 0);
  for (const { unanswered } of [alice, bob, carol]) expect(unanswered).toBeGreaterThan(planned / 5);
  for (const user of users) {
    const { name, device } = user;
    expect(device.snapshotReasons).toEqual([]);
    for (const table of SYNCED_TABLES)
      expect(shown(device, table)).toEqual(await visibleRows(database, table, name));
    expect(await lostWork(database, user, 'tasks')).toEqual([]);
    expect(await lostWork(database, user, 'comments')).toEqual([]);
  }
}, 1_200_000);
