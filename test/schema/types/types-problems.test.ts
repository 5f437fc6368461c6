import { DataSource } from 'typeorm';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { describeProblem } from '../../../lib/common/errors.js';
import type { SyncTable } from '../../../lib/registry/sync-table.js';
import { tablePrivilegeProblems } from '../../../lib/store/rls/table-privileges.js';
import {
  createTableSql,
  owned,
  readOnly,
  type SchemaFixture,
  schemaFixture,
} from '../../support/schema-fixtures.js';
import { createRole } from '../../support/roles.js';

let fixture: SchemaFixture;

beforeAll(async () => {
  fixture = await schemaFixture();
  await fixture.db.query(`
    CREATE EXTENSION citext;
    CREATE DOMAIN nick AS citext;
    CREATE DOMAIN code AS char(6);
    CREATE TYPE mood AS ENUM ('sad', 'glad');
    CREATE COLLATION loose (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
    CREATE COLLATION bytes (provider = libc, locale = 'C');
    CREATE DOMAIN loose_name AS text COLLATE loose`);
});

afterAll(() => fixture.close());

async function problems(...tables: readonly SyncTable[]): Promise<readonly string[]> {
  const { problems } = await fixture.service(...tables).check();
  return problems.map(describeProblem);
}

function kept(parentFkColumn: string): SyncTable {
  return readOnly('kept', { parent: 'sorted', parentFkColumn, depth: 1 });
}

/** Types whose values have several texts, or of which equal values have. */
const REFUSED = [
  'citext', 'nick', 'numeric', 'numeric(10,2)', 'real', 'double precision', 'boolean', 'timestamptz', 'timestamp', 'time',
  'interval', 'bytea', 'inet', 'money', 'name', '"char"', 'xid', 'oid', 'text[]', 'jsonb', 'int4range', 'xml', 'bit(3)',
  'loose_name', 'text COLLATE loose', 'varchar(9) COLLATE loose',
]; // prettier-ignore

