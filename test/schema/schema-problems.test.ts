import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { describeProblem } from '../../lib/common/errors.js';
import type { SyncTable } from '../../lib/registry/sync-table.js';
import {
  createTableSql,
  owned,
  readOnly,
  type SchemaFixture,
  schemaFixture,
} from '../support/schema-fixtures.js';

let fixture: SchemaFixture;

beforeAll(async () => {
  fixture = await schemaFixture();
});

afterAll(() => fixture.close());

async function problems(...tables: readonly SyncTable[]): Promise<readonly string[]> {
  const { problems } = await fixture.service(...tables).check();
  return problems.map(describeProblem);
}

describe('relations whose changes can not be followed are refused by name', () => {
  const NOT_LOGGED = 'whose changes are not in the write-ahead log';

  it.each([
    ['view', 'CREATE VIEW r_view AS SELECT * FROM r_table', `a view, ${NOT_LOGGED}`],
    [
      'matview',
      'CREATE MATERIALIZED VIEW r_matview AS SELECT * FROM r_table',
      `a materialized view, ${NOT_LOGGED}`,
    ],
    [
      'foreign',
      `CREATE EXTENSION postgres_fdw; CREATE SERVER elsewhere FOREIGN DATA WRAPPER postgres_fdw;
       CREATE FOREIGN TABLE r_foreign (id uuid) SERVER elsewhere`,
      "a foreign table, whose changes are in another server's write-ahead log",
    ],
    [
      'unlogged',
      createTableSql('r_unlogged').replace('TABLE', 'UNLOGGED TABLE'),
      'unlogged, so that its changes are not in the write-ahead log',
    ],
    [
      'leaf',
      `CREATE TABLE r_root (id int PRIMARY KEY, updated_at timestamptz NOT NULL, deleted_at timestamptz) PARTITION BY RANGE (id);
       CREATE TABLE r_leaf PARTITION OF r_root DEFAULT`,
      'a partition of r_root',
    ],
    [
      'base',
      `${createTableSql('r_base')}; CREATE TABLE r_special () INHERITS (r_base)`,
      'inherited from (INHERITS) by tables whose rows it shows, but whose changes come under their own names',
    ],
  ])('%s', async (name, ddl, message) => {
    await fixture.db.query(createTableSql('IF NOT EXISTS r_table'));
    await fixture.db.query(ddl);
    const [line, ...others] = await problems(readOnly(`r_${name}`));
    expect(others).toEqual([]);
    expect(line).toContain(`r_${name}: @SyncTable: "public"."r_${name}" is ${message}; `);
  });

  it('but not a partitioned table, nor one that inherits', async () => {
    await expect(problems(readOnly('r_root'))).resolves.toEqual([]);
    await fixture.db.query('ALTER TABLE r_special ADD PRIMARY KEY (id)');
    await expect(problems(readOnly('r_special'))).resolves.toEqual([]);
  });

  it('a temporary table is not there at all', async () => {
    await fixture.db.query(createTableSql('pg_temp.r_fleeting').replace('TABLE', 'TEMPORARY TABLE'));
    const [line] = await problems(readOnly('r_fleeting'));
    expect(line).toContain('there is no table "public"."r_fleeting" in the database');
  });
});

describe('columns are refused by name', () => {
  it('when they differ by case alone, unless one of them is left out', async () => {
    await fixture.db.query(createTableSql('cased', 'title text, "Title" text'));
    expect(await problems(readOnly('cased'))).toEqual([
      'cased: Title: title and Title are one name to SQLite, which ignores case; ' +
        'rename one of them, or leave it out of @SyncTable({ syncColumns: [...] })',
    ]);
    await expect(problems(readOnly('cased', { syncColumns: ['Title'] }))).resolves.toEqual([]);
  });

  it('when no device can fill them, and nothing else does', async () => {
    await fixture.db.query(
      createTableSql('needy', 'user_id text NOT NULL, secret text NOT NULL, made_at timestamptz NOT NULL'),
    );
    const table = owned('needy', {
      hiddenColumns: ['secret'],
      protectedColumns: new Set(['id', 'user_id', 'updated_at', 'deleted_at', 'made_at']),
    });
    expect(await problems(table)).toEqual([
      "needy: secret: a new row needs a value here, but devices can't send one (it is not synced), and there is no default; " +
        'ALTER TABLE "public"."needy" ALTER COLUMN "secret" SET DEFAULT …, or DROP NOT NULL',
      "needy: made_at: a new row needs a value here, but devices can't send one (it is protected), and there is no default; " +
        'ALTER TABLE "public"."needy" ALTER COLUMN "made_at" SET DEFAULT …, or DROP NOT NULL',
    ]);
    await expect(problems(readOnly('needy', { hiddenColumns: ['secret'] }))).resolves.toEqual([]);

    await fixture.db.query(`
      CREATE FUNCTION fill() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN new.secret := 1; new.made_at := now(); RETURN new; END';
      CREATE TRIGGER fill BEFORE INSERT ON needy FOR EACH ROW EXECUTE FUNCTION fill()`);
    await expect(problems(table), 'a trigger fills them').resolves.toEqual([]);
    await fixture.db.query('ALTER TABLE needy DISABLE TRIGGER fill');
    await expect(problems(table)).resolves.toHaveLength(2);
  });

  it('when their values are generated, but say whose a row is', async () => {
    await fixture.db.query(
      createTableSql('derived', `n text, user_id text GENERATED ALWAYS AS ('u' || n) STORED`),
    );
    expect(await problems(owned('derived'))).toEqual([
      'derived: ownerColumn: user_id is a generated column, whose values are not in the write-ahead log; ' +
        'name an ordinary column, e.g. one that a trigger fills',
    ]);
  });
});

