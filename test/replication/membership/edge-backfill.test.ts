import { SyncTable } from 'nestjs-synchro';
import { Column, Entity, JoinColumn, ManyToOne, type Relation } from 'typeorm';
import { beforeAll, describe, expect, it } from 'vitest';
import { JoinResolver, OwnershipResolver, SyncRegistry } from '../../../lib/index.js';
import { createTableSql } from '../../support/schema-fixtures.js';
import { createDatabase, type TestDatabase } from '../../support/database.js';
import { startWalApp, SyncedRow, type WalAppOptions } from '../../support/wal-app.js';

@Entity('boards')
@SyncTable({ ownerColumn: 'user_id', globalWhenBucketNull: true, allowGlobalRead: true })
class Board extends SyncedRow {
  @Column('text', { name: 'user_id', nullable: true })
  userId!: string | null;
}

@Entity('teams')
@SyncTable({ ownerColumn: 'user_id', bucketByColumn: 'team', bucketPrefix: "it's:" })
class Team extends SyncedRow {
  @Column('text', { name: 'user_id' })
  userId!: string;

  @Column('int', { nullable: true })
  team!: number | null;
}

@Entity('cards')
@SyncTable({ parent: () => Board, ownerColumn: 'author' })
class Card extends SyncedRow {
  @ManyToOne(() => Board, { nullable: true })
  @JoinColumn({ name: 'board_id' })
  board!: Relation<Board> | null;

  @Column('text', { nullable: true })
  author!: string | null;
}

@Entity('notes')
@SyncTable({ parent: () => Card })
class Note extends SyncedRow {
  @ManyToOne(() => Card, { nullable: true })
  @JoinColumn({ name: 'card_id' })
  card!: Relation<Card> | null;
}

@Entity('news')
@SyncTable({ pushPolicy: 'disabled' })
class News extends SyncedRow {}

/** The same rule, which the database doesn't know to be the same: each row is read and resolved. */
class SameRule extends JoinResolver {}

class OtherRule extends JoinResolver {
  override resolveOwners(_: string, rows: readonly object[]): Promise<readonly (readonly string[])[]> {
    return Promise.resolve(rows.map(() => ['its:own']));
  }
}

function ruledBy(Rule: new (registry: SyncRegistry) => OwnershipResolver): WalAppOptions {
  const useFactory = (registry: SyncRegistry): OwnershipResolver => new Rule(registry);
  return { providers: [{ provide: OwnershipResolver, inject: [SyncRegistry], useFactory }] };
}

const ENTITIES = [Board, Team, Card, Note, News];
const USER = '0b6c1e9a-8a3e-4a52-9a3f-2f3f6c0a7b11';

const TABLES = [
  createTableSql('boards', 'user_id text'),
  createTableSql('teams', 'user_id text NOT NULL, team integer'),
  createTableSql('cards', 'board_id uuid, author text'),
  createTableSql('notes', 'card_id uuid'),
  createTableSql('news'),
];

/** Of every kind of row a few: owners in all spellings, of nobody, deleted, without a time that devices could read. */
const ROWS = `
CREATE FUNCTION id(kind text, n bigint) RETURNS uuid LANGUAGE sql IMMUTABLE AS $$ SELECT md5(kind || n)::uuid $$;
INSERT INTO boards (id, user_id, deleted_at, updated_at)
SELECT id('board', n), (ARRAY['alice', upper('${USER}'), '${USER}', 'Bob', '', NULL])[1 + n % 6],
       CASE WHEN n % 5 = 0 THEN now() END, CASE n % 7 WHEN 0 THEN 'infinity' WHEN 1 THEN '0044-03-15 BC' ELSE '2026-01-01'::timestamptz + n * interval '1 microsecond' END
  FROM generate_series(1, 60) AS n;
INSERT INTO teams (id, user_id, team) SELECT id('team', n), 'alice', nullif(n % 4, 0) FROM generate_series(1, 12) AS n;
INSERT INTO cards (id, board_id, author, deleted_at)
SELECT id('card', n), CASE WHEN n % 9 = 0 THEN NULL WHEN n % 10 = 0 THEN id('nowhere', n) ELSE id('board', 1 + n % 60) END,
       (ARRAY['alice', 'Bob', NULL])[1 + n % 3], CASE WHEN n % 11 = 0 THEN now() END
  FROM generate_series(1, 200) AS n;
INSERT INTO notes (id, card_id)
SELECT id('note', n), CASE WHEN n % 13 = 0 THEN NULL WHEN n % 17 = 0 THEN id('nowhere', n) ELSE id('card', 1 + n % 200) END
  FROM generate_series(1, 300) AS n;
INSERT INTO news (id) SELECT id('news', n) FROM generate_series(1, 3) AS n;
UPDATE teams SET updated_at = '2026-01-02';
UPDATE cards SET updated_at = '2026-01-02';
UPDATE notes SET updated_at = '2026-01-02';
UPDATE news SET updated_at = '2026-01-02'`;

/** What the first start writes of who sees what. */
async function firstStart(options: WalAppOptions): Promise<{
  readonly edges: readonly object[];
  readonly waiting: readonly object[];
}> {
  const database: TestDatabase = await createDatabase();
  try {
    for (const sql of [...TABLES, ...ROWS.split(';\n')]) await database.query(sql);
    const app = await startWalApp(database, ENTITIES, options);
    await app.close();
    return {
      edges: await database.query(
        'SELECT table_name, record_id, bucket_id, live, row_updated_at::text, parent_id FROM sync_bucket_edges ORDER BY 1, 2, 3',
      ),
      waiting: await database.query(
        'SELECT table_name, record_id, parent_table, parent_id FROM sync_waiting_rows ORDER BY 1, 2',
      ),
    };
  } finally {
    await database.drop();
  }
}

describe('the first edges', () => {
  let inDatabase: Awaited<ReturnType<typeof firstStart>>;
  let oneByOne: Awaited<ReturnType<typeof firstStart>>;

  beforeAll(async () => {
    inDatabase = await firstStart({});
    oneByOne = await firstStart(ruledBy(SameRule));
  });

  it('are the same, whether the database writes them or each row is resolved', () => {
    expect(inDatabase.edges.length).toBeGreaterThan(400);
    expect(inDatabase.edges).toEqual(oneByOne.edges);
  });

  it('leave the same rows waiting for their parents', () => {
    expect(inDatabase.waiting.length).toBeGreaterThan(20);
    expect(inDatabase.waiting).toEqual(oneByOne.waiting);
  });

  it('are those of the rule of the host, where it has one', async () => {
    const { edges } = await firstStart(ruledBy(OtherRule));
    expect(edges.length).toBeGreaterThan(400);
    for (const edge of edges) expect(edge).toMatchObject({ bucket_id: 'its:own' });
  });
});
