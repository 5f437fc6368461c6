import initSqlJs, { type SqlJsStatic } from 'sql.js';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
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
let sqlite: SqlJsStatic;

beforeAll(async () => {
  fixture = await schemaFixture();
  sqlite = await initSqlJs();
});

afterAll(() => fixture.close());

/** What the contract of this moment tells of a table's columns, as another instance of the app would. */
async function columnsOf(table: SyncTable): Promise<readonly ContractColumn[]> {
  const contract = await fixture.service(table).current();
  return contract.tables.get(table.name)?.columns ?? [];
}

/** A column as the SDKs write it. */
function definition({ name, nullable, sqliteDefaultSql, isPrimaryKey }: ContractColumn): string {
  return [
    `"${name}" TEXT`,
    isPrimaryKey ? 'PRIMARY KEY' : '',
    nullable ? '' : 'NOT NULL',
    sqliteDefaultSql === null ? '' : `DEFAULT ${sqliteDefaultSql}`,
  ].join(' ');
}

const LATE: readonly (readonly [name: string, sql: string])[] = [
  ['required', 'text NOT NULL'],
  ['constant', `text NOT NULL DEFAULT 'x'`],
  ['zero', 'int NOT NULL DEFAULT 0'],
  ['random', 'uuid NOT NULL DEFAULT gen_random_uuid()'],
  ['clock', 'timestamptz NOT NULL DEFAULT now()'],
  ['day', 'date DEFAULT CURRENT_DATE'],
  ['document', `jsonb NOT NULL DEFAULT '{}'`],
  ['list', `text[] NOT NULL DEFAULT '{}'`],
  ['optional', 'text'],
  ['computed', 'text NOT NULL GENERATED ALWAYS AS (upper(title)) STORED'],
];

describe.each([
  ['that devices push into', owned],
  ['that devices read', readOnly],
] as const)('columns that come to a table %s', (_, make) => {
  const table = make(`late_${make.name.toLowerCase()}`);

  it('can be added to the table on a device, by SQLite itself [W-SCH-7]', async () => {
    await fixture.db.query(createTableSql(table.name, `user_id text NOT NULL, title text NOT NULL`));
    const before = await columnsOf(table);
    const device = new sqlite.Database();
    device.run(`CREATE TABLE t (${before.map(definition).join(', ')})`);
    device.run(`INSERT INTO t (id, user_id, title, updated_at) VALUES ('1', 'u', 'held', 'now')`);

    for (const [name, sql] of LATE)
      await fixture.db.query(`ALTER TABLE ${table.name} ADD COLUMN ${name} ${sql}`);
    const after = await columnsOf(table);
    const added = after.filter(({ name }) => LATE.some(([late]) => late === name));
    expect(added).toHaveLength(LATE.length);
    for (const column of added) device.run(`ALTER TABLE t ADD COLUMN ${definition(column)}`);
    expect(device.exec('SELECT count(*) FROM t')[0]?.values).toEqual([[1]]);
    device.close();
  });

  it('keep a default that is constant, and lose one that is not [W-SCH-7]', async () => {
    const told = (await columnsOf(table)).map(({ name, nullable, sqliteDefaultSql }) => [
      name,
      `${nullable ? '' : 'NOT NULL '}${sqliteDefaultSql ?? ''}`,
    ]);
    expect(Object.fromEntries(told)).toMatchObject({
      title: 'NOT NULL ',
      updated_at: 'NOT NULL CURRENT_TIMESTAMP',
      required: '',
      constant: "NOT NULL 'x'",
      zero: 'NOT NULL 0',
      random: '',
      clock: '',
      day: '',
      document: "NOT NULL '{}'",
      list: "NOT NULL '[]'",
      optional: '',
      computed: '',
    });
  });

  it('are warned of by name where they are NOT NULL, and stay what they are [W-SCH-7]', async () => {
    const { warnings } = await fixture.service(table).check();
    expect(warnings.map(({ entity, option }) => [entity, option])).toEqual(
      ['required', 'random', 'clock', 'computed'].flatMap((name) =>
        // Devices could leave these two out in any case where they push.
        make === owned && ['random', 'computed'].includes(name) ? [] : [[table.name, name]],
      ),
    );
    const first = await fixture.service(table).current();
    await expect(fixture.service(table).current()).resolves.toMatchObject({
      hash: first.hash,
      version: first.version,
    });
  });
});

it('a table that devices have not seen yet is advertised as it is, also where the manifest is another server’s', async () => {
  await fixture.db.query(createTableSql('fresh', 'title text NOT NULL, at timestamptz DEFAULT now()'));
  const fresh = readOnly('fresh');
  const { hash } = await fixture.service(fresh).current();
  const column = (await columnsOf(fresh)).find(({ name }) => name === 'title');
  expect(column).toMatchObject({ nullable: false });

  // As the reference would have left it: the hash alone.
  await fixture.db.query('DELETE FROM sync_schema_manifest');
  await fixture.db.query('INSERT INTO sync_schema_manifest (schema_version, schema_hash) VALUES (41, $1)', [
    hash,
  ]);
  await expect(fixture.service(fresh).current()).resolves.toMatchObject({ version: 41n, hash });
  await fixture.db.query('ALTER TABLE fresh ADD COLUMN more text NOT NULL');
  await expect(fixture.service(fresh).current()).resolves.toMatchObject({ version: 42n });
  const more = (await columnsOf(fresh)).find(({ name }) => name === 'more');
  expect(more).toMatchObject({ nullable: true });
});
