import { randomUUID } from 'node:crypto';
import { SyncStatus, SyncTable } from 'nestjs-synchro';
import { Column, DeleteDateColumn, Entity, PrimaryColumn, UpdateDateColumn } from 'typeorm';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createTableSql } from '../../support/schema-fixtures.js';
import type { RunningApp } from '../../support/app.js';
import { createDatabase, type TestDatabase } from '../../support/database.js';
import { Device } from '../../support/device.js';
import { eventually } from '../../support/wait.js';
import { applied, edgesOf, inOneTransaction, logOf, startWalApp, SyncedRow } from '../../support/wal-app.js';

@Entity('docs')
@SyncTable({ ownerColumn: 'user_id', globalWhenBucketNull: true, allowGlobalRead: true })
class Doc extends SyncedRow {
  @Column('text', { name: 'user_id', nullable: true })
  userId!: string | null;

  @Column('text', { nullable: true })
  body!: string | null;
}

@Entity('pages')
@SyncTable({ parent: () => Doc, parentFkColumn: 'doc_id' })
class Page extends SyncedRow {
  @Column('uuid', { name: 'doc_id' })
  docId!: string;
}

/** The next version's, after a migration that gave every column another name. */
@Entity('docs')
@SyncTable({ ownerColumn: 'owner', idColumn: 'key', globalWhenBucketNull: true, allowGlobalRead: true })
class RenamedDoc {
  @PrimaryColumn('uuid', { name: 'key' })
  key!: string;

  @Column('text', { name: 'owner', nullable: true })
  owner!: string | null;

  @Column('text', { nullable: true })
  body!: string | null;

  @UpdateDateColumn({ name: 'changed_at', type: 'timestamptz' })
  changedAt!: Date;

  @DeleteDateColumn({ name: 'removed_at', type: 'timestamptz' })
  removedAt!: Date | null;
}

const RENAMES = [
  ['id', 'key'],
  ['user_id', 'owner'],
  ['updated_at', 'changed_at'],
  ['deleted_at', 'removed_at'],
] as const;

/** Devices as they stand after the SDKs' next sync, which reads the schema again when it has changed. */
async function sync(...devices: readonly Device[]): Promise<void> {
  for (const device of devices) {
    await device.schema();
    await device.sync();
  }
}

