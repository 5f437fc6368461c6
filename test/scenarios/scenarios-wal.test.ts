import { randomUUID } from 'node:crypto';
import type { LoggerService } from '@nestjs/common';
import { SyncTable } from 'nestjs-synchro';
import { Column, Entity } from 'typeorm';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createTableSql } from '../support/schema-fixtures.js';
import { startApp, type RunningApp } from '../support/app.js';
import { consumed, consumerWaits, withPausedConsumer } from '../support/consumer.js';
import { createDatabase, type TestDatabase } from '../support/database.js';
import { insertTask } from '../support/sample-rows.js';
import { eventually } from '../support/wait.js';
import { applied, logOf, startWalApp, storedPosition, SyncedRow } from '../support/wal-app.js';

/** The reference's scenarios of its WAL suite. */
@Entity('orders')
@SyncTable({ ownerColumn: 'user_id' })
class Order extends SyncedRow {
  @Column('text', { name: 'user_id' })
  userId!: string;
}

@Entity('order_details')
@SyncTable({ parent: () => Order, parentFkColumn: 'order_id' })
class OrderDetail extends SyncedRow {
  @Column('uuid', { name: 'order_id' })
  orderId!: string;
}

@Entity('categories')
@SyncTable({ ownerColumn: 'user_id', allowGlobalRead: true })
class Category extends SyncedRow {
  @Column('text', { name: 'user_id', nullable: true })
  userId!: string | null;
}

describe('the changelog says', () => {
  let database: TestDatabase;
  let app: RunningApp;

  beforeAll(async () => {
    database = await createDatabase();
    await database.query(createTableSql('orders', 'user_id text NOT NULL'));
    await database.query(createTableSql('order_details', 'order_id uuid NOT NULL REFERENCES orders'));
    await database.query(createTableSql('categories', 'user_id text'));
    app = await startWalApp(database, [Order, OrderDetail, Category]);
  });
  afterAll(async () => {
    await app.close();
    await database.drop();
  });

  async function orderOf(user: string): Promise<string> {
    const id = randomUUID();
    await database.query('INSERT INTO orders (id, user_id) VALUES ($1, $2)', [id, user]);
    return id;
  }

  /** The entries of a record as they are stored, in order. */
  async function entries(table: string, id: string): Promise<readonly (readonly [string, number])[]> {
    await applied(database);
    const rows = await database.query<{ bucket_id: string; operation: number }>(
      'SELECT bucket_id, operation FROM sync_changelog WHERE table_name = $1 AND record_id = $2 ORDER BY seq',
      [table, id],
    );
    return rows.map(({ bucket_id: bucket, operation }) => [bucket, operation]);
  }

  it("[scenario 143] create to the owner's bucket of a row that is inserted", async () => {
    expect(await entries('orders', await orderOf('alice'))).toEqual([['user:alice', 1]]);
  });

  it('[scenario 144] update to the same bucket of a row that is changed', async () => {
    const id = await orderOf('alice');
    await database.query('UPDATE orders SET updated_at = now() WHERE id = $1', [id]);
    expect((await entries('orders', id)).slice(1)).toEqual([['user:alice', 2]]);
  });

  it('[scenario 145] delete to the same bucket of a row that is soft-deleted', async () => {
    const id = await orderOf('alice');
    await database.query('UPDATE orders SET deleted_at = now() WHERE id = $1', [id]);
    expect((await entries('orders', id)).slice(1)).toEqual([['user:alice', 3]]);
  });

  it("[scenario 146] create to the bucket of its parent's owner of a child without one", async () => {
    const [order, id] = [await orderOf('alice'), randomUUID()];
    await database.query('INSERT INTO order_details (id, order_id) VALUES ($1, $2)', [id, order]);
    expect(await entries('order_details', id)).toEqual([['user:alice', 1]]);
  });

  it.each([
    [null, 'global'],
    ['alice', 'user:alice'],
  ])('[scenario 147] create of a row of %s to %s', async (owner, bucket) => {
    const id = randomUUID();
    await database.query('INSERT INTO categories (id, user_id) VALUES ($1, $2)', [id, owner]);
    expect(await entries('categories', id)).toEqual([[bucket, 1]]);
  });

  it('[scenario 148] delete to the former owner and create to the new one of a row that changes hands', async () => {
    const id = await orderOf('alice');
    await database.query(`UPDATE orders SET user_id = 'bob' WHERE id = $1`, [id]);
    expect((await entries('orders', id)).slice(1)).toEqual([
      ['user:alice', 3],
      ['user:bob', 1],
    ]);
  });
});

describe('a consumer', () => {
  let database: TestDatabase;

  beforeAll(async () => {
    database = await createDatabase();
  });
  afterAll(async () => {
    await database.drop();
  });

  it('[scenario 141] goes on at the position that the one before it has stored', async () => {
    const first = await startApp({ database });
    const early = await insertTask(database, 'alice', 'early');
    await consumed(database);
    await first.close();
    const stored = await storedPosition(database);
    const late = await insertTask(database, 'alice', 'late');
    const second = await startApp({ database });
    await consumed(database);
    const now = await storedPosition(database);
    expect({ slot: now.slot_name, epoch: now.epoch_seq }).toEqual({
      slot: stored.slot_name,
      epoch: stored.epoch_seq,
    });
    expect(BigInt(now.confirmed_lsn)).toBeGreaterThan(BigInt(stored.confirmed_lsn));
    for (const task of [early, late])
      expect(await logOf(database, 'tasks', task)).toEqual(['create user:alice']);
    await second.close();
  });

  it('[scenario 149] ends within 5 seconds and without an error, also while it waits for its turn', async () => {
    const complaints = new Complaints();
    for (const end of [close, closeWhileItWaits]) {
      const app = await startApp({ database, nest: { logger: complaints } });
      await consumed(database);
      complaints.lines.length = 0;
      await end(app);
      expect(complaints.lines).toEqual([]);
      await eventually(async () => {
        const slots = await database.query(
          'SELECT FROM pg_replication_slots WHERE slot_name = $1 AND active',
          [database.slotName],
        );
        return slots.length === 0;
      });
    }
  });

  /** It must end before its turn comes, which the test keeps until then. */
  async function closeWhileItWaits(app: RunningApp): Promise<void> {
    await withPausedConsumer(database, async () => {
      await insertTask(database, 'alice', 'waiting');
      await consumerWaits(database);
      await app.close();
    });
  }
});

async function close(app: RunningApp): Promise<void> {
  await app.close();
}

/** Notes warnings and errors alone. */
class Complaints implements LoggerService {
  readonly lines: unknown[] = [];

  log(): void {}

  warn(...line: readonly unknown[]): void {
    this.lines.push(line);
  }

  error(...line: readonly unknown[]): void {
    this.lines.push(line);
  }
}
