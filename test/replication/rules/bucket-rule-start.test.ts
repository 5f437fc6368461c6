import { randomUUID } from 'node:crypto';
import { OwnershipResolver, SyncTable, type ResolveRow, type SyncTableOptions } from 'nestjs-synchro';
import { Column, DataSource, Entity } from 'typeorm';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { discoverTables } from '../../../lib/registry/discovery.js';
import { createTableSql } from '../../support/schema-fixtures.js';
import type { RunningApp } from '../../support/app.js';
import { createDatabase, type TestDatabase } from '../../support/database.js';
import { Device } from '../../support/device.js';
import {
  applied,
  edgesOf,
  logOf,
  startWalApp,
  SyncedRow,
  type WalAppOptions,
} from '../../support/wal-app.js';

function docs(options: SyncTableOptions): typeof SyncedRow {
  @Entity('docs')
  @SyncTable({ ownerColumn: 'user_id', ...options })
  class Doc extends SyncedRow {
    @Column('text', { name: 'user_id' })
    userId!: string;
  }
  return Doc;
}

const FUNCTION = 'doc_buckets(table_name text, operation text, new_row jsonb, old_row jsonb)';

let database: TestDatabase;
const apps: RunningApp[] = [];

beforeEach(async () => {
  database = await createDatabase();
  await database.query(createTableSql('docs', 'user_id text NOT NULL'));
});

afterEach(async () => {
  for (const app of apps.splice(0)) await app.close();
  await database.drop();
});

async function start(options: SyncTableOptions, more: WalAppOptions = {}): Promise<RunningApp> {
  const app = await startWalApp(database, [docs(options)], more);
  apps.push(app);
  return app;
}

async function whyNotStarted(options: SyncTableOptions, more: WalAppOptions = {}): Promise<Error> {
  return start(options, more).then(
    () => new Error('it started'),
    (error: Error) => error,
  );
}

/** Stops the app that runs and starts the next one, as a deploy does. */
async function restart(options: SyncTableOptions, more: WalAppOptions = {}): Promise<RunningApp> {
  for (const app of apps.splice(0)) await app.close();
  const app = await start(options, more);
  await applied(database);
  return app;
}

async function insertDoc(): Promise<string> {
  const id = randomUUID();
  await database.query(`INSERT INTO docs (id, user_id) VALUES ($1, 'alice')`, [id]);
  return id;
}

async function defineBuckets(bucket: string): Promise<void> {
  await database.query(
    `CREATE OR REPLACE FUNCTION ${FUNCTION} RETURNS SETOF text LANGUAGE sql AS $$ SELECT ${bucket} $$`,
  );
}

describe('a bucket function at start', () => {
  it('that is not there stops it with the statement that makes it', async () => {
    const options = { bucketFunction: 'doc_buckets' };
    const failed = await whyNotStarted(options);
    expect(failed).toMatchObject({ code: 'configuration_invalid' });
    expect(failed.message).toContain(
      'docs: bucketFunction: there is no function doc_buckets(text, text, jsonb, jsonb)',
    );
    const [statement = ''] = /CREATE FUNCTION .*;/s.exec(failed.message) ?? [];
    await database.query(statement);
    await start(options);
    const doc = await insertDoc();
    await applied(database);
    expect(await edgesOf(database, 'docs', doc)).toEqual(['user:alice']);
  });

  it.each([
    ['other parameters', 'doc_buckets(text, text, json, json) RETURNS SETOF text', /there is no function/],
    [
      'one bucket alone',
      'doc_buckets(text, text, jsonb, jsonb) RETURNS text',
      /returns text, not SETOF text/,
    ],
    [
      'another type',
      'doc_buckets(text, text, jsonb, jsonb) RETURNS SETOF integer',
      /returns SETOF integer, not SETOF text/,
    ],
  ])('that has %s stops it with what fixes it', async (_, signature, message) => {
    const type = / (\w+)$/.exec(signature)?.[1];
    await database.query(`CREATE FUNCTION ${signature} LANGUAGE sql AS $$ SELECT NULL::${type} $$`);
    const failed = await whyNotStarted({ bucketFunction: 'doc_buckets' });
    expect(failed.message).toMatch(message);
    const statements = /(DROP FUNCTION .*?; )?CREATE FUNCTION .*;/s.exec(failed.message) ?? [];
    await database.query(statements[0] ?? '');
    await start({ bucketFunction: 'doc_buckets' });
  });

  it('whose name is none stops it', async () => {
    const names = [
      'fn()',
      'a.b.c',
      `x'; DROP TABLE docs; --`,
      'a b',
      '"open',
      '',
      '1st',
      'pg_sleep(9)::text',
    ];
    for (const bucketFunction of names) {
      const dataSource = new DataSource({
        type: 'postgres',
        url: database.url,
        entities: [docs({ bucketFunction })],
      });
      await dataSource.initialize();
      try {
        expect(discoverTables(dataSource, 'public').findings.problems, bucketFunction).toMatchObject([
          { option: 'bucketFunction', message: `${JSON.stringify(bucketFunction)} is no name of a function` },
        ]);
      } finally {
        await dataSource.destroy();
      }
    }
  });

  it('may have any name that SQL can quote', async () => {
    await database.query('CREATE SCHEMA "odd ""schema"');
    await database.query(
      `CREATE FUNCTION "odd ""schema"."f'();--"(text, text, jsonb, jsonb) RETURNS SETOF text LANGUAGE sql
         AS $$ SELECT 'odd' $$`,
    );
    await start({ bucketFunction: `"odd ""schema"."f'();--"` });
    const doc = await insertDoc();
    await applied(database);
    expect(await edgesOf(database, 'docs', doc)).toEqual(['odd']);
  });

  it('that the role of the consumer may not call stops it with the grants', async () => {
    await database.query(
      `CREATE SCHEMA app;
       CREATE FUNCTION app.${FUNCTION} RETURNS SETOF text LANGUAGE sql AS $$ SELECT 'global' $$;
       REVOKE EXECUTE ON FUNCTION app.doc_buckets FROM PUBLIC`,
    );
    const options = { bucketFunction: 'app.doc_buckets' };
    await restart(options);
    const role = `${database.name}_role`;
    await database.query(
      `CREATE ROLE ${role} LOGIN PASSWORD 'secret' REPLICATION; GRANT ALL ON ALL TABLES IN SCHEMA public TO ${role}`,
    );
    const url = new URL(database.url);
    url.username = role;
    url.password = 'secret';
    const more = { replication: { connection: { connectionString: url.href } } };
    for (const app of apps.splice(0)) await app.close();
    const failed = await whyNotStarted(options, more);
    expect(failed).toMatchObject({ code: 'permission_missing' });
    const [statements = ''] = /GRANT USAGE .* GRANT EXECUTE .*;/.exec(failed.message) ?? [];
    await database.query(statements);
    await restart(options, more);
    for (const app of apps.splice(0)) await app.close();
    await database.query(`DROP OWNED BY ${role}; DROP ROLE ${role}`);
  });
});