describe('DDL while the consumer streams', () => {
  let database: TestDatabase;
  let app: RunningApp;
  let alice: Device;
  let bob: Device;

  beforeEach(async () => {
    database = await createDatabase();
    await database.query(createTableSql('docs', 'user_id text, body text'));
    await database.query(createTableSql('pages', 'doc_id uuid NOT NULL'));
    app = await startWalApp(database, [Doc, Page]);
    [alice, bob] = [new Device(app.url, 'alice'), new Device(app.url, 'bob')];
    await alice.start();
    await bob.start();
  });

  afterEach(async () => {
    await app.close();
    await database.drop();
  });

  async function insertDoc(user: string | null, body = 'written'): Promise<string> {
    const id = randomUUID();
    await database.query('INSERT INTO docs (id, user_id, body) VALUES ($1, $2, $3)', [id, user, body]);
    return id;
  }

  async function insertPage(doc: string): Promise<string> {
    const id = randomUUID();
    await database.query('INSERT INTO pages (id, doc_id) VALUES ($1, $2)', [id, doc]);
    return id;
  }

  /** Resolves once the consumer says which object stands in its way; devices are asked to come back meanwhile. */
  async function stopped(...parts: readonly string[]): Promise<void> {
    await eventually(async () => {
      const { consumer } = await app.app.get(SyncStatus).read();
      expect(consumer.state).toBe('failing');
      for (const part of parts) expect(consumer.error).toContain(part);
    });
    const body = { client_id: alice.clientId, ...(await alice.schemaIds()) };
    const requests = {
      pull: { checkpoint: alice.checkpoint },
      snapshot: {},
      push: { changes: [] },
      register: {},
    };
    for (const [path, more] of Object.entries(requests)) {
      const answer = await alice.send(path, { platform: 'test', app_version: '1.0.0', ...body, ...more });
      expect([409, 503], answer.text).toContain(answer.status);
    }
  }

  async function running(): Promise<void> {
    await applied(database);
    await eventually(async () => {
      const { consumer } = await app.app.get(SyncStatus).read();
      expect(consumer.state).toBe('consuming');
    });
  }

  it('among the changes of one transaction keeps what came before and after it', async () => {
    const [before, between, after] = [randomUUID(), randomUUID(), randomUUID()];
    await inOneTransaction(
      database,
      `INSERT INTO docs (id, user_id) VALUES ('${before}', 'alice')`,
      'ALTER TABLE docs ADD COLUMN extra text',
      `INSERT INTO docs (id, user_id, extra) VALUES ('${between}', 'alice', 'x')`,
      `ALTER TABLE docs DROP COLUMN body`,
      `UPDATE docs SET user_id = 'bob' WHERE id = '${before}'`,
      'ALTER TABLE docs RENAME COLUMN extra TO body',
      `INSERT INTO docs (id, user_id) VALUES ('${after}', 'alice')`,
      `ALTER TABLE docs ALTER COLUMN body TYPE varchar(100) USING body || '!'`,
    );
    await applied(database);
    await sync(alice, bob);
    expect([...alice.rows('docs').keys()].toSorted()).toEqual([between, after].toSorted());
    expect([...bob.rows('docs').keys()]).toEqual([before]);
    expect(alice.row('docs', between)).toMatchObject({ body: 'x!' });
  });

  it.each([...RENAMES, ['doc_id', 'document']] as const)(
    'that renames %s stops it loudly, takes nothing from anyone, and it goes on when the column is back',
    async (column, renamed) => {
      const [mine, foreign] = [await insertDoc('alice'), await insertDoc('bob')];
      const page = await insertPage(mine);
      await applied(database);
      await sync(alice, bob);
      const table = column === 'doc_id' ? 'pages' : 'docs';
      await database.query(`ALTER TABLE ${table} RENAME COLUMN ${column} TO ${renamed}`);
      const key = column === 'id' ? 'key' : 'id';
      const owner = column === 'user_id' ? 'owner' : 'user_id';
      const added = randomUUID();
      await database.query(`INSERT INTO docs (${key}, ${owner}) VALUES ('${added}', 'bob')`);
      await database.query(`UPDATE docs SET body = 'secret' WHERE ${key} = '${foreign}'`);
      await database.query(
        `INSERT INTO pages (id, ${column === 'doc_id' ? renamed : 'doc_id'}) VALUES ('${added}', '${mine}')`,
      );
      await stopped(`"${table}"`, column);
      expect(await edgesOf(database, 'docs', foreign)).toEqual(['user:bob']);

      await database.query(`DELETE FROM docs WHERE ${key} = '${mine}'`);
      await database.query(`ALTER TABLE ${table} RENAME COLUMN ${renamed} TO ${column}`);
      await running();
      await sync(alice, bob);
      expect([...alice.rows('docs').keys()]).toEqual([]);
      expect([...bob.rows('docs').keys()].toSorted()).toEqual([foreign, added].toSorted());
      expect(bob.row('docs', foreign)).toMatchObject({ body: 'secret' });
      expect(await edgesOf(database, 'pages', page)).toEqual([]);
      expect(await logOf(database, 'docs', foreign)).not.toContain('create global');
    },
    90_000,
  );

  it('that drops the owner column and brings it back with other values resolves every row again', async () => {
    const [first, second] = [await insertDoc('alice'), await insertDoc('alice')];
    await applied(database);
    await sync(alice, bob);
    await database.query('ALTER TABLE docs DROP COLUMN user_id');
    await stopped('"docs"', 'user_id');
    expect(await edgesOf(database, 'docs', first)).toEqual(['user:alice']);
    await database.query(`ALTER TABLE docs ADD COLUMN user_id text DEFAULT 'bob'`);
    await running();
    await eventually(async () => expect(await edgesOf(database, 'docs', first)).toEqual(['user:bob']));
    await sync(alice, bob);
    expect(alice.rows('docs').size).toBe(0);
    expect([...bob.rows('docs').keys()].toSorted()).toEqual([first, second].toSorted());
  });

  it('that gives the owner column other values as it gives it another type resolves every row again', async () => {
    const doc = await insertDoc('alice');
    await applied(database);
    await sync(alice, bob);
    await database.query(
      `ALTER TABLE docs ALTER COLUMN user_id TYPE varchar(20) USING replace(user_id, 'alice', 'bob')`,
    );
    await eventually(async () => expect(await edgesOf(database, 'docs', doc)).toEqual(['user:bob']));
    await sync(alice, bob);
    expect(alice.rows('docs').size).toBe(0);
    expect([...bob.rows('docs').keys()]).toEqual([doc]);
  });

  it('that rewrites the values of a column, under its former type, brings them to devices', async () => {
    const doc = await insertDoc('alice', 'quiet');
    await applied(database);
    await sync(alice);
    await database.query(`ALTER TABLE docs ALTER COLUMN body TYPE text USING upper(body)`);
    await eventually(async () => {
      await sync(alice);
      expect(alice.row('docs', doc)).toMatchObject({ body: 'QUIET' });
    });
  });

  it('that leaves the rows as they are announces none of them again', async () => {
    const doc = await insertDoc('alice');
    await applied(database);
    const shape = async (): Promise<string> => {
      const [row] = await database.query<{ shape: string }>(
        `SELECT table_shape::text AS shape FROM sync_table_rules WHERE table_name = 'docs'`,
      );
      return row?.shape ?? '';
    };
    for (const statement of [
      `ALTER TABLE docs ALTER COLUMN body SET DEFAULT 'x'`,
      'VACUUM FULL docs',
      'ALTER TABLE docs ADD COLUMN more integer NOT NULL DEFAULT 7',
    ]) {
      const before = await shape();
      await database.query(statement);
      // The consumer has looked.
      await eventually(async () => expect(await shape()).not.toBe(before));
    }
    await applied(database);
    expect(await logOf(database, 'docs', doc)).toEqual(['create user:alice']);
  });

  it('that drops a table and makes it again follows the new one', async () => {
    const former = await insertDoc('alice');
    await applied(database);
    await sync(alice);
    await database.query('DROP TABLE docs');
    await stopped('"docs"');
    await database.query(createTableSql('docs', 'user_id text, body text'));
    const [next, foreign] = [await insertDoc('alice'), await insertDoc('bob')];
    await running();
    await eventually(async () => {
      await sync(alice, bob);
      expect([...alice.rows('docs').keys()]).toEqual([next]);
      expect([...bob.rows('docs').keys()]).toEqual([foreign]);
    });
    expect(await edgesOf(database, 'docs', former)).toEqual([]);
    const later = await insertDoc('alice');
    await applied(database);
    await sync(alice);
    expect(alice.row('docs', later)).toBeDefined();
  });

  it('that puts another table into the place of one follows that', async () => {
    const [kept, gone] = [await insertDoc('alice', 'old'), await insertDoc('alice')];
    await applied(database);
    await sync(alice, bob);
    const added = randomUUID();
    await inOneTransaction(
      database,
      createTableSql('docs_next', 'user_id text, body text'),
      `INSERT INTO docs_next SELECT * FROM (SELECT id, user_id, 'new' AS body, now(), deleted_at FROM docs) d WHERE id <> '${gone}'`,
      `INSERT INTO docs_next (id, user_id) VALUES ('${added}', 'bob')`,
      'ALTER TABLE docs RENAME TO docs_former',
      'ALTER TABLE docs_next RENAME TO docs',
    );
    await eventually(async () => {
      await sync(alice, bob);
      expect([...alice.rows('docs').keys()]).toEqual([kept]);
      expect(alice.row('docs', kept)).toMatchObject({ body: 'new' });
      expect([...bob.rows('docs').keys()]).toEqual([added]);
    });
    await database.query(`UPDATE docs_former SET user_id = 'bob'`);
    await applied(database);
    expect(await edgesOf(database, 'docs', kept)).toEqual(['user:alice']);
  });
});

