import { OwnershipResolver, SyncTable, type ResolveRow } from 'nestjs-synchro';
import { Column, DeleteDateColumn, Entity, PrimaryColumn, UpdateDateColumn } from 'typeorm';
import { afterEach, describe, expect, it } from 'vitest';
import type { RunningApp } from '../support/app.js';
import { createDatabase, type TestDatabase } from '../support/database.js';
import { Device } from '../support/device.js';
import { applied, edgesOf, startWalApp, type WalAppOptions } from '../support/wal-app.js';

@Entity('notes')
@SyncTable({ ownerColumn: 'user_id' })
class Note {
  @PrimaryColumn('text')
  id!: string;

  @Column('text', { name: 'user_id' })
  userId!: string;

  @Column('text', { nullable: true })
  body!: string | null;

  @UpdateDateColumn({ name: 'updated_at', type: 'timestamptz' })
  updatedAt!: Date;

  @DeleteDateColumn({ name: 'deleted_at', type: 'timestamptz' })
  deletedAt!: Date | null;
}

let database: TestDatabase;
let app: RunningApp;

async function start(encoding: string, options: WalAppOptions = {}): Promise<void> {
  database = await createDatabase(undefined, encoding);
  await database.query(`CREATE TABLE notes (id text PRIMARY KEY, user_id text, body text,
    updated_at timestamptz NOT NULL DEFAULT now(), deleted_at timestamptz)`);
  app = await startWalApp(database, [Note], options);
}

afterEach(async () => {
  await app.close();
  await database.drop();
});

async function started(user: string, clientId?: string): Promise<Device> {
  const device = new Device(app.url, user, clientId);
  await device.start();
  return device;
}

function create(id: string, body = ''): Parameters<Device['push']>[0][number] {
  return { id, table_name: 'notes', operation: 'create', data: { user_id: 'alice', body } };
}

/** Bytes as they are, which the driver would not send. */
function raw(hex: string): string {
  return `convert_from('\\x${hex}', 'SQL_ASCII')`;
}

describe('in a database of SQL_ASCII', () => {
  it('bytes that are no UTF-8 cost no more than themselves [W-HOST-9]', async () => {
    await start('SQL_ASCII');
    await database.query(`INSERT INTO notes (id, user_id) VALUES ('before', 'alice')`);
    await database.query(`INSERT INTO notes (id, user_id) VALUES ('owner', ${raw('626f62ff')})`);
    await database.query(`INSERT INTO notes (id, user_id) VALUES (${raw('6964fe')}, 'alice')`);
    await database.query(`INSERT INTO notes (id, user_id, body) VALUES ('body', 'alice', ${raw('c3a9fd')})`);
    await database.query(`INSERT INTO notes (id, user_id, body) VALUES ('after', 'alice', 'ü')`);
    await applied(database);
    const device = await started('alice');
    expect([...device.rows('notes').keys()].toSorted()).toEqual(['after', 'before', 'body']);
    expect(device.row('notes', 'body')).toMatchObject({ body: 'é\uFFFD' });
    expect(device.row('notes', 'after')).toMatchObject({ body: 'ü' });
    await database.query(`UPDATE notes SET body = 'changed', updated_at = clock_timestamp()`);
    await applied(database);
    await device.sync();
    for (const id of ['after', 'before', 'body'])
      expect(device.row('notes', id)).toMatchObject({ body: 'changed' });
  });

  it('they may be there at the first start [W-HOST-9]', async () => {
    await start('SQL_ASCII');
    await app.close();
    await database.query('SELECT pg_drop_replication_slot($1)', [database.slotName]);
    await database.query(
      `INSERT INTO notes (id, user_id) VALUES ('owner', ${raw('626f62ff')}), ('good', 'alice')`,
    );
    app = await startWalApp(database, [Note]);
    const device = await started('alice');
    expect([...device.rows('notes').keys()]).toEqual(['good']);
  });
});

describe('in a database of LATIN1', () => {
  it('an emoji in a device’s name does not keep it out [W-HOST-10]', async () => {
    await start('LATIN1');
    const device = new Device(app.url, 'alice');
    const ids = await device.schemaIds();
    const answer = await device.send('register', {
      client_id: device.clientId,
      client_name: 'Zoë’s 📱',
      platform: '🤖',
      app_version: '1.0.0',
      ...ids,
    });
    expect(answer.status).toBe(200);
    await device.start();
    expect(await database.query('SELECT DISTINCT user_id FROM sync_clients')).toEqual([{ user_id: 'alice' }]);
  });

  it.each([
    ['its id', 'alice', 'phone-📱'],
    ['its user', 'alice-🙂', 'phone'],
  ])('an emoji in %s is a bad request [W-HOST-10]', async (_, user, clientId) => {
    await start('LATIN1', {
      userId: (context) => decodeURIComponent(context.switchToHttp().getRequest().headers['x-user-id']),
    });
    const device = new Device(app.url, encodeURIComponent(user), clientId);
    await expect(device.register()).rejects.toMatchObject({
      status: 400,
      answer: { text: expect.stringContaining('encoding') as unknown },
    });
  });

  it('an emoji in a change is a verdict on that change alone [W-HOST-10]', async () => {
    await start('LATIN1');
    const device = await started('alice');
    const { accepted, rejected } = await device.push([
      create('first', 'é'),
      create('🙂'),
      create('text', '🙂'),
      { id: '🙃', table_name: 'notes', operation: 'delete', data: null },
      create('last'),
    ]);
    expect(accepted).toMatchObject([
      { id: 'first', status: 'applied' },
      { id: 'last', status: 'applied' },
    ]);
    expect(rejected.map(({ id, status, reason_code }) => [id, status, reason_code])).toEqual([
      ['🙂', 'rejected_terminal', 'invalid_data'],
      ['text', 'rejected_terminal', 'invalid_data'],
      ['🙃', 'rejected_terminal', 'invalid_data'],
    ]);
    await applied(database);
    expect(await edgesOf(database, 'notes', 'first')).toEqual(['user:alice']);
  });

  it('an emoji in what a rule answers, or throws, is that row’s failure [W-HOST-10]', async () => {
    await start('LATIN1', { providers: [{ provide: OwnershipResolver, useClass: EmojiResolver }] });
    await database.query(
      `INSERT INTO notes (id, user_id) VALUES ('first', 'alice'), ('bucket', 'b'), ('error', 'e'), ('last', 'alice')`,
    );
    await applied(database);
    for (const id of ['first', 'last']) expect(await edgesOf(database, 'notes', id)).toEqual(['user:alice']);
    expect(
      await database.query(
        'SELECT record_id, error_text FROM sync_rule_failures WHERE resolved_at IS NULL ORDER BY record_id',
      ),
    ).toMatchObject([
      { record_id: 'bucket', error_text: expect.stringContaining('could not be written') as unknown },
      { record_id: 'error', error_text: 'no ??' },
    ]);
  });
});

class EmojiResolver extends OwnershipResolver {
  override resolveOwner(_: string, { data }: ResolveRow): readonly string[] {
    if (data['user_id'] === 'e') throw new Error('no 🙂');
    return [data['user_id'] === 'b' ? 'room:🙂' : `user:${data['user_id']}`];
  }
}
