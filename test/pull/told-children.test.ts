import { randomUUID } from 'node:crypto';
import { SyncTable } from 'nestjs-synchro';
import { Column, Entity } from 'typeorm';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { createTableSql } from '../support/schema-fixtures.js';
import type { RunningApp } from '../support/app.js';
import { allSent, consumerWaits, withPausedConsumer } from '../support/consumer.js';
import { createDatabase, type TestDatabase } from '../support/database.js';
import { Device } from '../support/device.js';
import { applied, inOneTransaction, logOf, startWalApp, SyncedRow } from '../support/wal-app.js';

@Entity('orders')
@SyncTable({ ownerColumn: 'user_id' })
class Order extends SyncedRow {
  @Column('text', { name: 'user_id' })
  userId!: string;
}

@Entity('details')
@SyncTable({ parent: () => Order, parentFkColumn: 'order_id' })
class Detail extends SyncedRow {
  @Column('uuid', { name: 'order_id' })
  orderId!: string;
}

@Entity('parts')
@SyncTable({ parent: () => Detail, parentFkColumn: 'detail_id' })
class Part extends SyncedRow {
  @Column('uuid', { name: 'detail_id' })
  detailId!: string;
}

@Entity('screws')
@SyncTable({ parent: () => Part, parentFkColumn: 'part_id' })
class Screw extends SyncedRow {
  @Column('uuid', { name: 'part_id' })
  partId!: string;
}

const TABLES = ['orders', 'details', 'parts', 'screws'] as const;

function push(device: Device): () => Promise<void> {
  return async () => {
    for (const { rejected } of await device.pushPending()) expect(rejected).toEqual([]);
  };
}

/** Ids of all rows that the device shows. */
function shown(device: Device): readonly string[] {
  return TABLES.flatMap((table) => [...device.rows(table).keys()]).toSorted();
}