describe('columns that identify rows, users and buckets', () => {
  it.each([...REFUSED, 'mood', 'date'])('%s is refused for an owner, by name [W-HOST-22]', async (type) => {
    await fixture.db.query(
      `DROP TABLE IF EXISTS typed; ${createTableSql('typed', `user_id ${type}, n int`)}`,
    );
    const [line, ...others] = await problems(owned('typed'));
    expect(others).toEqual([]);
    expect(line).toMatch(
      /^typed: ownerColumn: user_id (is|has) .*ALTER TABLE "public"\."typed" ALTER COLUMN/,
    );
    await expect(problems(readOnly('typed')), 'where it is just a value').resolves.toEqual([]);
  });

  it.each(REFUSED)('%s is refused for a bucket, by name [W-HOST-22]', async (type) => {
    await fixture.db.query(`DROP TABLE IF EXISTS typed; ${createTableSql('typed', `room ${type}`)}`);
    const [line, ...others] = await problems(
      readOnly('typed', { bucketByColumn: 'room', bucketPrefix: 'room:' }),
    );
    expect(others).toEqual([]);
    expect(line).toContain('typed: bucketByColumn: room ');
  });

  it.each(REFUSED.filter((type) => !['jsonb', 'xid', 'xml'].includes(type)))(
    '%s is refused for a key, by name [W-HOST-22]',
    async (type) => {
      await fixture.db.query(
        `DROP TABLE IF EXISTS typed;
         CREATE TABLE typed (id ${type} PRIMARY KEY, updated_at timestamptz NOT NULL, deleted_at timestamptz)`,
      );
      const [line] = await problems(readOnly('typed'));
      expect(line).toContain('typed: idColumn: id ');
    },
  );

  it.each(['text', 'varchar(9)', 'char(9)', 'code', 'uuid', 'smallint', 'integer', 'bigint', 'date', 'mood'])(
    '%s is fine for a bucket',
    async (type) => {
      await fixture.db.query(`DROP TABLE IF EXISTS typed; ${createTableSql('typed', `room ${type}`)}`);
      await expect(problems(readOnly('typed', { bucketByColumn: 'room' }))).resolves.toEqual([]);
    },
  );

  it.each([
    ['char(6)', 'varchar(9)', true],
    ['code', 'text', true],
    ['varchar(9)', 'code', true],
    ['int', 'bigint', true],
    ['bigint', 'smallint', true],
    ['uuid', 'text', false],
    ['int', 'numeric', false],
    ['text', 'citext', false],
    ['text', 'uuid', false],
    ['bigint', 'text', false],
  ])("a parent's key %s and a foreign key %s: %s [W-HOST-22]", async (key, fk, isFine) => {
    await fixture.db.query(`
      DROP TABLE IF EXISTS typed, held, shares;
      CREATE TABLE typed (id ${key} PRIMARY KEY, updated_at timestamptz NOT NULL, deleted_at timestamptz);
      CREATE TABLE shares (typed_id ${fk});
      ${createTableSql('held', `typed_id ${fk}`)}`);
    const held = readOnly('held', { parent: 'typed', parentFkColumn: 'typed_id', depth: 1 });
    const lines = await problems(readOnly('typed'), held);
    expect(lines.every((line) => line.startsWith('held: parentFkColumn: typed_id '))).toBe(true);
    expect(lines.length > 0).toBe(!isFine);
    const source = { bucketSources: [{ schema: 'public', relation: 'shares', fkColumn: 'typed_id' }] };
    const told = await problems(readOnly('typed', source));
    expect(told.length > 0).toBe(!isFine);
  });

  it('two collations that PostgreSQL can not compare are refused for key and foreign key [W-HOST-22]', async () => {
    await fixture.db.query(`
      CREATE TABLE sorted (id text COLLATE bytes PRIMARY KEY, updated_at timestamptz NOT NULL, deleted_at timestamptz);
      ${createTableSql('kept', 'posix_id text COLLATE "POSIX", same_id text COLLATE bytes, plain_id text')}`);
    expect(await problems(readOnly('sorted'), kept('posix_id'))).toEqual([
      'kept: parentFkColumn: posix_id has the collation pg_catalog."POSIX", but the key of sorted has public.bytes, so that ' +
        `PostgreSQL can't compare them; ALTER TABLE "public"."kept" ALTER COLUMN "posix_id" TYPE text COLLATE public.bytes`,
    ]);
    await expect(problems(readOnly('sorted'), kept('same_id'))).resolves.toEqual([]);
    await expect(problems(readOnly('sorted'), kept('plain_id'))).resolves.toEqual([]);
  });
});

describe('tables that pushes could not write are refused, unless devices only read them', () => {
  it.each([
    ['DO INSTEAD', 'CREATE RULE audit AS ON INSERT TO ruled DO INSTEAD NOTHING'],
    [
      'conditional',
      'CREATE RULE audit AS ON UPDATE TO ruled WHERE old.user_id IS DISTINCT FROM new.user_id DO INSTEAD NOTHING',
    ],
  ])('a %s rule [W-HOST-25]', async (_, rule) => {
    await fixture.db.query(`DROP TABLE IF EXISTS ruled; ${createTableSql('ruled', 'user_id text')}; ${rule}`);
    expect(await problems(owned('ruled'))).toEqual([
      `ruled: RULE: the rule audit of "public"."ruled" replaces what pushes write, so that PostgreSQL can't say what became of it; ` +
        `DROP RULE "audit" ON "public"."ruled", and let a trigger do its work; or set pushPolicy: 'disabled'`,
    ]);
    await expect(problems(readOnly('ruled'))).resolves.toEqual([]);
    await fixture.db.query('ALTER TABLE ruled DISABLE RULE audit');
    await expect(problems(owned('ruled'))).resolves.toEqual([]);
  });

  it('but not a rule that does something besides, nor one for DELETE, which no push runs', async () => {
    await fixture.db.query(
      `${createTableSql('kept_rows', 'user_id text')}; CREATE RULE keep AS ON DELETE TO kept_rows DO INSTEAD NOTHING;
       CREATE RULE tell AS ON UPDATE TO kept_rows DO ALSO NOTIFY kept_rows`,
    );
    await expect(problems(owned('kept_rows'))).resolves.toEqual([]);
  });

  it.each([
    ['ownerColumn', 'user_id int GENERATED ALWAYS AS IDENTITY, version int'],
    ['versionColumn', 'user_id text, version int GENERATED ALWAYS AS IDENTITY'],
    ['versionColumn', 'user_id text, n int, version int GENERATED ALWAYS AS (n + 1) STORED'],
  ])('a generated %s [W-HOST-25]', async (option, columns) => {
    await fixture.db.query(`DROP TABLE IF EXISTS made; ${createTableSql('made', columns)}`);
    const [line, ...others] = await problems(owned('made', { versionColumn: 'version' }));
    expect(others).toEqual([]);
    expect(line).toContain(`made: ${option}: `);
    expect(line).toContain('GENERATED ALWAYS');
  });

  it('a column that only a trigger for replicas would fill [W-HOST-25]', async () => {
    await fixture.db.query(`
      ${createTableSql('replica_filled', 'user_id text, secret text NOT NULL')};
      CREATE FUNCTION fill_secret() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN new.secret := 1; RETURN new; END';
      CREATE TRIGGER fill BEFORE INSERT ON replica_filled FOR EACH ROW EXECUTE FUNCTION fill_secret();
      ALTER TABLE replica_filled ENABLE REPLICA TRIGGER fill`);
    const table = owned('replica_filled', { hiddenColumns: ['secret'] });
    await expect(problems(table)).resolves.toHaveLength(1);
    await fixture.db.query('ALTER TABLE replica_filled ENABLE ALWAYS TRIGGER fill');
    await expect(problems(table)).resolves.toEqual([]);
  });
});

