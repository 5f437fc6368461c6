import { randomUUID } from 'node:crypto';
import { Column, Entity, JoinColumn, ManyToOne, PrimaryColumn, type Relation } from 'typeorm';
import { DeleteDateColumn, UpdateDateColumn } from 'typeorm';
import { SyncTable } from 'nestjs-synchro';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createTableSql } from '../../support/schema-fixtures.js';
import type { RunningApp } from '../../support/app.js';
import { createDatabase, type TestDatabase } from '../../support/database.js';
import { Device } from '../../support/device.js';
import { tasksDone, withPausedConsumer } from '../../support/consumer.js';
import { eventually } from '../../support/wait.js';
import { applied, startWalApp, SyncedRow } from '../../support/wal-app.js';

@Entity('boards')
@SyncTable({ ownerColumn: 'user_id' })
class Board extends SyncedRow {
  @Column('text', { name: 'user_id' })
  userId!: string;

  @Column('text', { nullable: true })
  title!: string | null;
}

@Entity('cards')
@SyncTable({ parent: () => Board })
class Card extends SyncedRow {
  @ManyToOne(() => Board)
  @JoinColumn({ name: 'board_id' })
  board!: Relation<Board>;

  @Column('text', { nullable: true })
  title!: string | null;
}

@Entity('counters')
@SyncTable({ ownerColumn: 'user_id' })
class Counter {
  @PrimaryColumn('bigint') id!: string;
  @Column('text', { name: 'user_id' }) userId!: string;
  @Column('text', { nullable: true }) title!: string | null;
  @UpdateDateColumn({ name: 'updated_at', type: 'timestamptz' }) updatedAt!: Date;
  @DeleteDateColumn({ name: 'deleted_at', type: 'timestamptz' }) deletedAt!: Date | null;
}

let db: TestDatabase;
let app: RunningApp;

beforeAll(async () => {
  db = await createDatabase();
  await db.query(createTableSql('boards', 'user_id text, title text'));
  await db.query(createTableSql('cards', 'board_id uuid REFERENCES boards, title text'));
  await db.query(
    `CREATE TABLE counters (id bigint PRIMARY KEY, user_id text, title text,
       updated_at timestamptz NOT NULL DEFAULT now(), deleted_at timestamptz)`,
  );
  app = await startWalApp(db, [Board, Card, Counter]);
});
afterAll(async () => {
  await app.close();
  await db.drop();
});

async function device(user: string = randomUUID()): Promise<Device> {
  const phone = new Device(app.url, user);
  await phone.start();
  return phone;
}

/** Syncs once more when the log and what it was asked for are done. */
async function synced(...phones: readonly Device[]): Promise<void> {
  await applied(db);
  await tasksDone(db);
  for (const phone of phones) await phone.sync();
}

const SPELLINGS: readonly (readonly [string, (id: string) => string])[] = [
  ['in capitals', (id) => id.toUpperCase()],
  ['in braces', (id) => `{${id}}`],
  ['without hyphens', (id) => id.replaceAll('-', '')],
  ['with hyphens in other places', (id) => id.replaceAll('-', '').replace(/.{4}(?!$)/g, '$&-')],
];

describe.each(SPELLINGS)('a row whose device wrote its UUID %s [W-SDK-4]', (_, spelled) => {
  it('is there once, as the server names it, after the next pull', async () => {
    const phone = await device();
    const [id, tablet] = [randomUUID(), await device(phone.userId)];
    phone.create('boards', { title: 'mine' }, spelled(id));
    await phone.sync();
    await synced(phone, tablet);
    for (const each of [phone, tablet]) expect([...each.rows('boards').keys()]).toEqual([id]);
    expect(phone.row('boards', id)).toMatchObject({ title: 'mine' });
    expect(phone.snapshotReasons).toEqual([]);
  });

  it('is edited and deleted by that name before the device has heard of the other', async () => {
    const phone = await device();
    const [edited, gone] = [randomUUID(), randomUUID()];
    for (const id of [edited, gone]) phone.create('boards', { title: 'new' }, spelled(id));
    await phone.pushPending();
    phone.update('boards', spelled(edited), { title: 'edited' });
    phone.delete('boards', spelled(gone));
    await phone.pushPending();
    await synced(phone);
    expect([...phone.rows('boards')].map(([id, { title }]) => [id, title])).toEqual([[edited, 'edited']]);
  });

  it('takes its children along, made before and after the parent was pushed', async () => {
    const phone = await device();
    const [id, early, late] = [randomUUID(), randomUUID(), randomUUID()];
    phone.create('boards', { title: 'parent' }, spelled(id));
    phone.create('cards', { board_id: spelled(id), title: 'early' }, spelled(early));
    await phone.pushPending();
    phone.create('cards', { board_id: spelled(id), title: 'late' }, late);
    await phone.pushPending();
    await synced(phone);
    const cards = phone.rows('cards');
    expect([...cards.keys()].toSorted()).toEqual([early, late].toSorted());
    expect(cards.get(early)).toMatchObject({ board_id: id, title: 'early' });
    expect(cards.get(late)).toMatchObject({ board_id: id, title: 'late' });
  });
});