describe('a device that made a row hears that it has gone with its parent [W-SDK-6],', () => {
  let database: TestDatabase;
  let app: RunningApp;
  let alice: Device;
  let bob: Device;

  beforeAll(async () => {
    database = await createDatabase();
    await database.query(createTableSql('orders', 'user_id text NOT NULL'));
    // Without constraints, so that parents can go alone.
    await database.query(createTableSql('details', 'order_id uuid NOT NULL, note text'));
    await database.query(createTableSql('parts', 'detail_id uuid NOT NULL'));
    await database.query(createTableSql('screws', 'part_id uuid NOT NULL'));
    app = await startWalApp(database, [Order, Detail, Part, Screw]);
  });
  afterAll(async () => {
    await app.close();
    await database.drop();
  });
  beforeEach(async () => {
    alice = new Device(app.url, randomUUID());
    bob = new Device(app.url, randomUUID());
    await alice.start();
    await bob.start();
  });

  /** All of it is committed before the log gets to any of it, and comes there as one batch. */
  async function inOneBatch(...steps: readonly (() => Promise<unknown>)[]): Promise<void> {
    await withPausedConsumer(database, async () => {
      await database.query(`INSERT INTO orders (id, user_id) VALUES (gen_random_uuid(), 'nobody')`);
      await consumerWaits(database);
      for (const step of steps) await step();
      await allSent(database);
    });
    await applied(database);
    await alice.sync();
    await bob.sync();
  }

  const move = (order: string, user: string) => (): Promise<unknown> =>
    database.query('UPDATE orders SET user_id = $2, updated_at = clock_timestamp() WHERE id = $1', [
      order,
      user,
    ]);
  /** An order of Alice's with a detail, a part and a screw, which her device holds. */
  async function old(): Promise<readonly [string, string, string, string]> {
    const ids = [randomUUID(), randomUUID(), randomUUID(), randomUUID()] as const;
    const [order, detail, part, screw] = ids;
    await database.query('INSERT INTO orders (id, user_id) VALUES ($1, $2)', [order, alice.userId]);
    await database.query('INSERT INTO details (id, order_id) VALUES ($1, $2)', [detail, order]);
    await database.query('INSERT INTO parts (id, detail_id) VALUES ($1, $2)', [part, detail]);
    await database.query('INSERT INTO screws (id, part_id) VALUES ($1, $2)', [screw, part]);
    await applied(database);
    await alice.sync();
    expect(shown(alice)).toEqual([...ids].toSorted());
    return ids;
  }

  it('made with its parent', async () => {
    const order = alice.create('orders', {});
    const detail = alice.create('details', { order_id: order });
    await inOneBatch(push(alice), move(order, bob.userId));
    expect(shown(alice)).toEqual([]);
    expect(shown(bob)).toEqual([order, detail].toSorted());
  });

  it('made under a parent that was there', async () => {
    const [order, ...below] = await old();
    const detail = alice.create('details', { order_id: order });
    await inOneBatch(push(alice), move(order, bob.userId));
    expect(shown(alice)).toEqual([]);
    expect(shown(bob)).toEqual([order, ...below, detail].toSorted());
  });

  it('made three levels below, all at once', async () => {
    const order = alice.create('orders', {});
    const detail = alice.create('details', { order_id: order });
    const part = alice.create('parts', { detail_id: detail });
    const screw = alice.create('screws', { part_id: part });
    await inOneBatch(push(alice), move(order, bob.userId));
    expect(shown(alice)).toEqual([]);
    expect(shown(bob)).toEqual([order, detail, part, screw].toSorted());
  });

  it('made two and three levels below what moves, under rows that nobody touches', async () => {
    const [order, detail, part, screw] = await old();
    const newPart = alice.create('parts', { detail_id: detail });
    const newScrew = alice.create('screws', { part_id: part });
    await inOneBatch(push(alice), move(order, bob.userId));
    expect(shown(alice)).toEqual([]);
    expect(shown(bob)).toEqual([order, detail, part, screw, newPart, newScrew].toSorted());
  });

  it('made under a row that is edited with it', async () => {
    const [order, detail, part, screw] = await old();
    alice.update('details', detail, { note: 'edited' });
    const newPart = alice.create('parts', { detail_id: detail });
    const newScrew = alice.create('screws', { part_id: part });
    await inOneBatch(push(alice), move(order, bob.userId));
    expect(shown(alice)).toEqual([]);
    expect(shown(bob)).toEqual([order, detail, part, screw, newPart, newScrew].toSorted());
  });

  it('made and edited', async () => {
    const [order, ...below] = await old();
    const detail = alice.create('details', { order_id: order });
    await inOneBatch(
      push(alice),
      async () => alice.update('details', detail, { note: 'edited' }),
      push(alice),
      move(order, bob.userId),
    );
    expect(shown(alice)).toEqual([]);
    expect(shown(bob)).toEqual([order, ...below, detail].toSorted());
  });

  it('when the parent goes from hand to hand, each of whom has made some', async () => {
    const [order, detail] = await old();
    const [hers, his] = [randomUUID(), randomUUID()];
    await inOneBatch(
      async () => alice.create('details', { order_id: order }, hers),
      push(alice),
      move(order, bob.userId),
      async () => bob.create('parts', { detail_id: detail }, his),
      push(bob),
      move(order, 'carol'),
    );
    expect(shown(alice)).toEqual([]);
    expect(shown(bob)).toEqual([]);
    expect(await logOf(database, 'details', hers)).toEqual([
      `create user:${alice.userId}`,
      `delete user:${alice.userId}`,
      `create user:${bob.userId}`,
      `delete user:${bob.userId}`,
      'create user:carol',
    ]);
    // Alice could never see it.
    expect(await logOf(database, 'parts', his)).toEqual([
      `create user:${bob.userId}`,
      `delete user:${bob.userId}`,
      'create user:carol',
    ]);
  });

  it('and nobody hears what its parent was within a transaction', async () => {
    const [order] = await old();
    const detail = alice.create('details', { order_id: order });
    await inOneBatch(push(alice), () =>
      inOneTransaction(
        database,
        `UPDATE orders SET user_id = 'carol' WHERE id = '${order}'`,
        `UPDATE orders SET user_id = '${bob.userId}' WHERE id = '${order}'`,
      ),
    );
    expect(await logOf(database, 'details', detail)).toEqual([
      `create user:${alice.userId}`,
      `delete user:${alice.userId}`,
      `create user:${bob.userId}`,
    ]);
  });

  it('when the parent is deleted alone', async () => {
    const order = alice.create('orders', {});
    const detail = alice.create('details', { order_id: order });
    const part = alice.create('parts', { detail_id: detail });
    await inOneBatch(push(alice), () => database.query('DELETE FROM orders WHERE id = $1', [order]));
    expect(shown(alice)).toEqual([]);
    expect(await logOf(database, 'parts', part)).toContain(`delete user:${alice.userId}`);
  });

  it('when a parent that was there is deleted alone', async () => {
    const [order, detail] = await old();
    alice.create('details', { order_id: order });
    alice.create('parts', { detail_id: detail });
    await inOneBatch(push(alice), () => database.query('DELETE FROM orders WHERE id = $1', [order]));
    expect(shown(alice)).toEqual([]);
  });

  it('when all of it is deleted', async () => {
    const order = alice.create('orders', {});
    const detail = alice.create('details', { order_id: order });
    await inOneBatch(push(alice), async () => {
      await database.query('DELETE FROM details WHERE id = $1', [detail]);
      await database.query('DELETE FROM orders WHERE id = $1', [order]);
    });
    expect(shown(alice)).toEqual([]);
  });

  it('when the parents are truncated', async () => {
    const [order] = await old();
    const other = alice.create('orders', {});
    for (const parent of [order, other]) alice.create('details', { order_id: parent });
    await inOneBatch(push(alice), () => database.query('TRUNCATE orders'));
    expect(shown(alice)).toEqual([]);
  });

  it('when it is itself what is moved', async () => {
    const [order] = await old();
    const theirs = randomUUID();
    await database.query('INSERT INTO orders (id, user_id) VALUES ($1, $2)', [theirs, bob.userId]);
    const detail = alice.create('details', { order_id: order });
    const part = alice.create('parts', { detail_id: detail });
    await inOneBatch(push(alice), () =>
      database.query('UPDATE details SET order_id = $2, updated_at = clock_timestamp() WHERE id = $1', [
        detail,
        theirs,
      ]),
    );
    expect(shown(alice)).not.toContain(detail);
    expect(shown(alice)).not.toContain(part);
    expect(shown(bob)).toEqual([theirs, detail, part].toSorted());
  });

  it('when it waited for its parent', async () => {
    const order = randomUUID();
    const detail = alice.create('details', { order_id: order });
    const part = alice.create('parts', { detail_id: detail });
    await alice.pushPending();
    const tablet = new Device(app.url, alice.userId);
    await tablet.start();
    tablet.create('orders', {}, order);
    await inOneBatch(push(tablet), move(order, bob.userId));
    await tablet.sync();
    expect(shown(alice)).toEqual([]);
    expect(shown(tablet)).toEqual([]);
    expect(shown(bob)).toEqual([order, detail, part].toSorted());
  });

  it('and hears nothing of what was made under it afterwards', async () => {
    const [order, detail] = await old();
    const [later, below] = [randomUUID(), randomUUID()];
    await inOneBatch(move(order, bob.userId), async () => {
      await database.query('INSERT INTO details (id, order_id) VALUES ($1, $2)', [later, order]);
      await database.query('INSERT INTO parts (id, detail_id) VALUES ($1, $2)', [below, detail]);
    });
    expect(shown(alice)).toEqual([]);
    for (const [table, id] of [
      ['details', later],
      ['parts', below],
    ] as const)
      expect(await logOf(database, table, id)).toEqual([`create user:${bob.userId}`]);
  });

  it('nor of what was made then under a row that is moved itself before and after', async () => {
    const [order] = await old();
    const [elsewhere, detail, part] = [randomUUID(), randomUUID(), randomUUID()];
    await database.query(`INSERT INTO orders (id, user_id) VALUES ('${elsewhere}', 'carol')`);
    await database.query('INSERT INTO details (id, order_id) VALUES ($1, $2)', [detail, elsewhere]);
    await applied(database);
    const under = (id: string) => () =>
      database.query('UPDATE details SET order_id = $2 WHERE id = $1', [detail, id]);
    await inOneBatch(
      under(order),
      move(order, bob.userId),
      () => database.query('INSERT INTO parts (id, detail_id) VALUES ($1, $2)', [part, detail]),
      under(elsewhere),
    );
    expect(await logOf(database, 'parts', part)).toEqual([
      `create user:${bob.userId}`,
      `delete user:${bob.userId}`,
      'create user:carol',
    ]);
    expect(await logOf(database, 'details', detail)).toContain(`create user:${bob.userId}`);
  });
});
