import type { Client } from 'pg';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { ConsumerClient } from '../../../lib/replication/slot/consumer-connection.js';
import { ChangelogTransaction } from '../../../lib/store/changelog/changelog-transaction.js';
import { synchroMigrationsSql } from '../../../lib/store/migrations/index.js';
import { startEpoch, type WalPosition } from '../../../lib/store/changelog/wal-position.js';
import { createDatabase, type TestDatabase } from '../../support/database.js';
import { logOf, storedPosition } from '../../support/wal-app.js';

const ENTRY = { table: 'tasks', recordId: 'a', bucket: 'user:alice', operation: 1, servedAt: null };

describe('a transaction of the changelog', () => {
  let database: TestDatabase;
  let former: Client;
  let successor: Client;
  let start: WalPosition;

  beforeAll(async () => {
    database = await createDatabase();
    for (const statement of synchroMigrationsSql()) await database.query(statement);
    [former, successor] = [connection(), connection()];
    await Promise.all([former.connect(), successor.connect()]);
  });

  beforeEach(async () => {
    await database.query('DELETE FROM sync_changelog');
    start = await startEpoch(
      former,
      { slotName: 'slot', confirmedLsn: 100n, systemId: 'system', timeline: 1 },
      null,
    );
  });

  afterAll(async () => {
    await Promise.all([former.end(), successor.end()]);
    await database.drop();
  });

  function connection(): Client {
    return new ConsumerClient({ connectionString: database.url, pipeline: true, schema: 'public' });
  }

  it('moves entries and position together', async () => {
    const tx = await ChangelogTransaction.begin(successor, start);
    tx.append([ENTRY, { ...ENTRY, operation: 2 }]);
    const { position, durable } = tx.commit(200n);
    expect(position).toEqual({ ...start, confirmedLsn: 200n, lastSeq: start.lastSeq + 2n });
    await durable;
    expect(await storedPosition(database)).toMatchObject({ confirmed_lsn: '200', last_seq: '3' });
    expect(await logOf(database, 'tasks', 'a')).toEqual(['create user:alice', 'update user:alice']);
  });

  it('writes every entry as it is, whether or not they have anything in common', async () => {
    const tx = await ChangelogTransaction.begin(successor, start);
    const servedAt = 1_700_000_000_000_000n;
    tx.append([ENTRY, ENTRY].map((entry) => ({ ...entry, servedAt })));
    tx.append([
      { ...ENTRY, servedAt },
      { ...ENTRY, table: 'notes', operation: 3 },
    ]);
    tx.append([ENTRY, ENTRY, ENTRY]);
    await tx.commit(200n).durable;
    const log = await database.query(
      `SELECT table_name || operation || coalesce(to_char(served_at AT TIME ZONE 'UTC', ' YYYY'), '') AS entry
         FROM sync_changelog ORDER BY seq`,
    );
    expect(log.map(({ entry }) => entry)).toEqual([
      'tasks1 2023',
      'tasks1 2023',
      'tasks1 2023',
      'notes3',
      'tasks1',
      'tasks1',
      'tasks1',
    ]);
  });

  it.each<[string, (position: WalPosition) => Promise<unknown>]>([
    [
      'an older position',
      async (position) => {
        const tx = await ChangelogTransaction.begin(successor, position);
        tx.append([ENTRY]);
        await tx.commit(200n).durable;
      },
    ],
    ['an older epoch', (position) => startEpoch(successor, position, position)],
    ['another slot', (position) => startEpoch(successor, { ...position, slotName: 'other' }, null)],
  ])('is refused to who holds %s', async (_, move) => {
    await move(start);
    const moved = await storedPosition(database);
    await expect(ChangelogTransaction.begin(former, start)).rejects.toMatchObject({
      code: 'position_conflict',
    });
    // Nothing is open, so nothing is locked.
    await successor.query('SELECT FROM sync_wal_position FOR UPDATE NOWAIT');
    expect(await storedPosition(database)).toEqual(moved);
  });

  it('lets the next one begin at its end alone', async () => {
    const first = await ChangelogTransaction.begin(successor, start);
    const refused = expect(ChangelogTransaction.begin(former, start)).rejects.toMatchObject({
      code: 'position_conflict',
    });
    first.append([ENTRY]);
    await first.commit(200n).durable;
    await refused;
  });

  it('lets the next one of the same connection begin before its commit is answered', async () => {
    const first = await ChangelogTransaction.begin(successor, start);
    first.append([ENTRY]);
    const { position, durable } = first.commit(200n);
    const second = await ChangelogTransaction.begin(successor, position);
    await durable;
    second.append([{ ...ENTRY, operation: 2 }]);
    await second.commit(300n).durable;
    expect(await logOf(database, 'tasks', 'a')).toEqual(['create user:alice', 'update user:alice']);
  });

  it('throws the error of a statement that was sent while another one was awaited', async () => {
    const edge = { ...ENTRY, live: true, rowUpdatedAt: null, parentId: null };
    const tx = await ChangelogTransaction.begin(successor, start);
    tx.append([ENTRY]);
    const read = tx.query('SELECT 1');
    tx.writeEdges('insert', [edge, edge]);
    await read;
    await expect(tx.written()).rejects.toMatchObject({ code: '23505' });
    await tx.rollback();
    expect(await logOf(database, 'tasks', 'a')).toEqual([]);
  });

  it('throws the error of a read that was sent ahead', async () => {
    const tx = await ChangelogTransaction.begin(successor, start);
    const failed = tx.asked(tx.query('SELECT 1 / 0'));
    await expect(tx.query('SELECT 1')).rejects.toMatchObject({ code: '22012' });
    await expect(failed).rejects.toMatchObject({ code: '22012' });
    tx.append([ENTRY]);
    await expect(tx.commit(200n).durable).rejects.toMatchObject({ code: '22012' });
    expect(await storedPosition(database)).toMatchObject({ confirmed_lsn: '100' });
  });

  it('leaves nothing for the next one to begin with when it fails on the way', async () => {
    const edge = { ...ENTRY, live: true, rowUpdatedAt: null, parentId: null };
    const first = await ChangelogTransaction.begin(successor, start);
    first.append([ENTRY]);
    first.writeEdges('insert', [edge, edge]);
    const { position, durable } = first.commit(200n);
    const failed = expect(durable).rejects.toMatchObject({ code: '23505' });
    await expect(ChangelogTransaction.begin(successor, position)).rejects.toMatchObject({
      code: 'position_conflict',
    });
    await failed;
    expect(await storedPosition(database)).toMatchObject({ confirmed_lsn: '100' });
    expect(await logOf(database, 'tasks', 'a')).toEqual([]);
  });
});
