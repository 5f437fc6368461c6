import { randomUUID } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { SubscriptionResolver, SyncTable, UserSubscriptionResolver } from 'nestjs-synchro';
import { Column, DataSource, Entity } from 'typeorm';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createTableSql } from '../support/schema-fixtures.js';
import type { RunningApp } from '../support/app.js';
import { consumerWaits, subscriptionsApplied, withPausedConsumer } from '../support/consumer.js';
import { createDatabase, type TestDatabase } from '../support/database.js';
import { Device } from '../support/device.js';
import { applied, inOneTransaction, startWalApp, SyncedRow } from '../support/wal-app.js';

@Entity('plans')
@SyncTable({ ownerColumn: 'user_id', bucketByColumn: 'team', bucketPrefix: 'team:' })
class Plan extends SyncedRow {
  @Column('text', { name: 'user_id' })
  userId!: string;

  @Column('text')
  team!: string;
}

@Entity('steps')
@SyncTable({ parent: () => Plan, parentFkColumn: 'plan_id' })
class Step extends SyncedRow {
  @Column('uuid', { name: 'plan_id' })
  planId!: string;
}

@Entity('checks')
@SyncTable({ parent: () => Step, parentFkColumn: 'step_id' })
class Check extends SyncedRow {
  @Column('uuid', { name: 'step_id' })
  stepId!: string;
}

/** Besides what is theirs, people read what their teams have. */
@Injectable()
class TeamSubscriptions extends SubscriptionResolver {
  constructor(
    private readonly own: UserSubscriptionResolver,
    private readonly dataSource: DataSource,
  ) {
    super();
  }

  override async resolveSubscriptions(userId: string): Promise<readonly string[]> {
    const teams: readonly { team: string }[] = await this.dataSource.query(
      'SELECT team FROM team_members WHERE user_id = $1 ORDER BY team',
      [userId],
    );
    return [...this.own.resolveSubscriptions(userId), ...teams.map(({ team }) => `team:${team}`)];
  }
}

