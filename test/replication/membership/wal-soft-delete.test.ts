import { randomUUID } from 'node:crypto';
import { SyncTable } from 'nestjs-synchro';
import { Column, Entity } from 'typeorm';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createTableSql } from '../../support/schema-fixtures.js';
import type { RunningApp } from '../../support/app.js';
import { createDatabase, type TestDatabase } from '../../support/database.js';
import { Device } from '../../support/device.js';
import { applied, edgesOf, inOneTransaction, logOf, startWalApp, SyncedRow } from '../../support/wal-app.js';

@Entity('folders')
@SyncTable({ ownerColumn: 'user_id' })
class Folder extends SyncedRow {
  @Column('text', { name: 'user_id' })
  userId!: string;
}

@Entity('files')
@SyncTable({ parent: () => Folder, parentFkColumn: 'folder_id' })
class File extends SyncedRow {
  @Column('uuid', { name: 'folder_id' })
  folderId!: string;
}

describe('a soft-deleted row', () => {
  let database: TestDatabase;
  let app: RunningApp;
  let folder: string;
  let file: string;

  beforeAll(async () => {
    database = await createDatabase();
    await database.query(createTableSql('folders', 'user_id text NOT NULL'));
    await database.query(createTableSql('files', 'folder_id uuid NOT NULL'));
    app = await startWalApp(database, [Folder, File]);
  });

  afterAll(async () => {
    await app.close();
    await database.drop();
  });

  async function commit(...statements: string[]): Promise<void> {
    await inOneTransaction(database, ...statements);
    await applied(database);
  }

  const insertFile = (id: string): string =>
    `INSERT INTO files (id, folder_id) VALUES ('${id}', '${folder}')`;
  const softDelete = (): string =>
    `UPDATE folders SET deleted_at = now(), updated_at = now() WHERE id = '${folder}'`;
  const undelete = (): string => `UPDATE folders SET deleted_at = NULL WHERE id = '${folder}'`;

  async function makeFolder(): Promise<void> {
    folder = randomUUID();
    file = randomUUID();
    await commit(`INSERT INTO folders (id, user_id) VALUES ('${folder}', 'alice')`, insertFile(file));
  }

  it('keeps its edges, dead, and leaves the membership of its children alone [interleaving 8]', async () => {
    await makeFolder();
    await commit(softDelete());
    expect(await edgesOf(database, 'folders', folder)).toEqual(['user:alice (dead)']);
    expect(await logOf(database, 'folders', folder)).toEqual(['create user:alice', 'delete user:alice']);
    expect(await edgesOf(database, 'files', file)).toEqual(['user:alice']);
    expect(await logOf(database, 'files', file)).toEqual(['create user:alice']);
  });

  it('goes from devices that had it, and is not in the snapshot of new ones, while its children are [interleaving 8]', async () => {
    await makeFolder();
    const old = new Device(app.url, 'alice');
    await old.start();
    await commit(softDelete());
    await old.pull();
    const fresh = new Device(app.url, 'alice');
    await fresh.start();
    for (const device of [old, fresh]) {
      expect(device.row('folders', folder)).toBeUndefined();
      expect(device.row('files', file)).toBeDefined();
    }
    expect(fresh.store.all('folders').has(folder)).toBe(false);
  });

  it('hands its buckets on to children that are inserted, changed or moved under it [interleaving 8]', async () => {
    await makeFolder();
    await commit(softDelete());
    const late = randomUUID();
    await commit(insertFile(late), `UPDATE files SET updated_at = now() WHERE id = '${file}'`);
    expect(await edgesOf(database, 'files', late)).toEqual(['user:alice']);
    expect(await logOf(database, 'files', file)).toEqual(['create user:alice', 'update user:alice']);
  });

  it('takes its children along when it moves [interleaving 8]', async () => {
    await makeFolder();
    await commit(softDelete());
    await commit(`UPDATE folders SET user_id = 'bob' WHERE id = '${folder}'`);
    expect(await edgesOf(database, 'folders', folder)).toEqual(['user:bob (dead)']);
    expect(await edgesOf(database, 'files', file)).toEqual(['user:bob']);
    expect(await logOf(database, 'folders', folder)).toEqual([
      'create user:alice',
      'delete user:alice',
      'delete user:alice',
    ]);
  });

  it('says nothing more when it is changed again [W-WAL-13]', async () => {
    await makeFolder();
    await commit(softDelete());
    await commit(softDelete());
    expect(await logOf(database, 'folders', folder)).toEqual(['create user:alice', 'delete user:alice']);
  });

  it('comes back to devices when it is undeleted, even if its updated_at did not move [interleaving 12]', async () => {
    await makeFolder();
    const device = new Device(app.url, 'alice');
    await device.start();
    await commit(softDelete());
    await device.pull();
    expect(device.row('folders', folder)).toBeUndefined();
    await commit(undelete());
    expect(await edgesOf(database, 'folders', folder)).toEqual(['user:alice']);
    await device.pull();
    expect(device.row('folders', folder)).toMatchObject({ user_id: 'alice', deleted_at: null });
  });

  it('takes what its children inherited along only when it is deleted for good [interleaving 8]', async () => {
    await makeFolder();
    await commit(softDelete());
    await commit(`DELETE FROM folders WHERE id = '${folder}'`);
    expect(await edgesOf(database, 'folders', folder)).toEqual([]);
    expect(await edgesOf(database, 'files', file)).toEqual([]);
    expect(await logOf(database, 'folders', folder)).toEqual(['create user:alice', 'delete user:alice']);
    expect(await logOf(database, 'files', file)).toEqual(['create user:alice', 'delete user:alice']);
  });

  it('that was inserted as one is never announced, and its children are [W-WAL-13]', async () => {
    folder = randomUUID();
    file = randomUUID();
    await commit(
      `INSERT INTO folders (id, user_id, deleted_at) VALUES ('${folder}', 'alice', now())`,
      insertFile(file),
    );
    expect(await edgesOf(database, 'folders', folder)).toEqual(['user:alice (dead)']);
    expect(await logOf(database, 'folders', folder)).toEqual([]);
    expect(await edgesOf(database, 'files', file)).toEqual(['user:alice']);
  });

  it('that was inserted as one takes nothing from the entries of others beside it', async () => {
    await makeFolder();
    const deleted = randomUUID();
    await commit(
      `UPDATE folders SET updated_at = now() WHERE id = '${folder}'`,
      `INSERT INTO folders (id, user_id, deleted_at) VALUES ('${deleted}', 'bob', now())`,
    );
    expect(await logOf(database, 'folders', folder)).toEqual(['create user:alice', 'update user:alice']);
    expect(await logOf(database, 'folders', deleted)).toEqual([]);
  });

  it('that is changed takes nothing either from the entry of a row whose time stands still', async () => {
    await makeFolder();
    const deleted = randomUUID();
    await commit(`INSERT INTO folders (id, user_id, deleted_at) VALUES ('${deleted}', 'bob', now())`);
    await commit(
      `UPDATE folders SET user_id = user_id WHERE id = '${folder}'`,
      `UPDATE folders SET updated_at = now() WHERE id = '${deleted}'`,
    );
    expect(await logOf(database, 'folders', folder)).toEqual(['create user:alice', 'update user:alice']);
    expect(await logOf(database, 'folders', deleted)).toEqual([]);
  });

  it('that is deleted for good in the same transaction says it once', async () => {
    await makeFolder();
    await commit(softDelete(), `DELETE FROM folders WHERE id = '${folder}'`);
    expect(await logOf(database, 'folders', folder)).toEqual(['create user:alice', 'delete user:alice']);
  });
});
