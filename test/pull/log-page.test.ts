import { randomUUID } from 'node:crypto';
import { getDataSourceToken } from '@nestjs/typeorm';
import type { DataSource } from 'typeorm';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { parseSeqs, readLogPage, type LogPage, type LogPageRequest } from '../../lib/engine/pull/log-page.js';
import { inTransaction } from '../../lib/database/session.js';
import type { SyncClient } from '../../lib/store/clients/sync-clients.js';
import { startApp, type RunningApp } from '../support/app.js';
import { createDatabase, type TestDatabase } from '../support/database.js';

const BUCKETS = 12;
const ENTRIES = 1_200;
const NAMES = Array.from({ length: BUCKETS }, (_, n) => `team:${n}`);

let database: TestDatabase;
let app: RunningApp;
let dataSource: DataSource;

beforeAll(async () => {
  database = await createDatabase();
  app = await startApp({ database, synchro: { replication: false } });
  dataSource = app.app.get<DataSource>(getDataSourceToken(), { strict: false });
});

beforeEach(() => database.query('TRUNCATE sync_changelog'));

afterAll(async () => {
  await app.close();
  await database.drop();
});

/** Entries 1 to {@link ENTRIES}, every tenth of comments, each in the bucket that an SQL expression over `n` names. */
async function fill(bucket: string): Promise<void> {
  await database.query(
    `INSERT INTO sync_changelog (seq, bucket_id, table_name, record_id, operation)
     SELECT n, 'team:' || (${bucket})::int, CASE WHEN n % 10 = 0 THEN 'comments' ELSE 'tasks' END, n::text, 1
       FROM generate_series(1, $1::int) AS n`,
    [ENTRIES],
  );
}

async function page(request: Partial<LogPageRequest>): Promise<LogPage> {
  const client = { id: randomUUID(), buckets: NAMES, since: new Map(), leaving: [] } as unknown as SyncClient;
  return inTransaction(dataSource, 'read', (manager) =>
    readLogPage(manager, client, {
      checkpoint: 0n,
      lastSeq: BigInt(ENTRIES),
      limit: 50,
      buckets: NAMES,
      tables: null,
      ...request,
    }),
  );
}

function seqs({ records }: LogPage): readonly number[] {
  return records.flatMap((each) => parseSeqs(each.seqs).map(Number)).toSorted((a, b) => a - b);
}

const SPREADS = [
  ['evenly', `n % ${BUCKETS}`],
  ['by one that has nearly all', `CASE WHEN n % 100 = 0 THEN n / 100 % ${BUCKETS} ELSE 0 END`],
  ['one after the other', `n * ${BUCKETS} / ${ENTRIES + 1}`],
  ['by one alone', '3'],
] as const;

describe.each(SPREADS)('a page of many buckets, filled %s', (_, bucket) => {
  it.each([1, 7, 50, 300, 1_000])(
    'of %i entries has the next ones, and says whether there are more',
    async (limit) => {
      await fill(bucket);
      for (const checkpoint of [0, 1, 599, ENTRIES - limit, ENTRIES - 1]) {
        const expected = Array.from(
          { length: Math.min(limit, ENTRIES - checkpoint) },
          (__, n) => checkpoint + n + 1,
        );
        const read = await page({ limit, checkpoint: BigInt(checkpoint) });
        expect(seqs(read)).toEqual(expected);
        expect(read).toMatchObject({
          lastSeq: BigInt(checkpoint + expected.length),
          hasMore: checkpoint + expected.length < ENTRIES,
        });
      }
    },
  );

  it('is as long as it may be, also of some tables only, and ends where the log does', async () => {
    await fill(bucket);
    const read = await page({ tables: ['comments'], limit: 50 });
    expect(seqs(read)).toEqual(Array.from({ length: 50 }, (__, n) => 10 * (n + 1)));
    expect(read.hasMore).toBe(true);
    const end = await page({ lastSeq: 30n });
    expect(seqs(end)).toHaveLength(30);
    expect(end.hasMore).toBe(false);
  });
});