describe('an id that the server spells otherwise [W-SDK-4]', () => {
  it.each([
    ['0071', '71'],
    ['+72', '72'],
    ['73.0', '73'],
    ['7.4e1', '74'],
  ])('of an integer key: %s', async (spelled, id) => {
    const phone = await device();
    phone.create('counters', { title: 'mine' }, spelled);
    await phone.sync();
    await synced(phone);
    expect([...phone.rows('counters').keys()]).toEqual([id]);
  });

  it('of a create that comes again, as its answer was lost', async () => {
    const phone = await device();
    const id = randomUUID();
    const data = { title: 'mine' };
    const create = { id: id.toUpperCase(), table_name: 'boards', operation: 'create', data } as const;
    await phone.push([create]);
    await synced(phone);
    phone.create('boards', data, id.toUpperCase());
    await phone.sync();
    await synced(phone);
    expect([...phone.rows('boards').keys()]).toEqual([id]);
  });

  it('of a device that begins a snapshot meanwhile, and does not go on with it', async () => {
    const phone = await device();
    const id = randomUUID();
    await withPausedConsumer(db, async () => {
      phone.create('boards', { title: 'made offline' }, id.toUpperCase());
      await phone.pushPending();
      await phone.snapshotPage({ limit: 1 });
    });
    await synced(phone);
    expect([...phone.rows('boards').keys()]).toEqual([id]);
  });

  it('of a change that loses against the row', async () => {
    const phone = await device();
    const id = randomUUID();
    await db.query(`INSERT INTO boards (id, user_id, title) VALUES ($1, $2, 'theirs')`, [id, phone.userId]);
    phone.create('boards', { title: 'mine' }, id.toUpperCase());
    await db.query('UPDATE boards SET updated_at = clock_timestamp() WHERE id = $1', [id]);
    await phone.sync();
    await synced(phone);
    expect([...phone.rows('boards')].map(([key, { title }]) => [key, title])).toEqual([[id, 'theirs']]);
  });

  it('of a child that came before its parent: kept until the parent is there', async () => {
    const phone = await device();
    const tablet = await device(phone.userId);
    const [board, card] = [randomUUID(), randomUUID()];
    const data = { board_id: board.toUpperCase(), title: 'early', id: card.toUpperCase() };
    phone.create('cards', data, card.toUpperCase());
    await phone.sync();
    await synced(phone);
    expect([...phone.rows('cards').keys()]).toEqual([card.toUpperCase()]);
    tablet.create('boards', { title: 'parent' }, board.toUpperCase());
    await tablet.sync();
    await synced(phone, tablet);
    for (const each of [phone, tablet]) {
      expect([...each.rows('boards').keys()]).toEqual([board]);
      expect([...each.rows('cards')].map(([id, row]) => [id, row['board_id']])).toEqual([[card, board]]);
    }
  });

  it('of an owner or another reference is corrected on the device', async () => {
    const phone = await device();
    const board = randomUUID();
    await db.query(`INSERT INTO boards (id, user_id, title) VALUES ($1, $2, 'b')`, [board, phone.userId]);
    await synced(phone);
    const card = randomUUID();
    phone.create('cards', { board_id: board.toUpperCase(), title: 'c' }, card);
    await phone.sync();
    await synced(phone);
    await eventually(async () => {
      await phone.sync();
      return phone.row('cards', card)?.['board_id'] === board;
    });
  });
});
