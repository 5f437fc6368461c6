import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { SynchroError } from '../../lib/common/errors.js';
import type { SyncTable } from '../../lib/registry/sync-table.js';
import type { ContractColumn } from '../../lib/schema/schema-contract.js';
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
  await fixture.db.query(`
    CREATE EXTENSION citext; CREATE EXTENSION hstore; CREATE EXTENSION ltree;
    CREATE SCHEMA shop;
    CREATE TYPE order_status AS ENUM ('pending', 'done');
    CREATE TYPE shop."Mood" AS ENUM ('good', 'bad');
    CREATE TYPE pair AS (a int, b int);
    CREATE DOMAIN posint AS integer CHECK (VALUE > 0);
    CREATE DOMAIN shop.tiny AS posint NOT NULL;
    CREATE DOMAIN tags AS text[] DEFAULT '{new}';
    CREATE DOMAIN document AS jsonb`);
});

afterAll(() => fixture.close());

async function columnsOf(table: SyncTable): Promise<ReadonlyMap<string, ContractColumn>> {
  const contract = await fixture.service(table).current();
  return new Map(contract.tables.get(table.name)?.columns.map((column) => [column.name, column]));
}

async function namesOf(table: SyncTable): Promise<string> {
  return [...(await columnsOf(table)).keys()].join(' ');
}

async function errorOf(...tables: readonly SyncTable[]): Promise<SynchroError> {
  const error: unknown = await fixture
    .service(...tables)
    .current()
    .then(
      () => null,
      (reason: unknown) => reason,
    );
  if (error instanceof SynchroError) return error;
  throw new Error('expected a SynchroError', { cause: error });
}