describe('members of a team', () => {
  let database: TestDatabase;
  let app: RunningApp;

  beforeAll(async () => {
    database = await createDatabase();
    await database.query(createTableSql('plans', 'user_id text NOT NULL, team text NOT NULL'));
    await database.query(createTableSql('steps', 'plan_id uuid NOT NULL REFERENCES plans'));
    await database.query(createTableSql('checks', 'step_id uuid NOT NULL REFERENCES steps'));
    await database.query('CREATE TABLE team_members (team text, user_id text, PRIMARY KEY (team, user_id))');
    app = await startWalApp(database, [Plan, Step, Check], {
      providers: [{ provide: SubscriptionResolver, useClass: TeamSubscriptions }],
    });
  });

  afterAll(async () => {
    await app.close();
    await database.drop();
  });

  /** A plan with a step with a check, which all have the same id. */
  async function insertPlan(team: string): Promise<string> {
    const id = randomUUID();
    await inOneTransaction(
      database,
      `INSERT INTO plans (id, user_id, team) VALUES ('${id}', 'boss', '${team}')`,
      `INSERT INTO steps (id, plan_id) VALUES ('${id}', '${id}')`,
      `INSERT INTO checks (id, step_id) VALUES ('${id}', '${id}')`,
    );
    await applied(database);
    return id;
  }

  async function join(team: string, userId: string): Promise<void> {
    await database.query('INSERT INTO team_members VALUES ($1, $2)', [team, userId]);
  }

  async function leave(team: string, userId: string): Promise<void> {
    await database.query('DELETE FROM team_members WHERE team = $1 AND user_id = $2', [team, userId]);
  }

  async function started(userId: string): Promise<Device> {
    const device = new Device(app.url, userId);
    await device.start();
    return device;
  }

  /** What a device has after the pulls that follow a change of its teams. */
  async function pulled(device: Device): Promise<readonly (readonly string[])[]> {
    await device.pull();
    await subscriptionsApplied(database);
    await device.pull();
    expect(device.snapshotReasons).toEqual([]);
    return ['plans', 'steps', 'checks'].map((table) => [...device.rows(table).keys()].toSorted());
  }

  it('get its rows by ordinary pulls when they join, with all that is under them, and lose them when they leave [W-OWN-7] [W-PULL-9]', async () => {
    const [first, second] = [await insertPlan('red'), await insertPlan('red')];
    const device = await started('ann');
    expect(await pulled(device)).toEqual(all());
    await join('red', 'ann');
    expect(await pulled(device)).toEqual(all(first, second));
    await leave('red', 'ann');
    expect(await pulled(device)).toEqual(all());
    await join('red', 'ann');
    expect(await pulled(device), 'the device holds them, marked as deleted').toEqual(all(first, second));
  });

  it('get what is new for as long as they are in it', async () => {
    await join('blue', 'ben');
    const device = await started('ben');
    const plan = await insertPlan('blue');
    expect(await pulled(device)).toEqual(all(plan));
    await leave('blue', 'ben');
    await insertPlan('blue');
    expect(await pulled(device)).toEqual(all());
  });

  it('keep what another of their teams has, and see rows move from team to team', async () => {
    await join('green', 'cem');
    await join('white', 'cem');
    const [stays, moves] = [await insertPlan('white'), await insertPlan('green')];
    const device = await started('cem');
    expect(await pulled(device)).toEqual(all(stays, moves));
    await leave('green', 'cem');
    expect(await pulled(device)).toEqual(all(stays));
    await database.query(`UPDATE plans SET team = 'white' WHERE id = $1`, [moves]);
    await applied(database);
    expect(await pulled(device)).toEqual(all(stays, moves));
    await database.query(`UPDATE plans SET team = 'black' WHERE id = $1`, [stays]);
    await applied(database);
    expect(await pulled(device)).toEqual(all(moves));
  });

  /** The ids of plans that a device holds, once the log is there and it has pulled what follows. */
  async function heldBy(device: Device): Promise<readonly string[]> {
    await applied(database);
    await subscriptionsApplied(database);
    await device.pull();
    await subscriptionsApplied(database);
    await device.pull();
    return [...device.rows('plans').keys()];
  }

  describe('who push rows that the log has not yet', () => {
    it('lose them when they leave meanwhile, by a snapshot [W-PULL-9]', async () => {
      await join('teal', 'eva');
      const device = await started('eva');
      await withPausedConsumer(database, async () => {
        await create(device, 'teal');
        await leave('teal', 'eva');
        await device.pull();
      });
      expect(await heldBy(device)).toEqual([]);
      expect(device.snapshotReasons).toEqual(['history_unavailable']);
    });

    it('lose them when they leave, come back and see them deleted meanwhile [W-PULL-9]', async () => {
      await join('jade', 'fay');
      const device = await started('fay');
      await withPausedConsumer(database, async () => {
        await leave('jade', 'fay');
        await device.pull();
        await join('jade', 'fay');
        const id = await create(device, 'jade');
        await database.query('UPDATE plans SET deleted_at = now() WHERE id = $1', [id]);
      });
      expect(await heldBy(device)).toEqual([]);
    });

    it('lose what is deleted before the log has it and their new team [W-PULL-9]', async () => {
      const device = await started('gil');
      await device.pull();
      await join('mint', 'gil');
      const [stays, goes] = await withPausedConsumer(database, async () => {
        // What the consumer has begun with, so that all that follows is one batch.
        await database.query(`INSERT INTO plans (user_id, team) VALUES ('boss', 'mint')`);
        await consumerWaits(database);
        const ids = [await create(device, 'mint'), await create(device, 'mint')];
        await database.query('UPDATE plans SET deleted_at = now() WHERE id = $1', [ids[1]]);
        return ids;
      });
      const held = await heldBy(device);
      expect(held).toContain(stays);
      expect(held).not.toContain(goes);
      expect(device.snapshotReasons).toEqual([]);
    });

    it('need no snapshot when they leave one team and have edited in another [W-PULL-9]', async () => {
      for (const team of ['sand', 'gray']) await join(team, 'hal');
      const device = await started('hal');
      const [kept, lost] = [await create(device, 'gray'), await create(device, 'sand')];
      await applied(database);
      await device.pull();
      await leave('sand', 'hal');
      await withPausedConsumer(database, async () => {
        const { accepted } = await device.push([
          { id: kept, table_name: 'plans', operation: 'update', data: { team: 'gray' } },
        ]);
        expect(accepted).toHaveLength(1);
      });
      const held = await heldBy(device);
      expect(held).toContain(kept);
      expect(held).not.toContain(lost);
      expect(device.snapshotReasons).toEqual([]);
    });
  });

  describe('who have pushed a row that the log has', () => {
    it('lose it when they leave, though no pull has brought it [W-HOST-93]', async () => {
      await join('rose', 'ida');
      const device = await started('ida');
      await create(device, 'rose');
      await applied(database);
      await leave('rose', 'ida');
      expect(await heldBy(device)).toEqual([]);
    });

    it('lose it without a snapshot where a pull has brought it [W-HOST-93]', async () => {
      await join('pink', 'jon');
      const device = await started('jon');
      await create(device, 'pink');
      await applied(database);
      await device.pull();
      await leave('pink', 'jon');
      expect(await heldBy(device)).toEqual([]);
      expect(device.snapshotReasons).toEqual([]);
    });
  });

  it('read, and do not write: that is for the owner', async () => {
    await join('pink', 'dan');
    const plan = await insertPlan('pink');
    const device = await started('dan');
    const answer = await device.push([
      { id: plan, table_name: 'plans', operation: 'update', data: { team: 'dans' } },
      { id: plan, table_name: 'checks', operation: 'delete' },
      { id: randomUUID(), table_name: 'steps', operation: 'create', data: { plan_id: plan } },
    ]);
    expect(answer.accepted).toEqual([]);
    expect(answer.rejected.map(({ status }) => status)).toEqual(Array(3).fill('rejected_terminal'));
    expect(await database.query('SELECT team FROM plans WHERE id = $1', [plan])).toEqual([{ team: 'pink' }]);
  });
});

/** These ids in each of the three tables. */
function all(...ids: readonly string[]): readonly (readonly string[])[] {
  return Array.from({ length: 3 }, () => ids.toSorted());
}

/** Pushes a new plan, which the device holds from then on. */
async function create(device: Device, team: string): Promise<string> {
  const id = randomUUID();
  const data = { team };
  const { accepted } = await device.push([{ id, table_name: 'plans', operation: 'create', data }]);
  expect(accepted).toHaveLength(1);
  device.store.replace({
    table_name: 'plans',
    id,
    data: { id, ...data, deleted_at: null },
    updated_at: '',
  });
  return id;
}