describe('rows written under former names, decoded after the DDL,', () => {
  let database: TestDatabase;
  let app: RunningApp | undefined;

  beforeEach(async () => {
    database = await createDatabase();
    await database.query(createTableSql('docs', 'user_id text, body text'));
  });

  afterEach(async () => {
    await app?.close();
    await database.drop();
  });

  it.each([[RENAMES.slice(1)], [RENAMES]] as const)(
    'arrive as what they are now (%j)',
    async (renames) => {
      const ids = Array.from({ length: 6 }, () => randomUUID());
      const [kept = '', moved = '', removed = '', deleted = '', inserted = '', passing = ''] = ids;
      app = await startWalApp(database, [Doc]);
      for (const id of [kept, moved, removed, deleted])
        await database.query(`INSERT INTO docs (id, user_id) VALUES ('${id}', 'alice')`);
      await applied(database);
      await app.close();

      await database.query(`UPDATE docs SET body = 'edited' WHERE id = '${kept}'`);
      await database.query(`UPDATE docs SET user_id = 'bob' WHERE id = '${moved}'`);
      await database.query(`UPDATE docs SET deleted_at = now() WHERE id = '${deleted}'`);
      await database.query(`DELETE FROM docs WHERE id = '${removed}'`);
      await database.query(
        `INSERT INTO docs (id, user_id) VALUES ('${inserted}', 'bob'), ('${passing}', 'bob')`,
      );
      await database.query(`DELETE FROM docs WHERE id = '${passing}'`);
      for (const [from, to] of RENAMES)
        await database.query(`ALTER TABLE docs RENAME COLUMN ${from} TO ${to}`);
      await database.query(`UPDATE docs SET owner = 'carol' WHERE key = '${inserted}'`);
      if (renames.length < RENAMES.length) await database.query('ALTER TABLE docs RENAME COLUMN key TO id');

      @Entity('docs')
      @SyncTable({ ownerColumn: 'owner', globalWhenBucketNull: true, allowGlobalRead: true })
      class HalfRenamedDoc {
        @PrimaryColumn('uuid')
        id!: string;

        @Column('text', { nullable: true })
        owner!: string | null;

        @UpdateDateColumn({ name: 'changed_at', type: 'timestamptz' })
        changedAt!: Date;

        @DeleteDateColumn({ name: 'removed_at', type: 'timestamptz' })
        removedAt!: Date | null;
      }
      app = await startWalApp(database, [renames.length < RENAMES.length ? HalfRenamedDoc : RenamedDoc]);
      await applied(database);
      await eventually(async () => {
        const edges = await Promise.all(ids.map((id) => edgesOf(database, 'docs', id)));
        expect(edges).toEqual([['user:alice'], ['user:bob'], [], ['user:alice (dead)'], ['user:carol'], []]);
      });
      const devices = ['alice', 'bob', 'carol'].map((user) => new Device(app?.url ?? '', user));
      for (const device of devices) await device.start();
      expect(devices.map((device) => [...device.rows('docs').keys()])).toEqual([[kept], [moved], [inserted]]);
      const global = await database.query(
        `SELECT FROM sync_changelog WHERE bucket_id = 'global' AND table_name = 'docs'`,
      );
      expect(global).toEqual([]);
    },
    90_000,
  );
});
