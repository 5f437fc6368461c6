import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { inTransaction } from '../../lib/database/session.js';
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
  await fixture.db.query(`CREATE DOMAIN posint AS integer`);
  await fixture.db.query(
    createTableSql('orders', `user_id uuid NOT NULL, n posint, title text NOT NULL DEFAULT ''`),
  );
  await fixture.db.query(createTableSql('products', 'name text'));
});

afterAll(() => fixture.close());
afterEach(() => vi.restoreAllMocks());

const orders = owned('orders', { dependencies: ['products', 'a'] });
const products = readOnly('products');

const manifest = (): Promise<{ schema_version: string; schema_hash: string }[]> =>
  fixture.db.query('SELECT schema_version, schema_hash FROM sync_schema_manifest');

async function token(): Promise<string> {
  const rows = await inTransaction(fixture.dataSource, 'read', (manager) =>
    manager.query<{ token: string }[]>(
      `SELECT 1 AS one, ${fixture.service(orders, products).tokenSql} AS token`,
    ),
  );
  return rows[0]?.token ?? '';
}

describe('the manifest', () => {
  it('[scenario 108] 24 concurrent readers of several instances get one row', async () => {
    const instances = Array.from({ length: 4 }, () => fixture.service(orders, products));
    const contracts = await Promise.all(
      Array.from({ length: 24 }, (_, index) => (instances[index % 4] ?? fixture.service()).current()),
    );
    expect(new Set(contracts.map(({ version, hash }) => `${version} ${hash}`)).size).toBe(1);
    await expect(manifest()).resolves.toHaveLength(1);
    await expect(fixture.service(orders, products).history()).resolves.toEqual([
      {
        version: contracts[0]?.version.toString(),
        hash: contracts[0]?.hash,
        createdAt: expect.stringMatching(/^\d{4}-.*\+00:00$/),
      },
    ]);
  });

  it('[scenario 109] a new column means another hash and a higher version, a revert the old ones', async () => {
    const service = fixture.service(orders, products);
    const before = await service.current();
    await fixture.db.query(`ALTER TABLE orders ADD COLUMN note text NOT NULL DEFAULT ''`);
    const after = await service.current();
    expect(after.hash).not.toBe(before.hash);
    expect(after.version).toBe(before.version + 1n);
    await fixture.db.query('ALTER TABLE orders DROP COLUMN note');
    const reverted = await service.current();
    expect([reverted.hash, reverted.version]).toEqual([before.hash, before.version]);
    await expect(service.history(1)).resolves.toMatchObject([{ version: after.version.toString() }]);
  });

  it('[scenario 112] the order of tables and dependencies does not matter', async () => {
    const one = await fixture.service(orders, products).current();
    const other = await fixture
      .service(products, owned('orders', { dependencies: ['a', 'products'] }))
      .current();
    expect([other.version, other.hash]).toEqual([one.version, one.hash]);
  });

  it('has the same hash whatever the time zone of the session', async () => {
    await fixture.db.query(createTableSql('zoned', `at timestamptz DEFAULT '2024-01-01 12:00+02'`));
    const utc = await fixture.service(readOnly('zoned')).current();
    await fixture.db.query(`ALTER DATABASE ${fixture.db.name} SET TimeZone = 'Asia/Tokyo'`);
    const elsewhere = await schemaFixtureOn(fixture);
    try {
      await expect(elsewhere.current()).resolves.toMatchObject({ hash: utc.hash });
    } finally {
      await elsewhere.close();
      await fixture.db.query(`ALTER DATABASE ${fixture.db.name} RESET TimeZone`);
    }
  });
});

