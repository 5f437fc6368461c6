import { SyncTable } from 'nestjs-synchro';
import {
  Column,
  Entity,
  JoinColumn,
  ManyToOne,
  PrimaryColumn,
  PrimaryGeneratedColumn,
  UpdateDateColumn,
  type Relation,
} from 'typeorm';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { describeProblem, SynchroError } from '../../lib/common/errors.js';
import type { SyncTable as Table } from '../../lib/registry/sync-table.js';
import { createDatabase, type TestDatabase } from '../support/database.js';
import { owned, readOnly, schemaFixture, type SchemaFixture } from '../support/schema-fixtures.js';
import { startWalApp } from '../support/wal-app.js';

describe('the column by which devices know a row', () => {
  let fixture: SchemaFixture;

  beforeAll(async () => {
    fixture = await schemaFixture();
    await fixture.db.query(
      `CREATE TABLE things (id serial PRIMARY KEY, user_id text NOT NULL, code text NOT NULL, loose uuid UNIQUE,
         sync_id uuid NOT NULL, updated_at timestamptz NOT NULL DEFAULT now(), deleted_at timestamptz);
       CREATE UNIQUE INDEX part ON things (code) WHERE deleted_at IS NULL;
       CREATE UNIQUE INDEX whole ON things (sync_id);
       CREATE TABLE pairs (a uuid, b uuid, updated_at timestamptz NOT NULL, deleted_at timestamptz, PRIMARY KEY (a, b))`,
    );
  });
  afterAll(() => fixture.close());

  async function problems(table: Table): Promise<readonly string[]> {
    const { problems: found } = await fixture.service(table).check();
    return found.map(describeProblem);
  }

  it('is any that is unique and not null', async () => {
    expect(await problems(readOnly('things', { idColumn: 'sync_id' }))).toEqual([]);
    expect(await problems(owned('things', { idColumn: 'sync_id' }))).toEqual([]);
  });

  it('is none that is unique for some rows only, may be null, or is a part of a key [W-HOST-74]', async () => {
    expect(await problems(readOnly('things', { idColumn: 'code' }))).toEqual([
      'things: idColumn: the primary key of "public"."things" is id, not code, which is not UNIQUE either; ' +
        'set idColumn to id in @SyncTable, or ALTER TABLE "public"."things" ADD UNIQUE ("code")',
    ]);
    expect(await problems(readOnly('things', { idColumn: 'loose' }))).toEqual([
      'things: idColumn: loose of "public"."things" allows null, so that a row may have no id; ' +
        'ALTER TABLE "public"."things" ALTER COLUMN "loose" SET NOT NULL (after filling the rows that have none)',
    ]);
    expect(await problems(readOnly('pairs', { idColumn: 'a' }))).toEqual([
      'pairs: idColumn: "public"."pairs" has the composite primary key (a, b), but clients know a record by one column; ' +
        'ALTER TABLE "public"."pairs" ADD COLUMN sync_id uuid NOT NULL DEFAULT gen_random_uuid() CONSTRAINT "pairs_sync_id" UNIQUE; ' +
        'ALTER TABLE "public"."pairs" REPLICA IDENTITY USING INDEX "pairs_sync_id"; ' +
        "add the column to the entity, and idColumn: 'sync_id' to its @SyncTable",
    ]);
  });

  it('can be made as the message says', async () => {
    await fixture.db.query(
      `ALTER TABLE "public"."pairs" ADD COLUMN sync_id uuid NOT NULL DEFAULT gen_random_uuid() CONSTRAINT "pairs_sync_id" UNIQUE;
       ALTER TABLE "public"."pairs" REPLICA IDENTITY USING INDEX "pairs_sync_id"`,
    );
    expect(await problems(readOnly('pairs', { idColumn: 'sync_id' }))).toEqual([]);
  });
});

@Entity('boards')
@SyncTable({ ownerColumn: 'user_id', idColumn: 'sync_id' })
class Board {
  @PrimaryGeneratedColumn()
  id!: number;

  @Column('uuid', { unique: true })
  sync_id!: string;

  @Column('text')
  user_id!: string;

  @UpdateDateColumn({ type: 'timestamptz' })
  updated_at!: Date;
}

@Entity('cards')
@SyncTable({ parent: () => Board })
class Card {
  @PrimaryColumn('uuid')
  id!: string;

  @ManyToOne(() => Board)
  @JoinColumn({ name: 'board_id' })
  board!: Relation<Board>;

  @UpdateDateColumn({ type: 'timestamptz' })
  updated_at!: Date;
}

describe('an id beside the primary key', () => {
  let database: TestDatabase;

  beforeAll(async () => {
    database = await createDatabase();
    await database.query(
      `CREATE TABLE boards (id serial PRIMARY KEY, sync_id uuid NOT NULL DEFAULT gen_random_uuid() CONSTRAINT boards_sync_id UNIQUE,
         user_id text NOT NULL, updated_at timestamptz NOT NULL DEFAULT now());
       CREATE TABLE cards (id uuid PRIMARY KEY, board_id int REFERENCES boards, updated_at timestamptz NOT NULL DEFAULT now())`,
    );
  });
  afterAll(() => database.drop());

  async function refusal(entities: Parameters<typeof startWalApp>[1]): Promise<readonly string[]> {
    const error: unknown = await startWalApp(database, entities).then(
      async (app) => app.close(),
      (reason: unknown) => reason,
    );
    return error instanceof SynchroError ? error.problems.map(describeProblem) : [];
  }

  it('has to be in the replica identity, by the statement that the start says [W-HOST-75]', async () => {
    const fix = 'ALTER TABLE public.boards REPLICA IDENTITY USING INDEX boards_sync_id;';
    expect(await refusal([Board])).toEqual([
      'Board: REPLICA IDENTITY: a deleted row of public.boards would not carry sync_id, which sync needs; ' +
        fix.replace('boards_sync_id', '"boards_sync_id"'),
    ]);
    await database.query(fix);
    expect(await refusal([Board])).toEqual([]);
  });

  it('is what children refer to, not the primary key [W-HOST-76]', async () => {
    const [problem] = await refusal([Board, Card]);
    expect(problem).toBe(
      'Card: parentFkColumn: board_id holds id of Board, which devices know by sync_id; ' +
        "add a column that refers to sync_id: @ManyToOne(() => Board) @JoinColumn({ name: '…', referencedColumnName: '…' }), and name it parentFkColumn",
    );
  });
});
