import { randomUUID } from 'node:crypto';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { Client } from 'pg';
import { SyncEngine } from 'nestjs-synchro';
import { startPostgres, type PostgresServer } from '../../../sample-app/postgres/server.js';
import { parseLsn, type Lsn } from '../../../lib/common/lsn.js';
import { ReplicationStream } from '../../../lib/replication/stream/replication-stream.js';
import { startApp, type RunningApp } from '../../support/app.js';
import { withClient } from '../../support/client.js';
import { createDatabase, type TestDatabase } from '../../support/database.js';
import { wasForced } from '../../support/own-server.js';
import { testFolder } from '../../support/run.js';
import { eventually, pause } from '../../support/wait.js';
import { edgesOf, storedPosition } from '../../support/wal-app.js';

// A server of its own: what other tests write would move the WAL between the steps of these.
describe('what is acknowledged', () => {
  let folder: string;
  let server: PostgresServer;
  let database: TestDatabase;

  beforeAll(async () => {
    folder = await testFolder();
    await startServer();
  });

  afterAll(() => {
    server.destroySync();
  });

  beforeEach(async () => {
    database = await createDatabase(server.url);
  });

  async function startServer(): Promise<void> {
    server = await startPostgres({ dataDir: folder, durable: false, settings: { autovacuum: 'off' } });
  }

  async function confirmedFlush(of = database): Promise<Lsn> {
    const [row] = await of.query<{ lsn: string }>(
      'SELECT confirmed_flush_lsn::text AS lsn FROM pg_replication_slots WHERE slot_name = $1',
      [of.slotName],
    );
    return parseLsn(row?.lsn ?? '0/0');
  }

  async function currentLsn(): Promise<Lsn> {
    const [row] = await database.query<{ lsn: string }>('SELECT pg_current_wal_insert_lsn()::text AS lsn');
    return parseLsn(row?.lsn ?? '0/0');
  }

  /** Writes that much WAL about tables that nobody follows. */
  async function writeElsewhere(bytes: number): Promise<void> {
    await database.query('CREATE TABLE IF NOT EXISTS elsewhere (text text)');
    await database.query(
      `INSERT INTO elsewhere SELECT repeat(md5(n::text), 30) FROM generate_series(1, $1::int / 1000) AS n`,
      [bytes],
    );
  }

  describe('by a stream', () => {
    it('does not swallow the transaction whose commit record begins where the last one ended [W-WAL-1]', async () => {
      await database.query('CREATE TABLE tasks (id int PRIMARY KEY)');
      await database.query(`CREATE PUBLICATION "${database.publicationName}" FOR TABLE tasks`);
      await database.query("SELECT pg_create_logical_replication_slot($1, 'pgoutput')", [database.slotName]);
      const begin = await confirmedFlush();
      await withClient(database.url, (one) =>
        withClient(database.url, async (two) => {
          await two.query('BEGIN; INSERT INTO tasks VALUES (2)');
          await one.query('BEGIN; INSERT INTO tasks VALUES (1)');
          let stream = await open(database, begin);
          const first = await commitAndRead(one, stream);
          stream.acknowledge(first);
          await eventually(async () => (await confirmedFlush()) >= first - 1n);
          await stream.close();
          stream = await open(database, first);
          const second = await commitAndRead(two, stream);
          expect(second).toBeGreaterThan(first);
          await stream.close();
        }),
      );
    });
  });

  describe('by the consumer', () => {
    let app: RunningApp;

    beforeEach(async () => {
      app = await startApp({ database });
    });

    afterEach(async () => {
      await app.close();
    });

    it('is what is stored, never more [W-WAL-1]', async () => {
      const id = await insertCategory(database);
      await eventually(async () => (await edgesOf(database, 'categories', id)).length > 0);
      const { confirmed_lsn: stored } = await storedPosition(database);
      await eventually(async () => (await confirmedFlush()) >= BigInt(stored) - 1n);
      expect(await confirmedFlush()).toBeLessThanOrEqual(
        BigInt((await storedPosition(database)).confirmed_lsn),
      );
    });

    it('does not move while a batch is written [W-WAL-1]', async () => {
      await app.app.get(SyncEngine).caughtUp();
      await withClient(database.url, async (client) => {
        // Edges are read, and the rest is sent, COMMIT included.
        await client.query('BEGIN; LOCK TABLE sync_changelog IN SHARE MODE');
        await insertCategory(database);
        await eventually(async () => {
          const waiting = await database.query(
            `SELECT FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'nestjs-synchro'
                AND wait_event_type = 'Lock'`,
          );
          return waiting.length === 1;
        });
        // What was sent to the server by now has arrived then.
        await pause(500);
        const { confirmed_lsn: stored } = await storedPosition(database);
        expect(await confirmedFlush()).toBeLessThanOrEqual(BigInt(stored));
      });
    });

    it('moves on while the synced tables are quiet, so that the slot does not retain what others write [W-WAL-4]', async () => {
      for (let round = 0; round < 3; round++) {
        await writeElsewhere(3_000_000);
        const written = await currentLsn();
        await eventually(async () => (await confirmedFlush()) > written - 1_500_000n);
        // In this order: both go on.
        const acknowledged = await confirmedFlush();
        const { confirmed_lsn: stored } = await storedPosition(database);
        expect(acknowledged).toBeLessThanOrEqual(BigInt(stored));
      }
    });

    it('is also stored when somebody waits for it, and then not again while nothing happens', async () => {
      await writeElsewhere(10_000);
      const before = await storedPosition(database);
      await app.app.get(SyncEngine).caughtUp();
      const after = await storedPosition(database);
      expect(BigInt(after.confirmed_lsn)).toBeGreaterThan(BigInt(before.confirmed_lsn));
      // The server writes WAL of its own now and then, which may be stored, too. What stores it again and again never rests.
      await eventually(async () => {
        const stored = await storedPosition(database);
        // Longer than it takes to look for work that nobody has announced.
        await pause(2_500);
        expect(await storedPosition(database)).toEqual(stored);
      });
    });

    it('lets the server shut down, and the app go on after it without a new epoch [W-WAL-4]', async () => {
      const id = await insertCategory(database);
      await eventually(async () => (await edgesOf(database, 'categories', id)).length > 0);
      const before = await storedPosition(database);
      await writeElsewhere(100_000);
      await server.stop('fast');
      // A walsender whose client never confirms the last of the WAL holds it up for ever.
      expect(await wasForced(server)).toBe(false);
      await app.close();

      await startServer();
      database = { ...database, url: withPort(database.url, server.url) };
      app = await startApp({ database });
      await withClient(database.url, async (client) => {
        const { rows } = await client.query('SELECT epoch_seq::text FROM sync_wal_position');
        expect(rows).toEqual([{ epoch_seq: before.epoch_seq }]);
      });
    });
  });
});

/** The server comes back at another port. */
function withPort(url: string, other: string): string {
  const moved = new URL(url);
  moved.port = new URL(other).port;
  return moved.href;
}

function open({ url, slotName, publicationName }: TestDatabase, start: Lsn): Promise<ReplicationStream> {
  return eventually(() =>
    ReplicationStream.open({
      connection: { connectionString: url },
      slotName,
      publicationName,
      start,
      columns: () => 'all',
      onSilence: () => undefined,
      walSenderTimeout: 10_000,
    }),
  );
}

/** Commits, and returns where the commit that then arrives ends. */
async function commitAndRead(client: Client, stream: ReplicationStream): Promise<Lsn> {
  await client.query('COMMIT');
  for (;;) {
    for (const message of await stream.take()) if (message.tag === 'commit') return message.endLsn;
  }
}

async function insertCategory(database: TestDatabase): Promise<string> {
  const id = randomUUID();
  await database.query(`INSERT INTO categories (id, name) VALUES ($1, 'mark')`, [id]);
  return id;
}
