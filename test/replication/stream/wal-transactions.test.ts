import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { RunningApp } from '../../support/app.js';
import { allSent, consumerWaits, withPausedConsumer } from '../../support/consumer.js';
import { createDatabase, type TestDatabase } from '../../support/database.js';
import { Device } from '../../support/device.js';
import { eventually } from '../../support/wait.js';
import {
  applied,
  edgesOf,
  inOneTransaction,
  logOf,
  startWalApp,
  storedPosition,
} from '../../support/wal-app.js';

/** Rows per batch. */
const BATCH = 4;

describe('a source transaction', () => {
  let database: TestDatabase;
  let app: RunningApp;

  beforeAll(async () => {
    database = await createDatabase();
    app = await startWalApp(database, [], { replication: { batchRows: BATCH, maxBatchRows: BATCH } });
  });

  afterAll(async () => {
    await app.close();
    await database.drop();
  });

  /** Inserts rows in one transaction and returns their ids in order. */
  async function insertMarks(count: number): Promise<readonly string[]> {
    const ids = Array.from({ length: count }, () => randomUUID());
    await database.query('INSERT INTO marks (id) SELECT unnest($1::uuid[])', [ids]);
    return ids;
  }

  async function allThere(ids: readonly string[]): Promise<void> {
    await eventually(async () => {
      const rows = await database.query(
        `SELECT FROM sync_bucket_edges WHERE table_name = 'marks' AND record_id = ANY($1)`,
        [ids],
      );
      expect(rows).toHaveLength(ids.length);
    });
  }

  // Without a later row that would bring the end of the batch along.
  it.each([1, BATCH - 1, BATCH, BATCH + 1, 2 * BATCH, 5 * BATCH + 3])(
    'of %i rows is applied without waiting for another one',
    async (count) => {
      const ids = await insertMarks(count);
      await allThere(ids);
      const [writer] = await database.query(
        `SELECT count(*)::int AS n FROM pg_stat_activity
          WHERE datname = current_database() AND application_name = 'nestjs-synchro' AND state LIKE 'idle in transaction%'`,
      );
      expect(writer).toEqual({ n: 0 });
    },
  );

  it('is written with its edges and its position in one transaction, in as many pieces as it may come [W-WAL-2]', async () => {
    // The position moves on when others write to the server, so that its own xmin tells little.
    await database.query(`CREATE TABLE moves (xid text);
      CREATE FUNCTION note_move() RETURNS trigger LANGUAGE plpgsql AS
        $$ BEGIN INSERT INTO moves VALUES (pg_current_xact_id()::xid::text); RETURN NULL; END $$;
      CREATE TRIGGER note_move AFTER UPDATE ON sync_wal_position FOR EACH ROW EXECUTE FUNCTION note_move()`);
    const ids = await insertMarks(5 * BATCH + 1);
    await allThere(ids);
    const rows = await database.query<{ xmin: string }>(
      `SELECT xmin::text FROM sync_changelog WHERE record_id = ANY($1)
       UNION SELECT xmin::text FROM sync_bucket_edges WHERE record_id = ANY($1)`,
      [ids],
    );
    expect(rows).toHaveLength(1);
    expect(await database.query('SELECT FROM moves WHERE xid = $1', [rows[0]?.xmin])).toHaveLength(1);
    await database.query('DROP TRIGGER note_move ON sync_wal_position');
  });

  it('of new rows shares a commit with others, while more of them has arrived', async () => {
    await applied(database);
    const batches = 20;
    const ids: string[] = [];
    await withPausedConsumer(database, async () => {
      ids.push(...(await insertMarks(1)));
      await consumerWaits(database);
      for (let n = 0; n < batches * 2; n++) ids.push(...(await insertMarks(BATCH / 2)));
      await allSent(database);
    });
    await allThere(ids);
    const rows = await database.query<{ seqs: number; commits: number }>(
      `SELECT count(DISTINCT seq)::int AS seqs, count(DISTINCT xmin::text)::int AS commits
         FROM sync_changelog WHERE record_id = ANY($1)`,
      [ids],
    );
    expect(rows[0]?.seqs).toBe(ids.length);
    // Ten batches in one at most.
    expect(rows[0]?.commits).toBeGreaterThanOrEqual(3);
    expect(rows[0]?.commits).toBeLessThan(batches / 2);
  });

  it('gets seqs in the order of its changes and without gaps [W-WAL-18]', async () => {
    await applied(database);
    const { last_seq: before } = await storedPosition(database);
    const ids = await insertMarks(3 * BATCH + 1);
    await applied(database);
    const rows = await database.query<{ seq: string; record_id: string }>(
      'SELECT seq::text, record_id FROM sync_changelog WHERE record_id = ANY($1) ORDER BY sync_changelog.seq',
      [ids],
    );
    expect(rows.map(({ record_id: id }) => id)).toEqual(ids);
    expect(rows.map(({ seq }) => BigInt(seq) - BigInt(before))).toEqual(ids.map((_, n) => BigInt(n + 1)));
  });

  it('leaves nothing of a savepoint that was rolled back', async () => {
    const [kept, undone, nested, after] = [randomUUID(), randomUUID(), randomUUID(), randomUUID()];
    await inOneTransaction(
      database,
      `INSERT INTO marks (id) VALUES ('${kept}')`,
      'SAVEPOINT one',
      `INSERT INTO marks (id) VALUES ('${undone}')`,
      'SAVEPOINT two',
      `INSERT INTO marks (id) VALUES ('${nested}')`,
      'RELEASE SAVEPOINT two',
      'ROLLBACK TO SAVEPOINT one',
      `INSERT INTO marks (id) VALUES ('${after}')`,
    );
    await applied(database);
    for (const id of [kept, after]) expect(await logOf(database, 'marks', id)).toEqual(['create global']);
    for (const id of [undone, nested]) {
      expect(await logOf(database, 'marks', id)).toEqual([]);
      expect(await edgesOf(database, 'marks', id)).toEqual([]);
    }
  });

  it('that was rolled back leaves nothing', async () => {
    const id = randomUUID();
    await database.query(`BEGIN; INSERT INTO marks (id) VALUES ('${id}'); ROLLBACK`);
    await applied(database);
    expect(await logOf(database, 'marks', id)).toEqual([]);
  });

  it('is there with its siblings once each, however many are open at a time', async () => {
    const device = new Device(app.url, 'alice');
    await device.start();
    const ids = (await Promise.all(Array.from({ length: 20 }, () => insertMarks(3)))).flat();
    await applied(database);
    await device.pull();
    for (const id of ids) expect(device.row('marks', id)).toBeDefined();
    const rows = await database.query('SELECT FROM sync_changelog WHERE record_id = ANY($1)', [ids]);
    expect(rows).toHaveLength(ids.length);
  });
});
