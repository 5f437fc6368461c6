import { randomUUID } from 'node:crypto';
import { SyncTable } from 'nestjs-synchro';
import { Column, Entity } from 'typeorm';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { ContextReader } from '../../lib/engine/request/sync-context.js';
import { createTableSql } from '../support/schema-fixtures.js';
import type { RunningApp } from '../support/app.js';
import { withClient } from '../support/client.js';
import { createDatabase, type TestDatabase } from '../support/database.js';
import { Device } from '../support/device.js';
import { eventually } from '../support/wait.js';
import { applied, startWalApp, SyncedRow } from '../support/wal-app.js';

/** Whoever `reader` names reads a note too: only the edges know. */
@Entity('notes')
@SyncTable({ ownerColumn: 'user_id', bucketFunction: 'note_buckets' })
class Note extends SyncedRow {
  @Column('text', { name: 'user_id' })
  userId!: string;

  @Column('text', { nullable: true })
  reader!: string | null;

  @Column('text', { nullable: true })
  body!: string | null;
}

const COPIED = ['sync_changelog', 'sync_bucket_edges', 'sync_wal_position', 'sync_clients'];

describe('while the sync tables are an older copy [W-WAL-17]', () => {
  let database: TestDatabase;
  let consumer: RunningApp;
  let api: RunningApp;
  let bob: Device;
  let note: string;

  beforeAll(async () => {
    database = await createDatabase();
    await database.query(createTableSql('notes', 'user_id text NOT NULL, reader text, body text'));
    await database.query(
      `CREATE FUNCTION note_buckets(table_name text, operation text, new_row jsonb, old_row jsonb) RETURNS SETOF text
       LANGUAGE sql IMMUTABLE AS $$
         SELECT 'user:' || u FROM (VALUES (new_row ->> 'user_id'), (new_row ->> 'reader')) AS v (u) WHERE u IS NOT NULL $$`,
    );
    consumer = await startWalApp(database, [Note]);
    api = await startWalApp(database, [Note], { replication: false });
    bob = new Device(api.url, 'bob');
  });

  afterAll(async () => {
    await api.close();
    await consumer.close();
    await database.drop();
  });

  beforeEach(async () => {
    note = randomUUID();
    await database.query(
      `INSERT INTO notes (id, user_id, reader, body) VALUES ($1, 'alice', 'bob', 'for Bob')`,
      [note],
    );
    await applied(database);
    await bob.start();
    await copyAndRestoreLater();
  });

  afterEach(async () => {
    consumer = await startWalApp(database, [Note]);
    await eventually(async () => {
      await bob.sync();
      expect(bob.row('notes', note)).toBeUndefined();
    });
    expect(bob.snapshotReasons).toContain('history_unavailable');
    bob.snapshotReasons.length = 0;
  });

  /** Alice takes the note back after a copy was made, which is put back while no consumer runs. */
  async function copyAndRestoreLater(): Promise<void> {
    for (const table of COPIED) await database.query(`CREATE TABLE copy_of_${table} AS TABLE ${table}`);
    await database.query(
      `UPDATE notes SET reader = NULL, body = 'not for Bob', updated_at = clock_timestamp() WHERE id = $1`,
      [note],
    );
    await applied(database);
    await consumer.close();
    await database.query(
      `BEGIN; TRUNCATE ${COPIED.join(', ')} CASCADE;
       ${COPIED.map((table) => `INSERT INTO ${table} TABLE copy_of_${table}; DROP TABLE copy_of_${table};`).join('\n')}
       COMMIT`,
    );
  }

  it.each(['pull', 'snapshot'])('a %s has to come back', async (path) => {
    const ids = await bob.schemaIds();
    const body = { client_id: bob.clientId, checkpoint: bob.checkpoint, ...ids };
    const { status, text } = await bob.send(path, body);
    expect({ status, text }).toMatchObject({ status: 503, text: expect.stringContaining('retry_after') });
    expect(text).not.toContain(note);
  });

  it('a pull has to come back while a new slot is being made, too', async () => {
    await withClient(database.url, async (other) => {
      // A slot is made when all transactions that run have ended.
      await other.query('BEGIN; SELECT pg_current_xact_id()');
      const starting = startWalApp(database, [Note]);
      await eventually(async () => {
        const [slot] = await database.query<{ made: boolean }>(
          `SELECT confirmed_flush_lsn IS NOT NULL AS made FROM pg_replication_slots WHERE slot_name = $1`,
          [database.slotName],
        );
        return slot?.made === false;
      });
      await expect(bob.pull()).rejects.toMatchObject({ status: 503 });
      await other.query('COMMIT');
      await (await starting).close();
    });
  });

  it("a push is taken, and reveals nothing but its user's own rows", async () => {
    const mine = bob.create('notes', { body: 'of Bob' });
    bob.update('notes', note, { body: 'edited' });
    const [response] = await bob.pushPending();
    expect(response?.accepted).toMatchObject([{ id: mine }]);
    expect(response?.rejected).toMatchObject([{ id: note, reason_code: 'record_not_found' }]);
    expect(JSON.stringify(response)).not.toContain('not for Bob');
  });
});

describe('while the slot moves on between a look at the log and one at the slot', () => {
  it('a push reads again: a refused change comes with the version that its user may see', async () => {
    const database = await createDatabase();
    await database.query(createTableSql('notes', 'user_id text NOT NULL, reader text, body text'));
    await database.query(
      `CREATE FUNCTION note_buckets(table_name text, operation text, new_row jsonb, old_row jsonb) RETURNS SETOF text
       LANGUAGE sql IMMUTABLE AS $$ SELECT 'user:' || u FROM unnest(ARRAY[new_row ->> 'user_id', new_row ->> 'reader']) AS u $$`,
    );
    const app = await startWalApp(database, [Note]);
    const open = vi.spyOn(ContextReader.prototype, 'open');
    try {
      const note = randomUUID();
      await database.query(
        `INSERT INTO notes (id, user_id, reader, body) VALUES ($1, 'alice', 'bob', 'ours')`,
        [note],
      );
      await applied(database);
      const bob = new Device(app.url, 'bob');
      await bob.start();
      bob.update('notes', note, { body: 'edited' });
      open.mockImplementationOnce(function (this: ContextReader, ...asked) {
        const context = this.open(...asked);
        return { ...context, log: context.log && { ...context.log, isOutdated: true } };
      });
      const [response] = await bob.pushPending();
      expect(response?.rejected).toMatchObject([{ id: note, reason_code: 'ownership_violation' }]);
      expect(bob.row('notes', note)).toMatchObject({ body: 'ours' });
    } finally {
      open.mockRestore();
      await app.close();
      await database.drop();
    }
  });
});