describe('the token', () => {
  it.each([
    ['a new column', 'ALTER TABLE orders ADD COLUMN extra text'],
    ['a new type', 'ALTER TABLE orders ALTER COLUMN extra TYPE varchar(10)'],
    ['a default', `ALTER TABLE orders ALTER COLUMN extra SET DEFAULT 'x'`],
    ['another default', `ALTER TABLE orders ALTER COLUMN extra SET DEFAULT 'y'`],
    ['no default', 'ALTER TABLE orders ALTER COLUMN extra DROP DEFAULT'],
    ['NOT NULL', 'ALTER TABLE orders ALTER COLUMN title DROP NOT NULL'],
    ['another name of a column', 'ALTER TABLE orders RENAME COLUMN extra TO extra2'],
    ['a dropped column', 'ALTER TABLE orders DROP COLUMN extra2'],
    ['a stricter domain', 'ALTER DOMAIN posint SET NOT NULL'],
    ['a domain of another name', 'ALTER DOMAIN posint RENAME TO natural_number'],
    ['no primary key', 'ALTER TABLE products DROP CONSTRAINT products_pkey'],
    ['a primary key', 'ALTER TABLE products ADD PRIMARY KEY (id)'],
    ['a table of another name', 'ALTER TABLE products RENAME TO goods'],
    ['a table in its place', createTableSql('products', 'name text')],
    ['a table made again', `DROP TABLE products; ${createTableSql('products', 'name text')}`],
  ])('notices %s [interleaving 25]', async (_, ddl) => {
    const before = await token();
    await fixture.db.query(ddl);
    await expect(token()).resolves.not.toBe(before);
  });

  it('stays as it is for writes, indexes, statistics and tables that are not registered', async () => {
    const before = await token();
    await fixture.db.query(`INSERT INTO products (name) VALUES ('a')`);
    await fixture.db.query('CREATE INDEX ON products (name)');
    await fixture.db.query('ANALYZE products');
    await fixture.db.query('VACUUM products');
    await fixture.db.query('CREATE TABLE unrelated (id int PRIMARY KEY DEFAULT 1)');
    await expect(token()).resolves.toBe(before);
  });

  it('is there for an app that syncs nothing', async () => {
    await expect(fixture.service().current()).resolves.toMatchObject({
      schemaTablesJson: '[]',
      metaTablesJson: '[]',
    });
  });
});

describe('reading the contract', () => {
  it('happens once for a state of the catalogs, and writes nothing when nothing is new [W-SCH-1]', async () => {
    const service = fixture.service(orders, products);
    await service.current();
    const rows = await manifest();
    const transactions = vi.spyOn(fixture.dataSource, 'createQueryRunner');
    const contracts = await Promise.all(Array.from({ length: 10 }, () => service.current()));
    expect(new Set(contracts).size).toBe(1);
    // One for each token; none for a load.
    expect(transactions).toHaveBeenCalledTimes(10);
    await expect(manifest()).resolves.toEqual(rows);
  });

  it('is remembered by its token, so that who holds a connection needs no other one', async () => {
    const service = fixture.service(orders, products);
    const before = await service.current();
    await fixture.db.query('ALTER TABLE products ADD COLUMN later text');
    expect(service.cached(await token())).toBeUndefined();
    const now = await service.current();
    expect(now.tables.get('products')?.columns.map(({ name }) => name)).toContain('later');
    expect(service.cached(await token())).toBe(now);
    expect(service.cached(before.token)).toBe(before);
  });

  it('fails for as long as the database does not fit, and works again when it does', async () => {
    const service = fixture.service(orders, products);
    await service.current();
    await fixture.db.query('ALTER TABLE products RENAME TO hidden');
    await expect(service.current()).rejects.toMatchObject({ code: 'configuration_invalid' });
    await fixture.db.query('ALTER TABLE hidden RENAME TO products');
    await expect(service.current()).resolves.toMatchObject({ tables: expect.any(Map) });
  });
});

/** The same database through connections that were opened after its settings changed. */
async function schemaFixtureOn({ db }: SchemaFixture) {
  const { DataSource } = await import('typeorm');
  const { SchemaService } = await import('../../lib/schema/schema.service.js');
  const { SyncRegistry } = await import('../../lib/registry/sync-registry.js');
  const dataSource = await new DataSource({ type: 'postgres', url: db.url }).initialize();
  const service = new SchemaService(new SyncRegistry([readOnly('zoned')]), dataSource);
  return { current: () => service.current(), close: () => dataSource.destroy() };
}
