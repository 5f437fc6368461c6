import { randomUUID } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { SubscriptionResolver, SyncTable, UserSubscriptionResolver } from 'nestjs-synchro';
import { Column, DataSource, Entity } from 'typeorm';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createTableSql } from './schema-fixtures.js';
import type { RunningApp } from './support/app.js';
import { subscriptionsApplied } from './support/consumer.js';
import { createDatabase, type TestDatabase } from './support/database.js';
import { Device } from './support/device.js';
import { applied, inOneTransaction, startWalApp, SyncedRow } from './support/wal-app.js';

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