describe('logical types', () => {
  const TYPES: readonly (readonly [type: string, logical: string])[] = [
    // Scenario 104.
    ['uuid', 'string'],
    ['text', 'string'],
    ['character varying', 'string'],
    ['character varying(255)', 'string'],
    ['character(10)', 'string'],
    ['integer', 'int'],
    ['smallint', 'int'],
    ['bigint', 'int64'],
    ['numeric(10,2)', 'float'],
    ['numeric', 'float'],
    ['double precision', 'float'],
    ['real', 'float'],
    ['boolean', 'boolean'],
    ['jsonb', 'json'],
    ['json', 'json'],
    ['bytea', 'bytes'],
    ['date', 'date'],
    ['time without time zone', 'time'],
    ['time with time zone', 'time'],
    ['timestamp without time zone', 'datetime'],
    ['timestamp with time zone', 'datetime'],
    ['text[]', 'json'],
    ['integer[]', 'json'],
    ['interval', 'string'],
    // Scenarios 110 and 111.
    ['order_status', 'string'],
    ['posint', 'int'],
    // W-SCH-2: what the reference fails on.
    ['timestamp(3) with time zone', 'datetime'],
    ['timestamp(3) without time zone', 'datetime'],
    ['time(0) without time zone', 'time'],
    ['interval(3)', 'string'],
    ['citext', 'string'],
    ['ltree', 'string'],
    ['inet', 'string'],
    ['cidr', 'string'],
    ['macaddr', 'string'],
    ['money', 'string'],
    ['xml', 'string'],
    ['"char"', 'string'],
    ['name', 'string'],
    ['bit(3)', 'string'],
    ['bit varying(5)', 'string'],
    ['tsvector', 'string'],
    ['int4range', 'string'],
    ['datemultirange', 'string'],
    ['point', 'string'],
    ['oid', 'string'],
    ['shop."Mood"', 'string'],
    ['shop."Mood"[]', 'json'],
    ['shop.tiny', 'int'],
    ['tags', 'json'],
    ['document', 'json'],
  ];

  it('[scenarios 104, 110, 111] are found by what a type is, whatever its name, modifiers or schema [W-SCH-2]', async () => {
    const columns = TYPES.map(([type], index) => `c${index} ${type}`).join(', ');
    await fixture.db.query(createTableSql('types', columns));
    const found = await columnsOf(readOnly('types'));
    const actual = TYPES.map((_, index) => [
      found.get(`c${index}`)?.dbType,
      found.get(`c${index}`)?.logicalType,
    ]);
    // Without its schema: which one is on the search path is the role's affair.
    expect(actual).toEqual(TYPES.map(([type, logical]) => [type.replace(/^shop\./, ''), logical]));
  });

  it('show the base type through domains', async () => {
    const found = await columnsOf(readOnly('types'));
    const baseTypes = ['shop.tiny', 'tags', 'document', 'order_status', 'numeric(10,2)'].map(
      (type) => found.get(`c${TYPES.findIndex(([name]) => name === type)}`)?.baseType,
    );
    expect(baseTypes).toEqual(['int4', '_text', 'jsonb', 'order_status', 'numeric']);
  });

  it('[scenario 104] serial and bigserial are integers with a server-only default', async () => {
    await fixture.db.query(createTableSql('serials', 'a serial, b bigserial, c smallserial'));
    const found = await columnsOf(
      owned('serials', { ownerColumn: null, bucketByColumn: null, protectedColumns: new Set(['id']) }),
    );
    expect(['a', 'b', 'c'].map((name) => found.get(name))).toMatchObject([
      {
        logicalType: 'int',
        dbType: 'integer',
        defaultKind: 'server_only',
        nullable: true,
        nullMeansDefault: true,
      },
      { logicalType: 'int64', dbType: 'bigint' },
      { logicalType: 'int', dbType: 'smallint' },
    ]);
  });

  it.each(['hstore', 'hstore[]', 'pair'])(
    '[scenario 104] %s is refused with the way out [W-SCH-2]',
    async (type) => {
      const table = `refused_${type.replace('[]', 's')}`;
      await fixture.db.query(createTableSql(table, `title text, extra ${type}`));
      await expect(errorOf(readOnly(table))).resolves.toMatchObject({
        code: 'schema_unsupported',
        problems: [
          {
            entity: table,
            option: 'extra',
            message: `its type ${type} can't be synced`,
            fix: expect.stringContaining('syncColumns'),
          },
        ],
      });
      const found = await columnsOf(readOnly(table, { syncColumns: ['title'] }));
      expect([...found.keys()]).toEqual(['id', 'title', 'updated_at', 'deleted_at']);
    },
  );
});