describe('a rule that is another one now', () => {
  it('a function with another body resolves its rows again at the next start [interleaving 5]', async () => {
    const options = { bucketFunction: 'doc_buckets' };
    await defineBuckets(`'user:alice'`);
    const doc = await insertDoc();
    const alice = new Device((await start(options)).url, 'alice');
    await alice.start();
    expect(alice.row('docs', doc)).toBeDefined();

    await defineBuckets(`'user:bob'`);
    alice.url = (await restart(options)).url;
    expect(await edgesOf(database, 'docs', doc)).toEqual(['user:bob']);
    expect(await logOf(database, 'docs', doc)).toEqual(['delete user:alice', 'create user:bob']);
    await alice.pull();
    expect(alice.row('docs', doc)).toBeUndefined();
    expect(alice.snapshotReasons).toEqual([]);
  });

  it('is also one that takes over from the default rule, or hands back to it', async () => {
    await defineBuckets(`'team:' || (new_row ->> 'user_id')`);
    const doc = await insertDoc();
    await restart({});
    expect(await edgesOf(database, 'docs', doc)).toEqual(['user:alice']);
    await restart({ bucketFunction: 'doc_buckets' });
    expect(await edgesOf(database, 'docs', doc)).toEqual(['team:alice']);
    await restart({});
    expect(await edgesOf(database, 'docs', doc)).toEqual(['user:alice']);
  });

  it('is not one that stayed as it was', async () => {
    const options = { bucketFunction: 'doc_buckets' };
    await defineBuckets(`'user:alice'`);
    const doc = await insertDoc();
    await restart(options);
    await database.query('DELETE FROM sync_bucket_edges WHERE record_id = $1', [doc]);
    await restart(options);
    expect(await edgesOf(database, 'docs', doc)).toEqual([]);
    // Another resolver has no say in this table.
    class Everyones extends OwnershipResolver {
      override resolveOwner(): readonly string[] {
        return ['global'];
      }
    }
    await restart(options, { providers: [{ provide: OwnershipResolver, useClass: Everyones }] });
    expect(await edgesOf(database, 'docs', doc)).toEqual([]);
  });

  it('is known by the version of a resolver, as its body is not', async () => {
    const doc = await insertDoc();
    const withRule = (bucket: string, version?: number): WalAppOptions => {
      class Rule extends OwnershipResolver {
        override readonly version = version;

        override resolveOwner(table: string, { recordId }: ResolveRow): readonly string[] {
          return table === 'docs' && recordId === doc ? [bucket] : ['global'];
        }
      }
      return { providers: [{ provide: OwnershipResolver, useClass: Rule }] };
    };
    await restart({}, withRule('team:a'));
    expect(await edgesOf(database, 'docs', doc)).toEqual(['team:a']);
    await restart({}, withRule('team:b'));
    expect(await edgesOf(database, 'docs', doc)).toEqual(['team:a']);
    await restart({}, withRule('team:b', 2));
    expect(await edgesOf(database, 'docs', doc)).toEqual(['team:b']);
    await restart({}, withRule('team:c', 3));
    expect(await edgesOf(database, 'docs', doc)).toEqual(['team:c']);
  });
});