it.each([
  ['an unlogged partition', 'CREATE UNLOGGED TABLE cut_rest PARTITION OF cut DEFAULT'],
  [
    'a foreign partition',
    `CREATE EXTENSION postgres_fdw; CREATE SERVER elsewhere FOREIGN DATA WRAPPER postgres_fdw;
     CREATE FOREIGN TABLE cut_rest PARTITION OF cut DEFAULT SERVER elsewhere`,
  ],
])('%s is refused by name, as its changes are not in the log [W-HOST-25]', async (_, partition) => {
  await fixture.db.query(`
    DROP TABLE IF EXISTS cut;
    CREATE TABLE cut (id int${partition.includes('FOREIGN') ? '' : ' PRIMARY KEY'}, updated_at timestamptz NOT NULL, deleted_at timestamptz) PARTITION BY RANGE (id);
    CREATE TABLE cut_few PARTITION OF cut FOR VALUES FROM (0) TO (10);
    ${partition}`);
  const [line] = await problems(readOnly('cut'));
  expect(line).toContain('"public"."cut" has partitions that are unlogged or foreign tables');
  expect(line).toContain('cut_rest');
  expect(line).not.toContain('cut_few');
});

it('a role that may not write or read a table is reported with the GRANT that fixes it [W-HOST-25]', async () => {
  await fixture.db.query(`${createTableSql('granted', 'user_id text')}; ${createTableSql('granted_too')}`);
  const role = await createRole(fixture.db, 'pool');
  const dataSource = await new DataSource({ type: 'postgres', url: role.url, poolSize: 1 }).initialize();
  const missing = async (writes: boolean): Promise<readonly string[]> =>
    (await tablePrivilegeProblems(dataSource, [owned('granted'), readOnly('granted_too')], writes)).map(
      ({ fix }) => fix,
    );
  const grants = ['SELECT', 'INSERT', 'UPDATE'].map(
    (privilege) => `GRANT ${privilege} ON "public"."granted" TO "${role.name}";`,
  );
  const read = `GRANT SELECT ON "public"."granted_too" TO "${role.name}";`;
  try {
    expect(await missing(true)).toEqual([...grants, read]);
    expect(await missing(false)).toEqual([grants[0], read]);
    await fixture.db.query(`GRANT UPDATE (user_id) ON granted TO "${role.name}"; ${grants[0]} ${read}`);
    expect(await missing(true), 'columns may be granted one by one').toEqual([grants[1]]);
    await fixture.db.query(grants[1] ?? '');
    expect(await missing(true)).toEqual([]);
  } finally {
    await dataSource.destroy();
    await fixture.db.query(`DROP OWNED BY "${role.name}"`);
    await role.drop();
  }
});