describe('defaults, as PostgreSQL prints them', () => {
  it('are translated or left to the server [W-SCH-6] [W-SCH-8]', async () => {
    await fixture.db.query(
      createTableSql(
        'defaults',
        `a text DEFAULT '', b order_status DEFAULT 'pending', c boolean DEFAULT true, d uuid DEFAULT gen_random_uuid(),
         e text[] DEFAULT '{}', f tags, g jsonb DEFAULT '{}', h date DEFAULT ('now'::text)::date,
         i numeric(10,2) DEFAULT 0, j varchar(20) DEFAULT 'new'::varchar(20), k integer DEFAULT -1,
         l timestamp DEFAULT now(), m date DEFAULT CURRENT_DATE, n text[] DEFAULT ARRAY['a', 'b'],
         o varchar[] DEFAULT ARRAY['a']::varchar[], p timestamptz DEFAULT (now() + interval '30 days'),
         q text DEFAULT 'it''s', r numeric(10,2) DEFAULT 0.5::numeric(10,2), s text COLLATE "C" DEFAULT 'x',
         t timestamptz DEFAULT '2024-01-01 12:00+02', u bytea DEFAULT '\\x01', v bigint DEFAULT 9007199254740993,
         w double precision DEFAULT 1e-7, x timestamptz DEFAULT clock_timestamp(),
         y varchar(2) DEFAULT 'cut'::varchar(2)`,
      ),
    );
    const found = await columnsOf(readOnly('defaults'));
    const actual = [...found.values()].map(({ name, defaultKind, sqliteDefaultSql }) => [
      name,
      sqliteDefaultSql ?? defaultKind,
    ]);
    expect(Object.fromEntries(actual)).toEqual({
      id: 'server_only',
      a: "''",
      b: "'pending'",
      c: '1',
      d: 'server_only',
      e: "'[]'",
      f: `'["new"]'`,
      g: "'{}'",
      h: 'server_only',
      i: '0',
      j: "'new'",
      k: "'-1'",
      l: 'CURRENT_TIMESTAMP',
      m: 'CURRENT_DATE',
      n: `'["a","b"]'`,
      o: `'["a"]'`,
      p: 'server_only',
      q: "'it''s'",
      r: '0.5',
      s: "'x'",
      t: "'2024-01-01 10:00:00+00'",
      u: "'\\x01'",
      v: "'9007199254740993'",
      w: '0.0000001',
      x: 'server_only',
      y: 'server_only',
      updated_at: 'CURRENT_TIMESTAMP',
      deleted_at: 'none',
    });
  });

  it('generated and identity columns have none, are never written, and may be left out [W-SCH-3]', async () => {
    await fixture.db.query(
      createTableSql(
        'computed',
        `user_id uuid NOT NULL, n int NOT NULL DEFAULT 1, double int NOT NULL GENERATED ALWAYS AS (n * 2) STORED,
         serial_no int GENERATED ALWAYS AS IDENTITY, ticket_no bigint GENERATED BY DEFAULT AS IDENTITY`,
      ),
    );
    const found = await columnsOf(owned('computed'));
    const none = { defaultSql: null, defaultKind: 'none', sqliteDefaultSql: null };
    expect(found.get('double')).toMatchObject({
      ...none,
      generated: true,
      nullable: true,
      nullMeansDefault: false,
    });
    expect(found.get('serial_no')).toMatchObject({
      ...none,
      generated: true,
      nullable: true,
      nullMeansDefault: true,
    });
    expect(found.get('ticket_no')).toMatchObject({
      ...none,
      generated: false,
      nullable: true,
      nullMeansDefault: true,
    });
    expect(found.get('n')).toMatchObject({ nullable: false, nullMeansDefault: true, sqliteDefaultSql: '1' });
  });
});

describe('what clients may leave empty', () => {
  it('a NOT NULL column that only the server can fill, unless it is key, protected or read-only [W-DATA-8]', async () => {
    await fixture.db.query(
      createTableSql(
        'fillable',
        `user_id uuid NOT NULL DEFAULT gen_random_uuid(), code text NOT NULL DEFAULT md5(random()::text),
         secret text NOT NULL DEFAULT md5(random()::text), title text NOT NULL, small shop.tiny, note text`,
      ),
    );
    const protectedColumns = new Set(['id', 'user_id', 'updated_at', 'deleted_at', 'secret']);
    const found = await columnsOf(owned('fillable', { protectedColumns }));
    const nullable = [...found.values()].filter((column) => column.nullable).map(({ name }) => name);
    expect(nullable).toEqual(['code', 'note', 'deleted_at']);
    expect(found.get('code')).toMatchObject({ defaultKind: 'server_only', nullMeansDefault: true });
    expect((await columnsOf(readOnly('fillable'))).get('code')).toMatchObject({ nullable: false });
  });
});

describe('the column set', () => {
  it('is syncColumns with key and timestamps, else all that are not hidden, in the order of the table [W-SCH-4]', async () => {
    await fixture.db.query(createTableSql('narrow', 'a text, b text, c text, gone text'));
    await fixture.db.query('ALTER TABLE narrow DROP COLUMN gone, ADD COLUMN d text');
    await expect(namesOf(readOnly('narrow'))).resolves.toBe('id a b c updated_at deleted_at d');
    await expect(namesOf(readOnly('narrow', { syncColumns: ['c', 'a'] }))).resolves.toBe(
      'id a c updated_at deleted_at',
    );
    await expect(namesOf(readOnly('narrow', { hiddenColumns: ['b', 'updated_at'] }))).resolves.toBe(
      'id a c updated_at deleted_at d',
    );
  });
});

