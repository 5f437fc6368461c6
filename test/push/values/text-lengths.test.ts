import { randomBytes, randomUUID } from 'node:crypto';
import { OwnershipResolver, SubscriptionResolver, SyncTable, type ResolveRow } from 'nestjs-synchro';
import { Column, DeleteDateColumn, Entity, PrimaryColumn, UpdateDateColumn } from 'typeorm';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { RunningApp } from '../../support/app.js';
import { createDatabase, type TestDatabase } from '../../support/database.js';
import { Device } from '../../support/device.js';
import { eventually } from '../../support/wait.js';
import { applied, edgesOf, logOf, startWalApp, type WalAppOptions } from '../../support/wal-app.js';

abstract class TextRow {
  @PrimaryColumn('text')
  id!: string;

  @UpdateDateColumn({ name: 'updated_at', type: 'timestamptz' })
  updatedAt!: Date;

  @DeleteDateColumn({ name: 'deleted_at', type: 'timestamptz' })
  deletedAt!: Date | null;

  @Column('text', { name: 'user_id' })
  userId!: string;
}

@Entity('messages')
@SyncTable({ ownerColumn: 'user_id', bucketByColumn: 'room', bucketPrefix: 'room:' })
class Message extends TextRow {
  @Column('text', { nullable: true })
  room!: string | null;
}

@Entity('notes')
@SyncTable({ ownerColumn: 'user_id' })
class Note extends TextRow {}

@Entity('lines')
@SyncTable({ parent: () => Note, parentFkColumn: 'note_id' })
class Line extends TextRow {
  @Column('text', { name: 'note_id', nullable: true })
  noteId!: string | null;
}

@Entity('papers')
@SyncTable({ bucketFunction: 'paper_buckets' })
class Paper extends TextRow {}

const COLUMNS =
  'id text PRIMARY KEY, user_id text, updated_at timestamptz NOT NULL DEFAULT now(), deleted_at timestamptz';

/** So many bytes that nothing can compress. */
function text(bytes: number): string {
  return randomBytes(bytes).toString('base64').slice(0, bytes);
}

/** Reads the room of its own name, and more. */
class Rooms extends SubscriptionResolver {
  static readonly more: string[] = [];

  override resolveSubscriptions(userId: string): readonly string[] {
    return [`user:${userId}`, `room:${userId}`, ...Rooms.more];
  }
}

