import { OwnershipResolver, SyncEngine, SyncTable, type ResolveRow } from 'nestjs-synchro';
import { Column, Entity } from 'typeorm';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { createTableSql } from '../../support/schema-fixtures.js';
import { createDatabase, type TestDatabase } from '../../support/database.js';
import { startWalApp, SyncedRow } from '../../support/wal-app.js';

@Entity('papers')
@SyncTable({ ownerColumn: 'user_id' })
class Paper extends SyncedRow {
  @Column('text', { name: 'user_id' })
  userId!: string;

  @Column('text')
  content!: string;
}

const MEGABYTE = 1024 * 1024;

let database: TestDatabase;

beforeAll(async () => {
  database = await createDatabase();
  await database.query(createTableSql('papers', 'user_id text NOT NULL, content text NOT NULL'));
});
afterAll(() => database.drop());

/** Characters of the rows that a resolver was asked about together. */
const asked: number[] = [];

class WholeRowResolver extends OwnershipResolver {
  override resolveOwners(_table: string, rows: readonly ResolveRow[]): readonly (readonly string[])[] {
    asked.push(rows.reduce((length, { data }) => length + (data['content']?.length ?? 0), 0));
    return rows.map(({ data }) => [`user:${data['user_id']}`]);
  }
}

/** `wide-rows.test.ts` looks at the memory of a process; this is about each read. */
it('rows of a megabyte are read in parts [W-HOST-8]', async () => {
  await database.query(
    `INSERT INTO papers (id, user_id, content)
     SELECT gen_random_uuid(), 'alice', repeat('x', $1) FROM generate_series(1, 20)`,
    [MEGABYTE],
  );
  const app = await startWalApp(database, [Paper], {
    providers: [{ provide: OwnershipResolver, useClass: WholeRowResolver }],
  });
  try {
    await app.app.get(SyncEngine).caughtUp();
    expect(asked.reduce((total, length) => total + length, 0)).toBe(20 * MEGABYTE);
    expect(Math.max(...asked)).toBeLessThanOrEqual(8 * MEGABYTE);
  } finally {
    await app.close();
  }
});
