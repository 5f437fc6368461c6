import { randomUUID } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { SubscriptionResolver, SyncTable } from 'nestjs-synchro';
import { Column, DataSource, Entity } from 'typeorm';
import { afterAll, beforeAll, beforeEach, expect, describe, it } from 'vitest';
import type { RunningApp } from '../support/app.js';
import { subscriptionsApplied } from '../support/consumer.js';
import { createDatabase, type TestDatabase } from '../support/database.js';
import { Device } from '../support/device.js';
import { createTableSql } from '../support/schema-fixtures.js';
import { applied, startWalApp, SyncedRow } from '../support/wal-app.js';

@Entity('boards')
@SyncTable({ ownerColumn: 'user_id', bucketByColumn: 'team', bucketPrefix: 'team:' })
class Board extends SyncedRow {
  @Column('text', { name: 'user_id' })
  userId!: string;

  @Column('text')
  team!: string;
}

@Injectable()
class Teams extends SubscriptionResolver {
  constructor(private readonly dataSource: DataSource) {
    super();
  }

  override async resolveSubscriptions(userId: string): Promise<readonly string[]> {
    const rows: readonly { bucket: string }[] = await this.dataSource.query(
      `SELECT 'team:' || team AS bucket FROM team_members WHERE user_id = $1 ORDER BY 1`,
      [userId],
    );
    return rows.map(({ bucket }) => bucket);
  }
}

describe('a row that a device has pushed into a team which its user leaves [W-HOST-93]', () => {
  let database: TestDatabase;
  let app: RunningApp;
  let phone: Device;

  beforeAll(async () => {
    database = await createDatabase();
    await database.query(createTableSql('boards', 'user_id text NOT NULL, team text NOT NULL'));
    await database.query('CREATE TABLE team_members (team text, user_id text, PRIMARY KEY (team, user_id))');
    const providers = [{ provide: SubscriptionResolver, useClass: Teams }];
    app = await startWalApp(database, [Board], { providers });
  });
  afterAll(async () => {
    await app.close();
    await database.drop();
  });
  beforeEach(async () => {
    const user = `user-${randomUUID()}`;
    await database.query(`INSERT INTO team_members VALUES ('red', $1)`, [user]);
    phone = new Device(app.url, user);
    await phone.start();
  });

  async function pushBoard(): Promise<string> {
    const id = phone.create('boards', { user_id: phone.userId, team: 'red' });
    await phone.pushPending();
    await applied(database);
    return id;
  }

  async function leave(): Promise<void> {
    await database.query('DELETE FROM team_members WHERE user_id = $1', [phone.userId]);
    await phone.pull();
    await subscriptionsApplied(database);
    await phone.pull();
  }

  it('goes from the device, though no pull has brought it', async () => {
    const board = await pushBoard();
    await leave();
    expect(phone.row('boards', board)).toBeUndefined();
  });

  it('goes without a snapshot where a pull has brought it', async () => {
    const board = await pushBoard();
    await phone.pull();
    const before = phone.snapshotReasons.length;
    await leave();
    expect(phone.row('boards', board)).toBeUndefined();
    expect(phone.snapshotReasons.length).toBe(before);
  });
});
