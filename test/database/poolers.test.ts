import { execFileSync, spawn, type ChildProcess } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';
import { SyncEngine } from 'nestjs-synchro';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { freePort } from '../../sample-app/postgres/free-port.js';
import { startApp, type RunningApp } from '../support/app.js';
import { createDatabase, type TestDatabase } from '../support/database.js';
import { Device } from '../support/device.js';
import { testFolder } from '../support/run.js';
import { TransactionPooler } from '../support/transaction-pooler.js';
import { eventually } from '../support/wait.js';

let database: TestDatabase;
const ends: (() => Promise<unknown>)[] = [];

beforeEach(async () => {
  database = await createDatabase();
});

afterEach(async () => {
  for (const end of ends.splice(0).toReversed()) await end();
  await database.drop();
});

/** The sample app with its pool behind a pooler, and its consumer past it. */
async function startBehind(url: string): Promise<RunningApp> {
  const { slotName, publicationName } = database;
  const connection = { connectionString: database.url };
  const app = await startApp({
    database: { ...database, url },
    synchro: { replication: { slotName, publicationName, connection } },
  });
  ends.push(() => app.close());
  return app;
}

/** Why the sample app does not start when its consumer connects by this URL. */
async function whyNotStarted(url: string, replicationUrl: string): Promise<Error> {
  const { slotName, publicationName } = database;
  const connection = { connectionString: replicationUrl };
  const synchro = { replication: { slotName, publicationName, connection } };
  return startApp({ database: { ...database, url }, synchro }).then(
    async (app) => app.close().then(() => new Error('it started')),
    (error: Error) => error,
  );
}

async function manyAtOnce(app: RunningApp): Promise<void> {
  const devices = Array.from({ length: 40 }, () => new Device(app.url, `user-${randomUUID()}`));
  const registered = await Promise.allSettled(devices.map((device) => device.start()));
  expect(registered.filter(({ status }) => status === 'rejected')).toEqual([]);
  await Promise.all(
    devices.map(async (device) => {
      device.create('tasks', { title: device.userId, user_id: device.userId });
      const answers = await device.pushPending();
      expect(answers).toMatchObject([{ rejected: [] }]);
    }),
  );
  await app.app.get(SyncEngine).caughtUp();
  await Promise.all(devices.map((device) => device.pull()));
  const [count] = await database.query('SELECT count(DISTINCT user_id)::int AS users FROM tasks');
  expect(count).toEqual({ users: 40 });
}

describe('a pooler that takes statements of one connection to another', () => {
  beforeEach(async () => {
    // The tables are made by the first start; requests come to a fresh one.
    const first = await startApp({ database });
    await first.close();
  });

  it(
    'is not noticed by 40 devices that come to a fresh app at once [W-HOST-18]',
    { timeout: 60_000 },
    async () => {
      const pooler = await TransactionPooler.start(database.url);
      ends.push(() => pooler.stop());
      await manyAtOnce(await startBehind(pooler.url));
    },
  );

  it.each(['refuse', 'ignore'] as const)(
    'is refused as the way of replication, by a name, where it %ss what a session asks for [W-HOST-19]',
    async (startup) => {
      const pooler = await TransactionPooler.start(database.url, startup);
      ends.push(() => pooler.stop());
      expectRefused(await whyNotStarted(database.url, pooler.url));
    },
  );
});

describe.runIf(hasPgBouncer())('PgBouncer', () => {
  it(
    'in transaction mode serves 40 devices that come to a fresh app at once [W-HOST-18]',
    { timeout: 60_000 },
    async () => {
      await (await startApp({ database })).close();
      await manyAtOnce(await startBehind(await startPgBouncer('transaction')));
    },
  );

  it('in transaction mode is refused as the way of replication, by a name [W-HOST-19]', async () => {
    await (await startApp({ database })).close();
    expectRefused(await whyNotStarted(database.url, await startPgBouncer('transaction')));
    const ignoring = await startPgBouncer('transaction', [
      'ignore_startup_parameters = extra_float_digits,options,replication',
    ]);
    expectRefused(await whyNotStarted(database.url, ignoring));
  });

  it('in statement mode is refused as a pool, with what to set [W-HOST-19]', async () => {
    await (await startApp({ database })).close();
    const failed = await whyNotStarted(await startPgBouncer('statement'), database.url);
    expect(failed).toMatchObject({ code: 'configuration_invalid' });
    expect(failed.message).toContain('gives no transactions');
    expect(failed.message).toContain('pool_mode');
  });
});

async function startPgBouncer(mode: string, settings: readonly string[] = []): Promise<string> {
  const folder = await testFolder();
  const { hostname, port, username, password, pathname } = new URL(database.url);
  const own = await freePort();
  await writeFile(join(folder, 'users.txt'), `"${username}" "${decodeURIComponent(password)}"\n`);
  await writeFile(
    join(folder, 'pgbouncer.ini'),
    `[databases]
* = host=${hostname} port=${port}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = ${own}
unix_socket_dir =
auth_type = scram-sha-256
auth_file = ${join(folder, 'users.txt')}
pool_mode = ${mode}
default_pool_size = 5
max_client_conn = 200
${settings.join('\n')}
`,
  );
  // It refuses to run as root.
  const account = process.getuid?.() === 0 ? ['-u', 'nobody'] : [];
  if (account.length > 0) execFileSync('chmod', ['-R', 'a+rX', folder]);
  const child = spawn('pgbouncer', [...account, join(folder, 'pgbouncer.ini')], { stdio: 'ignore' });
  ends.push(() => ended(child));
  await eventually(() => listening(own));
  return `postgres://${username}:${password}@127.0.0.1:${own}${pathname}`;
}

function expectRefused(failed: Error): void {
  expect(failed).toMatchObject({ code: 'configuration_invalid' });
  expect(failed.message).toContain('replication.connection');
  expect(failed.message).toContain('connection pooler');
}

function hasPgBouncer(): boolean {
  try {
    execFileSync('pgbouncer', ['--version'], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}

function listening(port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1', () => {
      socket.destroy();
      resolve();
    });
    socket.on('error', reject);
  });
}

function ended(child: ChildProcess): Promise<void> {
  return new Promise((resolve) => {
    if (child.exitCode !== null) return resolve();
    child.once('exit', () => resolve());
    child.kill('SIGKILL');
  });
}
