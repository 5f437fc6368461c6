import { randomUUID } from 'node:crypto';
import { OwnershipResolver, SyncTable, type ResolveRow } from 'nestjs-synchro';
import { Column, Entity } from 'typeorm';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createTableSql } from '../../support/schema-fixtures.js';
import type { RunningApp } from '../../support/app.js';
import { createDatabase, type TestDatabase } from '../../support/database.js';
import { applied, edgesOf, startWalApp, SyncedRow } from '../../support/wal-app.js';

@Entity('papers')
@SyncTable({ bucketFunction: 'paper_buckets' })
class Paper extends SyncedRow {
  @Column('text')
  state!: string;
}

@Entity('ratios')
@SyncTable({ ownerColumn: 'user_id' })
class Ratio extends SyncedRow {
  @Column('text', { name: 'user_id' })
  userId!: string;
}

describe('a rule that fails for one row', () => {
  let database: TestDatabase;
  let app: RunningApp | undefined;

  beforeEach(async () => {
    database = await createDatabase();
  });

  afterEach(async () => {
    await app?.close();
    app = undefined;
    await database.drop();
  });

  async function failures(): Promise<readonly string[]> {
    const rows = await database.query<{ record_id: string }>(
      'SELECT record_id FROM sync_rule_failures WHERE resolved_at IS NULL ORDER BY record_id',
    );
    return rows.map(({ record_id }) => record_id);
  }

  it('stops no other, whatever state a bucket function raises for it [W-HOST-1]', async () => {
    await database.query(`${createTableSql('papers', 'state text NOT NULL')};
      CREATE FUNCTION paper_buckets (table_name text, operation text, new_row jsonb, old_row jsonb)
        RETURNS SETOF text LANGUAGE plpgsql AS $$ BEGIN
          IF new_row->>'state' <> '' THEN RAISE 'refused' USING ERRCODE = new_row->>'state'; END IF;
          RETURN NEXT 'user:alice';
        END $$`);
    app = await startWalApp(database, [Paper]);
    const insert = 'INSERT INTO papers (id, state) SELECT * FROM unnest($1::uuid[], $2::text[])';
    const states = '40001 40P01 40003 08006 53200 53300 57014 57P01 55P03 25006 25P03 XX000'.split(' ');
    const bad = states.map(() => randomUUID()).toSorted();
    const good = states.map(() => randomUUID());
    await database.query(insert, [
      good.flatMap((id, n) => [id, bad[n]]),
      states.flatMap((state) => ['', state]),
    ]);
    await applied(database);
    for (const id of good) expect(await edgesOf(database, 'papers', id)).toEqual(['user:alice']);
    expect(await failures()).toEqual(bad);
    await database.query(`UPDATE papers SET state = ''`);
    await applied(database);
    expect(await failures()).toEqual([]);
    for (const id of bad) expect(await edgesOf(database, 'papers', id)).toEqual(['user:alice']);
  });

  it('costs that row alone among more rows than are read at a time, at the first start [W-HOST-1]', async () => {
    await database.query(`${createTableSql('papers', 'state text NOT NULL')};
      CREATE FUNCTION paper_buckets (table_name text, operation text, new_row jsonb, old_row jsonb)
        RETURNS SETOF text LANGUAGE sql AS $$ SELECT 'length:' || 1 / length(new_row->>'state') $$`);
    const bad = randomUUID();
    await database.query(`INSERT INTO papers (id, state) VALUES ($1, '')`, [bad]);
    await database.query(
      `INSERT INTO papers (id, state) SELECT gen_random_uuid(), 'x' FROM generate_series(1, 2500)`,
    );
    app = await startWalApp(database, [Paper]);
    await applied(database);
    expect(await failures()).toEqual([bad]);
    const edges = await database.query(`SELECT FROM sync_bucket_edges WHERE bucket_id = 'length:1'`);
    expect(edges).toHaveLength(2_500);
  });

  it('that is another column’s, which fails on reading, does not stop the first start [W-HOST-1]', async ({
    skip,
  }) => {
    const [server] = await database.query<{ version: number }>(
      `SELECT current_setting('server_version_num')::int AS version`,
    );
    if ((server?.version ?? 0) < 180_000) skip();
    await database.query(
      createTableSql('ratios', 'user_id text, n int, r int GENERATED ALWAYS AS (1 / n) VIRTUAL'),
    );
    const [good, bad] = [randomUUID(), randomUUID()];
    await database.query(`INSERT INTO ratios (id, user_id, n) VALUES ($1, 'alice', 1), ($2, 'alice', 0)`, [
      good,
      bad,
    ]);
    app = await startWalApp(database, [Ratio], {
      providers: [{ provide: OwnershipResolver, useClass: UserBuckets }],
    });
    await applied(database);
    for (const id of [good, bad]) expect(await edgesOf(database, 'ratios', id)).toEqual(['user:alice']);
    expect(await failures()).toEqual([]);
  });
});

class UserBuckets extends OwnershipResolver {
  override resolveOwner(table: string, { data }: ResolveRow): readonly string[] {
    return [table === 'marks' ? 'global' : `user:${data['user_id']}`];
  }
}