function source(fkColumn: string): Partial<SyncTable> {
  return { bucketSources: [{ schema: 'public', relation: 'shares', fkColumn }] };
}

function comments(parentFkColumn: string): SyncTable {
  return readOnly('comments', { parent: 'tasks', parentFkColumn, depth: 1 });
}

describe('keys of another type than the column that they are held in', () => {
  beforeAll(async () => {
    await fixture.db.query(`
      CREATE DOMAIN key AS uuid; CREATE DOMAIN word AS varchar(40);
      CREATE TABLE shares (task_id text, task_key key, word text, n int, twice int GENERATED ALWAYS AS (n * 2) STORED);
      ${createTableSql('tasks', 'user_id text')};
      ${createTableSql('comments', 'task_id text, task_key key')};
      CREATE TABLE labels (id word PRIMARY KEY, updated_at timestamptz NOT NULL, deleted_at timestamptz)`);
  });

  const tasks = owned('tasks');

  it('are refused for a parent', async () => {
    expect(await problems(tasks, comments('task_id'))).toEqual([
      'comments: parentFkColumn: task_id is text, but the key of tasks is uuid; ' +
        'ALTER TABLE "public"."comments" ALTER COLUMN "task_id" TYPE uuid USING "task_id"::uuid',
    ]);
    await expect(problems(tasks, comments('task_key')), 'a domain over it').resolves.toEqual([]);
  });

  it('are refused for a bucket source', async () => {
    expect(await problems(owned('tasks', source('task_id')))).toEqual([
      'tasks: bucketSources: "public"."shares".task_id is text, but the key that it holds is uuid; ' +
        'ALTER TABLE "public"."shares" ALTER COLUMN "task_id" TYPE uuid USING "task_id"::uuid',
    ]);
    await expect(problems(owned('tasks', source('task_key')))).resolves.toEqual([]);
    await expect(problems(readOnly('labels', source('word'))), 'text for varchar').resolves.toEqual([]);
    await expect(problems(readOnly('labels', source('n')))).resolves.toHaveLength(1);
  });

  it('as are bucket sources that are not there, or whose column is not in the log', async () => {
    const elsewhere = { bucketSources: [{ schema: 'shop', relation: 'shares', fkColumn: 'task_id' }] };
    const lines = await problems(
      owned('tasks', elsewhere),
      readOnly('labels', source('nothing')),
      readOnly('comments', source('twice')),
    );
    expect(lines).toEqual([
      'tasks: bucketSources: there is no table "shop"."shares"; run the migration that creates it',
      'labels: bucketSources: "public"."shares" has no column nothing; add it, or name another fkColumn',
      'comments: bucketSources: "public"."shares".twice is a generated column, whose values are not in the write-ahead log; name an ordinary column',
    ]);
  });
});

it('a timestamp without time zone is warned of, with the zone that it is taken for', async () => {
  await fixture.db.query(createTableSql('zoneless', 'at timestamp(3), hidden timestamp, safe timestamptz'));
  const { problems: none, warnings } = await fixture
    .service(readOnly('zoneless', { hiddenColumns: ['hidden'] }))
    .check();
  expect(none).toEqual([]);
  expect(warnings.map(describeProblem)).toEqual([
    'zoneless: at: timestamp(3) without time zone in "public"."zoneless" has no zone: sync reads and writes it as UTC, ' +
      'under any TimeZone of the session; make sure that your own code writes UTC there, or: ' +
      `ALTER TABLE "public"."zoneless" ALTER COLUMN "at" TYPE timestamptz USING "at" AT TIME ZONE 'UTC'`,
  ]);
});