describe('registry entries that the database does not have', () => {
  it('are reported at once, with the fixes [W-REG-4]', async () => {
    await fixture.db.query(`
      CREATE TABLE keyless (id uuid, updated_at timestamptz NOT NULL, deleted_at timestamptz);
      CREATE TABLE composite (a int, b int, updated_at timestamptz NOT NULL, deleted_at timestamptz, PRIMARY KEY (a, b));
      CREATE TABLE other_key (id uuid, code text PRIMARY KEY, updated_at timestamptz NOT NULL, deleted_at timestamptz);
      CREATE TABLE loose (id uuid PRIMARY KEY, updated_at timestamptz, deleted_at date);
      CREATE TABLE always (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, user_id text, updated_at timestamptz NOT NULL, deleted_at timestamptz);
      CREATE VIEW seen AS SELECT 1 AS id`);
    const error = await errorOf(
      readOnly('nowhere', { schema: 'shop' }),
      readOnly('seen'),
      readOnly('keyless'),
      readOnly('composite', { idColumn: 'a' }),
      readOnly('other_key'),
      owned('loose', { syncColumns: ['colour'] }),
      owned('always', { clientKeys: true }),
    );
    expect(error.code).toBe('configuration_invalid');
    expect(error.problems).toHaveLength(error.message.split('\n- ').length - 1);
    for (const part of [
      'nowhere: @SyncTable: there is no table "shop"."nowhere"',
      'seen: @SyncTable: "public"."seen" is a view, whose changes are not in the write-ahead log',
      'keyless: idColumn: "public"."keyless" has no primary key; ALTER TABLE "public"."keyless" ADD PRIMARY KEY ("id")',
      'composite: idColumn: "public"."composite" has the composite primary key (a, b)',
      'other_key: idColumn: the primary key of "public"."other_key" is code, not id, which is not UNIQUE either; set idColumn to code',
      'loose: user_id: the table has no such column; its columns are id, updated_at, deleted_at',
      'loose: colour: the table has no such column',
      'loose: deleted_at: it is no timestamp but date',
      'loose: updated_at: it allows null',
      'always: id: clients create rows under keys of their own, but it is GENERATED ALWAYS; ' +
        'ALTER TABLE "public"."always" ALTER COLUMN "id" SET GENERATED BY DEFAULT',
    ]) {
      expect(error.message).toContain(part);
    }
  });

  it('names a single one with its own code', async () => {
    await expect(errorOf(readOnly('keyless'))).resolves.toMatchObject({ code: 'primary_key_missing' });
    await expect(errorOf(readOnly('nowhere'))).resolves.toMatchObject({ code: 'configuration_invalid' });
  });
});

it('reads tables of other schemas, of awkward names, partitioned, and of the same name elsewhere', async () => {
  await fixture.db.query(createTableSql(String.raw`shop."It's \ ""mine"""`, '"from" text'));
  await fixture.db.query(createTableSql('shop.narrow', 'only_here text'));
  await fixture.db
    .query(`CREATE TABLE parts (id int PRIMARY KEY, updated_at timestamptz NOT NULL, deleted_at timestamptz)
    PARTITION BY RANGE (id)`);
  const contract = await fixture
    .service(
      readOnly(`It's \\ "mine"`, { schema: 'shop' }),
      readOnly('narrow', { schema: 'shop' }),
      readOnly('parts'),
    )
    .current();
  expect([...contract.tables].map(([name, { columns }]) => [name, columns[1]?.name])).toEqual([
    [`It's \\ "mine"`, 'from'],
    ['narrow', 'only_here'],
    ['parts', 'updated_at'],
  ]);
});