describe('a text that is too long for the sync tables', () => {
  let database: TestDatabase;
  let app: RunningApp;

  beforeEach(async () => {
    database = await createDatabase();
    await database.query(`CREATE TABLE messages (${COLUMNS}, room text)`);
    await database.query(`CREATE TABLE notes (${COLUMNS})`);
    await database.query(`CREATE TABLE lines (${COLUMNS}, note_id text)`);
    await database.query(`CREATE TABLE papers (${COLUMNS})`);
    await database.query(`CREATE FUNCTION paper_buckets (table_name text, operation text, new_row jsonb, old_row jsonb)
      RETURNS SETOF text LANGUAGE sql AS $$ SELECT 'user:' || (new_row->>'user_id') $$`);
    await start();
  });

  afterEach(async () => {
    await app.close();
    await database.drop();
  });

  async function start(options: WalAppOptions = {}): Promise<void> {
    const providers = [{ provide: SubscriptionResolver, useClass: Rooms }, ...(options.providers ?? [])];
    app = await startWalApp(database, [Message, Note, Line, Paper], { ...options, providers });
  }

  async function insert(table: string, values: Record<string, string>): Promise<void> {
    const columns = Object.keys(values);
    await database.query(
      `INSERT INTO ${table} (${columns.join(', ')}) VALUES (${columns.map((_, n) => `$${n + 1}`).join(', ')})`,
      Object.values(values),
    );
  }

  async function failure(table: string, id: string): Promise<string | undefined> {
    const [row] = await database.query<{ error_text: string }>(
      `SELECT error_text FROM sync_rule_failures WHERE resolved_at IS NULL AND table_name = $1 AND record_id = $2`,
      [table, id],
    );
    return row?.error_text;
  }

  async function started(user: string): Promise<Device> {
    const device = new Device(app.url, user);
    await device.start();
    return device;
  }

  it('is refused in a bucket column, and its neighbours are written [W-HOST-6]', async () => {
    const device = await started('alice');
    const [long, good] = [randomUUID(), randomUUID()];
    const answer = await device.push([
      {
        id: long,
        table_name: 'messages',
        operation: 'create',
        data: { user_id: 'alice', room: text(4_000) },
      },
      { id: good, table_name: 'messages', operation: 'create', data: { user_id: 'alice', room: 'alice' } },
    ]);
    expect(answer.accepted).toMatchObject([{ id: good, status: 'applied' }]);
    expect(answer.rejected).toMatchObject([
      {
        id: long,
        status: 'rejected_terminal',
        reason_code: 'invalid_data',
        message: 'room has 4000 bytes: 1275 are the most that can be synced',
      },
    ]);
    await applied(database);
    expect(await edgesOf(database, 'messages', good)).toEqual(['room:alice']);
  });

  it('is refused in an update, which answers the row as it is [W-HOST-6]', async () => {
    const device = await started('alice');
    const id = randomUUID();
    await insert('messages', { id, user_id: 'alice', room: 'alice' });
    await applied(database);
    const answer = await device.push([
      { id, table_name: 'messages', operation: 'update', data: { room: text(1_276) } },
    ]);
    expect(answer.rejected).toMatchObject([
      {
        id,
        status: 'rejected_terminal',
        reason_code: 'invalid_data',
        server_version: { data: { room: 'alice' } },
      },
    ]);
  });

  it.each(['create', 'update', 'delete'] as const)(
    'is refused as the key of a %s [W-HOST-6]',
    async (operation) => {
      const device = await started('alice');
      const data = operation === 'delete' ? null : { user_id: 'alice' };
      const answer = await device.push([{ id: text(2_685), table_name: 'notes', operation, data }]);
      expect(answer.rejected).toMatchObject([
        { status: 'rejected_terminal', message: 'id has 2685 bytes: 1024 are the most that can be synced' },
      ]);
    },
  );

  it('is refused as a parent’s key, whose create would wait for it [W-HOST-6]', async () => {
    const device = await started('alice');
    const id = randomUUID();
    const data = { user_id: 'alice', note_id: text(2_000) };
    const answer = await device.push([{ id, table_name: 'lines', operation: 'create', data }]);
    expect(answer.rejected).toMatchObject([
      {
        status: 'rejected_terminal',
        message: 'note_id has 2000 bytes: 1024 are the most that can be synced',
      },
    ]);
  });

  it.each([
    [
      'an owner of 5000 bytes',
      'notes',
      { id: 'n', user_id: text(5_000) },
      'notes.user_id has 5005 bytes with',
    ],
    ['a room of 4000 bytes', 'messages', { id: 'm', room: text(4_000) }, 'messages.room has 4005 bytes with'],
    ['a room of emoji', 'messages', { id: 'm', room: '🙂'.repeat(500) }, 'messages.room has 2005 bytes with'],
    ['a key of 2600 bytes', 'notes', { id: text(2_600), user_id: 'alice' }, 'notes.id has 2600 bytes: a key'],
    ['a key of 1025 bytes', 'notes', { id: text(1_025), user_id: 'alice' }, 'notes.id has 1025 bytes: a key'],
    [
      'a parent of 3000 bytes',
      'lines',
      { id: 'l', note_id: text(3_000) },
      'lines.note_id has 3000 bytes: a key',
    ],
  ])(
    'makes a row of the host’s a rule failure: %s [W-HOST-6]',
    async (_, table, row: Record<string, string>, message) => {
      await insert(table, row);
      await insert('notes', { id: 'good', user_id: 'alice' });
      await applied(database);
      const id = row['id'] ?? '';
      expect(await failure(table, id)).toContain(message);
      expect(await edgesOf(database, table, id)).toEqual([]);
      expect(await edgesOf(database, 'notes', 'good')).toEqual(['user:alice']);
      await database.query(`DELETE FROM ${table} WHERE id = $1`, [id]);
      await applied(database);
      expect(await failure(table, id)).toBeUndefined();
    },
  );

  it('is no failure any more once it is shorter [W-HOST-6]', async () => {
    await insert('notes', { id: 'n', user_id: text(5_000) });
    await applied(database);
    await database.query(`UPDATE notes SET user_id = 'alice'`);
    await applied(database);
    expect(await failure('notes', 'n')).toBeUndefined();
    expect(await logOf(database, 'notes', 'n')).toEqual(['create user:alice']);
  });

  it('is one at the first start as well [W-HOST-6]', async () => {
    await app.close();
    await database.query('SELECT pg_drop_replication_slot($1)', [database.slotName]);
    const id = text(2_500);
    await insert('notes', { id, user_id: 'alice' });
    await insert('notes', { id: 'n', user_id: text(5_000) });
    await insert('notes', { id: 'good', user_id: 'alice' });
    await start();
    await applied(database);
    expect(await failure('notes', id)).toContain('notes.id has 2500 bytes');
    expect(await failure('notes', 'n')).toContain('notes.user_id has 5005 bytes');
    expect(await edgesOf(database, 'notes', 'good')).toEqual(['user:alice']);
  });

  it('is none at the limits, all at once, in every page of a snapshot and a pull [W-HOST-6]', async () => {
    // The default prefix is `user:`; a user has 1,024 bytes at most.
    const room = text(1_275);
    const notes = Array.from({ length: 3 }, () => text(1_024));
    const line = text(1_024);
    for (const id of notes) await insert('notes', { id, user_id: 'alice' });
    await insert('lines', { id: line, user_id: 'alice', note_id: notes[0] ?? '' });
    await insert('messages', { id: text(1_024), room });
    const orphan = text(1_024);
    await insert('lines', { id: orphan, user_id: 'alice', note_id: text(1_024) });
    await applied(database);
    expect(await database.query('SELECT FROM sync_rule_failures')).toEqual([]);
    const device = new Device(app.url, 'alice', undefined, { pageSize: 1 });
    await device.start();
    expect([...device.rows('notes').keys()].toSorted()).toEqual(notes.toSorted());
    expect([...device.rows('lines').keys()]).toEqual([line]);
    await database.query('UPDATE notes SET updated_at = clock_timestamp()');
    await insert('notes', { id: text(1_024), user_id: 'alice' });
    await applied(database);
    await device.sync();
    expect(device.rows('notes').size).toBe(4);
  });

  it('does not keep a user from the buckets that have shorter names [W-HOST-7]', async () => {
    const id = randomUUID();
    const device = await started('alice');
    Rooms.more.push(`room:${text(4_000)}`, 'room:bob');
    await device.sync();
    await eventually(
      async () => (await database.query('SELECT FROM sync_subscription_changes')).length === 0,
    );
    await insert('messages', { id, room: 'bob' });
    await applied(database);
    await device.sync();
    expect(device.row('messages', id)).toMatchObject({ room: 'bob' });
    await expect(new Device(app.url, 'alice').start()).resolves.toBeUndefined();
    Rooms.more.splice(0);
  });

  it('fails for the row alone where a function of the host’s names the bucket [W-HOST-7]', async () => {
    await insert('papers', { id: 'long', user_id: text(3_000) });
    await insert('papers', { id: 'good', user_id: 'alice' });
    await applied(database);
    expect(await failure('papers', 'long')).toContain(
      'paper_buckets named a bucket of 3005 bytes for papers: 1280 are the most',
    );
    expect(await edgesOf(database, 'papers', 'good')).toEqual(['user:alice']);
  });

  it('fails for the row alone where a resolver of the host’s names the bucket [W-HOST-7]', async () => {
    await app.close();
    await start({ providers: [{ provide: OwnershipResolver, useClass: UserBuckets }] });
    await insert('notes', { id: 'long', user_id: text(3_000) });
    await insert('notes', { id: 'good', user_id: 'alice' });
    await applied(database);
    expect(await failure('notes', 'long')).toContain(
      'UserBuckets.resolveOwners named a bucket of 3005 bytes for notes: 1280 are the most',
    );
    expect(await edgesOf(database, 'notes', 'good')).toEqual(['user:alice']);
  });

  it('is refused as the id of a user, or of a device [W-HOST-6]', async () => {
    const [user, device] = [new Device(app.url, text(1_025)), new Device(app.url, 'alice', text(256))];
    for (const each of [user, device]) await expect(each.register()).rejects.toMatchObject({ status: 400 });
  });
});

class UserBuckets extends OwnershipResolver {
  override resolveOwner(_: string, { data }: ResolveRow): readonly string[] {
    return [data['user_id'] === undefined ? 'global' : `user:${data['user_id']}`];
  }
}
